"""Damaged updates: which there are, that each is done as it is named, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from emu.campaign.faults.archive import Archive
from emu.campaign.faults.fault import Fault, parse_fault
from emu.campaign.faults.image import ImageFaults
from emu.campaign.judge import State
from emu.campaign.monitor import Monitor
from emu.errors import TokenError
from tests.emu.faults.bench import TakesOnce, kind_on, report_on, words
from tests.emu.helpers import IMAGES, NEW_APP, board_with, rig_on
from updater.errors import UpdateRefused

SAMPLE = 97


def image_kind() -> ImageFaults:
    kind = kind_on("image")
    assert isinstance(kind, ImageFaults)
    return kind


def test_an_archive_is_taken_apart_without_a_gap() -> None:
    kind = image_kind()
    raw = kind.specimen.update
    archive = Archive.of(raw, kind.specimen.platform)
    at = 0
    for extent in archive.extents:
        assert extent.start == at
        at += extent.size
    assert at == len(raw)
    assert [extent.place for extent in archive.extents] == [
        "manifest.header", "manifest.body", "app.header", "app.body", "directory",
    ]  # fmt: skip
    assert archive.with_entries(*archive.entries) == raw
    app = archive.entry("app")
    assert app is not None and app.content == NEW_APP
    with pytest.raises(UpdateRefused):
        Archive.of(raw[:-200], "another")


def test_every_other_value_of_every_byte_of_headers_and_manifest_is_tried_and_made_exactly() -> None:
    kind = image_kind()
    whole = kind.specimen.update
    archive = Archive.of(whole, kind.specimen.platform)
    names: set[str] = set()
    tried: Counter[str] = Counter()
    for number, fault in enumerate(kind.faults()):
        assert fault.name not in names
        names.add(fault.name)
        tried[fault.place] += fault.mask > 0
        if number % SAMPLE:
            continue
        assert parse_fault(fault.name) == fault
        damaged = kind.damaged(fault)
        if fault.mask:
            (changed,) = [at for at, (a, b) in enumerate(zip(whole, damaged, strict=True)) if a != b]
            assert whole[changed] ^ damaged[changed] == fault.mask
        elif fault.how == "cut":
            assert whole.startswith(damaged) and len(damaged) < len(whole)
    for extent in archive.extents:
        if extent.place not in ("app.body", "directory"):
            assert tried[extent.place] == 255 * extent.size
    assert tried["app.body"] > 60
    ends = {len(kind.damaged(fault)) for fault in kind.faults() if fault.how == "cut"}
    for extent in archive.extents:
        everywhere = range(extent.start, extent.start + extent.size)
        assert set(everywhere[:: 256 if extent.place == "app.body" else 1]) <= ends
    assert set(range(0, len(whole), kind.specimen.chunk_size)) <= ends


def test_the_short_way_and_the_whole_life_come_to_the_same() -> None:
    """Only what follows the first byte is run for each fault; a token replays all of it."""
    kind = image_kind()
    faults = [fault for number, fault in enumerate(kind.faults()) if number % 2003 == 5 or fault.place == "swap"]
    assert len(faults) > 40
    taken = Counter(kind.word(kind.chain(fault)) for fault in faults)
    assert len(taken) == 2
    for fault in faults:
        short = kind.chain(fault)
        whole = kind.judge(fault).chain(State(kind.rig(fault).initial(1), Monitor()))
        assert (short.outcome, kind.word(short), short.breaches) == (whole.outcome, kind.word(whole), whole.breaches)
        last, end = short.sessions[-1].session.end, whole.sessions[-1].session.end
        assert last.key == end.key
        assert [e for s in short.sessions for e in s.run.entries] == [e for s in whole.sessions for e in s.run.entries]


def test_what_nothing_covers_is_harmless_and_everything_else_is_refused() -> None:
    """Offsets 4, 5 (version needed) and 10 to 13 (time and date) of a local header; the first folder of a name."""
    report = report_on("image", "image.app.header+0xa.xor")
    assert words(report) == {"app.header": {"harmless: as undamaged": 255}}
    report = report_on("image", "image.app.header+0xe.xor")
    assert words(report) == {"app.header": {"refused by the updater": 255}}
    assert words(report_on("image", "image.manifest.body+0x5.xor")) == {
        "manifest.body": {"refused by the updater": 255}
    }
    swapped = report_on("image", "image.swap")
    assert words(swapped) == {"swap": {"refused by the updater": 8}}
    assert swapped.findings == [] and swapped.is_complete
    assert swapped.counts[0].edges > 100
    assert swapped.cover.exercised["refuses"] > 8  # after cuts as well
    assert swapped.cover.exercised["retries"] > 0  # the undamaged update was sent afterwards


def test_parts_of_an_update_with_a_filesystem_are_exchanged_too() -> None:
    """Which entry comes first does not matter, which part is in which does."""
    images = replace(IMAGES, new_fs=b"a filesystem, or so it says" * 9)
    rig = rig_on(board_with(layout={"fs_size": 0x4000}), images=images)
    report = report_on("image", "image.swap", rig)
    assert words(report) == {"swap": {"refused by the updater": 10, "harmless: as undamaged": 1}}
    assert report.findings == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("image.app.body+0xfffff.xor01", "the update has manifest.header (54 bytes)"),
        ("image.fs.body+0x0.xor01", "the update has"),
        ("image.app.body+0x0.xor00", "xor01 to xorff"),
        ("image.app.body+0x0.burnt", "xor01 to xorff"),
        ("image.swap.everything", "parts are exchanged as app-first"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused_with_what_there_is(name: str, said: str) -> None:
    with pytest.raises(TokenError, match="there is no fault") as wrong:
        image_kind().rig(parse_fault(name))
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    "name", ["image", "image.", "fire.app+0x1.xor01", "rest.0.config-0+0x1g.xor01", "image.a b.cut"]
)
def test_what_is_no_name_of_a_fault_is_refused(name: str) -> None:
    with pytest.raises(TokenError, match="is no fault"):
        parse_fault(name)


def test_a_name_keeps_dots_and_dashes_of_a_partition() -> None:
    fault = Fault("rest", "0.my.slot-a", "xor80", 0x10)
    assert fault.name == "rest.0.my.slot-a+0x10.xor80"
    assert parse_fault(fault.name) == fault


def test_the_undamaged_update_is_sent_afterwards_and_that_it_fails_is_a_finding() -> None:
    """A device that a refused update leaves with a record nobody can write over: `retries`."""
    rig = rig_on(firmware=TakesOnce())
    report = report_on("image", "image.app.body+0x0.", rig)
    assert [finding.key.check for finding in report.findings] == ["retries"]
    assert "retries" in report.checks
    assert report.findings[0].message.startswith("the next update does not succeed")
