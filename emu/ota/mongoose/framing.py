"""What both ends of a serial link share: cutting a byte stream at delimiters, the checksum behind a frame, events.

Two delimiters end a frame, three quotes (old) and a line end (new); neither can occur in JSON on one line. Cutting
does not depend on how the bytes were cut into reads, and holds no more than one frame. Neighbours: `serial_device`,
`serial_client`. Knows no time.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from emu.ota.errors import FrameError

QUOTES = b'"""'
LINE_END = b"\n"
HANDSHAKE = b"\x04"
XON, XOFF = b"\x11", b"\x13"
DELIMITERS_LENGTH = 2 * len(QUOTES)

_END = re.compile(rb'\n|"""')
_END_OR_NOISE = re.compile(rb'\n|"""|[\x80-\xff]')
_CHECKSUM = re.compile(rb"\s*([0-9a-fA-F]{8})\s*")
_QUOTED_BYTES = 60


@dataclass(frozen=True)
class Received:
    """A frame, without delimiters and metadata. ``checked``: it came with a checksum, which was right."""

    frame: bytes
    checked: bool = False


@dataclass(frozen=True)
class Dropped:
    """Something between two delimiters that is no frame: ``reason`` is one of the words below."""

    reason: str
    length: int
    start: bytes = b""


JUNK = "junk"  # no JSON object in it
TOO_LONG = "too long"
BAD_CHECKSUM = "bad checksum"


@dataclass(frozen=True)
class Segment:
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
        self._pattern = _END_OR_NOISE if noise_clears else _END
        self._kept = bytearray()
        self._length = 0
        self._half = b""

    def feed(self, data: bytes) -> list[Segment]:
        """The segments that these bytes ended. Up to two quotes at the end wait for what follows them."""
        data = self._half + data
        cut: list[Segment] = []
        start = 0
        for found in self._pattern.finditer(data):
            self._keep(data[start : found.start()])
            start = found.end()
            if found[0] in (QUOTES, LINE_END):
                cut.append(self._segment(found[0]))
            self._kept.clear()
            self._length = 0
        end = len(data.rstrip(b'"')) if data.endswith(b'"') else len(data)
        end = max(start, end)
        self._half = data[end:]
        self._keep(data[start:end])
        return cut

    def _keep(self, data: bytes) -> None:
        self._length += len(data)
        if self._length <= self._limit:
            self._kept += data
        else:
            self._kept.clear()

    def _segment(self, delimiter: bytes) -> Segment:
        data = bytes(self._kept) if self._length <= self._limit else None
        return Segment(data, self._length, delimiter)


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
    inside = _END.search(frame)
    if inside:
        what = "a line end" if inside[0] == LINE_END else "three quotes"
        raise FrameError(
            f"a frame for a serial link holds {what} at byte {inside.start()}, which would end it there: "
            f"give its JSON on one line"
        )
    mark = QUOTES if quotes else b""
    return LINE_END + mark + frame + (checksum(frame) if checked else b"") + mark + LINE_END
