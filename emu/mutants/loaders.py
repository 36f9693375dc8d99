"""Mistakes at reset and at commit: one place of the bootloader changed, and one lean bootloader that holds.

A mistake exchanges one store method, or one name in `bootloader` for as long as the firmware runs that code. Each
docstring says what was changed and why people do it. Neighbours: `writers` has the updater's mistakes, `table` the
rows. Knows no campaign.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from importlib import import_module
from typing import Any

from bootloader.boot import BootReport, SlotImages
from bootloader.commit import commit, quiet
from bootloader.config import Configs, CopyReading
from bootloader.config_store import ConfigStore
from bootloader.decision import Decision, Images, ResetCause, decide
from bootloader.image import ImageHeader
from bootloader.verify import Reason, Verification
from emu.device import Session
from emu.firmware import ModelFirmware
from emu.mutants.exchange import exchanged

# The package exports functions of the same names, so the module is fetched by its own.
BOOT = import_module("bootloader.boot")


def newest_as(configs: Configs, **changes: Any) -> Configs:
    """``configs`` as if its newest record read otherwise."""
    assert configs.config is not None and configs.newest is not None
    copies = list(configs.copies)
    copies[configs.newest] = CopyReading(replace(configs.config, **changes), "valid")
    return replace(configs, copies=(copies[0], copies[1]))


# -- the config store ------------------------------------------------------------------------------------


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


# -- the decision ----------------------------------------------------------------------------------------


class OtherDecision(ModelFirmware, ABC):
    """Base of those that decide otherwise: ``decide`` stands in for the bootloader's, and may ask the session."""

    def boot(self, session: Session) -> BootReport:
        def stand_in(configs: Configs, images: Images, cause: ResetCause, **options: bool) -> Decision:
            return self.decide(session, configs, images, cause, **options)

        with exchanged(BOOT, "decide", stand_in):
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


# -- commit, and the timer -------------------------------------------------------------------------------


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


class TimerAlwaysArmed(ModelFirmware):
    """Every boot arms the commit timer. People arm it first thing "to be safe", and only a commit would stop it."""

    name = "timer-always-armed"

    def boot(self, session: Session) -> BootReport:
        report = super().boot(session)
        if report.decision.slot is not None and not report.decision.timeout_s:
            session.timer.arm(60)
        return report


# -- a lean bootloader that holds ------------------------------------------------------------------------


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
        with exchanged(BOOT, "SlotImages", TrustingImages):
            return super().boot(session)
