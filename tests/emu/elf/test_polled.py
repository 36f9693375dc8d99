"""A register that nobody has modelled, or that never changes, is reported by its address wherever it is polled: for
ever, with a timeout, and while SysTick ticks."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig

NOWHERE = 0x4001_7000
"""No peripheral of an STM32F103 stands there."""
RCC = 0x4002_1000
TICKING = [0x6062, 0x2000, 0x60A0, 0x2007, 0x6020]
"""SysTick at r4: LOAD from r2, VAL, CTRL."""
HANDLER = [0x2020, 0x0600, 0x6801, 0x3101, 0x6001, 0x4770]
"""At 0x100: it counts in the first word of RAM."""


def outcome(folder: Path, code: list[int], first: int, *words: int) -> str:
    """``code`` at 0x40, and ``words`` at ``first``."""
    raw = bytearray(b"\xff" * 0x120)
    raw[0:4], raw[4:8] = (0x2000_3000).to_bytes(4, "little"), (0x0800_0041).to_bytes(4, "little")
    raw[0x3C:0x40] = (0x0800_0101).to_bytes(4, "little")
    for at, halves in ((0x40, code), (0x100, HANDLER)):
        raw[at : at + 2 * len(halves)] = b"".join(half.to_bytes(2, "little") for half in halves)
    for number, word in enumerate(words):
        raw[first + 4 * number : first + 4 * number + 4] = word.to_bytes(4, "little")
    (folder / "code.bin").write_bytes(raw)
    board = folder / "board.toml"
    board.write_text(
        'chip = "STM32F103xB"\n[[file]]\npath = "code.bin"\naddress = 0x0800_0000\n[alive]\nuart = "x"\n'
        '[storage]\nstoring = "w {key} {value}"\nread = "r {key} {value}"\n[limits]\nsession_s = 0.2\n'
    )
    one = ElfRig(load_elf_board(board))
    return str(one.run(one.initial(1)).outcome)


def test_for_ever(tmp_path: Path) -> None:
    told = outcome(tmp_path, [0x4B03, 0x6818, 0x07C0, 0xD5FC, 0xE7FE], 0x50, NOWHERE)
    assert "it polls 0x40017000 for ever, and nothing will change it; STM32F103xB has no peripheral there" in told


def test_with_a_timeout_of_rounds_and_then_an_empty_loop(tmp_path: Path) -> None:
    """The loop counts, gives up, and ends in a handler of errors: what it waited for is said."""
    code = [0x4B03, 0x21FA, 0x6818, 0x07C0, 0xD402, 0x3901, 0xD1FA, 0xE7FE]
    told = outcome(tmp_path, code, 0x50, NOWHERE)
    assert "spins at 0x0800004e: an empty loop, and no interrupt will come" in told
    assert "; it has read 0x40017000 250 times, which is not modelled" in told


@pytest.mark.parametrize(("register", "named"), [(NOWHERE, "0x40017000"), (RCC + 0x30, "0x40021030")])
def test_while_ticks_go_on(tmp_path: Path, register: int, named: str) -> None:
    """A tick of a millisecond counts in RAM, and the loop never looks at it."""
    code = [0x4A05, 0x4C06, *TICKING, 0x4B04, 0x6818, 0x07C0, 0xD5FC, 0xE7FE]
    told = outcome(tmp_path, code, 0x58, 7_999, 0xE000_E010, register)
    assert "still runs after 0.6 s at 0x0800005" in told
    assert f": it polls {named}, and no interrupt has changed that" in told


def test_with_a_timeout_of_ticks(tmp_path: Path) -> None:
    """Until ten have gone by, as a HAL waits; then an empty loop with interrupts on."""
    code = [
        0x4A09, 0x4C0A, *TICKING, 0x4B08, 0x2520, 0x062D, 0x2600, 0x602E,
        0x6818, 0x07C0, 0xD402, 0x682E, 0x2E0A, 0xD3F9, 0xE7FE, 0xBF00,
    ]  # fmt: skip
    told = outcome(tmp_path, code, 0x68, 7_999, 0xE000_E010, NOWHERE)
    assert "; it has read 0x40017000 " in told
    assert " times, which is not modelled" in told
