"""The client's end of a serial link, as the vendor's command line client does it: handshake, frames, the device's
console.

The caller says what time it is and asks `due_us` when to come back with `wake`. Over TCP the same framing goes
without handshake and checksum. Neighbours: `framing`. Knows no clock and no frame's meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.ota.mongoose.framing import (
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
from emu.ota.mongoose.jsontext import ascii_only

HANDSHAKE_INTERVAL_US = 200_000
GREETING = QUOTES + HANDSHAKE + QUOTES + LINE_END + LINE_END
MAX_FRAME_SIZE = 1 << 16


@dataclass(frozen=True)
class Console:
    """A line the device printed between frames."""

    text: bytes


class SerialClient:
    """``handshake`` and ``checksums``: both on a serial port, neither over TCP.

    ``max_frame_size``: bytes; longer answers are dropped.
    """

    def __init__(self, *, handshake: bool = True, checksums: bool = True, max_frame_size: int = MAX_FRAME_SIZE) -> None:
        self.due_us: int | None = None
        self._shaken = not handshake
        self._checksums = checksums
        self._cutter = Cutter(max_frame_size, noise_clears=False)
        self._waiting: list[bytes] = []
        self._output = bytearray()
        self._paused = False
        self._follows_frame = True  # nothing before the first delimiter is a frame
        self._events: list[Received | Dropped | Console] = []

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is over: frames go out at once."""
        return self._shaken

    def send(self, frame: bytes, now_us: int) -> None:
        """Send a frame, after the handshake if there was none. What is above 7 bits is escaped: a device drops it.

        Errors: FrameError if a delimiter stands in the frame.
        """
        data = wrapped(ascii_only(frame.decode()).encode(), quotes=True, checked=self._checksums)
        if self._shaken:
            self._output += data
            return
        self._waiting.append(data)
        if self.due_us is None:
            self._greet(now_us)

    def shake_again(self) -> None:
        """The link was opened anew: the next frame is preceded by a handshake."""
        self._shaken = False

    def wake(self, now_us: int) -> None:
        """Time has passed; greets again when that is due."""
        if self.due_us is not None and now_us >= self.due_us:
            self._greet(now_us)

    def receive(self, data: bytes) -> None:
        """Take bytes; `events` tells what they meant."""
        found = (self._event(segment) for segment in self._cutter.feed(self._flow(data)))
        self._events += [event for event in found if event is not None]

    def events(self) -> list[Received | Dropped | Console]:
        """What the bytes since the last time completed."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        """What goes out now; nothing while the device has stopped us (XOFF); each greeting starts us again."""
        if self._paused:
            return b""
        data = bytes(self._output)
        self._output.clear()
        return data

    def _greet(self, now_us: int) -> None:
        self._paused = False
        self._output += GREETING
        self.due_us = now_us + HANDSHAKE_INTERVAL_US

    def _flow(self, data: bytes) -> bytes:
        last = max(data.rfind(XON), data.rfind(XOFF))
        if last >= 0:
            self._paused = data[last : last + 1] == XOFF
        return data.translate(None, XON + XOFF)

    def _event(self, segment: Segment) -> Received | Dropped | Console | None:
        """A frame follows a delimiter at once, and not the one that ended the frame before."""
        may_begin, self._follows_frame = not self._follows_frame, False
        text = segment.data
        if text is None:
            return Dropped(TOO_LONG, segment.length)
        if not (may_begin and text[:1] in (b"{", HANDSHAKE)):
            return Console(text) if text.strip() else None
        self._follows_frame = True
        if text == HANDSHAKE:
            self._answered()
            return None
        return opened(text.rstrip(), check_short=True)

    def _answered(self) -> None:
        if self._shaken:
            return
        self._shaken, self._paused, self.due_us = True, False, None
        self._output += QUOTES + b"".join(self._waiting)
        self._waiting.clear()
