"""The uncut update, lived once: how long its sessions take, what they write and read, and the units that follow.

Neighbours: `rig` lives it before anything else; `grain` says where units are small, `limits` what a session may take.
Knows no board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emu.cpu.machine import Machine
from emu.elf.grain import fine_blocks
from emu.elf.limits import Limits
from emu.rig import DeviceState, Run
from flash.grid import Grid, Grids
from flash.journal import Operation
from flash.partition import Partition

FINE_SIZE = 32
"""Bytes of a unit where records or small slots are."""
MAX_FINE = 1 << 16
"""Of how many bytes at most the units are that small."""


@dataclass(slots=True)
class Measured:
    """``written``: blocks by chip; ``programmed`` and ``read``: those of the array. ``hung``: the session that a limit
    has ended."""

    longest: Limits = field(default_factory=lambda: Limits(0, 0))
    written: dict[str, set[int]] = field(default_factory=dict)
    programmed: set[int] = field(default_factory=set)
    read: set[int] = field(default_factory=set)
    hung: tuple[DeviceState, Run] | None = None


def measured(
    live: Callable[[DeviceState], tuple[Run, bool]], state: DeviceState, machine: Machine, max_resets: int
) -> Measured:
    """The life from ``state`` on, as far as it goes. ``live``: one session, and whether a limit has ended it."""
    flash, found = machine.flash, Measured()
    cells = {device.name: device.cells for device in machine.devices}
    found.written = {name: set() for name in cells}
    for _ in range(max_resets + 1):
        run, is_over = live(state)
        if is_over and run.outcome.kind in ("halted", "hung"):
            found.hung = (state, run)
        elif not is_over:
            said = sum(len(data) for _, _, data in machine.sent)
            found.longest = Limits(max(found.longest.time_us, run.end_us), max(found.longest.said, said))
        for entry in run.entries:
            if isinstance(entry, Operation):
                touched = cells[entry.device].blocks_in(entry.address, entry.length)
                found.written[entry.device].update(touched)
                if entry.device == flash.name and entry.kind != "erase":
                    found.programmed.update(touched)
        assert run.trace is not None, "a session left no trace: please report"
        found.read.update(unit for name, unit in run.trace.consulted_units if name == flash.name)
        if run.outcome.kind != "reset":
            break
        state = run.end
    return found


def grids_for(
    found: Measured, machine: Machine, slots: Sequence[Partition], apart: Mapping[str, set[int]], known: Iterable[int]
) -> Grids:
    """Small units where records are. ``apart``: blocks by chip in which slots and windows of the board lie; ``known``:
    blocks that are read, and are no records."""
    flash = machine.flash
    block = flash.cells.block_size
    inside = {at for slot in slots for at in flash.cells.blocks_in(slot.address, slot.size)}
    kept = found.programmed | apart[flash.name] - inside
    fine = fine_blocks(kept, found.read.difference(known), slots, block, MAX_FINE // block)
    grids = {device.name: Grid(device.part) for device in machine.devices}
    for memory in (each.device for each in machine.externals):
        size = memory.cells.block_size
        small = sorted(found.written[memory.name] | apart[memory.name])[: MAX_FINE // size]
        grids[memory.name] = Grid(memory.part, [(at * size, size) for at in small], FINE_SIZE)
    grids[flash.name] = Grid(flash.part, [(at * block, block) for at in fine], FINE_SIZE)
    return grids


def outside(blocks: Iterable[int], size: int, slots: Sequence[Partition]) -> tuple[tuple[int, int], ...]:
    """``blocks`` of ``size`` bytes, as far as they lie in no slot: ranges of (address, bytes)."""
    found: list[tuple[int, int]] = []
    for at in (block * size for block in sorted(blocks)):
        if any(slot.address < at + size and at < slot.address + slot.size for slot in slots):
            continue
        if found and sum(found[-1]) == at:
            found[-1] = (found[-1][0], found[-1][1] + size)
        else:
            found.append((at, size))
    return tuple(found)
