"""Updates over HTTP, sans-IO: what ota-http-server answers at /update, /update/commit and /update/revert.

An upload is taken as it streams in: the file goes to the updater piece by piece, and ``commit_timeout`` may come after
it. Access rules see these addresses as the methods they are like: OTA.Begin, OTA.Update, OTA.Commit, OTA.Revert.

Neighbours: `http` has RPC and words they share; `ota` and `boot_state` do it; `http_front` brings requests. Knows no
socket.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from emu.ota.links.http import HttpAnswer, HttpRequest
from emu.ota.links.multipart import Event, FileBegun, FileData, Multipart, MultipartError, Variable
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.http import plain, refused
from emu.ota.mongoose.ota import BeginOptions, OtaFailure
from emu.ota.mongoose.pull import PullEnd
from updater.reception import UpdaterContext

REBOOT_DELAY_MS = 101
"""After an upload. After /update/revert it is the 100 of OTA.Revert."""
_LEADING_NUMBER = re.compile(r"\s*([0-9]{1,10})")

BUSY = plain(409, "Another update is in progress.")
NO_CONTEXT = plain(409, "Failed to create updater context.")
POST_DISABLED = plain(400, "POST updates are disabled.")
NO_URL = plain(400, "Update URL not specified and none is configured.")
NO_FILE = plain(400, "No file in the form.")
BAD_TIMEOUT = plain(400, "Invalid commit_timeout.")


def answer_commit(app: MongooseApplication, request: HttpRequest) -> HttpAnswer:
    return refused(app, request, "OTA.Commit") or _done(app.control.commit)


def answer_revert(app: MongooseApplication, request: HttpRequest) -> HttpAnswer:
    def revert() -> None:
        app.control.revert()
        app.reboot()

    return refused(app, request, "OTA.Revert") or _done(revert)


def answer_pull(
    app: MongooseApplication, request: HttpRequest, form: dict[str, str], answer: Callable[[HttpAnswer], None]
) -> None:
    """``form``: the variables of query and body. ``answer`` is called when the update has ended, or cannot begin."""
    url = form.get("url") or app.settings.get("update.url")
    options = app.begin_options()
    if "commit_timeout" in form:
        options = replace(options, commit_timeout_s=_seconds(form["commit_timeout"]))
    wrong = refused(app, request, "OTA.Update")
    if wrong is None and not url:
        wrong = NO_URL
    if wrong is None and options.commit_timeout_s < 0:
        wrong = BAD_TIMEOUT
    if wrong is None and app.ota.context is not None:
        wrong = BUSY
    if wrong is not None:
        answer(wrong)
        return
    passes_over = form.get("ignore_same_version", "true").lower() in ("true", "1")
    try:
        app.start_pull(url, replace(options, ignore_same_version=passes_over), lambda end: answer(_ended(end)))
    except OtaFailure as failure:
        answer(NO_CONTEXT if failure.code == -1 else _ended(PullEnd(failure.code, failure.message)))


def _ended(end: PullEnd) -> HttpAnswer:
    return plain(200 if end.code > 0 else 500, f"({end.code}) {end.message}")


class Upload:
    """One POST /update. Feed it the body, until it answers; then it is over."""

    def __init__(self, app: MongooseApplication, boundary: bytes, size: int) -> None:
        """``size``: of the body, 0 if unknown. Raises MultipartError."""
        self.app = app
        self._form = Multipart(boundary)
        self._size = size
        self._context: UpdaterContext | None = None
        self._commit_timeout_s: int | None = None

    @classmethod
    def refusal(cls, app: MongooseApplication, request: HttpRequest) -> HttpAnswer | None:
        """Known before a byte of the body is."""
        wrong = refused(app, request, "OTA.Begin")
        return wrong or (None if app.settings.get("update.enable_post") else POST_DISABLED)

    def feed(self, data: bytes) -> HttpAnswer | None:
        try:
            for event in self._form.feed(data):
                answer = self._take(event)
                if answer is not None:
                    return answer
        except MultipartError as wrong:
            self.abandon("Malformed form")
            return plain(400, f"Malformed form: {wrong}")
        except OtaFailure as failure:
            return _failed(failure)
        return None

    def finish(self) -> HttpAnswer:
        """The body has ended."""
        if self._context is None:
            return NO_FILE
        if not self._form.is_complete:
            self.abandon("Connection closed")
            return plain(400, "Malformed form: it has no end")
        try:
            if self.app.ota.end(self._commit_timeout_s):
                self.app.reboot(REBOOT_DELAY_MS)
        except OtaFailure as failure:
            return _failed(failure)
        return plain(200, f"1 {self._context.status_msg}")

    def abandon(self, why: str) -> None:
        """The peer is gone, or sends nonsense. Nothing happens to an update of somebody else's."""
        if self._context is not None and self._context is self.app.ota.context:
            self.app.ota.abort(why)

    def _take(self, event: Event) -> HttpAnswer | None:
        match event:
            case FileBegun() if self._context is None:
                return self._begin()
            case FileData(data) if self._context is not None:
                if self.app.ota.context is not self._context:
                    return _failed(OtaFailure(-1, self._context.status_msg))
                self.app.ota.feed(self._context, data)
            case Variable("commit_timeout", value):
                self._commit_timeout_s = _seconds(value)
                if self._commit_timeout_s < 0:
                    self.abandon("Invalid commit_timeout")
                    return BAD_TIMEOUT
            case _:
                pass
        return None

    def _begin(self) -> HttpAnswer | None:
        if self.app.ota.context is not None:
            return BUSY
        defaults = self.app.begin_options()
        try:
            self._context = self.app.ota.begin(BeginOptions(defaults.timeout_s, defaults.commit_timeout_s, self._size))
        except OtaFailure:
            return NO_CONTEXT
        return None


def _seconds(text: str) -> int:
    """Digits at the beginning count, as in C; none are 0. -1: more than a boot config takes."""
    found = _LEADING_NUMBER.match(text)
    value = int(found[1]) if found else 0
    return value if value <= 0xFFFF_FFFF else -1


def _done(act: Callable[[], None]) -> HttpAnswer:
    try:
        act()
    except OtaFailure:
        return plain(400, "Error")
    return plain(200, "Ok")


def _failed(failure: OtaFailure) -> HttpAnswer:
    """The message has the code in front of it already where the updater gave it."""
    text = failure.message if failure.message.startswith(f"{failure.code} ") else f"{failure.code} {failure.message}"
    return plain(500, text)
