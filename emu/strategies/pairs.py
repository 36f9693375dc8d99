"""Both copies of the boot config on flash, after any row of writes, each completed or cut.

The writes go through `bootloader.ConfigStore` on a real `FlashDevice`, so a torn copy holds what a cut of that very
write leaves, over the content it really met. Neighbours: `configs` draws the records, `cuts` the cuts. Knows no slot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import assume
from hypothesis import strategies as st

from bootloader.config import RECORD_SIZE, BootConfig, pack_config
from bootloader.config_store import ConfigStore
from emu.strategies.configs import boot_configs
from emu.strategies.cuts import TIER_1, cuts, restart
from emu.strategies.parts import parts
from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.errors import EccFault, PowerLost
from flash.journal import Interruption
from flash.part import Part
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.tears import TearSet


def copies_on(flash: NorFlash) -> tuple[Partition, Partition]:
    """The windows of the two config copies: the first two sectors of ``flash``."""
    first = flash.geometry.sector_at(0)
    second = flash.geometry.sector_at(first.end)
    return Partition("config0", flash, 0, first.size), Partition("config1", flash, second.address, second.size)


@dataclass(frozen=True)
class ConfigWrite:
    """One write: ``config`` with the sequencer the store gave it, and the ``cut`` that stopped it (None: completed)."""

    config: BootConfig
    cut: Interruption | None


@dataclass(frozen=True)
class ConfigPair:
    """Two config copies with a past: the record of the ``factory`` in copy 0 (None: both blank), then ``writes``."""

    part: Part
    factory: BootConfig | None
    writes: tuple[ConfigWrite, ...]
    snapshot: Snapshot = field(repr=False, compare=False)

    @property
    def possible(self) -> tuple[BootConfig | None, ...]:
        """What may count now: the last completed record (None: there is none), then every one in flight since."""
        allowed: list[BootConfig | None] = [self.factory]
        for write in self.writes:
            allowed = [write.config] if write.cut is None else [*allowed, write.config]
        return tuple(allowed)

    def device(self) -> FlashDevice:
        """A chip of its own in this state, powered, with an empty journal. It raises at the first misuse."""
        device = FlashDevice(self.part, strict=True)
        device.restore(self.snapshot)
        return device

    def records(self) -> tuple[bytes | None, bytes | None]:
        """128 bytes of each copy as a bootloader sees them (complemented where erased is 00); None: a read faults."""
        first, second = copies_on(self.device())
        return _record_in(first), _record_in(second)


def config_pairs(
    part: Part | None = None, *, max_writes: int = 4, tears: TearSet = TIER_1
) -> st.SearchStrategy[ConfigPair]:
    """A `ConfigPair` on ``part`` (None: a drawn one) after up to ``max_writes`` writes, any of them cut.

    The first two sectors of the part must have 128 bytes or more each. Shrinks to blank copies of the smallest part.
    """
    if part is not None:
        _check(part)
    return _pairs(part, 0, max_writes, tears)


@st.composite
def torn_boot_configs(draw: st.DrawFn, part: Part | None = None, *, tears: TearSet = TIER_1) -> bytes:
    """The 128 bytes of a copy whose write was cut: not blank, not the record before, not the one that was written.

    As a bootloader sees them, so complemented where erased is 00. On a part with error correction only what can be read
    is drawn; `config_pairs` has the copies that fault. No reader may take them for a record.
    """
    if part is not None:
        _check(part)
    pair = draw(_pairs(part, 1, 2, tears, last_is_cut=True))
    whole = [write.config for write in pair.writes] + [pair.factory] * (pair.factory is not None)
    known = {b"\xff" * RECORD_SIZE, *(pack_config(config) for config in whole if config is not None)}
    torn = [record for record in pair.records() if record is not None and record not in known]
    assume(torn)
    return draw(st.sampled_from(torn))


def _check(part: Part) -> None:
    first = part.geometry.sector_at(0)
    if first.end == part.size or min(first.size, part.geometry.sector_at(first.end).size) < RECORD_SIZE:
        raise ValueError(
            f"config_pairs(): {part.name}: two sectors of {RECORD_SIZE} bytes or more must come first, one per copy"
        )


@st.composite
def _pairs(
    draw: st.DrawFn, part: Part | None, least: int, most: int, tears: TearSet, *, last_is_cut: bool = False
) -> ConfigPair:
    part = draw(parts(smallest_sector=RECORD_SIZE)) if part is None else part
    factory = draw(st.none() | boot_configs(min_sequencer=most))
    device = FlashDevice(part, strict=True)
    if factory is not None:
        device.load(0, _stored(part, pack_config(factory)))
    wanted = draw(st.lists(st.tuples(boot_configs(), st.booleans()), min_size=least, max_size=most))
    writes: list[ConfigWrite] = []
    for number, (config, is_cut) in enumerate(wanted):
        is_cut = is_cut or (last_is_cut and number == len(wanted) - 1)
        writes.append(_written(draw, device, config, tears if is_cut else None))
    return ConfigPair(part, factory, tuple(writes), device.snapshot())


def _written(draw: st.DrawFn, device: FlashDevice, config: BootConfig, tears: TearSet | None) -> ConfigWrite:
    """Do one write on ``device``; with ``tears``, only up to a cut that is drawn among its operations."""
    store, start = ConfigStore(copies_on(device)), device.snapshot()
    journal = restart(device)
    numbered = store.write(config)
    if tears is None:
        return ConfigWrite(numbered, None)
    cut = draw(cuts(device.part, start, journal.operations(), tears))
    device.restore(start)
    restart(device, cut)
    try:
        store.write(config)
    except PowerLost:
        restart(device)
        return ConfigWrite(numbered, cut)
    raise AssertionError("a cut that was planned inside a write did not strike: please report")


def _stored(part: Part, record: bytes) -> bytes:
    return record if part.erased else bytes(byte ^ 0xFF for byte in record)


def _record_in(copy: Partition) -> bytes | None:
    try:
        raw = copy.read(0, RECORD_SIZE)
    except EccFault:
        return None
    return raw if copy.geometry.erased else bytes(byte ^ 0xFF for byte in raw)
