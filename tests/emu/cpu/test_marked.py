"""Granules that error correction has marked: the controller hears of every read of one, and of nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.contract import BusFault, World
from emu.cpu.machine import Machine
from emu.cpu.session import CpuSession
from flash.device import FlashDevice
from tests.emu.cpu.chips import SECOND_US, PlainFlash, program, trace, words

GRANULE, NMI = 0x4000, 0xEE


class Hearing(PlainFlash):
    """NMI at every granule that is marked."""

    def __init__(self, world: World, main: FlashDevice) -> None:
        super().__init__(world, main)
        self.heard: list[int] = []
        self.faults = self.is_quiet = False

    def sensed(self, address: int, size: int) -> None:
        if self.main.cells.ecc_states(address - 0x0800_0000, size):
            self.heard.append(address)
            if self.faults:
                raise BusFault("it shows as a bus fault")
            if not self.is_quiet:
                self.world.nmi("it is marked")


def session() -> CpuSession:
    one = CpuSession(Machine(bundled_chip("STM32L476xG"), lambda _name, world, main: Hearing(world, main)))
    one.load([program("marked")])
    return one


def run(one: CpuSession) -> list[int]:
    report = one.run("power", SECOND_US)
    assert report.ending.reason == "an empty loop, and no interrupt will come"
    return trace(one, 16)


def test_without_marks_nothing_is_heard() -> None:
    one = session()
    assert run(one)[:6] == [1, 2, 3, 4, 5, 6]
    assert one.machine.controller.heard == []


def test_every_read_of_a_marked_granule_is_heard_at_any_address_and_no_instruction_is_lost() -> None:
    one = session()
    run(one)
    unmarked = words(one, 3)
    one.machine.flash.cells.mark_broken(GRANULE, 8)
    assert run(one)[:10] == [1, 2, NMI, 3, NMI, NMI, 4, NMI, 5, 6]
    assert one.machine.controller.heard == [0x0800_4004, 0x0800_4000, 0x0800_4000, 0x0800_4000]
    assert words(one, 3) == unmarked == [0xFFFF_FFFF, 0, 5]
    one.machine.flash.cells.mend(GRANULE, 8)
    one.machine.controller.heard.clear()
    assert run(one)[:6] == [1, 2, 3, 4, 5, 6]
    assert one.machine.controller.heard == []


def test_reads_that_are_heard_lose_no_instruction_when_nothing_interrupts_them() -> None:
    one = session()
    run(one)
    unmarked = words(one, 3)
    one.machine.flash.cells.mark_broken(GRANULE, 8)
    one.machine.controller.is_quiet = True
    assert run(one)[:6] == [1, 2, 3, 4, 5, 6]
    assert len(one.machine.controller.heard) == 4
    assert words(one, 3) == unmarked


def test_code_in_a_marked_granule_is_heard() -> None:
    one = session()
    one.machine.flash.cells.mark_broken(program("marked").symbol("far") - 0x0800_0000 & ~7, 8)
    assert run(one)[:7] == [1, 2, 3, 4, 5, NMI, 6]


def test_vectors_in_a_marked_granule_are_heard_before_the_first_instruction() -> None:
    one = session()
    one.machine.flash.cells.mark_broken(0, 8)
    report = one.run("power", SECOND_US)
    assert one.machine.controller.heard[:2] == [0x0800_0000, 0x0800_0004]
    assert report.notes == ("a store of 1 bytes to 0x8000000 in mode 0",), "the handler, before there is a trace"


def test_a_controller_that_answers_with_a_bus_error_faults_the_load() -> None:
    one = session()
    one.machine.flash.cells.mark_broken(GRANULE, 8)
    one.machine.controller.faults = True
    report = one.run("power", SECOND_US)
    assert report.ending.handler == "HardFault"
    assert one.machine.core.control.fault_status == (0x8200, 1 << 30, 0x0800_4004)
