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
from emu.cpu.bus import Bus
from emu.cpu.clock import BYTES_PER_CYCLE, MICROSECONDS, CoreClock
from emu.cpu.contract import BusFault
from emu.cpu.counting import Counting
from emu.cpu.ending import Ending, EndingKind
from emu.cpu.engine import S0, Engine, Register
from emu.cpu.exceptions import BUS_FAULT, HARD_FAULT, SVCALL, SYSTICK, USAGE_FAULT, Exceptions, name_of
from emu.cpu.handlers import Handlers, Lockup
from emu.cpu.memory import AddressSpace
from emu.cpu.models import CoreModel
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
from emu.cpu.steady import Circle, Search
from emu.cpu.stops import NOTHING, Stop
from emu.cpu.systick import SysTick

_FIRST_SLICE, _LONGEST_SLICE = 1 << 12, 1 << 18
"""Bytes of code. Slices grow, so that a short session is told its time well and a long one runs fast."""
_WATCHING = 256
_LONG_ENOUGH = 1 << 13
"""Bytes of code of a slice after which it is asked whether a loop only counts: that takes as long as 50,000 of them."""
_FIRST_ACCESSES, _FIRST_QUIET = 256, 1 << 20
"""Accesses to registers, and bytes of code, after which the core asks itself whether it goes round in a
circle; twice as many each time it did not, since looking costs as much as a million instructions."""
_WORTH_A_LOOK, _SETTLING, _AGAIN = 1 << 13, 1 << 9, 3
"""The core looks where there is so much code to the next event, after so few bytes: most slices end with an event, and
behind one a handler runs. Who has waited in a circle waits in it again: there it is looked at whether this is still the
same one, eight times as many bytes later when it was not, and so often."""
_SOON_ACCESSES = 8
"""The same of accesses: a loop that polls for the next byte of a line makes them, and its events are near."""
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
        self._longest = _FIRST_SLICE
        self._quiet, self._quiet_due = 0, _FIRST_QUIET
        self._period = 0
        """Bytes of code of the circle that was found last; 0: it was left for good."""
        self._polled: list[int] = []
        """The registers that are read in it."""
        self._failed = 0
        self._slice_end_us = 0
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
        self.charged, self._event_waits = 0, 0
        self._period = self._failed = 0
        self._polled = []
        self._pended = set()
        self._calm()
        put = self.engine.put
        if self.model.is_v8:
            self.engine.restore(self._fresh)  # no other way leads to the limits of the stacks
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
        self._handlers.jump(start)

    # -- time -----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Inside a callback: time goes to the end of the block that is running. Raises ResetAsserted."""
        self.charge_to(self.engine.executed)

    def charge_to(self, executed: int) -> None:
        """Time goes to where ``executed`` bytes of code of this slice have run."""
        if executed > self.charged:
            passed, self.charged = executed - self.charged, executed
            self.time.charge(passed)

    def charge_to_each(self, executed: Sequence[int], pause_us: int) -> list[int]:
        """As `charge_to` each of ``executed``, with a pause behind it; see `CoreClock.charge_each`."""
        charged, lengths = self.charged, []
        for each in executed:
            lengths.append(max(0, each - charged))
            charged = max(charged, each)
        self.charged = charged
        return self.time.charge_each(lengths, pause_us)

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
        end = self.time.cycles_at(limit_us)
        event = self.next_event
        room = max(1, (min(end, event) if event is not None else end) - self.time.cycles) * BYTES_PER_CYCLE
        wants = self._period > 0 or self._quiet >= self._quiet_due
        looks = wants and not masked and room > max(_WORTH_A_LOOK, 8 * self._period)
        longest = _SETTLING << 3 * self._failed if looks else self._longest
        room = min(room, _WATCHING if masked else longest)
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
        if looks and self._period:
            return self._look_again(limit_us)
        if self._bus.count >= self._bus.due:
            return self._look_again(limit_us) if self._period else self._look_around(limit_us)
        if looks:
            return self._look_around(limit_us)
        self._quiet += self.engine.executed
        self._longest = min(self._longest * 2, _LONGEST_SLICE)
        return None

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

    def looks_with(self, bus: Bus, search: Search, counting: Counting) -> None:
        """How it finds out whether a loop waits, or only counts."""
        self._bus, self._search, self._counting = bus, search, counting

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

    def _calm(self) -> None:
        """Something has happened: looking begins anew."""
        self._longest = _FIRST_SLICE
        self._bus.due = _SOON_ACCESSES if self._period else _FIRST_ACCESSES
        self._quiet_due = _FIRST_QUIET
        self.news()

    def happen(self) -> None:
        """Inside a callback: what is due by now happens."""
        if self.agenda.next_us is not None and self.agenda.next_us <= self.time.clock.now_us:
            self.agenda.run_due(self.time.clock.now_us)

    def look_at_time(self) -> None:
        """The clock has moved inside a block: what is due by now comes before the next one."""
        if self.agenda.next_us is not None and self.agenda.next_us <= self.time.clock.now_us:
            self.engine.end_slice()

    def news(self) -> None:
        """What runs is no loop that waits: it has done something with flash, or said something."""
        self._bus.count = 0
        self.works()

    def works(self) -> None:
        """As `news`, from whoever counts accesses by itself."""
        self._quiet = 0

    def _look_around(self, limit_us: int) -> Ending | None:
        """After a long time in which nothing happened, or many accesses: time goes on to the next event if nothing but
        that can change what the core does."""
        began = self.time.cycles
        circle, stop = self._search.look(self._step)
        if stop is not None:
            self.news()  # something came first: not again at once
            return None if stop is NOTHING else self._stopped(stop, limit_us)
        if circle is None:
            self._bus.due, self._quiet_due = self._bus.due * 2, self._quiet_due * 2
            self.news()
            return None
        self._period, self._failed = (self.time.cycles - began) // 2 * BYTES_PER_CYCLE, 0
        return self._go_round(circle, limit_us)

    def _look_again(self, limit_us: int) -> Ending | None:
        """Whether it is in the circle that was found last."""
        circle, stop = self._search.look_again(lambda: self._step(self._period))
        if circle is not None:
            self._failed = 0
            return self._go_round(circle, limit_us)
        self._failed += 1
        self._bus.count, self._bus.due = 0, _SOON_ACCESSES << 3 * self._failed
        if self._failed == _AGAIN:
            self._period = self._failed = 0
            self._bus.due = _FIRST_ACCESSES
        return None if stop is None or stop is NOTHING else self._stopped(stop, limit_us)

    def _go_round(self, circle: Circle, limit_us: int) -> Ending | None:
        """Time goes on to the next event."""
        clock = self.time.clock
        self._polled = [address for kind, address, _ in circle.accesses if kind == "read"]
        alarms = dict(clock.settings()[1])
        for name in circle.moved:
            clock.clear_alarm(name)
        event = self.next_event
        if event is None and not any(kind == "write" for kind, _, _ in circle.accesses):
            return self._hangs(circle)
        end = self.time.cycles_at(limit_us)
        skipped_us = -clock.now_us
        self.time.advance_to(end if event is None else min(event, end))
        skipped_us += clock.now_us
        for name in circle.moved:
            clock.set_alarm(name, alarms[name] + skipped_us)
        self._calm()
        return None

    def _step(self, length: int = 1) -> Stop | None:
        """A block of code, or ``length`` bytes of it, unless something has come to pass: that is no stop of the
        engine's."""
        event = self.next_event
        if (event is not None and event <= self.time.cycles) or self._handlers.is_called() or self._is_called:
            return NOTHING
        stop = self.engine.run(length)
        self._charge_slice()
        return None if stop.kind == "slice" else stop

    def _hangs(self, circle: Circle) -> Ending:
        """For ever: nothing is to come. (A loop that writes is at work, for all we know: it goes on to the limit.)"""
        read = [address for kind, address, _ in circle.accesses if kind == "read"]
        if not read:
            return self._ending("spinning", "a loop that waits for nothing, and no interrupt will come")
        return self._ending("stalled", f"it polls {_listed(read)} for ever, and nothing will change it", read[-1])

    def _still_runs(self, limit_us: int) -> Ending:
        """At the limit; in a circle that is only left for interrupts, with what it polls."""
        if not (self._period and self._polled):
            return self._ending("limit", f"still running after {limit_us:,} us")
        polls = f"it polls {_listed(self._polled)}, and no interrupt has changed that"
        return self._ending("limit", polls, self._polled[-1])

    # -- sleep ------------------------------------------------------------------------------------------------

    def _sleep(self, limit_us: int) -> Ending | None:
        """WFI. PRIMASK does not keep it asleep; an exception of too low a priority does. Who sleeps does not poll."""
        self.news()
        self._polled = []
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
        ticks, self._polled = self._handlers.execution_priority() >= 0, []
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
