"""SPI and I2C masters by their registers, as drivers use them, with real chips at the other end."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip, chip_names
from emu.cpu.flash import make_controller
from emu.cpu.flash_lane import ACCOMPANIED
from emu.cpu.lane_code import CLOSED
from emu.cpu.machine import Machine
from emu.cpu.retained import retain, retained
from emu.cpu.wiring import MemoryEntry, buses
from emu.errors import BoardError
from flash.errors import PowerLost
from flash.journal import Interruption, Journal, Misuse, Operation
from flash.part import bundled_part
from flash.tears import tear_named

NOR, EEPROM = bundled_part("W25Q80DL"), bundled_part("24LC32A")
BUSES = {
    "STM32F103xB": ("SPI1", "PA4", "I2C1"), "STM32L476xG": ("SPI1", "PA4", "I2C1"),
    "nRF52840": ("SPIM0", "P0.17", "TWIM1"),
}  # fmt: skip
RAM = 0x2000_0000


class Bench:
    """A chip with a NOR and an EEPROM, and its peripherals by name."""

    def __init__(self, name: str) -> None:
        spi, pin, i2c = BUSES[name]
        chip = bundled_chip(name)
        memories = [MemoryEntry("nor", NOR, spi, pin), MemoryEntry("eeprom", EEPROM, i2c, address=0x50)]
        self.machine = Machine(chip, make_controller, memories=memories)
        self._at = {each.name: each.address for each in chip.peripheral}
        self.nor, self.eeprom = (self.machine.externals[number].device for number in (0, 1))
        self.nor.load(0x100, bytes(range(1, 65)))
        self.eeprom.load(0x40, bytes(range(1, 65)))
        self.begin("power")
        self.machine.clock.advance(6000)

    def begin(self, cause: str) -> None:
        self.journal = Journal()
        self.machine.reset(cause, journal=self.journal)

    def read(self, name: str, offset: int, size: int = 4) -> int:
        return self.machine.bus.read(self._at[name] + offset, size)

    def write(self, name: str, offset: int, value: int, size: int = 4) -> None:
        self.machine.bus.write(self._at[name] + offset, size, value)

    @property
    def made(self) -> list[tuple[str, str, int]]:
        return [(e.device, e.kind, e.address) for e in self.journal.entries if isinstance(e, Operation)]

    @property
    def misuses(self) -> list[str]:
        return [entry.rule for entry in self.journal.entries if isinstance(entry, Misuse)]


class OldBench(Bench):
    """STM32F103: SPI1 is on, PA4 an output that is high, I2C1 is on."""

    def __init__(self) -> None:
        super().__init__("STM32F103xB")
        self.prepare()

    def prepare(self) -> None:
        self.write("GPIOA", 0x10, 1 << 4)
        self.write("GPIOA", 0x00, 0xB4B3_4444)
        self.write("SPI1", 0x00, 1 << 9 | 1 << 8 | 1 << 6 | 1 << 2)
        self.write("I2C1", 0x1C, 40)
        self.write("I2C1", 0x00, 1)

    def frame(self, data: bytes, *, ends: bool = True) -> bytes:
        self.write("GPIOA", 0x14, 1 << 4)
        reply = bytearray()
        for byte in data:
            self.write("SPI1", 0x0C, byte)
            assert self.read("SPI1", 0x08) & 3 == 3
            reply.append(self.read("SPI1", 0x0C))
        if ends:
            self.write("GPIOA", 0x10, 1 << 4)
        return bytes(reply)

    def start(self, byte: int) -> int:
        """START and the address; SR1 after it."""
        self.write("I2C1", 0x00, self.read("I2C1", 0x00) | 1 << 8)
        assert self.read("I2C1", 0x14) & 1, "SB"
        self.write("I2C1", 0x10, byte)
        return self.read("I2C1", 0x14)

    def point_at(self, address: int) -> None:
        assert self.start(0xA0) & 2
        self.read("I2C1", 0x18)
        for byte in (address >> 8, address & 0xFF):
            self.write("I2C1", 0x10, byte)
            assert self.read("I2C1", 0x14) & 1 << 2, "BTF"


@pytest.fixture
def f1() -> OldBench:
    return OldBench()


@pytest.fixture
def l4() -> Bench:
    bench = Bench("STM32L476xG")
    bench.write("GPIOA", 0x18, 1 << 4)
    bench.write("GPIOA", 0x00, 0xABFF_A9FF)
    bench.write("SPI1", 0x04, 1 << 12 | 7 << 8)
    bench.write("SPI1", 0x00, 1 << 9 | 1 << 8 | 1 << 6 | 1 << 2)
    bench.write("I2C1", 0x10, 0xE14)
    bench.write("I2C1", 0x00, 1)
    return bench


@pytest.fixture
def nrf() -> Bench:
    bench = Bench("nRF52840")
    bench.write("P0", 0x008, 1 << 17)
    bench.write("P0", 0x018, 1 << 17)
    bench.write("SPIM0_TWIM0", 0x524, 0x8000_0000)
    bench.write("SPIM0_TWIM0", 0x500, 7)
    bench.write("SPIM1_TWIM1", 0x588, 0x50)
    bench.write("SPIM1_TWIM1", 0x500, 6)
    return bench


# -- the old SPI ---------------------------------------------------------------------------------------


def test_frames_reach_the_chip_and_its_bytes_come_back(f1: OldBench) -> None:
    assert f1.frame(b"\x9f\0\0\0") == b"\xff\xef\x40\x14"
    assert f1.frame(b"\x03\0\x01\0" + bytes(4))[4:] == b"\x01\x02\x03\x04"


def test_only_a_pin_that_is_an_output_selects(f1: OldBench) -> None:
    f1.write("GPIOA", 0x00, 0xB4B4_4444)  # an input
    assert f1.frame(b"\x9f\0\0\0") == b"\xff" * 4
    f1.write("GPIOA", 0x00, 0xB4BB_4444)  # another peripheral's
    assert f1.frame(b"\x9f\0\0\0") == b"\xff" * 4


def test_a_byte_that_nobody_took_is_kept_and_the_next_one_lost(f1: OldBench) -> None:
    f1.write("GPIOA", 0x14, 1 << 4)
    for byte in b"\x9f\0\0":
        f1.write("SPI1", 0x0C, byte)
    assert f1.read("SPI1", 0x08) == 0x43, "TXE, RXNE, OVR"
    assert f1.read("SPI1", 0x0C) == 0xFF, "the first"
    assert f1.read("SPI1", 0x08) == 0x42
    assert f1.read("SPI1", 0x08) == 0x02, "DR and then SR clears it"


def test_frames_of_16_bits_and_the_other_order(f1: OldBench) -> None:
    f1.write("SPI1", 0x00, f1.read("SPI1", 0x00) | 1 << 11)
    f1.write("GPIOA", 0x14, 1 << 4)
    f1.write("SPI1", 0x0C, 0x9F00)
    assert f1.read("SPI1", 0x0C) == 0xFFEF
    f1.write("SPI1", 0x0C, 0)
    assert f1.read("SPI1", 0x0C) == 0x4014
    f1.write("GPIOA", 0x10, 1 << 4)
    f1.write("SPI1", 0x00, 1 << 9 | 1 << 8 | 1 << 7 | 1 << 6 | 1 << 2)
    assert f1.frame(b"\xf9\0\0\0") == bytes(int(f"{byte:08b}"[::-1], 2) for byte in b"\xff\xef\x40\x14")


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (1 << 9 | 1 << 8 | 1 << 2, "SPE is not set"), (1 << 9 | 1 << 8 | 1 << 6, "it is no master"),
        (1 << 10 | 1 << 9 | 1 << 8 | 1 << 6 | 1 << 2, "reception alone is not modelled"),
        (1 << 13 | 1 << 9 | 1 << 8 | 1 << 6 | 1 << 2, "a CRC are not modelled"),
        (1 << 9 | 1 << 6 | 1 << 2, "SPE is not set"),
    ],
)  # fmt: skip
def test_what_is_not_sent_is_said(f1: OldBench, control: int, why: str) -> None:
    f1.write("SPI1", 0x00, control)
    f1.write("SPI1", 0x0C, 0x9F)
    assert len(f1.machine.notes) == 1
    assert why in f1.machine.notes[0]
    assert not f1.read("SPI1", 0x08) & 1
    if not control & 1 << 8:
        assert f1.read("SPI1", 0x08) & 1 << 5, "MODF: software says that somebody else is master"


def test_bytes_take_the_time_of_their_bits(f1: OldBench) -> None:
    before = f1.machine.clock.now_us
    f1.frame(b"\x05" + bytes(99))
    assert f1.machine.clock.now_us - before == 200, "800 bits at 4 MHz"
    f1.write("SPI1", 0x00, f1.read("SPI1", 0x00) | 7 << 3)
    f1.frame(b"\x05")
    assert f1.machine.clock.now_us - before == 200 + 256, "at 31,250 Hz"


# -- operations beside the core ------------------------------------------------------------------------


def test_an_operation_stands_in_the_journal_when_its_time_has_come(f1: OldBench) -> None:
    f1.frame(b"\x06")
    f1.frame(b"\x20\0\x10\0")
    start = f1.machine.clock.now_us
    assert f1.frame(b"\x05\0")[1] & 1
    f1.machine.clock.advance(start + 44_999 - f1.machine.clock.now_us)
    assert f1.made == []
    f1.machine.clock.advance(10_000)
    assert f1.made == [("nor", "erase", 0x1000)]
    (erase,) = f1.journal.operations()
    assert (erase.start_us, erase.end_us) == (start, start + 45_000)
    assert not f1.frame(b"\x05\0")[1] & 1
    assert f1.misuses == []


@pytest.mark.parametrize("kind", ["erase", "program"])
def test_what_ends_while_the_chip_is_at_work_itself_stands_before_that(f1: OldBench, kind: str) -> None:
    f1.point_at(0x20)
    f1.write("I2C1", 0x10, 0x55)
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    f1.machine.clock.advance(4990)
    if kind == "erase":
        f1.machine.flash.erase(0x1000, 0x400)
    else:
        f1.machine.flash.program(0x1000, b"\x12\x34")
    assert f1.made == [("eeprom", "write", 0x20), ("flash", kind, 0x1000)]
    write, own = f1.journal.operations()
    assert own.start_us < write.end_us == write.start_us + 5000 < own.end_us
    assert f1.machine.flash.cells.read(0x1000, 2) == (b"\xff\xff" if kind == "erase" else b"\x12\x34")
    assert f1.misuses == []


@pytest.mark.parametrize("kind", ["erase", "program"])
def test_a_cut_planned_inside_the_one_that_ends_first_tears_that_one(f1: OldBench, kind: str) -> None:
    f1.journal.interruption = Interruption(0, tear=tear_named("rewritten-1"))
    f1.journal.interrupt_at = 0
    f1.machine.flash.load(0x1000, b"\x12\x34" if kind == "erase" else b"\xff\xff")
    f1.point_at(0x20)
    for byte in b"\x55\xaa":
        f1.write("I2C1", 0x10, byte)
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    f1.machine.clock.advance(4990)
    with pytest.raises(PowerLost):
        if kind == "erase":
            f1.machine.flash.erase(0x1000, 0x400)
        else:
            f1.machine.flash.program(0x1000, b"\x12\x34")
    assert f1.eeprom.cells.read(0x20, 2) == b"\x55\xff"
    assert f1.machine.flash.cells.read(0x1000, 2) == (b"\x12\x34" if kind == "erase" else b"\xff\xff")


def test_machine_code_makes_no_entries_while_the_order_of_two_is_open(f1: OldBench) -> None:
    lane = f1.machine.lane
    if lane is None:
        pytest.skip("there is no machine code for this machine")
    closed = [lane.state[CLOSED] & ACCOMPANIED]
    f1.frame(b"\x06")
    f1.frame(b"\x20\0\x10\0")
    closed.append(lane.state[CLOSED] & ACCOMPANIED)
    f1.machine.clock.advance(45_000)
    closed.append(lane.state[CLOSED] & ACCOMPANIED)
    assert closed == [0, ACCOMPANIED, 0]


def test_a_watchdog_tears_the_chips_own_operation_and_no_other(f1: OldBench) -> None:
    from flash.errors import ResetAsserted

    f1.frame(b"\x06")
    f1.frame(b"\x20\0\x10\0")
    f1.machine.clock.set_alarm("iwdg", f1.machine.clock.now_us + 10_000)
    with pytest.raises(ResetAsserted):
        f1.machine.flash.erase(0x1000, 0x400)
    (torn,) = f1.journal.operations()
    assert (torn.device, torn.tear is not None) == ("flash", True)
    assert len(f1.nor.in_flight) == 1


def test_a_reset_of_the_processor_leaves_the_chip_as_it_was(f1: OldBench) -> None:
    f1.frame(b"\x06")
    f1.frame(b"\x20\0\x10\0")
    f1.machine.clock.advance(40_000)
    f1.frame(b"\x05", ends=False)
    state = retained(f1.machine)
    for _ in range(2):  # also on a machine that has done something else meanwhile
        f1.begin("power")
        f1.machine.clock.advance(123)
        retain(f1.machine, state)
        f1.begin("software")
        f1.prepare()
        assert f1.frame(b"\x05\0")[1] & 1
        f1.machine.clock.advance(5000)
        assert f1.made == [("nor", "erase", 0x1000)]
        assert f1.frame(b"\x9f\0\0\0") == b"\xff\xef\x40\x14", "the frame that the reset cut off is gone"


def test_power_takes_what_the_chip_holds(f1: OldBench) -> None:
    f1.frame(b"\x06")
    assert f1.frame(b"\x05\0")[1] == 2
    f1.begin("power")
    f1.prepare()
    f1.machine.clock.advance(100)
    assert f1.frame(b"\x05\0")[1] == 0
    f1.frame(b"\x06")
    f1.frame(b"\x20\0\x10\0")
    assert f1.misuses == ["before-power-up"] * 2, "nothing is written in the first 5 ms"
    assert f1.nor.in_flight == []


# -- the SPI with a FIFO -------------------------------------------------------------------------------


def test_the_fifo_takes_bytes_and_pairs(l4: Bench) -> None:
    l4.write("GPIOA", 0x28, 1 << 4)
    l4.write("SPI1", 0x0C, 0x9F, 1)
    l4.write("SPI1", 0x0C, 0x0000, 2)
    assert l4.read("SPI1", 0x08) >> 9 & 3 == 3, "three bytes"
    assert l4.read("SPI1", 0x0C, 1) == 0xFF
    assert l4.read("SPI1", 0x0C, 2) == 0x40EF
    assert not l4.read("SPI1", 0x08) & 1
    l4.write("SPI1", 0x04, 7 << 8)  # RXNE at two bytes
    l4.write("SPI1", 0x0C, 0, 1)
    assert not l4.read("SPI1", 0x08) & 1
    for _ in range(4):
        l4.write("SPI1", 0x0C, 0, 1)
    assert l4.read("SPI1", 0x08) & 0x41 == 0x41, "the fifth is lost"


def test_a_word_is_two_frames(l4: Bench) -> None:
    """The trap of this SPI: a store of 32 bits sends a zero behind the byte."""
    l4.write("GPIOA", 0x28, 1 << 4)
    l4.write("SPI1", 0x0C, 0x9F)
    assert l4.read("SPI1", 0x0C, 2) == 0xEFFF


# -- the old I2C ---------------------------------------------------------------------------------------


def test_one_byte_is_refused_and_kept_through_the_stop(f1: OldBench) -> None:
    f1.point_at(0x40)
    f1.write("I2C1", 0x00, 1)
    assert f1.start(0xA1) & 2
    f1.read("I2C1", 0x18)
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    assert f1.read("I2C1", 0x18) == 0, "the bus is free"
    assert f1.read("I2C1", 0x14) & 1 << 6, "RXNE stays until the byte is read"
    assert f1.read("I2C1", 0x10) == 1
    assert not f1.read("I2C1", 0x14) & 1 << 6


def test_two_bytes_with_pos(f1: OldBench) -> None:
    f1.point_at(0x40)
    f1.write("I2C1", 0x00, 1 | 1 << 10 | 1 << 11)
    assert f1.start(0xA1) & 2
    f1.read("I2C1", 0x18)
    f1.write("I2C1", 0x00, 1 | 1 << 11)
    while not f1.read("I2C1", 0x14) & 1 << 2:
        pass
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    assert (f1.read("I2C1", 0x10), f1.read("I2C1", 0x10)) == (1, 2)
    f1.write("I2C1", 0x00, 1)
    assert f1.start(0xA1) & 2, "the chip has let go of the wire"


@pytest.mark.parametrize("length", [3, 4, 7])
def test_more_bytes_with_btf(f1: OldBench, length: int) -> None:
    f1.point_at(0x40)
    f1.write("I2C1", 0x00, 1 | 1 << 10)
    assert f1.start(0xA1) & 2
    f1.read("I2C1", 0x18)
    got = []
    for _ in range(length - 3):
        while not f1.read("I2C1", 0x14) & 1 << 6:
            pass
        got.append(f1.read("I2C1", 0x10))
    while not f1.read("I2C1", 0x14) & 1 << 2:
        pass
    f1.write("I2C1", 0x00, 1)
    got.append(f1.read("I2C1", 0x10))
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    got.append(f1.read("I2C1", 0x10))
    assert f1.read("I2C1", 0x14) & 1 << 6
    got.append(f1.read("I2C1", 0x10))
    assert got == list(range(1, length + 1))


def test_a_busy_eeprom_sets_af(f1: OldBench) -> None:
    f1.point_at(0x20)
    f1.write("I2C1", 0x10, 0x55)
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    assert f1.start(0xA0) & (2 | 1 << 10) == 1 << 10
    f1.write("I2C1", 0x14, 0xFFFF ^ 1 << 10)
    f1.write("I2C1", 0x00, 1 | 1 << 9)
    assert f1.start(0xA2) & 1 << 10, "nobody is there"
    f1.machine.clock.advance(5000)
    assert f1.made == [("eeprom", "write", 0x20)]
    assert f1.eeprom.cells.read(0x20, 1) == b"\x55"


# -- the one with a counter ----------------------------------------------------------------------------


def test_a_write_that_ends_by_itself_and_a_read_behind_a_restart(l4: Bench) -> None:
    l4.write("I2C1", 0x04, 0xA0 | 3 << 16 | 1 << 25 | 1 << 13)
    for byte in b"\0\x41\x77":
        assert l4.read("I2C1", 0x18) & 2, "TXIS"
        l4.write("I2C1", 0x28, byte)
    assert l4.read("I2C1", 0x18) & 0x8022 == 0x20, "STOPF, not BUSY"
    l4.write("I2C1", 0x1C, 0x20)
    l4.write("I2C1", 0x04, 0xA0 | 2 << 16 | 1 << 25 | 1 << 13)
    assert l4.read("I2C1", 0x18) & 0x30 == 0x30, "NACKF: it is busy"
    l4.write("I2C1", 0x1C, 0x30)
    l4.machine.clock.advance(5000)
    l4.write("I2C1", 0x04, 0xA0 | 2 << 16 | 1 << 13)
    for byte in b"\0\x40":
        l4.write("I2C1", 0x28, byte)
    assert l4.read("I2C1", 0x18) & 0x8040 == 0x8040, "TC, BUSY"
    l4.write("I2C1", 0x04, 0xA0 | 2 << 16 | 1 << 24 | 1 << 13 | 1 << 10)
    assert [l4.read("I2C1", 0x24), l4.read("I2C1", 0x24)] == [1, 0x77]
    assert l4.read("I2C1", 0x18) & 0x80, "TCR: there is more to come"
    l4.write("I2C1", 0x04, 0xA0 | 1 << 16 | 1 << 25 | 1 << 10)
    assert l4.read("I2C1", 0x18) & 4
    assert l4.read("I2C1", 0x24) == 3
    assert l4.read("I2C1", 0x18) & 0x8024 == 0x20


# -- nRF52 ---------------------------------------------------------------------------------------------


def test_spim_moves_buffers_of_any_two_lengths(nrf: Bench) -> None:
    nrf.machine.memory.write(RAM, b"\x9f")
    for register, value in ((0x544, RAM), (0x548, 1), (0x534, RAM + 16), (0x538, 4)):
        nrf.write("SPIM0_TWIM0", register, value)
    nrf.write("P0", 0x00C, 1 << 17)
    nrf.write("SPIM0_TWIM0", 0x010, 1)
    nrf.write("P0", 0x008, 1 << 17)
    assert nrf.machine.memory.read(RAM + 16, 4) == b"\xff\xef\x40\x14"
    assert (nrf.read("SPIM0_TWIM0", 0x118), nrf.read("SPIM0_TWIM0", 0x53C), nrf.read("SPIM0_TWIM0", 0x54C)) == (1, 4, 1)
    nrf.write("SPIM0_TWIM0", 0x544, 0x1000)
    nrf.write("SPIM0_TWIM0", 0x010, 1)
    assert "TXD.PTR 0x00001000 is not in RAM" in nrf.machine.notes[0]


def test_the_legacy_spi_moves_bytes(nrf: Bench) -> None:
    nrf.write("SPIM0_TWIM0", 0x500, 1)
    nrf.write("P0", 0x00C, 1 << 17)
    got = []
    for byte in b"\x9f\0\0\0":
        nrf.write("SPIM0_TWIM0", 0x51C, byte)
        assert nrf.read("SPIM0_TWIM0", 0x108) == 1
        nrf.write("SPIM0_TWIM0", 0x108, 0)
        got.append(nrf.read("SPIM0_TWIM0", 0x518))
    assert got == [0xFF, 0xEF, 0x40, 0x14]


def test_twim_writes_reads_and_is_refused(nrf: Bench) -> None:
    box = "SPIM1_TWIM1"
    nrf.machine.memory.write(RAM, b"\0\x40")
    for register, value in ((0x544, RAM), (0x548, 2), (0x534, RAM + 16), (0x538, 3), (0x200, 1 << 7 | 1 << 12)):
        nrf.write(box, register, value)
    nrf.write(box, 0x008, 1)
    assert nrf.machine.memory.read(RAM + 16, 3) == b"\x01\x02\x03"
    assert (nrf.read(box, 0x104), nrf.read(box, 0x124)) == (1, 0)
    nrf.write(box, 0x588, 0x51)
    nrf.write(box, 0x104, 0)
    nrf.write(box, 0x008, 1)
    assert (nrf.read(box, 0x104), nrf.read(box, 0x124), nrf.read(box, 0x4C4)) == (0, 1, 2)
    nrf.write(box, 0x4C4, 7)
    nrf.write(box, 0x014, 1)
    assert (nrf.read(box, 0x104), nrf.read(box, 0x4C4)) == (1, 0)


# -- chips ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", chip_names())
def test_every_chip_has_buses_of_both_kinds(name: str) -> None:
    chip = bundled_chip(name)
    assert bool(buses(chip, serial=True)) == (name != "STM32H563xI"), "its SPI is of a third kind"
    assert buses(chip, serial=False)


def test_a_memory_on_a_bus_that_is_not_there_is_refused() -> None:
    with pytest.raises(BoardError, match="hangs on an I2C, and nRF52840 has TWIM0, TWIM1"):
        Machine(bundled_chip("nRF52840"), make_controller, memories=[MemoryEntry("e", EEPROM, "SPIM2")])
