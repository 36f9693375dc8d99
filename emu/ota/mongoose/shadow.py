"""The device's end of a shadow: an update that was desired is fetched, and what becomes of it is reported.

GEN-2 keys (SPEC.md, "Shadow"): ``desired.ota.url`` says where the update is; ``reported.ota`` has ``url``, ``code`` and
``message``. An URL is tried to its end once: that it ended is kept beside the flash before the reboot, so an update
that is rolled back is not tried for ever, and one that a power cut stopped is tried again. What failed stays in the
delta, for somebody to see.

Neighbours: `application` makes one at each boot and lends it its pull; `shadow_service` is a service to talk to. A
link says when the device is connected. Sans-IO.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

from emu.ota.mongoose.ota import BeginOptions, OtaFailure, Status
from emu.ota.mongoose.pull import PullEnd
from emu.ota.publishing import Message
from updater.reception import OtaState

DEFAULT_COMMIT_TIMEOUT_S = 300
IN_PROGRESS = 0
KEY = "ota_state.json"
TOPICS = "$aws/things/"

StartPull = Callable[[str, BeginOptions, Callable[[PullEnd], None]], None]


def subscriptions_of(thing: str) -> tuple[str, ...]:
    """The five response topics."""
    answers = ("get/accepted", "get/rejected", "update/accepted", "update/rejected", "update/delta")
    return tuple(f"{TOPICS}{thing}/shadow/{answer}" for answer in answers)


class ShadowClient:
    """``thing``: the device's id. ``kept``: the files of a device that this model keeps beside the flash.

    ``pull`` starts a download, ``commit`` keeps the running image. What is to be published is taken with
    `messages_to_send`.
    """

    def __init__(
        self,
        thing: str,
        kept: dict[str, str],
        *,
        options: Callable[[], BeginOptions],
        pull: StartPull,
        status: Callable[[], Status],
        commit: Callable[[], None],
        autocommit: bool,
    ) -> None:
        self.is_connected = False
        self.on_message: Callable[[], None] = lambda: None
        """Called when there is something to be sent, by whoever carries it."""
        self._thing = thing
        self._kept = kept
        self._options = options
        self._pull = pull
        self._status = status
        self._commit = commit
        self._autocommit = autocommit
        self._token = f"{zlib.crc32(thing.encode()):08x}"
        self._out: list[Message] = []
        self._reported_percent = -1
        self._is_pulling = False
        self._was_committed = True

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return subscriptions_of(self._thing)

    def messages_to_send(self) -> list[Message]:
        out, self._out = self._out, []
        return out

    # -- what a link says ----------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The broker has taken the subscriptions: say how the last update ended, and ask what is desired."""
        self.is_connected = True
        status = self._status()
        self._was_committed = status.is_committed
        if not status.is_committed and self._autocommit:
            self._report(message="Committing")
            self._commit()
            self._report(code=1, message="Update committed")
        elif not status.is_committed:
            self._report(message="Boot after OTA, waiting for commit")
        self._send("get", {"clientToken": self._token})

    def disconnected(self) -> None:
        """What was not sent is not going to be."""
        self.is_connected = False
        self._out.clear()

    def receive(self, message: Message) -> None:
        """What is no document of ours is passed over."""
        what = message.topic.removeprefix(self._topic(""))
        try:
            document = json.loads(message.payload)
        except (ValueError, RecursionError):
            return
        state = document.get("state") if isinstance(document, dict) else None
        if not isinstance(state, dict):
            return
        if what == "update/delta":
            self._desired(state)
        elif what == "get/accepted":
            delta = state.get("delta")
            self._desired(delta if isinstance(delta, dict) else {})

    def progressed(self, status: Status) -> None:
        """OTA_STATUS: reported where a shadow's update is under way and the percentage has changed by ten. After a
        commit the device asks what else is desired."""
        if status.is_committed and not self._was_committed:
            self._send("get", {"clientToken": self._token})
        self._was_committed = status.is_committed
        percent = status.progress_percent
        if status.state is not OtaState.PROGRESS or not self._is_pulling:
            return
        if percent // 10 != self._reported_percent // 10:
            self._reported_percent = percent
            self._report(code=IN_PROGRESS, message=f"Progress: {percent}%")

    # -- an update -------------------------------------------------------------------------------------------------

    def _desired(self, delta: dict[str, Any]) -> None:
        ota = delta.get("ota")
        url = ota.get("url") if isinstance(ota, dict) else None
        if not isinstance(url, str) or not url or url == self._tried:
            return
        status = self._status()
        if not status.is_committed or status.state in (OtaState.PROGRESS, OtaState.SUCCESS):
            return  # not now: it stays in the delta, and is asked for again after the commit and at each connection
        self._keep(url, ended=False)
        self._reported_percent = -1
        self._is_pulling = True
        options = self._options()
        timeout_s = options.commit_timeout_s or DEFAULT_COMMIT_TIMEOUT_S
        options = BeginOptions(options.timeout_s, timeout_s, ignore_same_version=True)
        self._report(code=IN_PROGRESS, message="Starting")
        try:
            self._pull(url, options, lambda end: self._ended(url, end))
        except OtaFailure as failure:
            self._ended(url, PullEnd(failure.code, failure.message))

    def _ended(self, url: str, end: PullEnd) -> None:
        """Only what succeeded is reported as had: the rest stays in the delta."""
        self._is_pulling = False
        self._keep(url, ended=True)
        had = {"url": url} if end.code == 1 else {}
        self._report(code=end.code, message=end.message, **had)

    @property
    def _tried(self) -> str:
        """The URL whose update has ended; "" for none."""
        try:
            kept = json.loads(self._kept.get(KEY, "{}"))
        except ValueError:
            return ""
        return str(kept["url"]) if isinstance(kept, dict) and kept.get("ended") is True and "url" in kept else ""

    def _keep(self, url: str, *, ended: bool) -> None:
        self._kept[KEY] = json.dumps({"url": url, "ended": ended})

    def _report(self, **facts: Any) -> None:
        self._send("update", {"state": {"reported": {"ota": facts}}, "clientToken": self._token})

    def _send(self, what: str, document: dict[str, Any]) -> None:
        if self.is_connected:
            self._out.append(Message(self._topic(what), json.dumps(document).encode()))
            self.on_message()

    def _topic(self, what: str) -> str:
        return f"{TOPICS}{self._thing}/shadow/{what}"
