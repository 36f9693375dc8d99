"""A chip for tests: any core in front of 128 KiB of flash with the plainest controller there can be."""

from __future__ import annotations

from pathlib import Path

from emu.cpu.chip import Chip, chip_from_text
from emu.cpu.contract import StoreOutcome, World
from emu.cpu.elf import Firmware
from emu.cpu.machine import Machine
from emu.cpu.session import CpuSession, SessionReport
from flash.device import FlashDevice

PROGRAMS = Path(__file__).with_name("programs")
TRACE, RESULTS = 0x2000_0000, 0x2000_0100
SECOND_US = 1_000_000

_CHIP = """
name = "test chip"
core = "{core}"
clock_hz = {hz}
interrupts = 43
priority_bits = {bits}
boot = 0x08000000
bit_band = true
words = [[0x1FFFF7E0, 128]]
unique_id = [0x1FFFF7E8, 0x1FFFF7EC, 0x1FFFF7F0]

[flash]
part = "STM32F103"
address = 0x08000000
controller = "plain"
registers = 0x40022000
aliases = [0]

[[ram]]
name = "SRAM"
address = 0x20000000
size = 0x5000
{more}
"""


class PlainFlash:
    """Register 0: 1 while stores program half-words, 2 while they are bus errors; a store to register 4 erases the
    sector there."""

    def __init__(self, world: World, main: FlashDevice) -> None:
        self.world = world
        self.main = main
        self.reset()

    def reset(self) -> None:
        self.mode = 0

    def read(self, offset: int, size: int) -> int:
        return self.mode if offset == 0 else 0

    def write(self, offset: int, size: int, value: int) -> None:
        if offset == 0:
            self.mode = value
        elif offset == 4:
            self.main.erase(value - 0x0800_0000, 1024)

    def store(self, address: int, size: int, value: int) -> StoreOutcome:
        if self.mode == 2:
            return "bus-fault"
        if self.mode == 1 and size == 2:
            self.main.program(address - 0x0800_0000, value.to_bytes(2, "little"))
        else:
            self.world.note(f"a store of {size} bytes to {address:#x} in mode {self.mode}")
        return "done"


def make_controller(name: str, world: World, main: FlashDevice) -> PlainFlash:
    assert name == "plain"
    return PlainFlash(world, main)


def chip(core: str = "cortex-m3", *, more: str = "", hz: int = 8_000_000) -> Chip:
    bits = 2 if core.startswith("cortex-m0") else 4
    return chip_from_text(_CHIP.format(core=core, bits=bits, more=more, hz=hz), "test chip")


def session(core: str = "cortex-m3", *, more: str = "", hz: int = 8_000_000, native: bool = True) -> CpuSession:
    return CpuSession(Machine(chip(core, more=more, hz=hz), make_controller, native=native))


def program(name: str) -> Firmware:
    return Firmware(PROGRAMS / f"{name}.elf")


def run(one: CpuSession, name: str, *, choice: int | None = None, limit_us: int = SECOND_US) -> SessionReport:
    """Load a program and run it from power-on; ``choice`` becomes its word of that name."""
    firmware = program(name)
    one.load([firmware])
    if choice is not None:
        at = firmware.symbol("choice") - 0x0800_0000
        one.machine.flash.cells.put_bytes(at, choice.to_bytes(4, "little"))
    return one.run("power", limit_us)


def trace(one: CpuSession, length: int) -> list[int]:
    return list(one.machine.memory.read(TRACE, length))


def words(one: CpuSession, count: int, address: int = RESULTS) -> list[int]:
    return [one.machine.memory.word(address + 4 * index) for index in range(count)]
