"""Every edge of a session: how many there are, and what each leaves, held against a slow model of the cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

import pytest

from emu.campaign.edges import CUT, EVENT_NAMES, Child, Edge, EdgeWalker
from emu.events import ARMED, ATTEMPT, FED, HANDOVER, STOPPED
from emu.rig import DeviceState, Run
from flash import draws
from flash.cells import Cells
from flash.journal import Event, Operation
from flash.part import Part
from flash.replay import replay
from flash.tears.erases import WEAK_CELL_SEED, f1_share_left
from tests.emu.broken import TwicePulled
from tests.emu.helpers import (
    BOARDS,
    COARSE,
    NONE,
    T1,
    board_with,
    edges_of,
    known_edges,
    life,
    operations,
    rig_on,
)

every_board = pytest.mark.parametrize("board", BOARDS)


def told(child: Child) -> tuple[int, str, bytes, str, bool]:
    return (child.edge.entry, child.edge.how, child.state.key, child.running, child.stuck)


# -- a slow model of one array ---------------------------------------------------------------------------


@dataclass
class SlowArray:
    """The bytes from ``low`` on and the broken granules: the fault model's prose, byte by byte, not its code."""

    part: Part
    low: int
    content: bytearray
    broken: set[int]

    def at(self, address: int) -> int:
        return self.content[address - self.low]

    def put(self, address: int, value: int) -> None:
        self.content[address - self.low] = value

    def copy(self) -> SlowArray:
        return replace(self, content=bytearray(self.content), broken=set(self.broken))

    def done(self, operation: Operation) -> None:
        if operation.kind == "program":
            self.program(operation, operation.length)
            return
        for address in range(operation.address, operation.address + operation.length):
            self.put(address, self.part.erased)
            self.broken.discard(self.unit_of(address))

    def program(self, operation: Operation, length: int) -> None:
        for offset in range(length):
            address = operation.address + offset
            self.put(address, self.moved(address, operation.data[offset]))
            self.broken.discard(self.unit_of(address))

    def torn(self, operation: Operation, how: str) -> None:
        name, _, number = how.rpartition("-")
        argument, programmed = int(number), self.part.erased ^ 0xFF
        addresses = range(operation.address, operation.address + operation.length)
        match name:
            case "prefix":
                self.program(operation, argument)
            case "one-bit" | "all-but-one-bit":
                needed = self.needed(operation)
                for address, bit in needed[:1] if name == "one-bit" else needed[:-1]:
                    self.put(address, self.at(address) ^ 1 << bit)
            case "ecc-fault":
                self.program(operation, argument + self.part.program.unit)
                self.broken.add(self.unit_of(operation.address + argument))
            case "front" | "preprogrammed":
                done = addresses[argument if name == "front" else 0 :]
                for address in done:
                    self.put(address, programmed)
                    self.broken.discard(self.unit_of(address))
                if self.part.kind == "mcu-ecc" and done[0] % self.part.program.unit:
                    self.broken.add(self.unit_of(done[0]))  # its data and its check bits are of two minds
            case "erase-ecc-fault":
                for address in addresses:
                    self.put(address, self.part.erased)
                    self.broken.add(self.unit_of(address))
            case "stopped-us":
                drawn = draws.uniforms(WEAK_CELL_SEED, operation.address * 8, operation.length * 8)
                share = f1_share_left(argument)
                for index, address in enumerate(addresses):
                    stays = sum(1 << bit for bit in range(8) if drawn[index * 8 + bit] < share)
                    self.put(address, self.at(address) | (0xFF ^ stays))
            case _:
                raise AssertionError(f"the slow model does not know {how}")

    def needed(self, operation: Operation) -> list[tuple[int, int]]:
        """The (address, bit) pairs a program has yet to move, lowest first."""
        return [
            (operation.address + offset, bit)
            for offset, wanted in enumerate(operation.data)
            for bit in range(8)
            if (self.at(operation.address + offset) ^ self.moved(operation.address + offset, wanted)) >> bit & 1
        ]

    def moved(self, address: int, wanted: int) -> int:
        return self.at(address) & wanted if self.part.erased else self.at(address) | wanted

    def unit_of(self, address: int) -> int:
        return address // self.part.program.unit


def seen_in(part: Part, cells: Cells, state: DeviceState, low: int, high: int) -> SlowArray:
    """The slow view of [low, high) of a one-chip state."""
    cells.restore(state.memory[0])
    broken = set() if cells.broken is None else {int(unit) for unit in cells.broken.nonzero()[0]}
    return SlowArray(part, low, bytearray(cells.read(low, high - low)), broken)


def window_of(run: Run) -> tuple[int, int]:
    """From the first to behind the last byte a session touches."""
    done = operations(run)
    return min(op.address for op in done), max(op.address + op.length for op in done)


def expected_kinds(part: Part, run: Run, model: SlowArray, *, every_byte: bool = True) -> Counter[str]:
    """How many tears of each kind the operations of a session have, by the formulas of the fault model."""
    kinds: Counter[str] = Counter()
    for operation in operations(run):
        units = operation.length // part.program.unit
        grains = range(units) if every_byte else {0, units // 2, units - 1}
        prefixes = range(1, units) if every_byte else {1, units // 2, units - 1} - {0, units}
        if operation.kind == "program":
            kinds["prefix"] += len(prefixes)
            if part.kind in ("spi-nor", "mcu-word") and len(model.needed(operation)) > 1:
                kinds["one-bit"] += 1
                kinds["all-but-one-bit"] += 1
            if part.kind == "mcu-ecc":
                kinds["ecc-fault"] += len(grains)
        elif part.kind == "stm32f1":
            kinds["stopped-us"] += 3 if every_byte else 2
        else:
            kinds["front"] += len({1, operation.length // 2, operation.length - 1})
            kinds["preprogrammed"] += 1
            kinds["erase-ecc-fault"] += part.kind == "mcu-ecc"
        model.done(operation)
    return +kinds


# -- how many --------------------------------------------------------------------------------------------


@every_board
@pytest.mark.parametrize("tears", [T1, COARSE], ids=lambda tears: tears.name)
def test_every_operation_is_torn_as_often_as_its_part_says(board: str, tears: object) -> None:
    rig = rig_on(board)
    for state, run in life(rig):
        found = Counter(child.edge.kind for _, _, child in edges_of(rig, [(state, run)], tears, ()))  # type: ignore[arg-type]
        model = seen_in(rig.parts[0], rig.bench_cells()[0], state, *window_of(run))
        torn = expected_kinds(rig.parts[0], run, model, every_byte=tears is T1)
        assert found == torn + Counter({CUT: len(run.entries) + 1})


def test_a_serial_page_is_cut_at_every_byte_and_an_erase_at_four_states() -> None:
    rig = rig_on("demo")
    for state, run in life(rig):
        hows: dict[int, list[str]] = {}
        for _, _, child in edges_of(rig, [(state, run)], T1, ()):
            hows.setdefault(child.edge.entry, []).append(child.edge.how)
        for index, entry in enumerate(run.entries):
            if not isinstance(entry, Operation):
                assert hows[index] == ["cut"]
            elif entry.kind == "program":
                prefixes = [f"prefix-{n}" for n in range(1, entry.length)]
                assert hows[index] == ["cut", *prefixes, "one-bit-1", "all-but-one-bit-1"]
            else:
                half = entry.length // 2
                assert hows[index] == [
                    "cut",
                    "front-1",
                    f"front-{half}",
                    f"front-{entry.length - 1}",
                    "preprogrammed-1",
                ]
        assert hows[len(run.entries)] == ["cut"]


@every_board
def test_without_tears_there_is_one_edge_per_point_and_points_are_entries_plus_one(board: str) -> None:
    rig = rig_on(board)
    for state, run in life(rig):
        edges = [child.edge for _, _, child in edges_of(rig, [(state, run)], NONE, ())]
        assert edges == [Edge(entry, "cut", "cut") for entry in range(len(run.entries) + 1)]


@every_board
def test_edges_come_in_journal_order_and_no_edge_twice(board: str) -> None:
    rig = rig_on(board)
    for state, run in life(rig):
        edges = [child.edge for _, _, child in edges_of(rig, [(state, run)])]
        assert [edge.entry for edge in edges] == sorted(edge.entry for edge in edges)
        assert len(set(edges)) == len(edges)


def test_walking_twice_with_one_walker_makes_the_same_children() -> None:
    rig = rig_on("stm32f103")
    walker = EdgeWalker(rig, COARSE, EVENT_NAMES)
    (state, run), (other, after) = life(rig)

    def keys() -> list[tuple[Edge, bytes]]:
        return [(child.edge, child.state.key) for child in walker.children(state, run)]

    first = keys()
    assert sum(1 for _ in walker.children(other, after)) > 0
    assert keys() == first


# -- what each leaves ------------------------------------------------------------------------------------


@pytest.mark.parametrize("jumps", [(7, 3, 3, 12), (12, 12, 4), (0, 9, 10, 11)])
def test_wherever_a_walker_has_been_it_makes_the_same_children(jumps: tuple[int, ...]) -> None:
    """It goes on from where it stands if it can; what others did with its cells meanwhile makes no difference."""
    rig = rig_on("demo")
    sessions = life(rig)
    walker = EdgeWalker(rig, T1, EVENT_NAMES)
    for state, run in sessions:
        whole = [told(child) for child in EdgeWalker(rig, T1, EVENT_NAMES).children(state, run)]
        for number, first in enumerate(min(jump, len(run.entries)) for jump in jumps):
            found = [told(child) for child in islice(walker.children(state, run, first), 40)]
            assert found == [child for child in whole if child[0] >= first][:40]
            if number == 1:
                walker.advance(next(entry for entry in run.entries if isinstance(entry, Operation)))
            if number == 2:
                walker.stand(sessions[0][0].memory)
        entry, how = whole[-2][0], whole[-2][1]
        child = walker.find(state, run, entry, how)
        assert child is not None
        assert told(child) == whole[-2]


def test_a_walker_does_not_go_on_in_another_session() -> None:
    rig = rig_on("demo")
    state, run = life(rig)[0]
    at = 1 + next(index for index, entry in enumerate(run.entries) if isinstance(entry, Operation))
    shorter = replace(run, entries=[entry for entry in run.entries if not isinstance(entry, Operation)])
    walker = EdgeWalker(rig, NONE, ())
    for other, entries in ((replace(state, attempts_left=7), run), (state, shorter)):
        next(walker.children(state, run, at))
        again = next(EdgeWalker(rig, NONE, ()).children(other, entries, at))
        assert told(next(walker.children(other, entries, at))) == told(again)


@every_board
def test_what_an_edge_leaves_is_what_a_slow_model_makes_of_it(board: str) -> None:
    rig = rig_on(board)
    (part,), (cells,) = rig.parts, rig.bench_cells()
    for state, run in life(rig):
        low, high = window_of(run)
        ways = [child for _, _, child in edges_of(rig, [(state, run)], T1, ())]
        model, done = seen_in(part, cells, state, low, high), 0
        for number, child in enumerate(ways):
            if child.edge.kind in ("prefix", "ecc-fault") and number % 17:
                continue
            for entry in run.entries[done : child.edge.entry]:
                if isinstance(entry, Operation):
                    model.done(entry)
            done = child.edge.entry
            torn = model.copy()
            if child.edge.is_torn:
                operation = run.entries[child.edge.entry]
                assert isinstance(operation, Operation)
                torn.torn(operation, child.edge.how)
            assert seen_in(part, cells, child.state, low, high) == torn, child.edge
        (whole,) = [c for c in ways if c.edge == Edge(len(run.entries), "cut", "cut")]
        assert whole.state.memory[0].key == run.end.memory[0].key


@every_board
def test_no_tear_reaches_beyond_its_operation(board: str) -> None:
    rig, edges = known_edges(board)
    before: dict[tuple[int, int], DeviceState] = {}
    (cells,) = rig.bench_cells()
    for _, run, child in edges:
        if child.edge.how == CUT:
            before[id(run), child.edge.entry] = child.state
        elif child.edge.is_torn:
            operation = run.entries[child.edge.entry]
            assert isinstance(operation, Operation)
            inside = set(cells.blocks_in(operation.address, operation.length))
            start = before[id(run), child.edge.entry].memory[0]
            assert set(start.tree.differing(child.state.memory[0].tree)) <= inside
    assert before


@every_board
def test_replaying_a_whole_journal_leaves_what_the_session_left(board: str) -> None:
    rig = rig_on(board)
    for state, run in life(rig):
        cells = dict(zip(rig.chip_names, rig.bench_cells(), strict=True))
        for chip, snapshot in zip(cells.values(), state.memory, strict=True):
            chip.restore(snapshot)
        for operation in operations(run):
            replay(cells[operation.device], operation)
        assert [chip.snapshot().key for chip in cells.values()] == [s.key for s in run.end.memory]


# -- the rest of the state -------------------------------------------------------------------------------


def timer_at(run: Run, point: int) -> str:
    """What the commit timer is doing at a point, by reading the journal from the start."""
    doing = STOPPED
    for entry in run.entries[:point]:
        if isinstance(entry, Event) and entry.name in (ARMED, STOPPED, FED):
            doing = entry.name
    return doing


@every_board
def test_attempts_are_used_from_the_attempt_event_on(board: str) -> None:
    _, edges = known_edges(board)
    seen = set()
    for origin, run, child in edges:
        begun = sum(isinstance(e, Event) and e.name == ATTEMPT for e in run.entries[: child.edge.entry])
        assert child.state.attempts_left == origin.attempts_left - begun
        seen.add(begun)
    assert seen == {0, 1}


@every_board
def test_power_takes_the_ram_and_warm_resets_keep_it(board: str) -> None:
    rig = rig_on(board, firmware=TwicePulled())
    pulled = DeviceState(rig.initial(1).memory, "pin", 1, (("kept", 5),))
    run = rig.run(pulled)
    rams = {
        (child.edge.how, child.state.ram, child.edge.entry > 0)
        for _, _, child in edges_of(rig, [(pulled, run)], NONE, ("reset",))
    }
    kept, more = (("kept", 5),), (("kept", 5), ("pulls", 1))
    assert rams == {("cut", (), False), ("cut", (), True), ("reset", kept, False), ("reset", more, True)}


@every_board
def test_the_commit_timer_fires_only_where_it_is_armed(board: str) -> None:
    rig = rig_on(board)
    for state, run in life(rig):
        children = [child for _, _, child in edges_of(rig, [(state, run)], NONE, EVENT_NAMES)]
        armed = [point for point in range(len(run.entries) + 1) if timer_at(run, point) == ARMED]
        assert [child.edge.entry for child in children if child.edge.how == "timer"] == armed


@every_board
def test_an_edge_knows_which_image_was_running(board: str) -> None:
    seen = set()
    for _, run, child in known_edges(board)[1]:
        entered = [e.facts[1] for e in run.entries[: child.edge.entry] if isinstance(e, Event) and e.name == HANDOVER]
        assert child.running == (entered[-1] if entered else "")
        seen.add(child.running)
    assert seen == {"", "old", "new"}


@pytest.mark.parametrize("watchdog_s", [0, 8])
@pytest.mark.parametrize("can_stop", [True, False])
def test_a_hang_is_for_ever_unless_a_timer_runs(watchdog_s: int, can_stop: bool) -> None:
    rig = rig_on(board_with(timers={"watchdog_s": watchdog_s, "commit_can_stop": can_stop}))
    for state, run in life(rig):
        for _, _, child in edges_of(rig, [(state, run)], NONE, ("hang",)):
            if child.edge.how == "hang":
                timed = timer_at(run, child.edge.entry) != STOPPED
                assert child.stuck == (not timed and not watchdog_s)
                if child.stuck:
                    assert (child.state.cause, child.state.ram) == ("power", ()), "until somebody pulls the plug"
            else:
                assert not child.stuck


def test_an_edge_names_the_interruption_that_makes_it() -> None:
    made = {how: Edge(4, how, how).interruption() for how in ("cut", "reset", "hang", "timer")}
    assert {how: (i.entry, i.cause, i.tear) for how, i in made.items()} == {
        "cut": (4, "power", None),
        "reset": (4, "pin", None),
        "hang": (4, "hang", None),
        "timer": (4, "commit-timer", None),
    }
    torn = Edge(4, "prefix-17", "prefix").interruption()
    assert torn.tear is not None
    assert (torn.cause, torn.tear.name) == ("power", "prefix-17")
