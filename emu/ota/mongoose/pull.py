"""The pull client: an update fetched from a URL, as ota-http-client does it (SPEC.md, "Pull").

One pull at a time, because there is one update at a time. It asks with the headers a server decides by, follows
redirects, feeds what comes to the updater, and says how it ended: a code and a message, 1 for success.

Neighbours: implements `fetching.Sink`; `application` starts it for OTA.Update, for its polling, for HTTP and for the
shadow. Knows no socket; the version of a server's answer is the server's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from emu.ota.fetching import Fetch, Fetcher, Head
from emu.ota.mongoose.ota import BeginOptions, OtaFailure, OtaService
from updater.reception import UpdaterContext

MAX_REDIRECTS = 5
FOLLOWED = (301, 302)
NOT_MODIFIED = 304


@dataclass(frozen=True)
class PullEnd:
    """``code`` 1: nothing went wrong; below 0: what did. ``applied``: reboot now."""

    code: int
    message: str
    applied: bool = False


class Pull:
    """One download and what becomes of it. ``done`` is called once."""

    def __init__(
        self,
        ota: OtaService,
        fetcher: Fetcher,
        headers: Mapping[str, str],
        options: BeginOptions,
        done: Callable[[PullEnd], None],
    ) -> None:
        self._ota = ota
        self._fetcher = fetcher
        self._headers = headers
        self._options = options
        self._done: Callable[[PullEnd], None] | None = done
        self._context: UpdaterContext | None = None
        self._fetch: Fetch | None = None
        self._url = ""
        self._left = 0
        self._redirects = 0

    @property
    def is_over(self) -> bool:
        return self._done is None

    def start(self, url: str) -> None:
        """Open the update and ask for ``url``. Raises OtaFailure where none can begin; ``done`` is not called then."""
        self._context = self._ota.begin(self._options)
        self._ask(url)

    def expired(self) -> None:
        """The update was freed, because nothing came for its timeout."""
        if not self.is_over and self._ota.context is not self._context:
            self._end(PullEnd(-1, "Update timed out"))

    # -- fetching.Sink -----------------------------------------------------------------------------------------

    def head(self, head: Head) -> None:
        if self.is_over:
            return
        if head.status in FOLLOWED and head.headers.get("location"):
            self._redirects += 1
            if self._redirects > MAX_REDIRECTS:
                self._fail(-head.status, "Too many redirects")
                return
            self._ask(urljoin(self._url, head.headers["location"]))
        elif head.status == NOT_MODIFIED:
            self._ota.dismiss()
            self._end(PullEnd(1, "Not Modified"))
        elif head.status != 200:
            self._fail(-head.status, "Invalid HTTP response code")
        elif head.length is None:
            self._fail(-1, "Invalid content-length, perhaps chunked-encoding")
        else:
            self._left = head.length
            self._ota.size = head.length

    def data(self, data: bytes) -> None:
        context = self._context
        if self.is_over or context is None or self._ota.context is not context:
            self.expired()
            return
        self._left -= len(data)
        try:
            result = self._ota.feed(context, data)
            if result:
                self._ota.end()
                self._end(PullEnd(result, context.status_msg))
            elif self._left <= 0:
                self._apply(context)
        except OtaFailure as failure:
            self._end(PullEnd(failure.code, context.status_msg or failure.message))

    def ended(self) -> None:
        if not self.is_over:
            self._fail(-1, "Update failed")

    def failed(self, reason: str) -> None:
        if not self.is_over:
            self._fail(-10, "Failed to connect")

    # -- the end -------------------------------------------------------------------------------------------------

    def _ask(self, url: str) -> None:
        self._url = url
        if self._fetch is not None:
            self._fetch.cancel()
        if urlsplit(url).scheme not in ("http", "https"):
            self._fail(-10, "Failed to connect")
            return
        self._fetch = self._fetcher.fetch(url, self._headers, self)

    def _apply(self, context: UpdaterContext) -> None:
        applied = self._ota.end()
        self._end(PullEnd(1, context.status_msg, applied))

    def _fail(self, code: int, message: str) -> None:
        self._ota.abort(message)
        self._end(PullEnd(code, message))

    def _end(self, end: PullEnd) -> None:
        if self._fetch is not None:
            self._fetch.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(end)
