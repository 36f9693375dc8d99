"""The bundled chips: geometry, rules and names.

The tables below are typed a second time from the notes on each chip, never read from its part file. What is known of
the chips' commands and times, and what is not, is in `test_part_facts`; how the rules work is in `test_chip_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from flash.errors import PartError
from flash.figure import Figure
from flash.part import bundled_part, part_names

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
    "STM32G0B1": Expected("mcu-ecc", 512 * K, ((256, 2 * K),), (2 * K,), 8, 0, 256, "blank-or-zero", 1, base=ST),
    "STM32H563": Expected("mcu-ecc", 2 * M, ((256, 8 * K),), (8 * K,), 16, 0, 256, "and", 1, base=ST),
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
MASS, ROW = "controller.mass_erase_us", "controller.row_us"
AT_WIDTHS = tuple(f"controller.widths[{width}].erase[{index}].time_us" for width in range(2) for index in range(3))
F4_RECALLED = ("program.time_us", *(f"erase[{index}].time_us" for index in range(3)), MASS, *AT_WIDTHS)
RECALLED = {
    "STM32F103": ("program.time_us", "erase[0].time_us", MASS),
    "STM32F405": F4_RECALLED,
    "STM32F411": F4_RECALLED,
    "STM32L476": ("program.time_us", "erase[0].time_us", MASS, ROW),
    "STM32G071": ("program.time_us", "erase[0].time_us", MASS, ROW),
    "STM32G0B1": ("program.time_us", "erase[0].time_us", MASS, ROW),
    "STM32L072": ("program.time_us", "erase[0].time_us", ROW),
}


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


def test_wrong_name_mentions_the_nearest_and_case_does_not_matter() -> None:
    assert bundled_part("NRF52840").name == "nRF52840"
    with pytest.raises(PartError, match=r"no part named 'STM32L467'.*did you mean `STM32L476`"):
        bundled_part("STM32L467")
