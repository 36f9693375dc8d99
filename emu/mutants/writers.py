"""Mistakes while an update is written: one place of the updater changed.

Neighbours: `loaders` has the bootloader's mistakes, `table` the rows. Knows no campaign.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bootloader.config import Configs, CopyReading
from bootloader.config_store import ConfigStore
from emu.device import Session
from emu.firmware import ModelFirmware
from emu.mutants.loaders import TrustingLoader
from updater.reception import UpdaterContext
from updater.target import UpdateTarget


class LargerWinsStore(ConfigStore):
    def newest_of(self, first: CopyReading, second: CopyReading) -> Configs:
        configs = super().newest_of(first, second)
        if configs.why != "smaller sequencer" or configs.newest is None:
            return configs
        return replace(configs, newest=1 - configs.newest)


class LargerWinsUpdater(ModelFirmware):
    store_class = LargerWinsStore


class LargerSequencerWins(ModelFirmware):
    """The updater takes the record with the larger sequencer for the newest. People write the comparison twice, once
    in the bootloader and once in the application, and most counters in the world count up."""

    name = "larger-sequencer-wins"

    def update_target(self, session: Session, slot: int, **named: Any) -> UpdateTarget:
        return LargerWinsUpdater().update_target(session, slot, **named)


class OverwritesItself(ModelFirmware):
    """The canary: the updater takes the other slot for the one that runs. Broken without any cut."""

    name = "overwrites-itself"

    def update_target(self, session: Session, slot: int, **named: Any) -> UpdateTarget:
        return super().update_target(session, 1 - slot, **named)


class ConfigBeforeData(TrustingLoader):
    """The config names the slot when the download begins, and is completed at its end. People set the boot
    partition first, so that there is one thing less to fail once the data is there."""

    name = "config-before-data"

    def open_update(self, session: Session, target: UpdateTarget, **named: Any) -> UpdaterContext | None:
        context = super().open_update(session, target, **named)
        config = target.store.read().config
        if context is not None and config is not None:
            other = 1 - target.running_slot
            early = replace(
                config, active_slot=other, revert_slot=target.running_slot, committed=False, first_boot=True
            )
            target.store.write(early)
        return context
