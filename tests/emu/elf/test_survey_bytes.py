"""What bytes say before anybody has run them: vectors, constants, registers, core, speech."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.elf.survey.attributes import core_attributes
from emu.elf.survey.candidate import candidates, equal_best
from emu.elf.survey.constants import constants_in
from emu.elf.survey.evidence import Evidence, read_firmware
from emu.elf.survey.speech import spoken_lines
from emu.elf.survey.vectors import first_table, table_at, tables_in
from flash.errors import ImageError
from tests.emu.cpu.elf_bench import CHIPS, FIRMWARE, TOLD_APART

ELF = FIRMWARE / "elf"
PROGRAMS = FIRMWARE.parent / "tests" / "emu" / "cpu" / "programs"


def thumb(*half_words: int) -> bytes:
    return struct.pack(f"<{len(half_words)}H", *half_words)


def vectors(stack: int, *handlers: int) -> bytes:
    return struct.pack(f"<{1 + len(handlers)}I", stack, *handlers)


@pytest.mark.parametrize("code", [0x03D2_2C0C, 0x03D2_2C0D])
def test_code_behind_a_short_table_is_no_place_that_vectors_point_to(code: int) -> None:
    """Seven vectors, as many small applications have: what stands where the architecture keeps words free is code."""
    table = first_table(b"\xff" * 0x200 + vectors(0x2000_4000, *[0x0801_0325] * 6, code, 0xFBD4_0000))
    assert table is not None
    assert (table.offset, table.lowest_code) == (0x200, 0x0801_0324)


def test_a_table_ends_where_its_first_handler_begins() -> None:
    handlers = [0x0800_0109] * 6 + [0] * 4 + [0x0800_0109] * 55
    data = vectors(0x2000_5000, *handlers) + b"\x01\x00\x00\x08" * 50
    table = table_at(data, 0, 0x0800_0000)
    assert table is not None
    assert (table.stack, table.entry, table.lowest_code) == (0x2000_5000, 0x0800_0108, 0x0800_0108)
    assert table.interrupts == 50


@pytest.mark.parametrize(
    "words",
    [
        (0x0800_0000, 0x0800_0101, 0x0800_0101, 0x0800_0101),  # the stack is not in RAM
        (0x2000_0002, 0x0800_0101, 0x0800_0101, 0x0800_0101),  # nor aligned
        (0x2000_5000, 0x0800_0100, 0x0800_0101, 0x0800_0101),  # the entry is even
        (0x2000_5000, 0x0800_0101, 0x0800_0101, 0x0800_0100),  # a handler is
        (0x2000_5000, 0x2000_0101, 0x0800_0101, 0x0800_0101),  # code in RAM
        (0xFFFF_FFFF,) * 4,
        (0,) * 4,
    ],
)
def test_what_is_no_table(words: tuple[int, ...]) -> None:
    assert table_at(vectors(*words), 0) is None
    assert first_table(vectors(*words)) is None


def test_a_table_behind_a_header_is_found() -> None:
    table = first_table(b"HEAD" * 8 + b"\xff" * 224 + vectors(0x2000_1000, *[0x0800_2201] * 7))
    assert table is not None
    assert table.offset == 0x100


def test_a_second_table_has_its_entry_behind_it() -> None:
    app = vectors(0x2000_1000, *[0x0800_0501] * 7)
    data = vectors(0x2000_1000, *[0x0800_0041] * 7).ljust(0x400, b"\0") + app.ljust(0x200, b"\0")
    found = list(tables_in(data, 0x0800_0000, iter([0x0800_0400, 0x0800_0500])))
    assert [table.offset for table in found] == [0x400]
    elsewhere = vectors(0x2000_1000, *[0x0800_0041] * 7)
    data = data[:0x400] + elsewhere.ljust(0x200, b"\0")
    assert not list(tables_in(data, 0x0800_0000, iter([0x0800_0400])))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (thumb(0x4B00, 0xBF00) + struct.pack("<I", 0x4002_2000), 0x4002_2000),  # ldr r3, [pc]
        (thumb(0xF8DF, 0x3000) + struct.pack("<I", 0x4002_2000), 0x4002_2000),  # ldr.w r3, [pc]
        (thumb(0xF242, 0x0300, 0xBF00, 0xF2C4, 0x0302), 0x4002_2000),  # movw r3; nop; movt r3
        (thumb(0xF04F, 0x4380), 0x4000_0000),  # mov.w r3, #0x40000000
        (thumb(0xF44F, 0x5380), 0x0000_1000),  # mov.w r3, #4096
        (thumb(0xF04F, 0x33AB), 0xABAB_ABAB),  # mov.w r3, #0xabababab
        (thumb(0x2380, 0x05DB), 0x4000_0000),  # movs r3, #128; lsls r3, r3, #23
    ],
)
def test_a_constant_is_found_however_it_is_loaded(code: bytes, value: int) -> None:
    assert value in constants_in(code, 0x0800_0000).values


@pytest.mark.parametrize(
    "code",
    [
        thumb(0xF242, 0x0300, 0xF2C4, 0x0202),  # the other half goes to another register
        thumb(0xF242, 0x0300, *[0xBF00] * 40, 0xF2C4, 0x0302),  # too far away
        thumb(0x2380, 0x05DA),  # another register is shifted
        struct.pack("<I", 0x4002_2000),  # a word that nobody loads
    ],
)
def test_what_only_looks_like_one_is_not(code: bytes) -> None:
    assert not constants_in(code, 0x0800_0000).values & {0x4002_2000, 0x4000_0000}


def test_registers_are_what_loads_and_stores_reach() -> None:
    code = thumb(
        0x4B04, 0x6059, 0x691A,  # ldr r3, =base; str r1, [r3, #4]; ldr r2, [r3, #16]
        0x2300, 0x6999,  # movs r3, #0; ldr r1, [r3, #24]: r3 is another one by then
        *[0xBF00] * 5,
    ) + struct.pack("<I", 0x4002_2000)  # fmt: skip
    base = 0x4002_2000
    assert constants_in(code, 0x0800_0000).touched == {(base, base + 4), (base, base + 0x10)}


@given(st.binary(max_size=400), st.sampled_from([0, 0x0800_0000]))
def test_any_bytes_are_read(data: bytes, address: int) -> None:
    found = constants_in(data, address)
    assert all(0 <= value <= 0xFFFF_FFFF for value in found.values)
    table = first_table(data, address)
    assert table is None or 0 <= table.offset < len(data)
    spoken_lines([data])


def test_the_registers_of_real_code() -> None:
    found = Evidence((read_firmware(ELF / "stm32f4-swap-right.elf"),))
    assert {0x4002_3C04, 0x4002_3C0C, 0x4002_3C10, 0x4001_1000, 0x4000_3000} <= found.touched
    assert found.is_thumb2
    assert {0x0802_0000, 0x0804_0000, 0x0806_0000} <= found.values


def test_of_raw_binaries_that_seem_to_begin_one_memory_one_does(tmp_path: Path) -> None:
    first = vectors(0x2000_5000, *[0x0800_0041] * 7)
    second = vectors(0x2000_5000, *[0x0800_2041] * 7)
    for name, content in (("boot.bin", first), ("app.bin", second)):
        (tmp_path / name).write_bytes(content.ljust(0x100, b"\0"))
    files = tuple(read_firmware(tmp_path / name) for name in ("app.bin", "boot.bin"))
    assert [file.name for file in Evidence(files).placed] == ["boot.bin"]


def test_an_elf_says_its_core_only_where_it_is_for_one(tmp_path: Path) -> None:
    assert core_attributes("x.bin", b"\0" * 100).core == ""
    assert core_attributes("x.elf", (ELF / "stm32f1-ab-right.elf").read_bytes()).core == ""
    content = bytearray((ELF / "stm32f1-ab-right.elf").read_bytes())
    content[18] = 62  # e_machine
    with pytest.raises(ImageError, match=r"x\.elf: an ELF for EM_X86_64 .*not for a 32-bit ARM core"):
        core_attributes("x.elf", bytes(content))


@pytest.mark.parametrize(
    ("name", "core", "has_fp"),
    [("small", "cortex-m0", False), ("calls", "cortex-m3", False), ("floats", "cortex-m4", True)],
)
def test_an_elf_that_was_not_stripped_says_its_core(name: str, core: str, has_fp: bool) -> None:
    content = (PROGRAMS / f"{name}.elf").read_bytes()
    found = core_attributes(f"{name}.elf", content)
    assert (found.core, found.has_fp) == (core, has_fp)


@pytest.mark.parametrize("chip", TOLD_APART)
def test_registers_tell_chips_apart_without_running_anything(chip: str) -> None:
    ranked = candidates(Evidence((read_firmware(ELF / f"{chip}-swap-right.elf"),)))
    best = {each.chip.name: each for each in equal_best(ranked)}
    assert CHIPS[chip] in best
    assert any("code touches its flash controller at" in reason for reason in best[CHIPS[chip]].reasons)
    told = best[CHIPS[chip]].reasons
    for each in ranked:
        assert each.refusal or each.doubts or each.reasons != told or each.chip.name in best, each.chip.name


def test_a_bit_in_the_bit_band_speaks_for_the_register_it_is_of(tmp_path: Path) -> None:
    """What ST's drivers write into the clock controller of an F1 (0x4002_1000) and into its backup domain (0x20)."""
    code = b"".join(
        thumb(0x4B01 + 0, 0x601A, 0xE003, 0xBF00) + at.to_bytes(4, "little") + bytes(4)
        for at in (0x4242_0060, 0x4242_0480)
    )
    (tmp_path / "boot.bin").write_bytes(vectors(0x2000_5000, *[0x0800_0041] * 15) + code)
    found = {each.chip.name: each for each in candidates(Evidence((read_firmware(tmp_path / "boot.bin"),)))}
    assert "code touches its RCC" in found["STM32F103xB"].reasons
    assert not any("has nothing at" in doubt for doubt in found["STM32F103xB"].doubts)
    assert "it has nothing at 0x42420060, 0x42420480" in found["STM32G071xB"].doubts


def test_speech_is_words_that_end_like_lines() -> None:
    content = b"\x01\x02no image\r\n\0QkkXa\0abcd\0APP v1 starts\0....----\0"
    assert spoken_lines([content]) == ["no image", "APP v1 starts"]
