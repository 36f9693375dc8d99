"""Reset: what firmware of users is given at every reset, and all it may touch.

    def firmware(reset: Reset) -> str | None:
        flash = reset.flash["slot"]             # a NorFlash, whose offsets start at 0
        image = reset.handover("slot")          # from here on this is the application
        update = reset.attempt()                # bytes, while the workload has an update left
        if update is not None:
            ...
            reset.restart()
        return None                             # the device has settled; a string says why it cannot run

The function is called anew each time and must keep nothing between calls: what it leaves in a module or in itself
would survive a simulated power cut, which nothing real does (`campaign.fresh` finds that out).

Neighbours: `plain_rig` makes one for every session and supplies the `World`. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from bootloader.decision import ResetCause
from emu.board import TimerEntry
from emu.clock import VirtualClock
from emu.events import (
    ATTEMPT,
    COMMIT_BEGUN,
    COMMIT_RETURNED,
    HANDOVER,
    HANG,
    NOTE,
    OFFERED,
    OLD,
    REFUSED,
    STAGED,
    TOLD,
)  # fmt: skip
from emu.ledger import Value
from emu.session import PowerSession
from flash.journal import Journal
from flash.partition import Partition
from flash.supply import Supply


@dataclass(frozen=True)
class World:
    """What a session meets besides itself. ``image_in``: which known image stands in a window, by its bytes; None: this
    firmware has no images. ``asked_for_attempts`` is told when the workload is asked; ``work`` is what it brings."""

    flash: Mapping[str, Partition]
    timers: TimerEntry
    image_in: Callable[[str], str] | None
    asked_for_attempts: Callable[[], None]
    work: bytes


class Reset(PowerSession):
    """One power session. ``flash``: the windows by name. ``image``: what was handed over to, "" so far.

    ``attempts_left`` counts down as attempts begin. ``committed``: whether the running image stays without more ado.
    """

    def __init__(
        self,
        world: World,
        cause: ResetCause,
        clock: VirtualClock,
        journal: Journal,
        supply: Supply,
        ram: dict[str, int],
        attempts_left: int,
    ) -> None:
        super().__init__(cause, clock, journal, supply, world.timers, ram)
        self.flash = world.flash
        self.commit_timeout_s = world.timers.commit_timeout_s
        self.image = ""
        self.committed = True
        self.attempts_left = attempts_left
        self._world = world
        self._was_asked = False

    # -- images --------------------------------------------------------------------------------------------

    def handover(self, window: str, *, trial: bool = False) -> str:
        """The image in ``window`` runs from here on; ``trial``: until it commits, it is not to stay.

        Returns which image it is ("old", "new", another known name, "unknown"), found by comparing bytes: what the
        application does may depend on it, as its code would; a bootloader cannot know it.
        """
        if self._world.image_in is None:
            raise LookupError(f"a hand-over to {window!r}, and the rig was given no images: name them in images=")
        if window not in self.flash:
            raise LookupError(f"a hand-over to {window!r}; the windows are {', '.join(self.flash)}")
        image = self._world.image_in(window)
        self.log.note(HANDOVER, list(self.flash).index(window), image, trial, window)
        self.image, self.committed = image, not trial
        return image

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Around the writes that make the running image stay; when it ends, commit has returned."""
        self.log.note(COMMIT_BEGUN)
        yield
        self.log.note(COMMIT_RETURNED)
        self.committed = True

    # -- the workload --------------------------------------------------------------------------------------

    def attempt(self) -> bytes | None:
        """What the workload brings now: an update, or None. At most one a session, and while there are images only to
        the old one, once it is there to stay. A firmware that is done with it and wants the next one restarts."""
        if self._was_asked or (self._world.image_in is not None and (self.image != OLD or not self.committed)):
            return None
        self._was_asked = True
        self._world.asked_for_attempts()
        if not self.attempts_left:
            return None
        self.log.note(ATTEMPT)
        self.attempts_left -= 1
        return self._world.work

    def staged(self) -> None:
        """The update was taken: the new image boots next."""
        self.log.note(STAGED)

    def refuse(self, why: str) -> None:
        """The update was not taken."""
        self.log.note(REFUSED, why)

    # -- promises of a store -------------------------------------------------------------------------------

    def offer(self, key: str, value: Value) -> None:
        """Somebody asks that ``key`` hold ``value``: from here on it may."""
        self.log.note(OFFERED, key, value)

    def tell(self, key: str, value: Value) -> None:
        """The user is told that ``key`` holds ``value``: the answer to an offer, or what was read. From here on it
        must. Telling anything but the value told last, or one offered since, breaks `durable`."""
        self.log.note(TOLD, key, value)

    # -- the processor -------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A line in the journal, for the reader of a replay."""
        self.log.note(NOTE, text)

    def restart(self) -> NoReturn:
        """A software reset: retained RAM stays."""
        self.reset("software")

    def hang(self) -> NoReturn:
        self.clock.clear_alarm(HANG)  # the limit of a session has nothing more to say
        super().hang()
