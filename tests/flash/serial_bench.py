"""A serial chip ready for its first command, and the frames every test needs."""

from __future__ import annotations

from typing import Any

import msgspec

from flash import FlashDevice, Journal, Misuse, bundled_part, part_names
from flash.command_set import ChipErase, CommandSet, PowerUp, ProgramCommand, Qpi, ReadCommand, SoftReset, Suspend
from flash.part import Part
from flash.spi import SerialFlash
from tests.flash.small_parts import SERIAL, figure

SERIAL_PARTS = tuple(name for name in part_names() if bundled_part(name).serial is not None)
SOURCE = "made up for a test"

SMALL = msgspec.structs.replace(
    SERIAL,
    name="SMALL",
    jedec_id="EF4018",
    erase=tuple(msgspec.structs.replace(e, opcode=o) for e, o in zip(SERIAL.erase, (0x20, 0x52, 0xD8), strict=True)),
    serial=CommandSet(
        family="winbond",
        registers="winbond",
        source=SOURCE,
        reads=(
            ReadCommand("1-1-1", 0x03),
            ReadCommand("1-1-1", 0x0B, wait_clocks=8),
            ReadCommand("1-2-2", 0xBB, mode_clocks=4),
            ReadCommand("1-4-4", 0xEB, mode_clocks=2, wait_clocks=4),
        ),
        programs=(ProgramCommand("1-1-1", 0x02), ProgramCommand("1-1-4", 0x32)),
        chip_erase=ChipErase((0x60, 0xC7), figure(200_000)),
        register_write_us=figure(1000),
        power_up=PowerUp(20, 5000, SOURCE),
        soft_reset=SoftReset(30, SOURCE, spares_register_write=True),
        suspend=Suspend(0x75, 0x7A, 0x75, 0x7A, 20, 20, 32, 512, SOURCE),
        qpi=Qpi(0x38, 0xFF, SOURCE),
        quad_enable="101",
    ),
)
"""64 sectors of 64 bytes, pages of 16; an erase takes 6.4 ms, a full page 160 us; suspends, resets, QPI."""


def chip_of(part: Part | str, *, journal: Journal | None = None, strict: bool = False, **options: Any) -> SerialFlash:
    """A chip whose power-up is long past."""
    device = FlashDevice(bundled_part(part) if isinstance(part, str) else part, journal=journal, strict=strict)
    chip = SerialFlash(device, **options)
    device.clock.advance(100_000)
    return chip


def unlocked(part: Part | str, **options: Any) -> SerialFlash:
    """The same with every block open, where the part begins protected."""
    chip = chip_of(part, **options)
    if chip.serial.registers == "sst26":
        order(chip, b"\x98")
    if chip.serial.registers == "at25df":
        order(chip, b"\x01\x00")
    return chip


def with_serial(part: Part | str, **changes: Any) -> Part:
    """The part with some fields of its command set exchanged."""
    base = bundled_part(part) if isinstance(part, str) else part
    assert base.serial is not None
    return msgspec.structs.replace(base, serial=msgspec.structs.replace(base.serial, **changes))


WINBOND = with_serial("W25Q128JV", registers_as_shipped=())
"""W25Q128JV with every register bit 0 at first, however the bundled part is shipped."""


def order(chip: SerialFlash, frame: bytes) -> None:
    """Write enable, then ``frame``."""
    chip.transfer(b"\x06")
    chip.transfer(frame)


def status(chip: SerialFlash) -> int:
    return chip.transfer(b"\x05", 1)[0]


def at(chip: SerialFlash, opcode: int, address: int, data: bytes = b"") -> bytes:
    """A frame with an address of the width the chip expects."""
    wide = 4 if chip.serial.address == "4" or chip.latches.wide else 3
    return bytes([opcode]) + address.to_bytes(wide, "big") + data


def program_opcode(chip: SerialFlash) -> int:
    return next(p.opcode for p in chip.serial.programs if p.lines == "1-1-1")


def sector(chip: SerialFlash, address: int = 0) -> tuple[int, int]:
    """Opcode and size of the smallest erase at ``address``."""
    size = chip.device.geometry.sector_at(address % chip.size).size
    return next((e.opcode, e.size) for e in chip.part.erase if e.size == size)


def program(chip: SerialFlash, address: int, data: bytes) -> None:
    order(chip, at(chip, program_opcode(chip), address, data))


def erase(chip: SerialFlash, address: int) -> None:
    order(chip, at(chip, sector(chip, address)[0], address))


def finish(chip: SerialFlash) -> None:
    """Let what is under way end."""
    if chip.running is not None:
        chip.clock.advance(max(0, chip.running.end_us - chip.clock.now_us))
    chip.clock.advance(max(0, chip.latches.busy_until_us - chip.clock.now_us))
    chip.catch_up()


def content(chip: SerialFlash, address: int, length: int) -> bytes:
    return chip.device.cells.read(address, length)


def misuses(chip: SerialFlash) -> list[str]:
    """Rules on record so far."""
    return [entry.rule for entry in chip.device.journal.entries if isinstance(entry, Misuse)]
