"""What comes behind OTA.End, and updates the device fetches by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from emu.ota.mongoose.call import RpcError
from emu.ota.mongoose.updating import Order, Step, pull_params
from tests.ota.client.device import Device
from tests.ota.client.network import CHUNKS, Fate, Network, S, Scripted, order, over, status


def test_it_waits_until_the_device_is_back_and_commits() -> None:
    device = Device()
    update = over(device, order(reboot_timeout_us=60 * S, commits=True)).run()
    assert (update.step, update.is_committed) == (Step.DONE, True)
    assert (device.slot, device.is_committed) == (1, True)
    device.node.elapse(600 * S)
    assert device.slot == 1


def test_it_waits_without_committing_where_that_is_all_it_was_asked() -> None:
    device = Device()
    update = over(device, order(reboot_timeout_us=60 * S)).run()
    assert (update.step, update.is_committed) == (Step.DONE, False)
    assert 290 < update.commit_timeout_s <= 300
    assert "OTA.Commit" not in device.calls


def test_an_image_that_commits_by_itself_is_not_committed_again() -> None:
    device = Device()
    what = order(begin='{"commit_timeout":0}', reboot_timeout_us=60 * S, commits=True)
    assert over(device, what).run().is_committed
    assert "OTA.Commit" not in device.calls


def test_a_device_that_is_back_with_its_old_image_is_not_called_updated() -> None:
    peer = Scripted(OTA_Status=[status(), status(3, 1), status(0, 0)])
    update = Network(peer, order(reboot_timeout_us=60 * S, commits=True)).run()
    assert update.failure is not None
    assert update.failure.refused
    assert "partition 0 is still active" in update.failure.message
    assert "OTA.Commit" not in peer.calls


def test_a_lost_end_is_cleared_up_by_the_restart() -> None:
    fates: tuple[Fate, ...] = (*["arrives"] * (2 + CHUNKS), "its answer is lost")  # type: ignore[assignment]
    device = Device()
    assert over(device, order(reboot_timeout_us=60 * S, commits=True), fates).run().is_committed
    assert (device.slot, device.is_committed) == (1, True)
    device = Device()
    never = over(device, order(reboot_timeout_us=60 * S, commits=True), (*fates[:-1], "is lost")).run()
    assert never.failure is not None
    assert not never.failure.refused
    assert never.failure.message.startswith("the device was not back after 60 s: it is in state 1")
    assert device.slot == 0


def test_a_device_that_stays_away_is_waited_for_as_long_as_was_asked() -> None:
    peer = Scripted(OTA_Status=[status(), None])
    network = Network(peer, order(reboot_timeout_us=30 * S))
    update = network.run()
    assert update.failure is not None
    assert update.failure.message == "the device was not back after 30 s: no answer in 2 s"
    assert 30 * S <= network.now_us < 31 * S
    assert peer.calls.count("OTA.Status") == 13


def test_a_commit_without_an_answer_is_looked_at_again() -> None:
    trial = status(0, 1, is_committed=False, commit_timeout=300)
    peer = Scripted(OTA_Status=[status(), trial, status(0, 1)], OTA_Commit=[None])
    update = Network(peer, order(reboot_timeout_us=60 * S, commits=True)).run()
    assert (update.step, update.is_committed) == (Step.DONE, True)
    assert peer.calls[-3:] == ["OTA.Status", "OTA.Commit", "OTA.Status"]
    deaf = Scripted(OTA_Status=[status(), trial], OTA_Commit=[None])
    update = Network(deaf, order(reboot_timeout_us=60 * S, commits=True)).run()
    assert update.failure is not None
    assert (
        update.failure.message
        == "the device is back with another image, but was not committed, after 60 s: no answer in 20 s"
    )
    assert deaf.calls.count("OTA.Commit") == 3


def test_a_commit_that_is_refused_is_a_failure() -> None:
    trial = status(0, 1, is_committed=False, commit_timeout=300)
    peer = Scripted(OTA_Status=[status(), trial], OTA_Commit=[RpcError(-1)])
    update = Network(peer, order(reboot_timeout_us=60 * S, commits=True)).run()
    assert update.failure is not None
    assert update.failure.message == "OTA.Commit: error -1, for which the device gives no reason"


# -- the device fetches it ---------------------------------------------------------------------------------


def pull(**changed: Any) -> Order:
    return replace(Order(b"", pull_params("http://x/fw.zip"), url="http://x/fw.zip"), **changed)


def test_a_url_is_told_to_the_device_and_code_0_means_that_it_was_done() -> None:
    device = Device(pulls=RpcError(0, "Update applied, finalizing"))
    update = over(device, pull()).run()
    assert (update.step, update.message) == (Step.DONE, "Update applied, finalizing")
    assert device.calls == ["OTA.Status", "OTA.Update"]
    assert json.loads(device.pulled[0]) == {"url": "http://x/fw.zip", "timeout": 600, "commit_timeout": 300}


def test_a_url_the_device_cannot_fetch_is_a_refusal() -> None:
    update = over(Device(pulls=RpcError(-10, "Failed to connect")), pull()).run()
    assert update.failure is not None
    assert (update.failure.refused, update.failure.message) == (True, "OTA.Update: error -10: Failed to connect")


def test_a_device_that_fetches_has_as_long_as_an_update_may_take() -> None:
    peer = Scripted(OTA_Status=[RpcError(404, "No handler for OTA.Status")], OTA_Update=[None])
    network = Network(peer, pull())
    update = network.run()
    assert 600 * S <= network.now_us < 601 * S
    assert update.failure is not None
    assert "OTA.Update: no answer in 600 s" in update.failure.message


def test_a_device_without_status_is_not_pushed_to() -> None:
    peer = Scripted(OTA_Status=[RpcError(404, "No handler for OTA.Status")])
    update = Network(peer, order()).run()
    assert update.failure is not None
    assert update.failure.message == "OTA.Status: error 404: No handler for OTA.Status"
