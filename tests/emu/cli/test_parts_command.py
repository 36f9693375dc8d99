"""`brownout parts`: the list, one part with its sources and stand-ins, a file of one's own, JSON, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emu.board import board_names, load_board
from emu.report.columns import duration, size_text
from emu.report.parts import SCHEMA, TRUST, stand_ins
from flash.figure import Figure
from flash.part import Part, bundled_part, eeprom_names, part_names
from flash.tears import TEARS
from tests.emu.cli.command import Brownout, process

ALL = (*part_names(), *eeprom_names())

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
time_us = { typ = 700, max = 3000, source = "bench", unknown = ["max"], stand_in = "a sibling's 3 ms" }
[[erase]]
size = 4096
time_us = { typ = 45000, max = 400000, source = "bench" }
"""


@pytest.fixture
def user_part(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(USER_PART, encoding="utf-8")
    return path


def section(text: str, title: str) -> list[str]:
    """The lines under ``title``, up to the next blank one."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(title))
    return lines[start : lines.index("", start) if "" in lines[start:] else len(lines)]


# -- the list ----------------------------------------------------------------------------------------------


def test_every_bundled_part_has_one_line(brownout: Brownout) -> None:
    ran = brownout("parts")
    assert (ran.code, ran.err) == (0, "")
    rows = ran.out.split("\n\n")[0].splitlines()[1:]
    assert [row.split()[0] for row in rows] == sorted(ALL, key=str.lower)
    assert f"{len(ALL)} parts;" in ran.out


def test_a_line_says_size_erases_program_trust_and_how_much_is_borrowed(brownout: Brownout) -> None:
    rows = {line.split()[0]: line for line in brownout("parts").out.splitlines() if line}
    assert rows["GD25Q16C"].split() == [
        "GD25Q16C", "GigaDevice", "spi-nor", "2", "MiB", "4K", "32K", "64K", "1/256", "geometry-only", "11",
    ]  # fmt: skip
    assert rows["STM32F103"].split() == [
        "STM32F103", "STMicroelectronics", "stm32f1", "128", "KiB", "1K", "2/-", "recalled",
    ]  # fmt: skip
    assert rows["STM32L072"].split()[5] == "128"


def test_the_legend_explains_every_trust_in_the_list_and_no_other(brownout: Brownout) -> None:
    ran = brownout("parts", "--filter", "macronix vendor-model")
    assert f"  vendor-model  {TRUST['vendor-model']}" in ran.out
    assert TRUST["geometry-only"] not in ran.out
    assert {bundled_part(name).trust for name in ALL} <= set(TRUST) - {""}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("MICRON", {"MT25QL128ABA", "N25Q032A13"}),
        ("winbond 16MiB", {"W25Q128JV"}),
        ("parallel", {"28F128J3A", "S29GL01GS", "M29W400D"}),
        ("20ba18", {"MT25QL128ABA"}),
        ("stm32f407", {"STM32F405"}),
        ("mcu-ecc quoted", {"STM32H743"}),
    ],
)
def test_a_filter_wants_every_word_somewhere(brownout: Brownout, words: str, found: set[str]) -> None:
    rows = brownout("parts", "--filter", words).out.split("\n\n")[0].splitlines()[1:]
    assert {row.split()[0] for row in rows} == found


# -- one part ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_page_has_every_figure_source_stand_in_and_note_and_fits_100_columns(brownout: Brownout, name: str) -> None:
    ran = brownout("parts", name)
    assert (ran.code, ran.err) == (0, "")
    assert all(len(line) <= 100 for line in ran.out.splitlines())
    text, part = " ".join(ran.out.split()), bundled_part(name)
    for figure in figures(part):
        for side, value in (("typ", figure.typ), ("max", figure.max)):
            shown = duration(value) + ("*" if side in figure.unknown else "")
            assert shown in text, shown
        assert f"source: {figure.source}" in text
    for borrowed in stand_ins(part):
        assert f"* stand-in: {borrowed.named}" in text, borrowed
    for said in (part.source, part.program.source, part.read.source, part.endurance.source, *part.notes):
        assert " ".join(said.split()) in text
    if part.serial is not None:
        assert part.serial.source in text
        for opcode in {e.opcode for e in part.erase} | {r.opcode for r in part.serial.reads}:
            assert f"{opcode:02X}" in text


def test_a_borrowed_side_is_marked_and_a_known_one_is_not(brownout: Brownout) -> None:
    lines = section(brownout("parts", "W25Q80DL").out, "times and limits")
    erase = next(index for index, line in enumerate(lines) if line.strip().startswith("erase 4 KiB"))
    assert lines[erase].split() == ["erase", "4", "KiB", "45", "ms", "400", "ms*"]
    assert lines[erase + 1].strip() == "source: vendor model: 45 ms, typical"
    assert lines[erase + 2].strip() == "* stand-in: W25Q128JV (same family): 400 ms"


def test_a_part_is_found_by_another_name_and_any_case(brownout: Brownout) -> None:
    assert brownout("parts", "stm32f407").out == brownout("parts", "STM32F405").out
    assert "also       STM32F407, STM32F405/407" in brownout("parts", "stm32f405").out.splitlines()


def test_commands_of_a_serial_part(brownout: Brownout) -> None:
    lines = section(brownout("parts", "S25FL256S").out, "commands (hex)")
    assert "  read 1-4-4      EB, 4-byte EC       2 mode clocks, 4 wait clocks" in lines
    assert "  erase 64 KiB    D8, 4-byte DC" in lines
    assert "  erase the chip  60 or C7" in lines
    assert "  suspend program 85, resume 8A; stops within 40 us, not again for 100 us after a resume *" in lines
    assert "  4-byte address  no mode to enter; bank register 17-16" in lines
    text = " ".join(" ".join(section(brownout("parts", "GD25Q128C").out, "commands (hex)")).split())
    assert "nothing can be programmed while an erase is suspended" in text
    assert "one-time areas 3 of 512 B" in text
    assert "everything is write-protected" in brownout("parts", "AT25DF041A").out
    assert "D0: whether an erase ran to its end, 100 us" in brownout("parts", "S25FS256S").out


def test_a_part_without_commands_has_no_such_section(brownout: Brownout) -> None:
    assert "commands (hex)" not in brownout("parts", "nRF52840").out


def test_rules_of_a_microcontrollers_array(brownout: Brownout) -> None:
    text = " ".join(brownout("parts", "SAMD21").out.split())
    assert "each 256 bytes: 8 programs between two erases" in text
    text = " ".join(brownout("parts", "STM32L476").out.split())
    assert "each unit: 1 program between two erases" in text
    assert "reading a broken unit raises NMI" in text
    assert "two wrong bits in a blank unit are not detected" in text
    assert "is a bus fault" in brownout("parts", "STM32H743").out
    assert "sets a flag" in brownout("parts", "SAMD51").out


def test_tears_are_those_of_the_kind_with_physics_and_source(brownout: Brownout) -> None:
    for name in ("STM32F103", "STM32L476", "W25Q128JV", "28F128J3A", "nRF52840", "24LC256"):
        part, out = bundled_part(name), brownout("parts", name).out
        text = " ".join(out.split())
        for row in TEARS:
            applies = part.kind in row.kinds and (
                row.of != "write" or part.serial is not None or part.two_wire is not None
            )
            assert (f"{row.name} {row.of}: {' '.join(row.physics.split())} source: {row.source}" in text) == applies
        for tier in {row.tier for row in TEARS if part.kind in row.kinds}:
            assert f"  tier {tier}" in out


def test_boards_that_carry_a_part_are_named(brownout: Brownout) -> None:
    carrying = [n for n in board_names() if any(p.name == "W25Q128JV" for p in load_board(n).parts.values())]
    assert len(carrying) > 1
    text = " ".join(brownout("parts", "W25Q128JV").out.split())
    assert text.endswith(f"boards {', '.join(carrying)}")
    assert brownout("parts", "M29W400D").out.rstrip().endswith("boards     none of the bundled ones")


# -- a file of one's own -----------------------------------------------------------------------------------


def test_a_users_own_file_is_explained(brownout: Brownout, user_part: Path) -> None:
    ran = brownout("parts", "--file", user_part)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Mine: 128 KiB, Nobody\n")
    assert "* stand-in: a sibling's 3 ms" in ran.out
    assert "trust      -: not said" in ran.out.splitlines()


def test_a_serial_part_without_a_command_set_has_no_register_to_tear(brownout: Brownout, user_part: Path) -> None:
    (entry,) = json.loads(brownout("parts", "--file", user_part, "--json", "-").out)["parts"]
    assert {row["of"] for row in entry["tears"]} == {"program", "erase"}
    (entry,) = json.loads(brownout("parts", "W25Q80DL", "--json", "-").out)["parts"]
    assert {row["of"] for row in entry["tears"]} == {"program", "erase", "write"}


def test_a_users_own_file_with_a_bundled_name_is_on_no_board(brownout: Brownout, user_part: Path) -> None:
    user_part.write_text(USER_PART.replace('"Mine"', '"W25Q128JV"'), encoding="utf-8")
    assert "none of the bundled ones" in brownout("parts", "--file", user_part).out
    found = json.loads(brownout("parts", "--file", user_part, "--json", "-").out)
    assert found["parts"][0]["boards"] == []


def test_a_wrong_file_is_refused_with_its_reason(brownout: Brownout, user_part: Path) -> None:
    user_part.write_text(USER_PART.replace("vendor =", "vendr ="), encoding="utf-8")
    assert brownout.refused("parts", "--file", user_part) == (
        f"{user_part}: unknown field `vendr` (did you mean `vendor`?)"
    )


# -- JSON --------------------------------------------------------------------------------------------------


def test_json_has_the_part_as_its_file_has_it_and_what_applies_to_it(brownout: Brownout) -> None:
    ran = brownout("parts", "w25q80dl", "--json", "-")
    found = json.loads(ran.out)
    assert found["schema"] == SCHEMA == "brownout/parts/1"
    (entry,) = found["parts"]
    assert (entry["name"], entry["trust"], entry["erase_sizes"]) == ("W25Q80DL", "vendor-model", [4096, 32768, 65536])
    assert entry["file"]["program"]["time_us"]["typ"] == 800
    assert entry["file"]["serial"]["suspend"]["erase_suspend"] == 0x75
    assert {"where": "program.time_us", "sides": ["max"], "stand_in": "W25Q128JV (same family): 3 ms"} in entry[
        "stand_ins"
    ]
    assert {"where": "endurance", "sides": []}.items() <= next(
        item for item in entry["stand_ins"] if item["where"] == "endurance"
    ).items()
    assert len(entry["stand_ins"]) == len(stand_ins(bundled_part("W25Q80DL")))
    assert {"name", "tier", "of", "physics", "source"} == set(entry["tears"][0])
    assert entry["boards"] == []


def test_json_of_the_list_has_the_same_entries(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "parts.json"
    ran = brownout("parts", "--filter", "winbond", "--json", target)
    assert "W25Q80DL" in ran.out
    found = json.loads(target.read_text(encoding="utf-8"))["parts"]
    one = json.loads(brownout("parts", "W25Q80DL", "--json", "-").out)["parts"][0]
    assert one in found
    assert all(entry["file"]["vendor"] == "Winbond" for entry in found)


# -- refusals ----------------------------------------------------------------------------------------------


def test_an_unknown_name_says_the_nearest(brownout: Brownout) -> None:
    assert brownout.refused("parts", "STM32L467") == "no part named 'STM32L467' (did you mean `STM32L476`?)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("W25Q80DL", "--filter", "x"), "NAME, --filter, --file and --from-sfdp each choose parts; give one"),
        (("mine.toml",), "mine.toml: a part file is given with --file"),
        (("--file", "/nowhere/mine.toml"), "/nowhere/mine.toml: cannot be read: No such file or directory"),
        (("--filter", "zilog"), "--filter 'zilog': no part has it; `brownout parts` lists all"),
        (("--json", "/nowhere/parts.json"), "/nowhere/parts.json: there is no folder /nowhere"),
    ],
)
def test_a_wrong_call_is_one_line(brownout: Brownout, arguments: tuple[str, ...], message: str) -> None:
    assert brownout.refused("parts", *arguments).startswith(message)


def test_the_command_is_in_the_group_and_has_help() -> None:
    ran = process("parts", "--help")
    assert ran.code == 0
    for option in ("--filter", "--file", "--json"):
        assert option in ran.out


# -- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (3, "3 us"),
        (52.5, "52.5 us"),
        (999, "999 us"),
        (1000, "1 ms"),
        (87510, "87.51 ms"),
        (2e6, "2 s"),
        (1.152e9, "1152 s"),
    ],
)
def test_durations_have_the_unit_a_person_would_choose(microseconds: float, text: str) -> None:
    assert duration(microseconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(128, "128 B"), (1024, "1 KiB"), (65536, "64 KiB"), (1 << 27, "128 MiB"), (1500, "1500 B")]
)
def test_sizes_are_said_in_whole_units(size: int, text: str) -> None:
    assert size_text(size) == text


def figures(part: Part) -> list[Figure]:
    """Every duration the page must show."""
    found = [part.program.time_us, *(erase.time_us for erase in part.erase)]
    found += [f for f in (part.program.first_byte_us, part.program.next_byte_us) if f is not None]
    if part.serial is not None:
        found += [part.serial.chip_erase.time_us, part.serial.register_write_us]
    return found
