"""Whatever power does, the boot config that reads back is the last one whose write completed.

Only the write that power interrupted may have won as well, and what a boot has read once stays. Held on every
bundled part, at every point between two flash operations and inside every one of them, in every tier 1 tear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootloader.config import BootConfig, SlotConfig
from bootloader.config_store import ConfigStore
from flash.device import FlashDevice
from flash.errors import PowerLost
from flash.journal import Interruption
from flash.snapshot import Snapshot
from flash.tears import TEAR_SETS, TearSet, tears_of
from tests.bootloader.workbench import (
    PARTS,
    boot_configs,
    committed,
    copies_on,
    first_boot,
    make_device,
    restart,
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


writes = st.lists(st.tuples(boot_configs, st.none() | st.integers(0, 10_000)), min_size=1, max_size=8)
"""Records in order; with each the number of the cut that interrupts it, or None."""


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=30, deadline=None)
@given(writes)
def test_the_last_completed_write_wins(part: str, sequence: list[tuple[BootConfig, int | None]]) -> None:
    bench = Bench.of(part)
    last: BootConfig | None = None
    for config, number in sequence:
        start, wanted = bench.device.snapshot(), unnumbered(config)
        cuts = list(bench.cuts(start, config, TEAR_SETS["T1"])) if number is not None else [None]
        cut = cuts[(number or 0) % len(cuts)]
        completed = bench.write(start, config, cut)
        found = bench.read()
        if completed:
            assert found == wanted
        else:
            assert found in (last, wanted)
        assert bench.read() == found, "a second reading differs from the first"
        last = found
