"""What a campaign is asked to try, and what may end it early.

Neighbours: `explore` and `closure` take it, the CLI makes it. Knows no rig.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.campaign.edges import EventName
from emu.campaign.verdict import Coverage
from flash.tears import TEAR_SETS, TearSet

ANY = 0
"""As a depth: every number of interruptions."""


@dataclass(frozen=True)
class Options:
    """What to try.

    ``depth``: how many interruptions in a row; ANY: no bound. ``budget_s``, ``memory_mb`` 0: no limit. ``cache`` False:
    every edge is executed, for measuring. ``keeps_new``: whether the new image is meant to stay.

    At any depth: ``resolutions``: what weak cells read as, one after the other; None: as the rig was made.
    ``exhaustive``: only states that are equal in everything are taken for one. ``keep_going``: go deeper than the first
    finding.
    """

    tears: TearSet = TEAR_SETS["T1"]
    depth: int = 1
    resolutions: tuple[str | None, ...] = (None,)
    exhaustive: bool = False
    keep_going: bool = False
    attempts: int = 1
    events: tuple[EventName, ...] = ()
    budget_s: float = 0.0
    memory_mb: int = 0
    cache: bool = True
    keeps_new: bool = True


class BudgetSpent(Exception):
    """Time or memory is up, as the message says: what is known is kept."""


Progress = Callable[[Coverage, int, str], None]
