"""OTA.* on a device: what each answers, with the codes and messages of SPEC.md, and what it leaves on flash."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ota.bench import NEW, OLD, Powered, bundle
from updater.manifest import Claims

SECOND = 1_000_000
IDLE = {"state": 0, "message": "idle", "is_committed": True, "progress_percent": 0, "commit_timeout": 0, "partition": 0}


def slot_holds(powered: Powered, slot: int, app: bytes) -> bool:
    return powered.device.layout.slots[slot].flash.read(256, len(app)) == app


def test_an_update_chunk_by_chunk_boots_on_trial_and_is_committed() -> None:
    powered = Powered()
    assert powered.call("OTA.Status") == IDLE
    archive = bundle(powered.board)
    powered.send(archive, commit_timeout=30)
    status = powered.call("OTA.Status")
    assert (status["state"], status["progress_percent"], status["partition"]) == (1, 99, 0)
    assert powered.call("OTA.End") is None
    assert int(powered.told[-1].state) == 3
    powered.node.elapse(200_000)
    assert powered.call("OTA.GetBootState") == {
        "active_slot": 1, "is_committed": False, "revert_slot": 0, "commit_timeout": 30,
    }  # fmt: skip
    assert powered.call("OTA.Status") == IDLE | {"is_committed": False, "commit_timeout": 30, "partition": 1}
    assert powered.call("OTA.Commit") is None
    assert powered.call("OTA.Commit") == (-1, "")
    powered.node.elapse(60 * SECOND)
    assert (powered.slot, slot_holds(powered, 1, NEW)) == (1, True)
    info = powered.call("Sys.GetInfo")
    assert (info["fw_version"], info["fw_id"]) == ("2.0.0", "b2")


def test_an_update_that_nobody_commits_is_rolled_back() -> None:
    powered = Powered()
    powered.update(commit_timeout=5)
    assert powered.slot == 1
    powered.node.elapse(6 * SECOND)
    assert (powered.slot, powered.call("OTA.Status")) == (0, IDLE)
    assert powered.call("Sys.GetInfo")["fw_version"] == "1.0.0"


def test_without_a_commit_timeout_the_new_image_commits_at_once() -> None:
    powered = Powered()
    powered.update()
    assert powered.call("OTA.GetBootState") == {
        "active_slot": 1, "is_committed": True, "revert_slot": 0, "commit_timeout": 0,
    }  # fmt: skip


def test_revert_goes_back_and_only_once() -> None:
    powered = Powered()
    assert powered.call("OTA.Revert") == (-1, "")
    powered.update(commit_timeout=30)
    assert powered.call("OTA.Revert") is None
    assert powered.slot == 1, "the answer leaves first"
    powered.node.elapse(100_000)
    assert powered.slot == 0
    assert powered.call("OTA.Revert") == (-1, "")


def test_the_same_chunk_again_is_passed_over_and_a_gap_is_refused() -> None:
    powered = Powered()
    archive = bundle(powered.board)
    assert powered.call("OTA.Begin", size=len(archive)) is None
    for at in range(0, len(archive), 500):
        for _ in range(2):
            assert powered.write(at, archive[at : at + 500]) is None
        assert powered.write(at + 501, b"x") == (-1, f"Expected offset {min(at + 500, len(archive))}, got {at + 501}")
    assert powered.call("OTA.End") is None
    powered.node.elapse(200_000)
    assert (powered.slot, slot_holds(powered, 1, NEW)) == (1, True)


def test_a_chunk_that_only_overlaps_is_refused() -> None:
    powered = Powered()
    archive = bundle(powered.board)
    powered.call("OTA.Begin")
    assert powered.write(0, archive[:100]) is None
    assert powered.write(50, archive[50:150]) == (-1, "Expected offset 100, got 50")


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [
        ("OTA.Write", {"offset": 0, "data": "AAAA"}, (-1, "No update in progress")),
        ("OTA.End", {}, (-1, "No update in progress")),
        ("OTA.Write", {"offset": 0}, (-1, "Malformed request")),
        ("OTA.Write", {"offset": 0, "data": "no base64"}, (-1, "Malformed request")),
        ("OTA.Write", {"offset": 0, "data": 7}, (-1, "Malformed request")),
        ("OTA.Begin", {"commit_timeout": -1}, (-1, "Invalid commit_timeout")),
        ("OTA.SetBootState", {}, (-2, "No boot state given")),
        ("OTA.SetBootState", {"active_slot": "1"}, (-2, "No boot state given")),
        ("OTA.SetBootState", {"active_slot": 2}, (-3, "Failed to set boot state")),
        ("OTA.SetBootState", {"commit_timeout": -5}, (-4, "Failed to set commit timeout")),
        ("OTA.CreateSnapshot", {"commit_timeout": 1 << 40}, (-4, "Failed to set commit timeout")),
        ("Config.Get", {"key": "update.nothing"}, (404, "invalid config key")),
        ("Config.Set", {}, (400, "config is required")),
        ("Config.Set", {"config": {"update": {"timeout": "soon"}}}, (400, "update.timeout is a whole number")),
        ("Sys.Reboot", {"delay_ms": -1}, (400, "invalid delay value")),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(method: str, params: dict[str, Any], answer: object) -> None:
    powered = Powered()
    before = [chip.snapshot() for chip in powered.device.chips]
    assert powered.call(method, **params) == answer
    assert all(chip.snapshot().same(old) for chip, old in zip(powered.device.chips, before, strict=True))
    assert powered.call("OTA.Status") == IDLE


def test_only_one_update_at_a_time_and_none_before_the_last_is_committed() -> None:
    powered = Powered()
    assert powered.call("OTA.Begin") is None
    assert powered.call("OTA.Begin") == (-1, "Update already in progress")
    assert powered.call("OTA.CreateSnapshot") == (-1, "Update already in progress")
    assert powered.call("OTA.End") == (-1, "Aborted after 0 bytes")
    powered.update(commit_timeout=30)
    assert powered.call("OTA.Begin") == (-1, "Previous update has not been committed yet")


def test_an_end_in_the_middle_gives_the_update_up_and_another_can_begin() -> None:
    powered = Powered()
    archive = bundle(powered.board)
    powered.call("OTA.Begin", size=len(archive))
    powered.write(0, archive[:3000])
    assert powered.call("OTA.End") == (-1, "Aborted after 3000 bytes")
    assert powered.call("OTA.Status")["state"] in (0, 2)
    powered.update()
    assert powered.slot == 1


def test_what_the_updater_refuses_is_told_with_its_code_and_the_update_is_over() -> None:
    powered = Powered()
    archive = bytearray(bundle(powered.board))
    archive[-2000] ^= 1
    powered.call("OTA.Begin", size=len(archive))
    answers = [powered.write(at, bytes(archive[at : at + 512])) for at in range(0, len(archive), 512)]
    refused = [answer for answer in answers if answer is not None]
    assert refused[0] in ((-1, "-1 Invalid CRC"), (-10, "-10 Digest mismatch"))
    status = powered.call("OTA.Status")
    assert (status["state"], status["is_committed"], status["partition"]) == (2, True, 0)
    assert powered.call("OTA.End") == refused[0]
    powered.node.press_reset()
    assert (powered.slot, slot_holds(powered, 0, OLD)) == (0, True)


def test_a_stalled_update_is_freed_after_its_timeout() -> None:
    powered = Powered()
    archive = bundle(powered.board)
    powered.call("OTA.Begin", size=len(archive), timeout=20)
    powered.write(0, archive[:512])
    powered.node.elapse(19 * SECOND)
    powered.write(512, archive[512:1024])
    powered.node.elapse(19 * SECOND)
    assert powered.call("OTA.Status")["state"] == 1, "a chunk re-armed it"
    powered.node.elapse(2 * SECOND)
    status = powered.call("OTA.Status")
    assert (status["state"], status["message"]) == (2, "Update timed out")
    assert powered.write(1024, archive[1024:1536]) == (-1, "-1 Update timed out")
    powered.update()
    assert powered.slot == 1


def test_the_application_may_veto_before_anything_is_written() -> None:
    asked: list[Claims] = []
    powered = Powered(may_begin=lambda claims: asked.append(claims) or False)  # type: ignore[func-returns-value]
    before = powered.device.chips[0].snapshot()
    archive = bundle(powered.board)
    powered.call("OTA.Begin", size=len(archive))
    answers = [powered.write(at, archive[at : at + 512]) for at in range(0, 1024, 512)]
    assert (-1, "-1 OTA aborted by the MGOS_EVENT_OTA_BEGIN handler") in answers
    assert [(claims.name, claims.version) for claims in asked] == [("demo", "2.0.0")]
    assert powered.device.chips[0].snapshot().same(before)


def test_every_step_is_told() -> None:
    powered = Powered()
    powered.update(commit_timeout=30)
    powered.call("OTA.Commit")
    states = [int(status.state) for status in powered.told]
    assert states[0] == 1 and 3 in states
    percents = [status.progress_percent for status in powered.told if int(status.state) == 1]
    assert percents == sorted(percents) and percents[-1] == 99
    assert [status.is_committed for status in powered.told][-2:] == [False, True]


def test_a_snapshot_is_the_running_image_and_can_be_what_to_go_back_to() -> None:
    powered = Powered()
    assert powered.call("OTA.CreateSnapshot") == {"slot": 1}
    assert slot_holds(powered, 1, OLD)
    assert powered.call("OTA.GetBootState")["is_committed"] is True
    assert powered.call("OTA.CreateSnapshot", set_as_revert=True, commit_timeout=5) == {"slot": 1}
    assert powered.call("OTA.GetBootState") == {
        "active_slot": 0, "is_committed": False, "revert_slot": 1, "commit_timeout": 5,
    }  # fmt: skip
    assert powered.call("OTA.CreateSnapshot") == (-1, "Cannot create snapshots in uncommitted state")
    powered.node.elapse(6 * SECOND)
    assert (powered.slot, powered.ends[-1]) == (1, "reset by commit-timer")


def test_a_boot_state_can_be_set_by_hand() -> None:
    powered = Powered()
    powered.call("OTA.CreateSnapshot")
    assert powered.call("OTA.SetBootState", active_slot=1) is None
    powered.node.press_reset()
    assert powered.slot == 1
    assert powered.call("OTA.SetBootState", is_committed=False, revert_slot=0) is None
    powered.node.press_reset()
    assert powered.slot == 0, "as published: a state that is not committed has no first boot left"


def test_the_list_of_methods_begins_as_that_of_a_device() -> None:
    listed = Powered().call("RPC.List")
    assert {name for name in listed if name.startswith("OTA.")} >= {
        "OTA.Begin", "OTA.Write", "OTA.End", "OTA.Commit", "OTA.Revert", "OTA.CreateSnapshot", "OTA.GetBootState",
        "OTA.SetBootState", "OTA.Status",
    }  # fmt: skip


def test_a_reboot_answers_first_and_can_be_called_off() -> None:
    powered = Powered()
    assert powered.call("Sys.Reboot", delay_ms=5000) is None
    assert powered.call("Sys.Reboot", abort=True) is None
    powered.node.elapse(6 * SECOND)
    assert powered.ends == []
    assert powered.call("Sys.Reboot") is None
    assert powered.ends == []
    powered.node.elapse(100_000)
    assert powered.ends == ["reset by software"]


def test_the_configuration_survives_a_reset_and_gives_defaults() -> None:
    powered = Powered()
    changed = {"update": {"commit_timeout": 30, "timeout": 77}}
    assert powered.call("Config.Set", config=changed, save=True) == {"saved": True}
    powered.node.press_reset()
    assert powered.call("Config.Get", key="update.timeout") == 77
    powered.update()
    assert powered.call("OTA.GetBootState")["commit_timeout"] == 30


def test_an_update_to_the_running_version_is_no_update() -> None:
    powered = Powered()
    powered.update()
    assert powered.node.app is not None
    archive = bundle(powered.board)
    from emu.ota.mongoose.ota import BeginOptions

    ota = powered.node.app.ota
    context = ota.begin(BeginOptions(size=len(archive), ignore_same_version=True))
    assert ota.feed(context, archive[:1024]) == 1
    assert (ota.end(), ota.context, powered.slot) == (False, None, 1)


def test_an_update_that_was_applied_is_booted_by_a_second_end_too() -> None:
    powered = Powered()
    powered.send(bundle(powered.board))
    assert powered.call("OTA.End") is None
    powered.node.do(lambda app: app.reboot(None))
    powered.node.elapse(SECOND)
    assert powered.slot == 0, "the reboot was called off"
    assert powered.call("OTA.End") is None
    powered.node.elapse(100_000)
    assert powered.slot == 1


def test_a_chunk_reads_no_boot_config() -> None:
    """It would be read for every chunk of every update."""
    powered = Powered()
    archive = bundle(powered.board)
    powered.call("OTA.Begin")
    assert powered.write(0, archive[:600]) is None
    app = powered.node.app
    assert app is not None
    reads: list[int] = []
    store = app.ota.target.store
    read = store.read
    store.read = lambda: reads.append(1) or read()  # type: ignore[method-assign,func-returns-value]
    assert powered.write(600, archive[600:900]) is None
    assert reads == []
