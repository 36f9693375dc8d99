"""The test firmware: right bootloaders hold wherever they are cut, and each mistake is found as its table says."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.elf import Firmware
from tests.emu.cpu.elf_bench import CHIPS, FIRMWARE, MISTAKEN, Device, elf

DESIGNS = {
    "ab": ("new", "sick", "damaged"),
    "copy": ("new", "damaged", "older"),
    "swap": ("new", "sick", "damaged", "older"),
}

NOT_A_MISTAKE = {("stm32h5", "ab", "2")}
"""Half of a record is one of two quad words there, and all that a trial needs stands in the first."""


QUICK = ("stm32f1", "stm32l4", "stm32h5")
SLOW = (pytest.mark.slow,)
FEW_CHIPS = [pytest.param(chip, marks=() if chip in QUICK else SLOW) for chip in CHIPS]
"""All of them with -m slow."""


class Mistake(NamedTuple):
    design: str
    number: str
    text: str
    staged: str
    cuts: int
    found_as: str


def mistakes() -> list[Mistake]:
    """The table of firmware/README.md."""
    rows = [line.strip("| ").split(" | ") for line in (FIRMWARE / "README.md").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row) == 6 and row[1].isdecimal()]
    return [Mistake(design, number, text, staged, int(cuts), as_) for design, number, text, staged, cuts, as_ in rows]


def test_every_bootloader_has_seven_mistakes_and_every_build_is_there() -> None:
    table = mistakes()
    assert [(each.design, each.number) for each in table] == [(d, str(n)) for d in DESIGNS for n in range(1, 8)]
    bugs = [f"bug{n}" for n in range(1, 8)]
    loaders = [f"{design}-{build}" for design in DESIGNS for build in ("right", *bugs)]
    apps = [f"app-{name}" for name in ("old-a", "older-a", "new-a", "new-b", "sick-a", "sick-b")]
    builds = {chip: loaders if chip in MISTAKEN else [f"{design}-right" for design in DESIGNS] for chip in CHIPS}
    expected = {f"{chip}-{name}.elf" for chip, made in builds.items() for name in (*made, *apps)}
    expected |= {f"{chip}-copy-bug8.elf" for chip in ("stm32l4", "stm32h5")}
    expected |= {"stm32f1-keep-bug9.elf"}
    expected |= {f"{chip}-uart-{build}.elf" for chip in ("stm32f1", "nrf52840") for build in ("right", *bugs)}
    expected |= {f"{chip}-uart-right.elf" for chip in ("stm32f4", "stm32l4")}
    expected -= {f"{chip}-{design}-bug{number}.elf" for chip, design, number in NOT_A_MISTAKE}
    beside = {"nor": 4, "eep": 5, "store": 3}
    expected |= {
        f"{chip}-{name}-{build}.elf"
        for chip in ("stm32f1", "stm32l4", "nrf52840")
        for name, count in beside.items() for build in ("right", *bugs[:count])
    }  # fmt: skip
    expected |= {f"{chip}-dma-right.elf" for chip in ("stm32f1", "stm32f4", "stm32g0", "stm32l0", "stm32l4")}
    expected |= {"large-swap-right.elf", "large-app-old-a.elf", "large-app-new-a.elf", "stm32f1-app-brief-a.elf"}
    assert {path.name for path in (FIRMWARE / "elf").iterdir()} == expected
    contents = [elf(name.removesuffix(".elf")).segments for name in expected]
    assert len(set(contents)) == len(contents)
    assert sum(path.stat().st_size for path in (FIRMWARE / "elf").iterdir()) < 1_700_000


@pytest.mark.parametrize("chip", CHIPS)
def test_images_have_their_checksum_and_the_factory_its_record(chip: str) -> None:
    for name in ("old-a", "older-a", "new-a", "new-b", "sick-a", "sick-b"):
        data = elf(f"{chip}-app-{name}").segments[0].data
        magic, version, size, crc = (int.from_bytes(data[at : at + 4], "little") for at in range(0x40, 0x50, 4))
        assert (magic, size) == (0x4D49_3142, len(data))
        assert version == {"older": 1, "old": 2}.get(name.split("-")[0], 3)
        assert crc == zlib.crc32(data[0x50:], zlib.crc32(data[:0x4C]))
    record = elf(f"{chip}-ab-right").segments[1].data
    assert zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")


@pytest.mark.parametrize("chip", CHIPS)
def test_a_store_has_its_function_and_line(chip: str) -> None:
    firmware = Firmware(FIRMWARE / "elf" / f"{chip}-copy-right.elf")
    place = firmware.place(firmware.symbol("flash_program") + 4)
    assert (place.function, place.file.endswith(f"port_{chip}.c")) == ("flash_program", True)
    lines = (FIRMWARE / "src" / f"port_{chip}.c").read_text(encoding="utf-8").splitlines()
    start = lines.index("bool flash_program(uint32_t address, const void *unit)")
    assert start < place.line <= len(lines)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("design", DESIGNS)
def test_uncut_updates(chip: str, design: str) -> None:
    for staged in DESIGNS[design]:
        life = Device(chip, f"{design}-right", staged).live()
        assert life.findings(staged, is_uncut=True) == set(), staged
        last = life.reports[-1]
        assert last.output().endswith(b"committed\r\n")
        assert list(last.unknown) == []
        tried = design != "copy" and staged == "sick"
        assert life.names == (["old", "sick", "old"] if tried else ["old", "new"] if staged == "new" else ["old"])


def made() -> list[object]:
    """Every mistake on every chip it is one on."""
    return [
        pytest.param(chip, mistake, id=f"{mistake.design}{mistake.number}-{chip}", marks=() if chip in QUICK else SLOW)
        for mistake in mistakes()
        for chip in MISTAKEN
        if (chip, mistake.design, mistake.number) not in NOT_A_MISTAKE
    ]


@pytest.mark.parametrize(("chip", "mistake"), made())
def test_a_mistake_is_found_as_declared(chip: str, mistake: Mistake) -> None:
    device = Device(chip, f"{mistake.design}-bug{mistake.number}", mistake.staged)
    uncut = device.live().findings(mistake.staged, is_uncut=True)
    if not mistake.cuts:
        assert mistake.found_as in uncut
        return
    assert uncut == set()
    assert any(mistake.found_as in found for _, found in device.cut_lives(everywhere=mistake.design == "ab"))


@pytest.mark.parametrize("chip", ["stm32l4", pytest.param("stm32h5", marks=pytest.mark.slow)])
def test_right_bytes_over_a_broken_word_are_found(chip: str) -> None:
    lives = Device(chip, "copy-bug8", "new").cut_lives(tears="T1-coarse", everywhere=False)
    assert {"broken-ecc"} in (found for _, found in lives)


def held(chip: str, design: str, staged: str, **how: object) -> int:
    """How many lives held; every one has to. The STM32L0 tells nobody of a word it could not repair."""
    count = 0
    unseen = {"broken-ecc"} if chip == "stm32l0" else set()
    for where, found in Device(chip, f"{design}-right", staged).cut_lives(**how):  # type: ignore[arg-type]
        assert found <= unseen, where
        count += 1
    return count


AB_CUTS = {
    "stm32f1": 51, "stm32f4": 27, "stm32l4": 15, "stm32h5": 9, "nrf52840": 27, "stm32g0": 15, "stm32l0": 48,
}  # fmt: skip


@pytest.mark.parametrize("staged", ["new", "sick"])
@pytest.mark.parametrize("chip", FEW_CHIPS)
def test_the_right_ab_bootloader_holds_at_every_cut(chip: str, staged: str) -> None:
    assert held(chip, "ab", staged) == AB_CUTS[chip]


@pytest.mark.parametrize("design", ["copy", "swap"])
@pytest.mark.parametrize("chip", FEW_CHIPS)
def test_the_right_bootloaders_hold_beside_every_erase(chip: str, design: str) -> None:
    assert held(chip, design, "new", everywhere=False) > 5


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS)
def test_the_right_swap_bootloader_holds_at_every_cut_on_the_way_back(chip: str) -> None:
    assert held(chip, "swap", "sick") > 300


@pytest.mark.slow
@pytest.mark.parametrize(("design", "staged"), [("ab", "new"), ("ab", "sick"), ("copy", "new"), ("swap", "new")])
@pytest.mark.parametrize("chip", CHIPS)
def test_the_right_bootloaders_hold_at_every_tear_of_tier_1(chip: str, design: str, staged: str) -> None:
    assert held(chip, design, staged, tears="T1") >= 30
