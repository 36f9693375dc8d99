"""Resets without a loss of power, at every point of a session: what they find besides flash, and how much of it counts.

A point is where the journal is asked whether an interruption strikes before its next entry: right there a live one
would, so what the machine holds at that moment is what the reset finds. Nothing is run twice for it.

Most of RAM is written before anybody reads it again. Which words are not is found out by watching (`ram_touch`) the
sessions that begin with such a reset: a state has those, and every other word as if power had just come. A session that
reads one more says so, and whoever explores begins again with it. When none does any more, no session has depended on a
word that was left out.

Neighbours: `rig` runs the sessions. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.cpu.machine import Machine
from emu.cpu.ram_touch import READ, WRITTEN, RamTouch
from emu.cpu.retained import retained
from emu.rig import Kept
from flash.journal import Interruption, Journal

Live = tuple[int, ...]
"""Addresses of words of RAM."""


class WatchedJournal(Journal):
    """A journal that keeps what ``look`` sees at each of its points, when it is asked there for the first time."""

    __slots__ = ("_look", "kept")

    is_watched = True

    def __init__(self, interruption: Interruption | None, look: Callable[[], Kept]) -> None:
        super().__init__(interruption)
        self.kept: list[Kept] = []
        self._look = look

    @property
    def is_due(self) -> bool:
        if len(self.kept) == len(self.entries):
            seen = self._look()
            self.kept.append(self.kept[-1] if self.kept and self.kept[-1] == seen else seen)
        return super().is_due


class WarmResets:
    """Of ``machine``. ``live``: the words a reset leaves that count; None: all of RAM does, and nothing is watched."""

    def __init__(self, machine: Machine, live: Live | None) -> None:
        self.live = live
        self._machine = machine
        self._touches: list[RamTouch] = []
        if live is not None:
            self._touches = [RamTouch(ram.address, ram.size, ram.aliases) for ram in machine.chip.ram]
            for touch in self._touches:
                machine.engine.follow_ram(touch)
            machine.memory.touched = self._touched

    def begin(self) -> None:
        """A session begins."""
        for touch in self._touches:
            touch.begin()

    def kept(self) -> Kept:
        """What a reset would find now."""
        return Kept(retained(self._machine, self.live, stops_alarms=True), watchdog_of(self._machine))

    def missed(self) -> Live:
        """The words that the session has read before it wrote them, and that states leave out."""
        return tuple(word for touch in self._touches for word in touch.read_first() if word not in (self.live or ()))

    def _touched(self, address: int, length: int, is_write: bool) -> None:
        for touch in self._touches:
            touch.note(address, length, WRITTEN if is_write else READ)


def watchdog_of(machine: Machine) -> str:
    """The timer that pulls reset next if the core stands still; "": none is running."""
    _, alarms = machine.clock.settings()
    return min(alarms, key=lambda alarm: (alarm[1], alarm[0]))[0] if alarms else ""
