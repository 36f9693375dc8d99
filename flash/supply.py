"""Power as a latch.

Once off, nothing reads, programs or erases until power returns, whoever catches what. `PowerLost` only
unwinds the firmware; a firmware (or a C callback) that swallows it meets the latch again at its next access.
Neighbours: `device` asks it before every access, and is told of the cut, because what it is doing at that moment is
torn then and there. Knows nothing of what is attached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from weakref import WeakMethod

from flash.errors import PowerLost


class Supply:
    """The rail. ``on`` is read by every access of every device attached to it."""

    __slots__ = ("_loads", "on")

    def __init__(self) -> None:
        self.on = True
        self._loads: list[WeakMethod[Callable[[], None]]] = []

    def feed(self, on_cut: Callable[[], None]) -> None:
        """Attach a load; ``on_cut``, a bound method, is called at every cut, before anything else happens.

        The rail does not keep its loads: a chip nobody holds any more is gone at once, with its megabytes of cells.
        """
        self._loads.append(WeakMethod(on_cut))

    def cut(self) -> NoReturn:
        """Power goes away now; the firmware stops here."""
        if self.on:
            self.on = False
            for load in self._loads:
                on_cut = load()
                if on_cut is not None:
                    on_cut()
        raise PowerLost("power was cut")

    def require(self) -> None:
        """Raise PowerLost unless the rail is up. For any NorFlash that shares this rail."""
        if not self.on:
            raise PowerLost("no power: nothing reads, programs or erases until it returns")

    def restore(self) -> None:
        """Power is back. RAM is gone: whoever calls this builds the firmware anew."""
        self.on = True
