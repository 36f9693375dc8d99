"""The keys of a board file for an ELF, as plain data.

Neighbours: `board` reads a file into them, `fits` says what cannot be right. Knows no chip.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from emu.board import U32, Name, Positive
from emu.events import NEW, OLD

WAITING = "waiting"
"""In ``accept``: no image runs, and the bootloader waits for an update."""
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as the factory programs it: ELF, HEX, or another format with addresses. ``address``: of a raw binary.
    ``memory``: the one beside the chip it goes to."""

    path: str
    address: U32 | None = None
    memory: str = ""


class StagedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file whose bytes stand at ``address`` (of a ``memory`` beside the chip: from 0 on), wherever it is linked."""

    path: str
    address: U32
    memory: str = ""


class MemoryTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A memory beside the chip. ``part``: a bundled one, or ``part_file`` beside the board file. ``bus``: the
    peripheral it hangs on. ``select``: the pin that selects it on an SPI. ``address``: of 7 bits, on an I2C.
    ``write_protect``: its WP pin forbids writes."""

    name: Name
    bus: str
    part: str = ""
    part_file: str = ""
    select: str = ""
    address: Annotated[int, msgspec.Meta(ge=0, le=0x7F)] = 0
    write_protect: bool = False


class SlotEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an application runs, on erase boundaries; in a ``memory`` beside the chip, where an image waits."""

    name: Name
    address: U32
    size: Positive
    memory: str = ""


class ImageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that may stand in a slot, from the file's first address to its last. ``offset``: bytes of the slot before
    them (a header that is not in the file). ``ignore``: ranges of the slot, [from, to), that the device writes itself
    (flags, a trailer, a signature put in at installation). ``delivered``: the file as it waits, where that is another
    one; of "older", which is staged instead of the update."""

    name: Name
    path: str
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    ignore: tuple[tuple[Annotated[int, msgspec.Meta(ge=0)], Annotated[int, msgspec.Meta(ge=0)]], ...] = ()
    delivered: str = ""


class AliveEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shows that an image works: it was entered, said ``uart`` (on any port), and ran on for ``stays_s``, without
    the time its core stood still for flash; then ``word`` in RAM, [address, value], has that value."""

    uart: str = ""
    stays_s: Seconds = 0.5
    word: tuple[U32, U32] | None = None


Protocol = Literal["raw", "xmodem", "xmodem-1k", "ymodem"]


class UpdateEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An update that comes over a UART: ``send``, by ``protocol`` or by the class ``host`` names (FILE.py:NAME), at
    ``baud``. The host begins when power has come, or when the device then says ``after``, with ``greeting``; it gives
    up when it has heard nothing for ``patience_s``.

    Of raw: ``chunk`` bytes at once (0: all); before the next the device answers ``ack``, and ``pause_ms`` go by; with
    ``done`` it says that it has the update."""

    port: str
    send: str
    protocol: Protocol | None = None
    host: str = ""
    baud: Annotated[int, msgspec.Meta(ge=300, le=12_000_000)] = 115_200
    after: str = ""
    greeting: str = ""
    patience_s: Seconds = 15.0
    chunk: Annotated[int, msgspec.Meta(ge=0)] = 0
    ack: str = ""
    pause_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    done: str = ""


class PinEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pin that something outside the chip drives, by the name its documents have for it: "PA0", "P0.11". ``when``
    "update": while somebody stands at the device with the update, and no longer."""

    name: str
    level: Literal["high", "low"]
    when: Literal["always", "update"] = "always"


class CommitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new image is on trial until it says ``uart``."""

    uart: Annotated[str, msgspec.Meta(min_length=1)]


class ChecksumEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A CRC-32 (as in zlib, little-endian) over [``from``, ``to``) that stands ``at``."""

    start: U32 = msgspec.field(name="from")
    end: U32 = msgspec.field(name="to")
    at: U32


class CounterEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number at ``address`` that the firmware only compares and counts on: upwards from 0, or down from all ones.
    Numbers of one ``group`` are compared with each other. ``crc32``: of the record it stands in. ``memory``: the one
    beside the chip all of it is in."""

    address: U32
    memory: str = ""
    size: Literal[1, 2, 4, 8] = 4
    counts: Literal["up", "down"] = "up"
    group: str = ""
    crc32: ChecksumEntry | None = None

    @property
    def pieces(self) -> tuple[tuple[str, int, int], ...]:
        """What there is of it, as (words for people, address, bytes)."""
        own = (f"counter at {self.address:#x}", self.address, self.size)
        if self.crc32 is None:
            return (own,)
        what, crc = f"crc32 of the counter at {self.address:#x}", self.crc32
        return (own, (what, crc.start, crc.end - crc.start), (what, crc.at, 4))


ORACLES = ("oracle", "after_cut")
"""Keys of [storage] that name one."""
Texts = str | tuple[str, ...]
"""One, or several."""


def texts(given: Texts) -> tuple[str, ...]:
    """As several."""
    return (given,) if isinstance(given, str) else given


class WindowEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A range of flash by a name: where a storage keeps its records. Oracles look at it, in small units. ``memory``:
    the one beside the chip that it is in, by addresses of its own; "": the chip's."""

    name: Name
    address: U32
    size: Positive
    memory: str = ""


class StorageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that the firmware keeps. ``storing``, ``stored``, ``read``: what it says on any port when it begins to
    write one, when it has, and when it reads one back; `phrases` has the patterns. ``oracle``: FILE.py:NAME, what looks
    at the windows when a session has ended; ``after_cut``: what looks at them as a boot finds them."""

    storing: Texts = ()
    stored: Texts = ()
    read: Texts = ()
    oracle: Texts = ()
    after_cut: Texts = ()


class SleepEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to a device that sleeps: somebody outside wakes it so long after it has gone to a sleep that ends in
    a reset; 0: nobody does."""

    wakes_after_s: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 0.0


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session that has not settled when both are over hangs: virtual seconds, and a multiple of the longest session
    of the uncut update, each ``confirm_times``."""

    session_s: Seconds = 5.0
    times_uncut: Positive = 4
    confirm_times: Positive = 3


class ElfCheckEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `emu.board.CheckEntry`, and ``apply`` names checks of the board's own as well; (): all of both."""

    apply: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ()
    max_resets: Positive = 8
    max_erases: Positive = 4


class ElfBoardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document. ``chip``: a bundled chip, or ``chip_file`` beside the board file. ``accept``: the images the device
    may settle with, once there is an update; `WAITING` among them where it may as well wait for the next attempt.
    ``moments``: texts on any port; when one has been said, a session can be interrupted there, as it can before,
    inside and after every operation of flash. Without an image nothing is updated: then there is a storage."""

    file: Annotated[tuple[FileEntry, ...], msgspec.Meta(min_length=1)]
    slot: tuple[SlotEntry, ...] = ()
    image: tuple[ImageEntry, ...] = ()
    chip: str = ""
    chip_file: str = ""
    name: str = ""
    staged: tuple[StagedEntry, ...] = ()
    update: UpdateEntry | None = None
    memory: tuple[MemoryTable, ...] = ()
    pin: tuple[PinEntry, ...] = ()
    accept: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = (OLD, NEW)
    moments: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    alive: AliveEntry = AliveEntry()
    commit: CommitEntry | None = None
    limits: LimitEntry = LimitEntry()
    sleep: SleepEntry = SleepEntry()
    counter: tuple[CounterEntry, ...] = ()
    window: tuple[WindowEntry, ...] = ()
    storage: StorageEntry | None = None
    checks: ElfCheckEntry = ElfCheckEntry()

    @property
    def running_slots(self) -> tuple[SlotEntry, ...]:
        """Those the core can run from."""
        return tuple(slot for slot in self.slot if not slot.memory)
