"""Boards for the test firmware, as a user would write them: one file each, in a folder of the test's.

Neighbours: `tests/emu/cpu/elf_bench` knows where everything stands; firmware/README.md what each mistake is found as.
"""

from __future__ import annotations

from pathlib import Path

from flash.images import load_image
from tests.emu.cpu.elf_bench import CHIPS, FIRMWARE, SLOT_A, SLOT_B, TAIL

ELF = FIRMWARE / "elf"
SLOT_SIZE = {
    "stm32f1": 0x800, "stm32f4": 0x2_0000, "stm32l4": 0x1000, "stm32h5": 0x4000, "nrf52840": 0x2000,
    "stm32g0": 0x1000, "stm32l0": 0x800,
}  # fmt: skip
BASE = {chip: 0 if chip == "nrf52840" else 0x0800_0000 for chip in CHIPS}
FOUND_BY = {"damaged": "accepts", "older": "accepts", "broken-ecc": "sound"}
"""Checks that are not called what the table of firmware/README.md calls them."""


def board(folder: Path, chip: str, loader: str, staged: str, *, more: str = "") -> Path:
    """A board file in ``folder`` for ``loader``, say "copy-bug1", with what is ``staged``. ``more``: tables besides."""
    design = loader.partition("-")[0]
    side = "b" if design == "ab" else "a"
    waiting = ELF / f"{chip}-app-{'new' if staged == 'damaged' else staged}-{side}.elf"
    if staged == "damaged":
        content = bytearray(load_image(waiting).flatten(fill=0xFF))
        content[TAIL[chip] + 1] ^= 4
        waiting = folder / "damaged.bin"
        waiting.write_bytes(content)
    either = ["old", "new"]
    accept = {"copy": {"new": ["new"], "brief": ["new"]}, "ab": {"new": either}, "swap": {"new": either}}
    accepted = accept[design].get(staged, ["old"])
    images = {"old": ELF / f"{chip}-app-old-a.elf", staged: waiting}
    if staged in ("sick", "brief"):
        images = {"old": images["old"], "new": waiting}
    slots = {"a": SLOT_A[chip]} if design == "copy" else {"a": SLOT_A[chip], "b": SLOT_B[chip]}
    slots = slots if design != "swap" else {"a": SLOT_A[chip]}
    lines = [f'chip = "{CHIPS[chip]}"', f'name = "{chip}-{loader}-{staged}"', f"accept = {accepted}"]
    for file in (ELF / f"{chip}-{loader}.elf", ELF / f"{chip}-app-old-a.elf"):
        lines += ["[[file]]", f'path = "{file}"']
    for name, at in slots.items():
        lines += ["[[slot]]", f'name = "{name}"', f"address = {BASE[chip] + at:#x}", f"size = {SLOT_SIZE[chip]:#x}"]
    for name, path in images.items():
        lines += ["[[image]]", f'name = "{name}"', f'path = "{path}"']
    lines += ["[[staged]]", f'path = "{waiting}"', f"address = {BASE[chip] + SLOT_B[chip]:#x}"]
    lines += ["[alive]", 'uart = "committed"', "stays_s = 0.3"]
    if design != "copy":
        lines += ["[commit]", 'uart = "committed"']
    target = folder / f"{chip}-{loader}-{staged}.toml"
    target.write_text("\n".join([*lines, more]) + "\n", encoding="utf-8")
    return target
