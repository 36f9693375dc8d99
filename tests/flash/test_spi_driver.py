"""The driver keeps the NorFlash contract by commands alone, on every serial part, from any state a host leaves."""

from __future__ import annotations

import pytest

from flash import FlashDevice, FlashError, Interruption, Journal, OutOfBounds, PowerLost, bundled_part, tear_named
from flash.spi import SerialFlash
from flash.spi.driver import SpiNorFlash
from flash.testing import PROMISES, check_nor_flash
from tests.flash.serial_bench import (
    SERIAL_PARTS,
    SMALL,
    WINBOND,
    chip_of,
    erase,
    finish,
    misuses,
    order,
    program,
    with_serial,
)

QUICK = tuple(name for name in SERIAL_PARTS if bundled_part(name).size <= 1 << 25)
LARGE = tuple(name for name in SERIAL_PARTS if bundled_part(name).size > 1 << 25)


class Rail:
    """The supply of a driver's chip; when power returns, chip and driver start anew."""

    def __init__(self, driver: SpiNorFlash) -> None:
        self._driver = driver

    @property
    def on(self) -> bool:
        return self._driver.chip.device.supply.on

    def cut(self) -> None:
        self._driver.chip.device.supply.cut()

    def restore(self) -> None:
        self._driver.chip.device.supply.restore()
        self._driver.chip.power_cycle()
        self._driver.start()


def driver_of(name: str) -> SpiNorFlash:
    """Strict: a driver that gives a wrong command stops there."""
    return SpiNorFlash(SerialFlash(FlashDevice(bundled_part(name), strict=True)), unprotect=True)


@pytest.mark.parametrize("name", QUICK)
def test_the_driver_keeps_every_promise_on(name: str) -> None:
    result = check_nor_flash(lambda: driver_of(name), power=Rail)
    assert result.checked == tuple(row.name for row in PROMISES)


@pytest.mark.parametrize("name", LARGE)
def test_the_driver_reaches_both_ends_of(name: str) -> None:
    driver = driver_of(name)
    size = driver.geometry.size
    for address in (0, (1 << 24) - 1, 1 << 24, size - 1):
        driver.program(address, bytes([address & 0x7F]))
    for address in (0, (1 << 24) - 1, 1 << 24, size - 1):
        assert driver.read(address, 1) == bytes([address & 0x7F])
    sector = driver.geometry.sector_at(size - 1)
    driver.erase(sector.address, sector.size)
    assert driver.read(size - 1, 1) == b"\xff"
    assert driver.read(1 << 24, 1) == b"\x00"


def test_misuse_of_the_driver_is_refused_before_the_bus() -> None:
    driver = driver_of("W25Q128JV")
    with pytest.raises(OutOfBounds, match="leaves the W25Q128JV"):
        driver.read(1 << 24, 1)
    with pytest.raises(FlashError, match="not one page program"):
        driver.program(0xFF, b"ab")
    with pytest.raises(FlashError, match="no erase unit"):
        driver.erase(0x800, 4096)
    with pytest.raises(FlashError, match="no erase unit"):
        driver.erase(0, 12)


# -- the states a reset of the host can leave ------------------------------------------------------------


def _erasing(chip: SerialFlash) -> None:
    erase(chip, 0x80)


def _suspended(chip: SerialFlash) -> None:
    erase(chip, 0x80)
    chip.clock.advance(3000)
    chip.transfer(b"\x75")
    chip.clock.advance(30)


def _asleep(chip: SerialFlash) -> None:
    chip.transfer(b"\xb9")


def _continuous(chip: SerialFlash) -> None:
    order(chip, b"\x31\x02")
    finish(chip)
    chip.transfer(b"\xeb\x00\x00\x00\xa5\x00\x00", 1)


def _four_lines(chip: SerialFlash) -> None:
    order(chip, b"\x31\x02")
    finish(chip)
    chip.transfer(b"\x38")


def _four_lines_and_continuous(chip: SerialFlash) -> None:
    _four_lines(chip)
    chip.transfer(b"\xeb\x00\x00\x00\xa5\x00\x00", 1, lines=4)


def _write_enabled(chip: SerialFlash) -> None:
    chip.transfer(b"\x06")


STATES = (_erasing, _suspended, _asleep, _continuous, _four_lines, _four_lines_and_continuous, _write_enabled)
SLEEPY = with_serial(SMALL, power_down=bundled_part("W25Q128JV").serial.power_down)  # type: ignore[union-attr]


@pytest.mark.parametrize("leave", STATES, ids=lambda state: state.__name__)
def test_the_driver_recovers_from_what_a_host_left(leave: object) -> None:
    chip = chip_of(SLEEPY)
    leave(chip)  # type: ignore[operator]
    driver = SpiNorFlash(chip)
    driver.program(0, b"alive")
    driver.erase(0x40, 64)
    assert driver.read(0, 5) == b"alive"
    assert [op.tear for op in chip.device.journal.operations()] == [None] * len(chip.device.journal.operations())


@pytest.mark.parametrize("leave", STATES[:6], ids=lambda state: state.__name__)
def test_a_driver_that_just_starts_fails_in_the_same_states(leave: object) -> None:
    """The canary: without the recovery of `start` the first program comes to nothing."""

    class Careless(SpiNorFlash):
        def start(self) -> None:
            self.chip.clock.advance(1)

    chip = chip_of(SLEEPY)
    leave(chip)  # type: ignore[operator]
    driver = Careless(chip)
    try:
        driver.program(0x80, b"alive")
    except FlashError:
        return
    assert driver.read(0x80, 5) != b"alive"


def test_four_byte_mode_left_by_a_host_is_ended_or_used() -> None:
    for name in ("W25Q256JV", "S25FL256S"):
        part = bundled_part(name)
        chip = chip_of(part)
        assert chip.serial.four_byte is not None
        order(chip, bytes([chip.serial.four_byte.enter]))
        driver = SpiNorFlash(chip)
        driver.program(1 << 24, b"up")
        driver.program(0, b"low")
        assert (driver.read(1 << 24, 2), driver.read(0, 3)) == (b"up", b"low")


def test_a_small_part_left_in_four_byte_mode_is_brought_back() -> None:
    chip = chip_of(with_serial(WINBOND, address="3-or-4", four_byte=bundled_part("W25Q256JV").serial.four_byte))  # type: ignore[union-attr]
    chip.transfer(b"\xb7")
    driver = SpiNorFlash(chip)
    driver.program(0x123456, b"here")
    assert chip.device.cells.read(0x123456, 4) == b"here"


# -- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["W25Q128JV", "MX25L12833F", "MT25QL128ABA", "S25FL128S", "IS25LP128"])
def test_a_program_into_a_protected_range_raises_with_the_registers(name: str) -> None:
    driver = driver_of(name)
    chip = driver.chip
    chip.device.strict = False
    order(chip, b"\x01\x1c")
    finish(chip)
    with pytest.raises(FlashError, match=r"was not carried out.*05h=0x"):
        driver.program(chip.size - 256, b"no")
    assert misuses(chip) == ["protected"]
    unprotected = SpiNorFlash(chip, unprotect=True)
    unprotected.program(chip.size - 256, b"yes")
    assert unprotected.read(chip.size - 256, 3) == b"yes"


@pytest.mark.parametrize("code", ["001", "101"])
def test_protection_by_complement_is_cleared_and_quad_enable_kept(code: str) -> None:
    chip = chip_of(with_serial(WINBOND, quad_enable=code))
    order(chip, b"\x01\x00\x42")
    finish(chip)
    driver = SpiNorFlash(chip, unprotect=True)
    driver.program(0, b"open")
    assert driver.read(0, 4) == b"open"
    assert chip.transfer(b"\x35", 1) == b"\x02"
    written = len(chip.device.journal.operations())
    SpiNorFlash(chip, unprotect=True)
    assert len(chip.device.journal.operations()) == written, "what is open is not written again"


def test_write_enable_that_is_not_taken_is_noticed() -> None:
    driver = driver_of("W25Q128JV")
    driver.chip.device.strict = False
    driver.chip.power_cycle()
    driver.chip.clock.advance(1000)
    with pytest.raises(FlashError, match="write enable was not taken, status 0x00"):
        driver.program(0, b"too early")


def test_a_chip_that_stays_busy_runs_into_the_time_out() -> None:
    driver = driver_of("W25Q128JV")
    chip = driver.chip
    chip.device.strict = False
    chip.begin("erase", 0, 4096, b"", 10**12)
    with pytest.raises(FlashError, match="write enable was not taken"):
        driver.program(0, b"x")
    with pytest.raises(FlashError, match="still busy after"):
        driver.wait(driver.chip.part.program.time_us, "program", 0, 1)


def test_another_chip_on_the_bus_is_noticed() -> None:
    chip = chip_of(WINBOND)
    chip._commands.pop(0x9F)
    with pytest.raises(FlashError, match="says it is ffffff"):
        SpiNorFlash(chip)


def test_worn_sectors_stay_within_the_time_out() -> None:
    driver = driver_of("W25Q128JV")
    driver.chip.device.cells.wear[:] = driver.chip.part.endurance.cycles
    driver.erase(0, 4096)
    driver.program(0, b"old but sound")
    assert driver.read(0, 13) == b"old but sound"


@pytest.mark.parametrize("tear", ["prefix-7", "front-32", "register-ones-1"])
def test_power_may_go_inside_any_operation_of_the_driver(tear: str) -> None:
    entry = {"prefix-7": 0, "front-32": 1, "register-ones-1": 0}[tear]
    chip = chip_of(SMALL, journal=Journal(Interruption(entry, tear=tear_named(tear))))
    driver = SpiNorFlash(chip)
    with pytest.raises(PowerLost):
        if tear.startswith("register"):
            order(chip, b"\x01\x00")
            finish(chip)
        driver.program(0, b"0123456789")
        driver.erase(0, 64)
    chip.device.supply.restore()
    chip.device.attach(chip.clock, Journal(), None)
    chip.power_cycle()
    driver.start()
    driver.erase(0, 64)
    driver.program(0, b"again")
    assert driver.read(0, 6) == b"again\xff"


def test_the_driver_sleeps_between_polls() -> None:
    driver = driver_of("W25Q128JV")
    seen: list[bytes] = []
    whole = driver.chip.transfer

    def counted(out: bytes, read: int = 0, **options: int) -> bytes:
        seen.append(out[:1])
        return whole(out, read, **options)

    driver.chip.transfer = counted  # type: ignore[method-assign]
    driver.erase(0, 4096)
    assert seen.count(b"\x05") <= 12
    program(driver.chip, 0, b"x")
