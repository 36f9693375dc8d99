"""What a fault can be done to, on an ELF: `campaign.faults.specimen.StagedSpecimen` over an `ElfRig`.

Nothing is known of the firmware's formats. What waits is what the board stages; records stand where the uncut update
writes outside the slots; images stand where their bytes are found.

Neighbours: `rig` is varied here; `campaign.faults` decides how. Makes rigs and runs none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from emu.campaign.faults.specimen import Delivered, Held
from emu.elf.board import OLDER
from emu.errors import ScenarioError
from emu.events import OLD, UNKNOWN
from emu.rig import DeviceState, Place
from flash.defects import Defects
from flash.peek import read_snapshot

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

SMALL = 64
"""Bytes up to which every bit of what is written outside the slots is worth a try."""


class ElfBench:
    """``rig``: the device and its update without a fault."""

    platform = ""
    older_update = b""
    versions = (0, 0)
    refuses_downgrade = False
    config_names: tuple[str, ...] = ()

    def __init__(self, rig: ElfRig) -> None:
        board = rig.board
        if board.memories:
            raise ScenarioError(
                f"{rig.name} has memories beside the chip, and faults are tried on the chip's own flash alone: leave "
                "--faults out"
            )
        if not board.images:
            raise ScenarioError(
                f"{rig.name} has no [[image]], and faults are done to updates: cut its power alone, leave --faults out"
            )
        if board.update is not None:
            raise ScenarioError(
                f"{rig.name} is brought its update over a UART, and faults are tried on one that waits in flash: leave "
                "--faults out"
            )
        self._rig = rig
        self.keeps_new = rig.keeps_new
        self.old_app = board.images[OLD]
        self.slot_names = tuple(slot.name for slot in board.document.slot)
        self.takes_older = OLDER in board.document.accept
        self.staged = self._delivered(board.staged[0].data)
        self.older = self._delivered(board.older) if board.older else ()
        self.update = b"".join(piece.data for piece in self.staged)
        self.chunk_size = max(1, len(self.update))
        slots = tuple(zip(self.slot_names, rig.places.slots, strict=True))
        waiting = [
            (piece.name, piece.place)
            for piece in self.staged
            if not any(piece.place.shares(slot) for slot in rig.places.slots)
        ]
        taken = [place for _, place in waiting]
        self._records = tuple((f"records-{at:#x}", Place(0, at, size)) for at, size in _without(rig.records, taken))
        self.partitions = (*slots, *self._records, *waiting)

    @property
    def rig(self) -> ElfRig:
        return self._rig

    def varied(
        self,
        *,
        update: bytes | None = None,
        start: DeviceState | None = None,
        defects: Mapping[str, Defects] | None = None,
    ) -> ElfRig:
        if update is not None:
            raise ScenarioError("the update of an ELF waits in flash, nobody sends it: vary the state it starts in")
        return self._rig.varied(start=start, defects=defects)

    def turned(self, update: bytes, start: DeviceState) -> ElfRig:
        raise ScenarioError("the update of an ELF waits in flash, nobody sends another one")

    def images_in(self, state: DeviceState) -> tuple[str, ...]:
        return self._rig.images_in(state)

    def held_in(self, state: DeviceState) -> Iterable[Held]:
        """Of each range of records what is programmed, every known image in a slot, and what waits elsewhere."""
        images = list(zip(self.slot_names, self._rig.places.slots, self.images_in(state), strict=True))
        for name, place in self._records:
            used = self._used(state, place)
            if used:
                yield Held(name, place, 0, used, used <= SMALL)
        for name, place, image in images:
            if image != UNKNOWN:
                entry = next(each for each in self._rig.board.document.image if each.name == image)
                yield Held(name, place, entry.offset, len(self._rig.board.images[image]), False)
        seen = [place for _, place, image in images if image != UNKNOWN]
        for piece in self.staged:
            if not any(piece.place.shares(place) for place in seen) and self._used(state, piece.place):
                size = len(piece.data)
                yield Held(piece.name, piece.place, 0, size, size <= SMALL)

    def _used(self, state: DeviceState, place: Place) -> int:
        """Bytes of ``place`` up to the last one that is programmed."""
        part = self._rig.parts[place.chip]
        raw = read_snapshot(part, state.memory[place.chip], place.address, place.size)
        return len(raw.rstrip(bytes([part.erased])))

    def _delivered(self, image: bytes) -> tuple[Delivered, ...]:
        """What waits where ``image`` is delivered. Each piece has the rest of its last sector, up to the next one."""
        board, geometry = self._rig.board, self._rig.parts[0].geometry
        longest = max(len(board.staged[0].data), len(board.older))
        found: list[Delivered] = []
        for number, placed in enumerate(board.staged):
            at, size = self._rig.offset_of(placed.address), len(placed.data) if number else longest
            end = max(sector.end for sector in geometry.sectors_in(at, size))
            others = [self._rig.offset_of(other.address) for other in board.staged]
            room = min([end, *(other for other in others if other > at)]) - at
            data = placed.data if number else image
            found.append(Delivered(f"staged-{number}", Place(0, at, max(room, len(data))), data))
        return tuple(found)


def _without(ranges: Iterable[tuple[int, int]], places: Sequence[Place]) -> list[tuple[int, int]]:
    """What is left of ``ranges``, of (address, size), when ``places`` are taken away."""
    left = list(ranges)
    for place in places:
        pieces = [((at, min(at + size, place.address)), (max(at, place.address + place.size), at + size)) for at, size
                  in left]  # fmt: skip
        left = [(start, end - start) for pair in pieces for start, end in pair if start < end]
    return left
