"""Whether the core goes round in a circle: the same state again, after the same accesses with the same answers, twice.

A loop that polls a flag, or only feeds a watchdog, repeats registers, masks and all of RAM. What it reads and writes is
then the same for ever, until something happens that is not its doing: a timer, an interrupt, a transfer. So time may go
there at once, and where nothing is to come, that the firmware hangs is no guess. A loop that counts is in another state
each time, however long it takes; one that reads a counter that runs freely gets another answer.

Neighbours: `core` looks now and then; the bus keeps the list of accesses. What a period sends or has refused makes it
no circle: nobody would see the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.cpu.engine import Engine
from emu.cpu.models import CoreModel
from emu.cpu.registers import S0, Register
from emu.cpu.stops import Stop

LONGEST = 256
"""Blocks of code of one period; longer ones are not recognised."""
PASSES = 48
"""How often the core comes by in another state before it is taken for one that counts, which is no circle."""
Access = tuple[str, int, int]
"""Kind, address, value."""


@dataclass(frozen=True, slots=True)
class Circle:
    """``accesses`` of one period, in order. ``moved``: alarms that were set anew in it."""

    accesses: tuple[Access, ...]
    moved: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Before:
    """What a search began with, memory and all."""

    registers: bytes
    floats: bytes
    memory: list[bytes]
    alarms: dict[str, int]
    heard: int


class Search:
    """``rams``: all RAM. ``watch`` hands out a fresh list the bus appends to, and None ends that. ``charge`` is called
    after each block, ``alarms`` says how often each of the clock's was set, ``heard`` counts what was sent and
    refused."""

    def __init__(
        self,
        model: CoreModel,
        engine: Engine,
        rams: Sequence[NDArray[np.uint8]],
        watch: Callable[[list[Access] | None], None],
        alarms: Callable[[], dict[str, int]],
        heard: Callable[[], int],
    ) -> None:
        registers = [*range(Register.R0, Register.R12 + 1), Register.SP, Register.LR, Register.PC, Register.XPSR]
        registers += [Register.MSP, Register.PSP, Register.CONTROL, Register.PRIMASK]
        if not model.is_small:
            registers += [Register.BASEPRI, Register.FAULTMASK]
        floats = [*range(S0, S0 + 32), Register.FPSCR] if model.has_fpu else []
        self._registers, self._floats = engine.reader(registers), engine.reader(floats)
        self._engine = engine
        self._rams = rams
        self._watch = watch
        self._alarms = alarms
        self._heard = heard

    def look(self, step: Callable[[], Stop | None]) -> tuple[Circle | None, Stop | None]:
        """Run block after block by ``step``, which returns what is not its business or None. That ends the search and
        is returned; else the circle, if there is one."""
        before, counter = self._before(), self._engine.get(Register.PC)
        periods: list[list[Access]] = []
        passes = 0
        accesses: list[Access] = []
        self._watch(accesses)
        try:
            for _ in range(2 * LONGEST):
                stop = step()
                if stop is not None:
                    return None, stop
                if self._engine.get(Register.PC) != counter:
                    continue
                if self._registers() != before.registers:
                    passes += 1
                    if passes > PASSES:
                        return None, None
                    continue
                if not self._is_memory(before):
                    return None, None
                periods.append(accesses)
                if len(periods) == 2:
                    return self._circle(periods, before.alarms), None
                accesses = []
                self._watch(accesses)
        finally:
            self._watch(None)
        return None, None

    def look_again(self, period: Callable[[], Stop | None]) -> tuple[Circle | None, Stop | None]:
        """As `look`, where the last circle may be gone round in once more: ``period`` runs as much code as one took.
        Costs a hundredth of a look."""
        before = self._before()
        periods: list[list[Access]] = []
        try:
            for _ in range(2):
                periods.append([])
                self._watch(periods[-1])
                stop = period()
                if stop is not None:
                    return None, stop
                if self._registers() != before.registers or not self._is_memory(before):
                    return None, None
        finally:
            self._watch(None)
        return self._circle(periods, before.alarms), None

    def _before(self) -> _Before:
        memory = [ram.tobytes() for ram in self._rams]
        return _Before(self._registers(), self._floats(), memory, self._alarms(), self._heard())

    def _is_memory(self, before: _Before) -> bool:
        """Whether all but the registers is as it was, and nothing was heard of meanwhile."""
        same = all(ram.tobytes() == content for ram, content in zip(self._rams, before.memory, strict=True))
        return same and self._floats() == before.floats and self._heard() == before.heard

    def _circle(self, periods: list[list[Access]], before: dict[str, int]) -> Circle | None:
        after = self._alarms()
        if periods[0] != periods[1] or before.keys() != after.keys():
            return None
        moved = frozenset(name for name, times in after.items() if times != before[name])
        return Circle(tuple(periods[0]), moved)
