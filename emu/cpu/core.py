"""The core around its instructions: exceptions, faults, sleep and lockup, one slice after the other.

The engine executes; this decides what is next: an exception that preempts, a fault and where it escalates to, time that
passes while the core sleeps, and when nothing will ever happen again. Interrupts are taken between two blocks of code;
one that is pending while it is masked is looked at again after at most `_WATCHING` bytes of code.

Neighbours: `handlers` enters and leaves exceptions, `steady` tells when a loop waits, `scb` and `systick` are registers
it reads. `session` runs it. Knows no chip and no flash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emu.clock import VirtualClock
from emu.cpu.agenda import Agenda
from emu.cpu.clock import BYTES_PER_CYCLE, MICROSECONDS, CoreClock
from emu.cpu.contract import BusFault
from emu.cpu.counting import Counting
from emu.cpu.ending import Ending, EndingKind
from emu.cpu.engine import Engine
from emu.cpu.exceptions import BUS_FAULT, HARD_FAULT, SVCALL, SYSTICK, USAGE_FAULT, Exceptions, name_of
from emu.cpu.handlers import Handlers, Lockup
from emu.cpu.memory import AddressSpace
from emu.cpu.models import CoreModel
from emu.cpu.patience import Patience
from emu.cpu.registers import S0, Register
from emu.cpu.scb import (
    DEBUGEVT,
    INVSTATE,
    NOCP,
    PRECISERR,
    SCR,
    SEVONPEND,
    SLEEPDEEP,
    STKOF,
    UNALIGNED,
    UNDEFINSTR,
    SystemControl,
)
from emu.cpu.steady import Circle
from emu.cpu.stops import NOTHING, Stop
from emu.cpu.systick import SysTick

_WATCHING = 256
_LONG_ENOUGH = 1 << 14
"""Bytes of code of a slice after which it is asked whether a loop only counts: that takes as long as 50,000 of them."""
_BRANCH_TO_SELF, _WIDE_BRANCH_TO_SELF = b"\xfe\xe7", b"\xff\xf7\xfe\xbf"
_EVENT_WAITS = 1000
"""Waits for an event in a row, with nothing to come, before the core counts as asleep."""
_FAULTS: dict[str, tuple[int, int]] = {
    "undefined": (USAGE_FAULT, UNDEFINSTR),
    "no-coprocessor": (USAGE_FAULT, NOCP),
    "not-thumb": (USAGE_FAULT, INVSTATE),
    "unaligned": (USAGE_FAULT, UNALIGNED),
    "stack-limit": (USAGE_FAULT, STKOF),
}
_THUMB = 1 << 24
_GENERAL, _FLOATS = tuple(range(Register.R0, Register.R12 + 1)), tuple(range(S0, S0 + 32))


class AsleepForEver(Exception):
    """The chip sleeps, in a mode that nothing here ends: the reason."""


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
        self._handlers = Handlers(model, engine, memory, exceptions, self.control)
        self.systick = SysTick(lambda: exceptions.pending.add(SYSTICK))
        self.agenda = Agenda()
        self.time = CoreClock(VirtualClock(), hz)
        self.before_slice: Callable[[], None] = lambda: None
        """Called when nothing runs and the engine may be changed."""
        self.deep_sleep: Callable[[], str] = lambda: ""
        """Called when the core goes to sleep with SLEEPDEEP set: why that is for ever, or "" for a sleep like any."""
        self.attendant: Callable[[], None] | None = None
        """Called whenever the core stands still between two slices; it may look and change what it likes."""
        self._is_called = False
        self._memory = memory
        self.charged = 0
        """Bytes of code of the present slice that time has been charged for."""
        self._slice_end_us = 0
        self._dozed_at = -1
        """The last empty loop it was in."""
        self._event_waits = 0
        self._pended: set[int] = set()
        """What was pending at the last WFE."""
        self._fresh = engine.snapshot()

    def reset(self, clock: VirtualClock, hz: int, boot_vectors: int) -> None:
        """A reset of the system: all of the core is as after power-on, and time starts with ``clock``."""
        self.time = CoreClock(clock, hz)
        self.exceptions.reset()
        self._handlers.last_fault = ""
        self.control.reset(boot_vectors)
        self.systick.power_on()
        self.agenda.clear()
        self.charged, self._event_waits, self._dozed_at = 0, 0, -1
        self._pended = set()
        self._patience.begin()
        put = self.engine.put
        if self.model.is_v8:
            self.engine.restore(self._fresh)  # no other way leads to the limits of the stacks
        put(Register.XPSR, _THUMB)
        for mask in (Register.PRIMASK, Register.BASEPRI, Register.FAULTMASK, Register.CONTROL):
            if not (self.model.is_small and mask in (Register.BASEPRI, Register.FAULTMASK)):
                put(mask, 0)
        self.engine.put_all(_GENERAL, [0] * len(_GENERAL))
        if self.model.has_fpu:
            self.engine.put_all(_FLOATS, [0] * len(_FLOATS))
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
        self._handlers.jump(start)

    # -- time -----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Inside a callback: time goes to the end of the block that is running. Raises ResetAsserted."""
        executed = self.engine.executed
        if executed > self.charged:
            passed, self.charged = executed - self.charged, executed
            self.time.charge(passed)

    def charge_to_each(self, executed: Sequence[int], pause_us: int) -> list[int]:
        """As `sync` when this slice has come to each of ``executed`` bytes of code, with a pause behind it: see
        `CoreClock.charge_each`."""
        charged, self.charged = self.charged, max([self.charged, *executed])
        return self.time.charge_each(executed, charged, pause_us)

    def _charge_slice(self) -> None:
        """A slice has ended; one that ended inside a block that was charged whole owes the rest to the next."""
        left, self.charged = self.engine.executed - self.charged, 0
        if left < 0:
            self.charged = -left
        else:
            self.time.charge(left)

    def expect(self, us: int) -> None:
        """Something will happen at ``us``: a slice that would run past it ends at the next block."""
        if us < self._slice_end_us:
            self.engine.end_slice()

    def passed(self) -> None:
        """Time has gone by inside a block of code: a slice that should be over by now ends at the next one."""
        if self.time.clock.now_us >= self._slice_end_us:
            self.engine.end_slice()

    @property
    def next_event(self) -> int | None:
        """The cycle at which something will happen that is not the core's doing; None: nothing will."""
        return self._next_event(ticks=True)

    def _next_event(self, *, ticks: bool) -> int | None:
        times = [
            self.time.cycles_at(us) for us in (self.agenda.next_us, self.time.clock.next_alarm_us) if us is not None
        ]
        if ticks and self.systick.next_tick is not None:
            times.append(self.systick.next_tick)
        return min(times, default=None)

    # -- the loop -------------------------------------------------------------------------------------------

    def run(self, limit_us: int) -> Ending:
        """Until it ends or ``limit_us`` is over. Raises ResetAsserted, PowerLost, and what peripherals raise."""
        try:
            while True:
                self.agenda.run_due(self.time.clock.now_us)
                self.systick.catch_up(self.time)
                masked = bool(self.exceptions.pending) and not self._handlers.take_pending()
                if self.attendant is not None:
                    self._is_called = False
                    self.attendant()
                if self.time.clock.now_us >= limit_us:
                    return self._still_runs(limit_us)
                ended = self._slice(limit_us, masked)
                if ended is not None:
                    return ended
        except Lockup as lockup:
            return self._ending("lockup", str(lockup))
        except AsleepForEver as asleep:
            return self._ending("asleep", str(asleep))

    def _slice(self, limit_us: int, masked: bool) -> Ending | None:
        if not (masked or self.charged) and self.engine.get(Register.PC) == self._dozed_at and self._spins():
            return self._doze(limit_us)
        end = self.time.cycles_at(limit_us)
        event = self.next_event
        room = max(1, (min(end, event) if event is not None else end) - self.time.cycles) * BYTES_PER_CYCLE
        room, looks = (min(room, _WATCHING), False) if masked else self._patience.slice_of(room)
        self._slice_end_us = self.time.clock.now_us + room // BYTES_PER_CYCLE * MICROSECONDS // self.time.hz + 1
        self.before_slice()
        stop = self.engine.run(room + self.charged)
        self._charge_slice()
        if stop.kind != "slice":
            return self._stopped(stop, limit_us)
        if self._spins():
            return self._doze(limit_us)
        if self.engine.executed >= _LONG_ENOUGH and self._leaves_out(limit_us):
            return None
        if not self._patience.ran(self.engine.executed, looks=looks):
            return None
        circle, early = self._patience.look(self._step, lambda: self.time.cycles * BYTES_PER_CYCLE)
        if circle is not None:
            return self._go_round(circle, limit_us)
        return None if early is None or early is NOTHING else self._stopped(early, limit_us)

    def _stopped(self, stop: Stop, limit_us: int) -> Ending | None:
        kind, counter = stop.kind, self.engine.get(Register.PC)
        if kind == "halted":
            return None
        if kind == "sleep":
            return self._sleep(limit_us)
        if kind == "event-wait":
            return self._wait_for_event(limit_us)
        if kind == "call":
            self._handlers.take_now(SVCALL, counter)
        elif kind == "fetch":
            return self._sleep(limit_us) if self._handlers.fetched(counter) else None
        elif kind == "breakpoint":
            self.control.blame(0, hard=DEBUGEVT)
            self._handlers.fault(HARD_FAULT, counter, "a breakpoint instruction")
        elif kind in _FAULTS:
            fault, bits = _FAULTS[kind]
            if kind == "not-thumb":
                self.engine.put(Register.XPSR, self.engine.get(Register.XPSR) | _THUMB)
            self.control.blame(bits)
            self._handlers.fault(fault, counter, f"{kind} at {counter:#x}")
        else:
            self.control.blame(PRECISERR, address=stop.address)
            self._handlers.fault(BUS_FAULT, counter, f"{kind} of {stop.address:#x}")
        return None

    # -- going round in a circle --------------------------------------------------------------------------------

    def looks_with(self, patience: Patience, counting: Counting) -> None:
        """How it finds out whether a loop waits, or only counts."""
        self._patience, self._counting = patience, counting

    def _leaves_out(self, limit_us: int) -> bool:
        """Whether rounds of a loop that only counts were left out, short of the next event. Whoever stands by would
        miss them."""
        if self.charged or self.attendant is not None:
            return False
        event, end = self.next_event, self.time.cycles_at(limit_us)
        room = ((min(end, event) if event is not None else end) - self.time.cycles) * BYTES_PER_CYCLE
        passed = self._counting.skip(room)
        self.time.charge(passed)
        return passed > 0

    def happen(self) -> None:
        """Inside a callback: what is due by now happens."""
        if self.agenda.next_us is not None and self.agenda.next_us <= self.time.clock.now_us:
            self.agenda.run_due(self.time.clock.now_us)

    def look_at_time(self) -> None:
        """The clock has moved inside a block: what is due by now comes before the next one."""
        if self.agenda.next_us is not None and self.agenda.next_us <= self.time.clock.now_us:
            self.engine.end_slice()

    def _go_round(self, circle: Circle, limit_us: int) -> Ending | None:
        """Time goes on to the next event: nothing but that can change what the core does."""
        clock = self.time.clock
        alarms = dict(clock.settings()[1])
        for name in circle.moved:
            clock.clear_alarm(name)
        event = self.next_event
        if event is None and not any(kind == "write" for kind, _, _ in circle.accesses):
            return self._hangs()
        end = self.time.cycles_at(limit_us)
        skipped_us = -clock.now_us
        self.time.advance_to(end if event is None else min(event, end))
        skipped_us += clock.now_us
        for name in circle.moved:
            clock.set_alarm(name, alarms[name] + skipped_us)
        self._patience.calm()
        return None

    def _step(self, length: int) -> Stop | None:
        """``length`` bytes of code, in whole blocks, unless something has come to pass: that is no stop of the
        engine's."""
        event = self.next_event
        if (event is not None and event <= self.time.cycles) or self._handlers.is_called() or self._is_called:
            return NOTHING
        stop = self.engine.run(length)
        self._charge_slice()
        return None if stop.kind == "slice" else stop

    def _hangs(self) -> Ending:
        """For ever: nothing is to come. (A loop that writes is at work, for all we know: it goes on to the limit.)"""
        read = self._patience.polled
        if not read:
            return self._ending("spinning", "a loop that waits for nothing, and no interrupt will come")
        return self._ending("stalled", f"it polls {_listed(read)} for ever, and nothing will change it", read[-1])

    def _still_runs(self, limit_us: int) -> Ending:
        """At the limit; in a circle that is only left for interrupts, with what it polls."""
        polled = self._patience.polled
        if not polled:
            return self._ending("limit", f"still running after {limit_us:,} us")
        return self._ending("limit", f"it polls {_listed(polled)}, and no interrupt has changed that", polled[-1])

    # -- sleep ------------------------------------------------------------------------------------------------

    def _sleep(self, limit_us: int) -> Ending | None:
        """WFI. PRIMASK does not keep it asleep; an exception of too low a priority does."""
        self._patience.news()
        self._patience.sleeps()
        self._may_sleep_deeply()
        while not self._handlers.wakes():
            if self.next_event is None:
                return self._ending("asleep", "it waits for an interrupt (WFI) and none will come")
            if self._pass_time(limit_us):
                return None
        return None

    def _may_sleep_deeply(self) -> None:
        """Raises AsleepForEver, or ResetAsserted where that is how the chip wakes."""
        if self.control.has(SCR, SLEEPDEEP) and not self._handlers.wakes():
            reason = self.deep_sleep()
            if reason:
                raise AsleepForEver(reason)

    def _pass_time(self, limit_us: int, *, ticks: bool = True) -> bool:
        """To the next event or the limit; whether it was the limit. ``ticks`` False: one of SysTick changes nothing."""
        end = self.time.cycles_at(limit_us)
        event = self._next_event(ticks=ticks)
        assert event is not None, "time passes to an event that nobody expects: please report"
        self.time.advance_to(min(event, end))
        self.agenda.run_due(self.time.clock.now_us)
        self.systick.catch_up(self.time)
        return event > end

    def _wait_for_event(self, limit_us: int) -> Ending | None:
        """WFE may return at any time. It does at once when nothing is to come (a SEV may have been before it, which the
        engine does not tell of), and with the next event when there is one. What is pending and disabled wakes nobody;
        with SEVONPEND it does once."""
        pended, self._pended = self.exceptions.pending - self._pended, set(self.exceptions.pending)
        if self._handlers.wakes() or (pended and self.control.has(SCR, SEVONPEND)):
            self._event_waits = 0
            return None
        self._may_sleep_deeply()
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
        """In an empty loop only an exception goes on: of NMI and HardFault, not even a tick."""
        counter = self.engine.get(Register.PC)
        if counter not in (self.engine.block, self._dozed_at):  # it has not run yet, and whoever follows is to be told
            stop = self._step(1)
            if stop is not None:
                return None if stop is NOTHING else self._stopped(stop, limit_us)
        self._dozed_at = counter
        ticks = self._handlers.execution_priority() >= 0
        self._patience.sleeps()
        while not self._handlers.is_called():
            if self._next_event(ticks=ticks) is None:
                return self._ending("spinning", "an empty loop, and no interrupt will come")
            if self._pass_time(limit_us, ticks=ticks):
                break
        return None

    def pend(self, number: int) -> None:
        """An exception is asked for, from inside a callback or not: it is looked at before the next block."""
        self.exceptions.pending.add(number)
        self.engine.end_slice()

    def call_attendant(self) -> None:
        """It wants to look before the next block runs. Callable inside callbacks."""
        self._is_called = True
        self.engine.end_slice()

    # -- words ------------------------------------------------------------------------------------------------

    @property
    def last_fault(self) -> str:
        """What the last fault since the reset was about, and where; "" for none."""
        return self._handlers.last_fault

    @property
    def handler(self) -> str:
        """The exception that is running."""
        return name_of(self.exceptions.active[-1]) if self.exceptions.active else "thread"

    def _ending(self, kind: EndingKind, reason: str, register: int = 0) -> Ending:
        return Ending(kind, reason, self.engine.get(Register.PC), self.handler, register)


def _listed(addresses: list[int]) -> str:
    return ", ".join(f"{address:#010x}" for address in sorted(set(addresses)))
