"""A device that is on: time, resets, power, boot loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootloader.config import pack_config
from emu.device import EmulatedDevice
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.node import MAX_RESETS, Booted, Node
from flash.errors import FlashError
from flash.journal import Interruption
from tests.ota.bench import NO_ANSWER, OLD, Powered, bundle

SECOND = 1_000_000


def test_time_goes_on_over_resets() -> None:
    powered = Powered()
    node = powered.node
    node.elapse(3 * SECOND)
    before = node.now_us
    assert before >= 3 * SECOND
    node.press_reset()
    assert (node.state, powered.ends) == ("running", ["reset by pin"])
    assert node.session is not None
    assert node.session.clock.now_us < SECOND <= before <= node.now_us


def test_while_power_is_off_no_time_passes_and_nothing_is_done() -> None:
    powered = Powered()
    node = powered.node
    node.switch_off()
    assert (node.state, node.why, node.app) == ("off", "power is lost", None)
    before = node.now_us
    node.elapse(SECOND)
    assert node.now_us == before
    assert not node.do(lambda app: app.reboot())
    assert powered.call("OTA.Status") == NO_ANSWER
    node.switch_on()
    assert (node.state, powered.slot) == ("running", 0)


def test_the_commit_timer_resets_it_at_its_very_microsecond() -> None:
    powered = Powered()
    powered.update(commit_timeout=30)
    node = powered.node
    assert (powered.slot, len(powered.ends)) == (1, 1)
    assert node.next_us is not None
    left = node.next_us - node.now_us
    node.elapse(left - 1)
    assert powered.slot == 1
    node.elapse(1)
    assert (powered.slot, powered.ends[-1]) == (0, "reset by commit-timer")


def test_elapse_ends_when_it_says_whatever_happens_on_the_way() -> None:
    powered = Powered()
    powered.update(commit_timeout=2)
    start = powered.node.now_us
    powered.node.elapse(10 * SECOND)
    assert powered.slot == 0
    assert powered.node.now_us == start + 10 * SECOND


def test_a_planned_cut_strikes_inside_an_update_and_power_can_come_back() -> None:
    powered = Powered()
    node = powered.node
    assert node.journal is not None
    node.cut_next(Interruption(len(node.journal.entries) + 4))
    with pytest.raises(AssertionError, match=NO_ANSWER):
        powered.send(bundle(powered.board))
    assert (node.state, node.why) == ("off", "power is lost")
    node.switch_on()
    assert powered.call("OTA.Status")["state"] == 0, "what RAM held of the update is gone"
    powered.update()
    assert powered.slot == 1


def test_a_cut_planned_for_the_next_session_strikes_in_its_boot() -> None:
    powered = Powered()
    powered.send(bundle(powered.board))
    powered.call("OTA.End")
    powered.node.switch_off()
    powered.node.switch_on(Interruption(0))
    assert powered.node.state == "off", "power went before the bootloader recorded the entry"
    powered.node.switch_on()
    assert powered.slot == 1


def test_a_device_with_nothing_to_boot_is_dead_and_says_why() -> None:
    powered = Powered()
    powered.node.switch_off()
    for slot in powered.device.layout.slots:
        chip, base = powered.device.chips[0], slot.flash.address  # type: ignore[attr-defined]
        chip.load(base, bytes(256))
    powered.node.switch_on()
    assert powered.node.state == "dead"
    assert powered.node.why.startswith("nothing to boot: slot 0: ")
    assert powered.call("OTA.Status") == NO_ANSWER
    assert powered.node.next_us is None


class Restless(MongooseApplication):
    """Resets the device as soon as it is entered."""

    def started(self) -> None:
        self.booted.session.reset("software")


def test_a_boot_loop_is_one_after_eight_resets() -> None:
    made: list[int] = []

    def make(booted: Booted) -> MongooseApplication:
        made.append(booted.slot)
        return Restless(booted, bench.settings, bench.identities)

    bench = Powered()
    node: Node[MongooseApplication] = Node(bench.device, make)
    node.switch_on()
    assert (node.state, node.why) == ("dead", "a boot loop: 8 resets in a row, the last one by software")
    assert made == [0] * MAX_RESETS


def crash(app: MongooseApplication) -> None:
    raise FlashError("the application reads what is not there")


def hang(app: MongooseApplication) -> None:
    app.booted.session.hang()


@pytest.mark.parametrize("ends", [crash, hang])
def test_the_watchdog_ends_an_application_that_crashes_or_hangs(ends: Callable[[MongooseApplication], None]) -> None:
    powered = Powered()
    watchdog_s = powered.board.document.timers.watchdog_s
    before_us = powered.node.now_us
    assert not powered.node.do(ends)
    assert powered.ends == ["reset by watchdog"]
    assert (powered.node.state, powered.slot) == ("running", 0)
    assert watchdog_s * SECOND <= powered.node.now_us - before_us < (watchdog_s + 1) * SECOND


def test_an_image_on_trial_that_hangs_does_not_come_back() -> None:
    powered = Powered()
    powered.update(commit_timeout=300)
    assert (powered.slot, powered.call("OTA.GetBootState")["is_committed"]) == (1, False)
    assert not powered.node.do(hang)
    assert powered.ends[-1] == "reset by watchdog", "long before the commit timeout"
    assert (powered.slot, powered.call("OTA.GetBootState")["is_committed"]) == (0, True)


def test_a_device_has_both_configs_after_an_update() -> None:
    powered = Powered()
    powered.update()
    device = EmulatedDevice(powered.board)
    for fresh, used in zip(device.chips, powered.device.chips, strict=True):
        fresh.restore(used.snapshot())
    store = powered.node.firmware.store(powered.node.session)  # type: ignore[arg-type]
    config = store.read().config
    assert config is not None
    assert config.committed and config.active_slot == 1
    assert pack_config(config) in (copy.read(0, 128) for copy in device.layout.configs)
    assert OLD in device.layout.slots[0].flash.read(256, len(OLD))
