"""Where applications of raw files are taken to begin, and where a padded one is taken to end."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.cpu.chip import bundled_chip
from emu.elf.survey.evidence import Evidence, FirmwareFile, read_firmware
from emu.elf.survey.layout import Layout
from emu.elf.survey.padding import padding

HEADER = 0x200
LOADS_0X1000 = struct.pack("<2H", 0xF44F, 0x5080)  # mov.w r0, #0x1000
MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")


def firmware(path: Path, base: int, size: int, *, header: int = 0) -> FirmwareFile:
    """A raw file for an nRF52840: vectors, and code that loads 0x1000."""
    entry = base + header + 0x1A1
    vectors = struct.pack("<64I", 0x2004_0000, *([entry] * 63))
    content = (b"\xff" * header + vectors).ljust(header + 0x1A0, b"\0") + LOADS_0X1000
    path.write_bytes(content.ljust(size, b"\x01"))
    return read_firmware(path)


def start(tmp_path: Path, loader_size: int, *, with_old: bool) -> int:
    loader = firmware(tmp_path / "boot.bin", 0, loader_size)
    new = firmware(tmp_path / "new.bin", 0xC000, 0x1_0000, header=HEADER)
    old = [firmware(tmp_path / "old.bin", 0xC000, 0x1000, header=HEADER)] if with_old else []
    evidence = Evidence((loader, *old), (new,))
    return Layout(bundled_chip("nRF52840"), evidence).application(new).address


def test_an_application_does_not_begin_inside_the_bootloader(tmp_path: Path) -> None:
    """A slot's worth of bytes reaches back from the vectors to whatever constant the bootloader has."""
    assert start(tmp_path, 0x1800, with_old=True) == 0xC000


def test_a_file_that_holds_both_is_no_bootloader_alone(tmp_path: Path) -> None:
    """Without a file of its own, an application may be in the one that boots."""
    assert start(tmp_path, 0x1800, with_old=False) == 0x1000


def test_what_code_loads_behind_the_bootloader_is_where_it_begins(tmp_path: Path) -> None:
    assert start(tmp_path, 0x1000, with_old=True) == 0x1000


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        (MAGIC, True),
        (b"\x01" + b"\xff" * 7 + MAGIC, True),  # confirmed
        (b"", False),  # blank to the end is compared as it stands
        (b"\x01" * 257, False),  # as much as this may be part of the image
    ],
)
def test_padding_is_blank_flash_and_a_few_flags(tail: bytes, found: bool) -> None:
    image = b"code" * 100 + b"\xff" * 255 + b"table"
    data = image + b"\xff" * 4000 + tail
    assert padding(data, 0xFF) == ((len(image), len(data)) if found else None)
    swapped = bytes(0xFF - byte for byte in data)
    assert padding(swapped, 0x00) == ((len(image), len(data)) if found else None)


@given(st.binary(max_size=600), st.integers(0, 600), st.binary(max_size=300))
def test_what_is_before_it_never_ends_blank(image: bytes, blank: int, tail: bytes) -> None:
    data = image + b"\xff" * blank + tail
    seen = padding(data, 0xFF)
    if seen is not None:
        assert 0 < seen[0] < seen[1] == len(data)
        assert data[seen[0] - 1] != 0xFF
        assert data[seen[0] : seen[0] + 256] == b"\xff" * 256
