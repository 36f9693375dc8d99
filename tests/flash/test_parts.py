"""The bundled chips against what is known of them, the schema's refusals, and each chip's own rules.

The tables below are typed a second time from the notes on each chip, never read from its part file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from flash.device import FlashDevice
from flash.errors import FlashError, PartError
from flash.journal import Misuse
from flash.part import Figure, bundled_part, load_part, part_names

K = 1024


class Expected(NamedTuple):
    kind: str
    size: int
    runs: tuple[tuple[int, int], ...]
    erase_sizes: tuple[int, ...]
    unit: int
    page_size: int
    burst_size: int
    overwrite: str
    max_per_erase: int
    erased: int = 0xFF
    base: int = 0
    jedec_id: str = ""


NOR = (4 * K, 32 * K, 64 * K)
F4_RUNS = ((4, 16 * K), (1, 64 * K), (7, 128 * K))
ST = 0x0800_0000

# fmt: off
EXPECTED = {
    "W25Q128JV": Expected("spi-nor", 16384 * K, ((4096, 4 * K),), NOR, 1, 256, 256, "and", 0, jedec_id="EF4018"),
    "MX25R8035F": Expected("spi-nor", 1024 * K, ((256, 4 * K),), NOR, 1, 256, 256, "and", 0, jedec_id="C22814"),
    "STM32F103": Expected("stm32f1", 128 * K, ((128, K),), (K,), 2, 0, 256, "blank-or-zero", 0, base=ST),
    "STM32F405": Expected("mcu-word", 1024 * K, F4_RUNS, (16 * K, 64 * K, 128 * K), 4, 0, 256, "and", 0, base=ST),
    "STM32L476": Expected("mcu-ecc", 1024 * K, ((512, 2 * K),), (2 * K,), 8, 0, 256, "blank-or-zero", 1, base=ST),
    "nRF52840": Expected("mcu-word", 1024 * K, ((256, 4 * K),), (4 * K,), 4, 0, 256, "and", 2),
    "STM32L072": Expected("mcu-ecc", 192 * K, ((1536, 128),), (128,), 4, 0, 128, "blank-only", 1, erased=0, base=ST),
}

# Milliseconds per erase size, microseconds per program, (typ, max). W25Q128JV's 32 KiB erase has no document.
TIMES: dict[str, dict[str | int, tuple[float, float]]] = {
    "W25Q128JV": {"program": (700, 3000), 4 * K: (45, 400), 64 * K: (160, 2000)},
    "MX25R8035F": {"program": (896, 5376), 4 * K: (48, 384), 32 * K: (240, 1920), 64 * K: (480, 3840)},
    "STM32F103": {"program": (52.5, 70), K: (20, 40)},
    "STM32F405": {"program": (16, 100), 16 * K: (250, 500), 64 * K: (550, 1100), 128 * K: (1000, 2000)},
    "STM32L476": {"program": (81.7, 90.8), 2 * K: (22, 25)},
    "nRF52840": {"program": (41, 41), 4 * K: (85, 89.7)},
    "STM32L072": {"program": (3200, 3940), 128: (3.2, 3.94)},
}
# fmt: on

# Figures nobody could read in a document: they must say so where they stand.
RECALLED = {
    "STM32F103": ("program.time_us", "erase[0].time_us"),
    "STM32F405": ("program.time_us", "erase[0].time_us", "erase[1].time_us", "erase[2].time_us"),
    "STM32L476": ("program.time_us", "erase[0].time_us"),
    "STM32L072": ("program.time_us", "erase[0].time_us"),
}

USER_PART = """
name = "Mine"
vendor = "Nobody"
kind = "spi-nor"
size = 131072
source = "made up for this test"
sectors = [{ count = 32, size = 4096 }]
read = { bytes_per_us = 1.0, source = "bench" }
endurance = { cycles = 1000, source = "bench" }
[program]
unit = 4
page_size = 256
time_us = { typ = 700, max = 3000, source = "bench" }
[[erase]]
size = 4096
time_us = { typ = 45000, max = 400000, source = "bench" }
"""

ERASE_2K = "[[erase]]\nsize = 2048\ntime_us = { typ = 1, max = 1, source = 'bench' }"


def figures(value: Any, path: str = "") -> Iterator[tuple[str, Figure]]:
    """Every Figure anywhere inside ``value``, with its dotted path."""
    if isinstance(value, Figure):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from figures(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from figures(item, f"{path}[{index}]")


def user_file(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in USER_PART
    path = tmp_path / "mine.toml"
    path.write_text(USER_PART.replace(old, new, 1) if old else USER_PART, encoding="utf-8")
    return path


def misuses(device: FlashDevice) -> list[Misuse]:
    return [entry for entry in device.journal.entries if isinstance(entry, Misuse)]


# -- the bundled chips -----------------------------------------------------------------------------------


def test_every_bundled_part_is_in_the_tables_of_this_file() -> None:
    assert set(part_names()) == set(EXPECTED) == set(TIMES)


@pytest.mark.parametrize("name", EXPECTED)
def test_geometry_and_rules_are_those_of_the_chip(name: str) -> None:
    part, geometry = bundled_part(name), bundled_part(name).geometry
    found = Expected(
        part.kind, geometry.size, tuple((run.count, run.size) for run in geometry.runs), geometry.erase_sizes,
        geometry.unit, geometry.page_size, geometry.burst_size, part.program.overwrite,
        part.program.max_per_erase, geometry.erased, part.base, part.jedec_id,
    )  # fmt: skip
    assert part.name == name
    assert found == EXPECTED[name]
    assert part.is_external == (part.kind == "spi-nor")


@pytest.mark.parametrize("name", TIMES)
def test_times_are_those_of_the_chip(name: str) -> None:
    part = bundled_part(name)
    found: dict[str | int, tuple[float, float]] = {"program": (part.program.time_us.typ, part.program.time_us.max)}
    found |= {e.size: (e.time_us.typ / 1000, e.time_us.max / 1000) for e in part.erase}
    assert {key: found[key] for key in TIMES[name]} == TIMES[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_figure_has_its_source_and_names_its_stand_in(name: str) -> None:
    part = bundled_part(name)
    walked = list(figures(part))
    assert len(walked) >= 1 + len(part.erase)
    for path, figure in walked:
        assert figure.source.strip(), path
        assert bool(figure.unknown) == bool(figure.stand_in.strip()), path
        assert 0 < figure.typ <= figure.max < float("inf"), path
    for text in (part.source, part.program.source, part.read.source, part.endurance.source):
        assert text.strip()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_figure_from_memory_says_so(name: str) -> None:
    recalled = tuple(path for path, f in figures(bundled_part(name)) if "recalled from the datasheet" in f.source)
    assert sorted(recalled) == sorted(RECALLED.get(name, ()))
    assert all("not verified" in f.source for path, f in figures(bundled_part(name)) if path in recalled)


def test_unknown_sides_of_the_bundled_parts() -> None:
    unknown = {(name, path, f.unknown) for name in part_names() for path, f in figures(bundled_part(name)) if f.unknown}
    assert unknown == {
        ("W25Q128JV", "erase[1].time_us", ("typ", "max")),
        ("W25Q128JV", "erase[2].time_us", ("typ",)),
        ("nRF52840", "program.time_us", ("typ",)),
        ("nRF52840", "erase[0].time_us", ("typ",)),
    }


# -- refusals --------------------------------------------------------------------------------------------


def test_wrong_name_mentions_the_nearest_and_case_does_not_matter() -> None:
    assert bundled_part("NRF52840").name == "nRF52840"
    with pytest.raises(PartError, match=r"no part named 'STM32L467'.*did you mean `STM32L476`"):
        bundled_part("STM32L467")


def test_a_users_own_file_loads(tmp_path: Path) -> None:
    part = load_part(user_file(tmp_path))
    assert (part.name, part.size, part.erased, part.base) == ("Mine", 131072, 0xFF, 0)
    assert part.geometry.sector_count == 32


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("page_size = 256", "page_sice = 256", r"unknown field `page_sice`.*did you mean `page_size`"),
        ("vendor =", "vendr =", r"unknown field `vendr`.*did you mean `vendor`"),
        ('"spi-nor"', '"spi-nand"', r"spi-nand"),
        ("[[erase]]\nsize = 4096", "[[erase]]\nsize = 65536", r"sectors of 4096 bytes have no \[\[erase\]\] entry"),
        ("[[erase]]", f"{ERASE_2K}\n[[erase]]", r"2048 bytes is no sector size"),
        ("typ = 700", "typ = 3001", r"program\.time_us: max 3000\.0 is below typ 3001\.0"),
        ("typ = 45000", "typ = 450000", r"erase 4096: time_us: max .* is below typ"),
        ("max = 3000,", 'max = 3000, unknown = ["max"],', r"program\.time_us: max unknown.*stand_in"),
        ('max = 3000, source = "bench"', 'max = 3000, source = ""', r"program\.time_us: every figure needs its source"),
        ("unit = 4", "unit = 3", r"program\.unit 3 does not divide"),
        ("page_size = 256", "", r"page_size, or burst_size"),
        ("page_size = 256", "page_size = 8192", r"must divide the 4096-byte sector"),
        ("count = 32", "count = 31", r"sector runs cover 0x1f000 bytes, but the size is 0x20000"),
        ('kind = "spi-nor"', 'kind = "mcu-ecc"', r"max_per_erase must be 1"),
        ("cycles = 1000", "cycles = 0", r"endurance\.cycles"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = user_file(tmp_path, old, new)
    with pytest.raises(PartError, match=message) as refused:
        load_part(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'"\xe9"', "not a UTF-8 text file"), (b"this is prose", "not valid TOML"), (None, "cannot be read: No such")],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PartError, match=rf"mine\.toml: {message}"):
        load_part(path)


# -- each chip's own rules -------------------------------------------------------------------------------


def test_f103_half_word_that_is_not_blank_takes_zero_and_nothing_else() -> None:
    device = FlashDevice(bundled_part("STM32F103"))
    device.program(0x400, b"\xf0\xff")
    device.program(0x400, b"\x00\xf0")
    assert device.read(0x400, 2) == b"\xf0\xff"
    assert [(m.rule, m.address, m.length) for m in misuses(device)] == [("spent-unit", 0x400, 2)]
    device.program(0x400, b"\x00\x00")
    assert device.read(0x400, 2) == b"\x00\x00"
    assert len(misuses(device)) == 1


def test_f103_burst_stops_at_the_first_half_word_it_refuses() -> None:
    device = FlashDevice(bundled_part("STM32F103"))
    device.program(4, b"\x11\x11")
    device.program(0, bytes.fromhex("aaaabbbbccccdddd"))
    assert device.read(0, 8) == bytes.fromhex("aaaabbbb1111ffff")
    assert [m.address for m in misuses(device)] == [4]


def test_l476_double_word_of_all_ones_reads_blank_but_is_used_up() -> None:
    device = FlashDevice(bundled_part("STM32L476"))
    device.program(0x808, b"\xff" * 8)
    assert device.read(0x808, 8) == b"\xff" * 8
    device.program(0x808, b"\x12" * 8)
    assert device.read(0x808, 8) == b"\xff" * 8
    assert [(m.rule, m.address, m.length) for m in misuses(device)] == [("spent-unit", 0x808, 8)]
    device.erase(0x800, 2 * K)
    device.program(0x808, b"\x12" * 8)
    assert device.read(0x808, 8) == b"\x12" * 8
    device.program(0x808, bytes(8))
    assert device.read(0x808, 8) == bytes(8)
    assert len(misuses(device)) == 1


def test_nrf_third_program_of_a_word_changes_nothing_and_is_recorded() -> None:
    device = FlashDevice(bundled_part("nRF52840"))
    device.program(0x1000, b"\xff\xff\xff\x7f")
    device.program(0x1000, b"\xff\xff\xff\x3f")
    assert not misuses(device)
    device.program(0x1000, bytes(4))
    assert device.read(0x1000, 4) == b"\xff\xff\xff\x3f"
    assert [(m.rule, m.address) for m in misuses(device)] == [("spent-unit", 0x1000)]


def test_l072_erases_to_zero_programs_set_bits_and_a_word_takes_one() -> None:
    device = FlashDevice(bundled_part("STM32L072"))
    assert device.read(0, 128) == bytes(128)
    device.program(0x80, b"\x0f\x00\x00\x01")
    assert device.read(0x80, 4) == b"\x0f\x00\x00\x01"
    device.program(0x80, b"\xf0\x00\x00\x00")
    assert device.read(0x80, 4) == b"\x0f\x00\x00\x01"
    assert [(m.rule, m.address) for m in misuses(device)] == [("spent-unit", 0x80)]
    # The controller refuses the second program; the cells under it move from 0 to 1 and never back.
    device.cells.program(0x80, b"\xf0\x00\x00\x00")
    assert device.read(0x80, 4) == b"\xff\x00\x00\x01"
    device.erase(0x80, 128)
    assert device.read(0x80, 128) == bytes(128)


def test_f405_erase_of_the_64_kib_sector_touches_only_it() -> None:
    device = FlashDevice(bundled_part("STM32F405"))
    edges = (0x0FFFC, 0x10000, 0x1FFFC, 0x20000)
    for address in edges:
        device.program(address, b"\xaa" * 4)
    device.erase(0x10000, 64 * K)
    assert [device.read(address, 4)[0] for address in edges] == [0xAA, 0xFF, 0xFF, 0xAA]
    assert [device.cells.cycles_at(address) for address in edges] == [0, 1, 1, 0]
    assert device.statistics.erase_time_us == 550_000


@pytest.mark.parametrize(("address", "length"), [(0x10000, 16 * K), (0x10000, 128 * K), (0, 64 * K), (0x10000, 4 * K)])
def test_f405_erase_size_of_another_sector_is_a_callers_error(address: int, length: int) -> None:
    device = FlashDevice(bundled_part("STM32F405"))
    device.program(0x10000, b"\xaa" * 4)
    with pytest.raises(FlashError, match=r"does not fit|has no erase of"):
        device.erase(address, length)
    assert device.read(0x10000, 4) == b"\xaa" * 4
