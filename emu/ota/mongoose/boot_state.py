"""Commit, revert, boot state and snapshots of a device, over `bootloader`: what OTA.Commit and its like do.

A trial is what the bootloader made of it: its hardware commit timer runs, and one reset ends it. The published
generations keep that promise in software (SPEC.md); here the timer is the board's.

Neighbours: `methods_ota` puts it on the wire. Knows no frame and no link; never resets the device itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bootloader.commit import revert
from bootloader.config import SLOT_COUNT, BootConfig
from bootloader.errors import BootError
from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER
from emu.ota.mongoose.ota import OtaFailure, OtaService
from emu.ota.node import Booted
from updater.errors import UpdateRefused
from updater.snapshot import create_snapshot


@dataclass(frozen=True)
class BootState:
    """``revert_slot`` -1: there is nothing to go back to. ``commit_timeout_s``: of the trial that runs, else 0."""

    active_slot: int
    is_committed: bool
    revert_slot: int
    commit_timeout_s: int


class BootControl:
    """What may be done to the boot config of ``booted``. ``ota`` tells the world of it."""

    def __init__(self, booted: Booted, ota: OtaService) -> None:
        self._booted = booted
        self._ota = ota
        self._store = booted.firmware.store(booted.session)

    def state(self) -> BootState:
        """Raises OtaFailure(-1) where no boot config is valid."""
        config = self._config()
        revert_slot = -1 if config.revert_slot is None else config.revert_slot
        timeout_s = 0 if config.committed else config.commit_timeout_s
        return BootState(config.active_slot, config.committed, revert_slot, timeout_s)

    def commit(self) -> None:
        """Raises OtaFailure(-1), without a message as on a device, where nothing is on trial."""
        session = self._booted.session
        if self._config().committed:
            raise OtaFailure(-1)
        session.log.note(COMMIT_BEGUN)
        self._booted.firmware.commit(session)
        session.log.note(COMMIT_RETURNED)
        self._ota.tell()

    def revert(self) -> None:
        """Name the image before as the active one; the caller reboots. OtaFailure(-1) where nothing is on trial."""
        if not revert(self._store, self._booted.slot):
            raise OtaFailure(-1)

    def set_state(
        self,
        *,
        active_slot: int | None = None,
        is_committed: bool | None = None,
        revert_slot: int | None = None,
        commit_timeout_s: int | None = None,
    ) -> None:
        """Change what is given. As published, a state that is not committed has no first boot left: the next reset goes
        to ``revert_slot``.

        Raises OtaFailure: -1 there is no state, -2 nothing was given, -3 it cannot be, -4 the timeout cannot be.
        """
        config = self._config()
        if (active_slot, is_committed, revert_slot, commit_timeout_s) == (None, None, None, None):
            raise OtaFailure(-2, "No boot state given")
        if commit_timeout_s is not None:
            if not 0 <= commit_timeout_s <= 0xFFFF_FFFF:
                raise OtaFailure(-4, "Failed to set commit timeout")
            config = replace(config, commit_timeout_s=commit_timeout_s)
        if active_slot is not None:
            config = replace(config, active_slot=_slot(active_slot))
        if revert_slot is not None:
            config = replace(config, revert_slot=None if revert_slot == -1 else _slot(revert_slot))
        if is_committed is not None:
            config = replace(config, committed=is_committed, first_boot=False, merge_fs=False)
        self._write(config, "Failed to set boot state")

    def create_snapshot(self, *, set_as_revert: bool, commit_timeout_s: int | None) -> int:
        """Copy the running image into the other slot; its number. ``set_as_revert``: the running image is on trial from
        here on, and goes back to the copy at the next reset, or when ``commit_timeout_s`` is over.

        Raises OtaFailure.
        """
        if not self._config().committed:
            raise OtaFailure(-1, "Cannot create snapshots in uncommitted state")
        if self._ota.context is not None:
            raise OtaFailure(-1, "Update already in progress")
        if commit_timeout_s is not None and not 0 <= commit_timeout_s <= 0xFFFF_FFFF:
            raise OtaFailure(-4, "Failed to set commit timeout")
        try:
            described = create_snapshot(self._ota.target)
        except UpdateRefused as refused:
            raise OtaFailure(refused.code, "Failed to create snapshot") from None
        slot = 1 - self._booted.slot
        config = self._config().with_slot(slot, described)
        if set_as_revert:
            timeout_s = commit_timeout_s or 0
            config = replace(
                config, revert_slot=slot, committed=False, first_boot=False, merge_fs=False, commit_timeout_s=timeout_s
            )
        self._write(config, "Failed to set boot state")
        if set_as_revert:
            session = self._booted.session
            session.log.note(HANDOVER, self._booted.slot, "running", True)
            if commit_timeout_s:
                session.timer.arm(commit_timeout_s)
        return slot

    def _config(self) -> BootConfig:
        config = self._store.read().config
        if config is None:
            raise OtaFailure(-1, "Failed to get boot state")
        return config

    def _write(self, config: BootConfig, message: str) -> None:
        try:
            self._store.write(config)
        except BootError:
            raise OtaFailure(-3, message) from None


def _slot(number: int) -> int:
    if not 0 <= number < SLOT_COUNT:
        raise OtaFailure(-3, "Failed to set boot state")
    return number
