"""Mistakes while the user's files are carried over: one place of the merge changed.

Each docstring says what was changed and why people do it. Neighbours: `loaders` and `writers` have the mistakes of
bootloader and updater, `zoo` the table. Knows no campaign.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from unittest.mock import patch

from littlefs import lfs

from bootloader.decision import Decision
from emu.device import Session
from emu.firmware import ModelFirmware
from updater.filesystem import TRANSPARENT, Entry, Filesystem
from updater.merge import MergeReport, carry_over, merge_filesystem, mounted

MERGE = import_module("updater.merge")


# -- what wins, and what is left out -------------------------------------------------------------------------


class OldWins(ModelFirmware):
    """Every old file is copied, whether the update ships it or not. People have lost a user's settings once, and from
    then on the defaults that a new version needs never reach a device again."""

    name = "old-wins"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        found = Filesystem.find

        def only_folders(fs: Filesystem, path: bytes) -> Entry | None:
            entry = found(fs, path)
            return entry if entry is not None and entry.is_folder else None

        with patch.object(Filesystem, "find", only_folders):
            return super().merge(session, decision)


class TopLevelOnly(ModelFirmware):
    """Folders are left out. The merge was written for a flat filesystem, and the file manager came later."""

    name = "top-level-only"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        listed = Filesystem.entries

        def flat(fs: Filesystem) -> list[Entry]:
            return [entry for entry in listed(fs) if b"/" not in entry.path and not entry.is_folder]

        with patch.object(Filesystem, "entries", flat):
            return super().merge(session, decision)


class FirstPiece(ModelFirmware):
    """Of each file the first 512 bytes are copied: the loop around the buffer is missing. Settings are small, and the
    log is the file that nobody compares."""

    name = "first-piece"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        def once(source: Filesystem, target: Filesystem, path: bytes) -> None:
            with source.open(path) as original, target.create(path) as made:
                made.write(original.read())

        with patch.object(MERGE, "copy", once):
            return super().merge(session, decision)


class NeverMerges(ModelFirmware):
    """The merge is left to the application, whose new version does not know that it has to."""

    name = "never-merges"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        return None


class FailureIgnored(ModelFirmware):
    """A merge that failed is logged, and the image goes on to commit. People hold a device that runs for worth more
    than a file, until the file was the key to the customer's cloud."""

    name = "failure-ignored"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        report = super().merge(session, decision)
        return report and replace(report, failed="")


# -- when ----------------------------------------------------------------------------------------------------


class MergesAfterCommit(ModelFirmware):
    """The image commits, then carries the files over: copying takes seconds, and the commit timer is short."""

    name = "merges-after-commit"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        return None

    def commit(self, session: Session) -> None:
        config = self.store(session).read().config
        super().commit(session)
        if config is not None and MERGE.is_merge_due(config, session.running_slot):
            merge_filesystem(session.device.layout, config, session.running_slot)


# -- the old filesystem --------------------------------------------------------------------------------------


class MovesFiles(ModelFirmware):
    """A file is removed from the old filesystem once the new one has it. People write "move" where "copy" was meant;
    the device that rolls back finds nothing."""

    name = "moves-files"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        report = super().merge(session, decision)
        if report is not None and not report.failed:
            old = session.device.layout.slots[1 - session.running_slot]
            with mounted(old, writable=True) as source:
                for path in report.carried:
                    source._call("removing", lfs.remove, path.decode(TRANSPARENT), TRANSPARENT)
        return report


class StampsTheOld(ModelFirmware):
    """A file in the old filesystem says that it has been merged, so that a second start of the new image need not do it
    again. After a roll-back the stamp is still there, and the next update believes it."""

    name = "stamps-the-old"

    def merge(self, session: Session, decision: Decision) -> MergeReport | None:
        if decision.record is None or not decision.record.merge_fs:
            return None
        slots = session.device.layout.slots
        new, old = slots[session.running_slot], slots[1 - session.running_slot]
        with mounted(old, writable=True) as source, mounted(new, writable=True) as target:
            if source.find(b".merged") is not None:
                return MergeReport()
            report = carry_over(source, target)
            with source.create(b".merged") as stamp:
                stamp.write(b"1")
        return report
