"""DfuSe: targets and elements, several alt settings, and which offset is at fault."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.images import Image, Segment, firmware_ids, image_from_segments, load_image, save_image
from tests.flash.image_files import dfu_suffix, dfuse, dfuse_target, refused, sparse_segments

FLASH = dfuse_target(0, (0x0800_0000, b"vectors"), (0x0801_0000, b"code"), name="Internal Flash")
OPTIONS = dfuse_target(1, (0x1FFF_C000, b"options"))
WHOLE = dfuse(FLASH, OPTIONS)


def saved(tmp_path: Path, content: bytes, name: str = "fw.dfu") -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


# -- reading ---------------------------------------------------------------------------------------------


def test_targets_that_do_not_overlap_are_taken_together_or_one_is_chosen(tmp_path: Path) -> None:
    path = saved(tmp_path, WHOLE)
    flash = (Segment(0x0800_0000, b"vectors"), Segment(0x0801_0000, b"code"))
    options = (Segment(0x1FFF_C000, b"options"),)
    assert firmware_ids(path) == (0, 1)
    assert load_image(path) == Image("fw.dfu", flash + options)
    assert load_image(path, board_id=0).segments == flash
    assert load_image(path, board_id=1).segments == options
    refused(path, "no alt setting 2", "--board-id, one of 0, 1", board_id=2)
    assert load_image(saved(tmp_path, WHOLE, "fw.bin")).segments == flash + options


def test_targets_that_overlap_must_be_chosen(tmp_path: Path) -> None:
    path = saved(tmp_path, dfuse(dfuse_target(3, (0x10, b"abcd")), dfuse_target(0, (0x12, b"xyz"))))
    error = refused(path, "alt settings 0, 3", "write the same addresses", "--board-id")
    assert (error.address, error.length) == (0x12, 2)
    assert load_image(path, board_id=0).segments == (Segment(0x12, b"xyz"),)
    assert load_image(path, board_id=3).segments == (Segment(0x10, b"abcd"),)


def test_two_targets_of_one_alt_setting_are_one_memory(tmp_path: Path) -> None:
    path = saved(tmp_path, dfuse(dfuse_target(0, (4, b"ef")), dfuse_target(0, (0, b"abcd"))))
    assert load_image(path, board_id=0).segments == (Segment(0, b"abcdef"),)
    path = saved(tmp_path, dfuse(dfuse_target(0, (2, b"ef")), dfuse_target(0, (0, b"abcd"))))
    for chosen in (None, 0):
        refused(path, "offset 0x239 and element at offset 0x11d", "overlap", board_id=chosen)


def test_a_target_or_an_element_may_be_empty(tmp_path: Path) -> None:
    path = saved(tmp_path, dfuse(dfuse_target(0), dfuse_target(1, (0x100, b""), (0x200, b"x"))))
    assert firmware_ids(path) == (1,)
    assert load_image(path).segments == (Segment(0x200, b"x"),)


# -- faults ----------------------------------------------------------------------------------------------

TARGET = dfuse_target(0, (0, b"abcd"))  # 274 bytes, then an element of 8 + 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"DfuSe", ("offset 0x5", "cut short")),
        (WHOLE[:26], ("offset 0x1a", "cut short")),
        (WHOLE[:-1], ("no suffix",)),
        (WHOLE[:-16], ("no suffix",)),
        (WHOLE + b"\0", ("no suffix",)),
        (dfu_suffix(WHOLE[:-16], version=0x0100), ("version 0x0100",)),
        (dfu_suffix(WHOLE[:-16], length=18), ("18 bytes",)),
        (dfu_suffix(WHOLE[:-16], signature=b"DFU"), ("no suffix",)),
        (WHOLE[:-4] + bytes(4), ("CRC 0x00000000 does not match",)),
        (WHOLE[:300] + b"\x55" + WHOLE[301:], ("CRC",)),
        (dfuse(TARGET, version=2), ("offset 0x5", "version 2")),
        (dfuse(TARGET, size=11), ("offset 0x6", "states a length of 11 bytes without the suffix, has 297")),
        (dfuse(TARGET, size=313), ("offset 0x6", "313")),  # with the suffix: not what the format says
        (dfuse(TARGET, count=2), ("offset 0x129", "one of 2 targets")),
        (dfuse(TARGET, count=0), ("offset 0xb", "286 bytes after the last of 0 targets")),
        (dfuse(TARGET, b"more", count=1), ("offset 0x129", "4 bytes after the last of 1 targets")),
        (dfuse(b"target" + TARGET[6:]), ("offset 0xb", "no target")),
        (dfuse(dfuse_target(0, (0, b"abcd"), size=13)), ("offset 0xb", "13 bytes", "past the end of the file")),
        (dfuse(dfuse_target(0, (0, b"abcd"), size=11)), ("offset 0x11d", "4 bytes", "past the end of its target")),
        (dfuse(dfuse_target(0, (0, b"abcd"), size=7)), ("offset 0x11d", "the target ends")),
        (dfuse(TARGET[:270] + struct.pack("<I", 0) + TARGET[274:]), ("offset 0x11d", "12 bytes in a target")),
        (dfuse(TARGET[:270] + struct.pack("<I", 2) + TARGET[274:]), ("offset 0x129", "one of its 2 elements")),
        (dfuse(TARGET[:278] + b"\xff\xff\xff\xff" + TARGET[282:]), ("offset 0x11d", "4294967295 bytes")),
        (dfuse(), ("no data",)),
        (dfuse(dfuse_target(0)), ("no data",)),
        (dfuse(dfuse_target(0, (0, b""))), ("no data",)),
        (dfuse(dfuse_target(0, (0, b"abcd"), (3, b"x"))), ("offset 0x11d and element at offset 0x129", "overlap")),
        (dfuse(dfuse_target(0, (0xFFFF_FFFF, b"ab"))), ("offset 0x11d", "past address 0xffffffff")),
    ],
)
def test_a_faulty_file_names_the_offset(tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    refused(saved(tmp_path, content), *words)


def test_a_plain_dfu_file_has_no_addresses_and_is_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path, dfu_suffix(b"\0\1\2\3", version=0x0100)), "named as DfuSe")


# -- writing ---------------------------------------------------------------------------------------------


@given(sparse_segments(), st.none() | st.integers(0, 0xFFFF_FFFF))
def test_round_trip(segments: list[Segment], entry: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.dfu"
        save_image(image_from_segments("x", segments, entry), path)
        assert load_image(path) == load_image(path, board_id=0) == image_from_segments("fw.dfu", segments)
        content = path.read_bytes()
    assert content[:-16] == dfuse(dfuse_target(0, *((one.address, one.data) for one in segments)))[:-16]


def test_the_suffix_is_made_out_to_the_bootloader_of_st(tmp_path: Path) -> None:
    save_image(Image("x", (Segment(0x0800_0000, b"abcd"),)), tmp_path / "fw.dfu")
    content = (tmp_path / "fw.dfu").read_bytes()
    assert content[-16:-4] == bytes.fromhex("ffff 11df 8304 1a01") + b"UFD\x10"
    assert struct.unpack("<I", content[-4:]) == (0xFFFF_FFFF & ~zlib.crc32(content[:-4]),)


def test_the_crc_is_the_one_that_dfu_suffix_accepts(tmp_path: Path) -> None:
    """`dfu-suffix -c` (dfu-util 0.11) takes this file for sound and shows this CRC."""
    image = image_from_segments("x", [Segment(0x1000_0000, bytes(range(256)) * 5), Segment(0x1000_2001, b"hello")])
    save_image(image, tmp_path / "fw.dfu")
    assert (tmp_path / "fw.dfu").read_bytes()[-4:] == (0x849E736B).to_bytes(4, "little")
