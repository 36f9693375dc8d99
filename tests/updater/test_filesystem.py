"""A littlefs on a window of NOR flash: its figures, what it lists, and where it draws a line."""

from __future__ import annotations

import pytest

from bootloader.layout import Slot
from flash.device import FlashDevice
from flash.geometry import Geometry, SectorRun
from flash.part import bundled_part, part_names
from flash.partition import Partition
from tests.filesystems import FOLDER
from tests.updater.merging import NEW, OLD, trial_of
from updater import filesystem
from updater.blocks import BlockDevice, shape_of
from updater.errors import FilesystemError
from updater.filesystem import Entry, Filesystem, shown
from updater.merge import mounted


@pytest.mark.parametrize("part", part_names())
def test_the_figures_are_ones_that_littlefs_takes(part: str) -> None:
    """What it asserts when it mounts, and what the part takes."""
    geometry = bundled_part(part).geometry
    largest = max(run.size for run in geometry.runs)
    run = next(run for run in geometry.runs if run.size == largest)
    at = next(s.address for s in geometry.sectors_in(0, geometry.size) if s.size == largest)
    window = geometry.window(at, run.size * min(run.count, 64))
    if geometry.erased != 0xFF or run.count == 1:
        with pytest.raises(FilesystemError):
            shape_of(window)
        return
    shape = shape_of(window)
    assert shape.block_size >= 512
    assert shape.block_size % largest == 0
    assert shape.cache_size % shape.program_size == 0
    assert shape.block_size % shape.cache_size == 0
    assert shape.program_size % geometry.unit == 0
    assert shape.block_count * shape.block_size <= window.size
    for block in range(shape.block_count):
        assert window.sector_at(block * shape.block_size).address == block * shape.block_size


def test_small_sectors_are_taken_together() -> None:
    geometry = Geometry(0x4000, 4, 0, 64, (SectorRun(128, 128),))
    assert (shape_of(geometry).block_size, shape_of(geometry).block_count) == (512, 32)


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (Geometry(0x4000, 4, 0, 64, (SectorRun(128, 128),), erased=0), "on this part it reads 00"),
        (Geometry(0x1000, 1, 256, 256, (SectorRun(1, 0x1000),)), "4096 bytes hold 1 blocks of 4096"),
        (Geometry(0x7000, 1, 256, 256, (SectorRun(3, 0x1000), SectorRun(2, 0x2000))), "do not all begin on a sector"),
    ],
)
def test_a_window_that_cannot_hold_one_is_refused(geometry: Geometry, words: str) -> None:
    with pytest.raises(FilesystemError, match=words):
        shape_of(geometry)


def test_the_refusal_names_the_filesystem() -> None:
    device = FlashDevice(bundled_part("STM32L072"))
    slot = Slot(0, "slot-a", Partition("slot-a", device, 0x1000, 0x4000), 0x2000)
    with pytest.raises(FilesystemError, match=r"^filesystem of slot-a: littlefs images take"):
        mounted(slot)


def test_entries_come_with_folders_before_what_is_in_them() -> None:
    trial = trial_of({b"b/c/d": b"1", b"b/a": b"22", b"a": b"333", b"z": FOLDER}, {})
    with mounted(trial.layout.slots[OLD]) as fs:
        assert fs.entries() == [
            Entry(b"a", False), Entry(b"b", True), Entry(b"z", True),
            Entry(b"b/a", False), Entry(b"b/c", True), Entry(b"b/c/d", False),
        ]  # fmt: skip
        assert fs.find(b"b/c") == Entry(b"b/c", True)
        assert fs.find(b"b/a") == Entry(b"b/a", False)
        assert fs.find(b"b/x") is None
        with pytest.raises(FilesystemError, match="looking for a/x: a file stands where a folder should"):
            fs.find(b"a/x")
        with (
            pytest.raises(FilesystemError, match="filesystem of slot-0: opening nothing: it is not there"),
            fs.open(b"nothing"),
        ):
            pass


def test_a_file_is_there_once_its_block_has_ended_and_not_before() -> None:
    trial = trial_of({}, {})
    slot = trial.layout.slots[NEW]
    with mounted(slot, writable=True) as fs:
        with fs.create(b"good") as file:
            file.write(b"12345" * 200)
        with pytest.raises(ZeroDivisionError), fs.create(b"bad") as file:
            file.write(b"12345" * 200)
            raise ZeroDivisionError
        written = len(trial.operations)
        with pytest.raises(ZeroDivisionError):
            fs.make_folder(b"after")
    assert len(trial.operations) == written
    assert trial.tree(NEW) == {b"good": b"12345" * 200, b"bad": b""}


def test_writing_to_one_that_was_mounted_for_reading_is_our_fault() -> None:
    trial = trial_of({}, {})
    with mounted(trial.layout.slots[NEW]) as fs, pytest.raises(AssertionError, match="please report"):
        fs.make_folder(b"a")
    assert trial.operations == []


def test_folders_in_folders_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trial_of({b"/".join([b"d"] * 12): FOLDER}, {})
    with mounted(trial.layout.slots[OLD]) as fs:
        monkeypatch.setattr(filesystem, "MAX_DEPTH", 12)
        assert len(fs.entries()) == 12
        monkeypatch.setattr(filesystem, "MAX_DEPTH", 11)
        with pytest.raises(FilesystemError, match="folders in folders, more than 11 deep"):
            fs.entries()


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trial_of({b"a/%d" % n: b"" for n in range(6)} | {b"b/%d" % n: b"" for n in range(6)}, {})
    with mounted(trial.layout.slots[OLD]) as fs:
        monkeypatch.setattr(filesystem, "MAX_ENTRIES", 14)
        assert len(fs.entries()) == 14
        monkeypatch.setattr(filesystem, "MAX_ENTRIES", 13)
        with pytest.raises(FilesystemError, match="listing it: more than 13 files and folders"):
            fs.entries()
        monkeypatch.setattr(filesystem, "MAX_ENTRIES", 5)
        with pytest.raises(FilesystemError, match="listing a: more than 5 files and folders"):
            fs.entries()


def test_a_block_is_erased_by_what_the_part_offers() -> None:
    """Blocks of 512 bytes over sectors of 128: four erases, and no neighbour is touched."""
    erased: list[tuple[int, int]] = []

    class Sectors:
        geometry = Geometry(0x4000, 4, 0, 64, (SectorRun(128, 128),))

        def erase(self, address: int, length: int) -> None:
            erased.append((address, length))

    flash = Sectors()
    assert BlockDevice(flash, shape_of(flash.geometry), writable=True).erase(None, 3) == 0  # type: ignore[arg-type]
    assert erased == [(0x600 + n * 128, 128) for n in range(4)]


def test_a_path_is_shown_on_one_line() -> None:
    assert shown("grün".encode()) == "grün"
    assert shown(b"gr\xfcn\n") == "gr\\xfcn\\n"


def test_a_filesystem_is_mounted_anew_each_time() -> None:
    """What one mount has read does not reach the next one: RAM is gone at a reset."""
    trial = trial_of({b"a": b"1"}, {b"b": b"2"})
    with mounted(trial.layout.slots[OLD]) as fs:
        assert fs.find(b"a") is not None
    trial.device.load(0x10000 + 0x4000, trial.image(NEW))
    with mounted(trial.layout.slots[OLD]) as fs:
        assert fs.find(b"a") is None
    assert isinstance(fs, Filesystem)
