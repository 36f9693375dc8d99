"""A loop that polls for the next byte of a line costs a few looks, not the time between two bytes; and bytes that come
while flash is programmed find the core where it is then."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.engine import Engine
from emu.cpu.faces import Receives
from emu.cpu.flash import make_controller
from emu.cpu.lane_code import ALARM, CLOSED
from emu.cpu.machine import Machine
from emu.cpu.session import CpuSession
from flash.timing import Timing
from tests.emu.cpu.chips import session

USART = '[[peripheral]]\nname = "USART1"\nmodel = "usart-v1"\naddress = 0x40013800\nirq = 37\n'
POLLS = bytes.fromhex("0050002009000008064842f20401c1604ff0005201688906fcd5416811700132f8e7000000380140")
"""Receives byte after byte into RAM, from 0x20000000 on, and polls SR in between."""
BYTES = bytes(range(100))
APART_US = 1_000


def received(one: CpuSession) -> bytes:
    """After all bytes have come, one each millisecond."""
    machine = one.machine
    machine.flash.load(0, POLLS)
    port = machine.peripherals["USART1"]
    assert isinstance(port, Receives)

    def arrive(number: int) -> None:
        assert port.arrives(BYTES[number]) == ""
        if number + 1 < len(BYTES):
            machine.world.at("byte", (number + 2) * APART_US, lambda: arrive(number + 1))

    machine.on_reset = lambda: machine.world.at("byte", APART_US, lambda: arrive(0))
    report = one.run("power", (len(BYTES) + 1) * APART_US)
    assert report.ending.kind == "stalled", "no other byte will come"
    assert len(BYTES) * APART_US <= report.time_us < len(BYTES) * APART_US + 10
    return machine.memory.read(0x2000_0000, len(BYTES))


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much code ran in each slice."""
    found: list[int] = []
    slice_of = Engine.run

    def counted(self: Engine, limit: int) -> object:
        stop = slice_of(self, limit)
        found.append(self.executed)
        return stop

    monkeypatch.setattr(Engine, "run", counted)
    return found


@pytest.mark.parametrize("native", [True, False])
def test_polling_for_a_byte_goes_to_its_moment(executed: list[int], native: bool) -> None:
    assert received(session(more=USART, native=native)) == BYTES
    spun = len(BYTES) * APART_US * 16  # bytes of code that 8 MHz run in that time
    assert sum(executed) < spun / 50
    assert len(executed) < 40 * len(BYTES)


def test_every_session_looks_as_the_first_one_did(executed: list[int]) -> None:
    """What one has learned of its loops is not the next one's."""
    one = session(more=USART)
    counts = []
    for _ in range(3):
        received(one)
        counts.append(list(executed))
        executed.clear()
    assert counts[0] == counts[1] == counts[2]


# -- while flash is programmed --------------------------------------------------------------------------------

_STOP, _HEARD = 0x0800_010D, 0x0800_010F
BUSY = b"".join(
    word.to_bytes(4, "little") for word in (0x2000_5000, 0x0800_00D9, *[_STOP] * 51, _HEARD)
) + bytes.fromhex(
    "104842f22401c1600f4920220a604ff000540e480e4941600e494160012101610d4a0e4b00251580c168c907fcd40232"
    "9a42f8d1fee7034e3768776827700134704700000038014004e100e00020024023016745ab89efcd0040000800440008"
)  # fmt: skip
"""Programs 512 half-words, for 27 ms; an interrupt of USART1 puts what it has received into RAM, from 0x20000000 on."""
OFTEN_US = 150


@pytest.mark.parametrize("native", [True, False])
def test_a_byte_that_comes_between_two_programs_is_taken_between_two_programs(native: bool) -> None:
    one = CpuSession(Machine(bundled_chip("STM32F103xB"), make_controller, native=native))
    machine = one.machine
    machine.flash.timing = Timing(machine.flash.part, "typ", seed=0, worn=False)  # every program takes as long
    machine.flash.load(0, BUSY)
    port = machine.peripherals["USART1"]
    assert isinstance(port, Receives)
    lost: list[str] = []

    def arrive(number: int) -> None:
        lost.append(port.arrives(BYTES[number]))
        if number + 1 < len(BYTES):
            machine.world.at("byte", (number + 2) * OFTEN_US, lambda: arrive(number + 1))

    machine.on_reset = lambda: machine.world.at("byte", OFTEN_US, lambda: arrive(0))
    report = one.run("power", 40_000)
    assert len(report.operations) == 512
    assert machine.lane is not None
    assert machine.lane.state[CLOSED] == 0, "most programs go the short way"
    assert lost == [""] * len(BYTES), "each is read within 150 us, and a program takes 52"
    assert machine.memory.read(0x2000_0000, len(BYTES)) == BYTES


def test_a_port_shows_what_has_come_by_now() -> None:
    """Also where a flash operation has made the slice longer than anybody foresaw."""
    machine = session(more=USART).machine
    machine.reset("power")
    port = machine.peripherals["USART1"]
    assert isinstance(port, Receives)
    machine.bus.write(0x4001_380C, 4, 0x2004)
    machine.world.at("byte", 100, lambda: port.arrives(0x41))
    assert machine.bus.read(0x4001_3800, 4) & 0x20 == 0
    machine.clock.advance(100)
    assert machine.bus.read(0x4001_3800, 4) & 0x20
    assert machine.bus.read(0x4001_3804, 4) == 0x41


def test_what_is_to_happen_sooner_bounds_the_short_way_at_once() -> None:
    machine = Machine(bundled_chip("STM32F103xB"), make_controller)
    machine.reset("power")
    assert machine.lane is not None
    machine.world.at("later", 10_000, lambda: None)
    before = machine.lane.state[ALARM]
    machine.world.at("sooner", 1_000, lambda: None)
    assert machine.lane.state[ALARM] < before
