"""Boards for the test firmware that keeps settings, as a user would write them.

Neighbours: firmware/README.md says what each mistake is found by; the oracle is that of the example.
"""

from __future__ import annotations

from pathlib import Path

from tests.emu.cpu.elf_bench import CHIPS, FIRMWARE
from tests.emu.elf.boards import BASE, ELF

STORE_CHIPS = ("stm32f1", "stm32l4", "nrf52840")
PAGE = {"stm32f1": 0x400, "stm32l4": 0x800, "nrf52840": 0x1000}
EXAMPLE = FIRMWARE.parent / "emu" / "examples" / "elf-storage"
SAYS = 'storing = "storing {key}={value}"\nstored = "stored {key}={value}"\nread = ["read {key}={value}", "no {key}"]\n'


def store_board(folder: Path, chip: str, build: str, *, says: str = SAYS, oracle: str = "", more: str = "") -> Path:
    """A board file in ``folder`` for a build, say "bug1". ``says``, ``oracle``: in [storage]; ``more``: tables."""
    first = BASE[chip] + 0x1000
    lines = [f'chip = "{CHIPS[chip]}"', f'name = "{chip}-store-{build}"']
    lines += ["[[file]]", f'path = "{ELF / f"{chip}-store-{build}.elf"}"']
    lines += ["[[window]]", 'name = "log"', f"address = {first:#x}", f"size = {2 * PAGE[chip]:#x}"]
    lines += ["[storage]", says, oracle, "[alive]", 'uart = "ready"', "stays_s = 0.05"]
    for at in (first, first + PAGE[chip]):
        crc = f"{{ from = {at:#x}, to = {at + 4:#x}, at = {at + 4:#x} }}"
        lines += ["[[counter]]", f"address = {at:#x}", f"crc32 = {crc}"]
    target = folder / f"{chip}-store-{build}.toml"
    target.write_text("\n".join([*lines, more]) + "\n", encoding="utf-8")
    return target


def with_oracle(folder: Path, chip: str) -> str:
    """The name of the example's oracle, written into ``folder`` for a chip."""
    text = (EXAMPLE / "oracle.py").read_text(encoding="utf-8")
    (folder / "oracle.py").write_text(text.replace("RECORDS = 0x800", f"RECORDS = {PAGE[chip]:#x}"))
    return "oracle.py:records"
