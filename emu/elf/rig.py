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

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

import msgspec

from emu.board import CheckEntry
from emu.cpu.elf import Code
from emu.cpu.elf import Place as CodePlace
from emu.cpu.first_touch import PIECE, FirstTouch
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.retained import retain, retained
from emu.cpu.session import CpuSession
from emu.elf.board import ElfBoard
from emu.elf.counters import Counters
from emu.elf.life import ElfLife
from emu.elf.storage import Storage
from emu.errors import ScenarioError
from emu.events import HANDOVER, NEW, OLD, UNKNOWN
from emu.known_images import KnownImages
from emu.oracle import AnyOracle, SessionOracle
from emu.rig import (
    NOBODY_IS_TOLD,
    Capabilities,
    Detour,
    DeviceState,
    Input,
    KnownFiles,
    Place,
    Places,
    Region,
    Run,
)  # fmt: skip
from emu.timers import EventLog
from flash.cells import Cells
from flash.grid import Grid, Grids
from flash.journal import Event, Interruption, Journal, Operation
from flash.part import Part
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.timing import Timing, TimingMode
from flash.trace import Trace, UnitAddress
from flash.weak import DEFAULT_RESOLUTION

FINE_SIZE = 32
"""Bytes of a unit where records or small slots are."""
MAX_FINE = 1 << 16
"""Of how many bytes at most the units are that small."""


class ElfRig:
    """A board with an ELF that can be cut. Raises ScenarioError, BoardError or PartError."""

    capabilities = Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True, is_ours=False)

    def __init__(
        self,
        board: ElfBoard,
        *,
        timing: TimingMode = "typ",
        seed: int = 0,
        resolution: str = DEFAULT_RESOLUTION,
        traced: bool = True,
    ) -> None:
        self.board = board
        self.name = board.name
        self.drawn = (timing, seed, resolution)
        self._machine = machine = Machine(board.chip, make_controller, seed=seed)
        self._session = CpuSession(machine)
        for device in machine.devices:
            device.timing = Timing(device.part, timing, seed=seed, worn=False)
        entry, base = board.document, board.chip.flash.address
        size = machine.flash.geometry.size
        self._bases = [base, *board.chip.flash.aliases]
        self._slots = [Partition(s.name, machine.flash, self._offset(s.address), s.size) for s in entry.slot]
        self._known = KnownImages(board.images, max((slot.size for slot in self._slots), default=0))
        self._storage = Storage(board, self._offset, [oracle.name for oracle in self._of_images])
        for placed in (*board.files, *board.staged):
            machine.flash.load(self._offset(placed.address), placed.data)
        self._factory = DeviceState(tuple(device.snapshot() for device in machine.devices), "power", 0)
        counters = entry.counter
        self._counters = (
            Counters(counters, machine.flash.part, self._offset, machine.flash.snapshot()) if counters else None
        )
        self.notes_stores = False
        """Whether sessions fill ``stores``."""
        self._life: ElfLife | None = None
        self._trace: Trace | None = None
        self._programs: dict[str, Code] = {}
        self._loader = self._loader_extent()
        start, end = self._loader
        followed = [(at, length) for at, length in ((0, start), (end, size - end)) if length]
        self._touch = FirstTouch(base, size, machine.engine.folded)
        machine.engine.follow(
            [(home + at, length) for home in self._bases for at, length in followed],
            self._touch, self._reads, self._executes,
        )  # fmt: skip
        machine.memory.looked = self._reads
        self._traced = False
        self._limit_us = round(entry.limits.session_s * 1_000_000)
        self._units: dict[tuple[int, int], tuple[UnitAddress, ...]] = {}
        self._grids: Grids = {}
        self._grids, longest_us = self._measure()
        self._limit_us = max(self._limit_us, entry.limits.times_uncut * longest_us)
        self._traced = traced

    # -- the contract --------------------------------------------------------------------------------------

    @cached_property
    def inputs(self) -> Mapping[str, Input]:
        board = self.board
        shipped = b"".join(snapshot.key for snapshot in self._factory.memory)
        images = b"".join(name.encode() + hashlib.sha256(data).digest() for name, data in board.images.items())
        parts = b"".join(msgspec.json.encode(part) for part in self.parts)
        timing, seed, resolution = self.drawn
        workload = f"{timing}|{seed}|{resolution}"
        update = b"".join(placed.data for placed in board.staged)
        staged = f"{len(update):,} bytes staged" if board.images else "no update: the firmware keeps values"
        return {
            **self._storage.inputs,
            "board": Input(self.name, hashlib.sha256(board.digest.encode() + parts).hexdigest()),
            "from": Input("what the factory shipped", hashlib.sha256(shipped).hexdigest()),
            "to": Input(staged, hashlib.sha256(images + update).hexdigest()),
            "workload": Input(workload, hashlib.sha256(workload.encode()).hexdigest()),
        }

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
        reasons = {
            "keeps-files": "nobody knows a filesystem of the firmware",
            "truthful": NOBODY_IS_TOLD,
            "retries": "the update stands in flash when the device leaves the factory: nobody brings it again",
        }
        board = self.board.document
        if board.commit is None:
            never = "the board has no [commit]: nobody knows when an image is there to stay"
            reasons |= {"reverts": never, "durable": never}
        if not board.image:
            reasons |= dict.fromkeys(("whole", "reverts", "retries"), "the board has no [[image]]: nothing is updated")
            reasons["durable"] = "[storage] has no patterns: nobody knows when a value is there to stay"
        if self._storage.hears_values:
            reasons.pop("durable", None)
        return reasons

    @cached_property
    def oracles(self) -> Sequence[AnyOracle]:
        return (*self._of_images, *self._storage.oracles)

    @property
    def _of_images(self) -> Sequence[SessionOracle]:
        accepted = self.board.document.accept
        if not self.board.document.image:
            return ()
        return (
            SessionOracle(
                "accepts", f"the device settles with an image the board accepts: {' or '.join(accepted)}",
                partial(_not_accepted, accepted),
            ),
            SessionOracle("stays-up", "an image that was entered stays up, or resets", _falls),
        )  # fmt: skip

    @property
    def watchdog_us(self) -> int:
        return 0

    @property
    def bounds(self) -> CheckEntry:
        return self.board.document.checks

    @property
    def regions(self) -> tuple[Region, ...]:
        found = [Region(self._machine.flash.name, name, at.address, at.size) for name, at in self._named.items()]
        return tuple(sorted(found, key=lambda region: region.address))

    @property
    def keeps_new(self) -> bool:
        return bool(self.board.images) and NEW in self.board.document.accept

    def bench_cells(self) -> list[Cells]:
        return [Cells(part) for part in self.parts]

    def initial(self, attempts: int) -> DeviceState:
        return replace(self._factory, attempts_left=attempts)

    @property
    def grids(self) -> Grids:
        return self._grids

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        if interruption is not None and interruption.cause != "power":
            raise ScenarioError(
                "an ELF is cut by power alone: nobody records what RAM holds at every point; leave --events out"
            )
        run, is_over = self._run(state, interruption, self._limit_us)
        if is_over:  # a hang is confirmed, once, with a longer limit
            run, _ = self._run(state, interruption, self._limit_us * self.board.document.limits.confirm_times)
        return run

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        return self.run(state, resolution=resolution)

    def detours(self, state: DeviceState, run: Run) -> Sequence[Detour]:
        """None: nothing but the device decides what happens."""
        return ()

    def renamed(self, memory: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        if self._counters is None:
            return memory
        flash = self._counters.renamed(memory[0])
        return memory if flash is memory[0] else (flash, *memory[1:])

    def remainder(self, state: DeviceState) -> Run:
        """What is left of a session: without waypoints, all of it."""
        return self.run(state)

    # -- for people ----------------------------------------------------------------------------------------

    @property
    def machine(self) -> Machine:
        """What ran the last session, as that left it."""
        return self._machine

    @property
    def stores(self) -> dict[int, int]:
        """Of the last session, where it was to note them: the program counter of what made an entry, by its number."""
        assert self._life is not None, "a session that nobody watched: please report"
        return self._life.stores

    @property
    def differences(self) -> list[str]:
        """Of the last session, where stores were noted: what is unknown of each unknown image that was entered."""
        assert self._life is not None, "a session that nobody watched: please report"
        return self._life.differences

    def store_at(self, state: DeviceState, entry: int) -> int | None:
        """The program counter of what makes entry ``entry`` of the session from ``state``, or the next operation."""
        self.notes_stores = True
        self.run(state)
        self.notes_stores = False
        after = [number for number in self.stores if number >= entry]
        return self.stores[min(after)] if after else None

    def place_of(self, address: int) -> CodePlace:
        """Function and line of an address, by the first ELF of the board that knows it."""
        for name, content in self.board.programs:
            code = self._programs.get(name) or self._programs.setdefault(name, Code(name, content))
            if code.function(address) is not None:
                return code.place(address)
        return CodePlace()

    # -- a session -----------------------------------------------------------------------------------------

    def _run(self, state: DeviceState, interruption: Interruption | None, limit_us: int) -> tuple[Run, bool]:
        machine = self._machine
        trace = Trace(self._grids) if self._traced else None
        self._begin(state, trace)
        log = EventLog(Journal(interruption), machine.clock, machine.supply)
        life = ElfLife(
            machine, self.board.document, self._slots, self._known, log, trace, self._storage.phrases,
            notes_stores=self.notes_stores,
        )  # fmt: skip
        self._life = life
        outcome, is_over = life.live(self._session, state.cause, limit_us, trace)
        if outcome.kind != "cut" and log.journal.is_due:
            outcome = replace(outcome, kind="cut")
        machine.look_at_flash()
        if trace is not None:
            self._storage.consulted(machine.flash, trace)
        is_warm = outcome.kind == "reset"
        end = DeviceState(
            tuple(device.snapshot() for device in machine.devices),
            outcome.cause if is_warm else "power",
            state.attempts_left,
            retained(machine) if is_warm else (),
        )
        return Run(log.journal.entries, outcome, end, machine.clock.now_us, trace), is_over

    def _begin(self, state: DeviceState, trace: Trace | None) -> None:
        machine = self._machine
        machine.supply.restore()
        for device, snapshot in zip(machine.devices, state.memory, strict=True):
            device.restore(snapshot)
            device.in_flight.clear()
            if device.cells.is_weak(0, device.geometry.size):
                raise ScenarioError(
                    "a core reads cells as they are, and weak ones read either way; tears T3 and T4 are not for an "
                    "ELF: use T2 at most"
                )
        if state.cause != "power":
            retain(machine, state.ram)
        self._trace = trace
        self._touch.begin()
        if trace is not None:
            start, end = self._loader
            trace.consulted(machine.flash.name, machine.flash.cells, start, end - start)

    def _reads(self, address: int, size: int) -> None:
        """The core, or what enters its exceptions, looks at flash."""
        offset = self._offset(address)
        length = min(size, self._machine.flash.geometry.size - offset)
        if self._trace is not None:
            self._trace.consulted_each(self._units_of(offset // PIECE, -(-(offset + length) // PIECE)))
        self._touch.touch(offset, length)

    def _units_of(self, first: int, stop: int) -> tuple[UnitAddress, ...]:
        """The units of the grid in some pieces of flash."""
        found = self._units.get((first, stop))
        if found is None:
            name = self._machine.flash.name
            units = self._grids[name].units_in(first * PIECE, (stop - first) * PIECE)
            found = self._units[first, stop] = tuple((name, unit) for unit in units)
        return found

    def _executes(self, address: int, size: int) -> None:
        """A block of code outside the bootloader's own pages is about to run."""
        self._reads(address, size)
        assert self._life is not None, "code runs that nobody watches: please report"
        self._life.executes(self._offset(address))
        slot = self._life.slot
        if slot is not None:
            self._touch.stay_in(slot.address, slot.size)

    # -- what it is made of --------------------------------------------------------------------------------

    def _offset(self, address: int) -> int:
        """In the array, of an address the core knows it by; an access may begin a little before."""
        size = self._machine.flash.geometry.size
        for base in self._bases:
            if base <= address < base + size:
                return address - base
        raise AssertionError(f"{address:#x} is not in flash: please report")

    @property
    def _named(self) -> dict[str, Place]:
        """Slots and windows."""
        return {slot.name: Place(0, slot.address, slot.size) for slot in self._slots} | self._storage.windows

    def _loader_extent(self) -> tuple[int, int]:
        """The snapshot blocks of the piece that holds the boot vectors, as long as no slot or window begins in them."""
        boot = self._offset(self.board.chip.boot)
        block = self._machine.flash.cells.block_size
        holder = next(
            p for p in self.board.files if self._offset(p.address) <= boot < self._offset(p.address) + len(p.data)
        )
        start = self._offset(holder.address) // block * block
        end = -(-(self._offset(holder.address) + len(holder.data)) // block) * block
        ahead = [place.address for place in self._named.values() if start <= place.address < end]
        return (start, max(start, min([end, *ahead])))

    def _measure(self) -> tuple[Grids, int]:
        """The uncut life, as far as it goes: pages it writes outside slots and windows, and its longest session."""
        flash = self._machine.flash
        state, longest_us, written = self.initial(1), 0, set[int]()
        for _ in range(self.bounds.max_resets + 1):
            run, is_over = self._run(state, None, self._limit_us)
            longest_us = longest_us if is_over else max(longest_us, run.end_us)
            for entry in run.entries:
                if isinstance(entry, Operation) and entry.device == flash.name:
                    written.update(flash.cells.blocks_in(entry.address, entry.length))
            if run.outcome.kind != "reset":
                break
            state = run.end
        block = flash.cells.block_size
        in_slots = {at for place in self._named.values() for at in flash.cells.blocks_in(place.address, place.size)}
        fine = sorted(written - in_slots)[: MAX_FINE // block]
        if (len(fine) + len(in_slots)) * block <= MAX_FINE:
            fine = sorted({*fine, *in_slots})
        grids = {device.name: Grid(device.part) for device in self._machine.devices}
        grids[flash.name] = Grid(flash.part, [(at * block, block) for at in fine], FINE_SIZE)
        return grids, longest_us


def _not_accepted(accepted: Sequence[str], run: Run) -> str:
    """What a session breaks of what the board accepts, or ""."""
    for entry in run.entries:
        if isinstance(entry, Event) and entry.name == HANDOVER and entry.facts[1] not in (OLD, NEW, UNKNOWN, *accepted):
            return f"the {entry.facts[1]} image runs"
    if run.outcome.kind == "settled" and run.outcome.image not in (UNKNOWN, *accepted):
        return f"the device settles with the {run.outcome.image} image"
    return ""


def _falls(run: Run) -> str:
    return str(run.outcome) if run.outcome.kind == "hung" else ""
