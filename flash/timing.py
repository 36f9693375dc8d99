"""How long an operation takes: typical, maximum, or sampled; longer on worn sectors.

Neighbours: `device` asks here and advances the clock. Durations are a function of (seed, operation kind,
address, wear), never of the order in which things were explored.

Sampling draws log-normally with the typical figure as median and the maximum at three sigma, clamped there.
Wear stretches every duration by ``1 + 2.7 * (cycles / endurance) ** 0.8``: a design choice fitted to the one
published curve (TI SPRS880P sector erase 30 ms when new to 110 ms at 20,000 cycles), not a datasheet figure.
``worn=False`` leaves the stretch out: then nothing a device does depends on its erase counts.
"""

from __future__ import annotations

from math import ceil, exp, log
from typing import Literal

from flash import draws
from flash.figure import Figure
from flash.part import Part

TimingMode = Literal["typ", "max", "sampled"]

WEAR_FACTOR = 2.7
WEAR_EXPONENT = 0.8
_PROGRAM, _ERASE, _WRITE = 1, 2, 3


class Timing:
    """Durations of one part, in whole microseconds, rounded up."""

    def __init__(self, part: Part, mode: TimingMode = "typ", *, seed: int = 0, worn: bool = True) -> None:
        self._part = part
        self._mode = mode
        self._seed = seed
        self._worn = worn
        self._erase = {e.size: e.time_us for e in part.erase}
        self._base: dict[tuple[int, int], int] = {}
        self._stretch: dict[int, float] = {0: 1.0}

    def program_us(self, address: int, length: int, cycles: int) -> int:
        """One program command of ``length`` bytes on a sector erased ``cycles`` times before."""
        return self._duration(_PROGRAM, address, length, cycles)

    def steady_program_us(self, length: int) -> int | None:
        """What every program command of ``length`` bytes takes, wherever and whenever; None: that differs."""
        return None if self._mode == "sampled" or self._worn else self._duration(_PROGRAM, 0, length, 0)

    def erase_us(self, address: int, size: int, cycles: int) -> int:
        """One erase command of ``size`` bytes."""
        return self._duration(_ERASE, address, size, cycles)

    def chip_erase_us(self) -> int:
        """The chip erase command of a serial part."""
        assert self._part.serial is not None, "only a serial part has a chip erase: please report"
        return ceil(self._pick(self._part.serial.chip_erase.time_us, _ERASE, self._part.size))

    def register_write_us(self, address: int) -> int:
        """One write of a non-volatile register of a serial part."""
        assert self._part.serial is not None, "only a serial part has registers: please report"
        return ceil(self._pick(self._part.serial.register_write_us, _WRITE, address))

    def mass_erase_us(self) -> int:
        """All of one bank of a microcontroller's array."""
        controller = self._part.controller
        assert controller is not None and controller.mass_erase_us is not None, "no mass erase: please report"
        return ceil(self._pick(controller.mass_erase_us, _ERASE, self._part.size))

    def row_us(self, address: int) -> int:
        """One row of a microcontroller's array, programmed together."""
        controller = self._part.controller
        assert controller is not None and controller.row_us is not None, "no row program: please report"
        return ceil(self._pick(controller.row_us, _PROGRAM, address))

    def erase_at_width_us(self, address: int, size: int, bits: int, cycles: int) -> int:
        """As `erase_us`, with the controller set to stores of ``bits``; the part's own where it names no other."""
        widths = () if self._part.controller is None else self._part.controller.widths
        for width in widths:
            if width.bits == bits:
                figure = {e.size: e.time_us for e in width.erase}[size]
                return ceil(self._pick(figure, _ERASE, address) * self._stretched(cycles))
        return self.erase_us(address, size, cycles)

    def read_us(self, length: int) -> int:
        return ceil(length / self._part.read.bytes_per_us)

    def _duration(self, kind: int, address: int, length: int, cycles: int) -> int:
        key = (kind, length) if self._mode != "sampled" else (kind, length, address)
        base = self._base.get(key)  # type: ignore[arg-type]
        if base is None:
            base = ceil(self._base_us(kind, address, length))
            self._base[key] = base  # type: ignore[index]
        if not cycles or not self._worn:
            return base
        return ceil(base * self._stretched(cycles))

    def _stretched(self, cycles: int) -> float:
        """How much longer everything takes on a sector erased ``cycles`` times."""
        if not self._worn:
            return 1.0
        stretch = self._stretch.get(cycles)
        if stretch is None:
            share = cycles / self._part.endurance.cycles
            stretch = self._stretch[cycles] = 1.0 + WEAR_FACTOR * share**WEAR_EXPONENT
        return stretch

    def _base_us(self, kind: int, address: int, length: int) -> float:
        if kind == _ERASE:
            return self._pick(self._erase[length], kind, address)
        program = self._part.program
        full = self._pick(program.time_us, kind, address)
        if not program.page_size:
            return full * -(-length // program.unit)
        if program.first_byte_us is None:
            return full
        first = self._pick(program.first_byte_us, kind, address)
        return first + (length - 1) * (full - first) / (program.page_size - 1)

    def _pick(self, figure: Figure, kind: int, address: int) -> float:
        if self._mode == "typ":
            return figure.typ
        if self._mode == "max":
            return figure.max
        sigma = log(figure.max / figure.typ) / 3
        return min(figure.max, figure.typ * exp(sigma * draws.normal(self._seed, kind, address)))
