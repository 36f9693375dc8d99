"""A shadow service in few lines: desired, reported and delta of many things, over the topics of AWS IoT.

It does what an update by shadow needs of the real one: get, update and delete with accepted, rejected, delta; versions;
limits; a delta for a device that was offline when it was asked for something. It keeps nothing on disk.

Neighbours: the other end of `shadow`; `shadow_serving` puts it behind a broker. Sans-IO; knows no device. Behaviour of
AWS IoT: "Device Shadow service documents", "Device Shadow MQTT topics" and "Device Shadow error messages" of its
developer guide.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from emu.ota.publishing import Message

PREFIX = "$aws/things/"
SUBSCRIPTION = f"{PREFIX}+/shadow/+"
REQUESTS = ("get", "update", "delete")
MAX_DOCUMENT = 8192
"""Bytes of a request, and of what is desired and reported of one thing together."""
MAX_DEPTH = 6
"""Objects and lists inside each other."""
MAX_TOKEN = 64


@dataclass
class Shadow:
    """One thing's document. A version counts accepted updates."""

    desired: dict[str, Any] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    version: int = 0

    @property
    def delta(self) -> dict[str, Any]:
        """What is desired and not reported so."""
        return difference(self.desired, self.reported)


class ShadowService:
    """Shadows by the name of their thing."""

    def __init__(self) -> None:
        self.shadows: dict[str, Shadow] = {}
        self.deleted: dict[str, int] = {}
        """Things whose shadow was deleted, with its version: the next one goes on from there."""

    def desire(self, thing: str, state: dict[str, Any]) -> list[Message]:
        """What a fleet's owner does: change ``desired``. Returns what is to be published."""
        return self._update(thing, {"state": {"desired": state}})

    def pending(self, thing: str) -> list[Message]:
        """The delta of a thing as it stands: for a service that has begun after its device has connected."""
        shadow = self.shadows.get(thing)
        if shadow is None or not shadow.delta:
            return []
        return [_message(thing, "update/delta", {"state": shadow.delta, "version": shadow.version}, "")]

    def receive(self, message: Message) -> list[Message]:
        """A device's message; what is to be published in answer to it. Nothing for a topic that is none of ours."""
        thing, _, rest = message.topic.removeprefix(PREFIX).partition("/shadow/")
        if not message.topic.startswith(PREFIX) or not thing or rest not in REQUESTS:
            return []
        if len(message.payload) > MAX_DOCUMENT:
            return [_rejected(thing, rest, 413, "The payload exceeds the maximum size allowed", "")]
        try:
            document = msgspec.json.decode(message.payload or b"{}")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            document = None
        if not isinstance(document, dict):
            return [_rejected(thing, rest, 400, "Payload contains invalid json", "")]
        token = document.get("clientToken", "")
        if not isinstance(token, str) or len(token.encode()) > MAX_TOKEN:
            return [_rejected(thing, rest, 400, "Invalid clientToken", "")]
        if rest == "get":
            return self._get(thing, token)
        return self._delete(thing, token) if rest == "delete" else self._update(thing, document)

    def _get(self, thing: str, token: str) -> list[Message]:
        shadow = self.shadows.get(thing)
        if shadow is None:
            return [_rejected(thing, "get", 404, f"No shadow exists with name: '{thing}'", token)]
        state = {"desired": shadow.desired, "reported": shadow.reported} | (
            {"delta": shadow.delta} if shadow.delta else {}
        )
        return [_message(thing, "get/accepted", {"state": state, "version": shadow.version}, token)]

    def _delete(self, thing: str, token: str) -> list[Message]:
        shadow = self.shadows.pop(thing, None)
        if shadow is None:
            return [_rejected(thing, "delete", 404, f"No shadow exists with name: '{thing}'", token)]
        self.deleted[thing] = shadow.version
        return [_message(thing, "delete/accepted", {"version": shadow.version}, token)]

    def _update(self, thing: str, document: dict[str, Any]) -> list[Message]:
        token, state = document.get("clientToken", ""), document.get("state")
        old = self.shadows.get(thing) or Shadow(version=self.deleted.get(thing, 0))
        wrong = _wrong(document, old.version)
        if wrong is not None:
            return [_rejected(thing, "update", *wrong, token)]
        assert isinstance(state, dict), "a state that is no object was let through: please report"
        shadow = copy.deepcopy(old)
        for name, part in state.items():
            held = shadow.desired if name == "desired" else shadow.reported
            if part is None:
                held.clear()
            else:
                _merge(held, part)
        if len(json.dumps([shadow.desired, shadow.reported])) > MAX_DOCUMENT:
            return [_rejected(thing, "update", 413, "The payload exceeds the maximum size allowed", token)]
        shadow.version += 1
        self.shadows[thing] = shadow
        accepted = _message(thing, "update/accepted", {"state": state, "version": shadow.version}, token)
        if "desired" not in state and not _touches(state, shadow.desired):
            return [accepted]
        return [accepted, *self.pending(thing)]


def _wrong(document: dict[str, Any], version: int) -> tuple[int, str] | None:
    """Why an update is rejected; None: it is not."""
    state = document.get("state")
    if "state" not in document:
        return 400, "Missing required node: state"
    if not isinstance(state, dict):
        return 400, "State node must be an object"
    if set(state) - {"desired", "reported"}:
        return 400, "State contains an invalid node"
    for name, part in state.items():
        if part is not None and not isinstance(part, dict):
            return 400, f"{name.capitalize()} node must be an object"
        if _depth(part) > MAX_DEPTH:
            return 400, f"JSON contains too many levels of nesting; maximum is {MAX_DEPTH}"
    return None if document.get("version") in (None, version) else (409, "Version conflict")


def difference(desired: dict[str, Any], reported: dict[str, Any]) -> dict[str, Any]:
    """The members of ``desired`` that ``reported`` lacks or has otherwise, objects member by member."""
    found: dict[str, Any] = {}
    for name, value in desired.items():
        held = reported.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            inner = difference(value, held)
            if inner:
                found[name] = inner
        elif value != held:
            found[name] = value
    return found


def _depth(value: object) -> int:
    """Of objects and lists inside each other, looked at no deeper than it matters."""
    depth, level = 0, [value]
    while depth <= MAX_DEPTH and (inner := [each for each in level if isinstance(each, dict | list)]):
        depth += 1
        level = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]
    return depth


def _touches(state: dict[str, Any], desired: dict[str, Any]) -> bool:
    """Whether what was reported has anything to do with what is desired: then a delta is worth telling again."""
    reported = state.get("reported") or {}
    return bool(set(reported) & set(desired))


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """As a shadow is changed: null takes a member away."""
    for name, value in changes.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            held = into.get(name)
            into[name] = held if isinstance(held, dict) else {}
            _merge(into[name], value)
        else:
            into[name] = value


def _message(thing: str, what: str, document: dict[str, Any], token: str) -> Message:
    document = document | ({"clientToken": token} if token else {})
    return Message(f"{PREFIX}{thing}/shadow/{what}", json.dumps(document).encode())


def _rejected(thing: str, what: str, code: int, message: str, token: str) -> Message:
    return _message(thing, f"{what}/rejected", {"code": code, "message": message}, token)
