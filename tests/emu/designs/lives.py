"""Lives of the published designs: uncut ones, and flashes changed by hand. Asserts nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from emu.campaign.explore import Explorer
from emu.campaign.judge import Chain, State
from emu.campaign.monitor import Monitor
from emu.campaign.options import Options
from emu.designs.table import DESIGNS
from emu.plain_rig import PlainRig
from emu.rig import DeviceState
from emu.scenario import Scenario
from flash.cells import Cells
from flash.journal import Event
from flash.peek import read_snapshot


def design(name: str, app: str = "healthy") -> Scenario:
    return DESIGNS[name].make(name, app)


class Bench:
    """A scenario, and what becomes of its states."""

    def __init__(self, scenario: Scenario) -> None:
        self.rig = PlainRig(scenario)
        self._judge = Explorer(self.rig, self.rig.bounds, Options(keeps_new=self.rig.keeps_new)).judge

    def life(self, state: DeviceState | None = None, attempts: int = 1) -> Chain:
        """What follows ``state``, or the factory, when nobody interrupts it."""
        return self._judge.chain(State(state or self.rig.initial(attempts), Monitor()))

    def read(self, state: DeviceState, window: str, offset: int, length: int) -> bytes:
        place = self.rig.window_places[window]
        return read_snapshot(self.rig.parts[place.chip], state.memory[place.chip], place.address + offset, length)

    def changed(self, state: DeviceState, window: str, offset: int, change: Callable[[bytes], bytes]) -> DeviceState:
        """``state`` without power, with one byte of a window changed."""
        place = self.rig.window_places[window]
        cells: Cells = self.rig.bench_cells()[place.chip]
        cells.restore(state.memory[place.chip])
        at = place.address + offset
        cells.shift(at, change(cells.read(at, 1)))
        memory = [*state.memory]
        memory[place.chip] = cells.snapshot()
        return replace(state, memory=tuple(memory), cause="power", ram=())


def events(chain: Chain, name: str) -> list[tuple[object, ...]]:
    entries = (entry for judged in chain.sessions for entry in judged.run.entries)
    return [entry.facts for entry in entries if isinstance(entry, Event) and entry.name == name]


def end_of(chain: Chain) -> DeviceState:
    return chain.sessions[-1].session.end


def flipped(byte: bytes) -> bytes:
    return bytes([byte[0] ^ 0x10])
