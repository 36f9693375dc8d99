"""The code under test, as pieces that can be exchanged one at a time: bootloader, commit, updater.

`ModelFirmware` is the correct one. A mutant is a subclass with one method or attribute changed. Neighbours: `rig`
runs it on a `device.Session`. It must not know that it is being tested.
"""

from __future__ import annotations

from collections.abc import Callable
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
    from updater.manifest import Claims
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

    def update_target(
        self,
        session: Session,
        slot: int,
        *,
        version: str = "0",
        build_id: str = RUNNING_BUILD,
        may_begin: Callable[[Claims], bool] | None = None,
    ) -> UpdateTarget:
        """The device as its updater sees it, while the image in ``slot`` runs and calls itself so."""
        board = session.device.board.document
        return UpdateTarget(
            layout=session.device.layout,
            store=self.store(session),
            clock=session.clock,
            platform=board.platform,
            version=version,
            build_id=build_id,
            running_slot=slot,
            crc=board.verify.crc,
            make_writer=self.writer_class,
            keys=session.device.board.update_keys,
            sig_req_mask=board.update.sig_req_mask,
            may_begin=may_begin,
        )

    def open_update(
        self,
        session: Session,
        target: UpdateTarget,
        *,
        timeout_s: int = 0,
        commit_timeout_s: int | None = None,
        ignore_same_version: bool = False,
    ) -> UpdaterContext | None:
        """Open the one update context; ``commit_timeout_s`` None: the board's. None: refused, with the reason in the
        target's log."""
        if commit_timeout_s is None:
            commit_timeout_s = session.device.board.document.timers.commit_timeout_s
        return updater_context_create(
            target, timeout_s, commit_timeout_s=commit_timeout_s, ignore_same_version=ignore_same_version
        )

    def process(self, context: UpdaterContext, chunk: bytes) -> int:
        return updater_process(context, chunk)

    def finish(self, context: UpdaterContext) -> int:
        return updater_finish(context)
