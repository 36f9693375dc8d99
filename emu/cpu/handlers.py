"""Entering exceptions and returning from them: what preempts, where a fault goes, and when nobody can take it.

Neighbours: `core` calls it between slices, `exceptions` says who goes first, `stacking` moves the frames, `scb` keeps
fault status and vectors. Knows no time and no slices.
"""

from __future__ import annotations

from emu.cpu.contract import BusFault
from emu.cpu.engine import Engine
from emu.cpu.exceptions import BUS_FAULT, HARD_FAULT, MEM_MANAGE, NMI, USAGE_FAULT, Exceptions, name_of
from emu.cpu.memory import AddressSpace
from emu.cpu.models import CoreModel
from emu.cpu.registers import Register
from emu.cpu.scb import (
    ASPEN,
    CCR,
    FORCED,
    FPCCR,
    IACCVIOL,
    IBUSERR,
    INVPC,
    SCR,
    SLEEP_ON_EXIT,
    STKALIGN,
    STKERR,
    UNSTKERR,
    VECTTBL,
    SystemControl,
)  # fmt: skip
from emu.cpu.stacking import FLOAT_RETURNS, NO_FLOAT, RETURNS, SECURE, THUMB, TO_HANDLER, pop, push

_EXECUTE_NEVER = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0x1_0000_0000))
_RETURNS_FROM = 0xFF00_0000
"""On ARMv8-M a handler that jumps there returns, or tries to."""
_EXCEPTION_NUMBER = 0x1FF
_INTERWORKING_STATE = 0x0600_FC00  # IT and ICI


class Lockup(Exception):
    """A fault where no fault can be taken."""


class Handlers:
    """What stands between the running code and its exceptions."""

    def __init__(
        self,
        model: CoreModel,
        engine: Engine,
        memory: AddressSpace,
        exceptions: Exceptions,
        control: SystemControl,
    ) -> None:
        self._model = model
        self._engine = engine
        self._memory = memory
        self._exceptions = exceptions
        self._control = control
        self.last_fault = ""
        """What the last fault since a reset was about."""

    def execution_priority(self) -> int:
        get = self._engine.get
        if self._model.is_small:
            return self._exceptions.execution_priority(get(Register.PRIMASK), 0, 0)
        masks = get(Register.PRIMASK), get(Register.BASEPRI), get(Register.FAULTMASK)
        return self._exceptions.execution_priority(*masks)

    def is_called(self) -> bool:
        """Whether something pending would preempt now."""
        number = self._exceptions.next_pending()
        return number is not None and self._exceptions.preempts(number, self.execution_priority())

    def wakes(self) -> bool:
        """Whether a sleeping core wakes: PRIMASK does not keep it asleep, an exception of too low a priority does."""
        number = self._exceptions.next_pending()
        if number is None:
            return False
        basepri = 0 if self._model.is_small else self._engine.get(Register.BASEPRI)
        return self._exceptions.preempts(number, self._exceptions.execution_priority(0, basepri, 0))

    def take_pending(self) -> bool:
        """Enter whatever preempts; False: what is pending must wait."""
        number = self._exceptions.next_pending()
        if number is None:
            return True
        if not self._exceptions.preempts(number, self.execution_priority()):
            return False
        self._enter(number, self._engine.get(Register.PC))
        return True

    def take_now(self, number: int, return_address: int) -> None:
        """An exception that cannot wait: SVC. Where its priority does not do, it is a HardFault."""
        if self._exceptions.preempts(number, self.execution_priority()):
            self._enter(number, return_address)
        else:
            self.fault(number, return_address, f"{name_of(number)} at a priority that does not preempt")

    def fault(self, number: int, return_address: int, what: str) -> None:
        """A fault at ``return_address``: its own handler, else HardFault, else lockup."""
        self.last_fault = what if " at 0x" in what else f"{what} at {return_address:#x}"
        priority = self.execution_priority()
        if number != HARD_FAULT:
            own = not self._model.is_small and self._control.enables(number)
            if own and self._exceptions.preempts(number, priority):
                self._enter(number, return_address)
                return
            self._control.blame(0, hard=FORCED)
        if not self._exceptions.preempts(HARD_FAULT, priority):
            running = name_of(self._exceptions.active[-1]) if self._exceptions.active else "thread with FAULTMASK"
            raise Lockup(f"{what}, in {running}")
        self._enter(HARD_FAULT, return_address)

    def _enter(self, number: int, return_address: int) -> None:
        aligned = self._control.has(CCR, STKALIGN)
        floats = self._model.has_fpu and self._control.has(FPCCR, ASPEN)
        back, took = push(self._engine, self._memory, return_address, aligned=aligned, with_floats=floats)
        self._exceptions.enter(number)
        status = self._engine.get(Register.XPSR) & ~(_EXCEPTION_NUMBER | _INTERWORKING_STATE)
        self._engine.put(Register.XPSR, status | THUMB | number)
        self._engine.put(Register.LR, back & ~SECURE if self._model.is_v8 else back)
        vectors = self._control.vectors
        try:
            handler = self._memory.word(vectors + 4 * number)
        except BusFault:
            self._control.blame(0, hard=VECTTBL)
            self.fault(HARD_FAULT, return_address, f"no memory at the vector of {name_of(number)}")
            return
        self.jump(handler)
        if not took and number not in (HARD_FAULT, NMI):
            self._control.blame(STKERR)
            self.fault(BUS_FAULT, handler, f"no RAM at the stack for {name_of(number)}")

    def jump(self, target: int) -> None:
        """To a vector. An even one leaves Thumb state, as the engine has it, and faults at its first instruction."""
        self._engine.put(Register.PC, target)

    # -- return -----------------------------------------------------------------------------------------------

    def fetched(self, counter: int) -> bool:
        """Nothing can be executed at ``counter``: the return from an exception, or a jump into nowhere. Returns whether
        the core is to sleep now."""
        value = self._return_value(counter)
        returns = RETURNS | FLOAT_RETURNS if self._model.has_fpu else RETURNS
        number = self._engine.get(Register.IPSR)
        if number and value in returns:
            return self._return(value, number)
        if number and self._model.is_v8 and counter >= _RETURNS_FROM:
            self._control.blame(INVPC)
            self.fault(USAGE_FAULT, counter, f"a return {counter:#x}, which no exception of a non-secure core gives")
        elif any(first <= counter < end for first, end in _EXECUTE_NEVER):
            self._control.blame(IACCVIOL)
            self.fault(MEM_MANAGE, counter, f"a jump to {counter:#x}, where no code can be")
        else:
            self._control.blame(IBUSERR)
            self.fault(BUS_FAULT, counter, f"a jump to {counter:#x}, where nothing answers")
        return False

    def _return_value(self, counter: int) -> int:
        """What was loaded into the program counter to return, as the values before ARMv8-M."""
        if not self._model.is_v8:
            return counter | 1
        return 0 if counter & SECURE else counter | SECURE

    def _return(self, value: int, number: int) -> bool:
        exceptions = self._exceptions
        to_handler = value | NO_FLOAT == TO_HANDLER
        if number not in exceptions.active or to_handler != (len(exceptions.active) > 1):
            self._control.blame(INVPC)
            self.fault(USAGE_FAULT, self._engine.get(Register.PC), f"a return {value:#x} that fits no exception")
            return False
        exceptions.leave(number)
        if not self._model.is_small and number != NMI:
            self._engine.put(Register.FAULTMASK, 0)
        try:
            pop(self._engine, self._memory, value)
        except BusFault:
            self._control.blame(UNSTKERR)
            self.fault(BUS_FAULT, value & ~1, "no RAM at the stack of a return")
            return False
        return not to_handler and self._control.has(SCR, SLEEP_ON_EXIT)
