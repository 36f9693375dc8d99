"""Whatever power does, the boot config that reads back is the last one whose write completed.

Only the write that power interrupted may have won as well, and what a boot has read once stays. Held on every
bundled part, at every point between two flash operations and inside every one of them, in every tier 1 tear; and for
any row of writes, cuts and reads on drawn parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bootloader.config import RECORD_SIZE, BootConfig, SlotConfig, pack_config
from bootloader.config_store import ConfigStore
from bootloader.errors import SequencerExhausted
from emu.strategies import KINDS, boot_configs, copies_on, cuts, parts, restart
from flash.device import FlashDevice
from flash.errors import PowerLost
from flash.journal import Interruption
from flash.part import PartKind
from flash.snapshot import Snapshot
from flash.tears import TEAR_SETS, TearSet, tears_of
from tests.bootloader.workbench import (
    PARTS,
    committed,
    first_boot,
    make_device,
    unnumbered,
)

OLD, NEW = SlotConfig(1000, 0x0800_8100, 0x1234_5678, 0x0100_0000), SlotConfig(2000, 0x0802_0100, 0, 0x0200_0000)
LIFE = (
    committed(0, OLD),
    first_boot(1, OLD, NEW),
    replace(first_boot(1, OLD, NEW), first_boot=False),
    committed(1, OLD, NEW),
)
"""The records of a factory and one update: written in this order."""


@dataclass
class Bench:
    """One device for all the cuts of a test: snapshots bring it back."""

    device: FlashDevice
    store: ConfigStore

    @classmethod
    def of(cls, part: str) -> Bench:
        device = make_device(part)
        return cls(device, ConfigStore(copies_on(device)))

    def write(self, start: Snapshot, config: BootConfig, cut: Interruption | None) -> bool:
        """From ``start``, with at most one cut. Returns whether the write returned; power is back either way."""
        self.device.restore(start)
        restart(self.device, cut)
        try:
            self.store.write(config)
        except PowerLost:
            restart(self.device)
            return False
        return True

    def read(self) -> BootConfig | None:
        return unnumbered(self.store.read().config)

    def cuts(self, start: Snapshot, config: BootConfig, chosen: TearSet) -> Iterator[Interruption]:
        """Every way to interrupt this write: before each operation, and inside it by each tear."""
        assert self.write(start, config, None), "a write that nobody cuts was cut"
        operations = self.device.journal.operations()
        assert len(operations) >= 2, "a write takes an erase and a program"
        for entry, operation in enumerate(operations):
            clean = Interruption(entry)
            assert not self.write(start, config, clean)
            tears = list(tears_of(self.device.part, self.device.cells, operation, chosen))
            assert tears, f"no tear of {operation.kind} is known for {self.device.part.name}"
            yield clean
            yield from (Interruption(entry, tear=tear) for tear in tears)


def named(cut: Interruption) -> str:
    return f"before operation {cut.entry}" if cut.tear is None else f"{cut.tear.name} of operation {cut.entry}"


@pytest.mark.parametrize("part", PARTS)
def test_every_single_cut_of_every_write_leaves_the_old_record_or_the_new(part: str) -> None:
    bench = Bench.of(part)
    before: BootConfig | None = None
    outcomes = set()
    for config in LIFE:
        start = bench.device.snapshot()
        wanted = unnumbered(config)
        for cut in bench.cuts(start, config, TEAR_SETS["T1"]):
            assert not bench.write(start, config, cut)
            found = bench.read()
            assert found in (before, wanted), f"{named(cut)}: neither the old record nor the new one"
            assert found == before or cut.tear is not None, f"{named(cut)}: nothing was programmed yet"
            outcomes.add(found == before)
        assert bench.write(start, config, None)
        assert bench.read() == wanted
        before = wanted
    assert True in outcomes


@pytest.mark.parametrize("part", PARTS)
def test_cuts_of_the_write_after_a_cut_leave_the_old_record_or_the_new(part: str) -> None:
    bench = Bench.of(part)
    bench.write(bench.device.snapshot(), LIFE[0], None)
    bench.write(bench.device.snapshot(), LIFE[1], None)
    torn: dict[bytes, Snapshot] = {}
    start = bench.device.snapshot()
    for cut in bench.cuts(start, LIFE[2], TEAR_SETS["T1-coarse"]):
        bench.write(start, LIFE[2], cut)
        torn.setdefault(bench.device.snapshot().key, bench.device.snapshot())
    assert len(torn) > 2
    for state in torn.values():
        bench.device.restore(state)
        before = bench.read()
        for cut in bench.cuts(state, LIFE[3], TEAR_SETS["T1-coarse"]):
            assert not bench.write(state, LIFE[3], cut)
            assert bench.read() in (before, unnumbered(LIFE[3])), named(cut)
        assert bench.write(state, LIFE[3], None)
        assert bench.read() == unnumbered(LIFE[3])


# -- any row of writes, cuts and reads ---------------------------------------------------------------------


class StoreMachine(RuleBasedStateMachine):
    """``possible``: what may count now. The last record that was completed or read, then every one cut since."""

    kind: PartKind

    @initialize(data=st.data(), factory=st.none() | boot_configs(), is_old=st.booleans())
    def begin(self, data: st.DataObject, factory: BootConfig | None, is_old: bool) -> None:
        part = data.draw(parts(kinds=[self.kind], smallest_sector=RECORD_SIZE))
        self.device = FlashDevice(part, strict=True)
        self.possible = [factory]
        if factory is not None:
            factory = replace(factory, sequencer=3) if is_old else factory
            self.possible = [factory]
            record = pack_config(factory)
            self.device.load(0, record if part.erased else bytes(byte ^ 0xFF for byte in record))

    @rule(config=boot_configs())
    def write(self, config: BootConfig) -> None:
        newest = self.newest()
        restart(self.device)
        if newest is not None and newest.sequencer == 0:
            with pytest.raises(SequencerExhausted):
                self.store().write(config)
            assert not self.device.journal.entries
        else:
            self.possible = [self.store().write(config)]
            assert newest is None or self.possible[0].sequencer < newest.sequencer

    @precondition(lambda self: self.can_write())
    @rule(config=boot_configs(), data=st.data())
    def lose_power_in_a_write(self, config: BootConfig, data: st.DataObject) -> None:
        start = self.device.snapshot()
        journal = restart(self.device)
        numbered = self.store().write(config)
        cut = data.draw(cuts(self.device.part, start, journal.operations(), TEAR_SETS["T2"]))
        self.device.restore(start)
        restart(self.device, cut)
        with pytest.raises(PowerLost):
            self.store().write(config)
        restart(self.device)
        self.possible.append(numbered)

    @rule()
    def read(self) -> None:
        """What a boot has read once stays."""
        self.possible = [self.newest()]

    def can_write(self) -> bool:
        newest = self.newest()
        return newest is None or newest.sequencer > 0

    def newest(self) -> BootConfig | None:
        return self.store().read().config

    def store(self) -> ConfigStore:
        """As fresh as after a reset."""
        return ConfigStore(copies_on(self.device))

    @invariant()
    def the_last_completed_write_counts_or_the_one_in_flight(self) -> None:
        if hasattr(self, "device"):
            assert self.newest() in self.possible


def machine_for(kind: PartKind) -> type:
    machine = type(f"Store_on_{kind}", (StoreMachine,), {"kind": kind})
    machine.TestCase.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
    return machine.TestCase


TestSerial, TestParallel, TestWords, TestGranules, TestHalfWords = map(machine_for, KINDS)
