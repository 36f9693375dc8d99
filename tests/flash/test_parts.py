"""The bundled chips: geometry and rules, names, the schema's refusals, and each chip's own rules.

The tables below are typed a second time from the notes on each chip, never read from its part file. What is known of
the chips' commands and times, and what is not, is in `test_part_facts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from flash.device import FlashDevice
from flash.errors import FlashError, PartError
from flash.figure import Figure
from flash.journal import Misuse
from flash.part import bundled_part, load_part, part_names

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

F411_RUNS = ((4, 16 * K), (1, 64 * K), (3, 128 * K))
FS_RUNS = ((8, 4 * K), (1, 32 * K), (511, 64 * K))
BOOT_RUNS = ((1, 16 * K), (2, 8 * K), (1, 32 * K), (7, 64 * K))
C2000_RUNS = ((4, 16 * K), (6, 64 * K), (4, 16 * K))
M = 1024 * K


def serial(size: int, jedec_id: str, runs: tuple[tuple[int, int], ...] = (), erases: tuple[int, ...] = NOR) -> Expected:
    """A serial NOR of pages of 256 bytes, with 4 KiB sectors unless ``runs`` says otherwise."""
    runs = runs or ((size // (4 * K), 4 * K),)
    return Expected("spi-nor", size, runs, erases, 1, 256, 256, "and", 0, jedec_id=jedec_id)


# fmt: off
EXPECTED = {
    "W25Q80DL": serial(1 * M, "EF4014"),
    "W25Q16JV": serial(2 * M, "EF4015"),
    "W25Q64JV": serial(8 * M, "EF4017"),
    "W25Q64JW": serial(8 * M, "EF8017"),
    "W25Q128JV": serial(16 * M, "EF4018"),
    "W25Q256JV": serial(32 * M, "EF4019"),
    "W25Q512JV": serial(64 * M, "EF4020"),
    "MX25R8035F": serial(1 * M, "C22814"),
    "MX25R6435F": serial(8 * M, "C22817"),
    "MX25L12833F": serial(16 * M, "C22018"),
    "MX66L1G45G": serial(128 * M, "C2201B"),
    "MT25QL128ABA": serial(16 * M, "20BA18"),
    "N25Q032A13": serial(4 * M, "20BA16", erases=(4 * K, 64 * K)),
    "S25FL128S": serial(16 * M, "012018", ((256, 64 * K),), (64 * K,)),
    "S25FL256S": serial(32 * M, "010219", ((32, 4 * K), (510, 64 * K)), (4 * K, 64 * K)),
    "S25FS256S": serial(32 * M, "010219", FS_RUNS),
    "IS25LP128": serial(16 * M, "9D6018"),
    "IS25WP256": serial(32 * M, "9D7019"),
    "GD25Q16C": serial(2 * M, "C84015"),
    "GD25Q128C": serial(16 * M, "C84018"),
    "GD25LB512ME": serial(64 * M, "C8671A"),
    "SST26VF064B": serial(8 * M, "BF2643", erases=(4 * K, 8 * K, 32 * K, 64 * K)),
    "AT25FF321A": serial(4 * M, "1F4708"),
    "AT25DF041A": serial(512 * K, "1F4401"),
    "28F128J3A": Expected("parallel-nor", 16 * M, ((128, 128 * K),), (128 * K,), 1, 32, 32, "and", 0),
    "S29GL01GS": Expected("parallel-nor", 128 * M, ((1024, 128 * K),), (128 * K,), 2, 512, 512, "and", 0),
    "M29W400D": Expected("parallel-nor", 512 * K, BOOT_RUNS, (8 * K, 16 * K, 32 * K, 64 * K), 1, 0, 256, "and", 0),
    "STM32F103": Expected("stm32f1", 128 * K, ((128, K),), (K,), 2, 0, 256, "blank-or-zero", 0, base=ST),
    "STM32F405": Expected("mcu-word", 1 * M, F4_RUNS, (16 * K, 64 * K, 128 * K), 4, 0, 256, "and", 0, base=ST),
    "STM32F411": Expected("mcu-word", 512 * K, F411_RUNS, (16 * K, 64 * K, 128 * K), 4, 0, 256, "and", 0, base=ST),
    "STM32L476": Expected("mcu-ecc", 1 * M, ((512, 2 * K),), (2 * K,), 8, 0, 256, "blank-or-zero", 1, base=ST),
    "STM32G071": Expected("mcu-ecc", 128 * K, ((64, 2 * K),), (2 * K,), 8, 0, 256, "blank-or-zero", 1, base=ST),
    "STM32G474": Expected("mcu-ecc", 512 * K, ((256, 2 * K),), (2 * K,), 8, 0, 256, "blank-or-zero", 1, base=ST),
    "STM32H743": Expected("mcu-ecc", 2 * M, ((16, 128 * K),), (128 * K,), 32, 0, 256, "and", 1, base=ST),
    "STM32L072": Expected("mcu-ecc", 192 * K, ((1536, 128),), (128,), 4, 0, 128, "blank-only", 1, erased=0, base=ST),
    "nRF52840": Expected("mcu-word", 1 * M, ((256, 4 * K),), (4 * K,), 4, 0, 256, "and", 2),
    "nRF5340": Expected("mcu-word", 1 * M, ((256, 4 * K),), (4 * K,), 4, 0, 256, "and", 2),
    "SAMD21": Expected("mcu-word", 256 * K, ((1024, 256),), (256,), 64, 64, 64, "and", 8),
    "SAMD51": Expected("mcu-ecc", 1 * M, ((128, 8 * K),), (8 * K,), 16, 512, 512, "and", 1),
    "MK64F12": Expected("mcu-ecc", 1 * M, ((256, 4 * K),), (4 * K,), 8, 0, 256, "blank-only", 1),
    "TMS320F28377D": Expected(
        "mcu-ecc", 512 * K, C2000_RUNS, (16 * K, 64 * K), 8, 0, 256, "blank-only", 1, base=0x10_0000
    ),
}

# Microcontrollers whose times are recalled: milliseconds per erase size, microseconds per program, (typ, max).
TIMES: dict[str, dict[str | int, tuple[float, float]]] = {
    "STM32F103": {"program": (52.5, 70), K: (20, 40)},
    "STM32F405": {"program": (16, 100), 16 * K: (250, 500), 64 * K: (550, 1100), 128 * K: (1000, 2000)},
    "STM32L476": {"program": (81.7, 90.8), 2 * K: (22, 25)},
    "STM32F411": {"program": (16, 100), 16 * K: (250, 500), 64 * K: (550, 1100), 128 * K: (1000, 2000)},
    "STM32G071": {"program": (85, 125), 2 * K: (22, 40)},
    "nRF52840": {"program": (41, 41), 4 * K: (85, 89.7)},
    "STM32L072": {"program": (3200, 3940), 128: (3.2, 3.94)},
}
# fmt: on

# Figures nobody could read in a document: they must say so where they stand.
RECALLED = {
    "STM32F103": ("program.time_us", "erase[0].time_us"),
    "STM32F405": ("program.time_us", "erase[0].time_us", "erase[1].time_us", "erase[2].time_us"),
    "STM32F411": ("program.time_us", "erase[0].time_us", "erase[1].time_us", "erase[2].time_us"),
    "STM32L476": ("program.time_us", "erase[0].time_us"),
    "STM32G071": ("program.time_us", "erase[0].time_us"),
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
    assert set(part_names()) == set(EXPECTED)
    assert set(TIMES) < set(EXPECTED)


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
    assert part.is_external == (part.kind in ("spi-nor", "parallel-nor"))


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


@pytest.mark.parametrize("name", EXPECTED)
def test_notes_and_texts_are_whole(name: str) -> None:
    part = bundled_part(name)
    for text in (part.source, part.vendor, *part.notes):
        assert text == text.strip()
        assert text
    assert part.trust


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("stm32f407", "STM32F405"), ("STM32F405/407", "STM32F405"), ("STM32G0", "STM32G071"), ("stm32l0", "STM32L072"),
        ("W25Q16JV-IQ", "W25Q16JV"), ("sam d21", "SAMD21"), ("Intel 28F128J3A", "28F128J3A"),
    ],
)  # fmt: skip
def test_a_part_is_found_by_its_other_names(asked: str, name: str) -> None:
    assert bundled_part(asked).name == name


def test_no_two_parts_share_a_name() -> None:
    names = [name.lower() for part in map(bundled_part, part_names()) for name in (part.name, *part.aliases)]
    assert len(names) == len(set(names))


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
        ('cycles = 1000, source = "bench"', 'cycles = 1000, source = ""', r"endurance: source is empty"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = user_file(tmp_path, old, new)
    with pytest.raises(PartError, match=message) as refused:
        load_part(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("table", ["suspend", "power_up", "power_down", "soft_reset", "security"])
def test_a_table_of_a_command_set_needs_its_source(tmp_path: Path, table: str) -> None:
    path = tmp_path / "mine.toml"
    bundled = resources.files("flash").joinpath("parts", "W25Q128JV.toml").read_text(encoding="utf-8")
    head, _, rest = bundled.partition(f"[serial.{table}]")
    path.write_text(
        head + f"[serial.{table}]" + re.sub(r'source = ".*"', 'source = ""', rest, count=1), encoding="utf-8"
    )
    with pytest.raises(PartError, match=rf"serial\.{table}: source is empty"):
        load_part(path)


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


def test_d21_row_takes_eight_page_writes_whichever_pages_they_go_to() -> None:
    device = FlashDevice(bundled_part("SAMD21"))
    for count in range(8):
        device.program(0x200 + 64 * (count % 2), bytes([0xFF >> count]) + b"\xff" * 63)
    assert not misuses(device)
    device.program(0x2C0, bytes(64))
    assert device.read(0x2C0, 64) == b"\xff" * 64
    assert [(m.rule, m.address) for m in misuses(device)] == [("spent-unit", 0x2C0)]
    device.program(0x300, bytes(64))
    device.erase(0x200, 256)
    device.program(0x2C0, bytes(64))
    assert device.read(0x2C0, 64) == bytes(64)
    assert len(misuses(device)) == 1


@pytest.mark.parametrize("name", ["STM32H743", "SAMD51", "MK64F12", "TMS320F28377D", "STM32G071", "STM32G474"])
def test_a_granule_with_error_correction_takes_one_program(name: str) -> None:
    device = FlashDevice(bundled_part(name))
    unit = device.geometry.unit
    device.program(0, b"\xa5" * unit)
    device.program(0, b"\xa4" * unit)
    assert device.read(0, unit) == b"\xa5" * unit
    assert [(m.rule, m.address, m.length) for m in misuses(device)] == [("spent-unit", 0, unit)]


@pytest.mark.parametrize(
    ("name", "accepts_zeros"), [("STM32G071", True), ("STM32G474", True), ("MK64F12", False), ("STM32H743", False)]
)
def test_only_some_arrays_take_zeros_over_a_programmed_granule(name: str, accepts_zeros: bool) -> None:
    device = FlashDevice(bundled_part(name))
    unit = device.geometry.unit
    device.program(0, b"\xa5" * unit)
    device.program(0, bytes(unit))
    assert device.read(0, unit) == (bytes(unit) if accepts_zeros else b"\xa5" * unit)
    assert bool(misuses(device)) == (not accepts_zeros)


@pytest.mark.parametrize(
    ("name", "address", "size", "offered"),
    [
        ("S25FL256S", 0x1F000, 4 * K, True), ("S25FL256S", 0x20000, 4 * K, False),
        ("S25FL256S", 0, 64 * K, False), ("S25FL256S", 0x20000, 64 * K, True),
        ("S25FS256S", 0x8000, 32 * K, True), ("S25FS256S", 0x10000, 32 * K, False), ("S25FS256S", 0x7000, 4 * K, True),
        ("M29W400D", 0, 16 * K, True), ("M29W400D", 0x4000, 8 * K, True), ("M29W400D", 0x6000, 8 * K, True),
        ("M29W400D", 0x8000, 32 * K, True), ("M29W400D", 0, 64 * K, False), ("M29W400D", 0x10000, 64 * K, True),
        ("TMS320F28377D", 0x10000, 64 * K, True), ("TMS320F28377D", 0x70000, 16 * K, True),
    ],
)  # fmt: skip
def test_sectors_of_mixed_arrays_lie_where_the_chip_has_them(name: str, address: int, size: int, offered: bool) -> None:
    assert bundled_part(name).geometry.is_erase(address, size) == offered


def test_suspend_of_gd25q128c_lets_nothing_be_programmed() -> None:
    serial_set = bundled_part("GD25Q128C").serial
    assert serial_set is not None
    assert serial_set.suspend is not None
    assert not serial_set.suspend.program_in_erase
