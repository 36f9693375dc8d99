"""The core around its instructions: exceptions, faults, sleep and lockup, one slice after the other.

The engine executes; this decides what is next: an exception that preempts, a fault and where it escalates to, time that
passes while the core sleeps, and when nothing will ever happen again. Interrupts are taken between two blocks of code;
one that is pending while it is masked is looked at again after at most `_WATCHING` bytes of code.

Neighbours: `exceptions` says who goes first, `stacking` moves the frames, `scb` and `systick` are registers it reads.
`session` runs it. Knows no chip and no flash.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.clock import VirtualClock
from emu.cpu.agenda import Agenda
from emu.cpu.clock import BYTES_PER_CYCLE, CoreClock
from emu.cpu.contract import BusFault
from emu.cpu.ending import Ending, EndingKind
from emu.cpu.engine import S0, Engine, Register, Stop
from emu.cpu.exceptions import BUS_FAULT, HARD_FAULT, MEM_MANAGE, NMI, SVCALL, SYSTICK, USAGE_FAULT, Exceptions, name_of
from emu.cpu.memory import AddressSpace
from emu.cpu.models import CoreModel
from emu.cpu.scb import (
    ASPEN,
    CCR,
    DEBUGEVT,
    FORCED,
    FPCCR,
    IACCVIOL,
    IBUSERR,
    INVPC,
    INVSTATE,
    NOCP,
    PRECISERR,
    SCR,
    SLEEP_ON_EXIT,
    STKALIGN,
    STKERR,
    UNALIGNED,
    UNDEFINSTR,
    UNSTKERR,
    VECTTBL,
    SystemControl,
)
from emu.cpu.stacking import FLOAT_RETURNS, NO_FLOAT, RETURNS, TO_HANDLER, pop, push
from emu.cpu.systick import SysTick

_FIRST_SLICE, _LONGEST_SLICE = 1 << 12, 1 << 18
"""Bytes of code. Slices grow, so that a short session is told its time well and a long one runs fast."""
_FIRST_LOOK, _WATCHING = 64, 2048
_BRANCH_TO_SELF, _WIDE_BRANCH_TO_SELF = b"\xfe\xe7", b"\xff\xf7\xfe\xbf"
_EXECUTE_NEVER = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0x1_0000_0000))
_EVENT_WAITS = 1000
"""Waits for an event in a row, with nothing to come, before the core counts as asleep."""
_FAULTS: dict[str, tuple[int, int]] = {
    "undefined": (USAGE_FAULT, UNDEFINSTR),
    "no-coprocessor": (USAGE_FAULT, NOCP),
    "not-thumb": (USAGE_FAULT, INVSTATE),
    "unaligned": (USAGE_FAULT, UNALIGNED),
}
_THUMB, _EXCEPTION_NUMBER = 1 << 24, 0x1FF
_INTERWORKING_STATE = 0x0600_FC00  # IT and ICI


class _Lockup(Exception):
    """A fault where no fault can be taken."""


class Core:
    """``boot_vectors`` are where the chip boots from."""

    def __init__(
        self, model: CoreModel, engine: Engine, memory: AddressSpace, exceptions: Exceptions,
        request_reset: Callable[[str], None], hz: int,
    ) -> None:  # fmt: skip
        self.model = model
        self.engine = engine
        self.exceptions = exceptions
        self.control = SystemControl(model, exceptions, request_reset)
        self.systick = SysTick(lambda: exceptions.pending.add(SYSTICK))
        self.agenda = Agenda()
        self.time = CoreClock(VirtualClock(), hz)
        self._memory = memory
        self._charged = 0
        self._look = _FIRST_LOOK
        self._longest = _FIRST_SLICE
        self._event_waits = 0

    def reset(self, clock: VirtualClock, hz: int, boot_vectors: int) -> None:
        """A reset of the system: all of the core is as after power-on, and time starts with ``clock``."""
        self.time = CoreClock(clock, hz)
        self.exceptions.reset()
        self.control.reset(boot_vectors)
        self.systick.power_on()
        self.agenda.clear()
        self._charged, self._event_waits, self._longest = 0, 0, _FIRST_SLICE
        put = self.engine.put
        put(Register.XPSR, _THUMB)
        for mask in (Register.PRIMASK, Register.BASEPRI, Register.FAULTMASK, Register.CONTROL):
            if not (self.model.is_small and mask in (Register.BASEPRI, Register.FAULTMASK)):
                put(mask, 0)
        for register in range(Register.R0, Register.R12 + 1):
            put(register, 0)
        if self.model.has_fpu:
            for register in range(S0, S0 + 32):
                put(register, 0)
            put(Register.FPSCR, 0)
            put(Register.CONTROL, 0)
        put(Register.LR, 0xFFFF_FFFF)
        put(Register.PSP, 0)
        self._load_vector_pair(boot_vectors)

    def _load_vector_pair(self, vectors: int) -> None:
        try:
            stack, start = self._memory.word(vectors), self._memory.word(vectors + 4)
        except BusFault:
            stack = start = 0xFFFF_FFFF
        self.engine.put(Register.MSP, stack & ~3)
        self._jump(start)

    # -- time -----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Inside a callback: time goes to the end of the block that is running. Raises ResetAsserted."""
        executed = self.engine.executed
        if executed > self._charged:
            passed, self._charged = executed - self._charged, executed
            self.time.charge(passed)

    def _charge_slice(self) -> None:
        """A slice has ended; one that ended inside a block that was charged whole owes the rest to the next."""
        left, self._charged = self.engine.executed - self._charged, 0
        if left < 0:
            self._charged = -left
        else:
            self.time.charge(left)

    @property
    def next_event(self) -> int | None:
        """The cycle at which something will happen that is not the core's doing; None: nothing will."""
        times = [
            self.time.cycles_at(us) for us in (self.agenda.next_us, self.time.clock.next_alarm_us) if us is not None
        ]
        if self.systick.next_tick is not None:
            times.append(self.systick.next_tick)
        return min(times, default=None)

    # -- the loop -------------------------------------------------------------------------------------------

    def run(self, limit_us: int) -> Ending:
        """Until it ends or ``limit_us`` is over. Raises ResetAsserted, PowerLost, and what peripherals raise."""
        try:
            while True:
                self.agenda.run_due(self.time.clock.now_us)
                self.systick.catch_up(self.time)
                masked = bool(self.exceptions.pending) and not self._take_pending()
                if self.time.clock.now_us >= limit_us:
                    return self._ending("limit", f"still running after {limit_us:,} us")
                ended = self._slice(limit_us, masked)
                if ended is not None:
                    return ended
        except _Lockup as lockup:
            return self._ending("lockup", str(lockup))

    def _slice(self, limit_us: int, masked: bool) -> Ending | None:
        end = self.time.cycles_at(limit_us)
        event = self.next_event
        room = max(1, (min(end, event) if event is not None else end) - self.time.cycles) * BYTES_PER_CYCLE
        if masked:
            room, self._look = min(room, self._look), min(self._look * 2, _WATCHING)
        else:
            self._look = _FIRST_LOOK
        stop = self.engine.run(min(room, self._longest) + self._charged)
        if stop.kind == "slice":
            self._longest = min(self._longest * 2, _LONGEST_SLICE)
            self._charge_slice()
            return self._doze(limit_us) if self._spins() else None
        self._charge_slice()
        return self._stopped(stop, limit_us)

    def _stopped(self, stop: Stop, limit_us: int) -> Ending | None:
        kind, counter = stop.kind, self.engine.get(Register.PC)
        if kind == "sleep":
            return self._sleep(limit_us)
        if kind == "event-wait":
            return self._wait_for_event(limit_us)
        if kind == "call":
            self._take_now(SVCALL, counter)
        elif kind == "fetch":
            return self._fetched(counter, limit_us)
        elif kind == "breakpoint":
            self.control.blame(0, hard=DEBUGEVT)
            self._fault(HARD_FAULT, counter, "a breakpoint instruction")
        elif kind in _FAULTS:
            fault, bits = _FAULTS[kind]
            if kind == "not-thumb":
                self.engine.put(Register.XPSR, self.engine.get(Register.XPSR) | _THUMB)
            self.control.blame(bits)
            self._fault(fault, counter, f"{kind} at {counter:#x}")
        else:
            self.control.blame(PRECISERR, address=stop.address)
            self._fault(BUS_FAULT, counter, f"{kind} of {stop.address:#x}")
        return None

    # -- sleep ------------------------------------------------------------------------------------------------

    def _sleep(self, limit_us: int) -> Ending | None:
        """WFI. PRIMASK does not keep it asleep; an exception of too low a priority does."""
        while not self._wakes():
            if self.next_event is None:
                return self._ending("asleep", "it waits for an interrupt (WFI) and none will come")
            if self._pass_time(limit_us):
                return None
        return None

    def _wakes(self) -> bool:
        number = self.exceptions.next_pending()
        if number is None:
            return False
        basepri = 0 if self.model.is_small else self.engine.get(Register.BASEPRI)
        return self.exceptions.preempts(number, self.exceptions.execution_priority(0, basepri, 0))

    def _pass_time(self, limit_us: int) -> bool:
        """To the next event or the limit; whether it was the limit."""
        event = self.next_event
        assert event is not None, "time passes to an event that nobody expects: please report"
        end = self.time.cycles_at(limit_us)
        self.time.advance_to(min(event, end))
        self.agenda.run_due(self.time.clock.now_us)
        self.systick.catch_up(self.time)
        return event > end

    def _wait_for_event(self, limit_us: int) -> Ending | None:
        """WFE may return at any time. It does at once when nothing is to come (a SEV may have been before it, which the
        engine does not tell of), and with the next event when there is one."""
        if self.exceptions.pending:
            return None
        if self.next_event is not None:
            self._pass_time(limit_us)
            self._event_waits = 0
            return None
        self._event_waits += 1
        if self._event_waits > _EVENT_WAITS:
            return self._ending("asleep", "it waits for an event (WFE) and none will come")
        return None

    def _spins(self) -> bool:
        """Whether the next instruction branches to itself."""
        counter = self.engine.get(Register.PC)
        try:
            code = self._memory.read(counter, 4)
        except BusFault:
            return False
        return code == _WIDE_BRANCH_TO_SELF or code.startswith(_BRANCH_TO_SELF)

    def _doze(self, limit_us: int) -> Ending | None:
        """In an empty loop only an exception goes on."""
        number = self.exceptions.next_pending()
        if number is not None and self.exceptions.preempts(number, self._execution_priority()):
            return None
        if self.next_event is None:
            return self._ending("spinning", "an empty loop, and no interrupt will come")
        self._pass_time(limit_us)
        return None

    # -- exceptions -------------------------------------------------------------------------------------------

    def pend(self, number: int) -> None:
        """An exception is asked for, from inside a callback or not: it is looked at before the next block."""
        self.exceptions.pending.add(number)
        self.engine.end_slice()

    def _execution_priority(self) -> int:
        get = self.engine.get
        if self.model.is_small:
            return self.exceptions.execution_priority(get(Register.PRIMASK), 0, 0)
        masks = get(Register.PRIMASK), get(Register.BASEPRI), get(Register.FAULTMASK)
        return self.exceptions.execution_priority(*masks)

    def _take_pending(self) -> bool:
        """Enter whatever preempts; False: what is pending must wait."""
        number = self.exceptions.next_pending()
        if number is None:
            return True
        if not self.exceptions.preempts(number, self._execution_priority()):
            return False
        self._enter(number, self.engine.get(Register.PC))
        return True

    def _take_now(self, number: int, return_address: int) -> None:
        """An exception that cannot wait: SVC. Where its priority does not do, it is a HardFault."""
        if self.exceptions.preempts(number, self._execution_priority()):
            self._enter(number, return_address)
        else:
            self._fault(number, return_address, f"{name_of(number)} at a priority that does not preempt")

    def _fault(self, number: int, return_address: int, what: str) -> None:
        """A fault at ``return_address``: its own handler, else HardFault, else lockup."""
        priority = self._execution_priority()
        if number != HARD_FAULT:
            own = not self.model.is_small and self.control.enables(number)
            if own and self.exceptions.preempts(number, priority):
                self._enter(number, return_address)
                return
            self.control.blame(0, hard=FORCED)
        if not self.exceptions.preempts(HARD_FAULT, priority):
            running = name_of(self.exceptions.active[-1]) if self.exceptions.active else "thread with FAULTMASK"
            raise _Lockup(f"{what}, in {running}")
        self._enter(HARD_FAULT, return_address)

    def _enter(self, number: int, return_address: int) -> None:
        aligned = self.control.has(CCR, STKALIGN)
        floats = self.model.has_fpu and self.control.has(FPCCR, ASPEN)
        back, took = push(self.engine, self._memory, return_address, aligned=aligned, with_floats=floats)
        self.exceptions.enter(number)
        status = self.engine.get(Register.XPSR) & ~(_EXCEPTION_NUMBER | _INTERWORKING_STATE)
        self.engine.put(Register.XPSR, status | _THUMB | number)
        self.engine.put(Register.LR, back)
        self._event_waits = 0
        vectors = self.control.vectors
        try:
            handler = self._memory.word(vectors + 4 * number)
        except BusFault:
            self.control.blame(0, hard=VECTTBL)
            self._fault(HARD_FAULT, return_address, f"no memory at the vector of {name_of(number)}")
            return
        self._jump(handler)
        if not took and number not in (HARD_FAULT, NMI):
            self.control.blame(STKERR)
            self._fault(BUS_FAULT, handler, f"no RAM at the stack for {name_of(number)}")

    def _jump(self, target: int) -> None:
        """To a vector. An even one leaves Thumb state, as the engine has it, and faults at its first instruction."""
        self.engine.put(Register.PC, target)

    # -- return -----------------------------------------------------------------------------------------------

    def _fetched(self, counter: int, limit_us: int) -> Ending | None:
        """Nothing can be executed at ``counter``: the return from an exception, or a jump into nowhere."""
        value = counter | 1
        returns = RETURNS | FLOAT_RETURNS if self.model.has_fpu else RETURNS
        number = self.engine.get(Register.IPSR)
        if number and value in returns:
            return self._return(value, number, limit_us)
        if any(first <= counter < end for first, end in _EXECUTE_NEVER):
            self.control.blame(IACCVIOL)
            self._fault(MEM_MANAGE, counter, f"a jump to {counter:#x}, where no code can be")
        else:
            self.control.blame(IBUSERR)
            self._fault(BUS_FAULT, counter, f"a jump to {counter:#x}, where nothing answers")
        return None

    def _return(self, value: int, number: int, limit_us: int) -> Ending | None:
        exceptions = self.exceptions
        to_handler = value | NO_FLOAT == TO_HANDLER
        if number not in exceptions.active or to_handler != (len(exceptions.active) > 1):
            self.control.blame(INVPC)
            self._fault(USAGE_FAULT, self.engine.get(Register.PC), f"a return {value:#x} that fits no exception")
            return None
        exceptions.leave(number)
        if not self.model.is_small and number != NMI:
            self.engine.put(Register.FAULTMASK, 0)
        try:
            pop(self.engine, self._memory, value)
        except BusFault:
            self.control.blame(UNSTKERR)
            self._fault(BUS_FAULT, value & ~1, "no RAM at the stack of a return")
            return None
        self._event_waits = 0
        return self._sleep(limit_us) if not to_handler and self.control.has(SCR, SLEEP_ON_EXIT) else None

    # -- words ------------------------------------------------------------------------------------------------

    @property
    def handler(self) -> str:
        """The exception that is running."""
        return name_of(self.exceptions.active[-1]) if self.exceptions.active else "thread"

    def _ending(self, kind: EndingKind, reason: str) -> Ending:
        return Ending(kind, reason, self.engine.get(Register.PC), self.handler)
