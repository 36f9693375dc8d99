"""The commit promise: the record is whole before the timer is quieted, and only the running image is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootloader.boot import boot
from bootloader.commit import commit, revert
from bootloader.config import BootConfig, SlotConfig, pack_config
from bootloader.config_store import ConfigStore
from bootloader.errors import ConfigNotWritten, SequencerExhausted
from bootloader.verify import VerifyPolicy
from flash.errors import PowerLost
from flash.journal import Interruption
from flash.tears import TEAR_SETS, tears_of
from tests.bootloader.workbench import (
    NEW_APP,
    OLD_APP,
    PARTS,
    DeafFlash,
    FakeTimer,
    committed,
    copies_on,
    deaf_store,
    first_boot,
    layout_on,
    make_device,
    put_app,
    restart,
    unnumbered,
)

OLD, NEW = SlotConfig(10, 0x100, 0x111, 1), SlotConfig(11, 0x200, 0x222, 2)
ENTERED = replace(first_boot(1, OLD, NEW), first_boot=False, merge_fs=True)
KEPT = replace(ENTERED, committed=True, merge_fs=False)
every_part = pytest.mark.parametrize("part", PARTS)


def store_with(part: str, *configs: BootConfig) -> ConfigStore:
    store = ConfigStore(copies_on(make_device(part)))
    for config in configs:
        store.write(config)
    return store


# -- commit ----------------------------------------------------------------------------------------------


@every_part
def test_commit_keeps_the_image_and_the_way_back_but_nothing_of_the_trial(part: str) -> None:
    store = store_with(part, committed(0, OLD), ENTERED)
    assert commit(store, FakeTimer(), 1)
    assert unnumbered(store.read().config) == unnumbered(KEPT)


@every_part
@pytest.mark.parametrize(("can_stop", "call"), [(True, "stop"), (False, "keep_fed")])
def test_the_record_on_flash_is_committed_when_the_timer_is_quieted(part: str, can_stop: bool, call: str) -> None:
    store = store_with(part, committed(0, OLD), ENTERED)
    timer = FakeTimer(can_stop, look=lambda: unnumbered(store.read().config))
    assert commit(store, timer, 1)
    assert timer.calls == [call]
    assert timer.seen == [unnumbered(KEPT)]


@every_part
def test_a_commit_cut_anywhere_leaves_the_timer_running(part: str) -> None:
    device = make_device(part)
    store = ConfigStore(copies_on(device))
    store.write(committed(0, OLD))
    store.write(ENTERED)
    start = device.snapshot()
    journal = restart(device)
    assert commit(store, FakeTimer(), 1)
    cuts = []
    for entry, operation in enumerate(journal.operations()):
        device.restore(start)
        restart(device, Interruption(entry))
        timer = FakeTimer()
        with pytest.raises(PowerLost):
            commit(store, timer, 1)
        tears = tears_of(device.part, device.cells, operation, TEAR_SETS["T1-coarse"])
        cuts += [Interruption(entry, tear=tear) for tear in tears]
    assert len(cuts) > 2
    for cut in cuts:
        device.restore(start)
        restart(device, cut)
        timer = FakeTimer()
        with pytest.raises(PowerLost):
            commit(store, timer, 1)
        assert timer.calls == []
        restart(device)
        assert unnumbered(store.read().config) in (unnumbered(ENTERED), unnumbered(KEPT))


def test_there_is_nothing_to_commit_without_a_config_or_twice() -> None:
    for configs in ((), (committed(0, OLD),), (committed(0, OLD), KEPT)):
        store, timer = store_with("W25Q128JV", *configs), FakeTimer()
        before = store.read()
        assert commit(store, timer, 1) is False
        assert (store.read(), timer.calls) == (before, [])


def test_the_second_commit_of_an_image_does_nothing() -> None:
    store, timer = store_with("W25Q128JV", ENTERED), FakeTimer()
    assert [commit(store, timer, 1) for _ in range(3)] == [True, False, False]
    assert timer.calls == ["stop"]


def test_a_commit_that_cannot_be_recorded_leaves_the_timer_running() -> None:
    device = make_device("W25Q128JV")
    ConfigStore(copies_on(device)).write(ENTERED)
    timer = FakeTimer()
    with pytest.raises(ConfigNotWritten):
        commit(deaf_store(device), timer, 1)
    assert timer.calls == []
    assert unnumbered(deaf_store(device).read().config) == unnumbered(ENTERED)


def test_a_commit_with_an_exhausted_sequencer_leaves_the_timer_running() -> None:
    device = make_device("W25Q128JV")
    device.load(0, pack_config(replace(ENTERED, sequencer=0)))
    store, timer = ConfigStore(copies_on(device)), FakeTimer()
    with pytest.raises(SequencerExhausted):
        commit(store, timer, 1)
    assert (timer.calls, device.journal.entries) == ([], [])


# -- revert ----------------------------------------------------------------------------------------------


@every_part
@pytest.mark.parametrize("config", [ENTERED, first_boot(1, OLD, NEW)], ids=["entered", "first-boot"])
def test_revert_gives_the_uncommitted_image_up(part: str, config: BootConfig) -> None:
    store = store_with(part, committed(0, OLD), config)
    assert revert(store, 1) is True
    settled = committed(0, OLD, NEW)
    assert unnumbered(store.read().config) == unnumbered(replace(settled, commit_timeout_s=30))
    assert revert(store, 1) is False


@pytest.mark.parametrize("config", [None, committed(0, OLD), KEPT, replace(ENTERED, revert_slot=None)])
def test_there_is_nothing_to_revert(config: BootConfig | None) -> None:
    store = store_with("W25Q128JV", *([] if config is None else [config]))
    before = store.read()
    assert revert(store, 1) is False
    assert store.read() == before


# -- which image is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize("entered", [False, True], ids=["cannot-mark", "roll-back"])
def test_a_commit_by_the_revert_image_does_not_keep_the_image_it_replaced(entered: bool) -> None:
    """The bootloader could not write its record, runs the old image, and the old image commits as it always does."""
    device = make_device("W25Q128JV")
    layout = layout_on(device)
    old, new = put_app(layout.slots[0], OLD_APP, 1), put_app(layout.slots[1], NEW_APP, 2)
    healthy = ConfigStore(layout.configs)
    healthy.write(committed(0, old))
    healthy.write(replace(first_boot(1, old, new), first_boot=not entered))
    weak = ConfigStore((DeafFlash(layout.configs[0], 1), layout.configs[1]))
    report = boot(weak, layout, FakeTimer(), VerifyPolicy(), "power")
    assert report.not_written
    assert (report.decision.rule, report.decision.slot) == ("roll-back" if entered else "cannot-mark", 0)
    assert commit(weak, FakeTimer(), report.decision.slot) is False
    again = boot(weak, layout, FakeTimer(), VerifyPolicy(), "power").decision
    assert (again.rule, again.slot) != ("normal", 1), "the old image has committed the new one, which it replaced"
