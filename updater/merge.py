"""Carrying the user's files over: what a new image does in its first boot, on trial, before it commits.

Every file and folder of the old slot's filesystem that the new one lacks is copied. A name the new one has is shipped:
it wins. Nothing is deleted, and the old filesystem is only read, so a trial that ends here for any reason leaves the
old image everything it had. A merge that cannot be finished is a report that says why: the image must not commit then.

No merge is due where the boot config says that the old slot has no filesystem. A folder of the user's with something in
it whose name is a shipped file cannot be carried over: the merge fails rather than lose what is in it.

Neighbours: `reception` sets ``merge_fs`` in the boot config, commit and roll-back clear it; `filesystem` mounts.
Decides about files; the application decides what a failed merge means.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootloader.config import BootConfig
from bootloader.layout import Layout, Slot
from flash.partition import Partition
from updater.errors import FilesystemError
from updater.filesystem import Filesystem


@dataclass(frozen=True, slots=True)
class MergeReport:
    """Paths, in the order in which they were met: ``carried`` over, and ``shipped`` with the update and therefore left
    alone. ``failed``: why the merge could not be finished, "" when it was."""

    carried: tuple[bytes, ...] = ()
    shipped: tuple[bytes, ...] = ()
    failed: str = ""


def is_merge_due(config: BootConfig, running_slot: int) -> bool:
    """Whether the image in ``running_slot`` is on trial and has to carry the files of the revert slot over."""
    old = config.revert_slot
    on_trial = config.merge_fs and not config.committed and config.active_slot == running_slot
    return on_trial and old is not None and config.slots[old].fs_length > 0


def merge_filesystem(layout: Layout, config: BootConfig, running_slot: int) -> MergeReport:
    """Carry the files of the revert slot over into the filesystem of ``running_slot``; a merge must be due.

    What the flash raises (power, reset, a broken contract) comes out as it is.
    """
    assert is_merge_due(config, running_slot) and config.revert_slot is not None, "no merge is due: please report"
    old, new = layout.slots[config.revert_slot], layout.slots[running_slot]
    try:
        with mounted(old) as source, mounted(new, writable=True) as target:
            return carry_over(source, target)
    except FilesystemError as wrong:
        return MergeReport(failed=str(wrong))


def mounted(slot: Slot, *, writable: bool = False) -> Filesystem:
    """The filesystem of a slot, for a ``with``. Raises FilesystemError; so does the ``with``."""
    label = f"filesystem of {slot.name}"
    if not slot.fs_size:
        raise FilesystemError(f"{label}: this layout has no room for one")
    return Filesystem(Partition(label, slot.flash, slot.fs_offset, slot.fs_size), label, writable=writable)


def carry_over(source: Filesystem, target: Filesystem) -> MergeReport:
    """Copy what ``target`` lacks. Raises FilesystemError."""
    carried, shipped = [], []
    for entry in source.entries():
        there = target.find(entry.path)
        if there is None and entry.is_folder:
            target.make_folder(entry.path)
        elif there is None:
            copy(source, target, entry.path)
            carried.append(entry.path)
        elif not entry.is_folder:
            shipped.append(entry.path)
    return MergeReport(tuple(carried), tuple(shipped))


def copy(source: Filesystem, target: Filesystem, path: bytes) -> None:
    """One file, in pieces. Raises FilesystemError."""
    with source.open(path) as original, target.create(path) as made:
        while piece := original.read():
            made.write(piece)
