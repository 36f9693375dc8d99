"""Resets besides power cuts, where the firmware is an ELF: the rig that can be reset at every point, made again for as
long as a campaign finds more of RAM that counts.

Neighbours: `run` explores with it, `replay` follows a token with one that keeps all of RAM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from emu.campaign.edges import EVENT_NAMES
from emu.campaign.judge import Missed
from emu.campaign.verdict import CutPath
from emu.plain_rig import PlainRig
from emu.update_rig import UpdateRig

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

Resettable: TypeAlias = "UpdateRig | PlainRig | ElfRig"
T = TypeVar("T")


def resettable(rig: Resettable) -> Resettable:
    """``rig``, ready for resets at every point."""
    if isinstance(rig, UpdateRig | PlainRig):
        return rig
    from emu.elf.learned import with_resets  # an extra is needed for it

    return with_resets(rig)


def with_all_that_is_kept(rig: Resettable, tried: Callable[[Resettable], T]) -> tuple[Resettable, T]:
    """What ``tried`` returns of ``rig``, or of one that keeps more of RAM, and which it was."""
    while True:
        try:
            return rig, tried(rig)
        except Missed as missed:
            assert not isinstance(rig, UpdateRig | PlainRig), "a device without RAM has missed some: please report"
            rig = rig.with_resets(missed.words)


def replayable(rig: Resettable, path: CutPath) -> Resettable:
    """``rig``, ready for the resets of ``path``, with all of RAM: what a campaign leaves out is proven by that too."""
    if isinstance(rig, UpdateRig | PlainRig) or not any(step.how in EVENT_NAMES for step in path):
        return rig
    return rig.with_resets(None)
