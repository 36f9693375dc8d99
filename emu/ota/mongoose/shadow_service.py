"""A shadow service in few lines: desired, reported and delta of many things, over the topics of AWS IoT.

It does what an update by shadow needs of the real one: get and update with accepted, rejected, delta; versions; a
delta for a device that was offline when it was asked for something. It keeps nothing on disk.

Neighbours: the other end of `shadow`; a link or a campaign carries the messages. Sans-IO; knows no device. Behaviour of
AWS IoT: "Device Shadow service documents" and "Device Shadow MQTT topics" of its developer guide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from emu.ota.publishing import Message

PREFIX = "$aws/things/"
SUBSCRIPTION = f"{PREFIX}+/shadow/+"
MAX_DOCUMENT = 8192


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

    def desire(self, thing: str, state: dict[str, Any]) -> list[Message]:
        """What a fleet's owner does: change ``desired``. Returns what is to be published."""
        return self._update(thing, {"state": {"desired": state}})

    def receive(self, message: Message) -> list[Message]:
        """A device's message; what is to be published in answer to it. Nothing for a topic that is none of ours."""
        thing, _, rest = message.topic.removeprefix(PREFIX).partition("/shadow/")
        if not message.topic.startswith(PREFIX) or not thing or rest not in ("get", "update"):
            return []
        try:
            if len(message.payload) > MAX_DOCUMENT:
                return [_rejected(thing, rest, 413, "The payload exceeds the maximum size allowed", "")]
            document = json.loads(message.payload or b"{}")
        except (ValueError, RecursionError):
            return [_rejected(thing, rest, 400, "Payload contains invalid json", "")]
        if not isinstance(document, dict):
            return [_rejected(thing, rest, 400, "Payload contains invalid json", "")]
        return self._get(thing, document) if rest == "get" else self._update(thing, document)

    def _get(self, thing: str, document: dict[str, Any]) -> list[Message]:
        shadow = self.shadows.get(thing)
        token = document.get("clientToken", "")
        if shadow is None:
            return [_rejected(thing, "get", 404, f"No shadow exists with name: '{thing}'", token)]
        state = {"desired": shadow.desired, "reported": shadow.reported} | (
            {"delta": shadow.delta} if shadow.delta else {}
        )
        return [_message(thing, "get/accepted", {"state": state, "version": shadow.version}, token)]

    def _update(self, thing: str, document: dict[str, Any]) -> list[Message]:
        token, state = document.get("clientToken", ""), document.get("state")
        if not isinstance(state, dict) or set(state) - {"desired", "reported"}:
            return [_rejected(thing, "update", 400, "State contains an invalid node", token)]
        if any(part is not None and not isinstance(part, dict) for part in state.values()):
            return [_rejected(thing, "update", 400, "State contains an invalid node", token)]
        shadow = self.shadows.setdefault(thing, Shadow())
        if document.get("version") not in (None, shadow.version):
            return [_rejected(thing, "update", 409, "Version conflict", token)]
        for name, part in state.items():
            held = shadow.desired if name == "desired" else shadow.reported
            if part is None:
                held.clear()
            else:
                _merge(held, part)
        shadow.version += 1
        accepted = _message(thing, "update/accepted", {"state": state, "version": shadow.version}, token)
        if "desired" not in state and not _touches(state, shadow.desired):
            return [accepted]
        delta = shadow.delta
        if not delta:
            return [accepted]
        return [accepted, _message(thing, "update/delta", {"state": delta, "version": shadow.version}, "")]


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


def _touches(state: dict[str, Any], desired: dict[str, Any]) -> bool:
    """Whether what was reported has anything to do with what is desired: then a delta is worth telling again."""
    reported = state.get("reported") or {}
    return bool(set(reported) & set(desired))


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """As a shadow is changed: null takes a member away."""
    for name, value in changes.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _message(thing: str, what: str, document: dict[str, Any], token: object) -> Message:
    document = document | ({"clientToken": token} if token else {})
    return Message(f"{PREFIX}{thing}/shadow/{what}", json.dumps(document).encode())


def _rejected(thing: str, what: str, code: int, message: str, token: object) -> Message:
    return _message(thing, f"{what}/rejected", {"code": code, "message": message}, token)
