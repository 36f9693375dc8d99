"""A path to a cut, with gdb at the end of it: the session runs as it always does, and stands still before the store
that is interrupted.

The uncut session is run once to learn which store that is, then again with gdb in front. A memory beside the chip makes
its entries behind the code: there it is the command that asked for it. An interruption that strikes beside a store (an
image is entered, the session ends) has none: there it stands still where the entry before has been made. Power goes
when somebody says so (`monitor cut`), with the tear of the token, and the next boot is served as well.

Neighbours: `rig` runs sessions, `emu.cpu.debugger` is the core as gdb sees it, `emu.gdb` speaks with gdb. It is given
its place (`campaign.replay.Approach`) and knows no token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from emu.campaign.replay import Approach
from emu.cpu.debugger import Debugger
from emu.cpu.registers import Register as CoreRegister
from emu.elf.rig import ElfRig
from emu.gdb.server import Left
from emu.gdb.target import Denied, Exited, Go, PlaceKind, Register, Span, Stop, Target
from emu.rig import DeviceState, Outcome
from flash.journal import Entry, Event, Interruption, Journal, Misuse, Operation


class Front(Protocol):
    """Whom the core is shown to: `emu.gdb.server.Server`."""

    def serve(self, target: Target, stop: Stop) -> Go: ...
    def interrupts(self) -> bool: ...
    def says(self, text: bytes) -> None: ...
    def exited(self, end: Exited) -> None: ...


@dataclass(frozen=True, slots=True)
class Touch:
    """Something is about to be given to the flash controller, or to a memory beside the chip, when so many entries have
    been made, by the code at ``counter``. ``instruction``: what is the same for all that one instruction stores to the
    array; () for a register."""

    entries: int
    counter: int
    instruction: tuple[int, ...]


class Debugging:
    """``run`` serves ``front`` until it has left or there is nothing more to run."""

    def __init__(self, rig: ElfRig, way: Approach, front: Front) -> None:
        self._rig = rig
        self._way = way
        self._front = front
        self._machine = rig.machine
        self._is_armed = self._follows = False
        self._session = way.session
        self._remark = ""
        self._touch = self._find_touch()
        self._touched = 0
        self._is_there = False
        self._debugger: Debugger | None = None
        self._begun: Journal | None = None

    # -- where it stands still ------------------------------------------------------------------------------

    @property
    def place(self) -> str:
        """In words."""
        cut = self._way.interruption
        if cut is None:
            return f"stops at the reset of session {self._way.session}; nothing interrupts this path"
        before = f"entry {cut.entry} of session {self._way.session}"
        entries = self._way.entries
        what = f", {self._told(entries[cut.entry])}" if cut.entry < len(entries) else ", the end"
        tear = f" (the token tears it: {cut.tear.name})" if cut.tear is not None else ""
        return f"stops before {before}{what}{tear}"

    def _find_touch(self) -> int | None:
        """The number of the touch that begins the instruction which makes the interrupted entry; None: none does."""
        cut, entries = self._way.interruption, self._way.entries
        if cut is None or cut.entry >= len(entries) or not isinstance(entries[cut.entry], Operation | Misuse):
            return None
        touches: list[Touch] = []

        def touched(journal: Journal) -> None:
            engine, counter = self._machine.engine, self._machine.engine.get(CoreRegister.PC)
            where: tuple[int, ...] = ()
            if self._machine.stores_to_array:
                where = counter, engine.executed, self._machine.core.charged, self._machine.clock.now_us
            touches.append(Touch(len(journal.entries), counter, where))

        self._run(self._way.state, touched)
        made_by = self._rig.stores.get(cut.entry)
        made = [n for n, touch in enumerate(touches) if touch.entries <= cut.entry and touch.counter == made_by]
        if not made:
            return None
        last = touches[made[-1]]
        same = [n for n, touch in enumerate(touches) if touch.instruction and touch.instruction == last.instruction]
        return min([made[-1], *same])

    def _run(self, state: DeviceState, touched: Callable[[Journal], None]) -> None:
        """An uncut session in which ``touched`` hears of everything the controller is given."""
        machine = self._machine

        def attend() -> None:
            machine.core.attendant = None
            inner, journal = machine.before_flash, machine.flash.journal

            def before() -> None:
                touched(journal)
                inner()

            machine.before_flash = before

        machine.core.attendant = attend
        self._rig.watched(state)

    # -- with somebody in front -------------------------------------------------------------------------------

    def run(self) -> Iterator[str]:
        """One line for each session that has ended, and how."""
        state = self._way.state
        try:
            while True:
                outcome, state = self._session_from(state)
                line = f"session {self._session} ends: {outcome}{self._remark}"
                self._remark = ""
                self._front.says(f"{line}\n".encode())
                yield line
                if not self._struck and not (self._follows and outcome.kind == "reset"):
                    self._front.exited(Exited(0 if outcome.kind in ("settled", "reset") else 1))
                    return
                self._session += 1
        except Left:
            yield "gdb has left"

    def _session_from(self, state: DeviceState) -> tuple[Outcome, DeviceState]:
        is_first = self._debugger is None
        if self._debugger is None:
            self._debugger = Debugger(self._machine, self._serve, self._front.interrupts)
        self._begun = None
        self._is_there = not is_first
        self._machine.core.attendant = self._attend
        try:
            run = self._rig.watched(state)
        finally:
            self._machine.core.attendant = None
        self._struck = self._begun is not None and self._begun.struck
        if self._struck and run.end.key != self._way.expected:
            self._remark = "; what is left is not what the campaign has there, since somebody had a hand in it"
        return run.outcome, run.end

    def _attend(self) -> None:
        """Between two slices."""
        machine, debugger = self._machine, self._debugger
        assert debugger is not None, "a session that nobody looks into: please report"
        journal = machine.flash.journal
        if self._begun is not journal:
            self._begun = journal
            self._watch_flash(journal, debugger)
            if self._is_there:
                debugger.stop_next(Stop())
        cut = self._way.interruption
        if not self._is_there and self._touch is None and len(journal.entries) >= (cut.entry if cut else 0):
            self._is_there = True
            debugger.stop_next(Stop())
        if self._is_there:
            debugger.attend()

    def _watch_flash(self, journal: Journal, debugger: Debugger) -> None:
        """From the start of a session on."""
        machine = self._machine
        inner, sent = machine.before_flash, machine.on_sent
        self._touched = 0

        def before() -> None:
            if not self._is_there and self._touch is None:
                machine.core.call_attendant()  # to look at what has been made as soon as it has
            if not self._is_there and self._touched == self._touch:
                self._is_there = True
                debugger.halt(Stop())
            self._touched += 1
            inner()

        def says(port: str, data: bytes) -> None:
            self._front.says(data)
            sent(port, data)

        machine.before_flash, machine.on_sent = before, says

    def _serve(self, stop: Stop) -> Go:
        return self._front.serve(self, stop)

    # -- what gdb sees --------------------------------------------------------------------------------------

    @property
    def _core(self) -> Debugger:
        assert self._debugger is not None, "gdb asks before there is a core: please report"
        return self._debugger

    @property
    def registers(self) -> Sequence[Register]:
        return self._core.registers

    @property
    def spans(self) -> Sequence[Span]:
        return self._core.spans

    def read_register(self, number: int) -> int:
        return self._core.read_register(number)

    def write_register(self, number: int, value: int) -> None:
        self._core.write_register(number, value)

    def read_memory(self, address: int, length: int) -> bytes:
        return self._core.read_memory(address, length)

    def write_memory(self, address: int, data: bytes) -> None:
        self._core.write_memory(address, data)

    def stop_at(self, kind: PlaceKind, address: int, size: int) -> None:
        self._core.stop_at(kind, address, size)

    def pass_by(self, kind: PlaceKind, address: int, size: int) -> None:
        self._core.pass_by(kind, address, size)

    # -- monitor ----------------------------------------------------------------------------------------------

    def command(self, text: str) -> str:
        name = text.strip()
        commands: dict[str, tuple[Callable[[], str], str]] = {
            "cut": (self._cut, "power goes where the token says; continue, and the next boot stops at its first step"),
            "journal": (self._journal, "what this session has done with flash so far, and where it stands"),
            "follow": (self._follow, "a session that ends in a reset goes on with the next one"),
        }
        if name in commands:
            return commands[name][0]()
        lines = [f"{known:<8} {help_line}" for known, (_, help_line) in commands.items()]
        head = [] if name in ("help", "") else [f"there is no monitor command {name!r}"]
        return "\n".join([*head, *lines]) + "\n"

    def _cut(self) -> str:
        cut = self._way.interruption
        if cut is None or self._session != self._way.session:
            raise Denied("no cut is left on this path: the token has none here")
        made = len(self._machine.flash.journal.entries)
        if made > cut.entry:
            raise Denied(f"entry {cut.entry} has been made, {made} are by now: the place of the cut is behind")
        if not self._is_armed:
            self._arm(cut)
        how = cut.tear.name if cut.tear is not None else "before it is made"
        what = "power goes" if cut.cause == "power" else f"{cut.cause} strikes"
        return f"{what} at entry {cut.entry}, {how}: continue, and the next boot begins\n"

    def _arm(self, cut: Interruption) -> None:
        self._is_armed = True
        self._machine.flash.journal.plan(cut)

    def _follow(self) -> str:
        self._follows = not self._follows
        return f"a session that ends in a reset {'goes on with the next one' if self._follows else 'is the last'}\n"

    def _journal(self) -> str:
        entries = self._machine.flash.journal.entries
        stores = self._rig.stores
        lines = []
        for number, entry in enumerate(entries):
            place = str(self._rig.place_of(stores[number])) if isinstance(entry, Operation) and number in stores else ""
            lines.append(f"{number:>7}  {self._told(entry)}{f', {place}' if place else ''}")
        cut = self._way.interruption
        if cut is not None and self._session == self._way.session and cut.entry >= len(entries):
            lines.append(f"{cut.entry:>7}  *** the token cuts the power here")
        return "\n".join([f"session {self._session}", *lines]) + "\n"

    def _told(self, entry: Entry) -> str:
        if isinstance(entry, Operation):
            flash = self._machine.flash
            at = self._machine.chip.flash.address if entry.device == flash.name else 0
            where = "" if at or entry.device == flash.name else f"{entry.device} "
            return f"{entry.kind} of {entry.length:,} bytes at {where}{at + entry.address:#010x}"
        if isinstance(entry, Event):
            return " ".join([entry.name, *(str(fact) for fact in entry.facts)])
        return entry.message if isinstance(entry, Misuse) else repr(entry)
