"""Power cuts under a live session, in virtual time: an update over a network in memory, cut at every entry of every
session's journal, before and inside its operations; alone, and with one frame that the network does not carry well.

What has to hold, whatever happens: the device is never dead; what the client says is so (it is never told success while
the old image stays); and the next update, of a client that finds a device at rest, succeeds.
"""

from __future__ import annotations

import pytest

from emu.ota.mongoose.updating import Order, Step, Update
from flash.cells import Cells
from flash.journal import Interruption, Journal, Operation
from flash.replay import replay
from flash.tears import TEAR_SETS, tears_of
from tests.ota.client.device import NEW_APP, OLD_APP, Device
from tests.ota.client.network import CHUNKS, FATES, Fate, Network, order

COARSE = TEAR_SETS["T1-coarse"]
SECOND = 1_000_000
OFF_US = 3 * SECOND
WAITS: Order = order(reboot_timeout_us=60 * SECOND, commits=True)


class Cut:
    """A device whose power goes at one place of one session, and comes back ``OFF_US`` later. ``session``: counted from
    0, the one that runs when the update begins. ``journals``: of each session."""

    def __init__(self, session: int = -1, cut: Interruption | None = None) -> None:
        self.device = Device()
        self.journals: list[Journal] = []
        self._planned = (session, cut)
        self._off_us = 0
        self._note()

    def _note(self) -> None:
        """A session has begun: is it the one to be cut?"""
        node = self.device.node
        if node.journal is None or (self.journals and node.journal is self.journals[-1]):
            return
        self.journals.append(node.journal)
        session, cut = self._planned
        if len(self.journals) - 1 == session and cut is not None and cut.entry >= len(node.journal.entries):
            node.cut_next(cut)

    def ask(self, frame: bytes) -> list[bytes]:
        answers = self.device.ask(frame)
        self._note()
        return answers

    def elapse(self, duration_us: int) -> None:
        node = self.device.node
        while duration_us > 0:
            step = min(duration_us, SECOND // 2)
            duration_us -= step
            node.elapse(step)
            self._note()
            if node.state == "off":
                self._off_us += step
                if self._off_us >= OFF_US:
                    self._off_us = 0
                    node.switch_on()
                    self._note()

    def update(self, *fates: Fate, what: Order = WAITS) -> Update:
        return Network(self, what, fates, elapse=self.elapse).run()

    def calm(self) -> None:
        """Whatever was planned and has not come is not going to."""
        self._planned = (-1, None)
        self.device.node.cut_next(None)

    @property
    def image(self) -> bytes:
        """The application that runs, as it stands in its slot."""
        self.elapse(OFF_US + SECOND)
        node = self.device.node
        assert node.state == "running", node.why
        flash = node.device.layout.slots[self.device.slot].flash
        return NEW_APP if flash.read(256, len(NEW_APP)) == NEW_APP else flash.read(256, len(OLD_APP))


def judged(world: Cut, update: Update) -> str:
    """Raises AssertionError where anything that has to hold does not; else what became of the update."""
    if update.step is Step.DONE:
        assert world.image == NEW_APP, "the client was told success and the old image stays"
        world.elapse(400 * SECOND)
        assert (world.image == NEW_APP, world.device.is_committed) == (True, True)
        return "done"
    assert update.failure is not None
    world.elapse(700 * SECOND)  # nobody commits, and a stalled update is freed
    assert world.image in (OLD_APP, NEW_APP)
    assert world.device.is_committed
    before = world.image
    world.calm()
    again = world.update()
    assert again.step is Step.DONE, again.failure
    assert world.image == NEW_APP
    return "failed, had it" if before == NEW_APP else "failed"


def entries() -> list[tuple[int, int]]:
    """(session, entry) of everything the uncut update does, its boot of the new image and its commit included."""
    world = Cut()
    started = len(world.journals[0].entries)
    assert world.update().step is Step.DONE
    assert len(world.journals) == 2
    first, second = (journal.entries for journal in world.journals)
    return [*((0, n) for n in range(started, len(first))), *((1, n) for n in range(len(second)))]


def test_power_may_go_before_anything() -> None:
    became = {}
    for session, entry in entries():
        world = Cut(session, Interruption(entry))
        became[session, entry] = judged(world, world.update())
    assert set(became.values()) >= {"done", "failed"}, "some cuts the client does not notice, some end its update"
    assert len(became) > 25


def test_power_may_go_inside_any_operation() -> None:
    world = Cut()
    parts = world.device.node.device.chips[0].part
    start = world.device.node.device.chips[0].snapshot()
    assert world.update().step is Step.DONE
    tried = 0
    for session, journal in enumerate(world.journals):
        cells = Cells(parts)
        cells.restore(start)
        for earlier in world.journals[:session]:
            for done in earlier.operations():
                replay(cells, done)
        for entry, operation in enumerate(journal.entries):
            if not isinstance(operation, Operation):
                continue
            tears = list(tears_of(parts, cells, operation, COARSE))
            for tear in tears[:: max(1, len(tears) // 2)]:
                cut = Cut(session, Interruption(entry, tear=tear))
                judged(cut, cut.update())
                tried += 1
            replay(cells, operation)
    assert tried > 45


@pytest.mark.parametrize("fate", FATES[1:])
def test_power_may_go_while_the_network_misbehaves(fate: Fate) -> None:
    places = entries()
    for number, (session, entry) in enumerate(places):
        at = number * (CHUNKS + 4) // len(places)
        world = Cut(session, Interruption(entry))
        judged(world, world.update(*["arrives"] * at, fate))


def test_a_device_that_says_it_has_what_it_has_not_is_caught() -> None:
    """The judge can fail: a device that answers OTA.End without having written its boot config."""
    world = Cut()

    app = world.device.node.app
    assert app is not None
    app.ota.end = lambda: False  # type: ignore[method-assign]
    update = world.update(what=order())
    assert update.step is Step.DONE
    with pytest.raises(AssertionError, match="told success and the old image stays"):
        judged(world, update)
