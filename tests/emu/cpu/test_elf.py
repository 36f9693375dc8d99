"""Firmware files: symbols, places, and what is wrong with one that is not for this core."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.cpu.elf import Firmware
from flash.errors import ImageError

PROGRAMS = Path(__file__).with_name("programs")


def test_symbols_are_addresses_without_the_thumb_bit() -> None:
    firmware = Firmware(PROGRAMS / "faults.elf")
    assert firmware.symbol("start") == firmware.entry == 0x0800_0048
    assert firmware.symbol("choice") % 4 == 0
    with pytest.raises(ImageError, match=r"faults\.elf: no symbol 'main'; give an ELF that is not stripped"):
        firmware.symbol("main")


def test_an_address_is_told_by_its_function() -> None:
    firmware = Firmware(PROGRAMS / "faults.elf")
    assert firmware.place(firmware.symbol("undefined") + 2).function == "undefined"
    assert str(firmware.place(firmware.symbol("load"))) == "load"
    assert str(firmware.place(0x0700_0000)) == ""


def test_lines_come_from_the_debug_information() -> None:
    firmware = Firmware(PROGRAMS / "lines.elf")
    place = firmware.place(firmware.symbol("start"))
    source = (PROGRAMS / "lines.s").read_text().splitlines()
    assert (place.function, place.file) == ("start", "lines.s")
    assert source[place.line - 1].strip() == "movs r0, #1"
    later = firmware.place(firmware.symbol("start") + 4)
    assert source[later.line - 1].strip() == "adds r0, #2"
    assert str(later) == f"start (lines.s:{later.line})"


def test_a_file_without_symbols_has_no_places(tmp_path: Path) -> None:
    path = tmp_path / "raw.bin"
    path.write_bytes(bytes(64))
    firmware = Firmware(path, base_address=0x0800_0000)
    assert firmware.image.segments[0].address == 0x0800_0000
    assert str(firmware.place(0x0800_0010)) == ""
    with pytest.raises(ImageError, match="no symbol 'main'"):
        firmware.symbol("main")


def test_an_elf_for_another_machine_is_refused(tmp_path: Path) -> None:
    content = bytearray((PROGRAMS / "faults.elf").read_bytes())
    content[18:20] = b"\x3e\x00"  # e_machine: x86-64
    path = tmp_path / "host.elf"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"host\.elf: an ELF for EM_X86_64 \(ELFCLASS32\), not for a 32-bit ARM core"):
        Firmware(path)


def test_damaged_debug_information_is_told_in_one_line(tmp_path: Path) -> None:
    content = bytearray((PROGRAMS / "lines.elf").read_bytes())
    firmware = Firmware(PROGRAMS / "lines.elf")
    at = content.index(b"lines.s\0")
    content[at - 24 : at] = b"\xff" * 24
    path = tmp_path / "damaged.elf"
    path.write_bytes(content)
    with pytest.raises(ImageError) as wrong:
        Firmware(path).place(firmware.symbol("start"))
    assert str(wrong.value).startswith("damaged.elf: its line table cannot be read (")
    assert "\n" not in str(wrong.value)
