"""A chip made of its description: core, memory, bus, peripherals, and the flash controller with its cells.

A machine is made once and reset often: translated code, mapped memory and peripherals stay. At every reset the core,
time and registers begin anew; what a reset leaves alone (RAM, the backup domain, flash) stays, and the loss of power
takes RAM away: it is filled with bytes that mean nothing, the same ones for the same seed.

Neighbours: `session` runs one and reports. `contract` is what peripherals see of it. It knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from emu.cpu.bus import ALIAS_SIZE, PERIPHERAL_ALIAS, RAM_ALIAS, Bus, RamBits
from emu.cpu.chip import Chip
from emu.cpu.contract import FlashController, Peripheral, Surroundings, World
from emu.cpu.core import AsleepForEver, Core
from emu.cpu.counting import Counting
from emu.cpu.deep_sleep import DeepSleep
from emu.cpu.engine import Engine
from emu.cpu.exceptions import NMI, Exceptions
from emu.cpu.external import ExternalMemory, Host
from emu.cpu.faces import (
    CellRegion,
    HasEffects,
    HasLane,
    HasRegions,
    Keeps,
    KnowsPower,
    LosesBackup,
    Receives,
    Retains,
    Senses,
    Shows,
)
from emu.cpu.fittings import AlarmClock, Constants, OnTime, Paged, Row, Watched
from emu.cpu.flash_lane import ACCOMPANIED, ATTENDED, WATCHED, FlashLane
from emu.cpu.marks import Marks
from emu.cpu.memory import AddressSpace, Ram
from emu.cpu.models import MODELS as CORE_MODELS
from emu.cpu.patience import Patience
from emu.cpu.peripherals import MODELS
from emu.cpu.peripherals.dma import join
from emu.cpu.registers import Register
from emu.cpu.steady import Access, Search
from emu.cpu.stops import Refused
from emu.cpu.system_space import BASE as SYSTEM
from emu.cpu.system_space import SIZE as SYSTEM_SIZE
from emu.cpu.system_space import SystemSpace
from emu.cpu.unknown import UnknownRegisters
from emu.cpu.wiring import MemoryEntry, connect, make_memory
from emu.errors import BoardError
from flash.device import FlashDevice
from flash.draws import uniforms
from flash.errors import HardwareFault, ResetAsserted
from flash.journal import Journal, Operation
from flash.part import bundled_part
from flash.snapshot import Snapshot
from flash.supply import Supply
from flash.tomlfile import nearest
from flash.trace import Trace

_PAGE = 0x1000
PERIPHERALS = (0x4000_0000, 0x6000_0000)
"""First and end of the addresses that registers of peripherals have, but for some pages elsewhere."""


MakeController = Callable[[str, World, FlashDevice], FlashController]


class Machine:
    """``make_controller(name, world, main)`` makes the flash controller a chip's file names. ``seed``: of RAM at
    power-on, the unique id and random numbers. ``native`` False: no machine code of ours, slower, with the same
    results. ``memories`` hang on its buses, and their devices stand behind its own."""

    def __init__(
        self,
        chip: Chip,
        make_controller: MakeController,
        *,
        supply: Supply | None = None,
        journal: Journal | None = None,
        seed: int = 0,
        native: bool = True,
        memories: Sequence[MemoryEntry] = (),
    ) -> None:
        self.chip = chip
        self.seed = seed
        self.lane: FlashLane | None = None
        self.clock = AlarmClock(self._alarm_is_set)
        self.cause = "power"
        self.notes: list[str] = []
        self.sent: list[tuple[int, str, bytes]] = []
        self.on_sent: Callable[[str, bytes], None] = lambda _name, _data: None
        """Told of bytes that leave the chip, from inside the core; what it raises ends the session."""
        self.on_refusal: Callable[[str], None] = lambda _text: None
        self.before_flash: Callable[[], None] = lambda: None
        """Called before the controller is given a store or a register, or a memory beside the chip a command that may
        change it."""
        self.stores_to_array = False
        """Inside `before_flash`: it is a store to the array, and the program counter is that of the instruction; at a
        register it is that of the block."""
        self.on_ended: Callable[[int, int], None] = lambda _entry, _counter: None
        """Told of an entry of the journal that a memory beside the chip has made, and where the code stood that had
        asked for it."""
        self.on_reset: Callable[[], None] = lambda: None
        """Called when a reset is complete and nothing has run yet."""
        self.unknown = UnknownRegisters()
        self.supply = supply or Supply()
        self._left_us: dict[str, int] = {}
        self._marks: Marks | None = None
        self._journal = journal if journal is not None else Journal()
        self._seen_entries = 0
        self.rams: list[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]] = []
        model = CORE_MODELS[chip.core]
        self.engine = Engine(chip.core, native=native)
        self.memory = AddressSpace()
        self.exceptions = Exceptions(chip.interrupts, chip.priority_bits)
        self.core = Core(model, self.engine, self.memory, self.exceptions, self._request_reset, chip.clock_hz)
        self.bus = Bus(self.core.sync, self.engine.end_slice, self.unknown)
        self.world = self._make_world()
        self.flash = FlashDevice(
            bundled_part(chip.flash.part), clock=self.clock, supply=self.supply, journal=self._journal
        )
        self.controller = make_controller(chip.flash.controller, self.world, self.flash)
        self._flash_bases = (chip.flash.address, *chip.flash.aliases)
        self.devices = self._find_devices()
        self.externals = self._make_memories(memories)
        self._snapshots: list[Snapshot | None] = [None for _ in self.devices]
        self._map_memory()
        self._attach_peripherals()
        self._map_registers()
        connect(chip, self.externals, memories, self.peripherals, self.clock, self.core.passed)
        self.retaining = [(at.name, at.peripheral) for at in self.bus.places if isinstance(at.peripheral, Retains)]
        self.keeping = self.controller if isinstance(self.controller, Keeps) else None
        self._senses = self.controller if isinstance(self.controller, Senses) else None
        self._effective = self.controller if isinstance(self.controller, HasEffects) else None
        if self._senses is not None and self.flash.cells.broken is not None:
            self._marks = Marks(self.engine, (chip.flash.address, *chip.flash.aliases), self.flash.cells, self.sensed)
        self._powered = [each.peripheral for each in self.bus.places if isinstance(each.peripheral, KnowsPower)]
        search = Search(
            model,
            self.engine,
            [content for _, content, _ in self.rams],
            self._watch,
            self.clock.times_set,
            lambda: len(self.sent) + len(self.notes) + len(self._journal.entries),
        )
        self._patience = Patience(self.bus, search)
        self.core.looks_with(self._patience, Counting(self.engine, self.memory, self._has_marks))
        self.core.before_slice = self._before_slice
        self.deep_sleep = DeepSleep(self.bus, self.controller, self.clock, self._lose_ram)
        self.core.deep_sleep = self.deep_sleep
        self.memory.sensed = self.sensed

    # -- power and reset --------------------------------------------------------------------------------------

    def reset(self, cause: str, *, journal: Journal | None = None, trace: Trace | None = None) -> None:
        """``cause`` "power": power came, RAM is lost. Anything else is a reset of the system: see `Surroundings`.

        Flash may have been changed meanwhile by whoever holds the devices: it is looked at.
        """
        self.cause = cause
        now_us, alarms = self.clock.settings()
        self._left_us = {name: at_us - now_us for name, at_us in alarms}
        held = [each.hold() for each in self.externals] if cause != "power" else []
        self.clock.set((0, ()))
        self._journal = journal if journal is not None else Journal()
        self._seen_entries = len(self._journal.entries)
        for device in self.devices:
            device.attach(self.clock, self._journal, trace)
        self.notes.clear()
        self.sent.clear()
        self.unknown.clear()
        if cause == "power":
            self._lose_ram()
        self.look_at_flash()
        if self._marks is not None:
            self._marks.look()
        self.core.reset(self.clock, self.chip.clock_hz, self.chip.boot)
        if cause == "power":
            for peripheral in self._powered:
                peripheral.power_on()
        for number, memory in enumerate(self.externals):
            memory.let_go()
            if cause == "power":
                memory.power_on()
            else:
                memory.resume(held[number])
            memory.begin_session()
        self.bus.reset()
        if self.lane is not None:
            self.lane.begin()
        self.on_reset()

    def attend(self, attends: bool) -> None:
        """Whether `before_flash` wants to be called: every store to flash then goes through Python."""
        if self.lane is not None:
            self.lane.close(ATTENDED, attends)

    def finish_memories(self) -> None:
        """A session is over, and no reset follows: what memories beside the chip are doing comes to its end. Raises
        PowerLost when the journal says so."""
        for memory in sorted(self.externals, key=lambda each: (each.next_end_us or 0, each.name)):
            memory.finish()

    def _lose_ram(self, kept: Collection[str] = ()) -> None:
        """It holds bytes that mean nothing, all of it but what is called one of ``kept``."""
        for ram, (_, content, pattern) in zip(self.chip.ram, self.rams, strict=True):
            if ram.name not in kept:
                content[:] = pattern
                self.engine.forget(ram.address, ram.size)

    def flash_offset(self, address: int) -> int | None:
        """Where in the array an address of the core is, at any of those it has; None: elsewhere."""
        size = self.flash.geometry.size
        for base in self._flash_bases:
            if base <= address < base + size:
                return address - base
        return None

    def look_at_flash(self) -> None:
        """Code that was translated from bytes that are others now is forgotten. Whoever restores another state first
        lets the machine look at the one that was left, or it would compare with the one before."""
        snapshot = self.flash.snapshot()
        before = self._snapshots[0]
        size = self.flash.cells.block_size
        if before is not None and before is not snapshot:
            for index in before.tree.differing(snapshot.tree):
                self.engine.changed(self.chip.flash.address + index * size, size)
        self._snapshots[0] = snapshot

    # -- error correction -------------------------------------------------------------------------------------

    def sensed(self, address: int, size: int) -> None:
        """The core has read flash, at any of its addresses, or a row beside it."""
        if self._senses is None:
            return
        offset = self.flash_offset(address)
        try:
            self._senses.sensed(address if offset is None else self.chip.flash.address + offset, size)
        except HardwareFault:
            raise Refused from None

    def _alarm_is_set(self, us: int) -> None:
        self.core.expect(us)
        if self.lane is not None:
            self.lane.expect()

    def _before_slice(self) -> None:
        if self.lane is not None:
            self.lane.expect()

    def _request_reset(self, cause: str) -> NoReturn:
        raise ResetAsserted(cause)

    def _watch(self, accesses: list[Access] | None) -> None:
        self.bus.watched = accesses
        if self.lane is not None:
            self.lane.close(WATCHED, accesses is not None)

    # -- flash ------------------------------------------------------------------------------------------------

    def _has_marks(self) -> bool:
        return self._marks is not None and self._marks.are_any

    def _find_devices(self) -> list[FlashDevice]:
        """The array first, then the rows beside it."""
        found = [self.flash]
        for region in self._regions():
            if all(region.device is not each for each in found):
                found.append(region.device)
        return found

    def _regions(self) -> Sequence[CellRegion]:
        return self.controller.regions if isinstance(self.controller, HasRegions) else ()

    def _store(self, address: int, size: int, value: int) -> bool:
        """A store of the core to the array, at any of its addresses."""
        base, folded = self.chip.flash.address, self.engine.folded
        self.core.sync()
        self.stores_to_array = True
        try:
            self.before_flash()
        finally:
            self.stores_to_array = False
        outcome = self.controller.store(base + (address & folded) - (base & folded), size, value)
        self.note_flash()
        return outcome == "done"

    def _open_lane(self) -> None:
        """The machine code for plain programs, where the controller knows of it."""
        rules = self.controller.LANE if isinstance(self.controller, HasLane) else None
        if rules is None or not isinstance(self.controller, HasLane):
            return
        self.lane = FlashLane(rules, self.controller, self.flash, self.core, self.chip.flash, self._caught_up)
        self.lane.count_with(self.bus.counts)
        self.engine.take_lane(self.lane)

    def _was_written(self) -> None:
        """A register of the controller."""
        self.note_flash()
        if self.lane is not None:
            self.lane.ask_controller()

    def _caught_up(self) -> None:
        self._seen_entries = len(self._journal.entries)
        self._patience.works()

    def note_flash(self) -> None:
        """Operations since the last call: translated code of their range is forgotten before it runs again."""
        entries = self._journal.entries
        if len(entries) > self._seen_entries:
            self._patience.news()
        for entry in entries[self._seen_entries :]:
            if isinstance(entry, Operation) and entry.device == self.flash.name:
                self.engine.changed(self.chip.flash.address + entry.address, entry.length)
                if self._marks is not None:
                    self._marks.look_at(entry.address, entry.length)
        if len(entries) > self._seen_entries and self.lane is not None:
            self.lane.expect()  # operations take time
        self._seen_entries = len(entries)
        self.core.look_at_time()

    # -- memories beside the chip -------------------------------------------------------------------------------

    def _make_memories(self, entries: Sequence[MemoryEntry]) -> list[ExternalMemory]:
        host = Host(
            self._ends_at, lambda: self.before_flash(), lambda: self.engine.get(Register.PC),
            lambda entry, counter: self.on_ended(entry, counter), lambda: self._patience.news(),
        )  # fmt: skip
        made = []
        for entry in entries:
            device = FlashDevice(
                entry.part, name=entry.name, clock=self.clock, supply=self.supply, journal=self._journal
            )
            made.append(make_memory(self.chip, entry, device, host))
        for own in self.devices:
            own.beside = tuple(memory.device for memory in made)
        self.devices += [memory.device for memory in made]
        return made

    def _ends_at(self, name: str, us: int | None, action: Callable[[], None]) -> None:
        def ends() -> None:
            action()
            self.note_flash()

        self.clock.at_moment(name, us, ends)
        if self.lane is not None:
            self.lane.close(ACCOMPANIED, any(memory.device.in_flight for memory in self.externals))
        if us is None:
            self.core.agenda.cancel(f"memory {name}")
        else:  # an event the core may sleep until; what happens has happened then
            self._at(f"memory {name}", us, lambda: None)

    # -- what it is made of -----------------------------------------------------------------------------------

    def _make_world(self) -> Surroundings:
        return Surroundings(
            clock=self.clock, raise_irq=self._raise_irq, clear_irq=self.exceptions.clear_line,
            nmi=self._raise_nmi, reset=self._request_reset, note=self._refused,
            at=self._at, cancel=self.core.agenda.cancel, unknown=self.unknown.count,
            memory=Ram(self.memory), set_clock=lambda hz: self.core.time.set_hz(hz),
            clock_hz=lambda: self.core.time.hz, cause=lambda: self.cause, left_us=lambda name: self._left_us.get(name),
            hardware_watchdog=self._has_hardware_watchdog, peek=self._peek, clear_backup=self._clear_backup,
            stay_asleep=self._stay_asleep, send=self._send, seed=self.seed,
        )  # fmt: skip

    def _raise_nmi(self, why: str) -> None:
        self.exceptions.nmi_reason = why
        self.core.pend(NMI)

    def _raise_irq(self, number: int) -> None:
        self.exceptions.raise_line(number)
        self.engine.end_slice()

    def _at(self, name: str, us: int, action: Callable[[], None]) -> None:
        self.core.agenda.at(name, us, action)
        self.core.expect(us)
        if self.lane is not None:
            self.lane.expect()

    def _has_hardware_watchdog(self) -> bool:
        """Asked when the controller, the first on the bus, has been reset."""
        return self._effective is not None and self._effective.effects.hardware_watchdog

    def _peek(self, name: str, offset: int) -> int:
        peripheral = self.peripherals.get(name)
        assert isinstance(peripheral, Shows), f"nobody can look into {name!r}: please report"
        return peripheral.shown(offset)

    def _clear_backup(self) -> None:
        for peripheral in self.peripherals.values():
            if isinstance(peripheral, LosesBackup):
                peripheral.lose_backup()

    def _stay_asleep(self, reason: str) -> NoReturn:
        self._lose_ram()
        for name, _ in self.clock.settings()[1]:
            self.clock.clear_alarm(name)
        raise AsleepForEver(reason)

    def _send(self, name: str, data: bytes) -> None:
        self.sent.append((self.clock.now_us, name, data))
        self._patience.news()
        self.on_sent(name, data)

    def _refused(self, text: str) -> None:
        self.notes.append(text)
        self.on_refusal(text)

    def _map_memory(self) -> None:
        entry = self.chip.flash
        cells = self.flash.cells.data[: self.flash.geometry.size]
        for base in entry.aliases:
            self.engine.fold(base ^ entry.address)
        self._open_lane()
        for base in (entry.address, *entry.aliases):
            self.engine.map_flash(base, cells, self._store)
            self.memory.add("flash", base, cells, is_ram=False)
        for ram in self.chip.ram:
            content = np.zeros(ram.size, np.uint8)
            pattern = (uniforms(self.seed ^ ram.address, 0, ram.size) * 256).astype(np.uint8)
            self.rams.append((ram.address, content, pattern))
            for base in (ram.address, *ram.aliases):
                self.engine.map_ram(base, content)
                self.memory.add(ram.name, base, content, is_ram=True)

    def _attach_peripherals(self) -> None:
        chip = self.chip
        self.peripherals: dict[str, Peripheral] = {}
        self.bus.attach(
            "FLASH",
            chip.flash.registers,
            chip.flash.registers_size,
            Watched(self.controller, lambda: self.before_flash(), self._was_written),
        )
        for entry in chip.peripheral:
            make = MODELS.get(entry.model)
            if make is None:
                raise BoardError(
                    f"{chip.name}: {entry.name}: no model {entry.model!r}{nearest(entry.model, [*MODELS])}"
                )
            self.peripherals[entry.name] = make(self.world, entry)
            peripheral = self.peripherals[entry.name]
            if isinstance(peripheral, Receives):
                peripheral = OnTime(peripheral, self.core.happen)
            self.bus.attach(entry.name, entry.address, entry.size, peripheral)
        join(chip.peripheral, self.peripherals, self.memory)
        words = dict(chip.words)
        for index, address in enumerate(chip.unique_id):
            words[address] = int(uniforms(self.seed, 1 << 32, 4 + index)[-1] * (1 << 32))
        for start in sorted({address & ~0xF for address in words}):
            inside = {address & 0xF: word for address, word in words.items() if address & ~0xF == start}
            self.bus.attach(f"identity at {start:#x}", start, 0x10, Constants(inside))
        for region in self._regions():
            if region.device is not self.flash:
                row = Row(region, self.controller, self.sensed, lambda: self.before_flash(), self.note_flash)
                self.bus.attach(region.name, region.base, region.size, row)

    def _map_registers(self) -> None:
        """Peripherals and the core's own registers as two spans; pages elsewhere one by one."""
        system = SystemSpace(
            self.core.control, self.exceptions, self.core.systick, lambda: self.core.time, self.unknown.count
        )
        for page, size in ((0, 0x4000), (0xE000, 0x1000)):
            part = Paged(system, page, self.engine.end_slice)
            self.bus.attach(f"core at {SYSTEM + page:#x}", SYSTEM + page, size, part)
        pages = {place.address & ~(_PAGE - 1) for place in self.bus.places}
        spans = [PERIPHERALS, (SYSTEM, SYSTEM + SYSTEM_SIZE)]
        if self.chip.bit_band:
            after = PERIPHERAL_ALIAS + ALIAS_SIZE
            spans[:1] = [(PERIPHERALS[0], PERIPHERAL_ALIAS), (after, PERIPHERALS[1])]
            self.engine.map_registers(PERIPHERAL_ALIAS, ALIAS_SIZE, self.bus.read_bit, self.bus.write_bit)
            bits = RamBits(Ram(self.memory))
            self.engine.map_registers(RAM_ALIAS, ALIAS_SIZE, bits.read, bits.write)
        for page in sorted(pages):
            if not (PERIPHERALS[0] <= page < PERIPHERALS[1] or SYSTEM <= page < SYSTEM + SYSTEM_SIZE):
                spans.append((page, page + _PAGE))
        self.register_spans = spans
        for start, end in spans:
            self.engine.map_registers(start, end - start, self.bus.read, self.bus.write)
