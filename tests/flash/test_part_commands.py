"""Every bundled serial part on its bus: its own opcodes program, erase, suspend and identify it."""

from __future__ import annotations

import pytest

from flash.device import FlashDevice
from flash.journal import Misuse, Operation
from flash.part import bundled_part, part_names
from flash.spi import SerialFlash

SERIAL = [name for name in part_names() if bundled_part(name).serial is not None]
WREN, STATUS, READ, PROGRAM, ID = b"\x06", b"\x05", b"\x03", b"\x02", b"\x9f"
BUSY = 0x01
HELD = b"powered"


def awake(name: str) -> SerialFlash:
    """The part with power good for long enough, and without protection."""
    device = FlashDevice(bundled_part(name))
    chip = SerialFlash(device)
    device.clock.advance(20_000)
    serial = device.part.serial
    assert serial is not None
    if serial.unlock_at_power_up and serial.registers == "sst26":
        chip.transfer(WREN)
        chip.transfer(b"\x98")
    return chip


def unlock(chip: SerialFlash, address: bytes) -> None:
    assert chip.device.part.serial is not None
    if chip.device.part.serial.registers == "at25df":
        chip.transfer(WREN)
        chip.transfer(b"\x39" + address)


def wait(chip: SerialFlash) -> None:
    while chip.transfer(STATUS, 1)[0] & BUSY:
        chip.device.clock.advance(5_000)


def misuses(chip: SerialFlash) -> list[str]:
    return [entry.message for entry in chip.device.journal.entries if isinstance(entry, Misuse)]


def test_there_are_serial_parts_of_every_dialect() -> None:
    dialects = {serial.family for name in SERIAL if (serial := bundled_part(name).serial) is not None}
    assert dialects == {"winbond", "gigadevice", "macronix", "issi", "micron", "spansion", "sst", "adesto"}
    assert len(SERIAL) == 24


@pytest.mark.parametrize("name", SERIAL)
def test_the_part_answers_with_its_id(name: str) -> None:
    part = bundled_part(name)
    assert part.serial is not None
    expected = bytes.fromhex(part.jedec_id + part.serial.jedec_ext)
    assert awake(name).transfer(ID, len(expected)) == expected


@pytest.mark.parametrize("name", SERIAL)
def test_every_erase_opcode_erases_what_the_part_file_says(name: str) -> None:
    chip = awake(name)
    part, geometry = chip.device.part, chip.device.part.geometry
    for erase in part.erase:
        start = next(at for at in range(0, 1 << 24, 4096) if geometry.is_erase(at, erase.size))
        last = (start + erase.size - 256).to_bytes(3, "big")
        unlock(chip, last)
        chip.transfer(WREN)
        chip.transfer(PROGRAM + last + HELD)
        wait(chip)
        assert chip.transfer(READ + last, len(HELD)) == HELD
        unlock(chip, start.to_bytes(3, "big"))
        chip.transfer(WREN)
        chip.transfer(bytes([erase.opcode]) + start.to_bytes(3, "big"))
        assert chip.transfer(STATUS, 1)[0] & BUSY
        wait(chip)
        assert chip.transfer(READ + last, len(HELD)) == b"\xff" * len(HELD)
        done = [entry for entry in chip.device.journal.entries if isinstance(entry, Operation)][-1]
        assert (done.kind, done.address, done.length) == ("erase", start, erase.size)
    assert misuses(chip) == []


@pytest.mark.parametrize("name", SERIAL)
def test_every_read_opcode_finds_what_was_programmed(name: str) -> None:
    chip = awake(name)
    assert chip.device.part.serial is not None
    unlock(chip, bytes(3))
    chip.transfer(WREN)
    chip.transfer(PROGRAM + bytes(3) + HELD)
    wait(chip)
    for read in chip.device.part.serial.reads:
        opcode, address, data = (int(lines) for lines in read.lines.split("-"))
        if (opcode, address, data) == (1, 1, 1):
            assert chip.transfer(bytes([read.opcode]) + bytes(3 + read.wait_clocks // 8), len(HELD)) == HELD
            if read.opcode_4b:
                assert chip.transfer(bytes([read.opcode_4b]) + bytes(4 + read.wait_clocks // 8), len(HELD)) == HELD
    assert misuses(chip) == []


@pytest.mark.parametrize("name", [name for name in SERIAL if bundled_part(name).serial.suspend is not None])  # type: ignore[union-attr]
def test_an_erase_stops_within_its_latency_and_ends_after_its_resume(name: str) -> None:
    chip = awake(name)
    part = chip.device.part
    assert part.serial is not None
    assert part.serial.suspend is not None
    suspend, erase = part.serial.suspend, part.erase[0]
    chip.transfer(WREN)
    chip.transfer(bytes([erase.opcode]) + bytes(3))
    chip.device.clock.advance(int(erase.time_us.typ) // 2)
    chip.transfer(bytes([suspend.erase_suspend]))
    chip.device.clock.advance(int(suspend.erase_latency_us) + 1)
    assert not chip.transfer(STATUS, 1)[0] & BUSY
    assert [entry for entry in chip.device.journal.entries if isinstance(entry, Operation)] == []
    chip.transfer(bytes([suspend.erase_resume]))
    assert chip.transfer(STATUS, 1)[0] & BUSY
    wait(chip)
    (done,) = [entry for entry in chip.device.journal.entries if isinstance(entry, Operation)]
    assert (done.kind, done.address, done.length) == ("erase", 0, erase.size)
    assert misuses(chip) == []
