"""The reset vector: read, decide, act, hand over.

Neighbours: `config_store` and `verify` read, `decision` decides, `commit` names the timer. Whoever owns the
processor calls `boot` after every reset and runs the slot it names. Keeps nothing in RAM across resets.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootloader.commit import CommitTimer
from bootloader.config import Configs
from bootloader.config_store import ConfigStore
from bootloader.decision import Decision, ResetCause, decide
from bootloader.errors import BootError
from bootloader.layout import Layout
from bootloader.verify import Verification, VerifyPolicy, verify_filesystem, verify_image


@dataclass(frozen=True, slots=True)
class BootReport:
    """What one boot read and decided."""

    cause: ResetCause
    configs: Configs
    decision: Decision
    not_written: str = ""


class SlotImages:
    """Verifies slots when asked, once each."""

    def __init__(self, layout: Layout, configs: Configs, policy: VerifyPolicy) -> None:
        self._layout = layout
        self._config = configs.config
        self._policy = policy
        self._known: dict[tuple[int, bool], Verification] = {}

    def as_configured(self, slot: int) -> Verification:
        return self._once(slot, True)

    def by_header(self, slot: int) -> Verification:
        return self._once(slot, False)

    def _once(self, slot: int, configured: bool) -> Verification:
        key = (slot, configured)
        if key not in self._known:
            self._known[key] = self._verify(slot, configured)
        return self._known[key]

    def _verify(self, index: int, configured: bool) -> Verification:
        slot, config = self._layout.slots[index], self._config
        if not configured or config is None:
            return verify_image(slot, None, self._policy)
        image = verify_image(slot, config.slots[index], self._policy)
        if image.ok and config.first_boot and index == config.active_slot:
            filesystem = verify_filesystem(slot, config.slots[index], self._policy)
            if not filesystem.ok:
                return filesystem
        return image


def boot(
    store: ConfigStore,
    layout: Layout,
    timer: CommitTimer,
    policy: VerifyPolicy,
    cause: ResetCause,
    *,
    refuse_downgrade: bool = False,
) -> BootReport:
    """One pass through the bootloader. The caller runs ``report.decision.slot``; None: nothing can run.

    A record that cannot be written (worn sector, exhausted sequencer) never stops the device: the decision is
    made again for a config that cannot be written, which enters no trial.
    """
    configs = store.read()
    images = SlotImages(layout, configs, policy)
    decision = decide(configs, images, cause, refuse_downgrade=refuse_downgrade)
    not_written = ""
    if decision.record is not None:
        try:
            store.write(decision.record)
        except BootError as wrong:
            not_written = str(wrong)
            decision = decide(configs, images, cause, refuse_downgrade=refuse_downgrade, can_write=False)
    if decision.timeout_s:
        timer.arm(decision.timeout_s)
    return BootReport(cause, configs, decision, not_written)
