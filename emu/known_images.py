"""KnownImages: the images that count as whole, and which of them stands in a window. Ground truth, never asked of the
firmware: bytes are compared, at no cost in time.

Neighbours: `plain_rig` and `elf.rig` ask at every hand-over. Knows no header: what an image is, its first to last byte
say, at the beginning of a window or where its layout puts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emu.errors import ScenarioError
from emu.events import OLD, UNKNOWN
from flash.device import FlashDevice
from flash.partition import Partition
from flash.trace import Trace


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an image stands in its window: ``offset`` bytes before it are not its own. ``ignore``: ranges of the
    window, [from, to), that the device writes itself; nothing there tells images apart."""

    offset: int = 0
    ignore: tuple[tuple[int, int], ...] = ()

    def pieces(self, image: bytes) -> Iterator[tuple[int, bytes]]:
        """What has to be equal: offsets in the window, each with the bytes from there on."""
        at, end = self.offset, self.offset + len(image)
        for start, stop in sorted(self.ignore):
            if at < min(start, end):
                yield at, image[at - self.offset : min(start, end) - self.offset]
            at = max(at, stop)
        if at < end:
            yield at, image[at - self.offset :]


Pieces = tuple[tuple[int, bytes], ...]


class KnownImages:
    """``images`` by name, none or at least "old". ``largest_window``: in bytes, what every image has to fit.
    ``layouts``: of those that do not stand at the beginning of a window, byte for byte.

    Raises ScenarioError for images that nobody could tell apart, or that fit nowhere.
    """

    def __init__(
        self, images: Mapping[str, bytes], largest_window: int, layouts: Mapping[str, Layout] | None = None
    ) -> None:
        layouts = layouts or {}
        self._images: dict[str, Pieces] = {
            name: tuple(layouts.get(name, Layout()).pieces(image)) for name, image in images.items()
        }
        names = sorted(images)
        if images and OLD not in images:
            raise ScenarioError(f"images name {', '.join(names)}; one has to be {OLD!r}: what the factory shipped")
        if UNKNOWN in images or "" in images:
            raise ScenarioError(f"no image can be called {UNKNOWN!r} or '': that is what anything else is called")
        for name in names:
            if not 0 < len(images[name]) <= largest_window - layouts.get(name, Layout()).offset:
                raise ScenarioError(
                    f"the {name} image has {len(images[name])} bytes; 1 to {largest_window} fit a window of this rig"
                )
            if not self._images[name]:
                raise ScenarioError(f"nothing of the {name} image is compared: every image would be taken for it")
            for other in names:
                if other != name and _is_part(self._images[name], self._images[other]):
                    raise ScenarioError(f"the {other} image begins with the {name} image: nobody could tell them apart")

    def standing_in(self, window: Partition, trace: Trace | None) -> str:
        """The image that begins ``window``, byte for byte; "unknown" for anything else, and for bytes that may read
        otherwise next time."""
        chip = window.flash
        assert isinstance(chip, FlashDevice), "windows of a rig are on chips: please report"
        for name, pieces in self._images.items():
            if not _fits(pieces, window):
                continue
            if trace is not None:
                for at, piece in pieces:
                    trace.consulted(chip.name, chip.cells, window.address + at, len(piece))
            if _is_in(pieces, chip, window):
                ranges = [(window.address + at, len(piece)) for at, piece in pieces]
                is_weak = any(chip.cells.is_weak(*each) for each in ranges)
                is_broken = any(chip.cells.first_broken(*each) is not None for each in ranges)
                return UNKNOWN if is_weak or is_broken else name
        return UNKNOWN

    def difference_in(self, window: Partition) -> str:
        """Of bytes that begin no image: from which it differs least, by how much, and where first. For people."""
        chip = window.flash
        assert isinstance(chip, FlashDevice), "windows of a rig are on chips: please report"
        found = []
        for name, pieces in self._images.items():
            expected = {at + n: byte for at, piece in pieces for n, byte in enumerate(piece) if at + n < window.size}
            there = bytes(chip.cells.view(window.address, window.size))
            wrong = [at for at, byte in expected.items() if there[at] != byte]
            if wrong:
                count = sum(len(piece) for _, piece in pieces)
                found.append((len(wrong), name, wrong[0], count, there[wrong[0]], expected[wrong[0]]))
        if not found:
            return ""
        count, name, first, size, there_now, in_file = min(found)
        return (
            f"{count:,} of the {size:,} bytes of the {name} image differ, the first at +{first:#x}: {there_now:#04x} "
            f"stands there, {in_file:#04x} is in the file"
        )

    def unreliable_in(self, window: Partition) -> str:
        """The image whose bytes stand in ``window`` over cells that error correction gives up on; "" for none. For what
        `standing_in` has called unknown, and has looked at."""
        chip = window.flash
        assert isinstance(chip, FlashDevice), "windows of a rig are on chips: please report"
        for name, pieces in self._images.items():
            if _fits(pieces, window) and _is_in(pieces, chip, window):
                is_broken = any(
                    chip.cells.first_broken(window.address + at, len(piece)) is not None for at, piece in pieces
                )
                return name if is_broken else ""
        return ""


def _fits(pieces: Pieces, window: Partition) -> bool:
    return all(at + len(piece) <= window.size for at, piece in pieces)


def _is_in(pieces: Pieces, chip: FlashDevice, window: Partition) -> bool:
    return all(chip.cells.view(window.address + at, len(piece)) == piece for at, piece in pieces)


def _is_part(one: Pieces, other: Pieces) -> bool:
    """Whether wherever ``other`` stands, ``one`` does."""
    there = {at + n: byte for at, piece in other for n, byte in enumerate(piece)}
    return all(there.get(at + n) == byte for at, piece in one for n, byte in enumerate(piece))
