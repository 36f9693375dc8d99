"""One session of a device that runs an ELF, watched from outside: which image runs, what it says, whether it stays up.

Nothing is asked of the firmware. An image is entered when code runs inside a slot, and is named by comparing bytes at
that moment; it works when it has said what the board expects and has run on for as long as the board asks. On a board
without images it is the firmware itself that has to.

Neighbours: `rig` makes one for every session; `emu.cpu` runs the code. Knows no campaign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from emu.cpu.contract import BusFault
from emu.cpu.ending import Ending
from emu.cpu.machine import Machine
from emu.cpu.registers import Register
from emu.cpu.session import CpuSession
from emu.elf.attempt import Attempt
from emu.elf.document import WAITING, ElfBoardFile
from emu.elf.limits import Limits
from emu.elf.phrases import Lines, Phrases
from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER, NEW, NOTE, SAID, UNKNOWN
from emu.known_images import KnownImages
from emu.rig import Outcome
from emu.timers import EventLog
from flash.errors import PowerLost
from flash.journal import Misuse, Operation
from flash.partition import Partition
from flash.trace import Trace

_SETTLED = "settled"
_WORDS = {
    "lockup": "locked up", "asleep": "sleeps", "spinning": "spins", "stalled": "waits", "limit": "still runs",
}  # fmt: skip
_POLLED = 100
"""Reads of a register that nobody has modelled, after which it was polled: most are read once or twice."""
_SHOWN, _KEPT = 60, 1024
"""Bytes of what was said last, and how many of them are kept on each port: half an image may talk without an end."""
REFUSED_RULE = "refused"
"""Of operations that the controller did not do: `Misuse.rule`."""
UNRELIABLE = "the bytes are those of the {} image; error correction gives up under them"
"""Noted before an image is entered that is unknown for that reason alone."""


MOST_REFUSALS = 4096
_ADDRESS = re.compile(r"0x[0-9a-f]+")
"""Of one session: one that goes on after that does not notice, and would do so for a long time."""


class _GivenUp(Exception):
    """The controller has refused too much."""


class _TalksOn(Exception):
    """It has said too much and shown nothing."""


class Settled(Exception):
    """The session has shown what it had to show."""


class ElfLife:
    """``known`` names what stands in a slot. ``attempt``: who brings an update over a UART; None: nobody does.
    ``phrases``: what lines mean, where the board has a storage. ``notes_stores``: ``stores`` is filled, which costs
    a little."""

    def __init__(
        self,
        machine: Machine,
        document: ElfBoardFile,
        slots: Sequence[Partition],
        known: KnownImages,
        log: EventLog,
        trace: Trace | None,
        attempt: Attempt | None = None,
        phrases: Phrases | None = None,
        *,
        notes_stores: bool = False,
    ) -> None:
        self.image = ""
        self.stores: dict[int, int] = {}
        """By the number of a journal entry, where the code stood that made it: the program counter at the last store or
        register write before it."""
        self.differences: list[str] = []
        """Where it was to note stores: of every unknown image that was entered, what is unknown of it."""
        self._machine = machine
        self._document = document
        self._slots = slots
        self._known = known
        self._log = log
        self._trace = trace
        self._attempt = attempt
        self._notes_stores = notes_stores
        self._phrases = phrases
        self._lines = Lines()
        self._slot = -1
        self._refusals = 0
        self._refused: set[str] = set()
        self._said_count, self._said_limit = 0, 0
        self._said: dict[str, bytearray] = {}
        commit = "" if document.commit is None else document.commit.uart
        self._kept = max(_KEPT, len(document.alive.uart.encode()), len(commit.encode()))
        self._alive = self._commit_begun = self._committed = False
        self._watched = 0

    @property
    def slot(self) -> Partition | None:
        """The one whose image was entered last."""
        return self._slots[self._slot] if self._slot >= 0 else None

    # -- what the core does ---------------------------------------------------------------------------------

    def executes(self, offset: int) -> None:
        """A block of code at ``offset`` in flash is about to run."""
        at = self._slot
        if at >= 0 and self._slots[at].address <= offset < self._slots[at].address + self._slots[at].size:
            return
        for number, slot in enumerate(self._slots):
            if slot.address <= offset < slot.address + slot.size:
                self._enter(number, slot)

    def _enter(self, number: int, slot: Partition) -> None:
        self._machine.core.sync()
        image = self._known.standing_in(slot, self._trace)
        right_bytes = self._known.unreliable_in(slot) if image == UNKNOWN else ""
        if right_bytes:
            self._log.note(NOTE, UNRELIABLE.format(right_bytes))
        if image == UNKNOWN and self._notes_stores:
            self.differences.append(self._known.difference_in(slot))
        self._slot, self.image = number, image
        self._machine.attend(self._attends)
        self._said.clear()
        self._log.note(HANDOVER, number, image, False, slot.name)
        if not self._document.alive.uart:
            self._lives()

    def says(self, port: str, data: bytes) -> None:
        """Bytes have left the chip: one, or by DMA as many as there were."""
        self._said_count += len(data)
        if self._attempt is not None:
            self._attempt.says(port, data)
        if self._phrases is not None:
            for line in self._lines.ended_by(port, data):
                self._hears(self._phrases, port, line)
        said = self._said.setdefault(port, bytearray())
        del said[: -self._kept]
        said.extend(data)
        if self._said_count > self._said_limit and self._talks_on():
            raise _TalksOn
        for moment in self._document.moments:
            if _has_come(said, len(data), moment.encode()):
                self._log.note(NOTE, f"{port} has said {moment!r}")
        if not self.image and self._document.image:
            return
        alive, commit = self._document.alive.uart.encode(), self._document.commit
        on_trial = self.image == NEW and not self._committed
        if commit is not None and on_trial and _has_come(said, len(data), commit.uart.encode()):
            self._begin_commit()
            self._committed = True
            self._log.note(COMMIT_RETURNED)
        if alive and not self._alive and _has_come(said, len(data), alive):
            self._lives()

    def _talks_on(self) -> bool:
        """Whether it has said so much that nothing is to be expected of the rest: not of who works, talks to a host, or
        may wait for one."""
        is_engaged = self._attempt is not None and self._attempt.is_engaged
        may_wait = not self.image and WAITING in self._document.accept
        return not (self._alive or is_engaged or may_wait)

    def _hears(self, phrases: Phrases, port: str, line: str) -> None:
        self._log.note(SAID, port, line)
        meant = phrases.meaning(line)
        if meant is not None:
            self._log.note(meant.event, meant.key, meant.value)

    def touches_flash(self) -> None:
        """The controller is about to be given something: a commit may begin with it, and no earlier."""
        if self._notes_stores:
            self.stores[len(self._log.journal.entries)] = self._machine.engine.get(Register.PC)
        if self._document.commit is not None and self.image == NEW:
            self._begin_commit()

    def has_ended(self, entry: int, counter: int) -> None:
        """A memory beside the chip has made an entry, asked for by the code at ``counter``. What the core is at work on
        meanwhile comes behind it."""
        if self._notes_stores:
            under_way = self.stores.get(entry)
            if under_way is not None and under_way != counter:
                self.stores[entry + 1] = under_way
            self.stores[entry] = counter

    def is_refused(self, text: str) -> None:
        """The controller has not done what it was asked for. A copy that goes wrong goes wrong at every address: the
        first refusal of a kind is on record, the rest of it in this session is counted."""
        kind = _ADDRESS.sub("", text)
        if kind not in self._refused:
            self._refused.add(kind)
            self._log.strike_if_due()
            flash, clock = self._machine.flash, self._machine.clock
            self._log.journal.entries.append(Misuse(flash.name, 0, 0, REFUSED_RULE, text, clock.now_us))
        self._refusals += 1
        if self._refusals >= MOST_REFUSALS:
            raise _GivenUp

    def _begin_commit(self) -> None:
        if not self._commit_begun:
            self._commit_begun = True
            self._log.note(COMMIT_BEGUN)
            self._machine.attend(self._attends)

    @property
    def _attends(self) -> bool:
        """Whether there is something to be learnt from the next store to flash."""
        commits = self._document.commit is not None and self.image == NEW and not self._commit_begun
        return self._notes_stores or commits

    def _lives(self) -> None:
        self._alive = True
        self._watch()

    def _watch(self, for_us: int = 0) -> None:
        """It has shown that it works when it goes on for a while: ``for_us``, or as long as the board asks."""
        world = self._machine.world
        self._watched = len(self._log.journal.entries)
        world.at(
            _SETTLED, world.clock.now_us + (for_us or round(self._document.alive.stays_s * 1_000_000)), self._settle
        )

    def _settle(self) -> None:
        stood_us = self._stood_us(self._watched)
        if self._attempt is not None and self._attempt.is_engaged:
            self._watch()  # not before it is clear what comes of the update
        elif stood_us:
            self._watch(stood_us)  # a core that waits for its flash does not go on
        else:
            raise Settled

    def _stood_us(self, first: int) -> int:
        """How long the core has stood still for operations on its flash, from that entry of the journal on."""
        name = self._machine.flash.name
        return sum(
            entry.end_us - entry.start_us
            for entry in self._log.journal.entries[first:]
            if isinstance(entry, Operation) and entry.device == name
        )

    # -- how it ends ----------------------------------------------------------------------------------------

    def live(self, session: CpuSession, cause: str, limits: Limits, trace: Trace | None) -> tuple[Outcome, bool]:
        """From a reset to the end, and whether it was one of ``limits`` that ended it."""
        machine, self._said_limit = self._machine, limits.said
        machine.attend(self._attends)
        machine.on_sent, machine.before_flash, machine.on_refusal = self.says, self.touches_flash, self.is_refused
        machine.on_reset = self._begins
        machine.on_ended = self.has_ended
        try:
            ending = session.run(cause, limits.time_us, journal=self._log.journal, trace=trace).ending
        except _GivenUp:
            return self._given_up(f"goes on though {self._refusals:,} operations were refused"), False
        except _TalksOn:
            return self._given_up(f"says more and more, {self._said_count:,} bytes so far"), True
        except Settled:
            return self._finished(), False
        if ending.kind == "limit" and self._alive and self._attempt is not None and self._attempt.is_engaged:
            return self._finished(), True  # it works; that a host does not come to an end is no fault of it
        return self._outcome(ending), ending.kind == "limit"

    def _finished(self) -> Outcome:
        """It has settled; what memories beside the chip are doing comes to its end as well."""
        try:
            self._machine.finish_memories()
        except PowerLost:
            return Outcome("cut")
        return self._settled()

    def _begins(self) -> None:
        """The reset is over. Firmware that nobody waits to hear from works from here on."""
        if self._attempt is not None:
            self._attempt.prepare()
        if not self._document.image and not self._document.alive.uart:
            self._lives()

    def _given_up(self, what: str) -> Outcome:
        after = f"{what}{self._last_words}"
        if not self.image and self._document.image:
            return Outcome("halted", detail=f"no image runs; the bootloader {after}")
        return Outcome("hung", detail=f"{self._who} runs, and {after}")

    def _settled(self) -> Outcome:
        word = self._document.alive.word
        if word is not None:
            try:
                found = self._machine.memory.word(word[0])
            except BusFault:
                return Outcome(
                    "hung", detail=f"alive.word: there is no memory at {word[0]:#010x}; give an address in RAM"
                )
            if found != word[1]:
                return Outcome("hung", detail=f"{self._who} runs, and the word at {word[0]:#010x} is {found:#x}")
        return Outcome("settled", self.image, self._document.commit is None or self._committed or self.image != NEW)

    def _outcome(self, ending: Ending) -> Outcome:
        if ending.kind == "power-lost":
            return Outcome("cut")
        if ending.kind == "reset":
            return Outcome("reset", cause=ending.reason)  # type: ignore[arg-type]  # chips have more causes than boards
        where = "" if ending.handler == "thread" else f" in {ending.handler}"
        reason = "" if ending.kind == "limit" and not ending.register else f": {ending.reason}"
        now_us = self._machine.clock.now_us
        spent = f"{now_us / 1_000_000:,.1f} s" if now_us >= 100_000 else f"{now_us / 1000:,.1f} ms"
        after = f" after {spent}" if ending.kind == "limit" else ""
        what = f"{_WORDS[ending.kind]}{after} at {ending.address:#010x}{where}{reason}{self._causes(ending)}"
        what += self._last_words
        if not self.image and self._document.image:
            if WAITING in self._document.accept and ending.kind != "lockup":
                return Outcome("settled", committed=True, detail=f"no image runs; {self._waits(ending)}")
            return Outcome("halted", detail=f"no image runs; the bootloader {what}{self._hint(ending)}")
        if not self._alive:
            expected = self._document.alive.uart
            hint = f"; it never said {expected!r}, which alive.uart waits for" if expected else ""
            entered = "was entered and " if self.image else ""
            return Outcome("hung", detail=f"{self._who} {entered}{what}{hint}")
        if ending.kind == "limit":  # of what works, the watch alone can be under way then
            over, stays = f"{now_us / 1_000_000:.3g} s", f"alive.stays_s, {self._document.alive.stays_s:g} s"
            return Outcome(
                "hung",
                detail=f"{self._who} runs, and its session is over after {over}, before it has run on for {stays}: "
                "give [limits] a longer session_s",
            )
        return Outcome("hung", detail=f"{self._who} does not stay up: it {what}")

    @property
    def _who(self) -> str:
        return f"the {self.image} image in slot {self._slots[self._slot].name!r}" if self.image else "the firmware"

    def _causes(self, ending: Ending) -> str:
        """What may be wrong: a fault on the way, a register that this chip does not have."""
        core, chip = self._machine.core, self._machine.chip.name
        found = f"; its last fault: {core.last_fault}" if core.last_fault and ending.kind != "lockup" else ""
        found = f"{self._why_nmi}{found}"
        if not ending.register:
            most = max(self._machine.unknown, key=lambda each: each.reads, default=None)
            if most is not None and most.reads >= _POLLED:
                found += f"; it has read {most.place} {most.reads:,} times, which is not modelled"
        else:
            name = self._machine.bus.name_of(ending.register)
            if name and self._machine.unknown.knows_nothing_of(name):
                name += ", which is not modelled"
            found += f" ({name})" if name else f"; {chip} has no peripheral there: is it the right chip?"
        return found

    def _waits(self, ending: Ending) -> str:
        """A bootloader that may wait; what became of an attempt in this session, or where it stands still for good."""
        if self._attempt is not None and self._attempt.words:
            return f"the bootloader waits for an update ({self._attempt.words})"
        if ending.kind == "spinning":
            return f"the bootloader stands still at {ending.address:#010x}{self._why_nmi}"
        return "the bootloader waits for an update"

    @property
    def _why_nmi(self) -> str:
        """Where it ends in that handler: what has led there, if it was not the software itself."""
        reason = self._machine.exceptions.nmi_reason
        return f"; NMI: {reason}" if reason else ""

    def _hint(self, ending: Ending) -> str:
        if ending.kind == "limit" and 2 * self._stood_us(0) > self._machine.clock.now_us:
            return "; most of that its flash was at work: give [limits] a longer session_s"
        if self._attempt is None:
            waits = ending.kind == "limit"
            return "; if it waits for a key or a host, give [limits] a longer session_s" if waits else ""
        if ending.kind == "lockup":
            return ""
        return f"; if it waits for the next update, and may: accept = [..., {WAITING!r}]"

    @property
    def _last_words(self) -> str:
        """The last line that left the chip."""
        lines = [line for data in self._said.values() for line in data.decode("latin-1").splitlines() if line.strip()]
        return f"; it last said {lines[-1].strip()[:_SHOWN]!r}" if lines else "; it said nothing on any port"


def _has_come(said: bytearray, new: int, text: bytes) -> bool:
    """Whether ``text`` has become complete with the last ``new`` bytes of ``said``."""
    return said.find(text, max(0, len(said) - new - len(text) + 1)) >= 0
