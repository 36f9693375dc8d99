"""FlashDevice against a naive model: a list of bytes, a list of counters, and the rules written out slowly.

On drawn parts of every kind. The rows of tier 1 are written out here as well, so power may go inside any operation.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emu.strategies import KINDS, cuts, operations, parts, restart
from flash.device import FlashDevice
from flash.errors import EccFault, OutOfBounds, PowerLost
from flash.journal import Misuse, Operation
from flash.part import Part, PartKind
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.timing import Timing


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
        if rules.page_size and not address % rules.unit and not len(data) % rules.unit:
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
        while taken < len(data) and self._takes(address, taken, data[taken : taken + unit]):
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

    def _takes(self, start: int, taken: int, data: bytes) -> bool:
        """Whether one more unit is accepted by a command that began at ``start`` and has ``taken`` bytes."""
        rules, unit, at = self.part.program, self.part.program.unit, start + taken
        piece = rules.budget_size or unit
        first = at // piece * piece
        uses = sum(self.uses[first // unit : (first + piece) // unit]) + (at - max(start, first)) // unit
        if rules.overwrite == "and":
            return not rules.max_per_erase or uses < rules.max_per_erase
        is_blank = all(value == self.erased for value in self.bytes[at : at + unit])
        if is_blank:
            return not rules.max_per_erase or not uses
        return rules.overwrite == "blank-or-zero" and not any(data)

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
        self._count_cycle(start, size)

    def _count_cycle(self, start: int, size: int) -> None:
        at = start
        while at < start + size:
            index = self.index_of(at)
            self.cycles[index] += 1
            at += self.sectors[index]

    # -- what a cut leaves, row by row of tier 1 -----------------------------------------------------------

    def tear(self, operation: Operation, name: str, left: bytes) -> None:
        """``operation`` was torn as ``name`` says; ``left`` is what its range holds since, for the one drawn row."""
        row, _, argument = name.rpartition("-")
        if operation.kind == "program":
            self._tear_program(operation.address, operation.data, row, int(argument))
        else:
            self._tear_erase(operation.address, operation.length, row, int(argument), left)

    def _tear_program(self, address: int, data: bytes, row: str, argument: int) -> None:
        unit = self.part.program.unit
        if row == "prefix":
            self._execute(address, data[:argument])
        elif row == "ecc-fault":
            self._execute(address, data[: argument + unit])
            self.faulty[(address + argument) // unit] = True
        else:
            moving = self._moving_bits(address, data)
            assert row in ("one-bit", "all-but-one-bit")
            for at, bit in moving[:1] if row == "one-bit" else moving[:-1]:
                self.bytes[at] ^= 1 << bit
            for unit_index in range(address // unit, (address + len(data)) // unit):
                self.uses[unit_index] += 1

    def _moving_bits(self, address: int, data: bytes) -> list[tuple[int, int]]:
        """(address, bit) of every bit the program moves, lowest byte and lowest bit first."""
        moving = []
        for at in range(address, address + len(data)):
            for bit in range(8):
                asked, held = data[at - address] >> bit & 1, self.bytes[at] >> bit & 1
                if asked != held and held == self.erased & 1:
                    moving.append((at, bit))
        return moving

    def _tear_erase(self, address: int, size: int, row: str, argument: int, left: bytes) -> None:
        unit, end = self.part.program.unit, address + size
        if row == "stopped-us":
            assert self._is_nearly_erased(address, left, argument)
            self.bytes[address:end] = left
        elif row == "erase-ecc-fault":
            self.bytes[address:end] = [self.erased] * size
        else:
            assert row in ("front", "preprogrammed")
            kept = argument if row == "front" else 0
            self.bytes[address + kept : end] = [self.erased ^ 0xFF] * (size - kept)
        for index in range(address // unit, end // unit):
            self.uses[index] = 1
            first, last = index * unit - address, index * unit - address + unit
            if self.part.kind != "mcu-ecc":
                continue
            if row == "erase-ecc-fault" or (row == "front" and first < argument < last):
                self.faulty[index] = True
            elif row == "preprogrammed" or first >= argument:
                self.faulty[index] = False
        self._count_cycle(address, size)

    def _is_nearly_erased(self, address: int, left: bytes, stopped_us: int) -> bool:
        """Every bit that is not erased was not erased before either; after 50 us there is none."""
        for held, is_left in zip(self.bytes[address : address + len(left)], left, strict=True):
            lagging = is_left ^ self.erased
            if lagging & ~(held ^ self.erased) or (stopped_us >= 50 and lagging):
                return False
        return True


class FlashMachine(RuleBasedStateMachine):
    """Any mix of commands, misuse, power cuts before and inside operations, and snapshots."""

    kind: PartKind

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.part = data.draw(parts(kinds=[self.kind]))
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

    @rule(data=st.data(), careless=st.booleans())
    def operate(self, data: st.DataObject, careless: bool) -> None:
        operation = data.draw(operations(self.part, self.device.cells, careless=careless))
        self._do(operation)
        if operation.kind == "program":
            self.model.program(operation.address, operation.data)
        else:
            self.model.erase(operation.address, operation.length)
        assert careless or not self.model.misuses, "a legal operation is misuse"
        self._compare_records()

    @rule(data=st.data())
    def lose_power_inside(self, data: st.DataObject) -> None:
        operation = data.draw(operations(self.part, self.device.cells))
        cut = data.draw(cuts(self.part, self.device.snapshot(), [operation]))
        restart(self.device, cut)
        with pytest.raises(PowerLost):
            self._do(operation)
        self._is_dead()
        restart(self.device)
        if cut.tear is not None:
            left = self.device.cells.read(operation.address, operation.length)
            self.model.tear(operation, cut.tear.name, left)
        self.model.operations.clear()
        self._compare_records()

    def _do(self, operation: Operation) -> None:
        if operation.kind == "program":
            self.device.program(operation.address, operation.data)
        else:
            self.device.erase(operation.address, operation.length)

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
        if not isinstance(expected, bytes) and self.part.ecc is not None and self.part.ecc.fault == "flag":
            self._reads_flagged(bytes(read(at, length)), address)
            return
        if isinstance(expected, bytes):
            assert read(at, length) == expected
            self.time_us = self.device.clock.now_us
            return
        with pytest.raises(EccFault) as fault:
            read(at, length)
        assert fault.value.address == expected - address + at

    def _reads_flagged(self, found: bytes, address: int) -> None:
        """The part only flags what it cannot correct: every byte of a good granule is as it is."""
        self.time_us = self.device.clock.now_us
        for at, value in enumerate(found, address):
            assert self.model.faulty[at // self.part.program.unit] or value == self.model.bytes[at]

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
        self._is_dead()
        self.device.supply.restore()
        self._compare_records()

    def _is_dead(self) -> None:
        for access in (
            lambda: self.device.read(0, 1),
            lambda: self.device.program(0, bytes(self.part.program.unit)),
            lambda: self.device.erase(0, self.model.sectors[0]),
            lambda: self.slot.read(0, 1),
        ):
            with pytest.raises(PowerLost):
                access()

    @invariant()
    def content_and_wear_are_alike(self) -> None:
        if not hasattr(self, "device"):
            return
        assert self.device.cells.read(0, self.part.size) == bytes(self.model.bytes)
        assert self.device.cells.wear.tolist() == self.model.cycles
        uses, broken = self.device.cells.uses, self.device.cells.broken
        if uses is not None:
            most = self.part.program.max_per_erase + 1  # more than one too many is not told apart
            assert uses.tolist() == [min(n, most) for n in self.model.uses]
        if broken is not None:
            assert broken.tolist() == self.model.faulty


def machine_for(kind: PartKind) -> type:
    machine = type(f"Machine_{kind}", (FlashMachine,), {"kind": kind})
    machine.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
    return machine.TestCase


TestSerial, TestParallel, TestWords, TestGranules, TestHalfWords = map(machine_for, KINDS)
