"""DMA of STM32 for serial ports: firmware that does nothing else, and the rules of the registers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.elf import Firmware
from emu.cpu.faces import Receives
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.session import CpuSession, SessionReport
from tests.emu.cpu.elf_bench import CHIPS, FIRMWARE
from tests.emu.cpu.test_peripherals import Bench

ELFS = ("stm32f1", "stm32f4", "stm32l4", "stm32g0", "stm32l0")
SENT = b"dma is ready\r\n"
RAM = 0x2000_0000
ISR, IFCR, CR3, DR = 0x00, 0x04, 0x14, 0x04
TX, RX = 0x08 + 20 * 3, 0x08 + 20 * 4
END, HALF, ERROR = 2, 4, 8
PORT = 0x4001_3800


def lived(chip: str, said: bytes = b"") -> SessionReport:
    """``said`` to the device, a byte every millisecond from 10 ms on."""
    session = CpuSession(Machine(bundled_chip(CHIPS[chip]), make_controller))
    machine = session.machine
    session.load([Firmware(FIRMWARE / "elf" / f"{chip}-dma-right.elf")])
    port = machine.peripherals["USART1"]
    assert isinstance(port, Receives)

    def arrives(byte: int) -> None:
        assert port.arrives(byte) == ""

    def begin() -> None:
        for number, byte in enumerate(said):
            machine.world.at(f"byte {number}", 10_000 + 1000 * number, partial(arrives, byte))

    machine.on_reset = begin
    return session.run("power", 200_000)


@pytest.mark.parametrize("chip", ELFS)
def test_firmware_that_does_it_all_by_dma(chip: str) -> None:
    """From flash; in a circle into RAM, half by half; from RAM. It sleeps whenever nothing has come."""
    report = lived(chip, b"abcdefghijklmnopqrstuvw")
    assert report.output("USART1") == SENT + b"abcdefghijklmnopqrst", "the half that is not full is not sent back"
    assert (report.ending.kind, report.unknown, report.notes) == ("asleep", (), ())


@pytest.mark.parametrize("chip", ELFS)
def test_a_request_that_is_none_of_a_channel_moves_nothing_and_is_listed(chip: str) -> None:
    """With the other channel's request, or on the other channel: as on the chip, where the port never asks."""
    machine = Bench(CHIPS[chip])
    name, at = ("DMA2", 0x10 + 0x18 * 6) if chip == "stm32f4" else ("DMA1", 0x08)
    cr1, cr3 = (0x0C, 0x14) if chip in ("stm32f1", "stm32f4") else (0x00, 0x08)
    machine.write("USART1", cr1, 0x200C if chip in ("stm32f1", "stm32f4") else 0xD)
    machine.write("USART1", cr3, 1 << 7)
    machine.write(name, at + 4, 3)
    machine.write(name, at, 1 << 6 | 1 if chip == "stm32f4" else 1 << 4 | 1)
    assert machine.read(name, at + 4) == 3
    assert [(each.peripheral, each.offset, each.writes) for each in machine.machine.unknown] == [(name, at, 1)]


@pytest.fixture
def f1() -> Bench:
    bench = Bench("STM32F103xB")
    bench.write("USART1", 0x0C, 0x200C)
    return bench


def put(bench: Bench, data: bytes) -> None:
    bench.machine.memory.write(RAM, data)


def sends(bench: Bench, length: int, control: int, *, data: int = PORT + DR, memory: int = RAM) -> None:
    for at, value in ((4, length), (8, data), (12, memory), (0, control)):
        bench.write("DMA1", TX + at, value)


def said(bench: Bench) -> bytes:
    return b"".join(data for _, _, data in bench.machine.sent)


@pytest.mark.parametrize("asks_first", [False, True])
def test_it_begins_when_both_sides_are_on(f1: Bench, asks_first: bool) -> None:
    put(f1, b"hello")
    steps: list[Callable[[], None]] = [lambda: f1.write("USART1", CR3, 1 << 7), lambda: sends(f1, 5, 0x91)]
    for step in steps if asks_first else reversed(steps):
        assert said(f1) == b""
        step()
    assert said(f1) == b"hello"
    assert f1.read("DMA1", TX + 4) == 0
    assert f1.read("DMA1", ISR) >> 12 == 1 | END | HALF
    f1.write("DMA1", IFCR, HALF << 12)
    assert f1.read("DMA1", ISR) >> 12 == 1 | END
    f1.write("DMA1", IFCR, 1 << 12)
    assert f1.read("DMA1", ISR) == 0
    f1.write("DMA1", TX, 0x91)
    assert said(f1) == b"hello", "the count is 0 until it is written anew, with the channel off"
    f1.write("DMA1", TX + 4, 9)
    assert f1.read("DMA1", TX + 4) == 0, "read-only while the channel is on"


def test_without_increment_it_is_one_byte_again_and_again(f1: Bench) -> None:
    put(f1, b"xyz")
    f1.write("USART1", CR3, 1 << 7)
    sends(f1, 3, 0x11)
    assert said(f1) == b"xxx"


def test_words_of_memory_are_cut_to_bytes(f1: Bench) -> None:
    put(f1, b"a---b---c---")
    f1.write("USART1", CR3, 1 << 7)
    sends(f1, 3, 0x891)
    assert said(f1) == b"abc"


def test_memory_that_is_not_there_is_a_transfer_error(f1: Bench) -> None:
    f1.write("USART1", CR3, 1 << 7)
    sends(f1, 3, 0x91, memory=0x6000_0000)
    assert (said(f1), f1.read("DMA1", ISR) >> 12, f1.read("DMA1", TX) & 1) == (b"", 1 | ERROR, 0)


def test_an_address_that_is_not_the_ports_is_told(f1: Bench) -> None:
    f1.write("USART1", CR3, 1 << 7)
    sends(f1, 3, 0x91, data=PORT)
    assert said(f1) == b""
    assert f1.machine.notes == [
        "DMA1: channel 4 is asked by USART1, and 0x40013800 is not its data register: nothing is moved"
    ]


def test_a_circle_that_sends_is_told_and_ends(f1: Bench) -> None:
    put(f1, b"on")
    f1.write("USART1", CR3, 1 << 7)
    sends(f1, 2, 0xB1)
    assert said(f1) == b"on"
    assert f1.machine.notes == ["DMA1: channel 4 sends in a circle, which is not modelled: it is switched off"]


def test_what_comes_is_taken_byte_by_byte_and_the_circle_begins_anew(f1: Bench) -> None:
    port = f1.machine.peripherals["USART1"]
    assert isinstance(port, Receives)
    f1.write("USART1", CR3, 1 << 6)
    f1.write("USART1", 0x0C, 0x200C | 1 << 5)
    for at, value in ((4, 4), (8, PORT + DR), (12, RAM), (0, 0xA1)):
        f1.write("DMA1", RX + at, value)
    seen = []
    for byte in b"123456":
        assert port.arrives(byte) == ""
        seen.append((f1.read("DMA1", RX + 4), f1.read("DMA1", ISR) >> 16))
    assert seen == [(3, 0), (2, 5), (1, 5), (4, 7), (3, 7), (2, 7)]
    assert f1.machine.memory.read(RAM, 4) == b"5634"
    assert f1.read("USART1", 0) & 1 << 5 == 0, "nothing is left to be read"
    assert not f1.pending(37), "nobody is interrupted for it"


def test_a_copy_from_memory_to_memory() -> None:
    for chip, name, at, control in (("STM32F103xB", "DMA1", 0x08, 0x40C1), ("STM32F405xG", "DMA2", 0x10, 0x681)):
        bench = Bench(chip)
        bench.machine.memory.write(RAM, b"from here")
        for offset, value in ((4, 9), (8, RAM), (12, RAM + 0x40), (0, control)):
            bench.write(name, at + offset, value)
        assert bench.machine.memory.read(RAM + 0x40, 9) == b"from here"
        is_stream = chip == "STM32F405xG"
        assert bench.read(name, at) & 1 == (not is_stream), "a stream switches itself off"
