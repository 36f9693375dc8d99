"""A session that ends in the handler of NMI says what has led there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig

GRANULE = 0x4010
READS = [0x4B03, 0x6858, 0xE7FE]
"""Of the granule that the word at 0x50 is the address of, the second word; then an empty loop."""
ASKS = [0x4B03, 0x6858, 0xE7FF, 0x4A03, 0x4C03, 0x6022, 0xE7FE]
"""The same; in the next block NMIPENDSET, from the words at 0x54."""
WORDS = (0x0800_0000 + GRANULE, 1 << 31, 0xE000_ED04)
STAYS, FAULTS, RETURNS = [0xE7FE], [0xDE00], [0x4770]
"""A handler that is an empty loop, an undefined instruction, a return."""
ONCE = [0x3701, 0x2F01, 0xD100, 0x4770, 0xE7FE]
"""One that counts in r7, returns once, and then stays."""


def outcome(folder: Path, code: list[int], handler: list[int], *, broken: bool = True) -> str:
    """``code`` at 0x40 and ``handler`` at 0x100, with the granule broken or whole."""
    raw = bytearray(b"\xff" * 0x120)
    raw[0:4], raw[4:8] = (0x2000_3000).to_bytes(4, "little"), (0x0800_0041).to_bytes(4, "little")
    raw[8:12] = (0x0800_0101).to_bytes(4, "little")
    for at, halves in ((0x40, code), (0x100, handler)):
        raw[at : at + 2 * len(halves)] = b"".join(half.to_bytes(2, "little") for half in halves)
    raw[0x50 : 0x50 + 4 * len(WORDS)] = b"".join(word.to_bytes(4, "little") for word in WORDS)
    (folder / "code.bin").write_bytes(raw)
    board = folder / "board.toml"
    board.write_text(
        'chip = "STM32L476xG"\n[[file]]\npath = "code.bin"\naddress = 0x0800_0000\n[alive]\nuart = "x"\n'
        '[storage]\nstoring = "w {key} {value}"\nread = "r {key} {value}"\n[limits]\nsession_s = 0.2\n'
    )
    one = ElfRig(load_elf_board(board))
    state = one.initial(1)
    if broken:
        flash = one.machine.flash
        flash.restore(state.memory[0])
        flash.cells.mark_broken(GRANULE, 8)
        state = replace(state, memory=(flash.snapshot(), *state.memory[1:]))
    return str(one.run(state).outcome)


def test_a_granule_that_cannot_be_corrected_is_named(tmp_path: Path) -> None:
    told = outcome(tmp_path, READS, STAYS)
    assert "spins at 0x08000100 in NMI: an empty loop, and no interrupt will come" in told
    assert "; NMI: error correction cannot read 0x08004010;" in told


def test_so_it_is_where_the_handler_locks_up(tmp_path: Path) -> None:
    told = outcome(tmp_path, READS, FAULTS)
    assert "locked up at 0x08000100 in NMI: undefined at 0x8000100, in NMI; NMI: error correction cannot read" in told


def test_a_handler_that_returns_is_no_cause_of_what_follows(tmp_path: Path) -> None:
    told = outcome(tmp_path, READS, RETURNS)
    assert "spins at 0x08000044" in told
    assert "NMI" not in told


@pytest.mark.parametrize(("handler", "broken"), [(STAYS, False), (ONCE, True)])
def test_an_nmi_that_the_software_asks_for_is_its_own(tmp_path: Path, handler: list[int], broken: bool) -> None:
    """Alone, and behind one of a granule whose handler has returned."""
    told = outcome(tmp_path, ASKS, handler, broken=broken)
    assert " in NMI: " in told
    assert "error correction" not in told
