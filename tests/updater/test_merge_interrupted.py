"""A merge that is interrupted: nothing swallows it, nothing is written after it, the old filesystem is untouched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flash.contract import NorFlash
from flash.errors import FlashError, PowerLost, ResetAsserted
from flash.geometry import Geometry
from flash.journal import Interruption
from flash.tears import TEAR_SETS
from tests.campaigns.stores import states_of
from tests.updater.merging import APP_SIZE, BLOCK, NEW, OLD, SLOTS_AT, Trial, image, trial_of

FILES = {b"conf9.json": b"the user's", b"user/log": bytes(range(256)) * 20, b"both": b"old", b"user/empty": b""}
SHIPPED = {b"both": b"new", b"www/page": bytes(range(100)) * 9}


@pytest.mark.parametrize(
    ("part", "block"), [("W25Q128JV", BLOCK), ("STM32L476", 2048), ("nRF52840", BLOCK)], ids=lambda item: str(item)
)
def test_a_cut_anywhere_comes_out_and_leaves_the_old_filesystem_as_it_was(part: str, block: int) -> None:
    images = image(FILES, block), image(SHIPPED, block)
    uncut = Trial(*images, part)
    start, before = uncut.device.snapshot(), uncut.tree(OLD)
    assert uncut.merge().failed == ""
    operations = uncut.operations
    assert {operation.kind for operation in operations} == {"program", "erase"}
    states = list(states_of(uncut.device.part, start, operations, TEAR_SETS["T1-coarse"]))
    for state in states[:-1]:
        trial = Trial(*images, part, interruption=Interruption(state.entry, "power", state.tear))
        with pytest.raises(PowerLost):
            trial.merge()
        assert len(trial.operations) == state.entry, "an operation was journaled after the power had gone"
        assert trial.device.snapshot().same(state.memory), "a live cut differs from the replayed prefix"
        assert trial.image(OLD) == images[OLD]
        assert trial.tree(OLD) == before
    assert states[-1].tear is None
    assert uncut.device.snapshot().same(states[-1].memory)


def test_after_a_cut_the_next_update_delivers_anew_and_merges_as_if_nothing_had_been() -> None:
    images = image(FILES), image(SHIPPED)
    first = Trial(*images)
    assert first.merge().failed == ""
    for entry in range(len(first.operations)):
        cut = Trial(*images, interruption=Interruption(entry))
        with pytest.raises(PowerLost):
            cut.merge()
        again = Trial(*images, memory=cut.device.snapshot())
        again.device.load(SLOTS_AT[NEW] + APP_SIZE, images[NEW])
        assert again.merge().failed == ""
        assert again.image(NEW) == first.image(NEW)


class Tripwire:
    """Raises ``error`` at the ``trip``-th call over all slots. Calls that come after it are counted in ``after``."""

    def __init__(self, error: BaseException, trip: int) -> None:
        self.error, self.trip = error, trip
        self.calls = self.after = 0

    def around(self, flash: NorFlash, slot: int) -> NorFlash:
        return _Wired(self, flash)

    def step(self) -> None:
        self.calls += 1
        if self.calls == self.trip:
            raise self.error
        if self.calls > self.trip > 0:
            self.after += 1


class _Wired:
    def __init__(self, wire: Tripwire, flash: NorFlash) -> None:
        self._wire, self._flash = wire, flash

    @property
    def geometry(self) -> Geometry:
        return self._flash.geometry

    def read(self, address: int, length: int) -> bytes:
        self._wire.step()
        return self._flash.read(address, length)

    def program(self, address: int, data: bytes) -> None:
        self._wire.step()
        self._flash.program(address, data)

    def erase(self, address: int, length: int) -> None:
        self._wire.step()
        self._flash.erase(address, length)


@pytest.mark.parametrize(
    "make",
    [lambda: ResetAsserted("commit-timer"), lambda: FlashError("a contract"), KeyboardInterrupt],
    ids=["reset", "broken contract", "ctrl-c"],
)
def test_whatever_the_flash_raises_comes_out_and_ends_the_merge(make: Callable[[], BaseException]) -> None:
    quiet = Tripwire(make(), 0)
    assert trial_of(FILES, SHIPPED, wrap=quiet.around).merge().failed == ""
    assert quiet.calls > 50
    for trip in range(1, quiet.calls + 1):
        wire = Tripwire(make(), trip)
        trial = trial_of(FILES, SHIPPED, wrap=wire.around)
        before = trial.image(OLD)
        with pytest.raises(type(wire.error)) as raised:
            trial.merge()
        assert raised.value is wire.error
        assert wire.after == 0, f"the flash was called again after call {trip}"
        assert trial.image(OLD) == before


def test_the_old_filesystem_is_never_programmed_or_erased() -> None:
    touched: list[str] = []

    class ReadOnly(_Wired):
        def program(self, address: int, data: bytes) -> None:
            touched.append("program")

        def erase(self, address: int, length: int) -> None:
            touched.append("erase")

    wire = Tripwire(AssertionError(), 0)
    trial = trial_of(FILES, SHIPPED, wrap=lambda flash, slot: ReadOnly(wire, flash) if slot == OLD else flash)
    assert trial.merge().failed == ""
    assert touched == []
