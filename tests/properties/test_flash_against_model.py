"""FlashDevice against a naive model: a list of bytes, a list of counters, and the rules written out slowly."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flash.device import FlashDevice
from flash.errors import EccFault, OutOfBounds, PowerLost
from flash.journal import Misuse, Operation
from flash.part import Part
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.tears import tear_named
from flash.timing import Timing
from tests.flash.small_parts import SMALL_PARTS


class NaiveFlash:
    """The rules of one part, a byte and a bit at a time; knows the part's figures and nothing of its code."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.erased = part.erased
        self.bytes = [part.erased] * part.size
        self.uses = [0] * (part.size // part.program.unit)
        self.faulty = [False] * (part.size // part.program.unit)
        self.sectors = [size for run in part.sectors for size in [run.size] * run.count]
        self.cycles = [0] * len(self.sectors)
        self.misuses: list[tuple[str, int]] = []
        self.operations: list[tuple[str, int, int]] = []

    def start_of(self, index: int) -> int:
        return sum(self.sectors[:index])

    def index_of(self, address: int) -> int:
        return next(i for i in range(len(self.sectors)) if address < self.start_of(i) + self.sectors[i])

    def read(self, address: int, length: int) -> bytes | int:
        """The bytes, or the address of the first granule that cannot be corrected."""
        unit = self.part.program.unit
        for at in range(address, address + length):
            if self.faulty[at // unit]:
                return at // unit * unit
        return bytes(self.bytes[address : address + length])

    def program(self, address: int, data: bytes) -> None:
        rules, size = self.part.program, self.part.size
        if not data:
            self.misuses.append(("empty-program", address))
            return
        if rules.page_size:
            if address >= size:
                self.misuses.append(("beyond-array", address))
                address %= size
            if address % rules.page_size + len(data) > rules.page_size:
                self.misuses.append(("page-wrap", address))
                page = address // rules.page_size * rules.page_size
                latch = [self.erased] * rules.page_size
                for value in data:
                    latch[address % rules.page_size] = value
                    address += 1
                address, data = page, bytes(latch)
        elif any(
            (address % rules.unit, len(data) % rules.unit, len(data) > rules.burst_size, address + len(data) > size)
        ):
            self.misuses.append(("refused-program", address))
            return
        self._execute(address, data)

    def _execute(self, address: int, data: bytes) -> None:
        unit = self.part.program.unit
        taken = 0
        while taken < len(data) and self._takes(address + taken, data[taken : taken + unit]):
            taken += unit
        refused = taken < len(data)
        if refused:
            self.misuses.append(("spent-unit", address + taken))
        if not taken:
            return
        self.operations.append(("program", address, taken))
        wrong = None
        for at in range(address, address + taken):
            asked, held = data[at - address], self.bytes[at]
            self.bytes[at] = held & asked if self.erased else held | asked
            if self.bytes[at] != asked and asked != self.erased and wrong is None:
                wrong = at
        for unit_index in range(address // unit, (address + taken) // unit):
            self.uses[unit_index] += 1
            self.faulty[unit_index] = False
        if wrong is not None:
            self.misuses.append(("unerased", wrong))

    def _takes(self, at: int, data: bytes) -> bool:
        rules, unit = self.part.program, self.part.program.unit
        if rules.overwrite == "and":
            return not rules.max_per_erase or self.uses[at // unit] < rules.max_per_erase
        counted = self.uses[at // unit] if rules.max_per_erase else 0
        blank = not counted and all(value == self.erased for value in self.bytes[at : at + unit])
        return blank or (rules.overwrite == "blank-or-zero" and not any(data))

    def erase(self, address: int, size: int) -> None:
        if address >= self.part.size:
            self.misuses.append(("beyond-array", address))
            address %= self.part.size
        uniform = len(self.part.sectors) == 1
        start = address // size * size if uniform else self.start_of(self.index_of(address))
        if start != address:
            self.misuses.append(("misaligned-erase", address))
        self.operations.append(("erase", start, size))
        for at in range(start, start + size):
            self.bytes[at] = self.erased
        unit = self.part.program.unit
        for unit_index in range(start // unit, (start + size) // unit):
            self.uses[unit_index] = 0
            self.faulty[unit_index] = False
        at = start
        while at < start + size:
            index = self.index_of(at)
            self.cycles[index] += 1
            at += self.sectors[index]


class FlashMachine(RuleBasedStateMachine):
    """Any mix of commands, misuse, power cuts, snapshots and torn granules."""

    part: Part

    @initialize()
    def begin(self) -> None:
        self.device = FlashDevice(self.part, timing=Timing(self.part, worn=False))
        self.model = NaiveFlash(self.part)
        self.kept: list[tuple[Snapshot, NaiveFlash]] = []
        start, end = self.model.sectors[0], self.part.size - self.model.sectors[-1]
        self.slot = Partition("slot", self.device, start, end - start)
        self.time_us = 0

    def _journal_starts_here(self) -> None:
        self.device.journal.entries.clear()
        self.model.operations.clear()
        self.model.misuses.clear()

    def _compare_records(self) -> None:
        entries = self.device.journal.entries
        assert [(e.kind, e.address, e.length) for e in entries if isinstance(e, Operation)] == self.model.operations
        assert [(e.rule, e.address) for e in entries if isinstance(e, Misuse)] == self.model.misuses
        for entry in entries:
            if isinstance(entry, Operation):
                assert entry.start_us == self.time_us
                self.time_us = entry.end_us
        assert self.device.clock.now_us == self.time_us
        self._journal_starts_here()

    @rule(place=st.integers(0, 1 << 16), data=st.binary(min_size=1, max_size=32), zeros=st.booleans())
    def program_legally(self, place: int, data: bytes, zeros: bool) -> None:
        geometry = self.device.geometry
        unit, burst = geometry.unit, geometry.burst_size
        start = place % (geometry.size // burst) * burst
        data = (bytes(len(data)) if zeros else data)[:burst]
        data = data.ljust(-(-len(data) // unit) * unit, b"\xff")
        start += place // 7 % ((burst - len(data)) // unit + 1) * unit
        assert geometry.is_program(start, len(data))
        self.device.program(start, data)
        self.model.program(start, data)
        self._compare_records()

    @rule(address=st.integers(0, 5000), data=st.binary(max_size=50))
    def program_anything(self, address: int, data: bytes) -> None:
        self.device.program(address, data)
        self.model.program(address, data)
        self._compare_records()

    @rule(place=st.integers(0, 1 << 16), which=st.integers(0, 5), astray=st.integers(0, 40))
    def erase(self, place: int, which: int, astray: int) -> None:
        address = place % self.part.size
        if len(self.part.sectors) == 1:
            sizes = [e.size for e in self.part.erase]
            size = sizes[which % len(sizes)]
            address = address // size * size + astray
        else:
            index = self.model.index_of(address)
            size = self.model.sectors[index]
            address = self.model.start_of(index) + min(astray, size - 1)
        self.device.erase(address, size)
        self.model.erase(address, size)
        self._compare_records()

    @rule(address=st.integers(-4, 4200), length=st.integers(0, 300))
    def read(self, address: int, length: int) -> None:
        if address < 0 or address + length > self.part.size:
            with pytest.raises(OutOfBounds):
                self.device.read(address, length)
            return
        self._read_alike(self.device.read, address, address, length)
        self._read_alike(self.device.view, address, address, length)

    @rule(offset=st.integers(0, 4200), length=st.integers(1, 300))
    def read_through_a_partition(self, offset: int, length: int) -> None:
        if offset + length <= self.slot.size:
            self._read_alike(self.slot.read, offset, offset + self.slot.address, length)
        else:
            with pytest.raises(OutOfBounds):
                self.slot.read(offset, length)

    def _read_alike(self, read: Callable[[int, int], bytes], at: int, address: int, length: int) -> None:
        expected = self.model.read(address, length)
        if isinstance(expected, bytes):
            assert read(at, length) == expected
            self.time_us = self.device.clock.now_us
            return
        with pytest.raises(EccFault) as fault:
            read(at, length)
        assert fault.value.address == expected - address + at

    @rule(place=st.integers(0, 1 << 16), data=st.binary(min_size=1, max_size=64))
    def load(self, place: int, data: bytes) -> None:
        unit = self.part.program.unit
        first = place % (self.part.size // unit)
        data = data[: (self.part.size - first * unit) // unit * unit]
        data = data[: len(data) // unit * unit] or bytes([self.part.erased]) * unit
        if any(self.model.faulty[first : first + len(data) // unit]):
            return
        self.device.load(first * unit, data)
        self.model.bytes[first * unit : first * unit + len(data)] = list(data)
        for n in range(len(data) // unit):
            piece = data[n * unit : (n + 1) * unit]
            self.model.uses[first + n] = int(any(value != self.part.erased for value in piece))
        self._compare_records()

    @precondition(lambda self: self.part.kind == "mcu-ecc")
    @rule(place=st.integers(0, 1 << 16))
    def tear_a_granule(self, place: int) -> None:
        unit = self.part.program.unit
        index = place % len(self.model.uses)
        blank = bytes([self.part.erased]) * unit
        if self.model.uses[index] or self.model.read(index * unit, unit) != blank:
            return
        operation = Operation("program", "flash", index * unit, unit, b"\x5a" * unit, 0, 1)
        tear_named("ecc-fault-0").apply(self.device.cells, operation)
        self.model.bytes[index * unit : (index + 1) * unit] = [0x5A] * unit
        self.model.uses[index] = 1
        self.model.faulty[index] = True

    @rule()
    def keep(self) -> None:
        self.kept.append((self.device.snapshot(), deepcopy(self.model)))

    @precondition(lambda self: self.kept)
    @rule(which=st.integers(0, 20))
    def go_back(self, which: int) -> None:
        snapshot, model = self.kept[which % len(self.kept)]
        self.device.restore(snapshot)
        self.model = deepcopy(model)

    @rule()
    def lose_power(self) -> None:
        with pytest.raises(PowerLost):
            self.device.supply.cut()
        for access in (
            lambda: self.device.read(0, 1),
            lambda: self.device.program(0, bytes(self.part.program.unit)),
            lambda: self.device.erase(0, self.model.sectors[0]),
            lambda: self.slot.read(0, 1),
        ):
            with pytest.raises(PowerLost):
                access()
        self.device.supply.restore()
        self._compare_records()

    @invariant()
    def content_and_wear_are_alike(self) -> None:
        if not hasattr(self, "device"):
            return
        assert self.device.cells.read(0, self.part.size) == bytes(self.model.bytes)
        assert self.device.cells.wear.tolist() == self.model.cycles
        uses, broken = self.device.cells.uses, self.device.cells.broken
        if uses is not None:
            assert [min(n, 3) for n in uses.tolist()] == [min(n, 3) for n in self.model.uses]
        if broken is not None:
            assert broken.tolist() == self.model.faulty


def machine_for(part: Part) -> type:
    machine = type(f"Machine_{part.name}", (FlashMachine,), {"part": part})
    machine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
    return machine.TestCase


TestSerial, TestWords, TestTwice, TestGranules, TestHalfWords, TestZeros, TestMirroredSerial = map(
    machine_for, SMALL_PARTS
)
