"""What both ends of a serial link share: cutting a byte stream at delimiters, the checksum behind a frame, events.

Two delimiters end a frame, three quotes (old) and a line end (new); neither can occur in JSON on one line. Cutting
does not depend on how the bytes were cut into reads, and holds no more than one frame. Neighbours: `serial_device`,
`serial_client`. Knows no time.
"""

from __future__ import annotations

import re
import zlib

from msgspec import Struct

from emu.ota.errors import FrameError

QUOTES = b'"""'
LINE_END = b"\n"
HANDSHAKE = b"\x04"
XON, XOFF = b"\x11", b"\x13"
DELIMITERS_LENGTH = 2 * len(QUOTES)

_ASCII = bytes(range(0x80))
_CHECKSUM = re.compile(rb"\s*([0-9a-fA-F]{8})\s*")
_QUOTED_BYTES = 60


class Received(Struct, frozen=True):
    """A frame, without delimiters and metadata. ``checked``: it came with a checksum, which was right."""

    frame: bytes
    checked: bool = False


class Dropped(Struct, frozen=True):
    """Something between two delimiters that is no frame: ``reason`` is one of the words below."""

    reason: str
    length: int
    start: bytes = b""


JUNK = "junk"  # no JSON object in it
TOO_LONG = "too long"
BAD_CHECKSUM = "bad checksum"


class Segment(Struct, frozen=True):
    """What stood before ``delimiter``; ``data`` is None if it was longer than allowed."""

    data: bytes | None
    length: int
    delimiter: bytes


class Cutter:
    """Cuts a stream into segments of at most ``limit`` bytes.

    ``noise_clears``: a byte of 0x80 or above takes everything since the last delimiter with it, itself included.
    """

    def __init__(self, limit: int, *, noise_clears: bool) -> None:
        self._limit = limit
        self._noise_clears = noise_clears
        self._kept = bytearray()
        self._length = 0
        self._half = b""

    def feed(self, data: bytes) -> list[Segment]:
        """The segments that these bytes ended. Up to two quotes at the end wait for what follows them."""
        cut: list[Segment] = []
        *lines, rest = (self._half + data).split(LINE_END)
        for line in lines:
            self._feed_line(line.split(QUOTES), cut)
            cut.append(self._segment(LINE_END))
        *pieces, last = rest.split(QUOTES)
        whole = last.rstrip(b'"')
        self._half = last[len(whole) :]
        self._feed_line([*pieces, whole], cut)
        return cut

    def _feed_line(self, pieces: list[bytes], cut: list[Segment]) -> None:
        """Between any two of ``pieces`` there were three quotes."""
        *ended, last = pieces
        for piece in ended:
            self._keep(piece)
            cut.append(self._segment(QUOTES))
        self._keep(last)

    def _keep(self, data: bytes) -> None:
        if self._noise_clears and not data.isascii():
            self._clear()
            data = data[len(data.rstrip(_ASCII)) :]
        self._length += len(data)
        if self._length <= self._limit:
            self._kept += data
        else:
            self._kept.clear()

    def _segment(self, delimiter: bytes) -> Segment:
        segment = Segment(bytes(self._kept) if self._length <= self._limit else None, self._length, delimiter)
        self._clear()
        return segment

    def _clear(self) -> None:
        self._kept.clear()
        self._length = 0


def checksum(frame: bytes) -> bytes:
    """CRC-32 as eight hexadecimal digits."""
    return b"%08x" % zlib.crc32(frame)


def opened(text: bytes, *, check_short: bool) -> Received | Dropped:
    """The frame in ``text``: from its first to its last brace, with metadata behind, fields separated by commas.

    The first field is the checksum. Metadata shorter than 8 bytes is checked only with ``check_short``.
    """
    start, end = text.find(b"{"), text.rfind(b"}") + 1
    if start < 0 or end <= start:
        return Dropped(JUNK, len(text), text[:_QUOTED_BYTES])
    frame, metadata = text[start:end], text[end:]
    if len(metadata) < 8 and not (check_short and metadata):
        return Received(frame)
    given = _CHECKSUM.fullmatch(metadata.split(b",", 1)[0])
    if given is None or given[1].lower() != checksum(frame):
        return Dropped(BAD_CHECKSUM, len(text), text[:_QUOTED_BYTES])
    return Received(frame, checked=True)


def wrapped(frame: bytes, *, quotes: bool, checked: bool) -> bytes:
    """The bytes of one frame on the wire.

    Errors: FrameError if a delimiter stands in it: a receiver would see two halves.
    """
    found = [at for at in (frame.find(LINE_END), frame.find(QUOTES)) if at >= 0]
    if found:
        at = min(found)
        what = "a line end" if frame.startswith(LINE_END, at) else "three quotes"
        raise FrameError(
            f"a frame for a serial link holds {what} at byte {at}, which would end it there: give its JSON on one line"
        )
    mark = QUOTES if quotes else b""
    return LINE_END + mark + frame + (checksum(frame) if checked else b"") + mark + LINE_END
