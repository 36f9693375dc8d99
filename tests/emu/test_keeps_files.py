"""Filesystems on the emulated device: the merge in its life, the ground truth of files, and whole campaigns."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from emu.board import CheckEntry
from emu.campaign.audit import Auditor
from emu.campaign.cache import RunCache
from emu.campaign.closure import Closure
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY, Options
from emu.campaign.replay import follow
from emu.campaign.token import token_for
from emu.campaign.verdict import Step
from emu.errors import ScenarioError
from emu.events import COMMIT_BEGUN, FILES, HANDOVER, MERGE_FAILED, MERGED
from emu.files import CHANGED_IN_USE, UNREADABLE, USER_FILES, FileTruth
from emu.firmware import ModelFirmware
from emu.report.story import tell
from emu.rig import DeviceState
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Event
from flash.tears import TEAR_SETS
from tests.emu.helpers import campaign, events, explorer_on, life, operations, rig_on
from tests.filesystems import image_of, tree_of
from tests.mutants.boards import BOARDS, FS_BLOCKS
from tests.mutants.mergers import MovesFiles, StampsTheOld
from tests.mutants.zoo import FACTORY, IMAGES, SHIPPED, Campaign, images_for
from tests.properties.test_cache_is_exact import assert_exact

BLOCK = 4096
NO_ROOM = "filesystem of slot-b: making the folder brownout: no space is left"
FS_SIZE = FS_BLOCKS * BLOCK
ALL_EVENTS = ("reset", "hang", "timer")


def files_rig(board: str = "files", **more: object) -> UpdateRig:
    return rig_on(BOARDS[board], images=replace(images_for(board, SHIPPED), **more))  # type: ignore[arg-type]


def closure_on(rig: UpdateRig, **options: Any) -> Closure:
    """A campaign of any depth, with clean cuts."""
    return Closure(rig, rig.board.document.checks, Options(tears=TEAR_SETS["none"], depth=ANY, **options))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# -- campaigns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", ["files", "ecc-files"])
def test_every_cut_of_an_update_with_a_filesystem_holds(board: str) -> None:
    rig = files_rig(board)
    verdict = campaign(rig, tears=TEAR_SETS["T1-coarse"], events=ALL_EVENTS)
    assert (verdict.word, verdict.findings) == ("held", [])
    results = {result.name: result for result in verdict.results}
    assert results["keeps-files"].result == "held"
    assert results["keeps-files"].exercised > 20
    assert set(verdict.coverage.outcomes) == {"old image runs, committed", "new image runs, committed"}


def test_two_cuts_hold() -> None:
    assert campaign(files_rig(), depth=2, tears=TEAR_SETS["none"]).word == "held"


@pytest.mark.parametrize("board", ["files", "ecc-files"])
def test_any_number_of_cuts_holds(board: str) -> None:
    closure = closure_on(files_rig(board), attempts=2)
    verdict = closure.explore()
    assert (verdict.word, verdict.findings, verdict.complete) == ("held", [], True)
    assert verdict.coverage.exercised["keeps-files"] > 10
    assert Auditor(closure).audit(0.01, 0).audited > 0


@pytest.mark.parametrize("firmware", [MovesFiles(), StampsTheOld()], ids=["moves", "stamps"])
def test_at_any_depth_nothing_is_merged_that_makes_a_difference_to_files(firmware: ModelFirmware) -> None:
    rig = UpdateRig(BOARDS["files"], images_for("files", SHIPPED), firmware=firmware)
    found, exhaustive = (
        {
            (finding.key.check, finding.cuts, finding.message)
            for finding in closure_on(rig, keep_going=True, exhaustive=each).explore().findings
        }
        for each in (False, True)
    )
    assert found == exhaustive
    assert min(cuts for _, cuts, _ in found) == 1


@pytest.mark.parametrize("firmware", [None, MovesFiles(), StampsTheOld()], ids=["model", "moves", "stamps"])
def test_a_campaign_without_the_cache_has_the_same_digest(firmware: ModelFirmware | None) -> None:
    digests = []
    for cache in (True, False):
        rig = UpdateRig(BOARDS["files"], images_for("files", SHIPPED), firmware=firmware)
        digests.append(campaign(rig, tears=TEAR_SETS["T1-coarse"], events=("reset",), cache=cache).digest)
    assert digests[0] == digests[1]


def test_a_merge_is_replayed_live_and_told() -> None:
    rig = files_rig()
    trial = life(rig)[1][1]
    entry = next(n for n, e in enumerate(trial.entries) if isinstance(e, Event) and e.name == MERGED) - 2
    token = token_for(1, rig.inputs, (Step(1, entry, "cut"),))
    story = follow(rig, explorer_on(rig).judge, token)
    assert story.breaches == []
    text = tell(story)
    assert "files of slot 0: brownout/log.bin, brownout/settings.ini, conf0.json, index.html" in text
    text = tell(follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, ())))
    assert "the user's files are carried over: 3" in text
    assert "files of slot 1: brownout/log.bin, brownout/settings.ini, conf0.json, index.html, www/index.html" in text


# -- one life ------------------------------------------------------------------------------------------------


def test_the_new_image_merges_in_its_trial_before_it_commits_and_only_there() -> None:
    rig = files_rig()
    (_, first), (_, trial) = life(rig)
    names = [entry.name for entry in trial.entries if isinstance(entry, Event)]
    assert names.index(HANDOVER) < names.index(MERGED) < names.index(COMMIT_BEGUN) < names.index(FILES)
    assert events(first, MERGED) == events(first, FILES) == []
    old = rig.places.slots[0]
    assert not any(old.address <= o.address < old.address + old.size for o in operations(trial))
    again = rig.run(replace(trial.end, cause="power"))
    assert [event.facts[1] for event in events(again, HANDOVER)] == ["new"]
    assert events(again, MERGED) == []
    assert [event.facts for event in events(again, FILES)] == [(1, "new", rig.files.new, "")]


def test_files_that_find_no_room_send_the_device_back_with_all_it_had() -> None:
    rig = Campaign(board="files", crowded=True).rig(ModelFirmware)
    (_, _), (_, trial), (_, back) = life(rig)
    assert trial.outcome.kind == "reset"
    (failed,) = events(trial, MERGE_FAILED)
    assert failed.facts == (NO_ROOM,)
    assert events(trial, COMMIT_BEGUN) == []
    assert [event.facts for event in events(back, FILES)] == [(0, "old", rig.files.old, "")]
    assert "cannot be carried over: filesystem of slot-b" in tell(
        follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, ()))
    )


def test_an_update_that_finds_no_room_is_a_finding_that_says_why() -> None:
    verdict = campaign(Campaign(board="files", crowded=True).rig(ModelFirmware), tears=TEAR_SETS["none"])
    assert {finding.key.check for finding in verdict.findings} == {"retries"}
    assert verdict.findings[0].message.endswith(f"(the files cannot be carried over: {NO_ROOM})")
    at_any_depth = closure_on(Campaign(board="files", crowded=True).rig(ModelFirmware)).explore().findings
    assert {finding.message for finding in at_any_depth} == {finding.message for finding in verdict.findings}


def test_where_retries_are_not_claimed_it_is_refused_with_the_reason() -> None:
    rig = Campaign(board="files", crowded=True).rig(ModelFirmware)
    bounds = CheckEntry(apply=("boots", "keeps-files"))
    with pytest.raises(ScenarioError, match=f"the files cannot be carried over: {NO_ROOM}"):
        Explorer(rig, bounds, Options()).explore()


def test_on_a_board_without_a_filesystem_nothing_of_it_happens() -> None:
    for _, run in life(rig_on("demo")):
        assert [events(run, name) for name in (MERGED, MERGE_FAILED, FILES)] == [[], [], []]


# -- the factory, and what should stand there ----------------------------------------------------------------


def test_the_factory_device_has_been_in_use() -> None:
    rig = files_rig()
    rig.run(rig.initial(0))
    chip, slot = rig.device.chips[0], rig.device.layout.slots[0]
    tree = tree_of(chip.cells.read(0x4000 + slot.fs_offset, FS_SIZE), BLOCK)
    assert tree == {**FACTORY, **USER_FILES, b"conf0.json": CHANGED_IN_USE, b"brownout": None}
    assert dict(rig.files.old) == {path.decode(): sha(content) for path, content in tree.items() if content is not None}
    expected = {**FACTORY, **USER_FILES, **SHIPPED}
    assert dict(rig.files.new) == {path.decode(): sha(content) for path, content in expected.items()}
    named = rig.device.layout.configs[0].read(0, 128)
    assert int.from_bytes(named[40:44], "little") == FS_SIZE, "the boot config names the old filesystem"


def test_a_shipped_folder_takes_the_place_of_an_old_file() -> None:
    rig = files_rig(
        old_fs=image_of({b"www": b"a file"}, BLOCK, FS_BLOCKS), new_fs=image_of({b"www/a": b"1"}, BLOCK, FS_BLOCKS)
    )
    assert [path for path, _ in rig.files.new] == ["brownout/log.bin", "brownout/settings.ini", "www/a"]


@pytest.mark.parametrize(
    ("board", "changes", "why"),
    [
        ("files", {"old_fs": b""}, "the old image has no filesystem"),
        ("files", {"new_fs": b""}, "the update brings no filesystem"),
        ("serial", {}, "the board has no filesystem"),
    ],
)
def test_keeps_files_does_not_apply_without_two_filesystems(board: str, changes: dict[str, bytes], why: str) -> None:
    verdict = campaign(files_rig(board, **changes), tears=TEAR_SETS["none"])
    assert verdict.word == "held"
    (left_out,) = [result for result in verdict.results if result.name == "keeps-files"]
    assert left_out.result == "not applicable"
    assert left_out.reason.startswith(why)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"old_fs": b"spiffs" * 100},
            "the old image: filesystem of slot-a: mounting 8 blocks of 4096",
        ),
        (
            {"new_fs": b"spiffs" * 100},
            "the new image: filesystem of slot-b: mounting 8 blocks of 4096",
        ),
        ({"new_fs": image_of({}, 512, FS_SIZE // 512)}, "made for other figures; its superblock says 64 of 512; files"),
        ({"old_fs": bytes(FS_SIZE + 1)}, "the filesystem of the old image has 32769 bytes; slot-a of board files has"),
        ({"new_fs": bytes(FS_SIZE + 1)}, "the filesystem of the new image has 32769 bytes; slot-b of board files has"),
        (
            {"old_fs": image_of({b"f": bytes(4 * BLOCK)}, BLOCK, FS_BLOCKS)},
            "the old image: filesystem of slot-a: .* no space is left",
        ),
    ],
)
def test_images_that_cannot_be_used_are_refused_in_one_line(changes: dict[str, bytes], words: str) -> None:
    with pytest.raises(ScenarioError, match=words) as refused:
        files_rig(**changes)
    assert "\n" not in str(refused.value)


def test_a_filesystem_on_a_board_without_room_is_refused() -> None:
    with pytest.raises(ScenarioError, match="the filesystem has 5 bytes; slot-a of board serial has room for 0"):
        UpdateRig(BOARDS["serial"], replace(IMAGES, old_fs=b"files"))


def test_the_inputs_of_a_token_cover_both_filesystems_and_the_library() -> None:
    plain, full = UpdateRig(BOARDS["files"], IMAGES), files_rig()
    other = files_rig(old_fs=image_of({b"a": b"1"}, BLOCK, FS_BLOCKS))
    assert plain.inputs["from"].digest == sha(IMAGES.old)
    assert len({rig.inputs["from"].digest for rig in (plain, full, other)}) == 3
    assert plain.inputs["to"].digest != full.inputs["to"].digest == other.inputs["to"].digest
    assert "littlefs" in full.inputs["workload"].label
    assert "littlefs" not in plain.inputs["workload"].label


# -- ground truth --------------------------------------------------------------------------------------------


def settled() -> tuple[UpdateRig, DeviceState]:
    """A device that has been updated, between two power sessions."""
    rig = files_rig()
    return rig, replace(life(rig)[-1][1].end, cause="power")


def changed(rig: UpdateRig, state: DeviceState, content: bytes, by: bytes) -> DeviceState:
    """``content`` in the running slot's filesystem is something else."""
    cells, place = rig.bench_cells()[0], rig.places.slots[1]
    cells.restore(state.memory[0])
    at = cells.read(place.address, place.size).index(content, place.size - FS_SIZE)
    cells.put_bytes(place.address + at, by)
    return replace(state, memory=(cells.snapshot(),))


def test_which_files_stand_is_seen_in_the_cells_and_is_in_the_footprint() -> None:
    rig, state = settled()
    log = USER_FILES[b"brownout/log.bin"]
    other = changed(rig, state, log, b"\0" * 16)
    sessions = RunCache(rig)
    for each in (state, other, state):
        assert_exact(rig, sessions, each)
    assert sessions.hits >= 1
    found = [dict(events(rig.run(each), FILES)[0].facts[2])["brownout/log.bin"] for each in (state, other)]
    assert found == [sha(log), sha(b"\0" * 16 + log[16:])]


def test_after_a_merge_the_image_is_known_by_the_files_it_was_shipped_with() -> None:
    rig, state = settled()
    slot = rig.device.layout.slots[1]
    for content, image in ((USER_FILES[b"brownout/log.bin"], "new"), (SHIPPED[b"www/index.html"], "unknown")):
        run = rig.run(changed(rig, state, content, b"\0" * 16))
        assert [event.facts[1] for event in events(run, HANDOVER)] == [image]
        assert rig.image_in(slot, None) == image


def test_what_error_correction_cannot_repair_and_weak_bits_are_nothing_to_rely_on() -> None:
    rig = files_rig("ecc-files")
    rig.run(rig.initial(0))
    cells, slot = rig.device.chips[0].cells, rig.device.layout.slots[0]
    truth = FileTruth(rig_on(BOARDS["ecc-files"], images=rig.images).device, rig.images.old_fs, rig.images.new_fs)
    assert truth.found_in(slot) == (rig.files.old, "")
    at = 0x4000 + cells.read(0x4000, slot.flash.geometry.size).index(USER_FILES[b"brownout/log.bin"])
    cells.mark_broken(at, 8)
    found, problem = truth.found_in(slot)
    assert (dict(found)["brownout/log.bin"], problem) == (UNREADABLE, "")


def test_a_weak_bit_in_a_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = files_rig()
    rig.run(rig.initial(0))
    cells, slot = rig.device.chips[0].cells, rig.device.layout.slots[0]
    monkeypatch.setattr(cells, "is_weak", lambda address, length: True)
    found, problem = rig.files_in(slot, None) or ((), "")
    assert found == ()
    assert "bits that read differently each time" in problem


def test_a_pair_without_filesystems_is_what_it_was() -> None:
    rig = rig_on("demo")
    assert rig.files_in(rig.device.layout.slots[0], None) is None
    assert ImagePair(b"a", b"b").digests == (sha(b"a"), sha(b"b"))
