"""Boards for the bootloaders that have memories beside the chip, as a user would write them.

Neighbours: `boards` has those without; firmware/README.md what each mistake is found as.
"""

from __future__ import annotations

from pathlib import Path

from flash.images import load_image
from tests.emu.cpu.elf_bench import CHIPS, SLOT_A, TAIL
from tests.emu.elf.boards import BASE, ELF, SLOT_SIZE

BUSES = {
    "stm32f1": ("SPI1", "PA4", "I2C1"),
    "stm32l4": ("SPI1", "PA4", "I2C1"),
    "nrf52840": ("SPIM0", "P0.17", "TWIM1"),
}
WAITS = 0x1000


def beside(folder: Path, chip: str, loader: str, staged: str = "new", *, more: str = "") -> Path:
    """A board file in ``folder`` for ``loader``, say "eep-bug1", with what waits in its NOR."""
    spi, pin, i2c = BUSES[chip]
    waiting = ELF / f"{chip}-app-{'new' if staged == 'damaged' else staged}-a.elf"
    if staged == "damaged":
        content = bytearray(load_image(waiting).flatten(fill=0xFF))
        content[TAIL[chip] + 1] ^= 4
        waiting = folder / "damaged.bin"
        waiting.write_bytes(content)
    old = ELF / f"{chip}-app-old-a.elf"
    lines = [f'chip = "{CHIPS[chip]}"', f'name = "{chip}-{loader}-{staged}"']
    lines += [f'accept = ["{"new" if staged == "new" else "old"}"]']
    lines += ["[[memory]]", 'name = "nor"', 'part = "W25Q80DL"', f'bus = "{spi}"', f'select = "{pin}"']
    if loader.startswith("eep"):
        lines += ["[[memory]]", 'name = "eeprom"', 'part = "24LC32A"', f'bus = "{i2c}"', "address = 0x50"]
    for file in (ELF / f"{chip}-{loader}.elf", old):
        lines += ["[[file]]", f'path = "{file}"']
    lines += ["[[slot]]", 'name = "a"', f"address = {BASE[chip] + SLOT_A[chip]:#x}", f"size = {SLOT_SIZE[chip]:#x}"]
    for name, path in {"old": old, staged: waiting}.items():
        lines += ["[[image]]", f'name = "{name}"', f'path = "{path}"']
    lines += ["[[staged]]", f'path = "{waiting}"', f"address = {WAITS:#x}", 'memory = "nor"']
    lines += ["[alive]", 'uart = "committed"', "stays_s = 0.3"]
    target = folder / f"{chip}-{loader}-{staged}.toml"
    target.write_text("\n".join([*lines, more]) + "\n", encoding="utf-8")
    return target
