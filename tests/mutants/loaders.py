"""Mistakes at reset and at commit that are not shipped: one place of the bootloader changed.

A mistake exchanges one store method, or one name in `bootloader` for as long as the firmware runs that code. Each
docstring says what was changed and why people do it. Neighbours: `emu.mutants.loaders` has those `brownout run
--mutants` tries, `writers` the updater's mistakes, `zoo` the table. Knows no campaign.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from importlib import import_module
from unittest.mock import patch

from bootloader.boot import BootReport
from bootloader.commit import quiet
from bootloader.config import RECORD_SIZE, BootConfig, Configs, CopyReading, read_config
from bootloader.config_store import ConfigStore
from bootloader.decision import Decision, Images, ResetCause, decide
from emu.device import Session
from emu.firmware import ModelFirmware
from emu.mutants.loaders import OtherDecision, newest_as

# The package exports functions of the same names, so the modules are fetched by theirs.
COMMIT = import_module("bootloader.commit")
VERIFY = import_module("bootloader.verify")


# -- the config store --------------------------------------------------------------------------------------


class UnsealedStore(ConfigStore):
    def judge(self, record: bytes) -> CopyReading:
        return read_config(record[:-4] + zlib.crc32(record[:-4]).to_bytes(4, "little"))


class ConfigCrcIgnored(ModelFirmware):
    """A record with its magic in place is believed. People check the magic first, see that erased and foreign
    sectors are told apart, and stop there."""

    name = "config-crc-ignored"
    store_class = UnsealedStore


class BadRecordFirstStore(ConfigStore):
    def write(self, config: BootConfig) -> BootConfig:
        configs = self.read()
        old = configs.config
        if old is not None and configs.newest is not None and not (old.committed or old.first_boot):
            copy = self._copies[configs.newest]
            copy.erase(0, copy.geometry.sector_at(0).size)
        return super().write(config)


class BadRecordFirstLoader(ModelFirmware):
    store_class = BadRecordFirstStore


class BadRecordFirst(ModelFirmware):
    """Roll-back erases the record that names the bad image, then writes the one that names the good image. People
    want the bad one gone first; the older record behind it says "first boot of a new image"."""

    name = "bad-record-first"

    def boot(self, session: Session) -> BootReport:
        return BadRecordFirstLoader().boot(session)


class FaultingStore(ConfigStore):
    def _read_copy(self, index: int) -> CopyReading:
        return self.judge(self._from_flash(index, self._copies[index].read(0, RECORD_SIZE)))


class EccFaultUnhandled(ModelFirmware):
    """A config copy is read like RAM. People port a bootloader from a part without ECC, where every read returns."""

    name = "ecc-fault-unhandled"
    store_class = FaultingStore


# -- the decision ------------------------------------------------------------------------------------------


class TimerNotArmed(OtherDecision):
    """A trial without its timer. People leave it out of debug builds, where breakpoints would trip it, and ship."""

    name = "timer-not-armed"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        return replace(decide(configs, images, cause, **options), timeout_s=0)


class RollBackBootsNew(OtherDecision):
    """Roll-back records the old image and jumps to the slot it had read before it decided. People fill the jump
    address early and change the record only."""

    name = "roll-back-boots-new"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        decision = decide(configs, images, cause, **options)
        if decision.rule != "roll-back":
            return decision
        assert configs.config is not None
        return replace(decision, slot=configs.config.active_slot)


class RollBackNotRecorded(OtherDecision):
    """Roll-back boots the old image and writes nothing: every boot would decide the same. People forget that the
    updater reads the record too, and takes no update while one is pending."""

    name = "roll-back-not-recorded"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        decision = decide(configs, images, cause, **options)
        return replace(decision, record=None) if decision.rule == "roll-back" else decision


class PowerCutForgiven(OtherDecision):
    """An entered image that lost power gets another trial; only a timer or a crash counts against it. People do not
    want a user who pulls the plug to lose the update; an image that draws the supply down is entered for ever."""

    name = "power-cut-forgiven"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        config = configs.config
        if config is not None and not config.committed and cause == "power":
            configs = newest_as(configs, first_boot=True)
        return decide(configs, images, cause, **options)


class EnteredInRam(OtherDecision):
    """That the image was entered is remembered in RAM that survives a warm reset. People save an erase per update;
    no bench test with a reset button ever shows the difference."""

    name = "entered-in-ram"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        config = configs.config
        if config is not None and config.first_boot and session.recall("entered") == config.sequencer:
            configs = newest_as(configs, first_boot=False)
        decision = decide(configs, images, cause, **options)
        if decision.rule != "trial":
            return decision
        assert config is not None
        session.retain("entered", config.sequencer)
        return replace(decision, record=None)


# -- commit ------------------------------------------------------------------------------------------------


class TimerNotStopped(ModelFirmware):
    """Commit writes its record and leaves the timer alone. People test commit by looking at the record."""

    name = "timer-not-stopped"

    def commit(self, session: Session) -> None:
        with patch.object(COMMIT, "quiet", lambda timer: None):
            super().commit(session)


class TimerStoppedFirst(ModelFirmware):
    """Commit stops the timer, then writes its record. People fear that the timer strikes while flash is written;
    now nothing ends a hang inside that write."""

    name = "timer-stopped-first"

    def commit(self, session: Session) -> None:
        quiet(session.timer)
        with patch.object(COMMIT, "quiet", lambda timer: None):
            super().commit(session)
