"""What a ``[serial]`` table must agree with: its own opcodes, the part, the fields of SFDP."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from flash.device import FlashDevice
from flash.errors import PartError
from flash.part import load_part, part_from_text
from flash.sfdp import decode, table

SOURCE = resources.files("flash").joinpath("parts", "W25Q128JV.toml").read_text(encoding="utf-8")
QUAD = '  { lines = "1-4-4", opcode = 0xEB, mode_clocks = 2, wait_clocks = 4 },\n'
LAST_DUMPED = '["leave_four_byte", 0x3E0], ["enter_four_byte", 0x80],'


def changed(old: str, new: str) -> str:
    assert SOURCE.count(old) == 1
    return SOURCE.replace(old, new)


def with_reads(*entries: str) -> str:
    return changed(QUAD, QUAD + "".join(f"  {{ {entry} }},\n" for entry in entries))


def refusal(text: str) -> str:
    with pytest.raises(PartError) as refused:
        part_from_text(text, "mine.toml")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_reads_whose_opcode_takes_two_or_four_lines_share_opcodes_with_the_others() -> None:
    text = with_reads(
        'lines = "4-4-4", opcode = 0xEB, mode_clocks = 2', 'lines = "2-2-2", opcode = 0xBB, wait_clocks = 8'
    )
    for field in ("waits", "mode", "opcode"):
        for mode in ("222", "444"):
            entry = next(part for part in text.split("[") if part.startswith(f'"read_{mode}_{field}"'))
            text = text.replace("[" + entry, "")
    text = text.replace('["read_444", 1],', "")
    reads = decode(table(part_from_text(text, "mine.toml"))).reads
    found = {read.lines: (read.opcode, read.mode_clocks, read.wait_clocks) for read in reads}
    assert (found["1-4-4"], found["4-4-4"]) == ((0xEB, 2, 4), (0xEB, 2, 0))
    assert (found["1-2-2"], found["2-2-2"]) == ((0xBB, 2, 2), (0xBB, 0, 8))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (('lines = "1-1-4", opcode = 0xEB',), "serial: opcode 0xeb is both read 1-4-4 and read 1-1-4"),
        (('lines = "1-1-1", opcode = 0x02',), "serial: opcode 0x02 is both read 1-1-1 and program 1-1-1"),
        (
            ('lines = "1-1-1", opcode = 0x13', 'lines = "1-1-4", opcode = 0x6C, opcode_4b = 0x13'),
            "serial: opcode 0x13 is both read 1-1-1 and read 1-1-4",
        ),
    ],
)
def test_one_opcode_on_one_line_is_one_command(entries: tuple[str, ...], message: str) -> None:
    assert refusal(with_reads(*entries)) == f"mine.toml: {message}"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('["leave_044_", 1]', "leave_044_: no such field (did you mean `leave_044`?)"),
        ('["frequency", 1]', "frequency: no such field"),
        ('["status_1_volatility", 0x80]', "status_1_volatility: 0x80 is more than its 7 bits hold"),
    ],
)
def test_a_wrong_name_in_as_dumped_is_refused_when_the_part_is_loaded(tmp_path: Path, entry: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(changed(LAST_DUMPED, LAST_DUMPED + f" {entry},"), encoding="utf-8")
    with pytest.raises(PartError) as refused:
        load_part(file)
    assert str(refused.value).startswith(f"{file}: serial.sfdp.as_dumped[")
    assert message in str(refused.value)


def test_an_order_of_erases_names_each_size_once() -> None:
    text = changed('units = "coarsest"\n', 'units = "coarsest"\nerase_order = [4096, 65536, 32768]\n')
    kinds = decode(table(part_from_text(text, "mine.toml"))).erases
    assert [(kind.number, kind.size, kind.opcode) for kind in kinds] == [
        (1, 4096, 0x20), (2, 65536, 0xD8), (3, 32768, 0x52),
    ]  # fmt: skip
    for wrong in ("[4096, 65536]", "[4096, 65536, 65536]", "[4096, 65536, 8192]"):
        said = refusal(text.replace("[4096, 65536, 32768]", wrong))
        assert said.endswith("serial.sfdp.erase_order must name each [[erase]] size once: [4096, 32768, 65536]")


def test_a_confirmed_read_counts_its_first_wait_as_a_mode_clock_and_lets_nothing_go_on() -> None:
    text = changed('units = "coarsest"\n', 'units = "coarsest"\nconfirmed_reads = ["1-1-4"]\n')
    part = part_from_text(text, "mine.toml")
    (read,) = (read for read in decode(table(part)).reads if read.lines == "1-1-4")
    assert (read.mode_clocks, read.wait_clocks) == (1, 7)
    assert part.serial is not None
    assert next(r for r in part.serial.reads if r.lines == "1-1-4").mode_clocks == 0
    assert FlashDevice(part).geometry.size == part.size


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        ("opcode = 0x20\n", "opcode = 0x02\n", "0x02 is both program 1-1-1 and erase 0x02"),
        ("opcode = 0x20\n", "opcode = 0x06\n", "0x06 is both erase 0x06 and write enable"),
        ("opcodes = [0x60, 0xC7]", "opcodes = [0x60, 0x52]", "0x52 is both erase 0x52 and chip erase"),
    ],
)
def test_an_erase_has_an_opcode_of_its_own(old: str, new: str, both: str) -> None:
    assert both in refusal(changed(old, new))
