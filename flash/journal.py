"""What was done, in order: the record a campaign is made from.

One journal serves a whole device: every flash operation of every chip and every event that a check must
remember, in one sequence. A *point* i lies between entry i - 1 and entry i; power can go at any point, and
inside any operation. Neighbours: `device` and the rooms above append; `emu.campaign` reads. Knows nothing of
what the entries mean.

A journal can also carry one scheduled interruption. It strikes when entry ``interruption.entry`` is about to
be made: this is how a token is replayed live, through the same code that runs when nothing is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from flash.errors import FlashError, PowerLost, ResetAsserted
from flash.supply import Supply

if TYPE_CHECKING:
    from flash.tears import Tear

OperationKind = Literal["program", "erase", "write"]


@dataclass(slots=True)
class Operation:
    """One flash operation as the array saw it (after page wrap). Times in microseconds since reset.

    ``kind`` "write": one cycle that erases and programs, of the register row of a flash or of bytes of an EEPROM.
    ``data`` is empty for an erase. ``address`` is on the device named ``device``. ``tear``: a reset stopped it inside,
    and this is what it left.
    Entries stand in the order in which operations *end*: one that was suspended comes after those that ran meanwhile,
    and began before them. ``suspended_us``: how long it stood still.
    """

    kind: OperationKind
    device: str
    address: int
    length: int
    data: bytes
    start_us: int
    end_us: int
    tear: Tear | None = None
    suspended_us: int = 0


@dataclass(slots=True)
class Misuse:
    """Something the silicon ignored, wrapped or truncated without an error."""

    device: str
    address: int
    length: int
    rule: str
    message: str
    time_us: int


@dataclass(slots=True)
class Event:
    """Something that happened besides flash: a hand-over, a commit, a timer. ``facts`` is hashable."""

    name: str
    time_us: int
    facts: tuple[Any, ...] = ()


Entry = Operation | Misuse | Event


@dataclass(frozen=True, slots=True)
class Interruption:
    """Where and how a run is interrupted: at point ``entry``, or inside operation ``entry`` by ``tear``.

    ``cause``: "power", or the name of the reset line that is pulled. ``meanwhile``: what a cut leaves of the other
    operations in flight on a chip, in the order in which they began; None, or nothing said: nothing yet.
    """

    entry: int
    cause: str = "power"
    tear: Tear | None = None
    meanwhile: tuple[Tear | None, ...] = ()


class Journal:
    """An append-only list of entries, and at most one interruption waiting for its entry.

    Like the supply, a reset line is a latch: firmware that swallows the interruption meets it again. ``struck`` says
    that it has come.
    """

    __slots__ = ("_taken", "entries", "interrupt_at", "interruption", "struck")

    is_watched = False
    """Whether somebody looks at the device at every point: then `is_due` is asked before each single entry."""

    def __init__(self, interruption: Interruption | None = None) -> None:
        self.entries: list[Entry] = []
        self.interruption = interruption
        self.struck = False
        self._taken = 0
        self.interrupt_at = -1 if interruption is None else interruption.entry

    def strike(self, supply: Supply) -> NoReturn:
        """The interruption happens now. Raises PowerLost or ResetAsserted."""
        assert self.interruption is not None, "an interruption is due that nobody scheduled: please report"
        self.struck = True
        if self.interruption.cause == "power":
            try:
                supply.cut()
            except PowerLost:
                if self._taken < len(self.interruption.meanwhile):
                    raise FlashError("meanwhile: more tears than operations in flight") from None
                raise
        raise ResetAsserted(self.interruption.cause)

    def plan(self, interruption: Interruption) -> None:
        """``interruption`` strikes when its entry is to be made: one that has not been made yet."""
        assert not self.struck, "an interruption has struck already: please report"
        if interruption.entry < len(self.entries):
            raise FlashError(f"entry {interruption.entry} is made already; plan an entry from {len(self.entries)} on")
        self.interruption, self.interrupt_at = interruption, interruption.entry

    @property
    def is_due(self) -> bool:
        """Whether the interruption strikes before the next entry is made."""
        return self.interrupt_at == len(self.entries)

    def take_meanwhile(self, count: int) -> tuple[Tear | None, ...]:
        """What the planned cut leaves of the next ``count`` operations in flight: chip after chip on the rail."""
        assert self.interruption is not None, "nothing is planned: please report"
        planned = self.interruption.meanwhile
        taken = planned[self._taken : self._taken + count]
        self._taken += count
        return taken + (None,) * (count - len(taken))

    def operations(self) -> list[Operation]:
        return [entry for entry in self.entries if isinstance(entry, Operation)]
