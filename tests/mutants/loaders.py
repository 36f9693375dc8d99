"""Mistakes at reset and at commit: one place of the bootloader changed, and one lean bootloader that holds.

A mistake exchanges one store method, or one name in `bootloader` for as long as the firmware runs that code. Each
docstring says what was changed and why people do it. Neighbours: `writers` has the updater's mistakes, `zoo` the
table. Knows no campaign.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import replace
from importlib import import_module
from typing import Any
from unittest.mock import patch

from bootloader.boot import BootReport, SlotImages
from bootloader.commit import commit, quiet
from bootloader.config import RECORD_SIZE, BootConfig, Configs, CopyReading, read_config
from bootloader.config_store import ConfigStore
from bootloader.decision import Decision, Images, ResetCause, decide
from bootloader.image import ImageHeader
from bootloader.verify import Reason, Verification
from emu.device import Session
from emu.firmware import ModelFirmware

# The package exports functions of the same names, so the modules are fetched by theirs.
BOOT = import_module("bootloader.boot")
COMMIT = import_module("bootloader.commit")
VERIFY = import_module("bootloader.verify")


def newest_as(configs: Configs, **changes: Any) -> Configs:
    """``configs`` as if its newest record read otherwise."""
    assert configs.config is not None and configs.newest is not None
    copies = list(configs.copies)
    copies[configs.newest] = CopyReading(replace(configs.config, **changes), "valid")
    return replace(configs, copies=(copies[0], copies[1]))


# -- the config store --------------------------------------------------------------------------------------


class CopyZeroStore(ConfigStore):
    def target_of(self, configs: Configs) -> int:
        return 0


class CopyZeroLoader(ModelFirmware):
    store_class = CopyZeroStore


class OneCopyInPlace(ModelFirmware):
    """The bootloader keeps to copy 0, leaving copy 1 to the application. People share the copies out like this so
    that the two programs never write the same sector; it is even right as long as they take turns."""

    name = "one-copy-in-place"

    def boot(self, session: Session) -> BootReport:
        return CopyZeroLoader().boot(session)


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


class OtherDecision(ModelFirmware, ABC):
    """Base of those that decide otherwise: ``decide`` stands in for the bootloader's, and may ask the session."""

    def boot(self, session: Session) -> BootReport:
        def stand_in(configs: Configs, images: Images, cause: ResetCause, **options: bool) -> Decision:
            return self.decide(session, configs, images, cause, **options)

        with patch.object(BOOT, "decide", stand_in):
            return super().boot(session)

    @abstractmethod
    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision: ...


class CommittedOnEntry(OtherDecision):
    """The record of the entry says "committed" already. People clear the dirty flag when the image was verified and
    jumped to, which proves that it is whole and nothing more."""

    name = "committed-on-entry"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        decision = decide(configs, images, cause, **options)
        if decision.rule != "trial":
            return decision
        assert decision.record is not None
        return replace(decision, record=replace(decision.record, committed=True))


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


class CommitDeferred(ModelFirmware):
    """Commit leaves a note in retained RAM and returns; the next boot writes the record. People keep erases out of
    the application, which may not stall that long."""

    name = "commit-deferred"

    def boot(self, session: Session) -> BootReport:
        noted = session.recall("commit")
        if noted:
            commit(self.store(session), session.timer, noted - 1)
            session.retain("commit", 0)
        return super().boot(session)

    def commit(self, session: Session) -> None:
        session.retain("commit", session.running_slot + 1)
        quiet(session.timer)


# -- a lean bootloader that holds --------------------------------------------------------------------------


class TrustingImages(SlotImages):
    """What the config names is believed, with no look at the slot."""

    def as_configured(self, slot: int) -> Verification:
        assert self._config is not None
        named = self._config.slots[slot]
        header = ImageHeader(named.app_length, named.load_address, named.app_version, named.app_crc, bytes(32))
        return Verification(Reason.OK, header=header)


class TrustingLoader(ModelFirmware):
    """Correct, with one defence instead of two: no image is verified, because the config names an image only once
    it is whole. Small bootloaders are built like this."""

    name = "trusting-loader"

    def boot(self, session: Session) -> BootReport:
        with patch.object(BOOT, "SlotImages", TrustingImages):
            return super().boot(session)


class TimerAlwaysArmed(ModelFirmware):
    """Every boot arms the commit timer. People arm it first thing "to be safe", and only a commit would stop it."""

    name = "timer-always-armed"

    def boot(self, session: Session) -> BootReport:
        report = super().boot(session)
        if report.decision.slot is not None and not report.decision.timeout_s:
            session.timer.arm(60)
        return report


class TriesAgain(OtherDecision):
    """An entered image is tried again when the other config copy is torn: "the commit was on its way". It was not
    there yet, and nothing bounds how often that happens."""

    name = "tries-again"

    def decide(
        self, session: Session, configs: Configs, images: Images, cause: ResetCause, **options: bool
    ) -> Decision:
        torn = any(copy.config is None and copy.reason != "erased" for copy in configs.copies)
        config = configs.config
        if config is not None and not config.committed and not config.first_boot and torn:
            return decide(newest_as(configs, first_boot=True), images, cause, **options)
        return decide(configs, images, cause, **options)
