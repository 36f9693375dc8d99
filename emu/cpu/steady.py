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

from emu.cpu.engine import S0, Engine, Register
from emu.cpu.models import CoreModel
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
        self._registers = registers
        self._floats = [*range(S0, S0 + 32), Register.FPSCR] if model.has_fpu else []
        self._engine = engine
        self._rams = rams
        self._watch = watch
        self._alarms = alarms
        self._heard = heard

    def look(self, step: Callable[[], Stop | None]) -> tuple[Circle | None, Stop | None]:
        """Run block after block by ``step``, which returns what is not its business or None. That ends the search and
        is returned; else the circle, if there is one."""
        start = self._state()
        counter = start[self._registers.index(Register.PC)]
        memory = [ram.tobytes() for ram in self._rams]
        floats = self._values(self._floats)
        alarms, heard = self._alarms(), self._heard()
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
                if not self._is_state(start):
                    passes += 1
                    if passes > PASSES:
                        return None, None
                    continue
                same = all(ram.tobytes() == before for ram, before in zip(self._rams, memory, strict=True))
                if not same or self._values(self._floats) != floats or self._heard() != heard:
                    return None, None
                periods.append(accesses)
                if len(periods) == 2:
                    return self._circle(periods, alarms), None
                accesses = []
                self._watch(accesses)
        finally:
            self._watch(None)
        return None, None

    def _circle(self, periods: list[list[Access]], before: dict[str, int]) -> Circle | None:
        after = self._alarms()
        if periods[0] != periods[1] or before.keys() != after.keys():
            return None
        moved = frozenset(name for name, times in after.items() if times != before[name])
        return Circle(tuple(periods[0]), moved)

    def _is_state(self, state: list[int]) -> bool:
        get = self._engine.get
        return all(get(register) == value for register, value in zip(self._registers, state, strict=True))

    def _state(self) -> list[int]:
        return self._values(self._registers)

    def _values(self, registers: Sequence[int]) -> list[int]:
        return [self._engine.get(register) for register in registers]
