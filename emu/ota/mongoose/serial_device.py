"""The device's end of a serial link: bytes in, frames out, and bytes to send.

It answers the handshake and empty lines by itself, and takes over the peer's habits: once it has seen three quotes it
sends them, once a checksum was right it sends checksums. Both are forgotten by a reset, so a device makes a new one
of these at each boot. Neighbours: `framing`; a link carries the bytes, `dispatcher` takes the frames. Knows no time
and no frame's meaning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from emu.ota.mongoose.framing import (
    DELIMITERS_LENGTH,
    HANDSHAKE,
    LINE_END,
    QUOTES,
    TOO_LONG,
    XOFF,
    XON,
    Cutter,
    Dropped,
    Received,
    Segment,
    opened,
    wrapped,
)

MAX_FRAME_SIZE = 4096
MAX_LINE_ENDS = 64
"""So many answers to empty lines wait for a frame to leave with; more are not kept."""


class SerialDevice:
    """``max_frame_size``: bytes of a segment, without 6 for two delimiters; longer ones are dropped."""

    def __init__(self, max_frame_size: int = MAX_FRAME_SIZE) -> None:
        self.sends_quotes = False
        self.sends_checksums = False
        self._cutter = Cutter(max_frame_size + DELIMITERS_LENGTH, noise_clears=True)
        self._output = bytearray()
        self._is_sending = False
        self._line_ends = 0
        self._cut: deque[Segment] = deque()

    def receive(self, data: bytes) -> None:
        """Take bytes; `events` tells what they meant."""
        self._cut += self._cutter.feed(data.translate(None, XON + XOFF))

    def events(self) -> Iterator[Received | Dropped]:
        """What the bytes so far completed. Each is looked at when asked for: send the answer to one before the next."""
        while self._cut:
            segment = self._cut.popleft()
            self.sends_quotes |= segment.delimiter == QUOTES
            event = self._event(segment)
            if event is not None:
                yield event

    def send(self, frame: bytes) -> None:
        """Errors: FrameError if a delimiter stands in the frame."""
        self._transmit(wrapped(frame, quotes=self.sends_quotes, checked=self.sends_checksums))

    def data_to_send(self) -> bytes:
        """What goes out now. Answers to empty lines alone start nothing."""
        if not self._is_sending:
            return b""
        data = bytes(self._output)
        self._output.clear()
        self._is_sending = False
        self._line_ends = 0
        return data

    def _event(self, segment: Segment) -> Received | Dropped | None:
        text = segment.data
        if text is None:
            return Dropped(TOO_LONG, segment.length)
        if text == HANDSHAKE:
            self._transmit(QUOTES + HANDSHAKE + QUOTES)
            return None
        if not text.strip():
            if self._line_ends < MAX_LINE_ENDS:
                self._line_ends += 1
                self._output += LINE_END
            return None
        event = opened(text, check_short=False)
        if isinstance(event, Received) and event.checked:
            self.sends_checksums = True
        return event

    def _transmit(self, data: bytes) -> None:
        self._output += data
        self._is_sending = True
