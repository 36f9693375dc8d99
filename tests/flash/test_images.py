"""Files in general, raw binary and ELF. Every file here is built by hand."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import (
    WRITABLE_SUFFIXES,
    Image,
    Region,
    Segment,
    firmware_ids,
    image_from_segments,
    load_image,
    save_image,
)
from tests.flash.image_files import END, PT_LOAD, PT_NOTE, elf32, record, refused, written

ONE_BYTE = Image("x", (Segment(0, b"a"),))


# -- files in general ------------------------------------------------------------------------------------


def test_missing_directory_empty_and_special_files_are_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "none.hex", "No such file")
    refused(tmp_path, "directory")
    (tmp_path / "empty.bin").touch()
    refused(tmp_path / "empty.bin", "empty")
    os.mkfifo(tmp_path / "pipe.bin")
    refused(tmp_path / "pipe.bin", "not a regular file")


@pytest.mark.parametrize("name", ["fw.bin", "fw.img", "fw"])
@pytest.mark.parametrize("data", [b"\x00\x40\x00\x20", b": not hex", b"\x7fEL"])
def test_a_raw_binary_goes_to_the_base_address(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert load_image(tmp_path / name, base_address=0x8000) == Image(name, (Segment(0x8000, data),))


def test_a_binary_below_address_zero_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fw.bin").write_bytes(b"ab")
    with pytest.raises(ImageError, match="below address 0"):
        load_image(tmp_path / "fw.bin", base_address=-4)


def test_content_decides_before_the_name(tmp_path: Path) -> None:
    hex_named_bin = written(tmp_path, "", record(0, 4, b"hi"), END, name="fw.bin")
    assert load_image(hex_named_bin, base_address=0x99).segments == (Segment(4, b"hi"),)
    (tmp_path / "x.hex").write_bytes(elf32((PT_LOAD, 0, 0x100, b"code", 4)))
    assert load_image(tmp_path / "x.hex").segments == (Segment(0x100, b"code"),)


@pytest.mark.parametrize(
    "name",
    ["fw.hex", "fw.IHX", "fw.elf", "fw.axf", "fw.uf2", "fw.srec", "fw.s19", "fw.S28", "fw.s37", "fw.mot", "fw.dfu"],
)
def test_a_name_that_promises_more_than_the_content_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\x01\x02\x03")
    refused(tmp_path / name, "named as")


def test_an_image_past_4_gib_is_refused_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "fw.bin").write_bytes(b"ab")
    with pytest.raises(ImageError, match="0xffffffff:0x100000001 runs past address 0xffffffff"):
        load_image(tmp_path / "fw.bin", base_address=0xFFFF_FFFF)
    assert load_image(tmp_path / "fw.bin", base_address=0xFFFF_FFFE).span() == Region(0xFFFF_FFFE, 1 << 32)


# -- files written ---------------------------------------------------------------------------------------


def test_bin_round_trip_keeps_the_bytes_and_the_fill(tmp_path: Path) -> None:
    image = image_from_segments("x", [Segment(0x100, b"ab"), Segment(0x104, b"c")])
    save_image(image, tmp_path / "fw.bin", fill=0)
    assert load_image(tmp_path / "fw.bin", base_address=0x100).segments == (Segment(0x100, b"ab\0\0c"),)


@given(st.binary(min_size=1, max_size=300), st.integers(0, (1 << 32) - 300))
def test_bin_round_trip(data: bytes, address: int) -> None:
    data = b"\0" + data  # no bytes here look like another format
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.BIN"
        save_image(Image("x", (Segment(address, data[:300]),)), path)
        assert load_image(path, base_address=address) == Image("fw.BIN", (Segment(address, data[:300]),))


@pytest.mark.parametrize("name", ["fw.elf", "fw.axf", "fw", "fw.txt", "fw.hex.gz", ".hex"])
def test_a_name_that_stands_for_no_format_to_write_lists_those_that_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError) as caught:
        save_image(ONE_BYTE, tmp_path / name)
    for suffix in (".bin", ".hex", ".ihex", ".uf2", ".srec", ".s19", ".s28", ".s37", ".dfu"):
        assert suffix in WRITABLE_SUFFIXES
        assert f" {suffix}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_every_format_is_told_by_its_suffix_and_recognised_without(tmp_path: Path, suffix: str) -> None:
    image = image_from_segments("x", [Segment(0x100, bytes(range(256)))])
    save_image(image, tmp_path / f"fw{suffix.upper()}")
    unnamed = (tmp_path / f"fw{suffix.upper()}").rename(tmp_path / "fw")
    assert load_image(unnamed, base_address=0x100).segments == image.segments


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_no_format_holds_an_image_without_data_or_a_fill_that_is_no_byte(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ImageError, match="no data"):
        save_image(Image("x", ()), tmp_path / f"fw{suffix}")
    for fill in (-1, 256):
        with pytest.raises(ImageError, match="0 to 255"):
            save_image(ONE_BYTE, tmp_path / f"fw{suffix}", fill=fill)
    if suffix != ".uf2":
        with pytest.raises(ImageError, match="only a UF2 states a family"):
            save_image(ONE_BYTE, tmp_path / f"fw{suffix}", family_id=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [one for one in WRITABLE_SUFFIXES if one != ".bin"])
def test_no_format_holds_addresses_past_4_gib(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ImageError, match="0xffff"):
        save_image(Image("x", (Segment(0xFFFF_FFFF, b"ab"),)), tmp_path / f"fw{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "fw.hex").write_text("old")
    monkeypatch.setattr("flash.files.os.fsync", full)
    for name in ("fw.hex", "new.hex"):
        with pytest.raises(ImageError, match=r"cannot be written \(No space left on device\)"):
            save_image(ONE_BYTE, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["fw.hex"]
    assert (tmp_path / "fw.hex").read_text() == "old"


def test_a_written_file_keeps_the_mode_and_the_link_it_replaces(tmp_path: Path) -> None:
    (tmp_path / "fw.bin").write_bytes(b"old")
    (tmp_path / "fw.bin").chmod(0o640)
    (tmp_path / "link.bin").symlink_to("fw.bin")
    save_image(ONE_BYTE, tmp_path / "link.bin")
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "fw.bin").read_bytes() == b"a"
    assert stat.S_IMODE((tmp_path / "fw.bin").stat().st_mode) == 0o640
    umask = os.umask(0o027)
    try:
        save_image(ONE_BYTE, tmp_path / "new.bin")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new.bin").stat().st_mode) == 0o640


def test_paths_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "dir.bin").mkdir()
    (tmp_path / "full.bin").symlink_to("/dev/full")
    (tmp_path / "circle.bin").symlink_to("circle.bin")
    for name in ("no/fw.bin", "dir.bin", "full.bin", "circle.bin", "nul\0.bin", "x" * 300 + ".bin"):
        with pytest.raises(ImageError, match="cannot be written") as caught:
            save_image(ONE_BYTE, tmp_path / name)
        assert "\n" not in str(caught.value)


# -- which firmware of a file ----------------------------------------------------------------------------


def test_files_of_one_firmware_take_no_id(tmp_path: Path) -> None:
    save_image(ONE_BYTE, tmp_path / "fw.srec")
    (tmp_path / "fw.bin").write_bytes(b"raw")
    (tmp_path / "fw.elf").write_bytes(elf32((PT_LOAD, 0, 0, b"x", 1)))
    for name in ("fw.srec", "fw.bin", "fw.elf"):
        assert firmware_ids(tmp_path / name) == ()
        refused(tmp_path / name, "leave out --board-id", board_id=0x9900)


# -- ELF -------------------------------------------------------------------------------------------------


def test_elf_content_lies_at_its_load_address(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(
        elf32(
            (PT_LOAD, 0x8000, 0x8000, b"text", 4),
            (PT_LOAD, 0x2000_0000, 0x8010, b"data", 64),  # .data: runs in RAM, kept in flash
            (PT_LOAD, 0x2000_0100, 0x2000_0100, b"", 256),  # .bss
            (PT_NOTE, 0, 0x9000, b"note", 4),
            entry=0x8001,
        )
    )
    assert load_image(path) == Image("fw.elf", (Segment(0x8000, b"text"), Segment(0x8010, b"data")), 0x8001)


def test_an_elf_without_entry_states_none(tmp_path: Path) -> None:
    (tmp_path / "fw.elf").write_bytes(elf32((PT_LOAD, 0, 0, b"x", 1)))
    assert load_image(tmp_path / "fw.elf").entry is None


def test_elf_segments_that_overlap_in_flash_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(elf32((PT_LOAD, 0, 0x10, b"abcd", 4), (PT_LOAD, 0x2000, 0x12, b"ef", 2)))
    refused(path, "0x10:0x14 and 0x12:0x14 overlap")


def test_an_elf_that_loads_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(elf32((PT_LOAD, 0x2000_0000, 0x2000_0000, b"", 256), (PT_NOTE, 0, 0, b"note", 4)))
    refused(path, "loads nothing")
    refused(path, "--board-id", board_id=0x9900)


def test_an_elf_cut_anywhere_is_one_line_of_error(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    whole = elf32((PT_LOAD, 0x8000, 0x8000, b"text", 4), (PT_LOAD, 0x9000, 0x9000, b"more", 4))
    for length in range(4, len(whole)):
        path.write_bytes(whole[:length])
        refused(path, "download it again")
    path.write_bytes(whole[:-1])
    refused(path, "cut short, 3 of 4 bytes for 0x9000")


@given(st.integers(4, 115), st.integers(0, 255))
def test_a_damaged_elf_loads_or_is_an_image_error(position: int, value: int) -> None:
    damaged = bytearray(elf32((PT_LOAD, 0, 0x8000, b"text", 4), (PT_LOAD, 0, 0x9000, b"more", 4)))
    damaged[position] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.elf"
        path.write_bytes(damaged)
        try:
            image = load_image(path)
        except ImageError as error:
            assert str(error).startswith("fw.elf: ")
            assert "\n" not in str(error)
        else:
            assert image.size > 0
