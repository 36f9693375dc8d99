"""How long a core runs before somebody asks whether it goes anywhere, and what is remembered of the answer.

Slices of code grow while nothing happens. After many accesses to registers without news, or much code, it is looked
whether the core goes round in a circle: that costs as much as a million instructions, so it is asked half as often
every time it was not. Who has waited in a circle waits in it again: there it is looked whether this is still the same
one, which costs a hundredth.

Neighbours: `steady` looks, `core` runs the slices and decides what a circle means. Knows no time and no exception.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.cpu.bus import Bus
from emu.cpu.steady import Circle, Search
from emu.cpu.stops import Stop

_FIRST_SLICE, _LONGEST_SLICE = 1 << 15, 1 << 18
"""Bytes of code. Slices grow, so that a short session is told its time well and a long one runs fast."""
_FIRST_ACCESSES, _FIRST_QUIET = 256, 1 << 20
"""Accesses to registers, and bytes of code, after which it is looked for the first time."""
_WORTH_A_LOOK, _SETTLING, _AGAIN = 1 << 13, 1 << 9, 3
"""It is looked where there is so much code to the next event, after so few bytes: most slices end with an event, and
behind one a handler runs. A circle that is left is looked for again eight times as many bytes later, and so often."""
_SOON_ACCESSES = 8
"""The same of accesses: a loop that polls for the next byte of a line makes them, and its events are near."""


class Patience:
    """With a core on ``bus``."""

    def __init__(self, bus: Bus, search: Search) -> None:
        self._bus = bus
        self._search = search
        self._longest = _FIRST_SLICE
        self._quiet, self._quiet_due = 0, _FIRST_QUIET
        self._period = self._failed = 0
        """Bytes of code of the circle that was found last (0: it was left for good), and how often it was not there
        since."""
        self._polled: list[int] = []

    def begin(self) -> None:
        """A reset: nothing is known."""
        self._period = self._failed = 0
        self._polled = []
        self.calm()

    def calm(self) -> None:
        """Something has happened: looking begins anew."""
        self._longest = _FIRST_SLICE
        self._bus.due = _SOON_ACCESSES if self._period else _FIRST_ACCESSES
        self._quiet_due = _FIRST_QUIET
        self.news()

    def news(self) -> None:
        """What runs is no loop that waits: it has done something with flash, or said something."""
        self._bus.count = 0
        self._quiet = 0

    def works(self) -> None:
        """As `news`, from whoever counts accesses by itself."""
        self._quiet = 0

    @property
    def polled(self) -> list[int]:
        """The registers that are read in the circle the core is in, as far as is known."""
        return self._polled if self._period else []

    def sleeps(self) -> None:
        """Who sleeps does not poll."""
        self._polled = []

    # -- slices -----------------------------------------------------------------------------------------------

    def slice_of(self, room: int) -> tuple[int, bool]:
        """How much code may run at once where it is ``room`` to the next event; whether it is then looked."""
        wants = self._period > 0 or self._quiet >= self._quiet_due
        looks = wants and room > max(_WORTH_A_LOOK, 8 * self._period)
        return min(room, _SETTLING << 3 * self._failed if looks else self._longest), looks

    def ran(self, length: int, *, looks: bool) -> bool:
        """A slice has run. Whether to look now."""
        if looks or self._bus.count >= self._bus.due:
            return True
        self._quiet += length
        self._longest = min(self._longest * 2, _LONGEST_SLICE)
        return False

    def look(
        self, step: Callable[[int], Stop | None], executed: Callable[[], int]
    ) -> tuple[Circle | None, Stop | None]:
        """The circle the core is in, or None; and what came first, if anything did. ``step(length)`` runs so much code,
        ``executed()`` says how much has run."""
        if self._period:
            circle, stop = self._search.look_again(lambda: step(self._period))
            self._note_again(circle)
            return circle, stop
        began = executed()
        circle, stop = self._search.look(lambda: step(1))
        if circle is not None:
            self._period, self._failed = (executed() - began) // 2, 0
            self._polled = _read_in(circle)
        else:
            if stop is None:  # something that came first is no reason to look less often
                self._bus.due, self._quiet_due = self._bus.due * 2, self._quiet_due * 2
            self.news()
        return circle, stop

    def _note_again(self, circle: Circle | None) -> None:
        if circle is not None:
            self._failed = 0
            self._polled = _read_in(circle)
            return
        self._failed += 1
        self._bus.count, self._bus.due = 0, _SOON_ACCESSES << 3 * self._failed
        if self._failed == _AGAIN:
            self._period = self._failed = 0
            self._bus.due = _FIRST_ACCESSES


def _read_in(circle: Circle) -> list[int]:
    return [address for kind, address, _ in circle.accesses if kind == "read"]
