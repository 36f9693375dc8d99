"""How an update comes to a device in a campaign: by which update system, over what kind of link, how disturbed.

Neighbours: commands ask for one, `linked_rig` makes it so. Plain data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SYSTEM_NAMES = ("mongoose",)
"""The update systems there are."""
LinkKind = Literal["connection", "wire"]
LINK_KINDS: tuple[LinkKind, ...] = ("connection", "wire")
"""A connection breaks when the device is reset, and its peer is told; on a wire frames are lost and nobody knows."""
MAX_DISTURBED = 8


@dataclass(frozen=True, slots=True)
class LinkChoice:
    """``system``: one of SYSTEM_NAMES. ``disturbed``: how many frames of a path the network does not carry as they were
    sent; 0: it carries all, as long as there is power."""

    system: str
    kind: LinkKind = "connection"
    disturbed: int = 0
