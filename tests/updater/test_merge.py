"""What a merge carries over, what it leaves alone, and what makes it fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.part import bundled_part
from tests.filesystems import FOLDER, tree_of
from tests.updater.merging import APP_SIZE, BLOCK, FS_SIZE, NEW, OLD, SLOTS_AT, Trial, config, image, trial_of
from tests.updater.workbench import unhurried
from updater.merge import MergeReport, is_merge_due, merge_filesystem

BIG = bytes(range(251)) * 30
SETTINGS, LOG = b"the user's settings", BIG[:5000]


def test_files_the_update_lacks_are_carried_over_and_shipped_ones_win() -> None:
    trial = trial_of(
        {b"conf0.json": b"old defaults", b"conf9.json": SETTINGS, b"log": LOG, b"empty": b""},
        {b"conf0.json": b"new defaults", b"page.html": b"new"},
    )
    report = trial.merge()
    assert report == MergeReport((b"conf9.json", b"empty", b"log"), (b"conf0.json",))
    assert trial.tree(NEW) == {
        b"conf0.json": b"new defaults", b"page.html": b"new", b"conf9.json": SETTINGS, b"log": LOG, b"empty": b"",
    }  # fmt: skip
    assert trial.misuses == []


def test_folders_are_carried_over_empty_ones_too_and_shipped_ones_are_filled_up() -> None:
    old = {b"a/b/c/deep": BIG, b"a/own": b"1", b"a/both": b"old", b"nothing": FOLDER, b"nothing/inside": FOLDER}
    new = {b"a/both": b"new", b"a/b/shipped": b"2"}
    trial = trial_of(old, new)
    report = trial.merge()
    assert (report.failed, set(report.carried), report.shipped) == ("", {b"a/b/c/deep", b"a/own"}, (b"a/both",))
    assert trial.tree(NEW) == {**trial.tree(OLD), **tree_of(image(new), BLOCK)}


def test_names_are_carried_over_byte_for_byte_whatever_they_are_encoded_in() -> None:
    names = ["grün".encode(), "grün".encode("latin-1"), b"\xff\xfe", b"a b", b"x" * 255, "漢/字".encode()]
    trial = trial_of({name: name for name in names}, {})
    assert trial.merge().failed == ""
    assert {name: trial.tree(NEW)[name] for name in names} == {name: name for name in names}


def test_a_file_whose_name_is_a_shipped_folder_gives_way() -> None:
    trial = trial_of({b"a": b"the user's", b"b": b"2"}, {b"a/x": b"shipped"})
    assert trial.merge() == MergeReport((b"b",), (b"a",))
    assert trial.tree(NEW)[b"a/x"] == b"shipped"


def test_a_folder_with_files_whose_name_is_a_shipped_file_cannot_be_carried_over() -> None:
    trial = trial_of({b"a/x": b"the user's"}, {b"a": b"shipped"})
    before = trial.image(OLD)
    assert trial.merge().failed == "filesystem of slot-1: looking for a/x: a file stands where a folder should"
    assert trial.image(OLD) == before


def test_an_empty_folder_whose_name_is_a_shipped_file_gives_way() -> None:
    assert trial_of({b"a": FOLDER}, {b"a": b"shipped"}).merge() == MergeReport()


@pytest.mark.parametrize("part", ["STM32L476", "nRF52840", "STM32G474", "MX25R8035F", "SAMD51"])
def test_a_merge_is_legal_on_every_kind_of_part(part: str) -> None:
    block = bundled_part(part).geometry.smallest_sector_size
    old, new = {b"a/settings": SETTINGS, b"log": LOG}, {b"conf0.json": b"new", b"www/index": BIG[:700]}
    for program in (1, 8, 256):
        trial = Trial(image(old, block, program=program), image(new, block, program=program), part)
        assert trial.merge().failed == ""
        assert trial.tree(NEW).items() >= {**old, **new}.items()
        assert trial.misuses == []


@unhurried
@given(data=st.data())
def test_a_merge_is_the_union_in_which_shipped_names_win(data: st.DataObject) -> None:
    names = st.lists(st.sampled_from([b"a", b"b", b"c\xe9"]), min_size=1, max_size=2).map(b"/".join)
    contents = st.sampled_from([b"", b"x", BIG[:600], BIG[:1500]])
    old, new = (_consistent(data.draw(st.dictionaries(names, contents, max_size=5))) for _ in (OLD, NEW))
    trial = trial_of(old, new)
    before, shipped, there = trial.image(OLD), trial.tree(NEW), trial.tree(OLD)
    report = trial.merge()
    assert trial.image(OLD) == before
    blocked = [path for path in there if any(shipped.get(parent) is not None for parent in _parents(path))]
    assert bool(report.failed) == bool(blocked)
    if not report.failed:
        assert trial.tree(NEW) == {**there, **shipped}


def _consistent(files: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Without files that lie in files."""
    return {path: content for path, content in files.items() if not any(parent in files for parent in _parents(path))}


def _parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:end]) for end in range(1, len(parts))]


# -- what makes it fail --------------------------------------------------------------------------------------


def test_a_filesystem_that_is_full_fails_the_merge_and_says_for_which_file() -> None:
    trial = trial_of({b"log": LOG}, {b"www": BIG * 16})
    before = trial.image(OLD)
    assert trial.merge().failed == "filesystem of slot-1: writing log: no space is left"
    assert trial.image(OLD) == before


def test_a_name_the_new_filesystem_does_not_allow_fails_the_merge() -> None:
    trial = Trial(image({b"n" * 40: b"1"}), image({}, name_max=32))
    assert trial.merge().failed.endswith("the name is longer than this filesystem allows")


@pytest.mark.parametrize(
    ("slot", "words"),
    [
        (OLD, "filesystem of slot-0: mounting 32 blocks of 4096 bytes: the filesystem is corrupt there; "
         "its first block has no superblock"),
        (NEW, "filesystem of slot-1: mounting 32 blocks of 4096 bytes: the filesystem is corrupt there; "
         "its first block has no superblock"),
    ],
)  # fmt: skip
def test_a_filesystem_that_is_not_there_fails_the_merge(slot: int, words: str) -> None:
    trial = trial_of({b"log": LOG}, {b"www": b"1"})
    trial.device.load(SLOTS_AT[slot] + APP_SIZE, b"\xff" * 2 * BLOCK)
    assert trial.merge().failed == words


def test_a_folder_that_is_corrupt_in_the_old_filesystem_fails_the_merge() -> None:
    trial = trial_of({b"user/settings": SETTINGS}, {b"www": b"1"})
    before = trial.image(OLD)
    assert before.index(b"settings") >= 2 * BLOCK, "the folder has blocks of its own"
    for start in range(2 * BLOCK, FS_SIZE, BLOCK):
        if before[start : start + BLOCK].count(0xFF) < BLOCK:
            trial.device.load(SLOTS_AT[OLD] + APP_SIZE + start, bytes(32))
    assert trial.merge().failed == (
        "filesystem of slot-0: mounting 32 blocks of 4096 bytes: the filesystem is corrupt there; "
        "its superblock says 32 of 4096"
    )


def test_an_image_made_for_other_figures_fails_the_merge_and_its_own_are_named() -> None:
    trial = Trial(image({b"log": LOG}, 512), image({}))
    assert trial.merge().failed == (
        "filesystem of slot-0: mounting 32 blocks of 4096 bytes: it was made for other figures; "
        "its superblock says 256 of 512"
    )


def test_a_layout_without_room_for_a_filesystem_fails_the_merge() -> None:
    trial = trial_of({}, {})
    slots = tuple(type(slot)(slot.index, slot.name, slot.flash) for slot in trial.layout.slots)
    layout = type(trial.layout)(trial.layout.configs, (slots[0], slots[1]))
    assert merge_filesystem(layout, config(), NEW).failed == "filesystem of slot-0: this layout has no room for one"


# -- error correction ----------------------------------------------------------------------------------------


def ecc_trial() -> tuple[Trial, int]:
    """On double words with error correction; and where the content of ``log`` lies."""
    old = image({b"log": LOG, b"settings": SETTINGS}, 2048)
    trial = Trial(old, image({}, 2048), "STM32L476")
    return trial, SLOTS_AT[OLD] + APP_SIZE + old.index(LOG[:64])


def test_a_file_that_error_correction_cannot_repair_fails_the_merge() -> None:
    trial, at = ecc_trial()
    trial.device.cells.mark_broken(at + 64, 8)
    failed = trial.merge().failed
    assert failed.startswith("filesystem of slot-0: reading log: uncorrectable ECC error in the 8-byte granule at 0x")


def test_a_stale_block_that_cannot_be_read_does_not_matter() -> None:
    """Of a pair of metadata blocks one is old; a torn double word in it is what a cut in use leaves."""
    trial, _ = ecc_trial()
    before = trial.image(OLD)
    stale = next(start for start in (0, 2048) if b"settings" not in before[start : start + 2048])
    trial.device.cells.mark_broken(SLOTS_AT[OLD] + APP_SIZE + stale + 16, 8)
    assert trial.merge().failed == ""
    assert trial.tree(NEW)[b"log"] == LOG


def test_a_filesystem_whose_both_superblocks_cannot_be_read_fails_the_merge() -> None:
    trial, _ = ecc_trial()
    for start in (0, 2048):
        trial.device.cells.mark_broken(SLOTS_AT[OLD] + APP_SIZE + start + 16, 8)
    failed = trial.merge().failed
    assert failed.startswith("filesystem of slot-0: mounting 64 blocks of 2048 bytes: the filesystem is corrupt there")
    assert "uncorrectable ECC error" in failed


# -- when it is due ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "slot", "due"),
    [
        ({}, NEW, True),
        ({}, OLD, False),
        ({"merge_fs": False}, NEW, False),
        ({"committed": True}, NEW, False),
        ({"revert": None}, NEW, False),
        ({"old_length": 0}, NEW, False),
    ],
)
def test_a_merge_is_due_on_trial_with_an_old_filesystem(changes: dict[str, Any], slot: int, due: bool) -> None:
    record = config(**changes)
    assert is_merge_due(record, slot) == due
    if not due:
        with pytest.raises(AssertionError, match="please report"):
            merge_filesystem(trial_of({}, {}).layout, record, slot)
