"""What a read returns where the cells give no plain answer: weak bits, and granules under error correction.

Neighbours: `device` reads through it when `cells` has such a place; `weak` decides single bits. Every answer is a
function of (seed, address, number of the read in this session), so a session can be repeated. Knows no command.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash import draws
from flash.cells import ECC_CORRECTED, ECC_FAULT, ECC_UNSTABLE, Cells
from flash.errors import EccFault
from flash.part import Part
from flash.weak import DEFAULT_RESOLUTION, RESOLUTIONS, Resolution


@dataclass(slots=True)
class EccStatus:
    """What the error correction registers show: the first address of each kind since they were cleared; -1: none."""

    corrected_address: int = -1
    uncorrectable_address: int = -1

    def note_corrected(self, address: int) -> None:
        if self.corrected_address < 0:
            self.corrected_address = address

    def note_uncorrectable(self, address: int) -> None:
        if self.uncorrectable_address < 0:
            self.uncorrectable_address = address


class Sensing:
    """The sense amplifiers of one part."""

    def __init__(self, part: Part, resolution: Resolution | None = None, seed: int = 0) -> None:
        self.resolution = resolution or RESOLUTIONS[DEFAULT_RESOLUTION]
        self.seed = seed
        self.status = EccStatus()
        self._fault = part.ecc.fault if part.ecc is not None else "nmi"
        self._unit = part.geometry.unit
        self._unstable_reads = 0

    def new_session(self, cells: Cells) -> None:
        """A reset: registers are clear, reads are counted from 0 again."""
        self.status = EccStatus()
        self._unstable_reads = 0
        if cells.weak is not None:
            cells.weak.new_session()

    def is_fresh(self, cells: Cells) -> bool:
        """Whether nothing is counted or noted since `new_session`."""
        return self.status == EccStatus() and not self._unstable_reads and (cells.weak is None or cells.weak.is_fresh)

    def read(self, cells: Cells, address: int, length: int) -> bytes:
        """The bytes a read returns. Raises EccFault where the part signals instead of answering."""
        faulty = self._check_correction(cells, address, length)
        content = cells.read(address, length)
        if cells.weak is not None:
            content = cells.weak.seen(address, content, self.resolution, self.seed)
        for at in faulty:
            self.status.note_uncorrectable(at)
            if self._fault != "flag":
                raise EccFault(at, self._unit, self._fault)
            content = self._garbled(address, content, at)
        return content

    def _check_correction(self, cells: Cells, address: int, length: int) -> list[int]:
        """Granules that cannot be corrected this time; the corrected ones are noted."""
        faulty = []
        for at, code in cells.ecc_states(address, length):
            if code == ECC_UNSTABLE:
                self._unstable_reads += 1
                code = (ECC_CORRECTED, ECC_FAULT)[draws.mix(self.seed, at, self._unstable_reads) & 1]
            if code == ECC_CORRECTED:
                self.status.note_corrected(at)
            else:
                faulty.append(at)
        return faulty

    def _garbled(self, address: int, content: bytes, at: int) -> bytes:
        """The part flags the fault and lets wrong bits through."""
        raw = bytearray(content)
        for index in range(max(at, address), min(at + self._unit, address + len(content))):
            raw[index - address] ^= draws.mix(self.seed, index) & 0xFF
        return bytes(raw)
