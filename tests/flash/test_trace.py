"""Footprints: two states that agree on a run's footprint run alike, byte for byte and entry for entry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import Cells
from flash.contract import Clock, ElapsedTime
from flash.device import FlashDevice
from flash.errors import EccFault, PowerLost, ResetAsserted
from flash.journal import Interruption, Journal
from flash.part import Part
from flash.snapshot import Snapshot
from flash.tears import tear_named
from flash.timing import Timing
from flash.trace import Trace
from flash.weak import LIFTED_ABOVE, LIFTED_BELOW, METASTABLE, STUBBORN
from tests.flash.small_parts import (
    ANNEXED,
    EVERY_PART,
    GRANULES,
    PARALLEL,
    SERIAL,
    SMALL_PARTS,
    TWICE,
    WORDS,
    TimedReset,
)

BY_NAME = {"ids": lambda part: part.name}
Script = list[tuple[str, int, int]]


def scripts() -> st.SearchStrategy[Script]:
    kinds = st.sampled_from(["read", "program", "erase", "wild", "view"])
    return st.lists(st.tuples(kinds, st.integers(0, 1 << 16), st.integers(0, 1 << 16)), min_size=1, max_size=10)


def firmware(device: FlashDevice, script: Script) -> list[int]:
    """Runs a script in which every address and every byte depends on what was read so far."""
    geometry, seen, said = device.geometry, 1, []
    for kind, a, b in script:
        place = (a + seen) % geometry.size
        if kind in ("read", "view"):
            length = min(b % 40, geometry.size - place)
            try:
                content = bytes(device.read(place, length) if kind == "read" else device.view(place, length))
            except EccFault as fault:
                content = fault.address.to_bytes(4, "big")
            seen = (seen * 31 + sum(content) + len(content)) % 65521
            said.append(seen)
        elif kind == "program":
            start = geometry.align_down(place, geometry.burst_size)
            units = geometry.burst_size // geometry.unit
            device.program(start, bytes((seen + i) & b & 0xFF for i in range((1 + b % units) * geometry.unit)))
        elif kind == "wild":
            device.program(place, bytes((seen >> i % 8) & 0xFF for i in range(b % 40)))
        else:
            sector = geometry.sector_at(place)
            sizes = geometry.erase_sizes_at(sector.address)
            device.erase(place if b % 5 == 0 else sector.address, sizes[b % len(sizes) if b % 5 else 0])
    return said


def random_blocks(cells: Cells, seed: int, spare: set[int], *, weak: bool = False) -> None:
    """Any content, uses and broken granules in every block but those to spare; any erase counts.

    ``weak``: some of it weak, but nothing lifted: leaks of over-erased cells are outside footprints.
    """
    draw = np.random.default_rng(seed)
    unit, size = cells.geometry.unit, cells.block_size
    for index in range(cells.geometry.size // size):
        content = draw.integers(0, 256, size, np.uint8).tobytes()
        uses = draw.integers(0, 3, size // unit, np.uint8)
        broken = draw.integers(0, 8, size // unit) == 0
        mood = draw.integers(0, 3)
        if index in spare:
            continue
        cells.load(index * size, content if mood else bytes([cells.erased]) * size)
        if weak and mood == 2:
            bits = np.where(draw.integers(0, 6, size), 0, draw.integers(1, 256, size)).astype(np.uint8)
            cells.mark_weak(index * size, bits, int(draw.integers(METASTABLE, STUBBORN + 1)))
        if cells.uses is not None and mood == 2:
            cells.uses[index * size // unit : (index + 1) * size // unit] = uses
            for n in np.flatnonzero(broken):
                cells.mark_broken(index * size + int(n) * unit, unit, 1 + int(n) % 3)
    for sector in cells.geometry.sectors_in(0, cells.geometry.size):
        for _ in range(int(draw.integers(0, 4))):
            cells.count_erase(sector.address, sector.size)


def machine(part: Part, state: Snapshot, clock: Clock | None = None, journal: Journal | None = None) -> FlashDevice:
    device = FlashDevice(part, timing=Timing(part, "sampled", seed=1, worn=False))
    device.restore(state)
    device.attach(clock or ElapsedTime(), journal or Journal(), Trace())
    return device


def trace_of(device: FlashDevice) -> Trace:
    assert device.trace is not None
    return device.trace


def twin(part: Part, state: Snapshot, trace: Trace, seed: int, *, weak: bool = False) -> Snapshot:
    """Another state that agrees with ``state`` on the footprint alone."""
    cells = Cells(part)
    cells.restore(state)
    random_blocks(cells, seed, {index for _, index in trace.consulted_units}, weak=weak)
    return cells.snapshot()


def some_state(part: Part, seed: int, *, weak: bool = False) -> Snapshot:
    cells = Cells(part)
    random_blocks(cells, seed, set(), weak=weak)
    return cells.snapshot()


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(script=scripts(), seed=st.integers(0, 1 << 32), other_seed=st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
def test_states_that_agree_on_the_footprint_run_alike(part: Part, script: Script, seed: int, other_seed: int) -> None:
    state = some_state(part, seed)
    one = machine(part, state)
    said = firmware(one, script)
    other = machine(part, twin(part, state, trace_of(one), other_seed))
    assert firmware(other, script) == said
    assert other.journal.entries == one.journal.entries
    assert other.clock.now_us == one.clock.now_us
    assert list(trace_of(other).consulted_units) == list(trace_of(one).consulted_units)
    assert trace_of(other).written == trace_of(one).written
    assert trace_of(other).determined == trace_of(one).determined
    left, right = one.snapshot(), other.snapshot()
    for _, index in trace_of(one).written:
        assert left.tree.block(index).same(right.tree.block(index))


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(script=scripts(), seed=st.integers(0, 1 << 32), other_seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_weak_states_that_agree_on_the_footprint_run_alike_too(
    part: Part, script: Script, seed: int, other_seed: int
) -> None:
    state = some_state(part, seed, weak=True)
    one = machine(part, state)
    said = firmware(one, script)
    other = machine(part, twin(part, state, trace_of(one), other_seed, weak=True))
    assert firmware(other, script) == said
    assert other.journal.entries == one.journal.entries
    assert other.sensing.status == one.sensing.status
    assert list(trace_of(other).consulted_units) == list(trace_of(one).consulted_units)
    left, right = one.snapshot(), other.snapshot()
    for _, index in trace_of(one).written:
        assert left.tree.block(index).same(right.tree.block(index))
    changed = {
        ("flash", i) for i in left.tree.differing(state.tree) if not left.tree.block(i).same(state.tree.block(i))
    }
    assert changed <= trace_of(one).written


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(script=scripts(), seed=st.integers(0, 1 << 32))
@settings(max_examples=30, deadline=None)
def test_a_block_that_changed_was_written(part: Part, script: Script, seed: int) -> None:
    state = some_state(part, seed)
    device = machine(part, state)
    firmware(device, script)
    trace = trace_of(device)
    changed = {("flash", i) for i in device.snapshot().tree.differing(state.tree)}
    assert changed <= trace.written
    assert trace.written <= trace.determined | set(trace.consulted_units)


@pytest.mark.parametrize("part", [SERIAL, WORDS, TWICE, GRANULES], **BY_NAME)
@pytest.mark.parametrize("stop", ["reset", "power"])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_block_under_an_interrupted_erase_is_alike_too(part: Part, stop: str, share: float) -> None:
    """A timer that fires inside an erase: what it leaves is the same wherever the footprint is."""
    sector = part.geometry.sector_at(0)

    def run(state: Snapshot) -> FlashDevice:
        device = machine(part, state, TimedReset(int(device_us * share)))
        with pytest.raises((ResetAsserted, PowerLost)):
            if stop == "power":
                _cut_at_reset(device, lambda: device.erase(sector.address, sector.size))
            else:
                device.erase(sector.address, sector.size)
        return device

    state = some_state(part, 7)
    device_us = machine(part, state).timing.erase_us(0, sector.size, 0)
    one = run(state)
    other = run(twin(part, state, trace_of(one), 8))
    assert other.journal.entries == one.journal.entries
    left, right = one.snapshot(), other.snapshot()
    for _, index in trace_of(one).written:
        assert left.tree.block(index).same(right.tree.block(index)), f"block {index} differs, and is in no footprint"


def _cut_at_reset(device: FlashDevice, command: Callable[[], None]) -> None:
    """Let the timer of the device's clock take the power instead of the reset line."""
    clock = device.clock
    advance = clock.advance

    def until_cut(duration_us: int) -> None:
        try:
            advance(duration_us)
        except ResetAsserted:
            device.supply.cut()

    clock.advance = until_cut  # type: ignore[method-assign]
    command()


# -- which accesses consult, by example -------------------------------------------------------------------


def traced(part: Part = SERIAL) -> FlashDevice:
    return machine(part, Cells(part).snapshot())


def footprint(device: FlashDevice) -> list[int]:
    return [index for _, index in trace_of(device).consulted_units]


def test_reads_and_programs_consult_in_order_and_only_once() -> None:
    device = traced()
    device.read(690, 8)
    device.program(64, b"\x00")
    device.read(60, 8)
    device.view(690, 1)
    device.read(0, 1)
    assert footprint(device) == [10, 1, 0]
    assert trace_of(device).written == {("flash", 1)}


def test_a_whole_erase_determines_and_what_follows_consults_nothing() -> None:
    device = traced()
    device.erase(256, 256)
    device.program(260, b"\x12")
    device.read(256, 256)
    assert footprint(device) == []
    assert trace_of(device).determined == {("flash", i) for i in range(4, 8)}
    device.read(512, 1)
    assert footprint(device) == [8]


def test_what_was_consulted_before_its_erase_stays_in_the_footprint() -> None:
    device = traced()
    device.read(64, 1)
    device.erase(64, 64)
    device.read(64, 1)
    assert footprint(device) == [1]


def test_a_refused_program_consults_the_content_that_refused_it() -> None:
    device = traced(GRANULES)
    device.load(0, b"\x11" * 8)
    device.program(0, b"\x01" * 8)
    assert footprint(device) == [0]
    assert trace_of(device).written == set()
    assert device.journal.operations() == []


def test_an_uncorrectable_read_consults_too() -> None:
    device = traced(GRANULES)
    device.cells.mark_broken(128, 8)
    with pytest.raises(EccFault):
        device.read(120, 16)
    assert footprint(device) == [0, 1]


def test_devices_of_one_trace_are_told_apart() -> None:
    trace = Trace()
    for name in ("left", "right"):
        device = FlashDevice(SERIAL, name=name)
        device.attach(ElapsedTime(), Journal(), trace)
        device.erase(0, 64)
        device.read(64, 1)
    assert list(trace.consulted_units) == [("left", 1), ("right", 1)]
    assert trace.determined == {("left", 0), ("right", 0)}


def test_without_a_trace_nothing_is_recorded_and_nothing_differs() -> None:
    plain, recorded = FlashDevice(SERIAL), traced()
    plain.timing = recorded.timing
    for device in (plain, recorded):
        firmware(device, [("read", 5, 9), ("erase", 100, 7), ("program", 100, 3), ("wild", 40, 33)])
    assert plain.trace is None
    assert plain.journal.entries == recorded.journal.entries
    assert plain.snapshot().same(recorded.snapshot())


def test_an_erase_that_a_scheduled_tear_stops_consults_what_the_tear_keeps() -> None:
    state = some_state(SERIAL, 3)

    def run(start: Snapshot) -> FlashDevice:
        device = machine(SERIAL, start, journal=Journal(Interruption(0, tear=tear_named("front-32"))))
        with pytest.raises(PowerLost):
            device.erase(64, 64)
        return device

    one = run(state)
    other = run(twin(SERIAL, state, trace_of(one), 4))
    assert one.snapshot().tree.block(1).same(other.snapshot().tree.block(1))


@pytest.mark.parametrize("part", [SERIAL, PARALLEL], **BY_NAME)
def test_all_that_an_erase_changes_outside_its_footprint_is_what_its_sector_had_lifted(part: Part) -> None:
    """The one exception to exactness: a campaign with over-erased cells must not trust footprints."""
    device = machine(part, Cells(part).snapshot())
    for sector, temper in ((64, LIFTED_ABOVE), (192, LIFTED_BELOW)):
        device.load(sector, bytes(64))
        device.cells.mark_weak(sector, np.full(64, 0x10, np.uint8), temper)
    before = device.snapshot()
    device.erase(128, 64)
    assert {index for _, index in trace_of(device).written} == {2}
    assert footprint(device) == []
    changed = set(device.snapshot().tree.differing(before.tree)) - {2}
    assert changed == {1, 3}
    for index in changed:
        assert device.snapshot().tree.block(index).content == bytes(64)


def test_a_tear_that_reaches_further_than_its_operation_is_traced_as_far_as_it_reaches() -> None:
    for name, blocks in (("disturb-0", {2}), ("over-erase-0", {1, 2, 3}), ("front-8", {2})):
        device = machine(SERIAL, some_state(SERIAL, 4), journal=Journal(Interruption(0, tear=tear_named(name))))
        with pytest.raises(PowerLost):
            device.program(128, bytes(16)) if name == "disturb-0" else device.erase(128, 64)
        assert {index for _, index in trace_of(device).written} == blocks
        assert set(footprint(device)) == blocks


def test_operations_in_flight_are_traced_when_they_end_and_the_annex_is_a_block_like_others() -> None:
    device = machine(ANNEXED, Cells(ANNEXED).snapshot())
    write = device.begin("write", ANNEXED.size, 3, b"abc", 10)
    erase = device.begin("erase", 128, 64, b"", 10)
    program = device.begin("program", ANNEXED.size + 64, 2, b"ab", 10)
    assert (footprint(device), trace_of(device).written) == ([], set())
    device.end(erase)
    assert (footprint(device), trace_of(device).determined) == ([], {("flash", 2)})
    device.end(write)
    device.end(program)
    assert footprint(device) == [64, 65]
    assert trace_of(device).written == {("flash", 2), ("flash", 64), ("flash", 65)}
    device.sense(ANNEXED.size + 128, 1)
    assert footprint(device) == [64, 65, 66]


def test_the_registers_a_torn_write_loses_are_in_the_footprint() -> None:
    device = machine(
        ANNEXED, Cells(ANNEXED).snapshot(), journal=Journal(Interruption(0, tear=tear_named("register-soup-0")))
    )
    flight = device.begin("write", ANNEXED.size + 1, 1, b"a", 10)
    with pytest.raises(PowerLost):
        device.end(flight)
    assert footprint(device) == [64]
