"""Memories beside the chip from the command line: their names in `boot`, in a finding, and in its token done again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cli.command import Brownout
from tests.emu.elf.beside import beside


def test_boot_names_the_memory_of_every_operation(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("boot", str(beside(tmp_path, "stm32l4", "eep-right")))
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"1 write of eeprom \[0x20, 0x24\) by 0x\w+, send \(i2c_stm32l4\.c:\d+\)", ran.out)
    assert re.search(r"68 programs of flash \[0x8003000, 0x8003220\) by 0x\w+, flash_program", ran.out)
    assert "unknown" not in ran.out
    nor = brownout("boot", str(beside(tmp_path, "stm32l4", "nor-right")))
    assert re.search(r"1 erase of nor \[0x0, 0x1000\) by 0x\w+, nor_erase_begin \(nor\.c:\d+\)", nor.out)


def test_a_finding_names_the_memory_and_its_token_does_it_again(brownout: Brownout, tmp_path: Path) -> None:
    path = str(beside(tmp_path, "nrf52840", "eep-bug1"))
    ran = brownout("run", "--board", path, "--tears", "none", "--json", str(tmp_path / "found.json"))
    assert (ran.code, ran.err) == (1, "")
    assert re.search(r"\d+ erases?, \d+ programs, \d+ writes", ran.out)
    assert re.search(r"writes in eeprom 0x0\.\.0x8", ran.out)
    token = json.loads((tmp_path / "found.json").read_text())["findings"][0]["token"]
    again = brownout("replay", token, "--board", path)
    assert (again.code, again.err) == (1, "")
    assert "BROKEN boots: bricked" in again.out


@pytest.mark.parametrize(
    ("options", "says"), [(("--events", "reset"), "leave --events out"), (("--faults", "rest"), "leave --faults out")]
)
def test_what_a_board_with_memories_cannot_be_asked(
    brownout: Brownout, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    ran = brownout("run", "--board", str(beside(tmp_path, "nrf52840", "nor-right")), *options)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
