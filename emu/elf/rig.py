"""ElfRig: a bare-metal ELF on an emulated Cortex-M, its flash the cells that are cut.

A session lasts from a reset until the image that runs has shown that it works, the core resets, stands still or locks
up. It is a function of its `DeviceState`: cells, the cause of the reset, and after a warm one what a reset leaves
alone (RAM, backup registers; `emu.cpu.retained`). RAM at power-on is drawn, from the seed.

The footprint is exact to one unit of the grid. Loads and code outside the bootloader are hooked; the pages the
bootloader's code stands in, if no uncut session writes them, count as consulted as a whole, at the start of every
session: so its own instructions and constants, most of all that is read, cost nothing. What the controller and the
reset look at (option bytes, cells before they are programmed) the devices record themselves.

Neighbours: implements `rig.Rig`; `life` watches a session, `board` says what it is made of. `campaign` never
sees this file. There are no waypoints: a stretch is a whole session.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from emu.cpu.elf import Code
from emu.cpu.elf import Place as CodePlace
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.retained import retain, retained
from emu.cpu.session import CpuSession
from emu.elf.attempt import Attempt, is_brought
from emu.elf.board import ElfBoard
from emu.elf.conversation import BITS, SECOND
from emu.elf.counters import counters_by_chip
from emu.elf.document import WindowEntry
from emu.elf.factory import program
from emu.elf.inputs import inputs_of
from emu.elf.life import ElfLife
from emu.elf.limits import limits_of
from emu.elf.lookout import Lookout
from emu.elf.measured import Measured, grids_for, measured, outside
from emu.elf.pins import drive
from emu.elf.placed import Placed
from emu.elf.promises import bounds_of, lacks_of, oracles_of_images
from emu.elf.storage import Storage
from emu.elf.update import manner_of
from emu.elf.warm import Live, WarmResets, WatchedJournal, watchdog_of
from emu.errors import ScenarioError
from emu.events import COMMIT_TIMER, HANG, NEW, OLD
from emu.known_images import KnownImages, Layout
from emu.oracle import AnyOracle
from emu.rig import (
    Capabilities,
    Detour,
    DeviceState,
    Input,
    KnownFiles,
    Outcome,
    Place,
    Places,
    Region,
    Run,
)  # fmt: skip
from emu.timers import EventLog
from flash.cells import Cells
from flash.defects import Defects
from flash.grid import Grid, Grids
from flash.journal import Interruption, Journal
from flash.part import Part
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.timing import Timing, TimingMode
from flash.trace import Trace
from flash.weak import DEFAULT_RESOLUTION


class ElfRig:
    """A board with an ELF that can be cut. Raises ScenarioError, BoardError or PartError."""

    def __init__(
        self,
        board: ElfBoard,
        *,
        timing: TimingMode = "typ",
        seed: int = 0,
        resolution: str = DEFAULT_RESOLUTION,
        traced: bool = True,
        resets: bool = False,
        live: Live | None = None,
    ) -> None:
        self.board = board
        self.name = board.name
        self.drawn = (timing, seed, resolution)
        self.resets = (resets, live)
        """Whether a session says what a reset finds at each of its points, and which words of RAM count there; None:
        all."""
        self._machine = machine = Machine(board.chip, make_controller, seed=seed, memories=board.memories)
        machine.deep_sleep.wakes_after_us = round(board.document.sleep.wakes_after_s * SECOND)
        self._session = CpuSession(machine)
        for device in machine.devices:
            device.timing = Timing(device.part, timing, seed=seed, worn=False)
        entry = board.document
        self._slots = [Partition(s.name, machine.flash, self._offset(s.address), s.size) for s in entry.running_slots]
        layouts = {image.name: Layout(image.offset, image.ignore) for image in entry.image}
        self._known = KnownImages(board.images, max((slot.size for slot in self._slots), default=0), layouts)
        self._storage = Storage(board, self._place_of, [oracle.name for oracle in oracles_of_images(entry, self.parts)])
        self.bounds = bounds_of(board, [oracle.name for oracle in self.oracles])
        self._program(board.files)
        self.shipped = DeviceState(tuple(device.snapshot() for device in machine.devices), "power", 0)
        """The device before an update waits in it."""
        self._program(board.staged)
        self._factory = DeviceState(tuple(device.snapshot() for device in machine.devices), "power", 0)
        self._shipped = self._factory
        self._ends_with = "" if not board.images else NEW if self.keeps_new else OLD
        self._defects: Mapping[str, Defects] = {}
        self._counters = counters_by_chip(
            entry.counter, self.parts, self.chip_names, self._offset, self._factory.memory
        )
        self.notes_stores = False
        """Whether sessions fill ``stores``."""
        self._programs: dict[str, Code] = {}
        self._grids: Grids = {device.name: Grid(device.part) for device in machine.devices}
        self._loader = self._loader_extent()
        self._lookout = Lookout(machine, self._loader, self._grids)
        self._warm = WarmResets(machine, live)
        self._manner = None if board.update is None else manner_of(board.update)
        self._attempt: Attempt | None = None
        self._overlong: dict[tuple[bytes, bool] | None, tuple[Run, Attempt | None]] = {}
        """Sessions that a limit has ended, with who brought the update: they take longest, and are the same each
        time."""
        self._traced = True
        self._uncut = Measured()
        """What the uncut update takes and touches."""
        self._uncut = measured(lambda at: self._run(at, None), self.initial(1), machine, self.bounds.max_resets)
        self._grids = self._units_for(self._uncut)
        self._lookout.use(self._grids)
        self._traced = traced

    # -- the contract --------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            snapshot=True,
            tears=True,
            deterministic=True,
            virtual_time=True,
            is_ours=False,
            resets=self.resets[0],
            ends_with=self._ends_with,
        )

    @cached_property
    def inputs(self) -> Mapping[str, Input]:
        found = inputs_of(self.board, self.parts, self._shipped.memory, self.drawn)
        return {**self._storage.inputs, **found}

    @property
    def parts(self) -> Sequence[Part]:
        return [device.part for device in self._machine.devices]

    @property
    def chip_names(self) -> Sequence[str]:
        return [device.name for device in self._machine.devices]

    @property
    def places(self) -> Places:
        return Places((), tuple(Place(0, slot.address, slot.size) for slot in self._slots))

    @property
    def files(self) -> KnownFiles:
        return KnownFiles()

    @property
    def lacks(self) -> Mapping[str, str]:
        own = [oracle.name for oracle in self.oracles]
        return lacks_of(self.board, own, hears_values=self._storage.hears_values)

    @cached_property
    def oracles(self) -> Sequence[AnyOracle]:
        return (*oracles_of_images(self.board.document, self.parts), *self._storage.oracles)

    @property
    def watchdog_us(self) -> int:
        return 0

    @property
    def regions(self) -> tuple[Region, ...]:
        found = [Region(self._machine.flash.name, slot.name, slot.address, slot.size) for slot in self._slots]
        found += [Region(s.memory, s.name, s.address, s.size) for s in self.board.document.slot if s.memory]
        windows = self._storage.windows.items()
        found += [Region(self.chip_names[at.chip], name, at.address, at.size) for name, at in windows]
        return tuple(sorted(found, key=lambda region: (self.chip_names.index(region.chip), region.address)))

    @property
    def keeps_new(self) -> bool:
        return bool(self.board.images) and NEW in self.board.document.accept

    def bench_cells(self) -> list[Cells]:
        benches = [Cells(part) for part in self.parts]
        for name, cells in zip(self.chip_names, benches, strict=True):
            cells.defects = self._defects.get(name)
        return benches

    def initial(self, attempts: int) -> DeviceState:
        return replace(self._factory, attempts_left=attempts)

    @property
    def grids(self) -> Grids:
        return self._grids

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        if interruption is not None or self.notes_stores:
            return self._run(state, interruption)[0]
        key = (state.key, self._traced) if self._overlong else None
        if key in self._overlong:
            run, self._attempt = self._overlong[key]
            return run
        run, is_over = self._run(state, None)
        if is_over:
            self._overlong[state.key, self._traced] = run, self._attempt
        return run

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        return self.run(state, resolution=resolution)

    def detours(self, state: DeviceState, run: Run) -> Sequence[Detour]:
        """None: nothing but the device decides what happens."""
        return ()

    def renamed(self, memory: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        now = list(memory)
        for number, counters in self._counters.items():
            now[number] = counters.renamed(memory[number])
        return memory if all(map(operator.is_, now, memory)) else tuple(now)

    def remainder(self, state: DeviceState) -> Run:
        """What is left of a session: without waypoints, all of it."""
        return self.run(state)

    # -- variations ----------------------------------------------------------------------------------------

    def varied(self, *, start: DeviceState | None = None, defects: Mapping[str, Defects] | None = None) -> ElfRig:
        """The like of this rig on the same machine, with another state to begin with, or sectors that fail, by chip.
        One machine: no two of them run at the same time."""
        other = copy.copy(self)
        other._factory = start or self._factory
        other._ends_with, other._overlong = "", {}  # nobody knows of this one
        other._defects = self._defects if defects is None else defects
        return other

    def with_resets(self, live: Live | None = ()) -> ElfRig:
        """The like of this rig, whose sessions say what a reset finds at each of their points. ``live``: the words of
        RAM that count, besides those that did; None: all of it."""
        if self.board.memories:
            raise ScenarioError(
                f"{self.name} has memories beside the chip, and nobody records what they are doing at every point a "
                "reset may come: cut it by power alone, leave --events out"
            )
        if self.board.update is not None:
            raise ScenarioError(
                f"{self.name} is brought its update over a UART, and nobody records what is on the line at every point "
                "a reset may come: cut it by power alone, leave --events out"
            )
        timing, seed, resolution = self.drawn
        both = None if live is None else tuple(sorted({*live, *(self.resets[1] or ())}))
        return ElfRig(self.board, timing=timing, seed=seed, resolution=resolution, resets=True, live=both)

    def images_in(self, state: DeviceState) -> tuple[str, ...]:
        """Which known image stands in each slot of a state."""
        self._machine.flash.restore(state.memory[0])
        return tuple(self._known.standing_in(slot, None) for slot in self._slots)

    def offset_of(self, address: int) -> int:
        """Where in the array an address of the core is."""
        return self._offset(address)

    @property
    def hung_uncut(self) -> tuple[DeviceState, Run] | None:
        """The session of the uncut life that a limit has ended, by blocks: it need not be lived again to see that the
        update does not end well."""
        return self._uncut.hung

    @property
    def records(self) -> tuple[tuple[int, int], ...]:
        """What the uncut update writes outside the slots, as (address in the array, bytes)."""
        flash = self._machine.flash
        return outside(self._uncut.written[flash.name], flash.cells.block_size, self._slots)

    # -- for people ----------------------------------------------------------------------------------------

    @property
    def machine(self) -> Machine:
        """What ran the last session, as that left it."""
        return self._machine

    @property
    def storage(self) -> Storage:
        """What the board says of values that are kept."""
        return self._storage

    @property
    def attempt(self) -> Attempt | None:
        """Who brought the update in the last session; None: nobody could."""
        return self._attempt

    @property
    def stores(self) -> dict[int, int]:
        """Of the last session, where it was to note them: the program counter of what made an entry, by its number."""
        life = self._lookout.life
        assert life is not None, "a session that nobody watched: please report"
        return life.stores

    @property
    def differences(self) -> list[str]:
        """Of the last session, where stores were noted: what is unknown of each unknown image that was entered."""
        life = self._lookout.life
        assert life is not None, "a session that nobody watched: please report"
        return life.differences

    def store_at(self, state: DeviceState, entry: int) -> int | None:
        """The program counter of what makes entry ``entry`` of the session from ``state``, or the next operation."""
        self.notes_stores = True
        self.run(state)
        self.notes_stores = False
        after = [number for number in self.stores if number >= entry]
        return self.stores[min(after)] if after else None

    def watched(self, state: DeviceState) -> Run:
        """One session, however somebody at the machine has it go. ``stores`` is filled."""
        self.notes_stores = True
        try:
            return self._run(state, None)[0]
        finally:
            self.notes_stores = False

    def place_of(self, address: int) -> CodePlace:
        """Function and line of an address, by the first ELF of the board that knows it."""
        for name, content in self.board.programs:
            code = self._programs.get(name) or self._programs.setdefault(name, Code(name, content))
            if code.function(address) is not None:
                return code.place(address)
        return CodePlace()

    # -- a session -----------------------------------------------------------------------------------------

    def _run(self, state: DeviceState, interruption: Interruption | None) -> tuple[Run, bool]:
        machine = self._machine
        trace = Trace(self._grids) if self._traced else None
        self._begin(state, trace)
        keeps, live = self.resets
        watched = WatchedJournal(interruption, self._warm.kept) if keeps else None
        log = EventLog(watched or Journal(interruption), machine.clock, machine.supply)
        attempt = self._attempt = self._attempt_in(state, log, trace)
        life = ElfLife(
            machine, self.board.document, self._slots, self._known, log, trace, attempt, self._storage.phrases,
            notes_stores=self.notes_stores,
        )  # fmt: skip
        self._lookout.life = life
        limits = limits_of(
            self.board.document.limits, self._uncut.longest, self._transfer_us if is_brought(state) else 0
        )
        outcome, is_over = life.live(self._session, state.cause, limits, trace)
        if outcome.kind != "cut" and log.journal.is_due:
            outcome = _struck(log.journal.interruption)
        if outcome.kind == "reset" and outcome.cause in (HANG, COMMIT_TIMER):
            outcome = _stands_still(machine)
        if attempt is not None:
            outcome = attempt.follows(outcome)
        machine.look_at_flash()
        if trace is not None:
            self._storage.consulted(machine.devices, trace)
        is_warm = outcome.kind == "reset" and outcome.cause != "power"
        end = DeviceState(
            tuple(device.snapshot() for device in machine.devices),
            outcome.cause if is_warm else "power",
            state.attempts_left if attempt is None else attempt.attempts_left,
            retained(machine, live, stops_alarms=outcome.cause != "software") if is_warm else (),
            outside=None if attempt is None else attempt.outside_after(outcome),
        )
        run = Run(log.journal.entries, outcome, end, machine.clock.now_us, trace)
        if watched is not None and len(watched.kept) > len(run.entries):
            run.kept = tuple(watched.kept)
        if state.cause != "power":
            run.missed = self._warm.missed()
        return run, is_over

    def _attempt_in(self, state: DeviceState, log: EventLog, trace: Trace | None) -> Attempt | None:
        """Who brings the update in a session; None: it does not come over a UART."""
        update = self.board.update
        if update is None or self._manner is None:
            return None
        asked = (lambda begun: None) if trace is None else trace.asked_for_attempts
        return Attempt(self._manner, self._machine, update.entry.port, state, log, asked)

    @property
    def _transfer_us(self) -> int:
        """Of a session, what may go by with the update on its way."""
        update, manner = self.board.update, self._manner
        if update is None or manner is None:
            return 0
        return 2 * len(update.data) * BITS * SECOND // manner.baud + manner.patience_us

    def _begin(self, state: DeviceState, trace: Trace | None) -> None:
        machine = self._machine
        machine.supply.restore()
        for device, snapshot in zip(machine.devices, state.memory, strict=True):
            device.cells.defects = self._defects.get(device.name)
            device.restore(snapshot)
            device.in_flight.clear()
            if device.cells.is_weak(0, device.geometry.size):
                raise ScenarioError(
                    "a core reads cells as they are, and weak ones read either way; tears T3 and T4 are not for an "
                    "ELF: use T2 at most"
                )
        if state.cause != "power":
            retain(machine, state.ram)
        drive(self.board.document.pin, machine.peripherals, is_brought=is_brought(state))
        self._lookout.begin(trace)
        self._warm.begin()

    # -- what it is made of --------------------------------------------------------------------------------

    def _program(self, pieces: Sequence[Placed]) -> None:
        """As the factory does."""
        devices = {device.name: device for device in self._machine.devices}
        for placed in pieces:
            if placed.memory:
                program(devices[placed.memory], placed.address, placed.data)
            else:
                program(self._machine.flash, self._offset(placed.address), placed.data)

    def _offset(self, address: int) -> int:
        offset = self._machine.flash_offset(address)
        assert offset is not None, f"{address:#x} is not in flash: please report"
        return offset

    def _place_of(self, window: WindowEntry) -> Place:
        if window.memory:
            return Place(self.chip_names.index(window.memory), window.address, window.size)
        return Place(0, self._offset(window.address), window.size)

    def _blocks_apart(self, chip: int) -> set[int]:
        """The blocks of a chip in which slots and windows are."""
        cells = self._machine.devices[chip].cells
        places = [place for place in (*self.places.slots, *self._storage.windows.values()) if place.chip == chip]
        return {at for place in places for at in cells.blocks_in(place.address, place.size)}

    def _loader_extent(self) -> tuple[int, int]:
        """The snapshot blocks of the piece that holds the boot vectors, as long as no slot or window begins in them."""
        boot = self._offset(self.board.chip.boot)
        block = self._machine.flash.cells.block_size
        holder = next(
            p
            for p in self.board.files
            if not p.memory and self._offset(p.address) <= boot < self._offset(p.address) + len(p.data)
        )
        start = self._offset(holder.address) // block * block
        end = -(-(self._offset(holder.address) + len(holder.data)) // block) * block
        apart = [place.address for place in (*self.places.slots, *self._storage.windows.values()) if not place.chip]
        ahead = [address for address in apart if start <= address < end]
        return (start, max(start, min([end, *ahead])))

    def _units_for(self, found: Measured) -> Grids:
        cells, (start, end) = self._machine.flash.cells, self._loader
        known = set(range(start // cells.block_size, end // cells.block_size))
        for placed in self.board.staged:
            if not placed.memory:
                known |= set(cells.blocks_in(self._offset(placed.address), len(placed.data)))
        apart = {name: self._blocks_apart(number) for number, name in enumerate(self.chip_names)}
        return grids_for(found, self._machine, self._slots, apart, known)


def _struck(interruption: Interruption | None) -> Outcome:
    """What an interruption makes of a session that has made its last entry."""
    assert interruption is not None, "an interruption is due that nobody scheduled: please report"
    if interruption.cause == "power":
        return Outcome("cut")
    return Outcome("reset", cause=interruption.cause)  # type: ignore[arg-type]  # the cause of a reset line or a timer


def _stands_still(machine: Machine) -> Outcome:
    """What follows when the core does nothing any more: the timer that rings next, or nothing."""
    watchdog = watchdog_of(machine)
    if not watchdog:
        return Outcome("hung", detail="the core stands still, and no watchdog is running")
    return Outcome("reset", cause=watchdog)  # type: ignore[arg-type]  # chips have more causes than boards
