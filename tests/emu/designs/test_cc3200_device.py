"""A device with the CC3200's boot configs: the file store, the tombstone, and what each reset does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootloader.published.cc3200 import FIRST_BOOT, INITIAL_SEQ, TOMBSTONE_SEQ, Cc3200Config, parse_cc3200
from emu.designs.cc3200 import NEW, OLD, WINDOWS
from emu.designs.slfs import Slfs, SlfsError, shipped
from emu.events import COMMIT_RETURNED, HANDOVER, NOTE
from emu.rig import DeviceState
from flash.device import FlashDevice
from flash.journal import Event
from flash.part import bundled_part
from flash.partition import Partition
from tests.emu.designs.lives import Bench, design, end_of, events, flipped


def store(*, sealed: bool = False) -> tuple[Slfs, dict[str, Partition]]:
    chip = FlashDevice(bundled_part("W25Q80DL"), strict=True)
    windows = {name: Partition(name, chip, window.offset, window.size) for name, window in WINDOWS.items()}
    return Slfs(windows, sealed=sealed), windows


@pytest.mark.parametrize("sealed", [False, True])
def test_a_file_is_written_read_and_deleted(sealed: bool) -> None:
    files, _ = store(sealed=sealed)
    assert files.read(b"name") is None
    file = files.create(b"name", 0x100)
    file.write(b"con")
    assert files.read(b"name") == (None if sealed else b"con" + b"\xff" * 0xFD)
    file.write(b"tent")
    file.close()
    assert files.read(b"name") == b"content"
    files.delete(b"name")
    assert files.read(b"name") is None


def test_a_file_takes_the_first_extent_that_is_free_and_has_the_room() -> None:
    files, _ = store()
    for name, room in ((b"large", 0x1001), (b"small", 0x1000), (b"other", 1)):
        files.create(name, room).close()
    found = [files.find(name) for name in (b"large", b"small", b"other")]
    assert [file and file.extent for file in found] == [2, 0, 1]
    files.delete(b"small")
    files.create(b"again", 8).close()
    again = files.find(b"again")
    assert again is not None and again.extent == 0
    with pytest.raises(SlfsError, match="no extent is free that holds 16385 bytes for huge"):
        files.create(b"huge", 0x4001)


def test_a_new_file_holds_nothing_of_the_one_before() -> None:
    files, _ = store()
    files.create(b"one", 64).write(b"\0" * 64)
    files.delete(b"one")
    files.create(b"two", 64)
    assert files.read(b"two") == b"\xff" * 64


@pytest.mark.parametrize("damaged", range(0, 68, 9))
def test_an_entry_that_is_not_whole_is_no_file(damaged: int) -> None:
    files, windows = store()
    files.create(b"name", 64).close()
    byte = windows["entry-0"].read(damaged, 1)[0]
    windows["entry-0"].program(damaged, bytes([byte & (byte - 1)]) if byte else b"\0")
    assert (files.find(b"name") is None) == bool(byte)


def test_what_is_shipped_is_what_would_have_been_written() -> None:
    files, windows = store()
    file = files.create(b"name", 7)
    file.write(b"content")
    file.close()
    made = shipped({"0": (b"name", b"content")})
    assert set(made) == {"entry-0", "file-0"}
    for window, raw in made.items():
        assert windows[window].read(0, len(raw)) == raw


# -- the device ------------------------------------------------------------------------------------------------


def configs(bench: Bench, state: DeviceState) -> list[Cc3200Config | None]:
    return [parse_cc3200(bench.read(state, window, 0, 512)) for window in ("file-0", "file-1")]


def test_an_update_writes_buries_and_digs_out_its_config() -> None:
    bench = Bench(design("cc3200"))
    chain = bench.life()
    assert (str(chain.outcome), chain.breaches) == ("new image runs, committed", [])
    first, second = configs(bench, end_of(chain))
    assert first is not None and second is not None
    assert (first.seq, first.flags, first.app_image_file) == (INITIAL_SEQ, 0, b"demo.bin.0")
    assert second == replace(first, seq=INITIAL_SEQ - 1, app_image_file=b"demo.bin.1")
    _, staged = configs(bench, chain.sessions[1].state.device)
    assert staged == replace(second, flags=FIRST_BOOT)
    assert bench.read(end_of(chain), "file-2", 0, len(OLD)) == OLD
    assert bench.read(end_of(chain), "file-3", 0, len(NEW)) == NEW


def test_while_an_image_is_on_trial_its_config_is_older_than_anything() -> None:
    bench = Bench(design("cc3200", "never-commits"))
    chain = bench.life()
    assert (str(chain.outcome), chain.breaches) == ("old image runs, committed", [])
    assert events(chain, COMMIT_RETURNED) == []
    buried = configs(bench, end_of(chain))[1]
    assert buried is not None
    assert (buried.seq, buried.flags) == (TOMBSTONE_SEQ, FIRST_BOOT)


@pytest.mark.parametrize("app", ["hangs", "crashes", "resets", "commits-late"])
def test_an_image_that_does_not_commit_is_left(app: str) -> None:
    chain = Bench(design("cc3200", app)).life()
    assert (str(chain.outcome), chain.breaches) == ("old image runs, committed", [])
    assert [facts[1] for facts in events(chain, HANDOVER)] == ["old", "new", "old"]


def test_nothing_notices_a_damaged_image() -> None:
    bench = Bench(design("cc3200"))
    chain = bench.life(bench.changed(bench.rig.initial(0), "file-2", 700, flipped))
    assert {breach.check for breach in chain.breaches} == {"boots", "whole"}


def test_an_image_file_that_is_right_already_is_not_written_again() -> None:
    bench = Bench(design("cc3200", "never-commits"))
    chain = bench.life(attempts=2)
    entries = [judged.run.entries for judged in chain.sessions]
    place = bench.rig.window_places["file-3"].address
    written = [
        any(not isinstance(entry, Event) and entry.address >= place for entry in session) for session in entries
    ]  # fmt: skip
    assert written.count(True) == 1
    assert [facts[1] for facts in events(chain, HANDOVER)] == ["old", "new", "old", "new", "old"]


def test_a_container_that_is_not_there_ends_a_trial_and_nothing_else() -> None:
    bench = Bench(design("cc3200"))
    staged = bench.life().sessions[1].state.device
    chain = bench.life(bench.changed(staged, "file-1", 70, flipped))
    assert (str(chain.outcome), chain.breaches) == ("old image runs, committed", [])
    shipped_wrong = bench.life(bench.changed(bench.rig.initial(0), "file-0", 70, flipped))
    assert [breach.check for breach in shipped_wrong.breaches] == ["boots"]
    assert str(events(shipped_wrong, NOTE)[0][0]).startswith("init failed: there is no container")
