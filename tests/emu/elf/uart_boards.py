"""Boards for the test firmware that is updated over its UART, as a user would write them.

Neighbours: firmware/README.md declares what each mistake is found as.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.rig import DeviceState, Run
from flash.images import load_image
from tests.emu.cpu.elf_bench import CHIPS, FIRMWARE, SLOT_A, TAIL
from tests.emu.elf.boards import BASE, ELF, SLOT_SIZE

HOST = """
from emu.elf.host import Host

class Mine(Host):
    def receives(self, data, now_us):
        return self.update if data == b"C" else b""
"""
"""A host of the user's, in a file."""

PORT = {"stm32f1": "USART1", "stm32f4": "USART1", "stm32l4": "USART1", "nrf52840": "UARTE0"}


@dataclass(frozen=True)
class Mistake:
    number: int
    text: str
    sent: str
    cuts: int
    found_as: str


def mistakes() -> list[Mistake]:
    """The table of firmware/README.md for the bootloader with a UART."""
    rows = [line.strip("| ").split(" | ") for line in (FIRMWARE / "README.md").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row) == 5 and row[0].startswith("bug ")]
    return [Mistake(int(bug.split()[1]), text, sent, int(cuts), as_) for bug, text, sent, cuts, as_ in rows]


def uart_board(
    folder: Path, chip: str = "stm32f1", build: str = "right", *, sent: str = "new", update: str = "",
    accept: str = '["old", "new", "waiting"]', more: str = "",
) -> Path:  # fmt: skip
    """A board file in ``folder``. ``update``: lines of [update] besides port and file; XMODEM where there are none."""
    old, new = ELF / f"{chip}-app-old-a.elf", ELF / f"{chip}-app-new-a.elf"
    images, file = {"old": old, "new": new}, new
    if sent == "damaged":
        content = bytearray(load_image(new).flatten(fill=0xFF))
        content[TAIL[chip] + 1] ^= 4
        images["damaged"] = file = folder / "damaged.bin"
        file.write_bytes(content)
    slot = f'[[slot]]\nname = "a"\naddress = {BASE[chip] + SLOT_A[chip]:#x}\nsize = {SLOT_SIZE[chip]:#x}'
    lines = [f'chip = "{CHIPS[chip]}"', f'name = "{chip}-{build}"', f"accept = {accept}", slot]
    lines += [f'[[file]]\npath = "{path}"' for path in (ELF / f"{chip}-uart-{build}.elf", old)]
    lines += [f'[[image]]\nname = "{name}"\npath = "{path}"' for name, path in images.items()]
    how = update or 'protocol = "xmodem"'
    lines += [f'[update]\nport = "{PORT[chip]}"\nsend = "{file}"\n{how}', '[alive]\nuart = "committed"', more]
    target = folder / f"{chip}-{build}-{sent}.toml"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def rig(folder: Path, chip: str = "stm32f1", build: str = "right", **how: str) -> ElfRig:
    return ElfRig(load_elf_board(uart_board(folder, chip, build, **how)))  # type: ignore[arg-type]


def uncut(one: ElfRig, attempts: int = 1) -> list[tuple[DeviceState, Run]]:
    """The sessions from the factory to the end."""
    state, found = one.initial(attempts), []
    while True:
        run = one.run(state)
        found.append((state, run))
        if run.outcome.kind != "reset":
            return found
        state = run.end
