"""A loop that polls for the next byte of a line costs a few looks, not the time between two bytes."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.engine import Engine
from emu.cpu.faces import Receives
from emu.cpu.session import CpuSession
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


@pytest.mark.parametrize("native", [True, False])
def test_polling_for_a_byte_goes_to_its_moment(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    executed: list[int] = []
    slice_of = Engine.run

    def counted(self: Engine, limit: int) -> object:
        stop = slice_of(self, limit)
        executed.append(self.executed)
        return stop

    monkeypatch.setattr(Engine, "run", counted)
    assert received(session(more=USART, native=native)) == BYTES
    spun = len(BYTES) * APART_US * 16  # bytes of code that 8 MHz run in that time
    assert sum(executed) < spun / 50
    assert len(executed) < 40 * len(BYTES)


def test_every_session_looks_as_the_first_one_did() -> None:
    """What one has learned of its loops is not the next one's."""
    one = session(more=USART)
    ends = set()
    for _ in range(3):
        received(one)
        ends.add((one.machine.core.time.cycles, one.machine.bus.count))
    assert len(ends) == 1
