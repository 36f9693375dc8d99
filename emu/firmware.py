"""The code under test, as pieces that can be exchanged one at a time: bootloader, commit, updater.

`ModelFirmware` is the correct one. A mutant is a subclass with one method or attribute changed. Neighbours: `rig`
runs it on a `device.Session`. It must not know that it is being tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootloader.boot import BootReport, boot
from bootloader.commit import commit
from bootloader.config_store import ConfigStore
from bootloader.decision import Decision
from emu.device import Session
from emu.source import Source
from updater.context import updater_context_create, updater_finish, updater_process
from updater.reception import UpdaterContext
from updater.slot_writer import SlotWriter
from updater.target import UpdateTarget

if TYPE_CHECKING:
    from updater.merge import MergeReport

RUNNING_BUILD = "factory"


class ModelFirmware:
    """What runs on the device. One instance serves all boots, so it must keep no state between calls."""

    name = "model"
    store_class: type[ConfigStore] = ConfigStore
    writer_class: type[SlotWriter] = SlotWriter
    source: Source | None = None
    """Where a firmware of the user's came from."""

    def store(self, session: Session) -> ConfigStore:
        return self.store_class(session.device.layout.configs)

    def boot(self, session: Session) -> BootReport:
        """The reset vector."""
        board = session.device.board
        return boot(
            self.store(session),
            session.device.layout,
            session.timer,
            board.policy,
            session.cause,
            refuse_downgrade=board.document.verify.refuse_downgrade,
        )

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        """What the image on trial does before anything else: carry the user's files over. None: no merge is due.

        ``decision.record`` is what the bootloader has just written, so nothing is read to know.
        """
        config = decision.record
        if config is None or not config.merge_fs:
            return None
        from updater.merge import is_merge_due, merge_filesystem  # loads the C library of littlefs

        if not is_merge_due(config, session.running_slot):
            return None
        return merge_filesystem(session.device.layout, config, session.running_slot)

    def commit(self, session: Session) -> None:
        commit(self.store(session), session.timer, session.running_slot)

    def begin_update(self, session: Session, decision: Decision) -> tuple[UpdaterContext | None, UpdateTarget]:
        """Open the one update context. None: refused, with the reason in the target's log."""
        assert decision.slot is not None
        board = session.device.board.document
        target = UpdateTarget(
            layout=session.device.layout,
            store=self.store(session),
            clock=session.clock,
            platform=board.platform,
            version="0",
            build_id=RUNNING_BUILD,
            running_slot=decision.slot,
            crc=board.verify.crc,
            make_writer=self.writer_class,
            keys=session.device.board.update_keys,
            sig_req_mask=board.update.sig_req_mask,
        )
        return updater_context_create(target, commit_timeout_s=board.timers.commit_timeout_s), target

    def process(self, context: UpdaterContext, chunk: bytes) -> int:
        return updater_process(context, chunk)

    def finish(self, context: UpdaterContext) -> int:
        return updater_finish(context)
