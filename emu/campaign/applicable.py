"""Which checks a campaign on a rig can judge, and why it leaves the others out.

Neighbours: `checks` has the table, a board or a scenario what it claims, a rig what it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping

from emu.board import CheckEntry
from emu.campaign.checks import CHECKS
from emu.rig import NOT_CLAIMED, Rig


def inapplicable(
    bounds: CheckEntry, *, keeps_new: bool, snapshot: bool, configs: bool = True, lacks: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The checks a campaign leaves out, as the table has them, each with its reason. ``keeps_new``: whether the uncut
    update is meant to stay; ``snapshot``: whether the rig takes snapshots; ``configs``: whether it has boot configs;
    ``lacks``: what it says itself."""
    reasons: dict[str, str] = {name: NOT_CLAIMED for name in CHECKS if name not in bounds.apply}
    for name, why in (lacks or {}).items():
        reasons.setdefault(name, why)
    if not configs:
        reasons.setdefault("in-place", "the firmware has no boot configs that could say which slot is the running one")
    if not keeps_new:
        reasons.setdefault("retries", "the new image is not meant to stay with this application model")
    if not snapshot:
        reasons.setdefault("in-place", "the rig takes no snapshots")
    return {name: reasons[name] for name in CHECKS if name in reasons}


def chosen_checks(
    rig: Rig, bounds: CheckEntry, *, keeps_new: bool, unsteady: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The checks of a campaign on ``rig``: the board's, then the rig's own; and those left out, with the reason.
    ``unsteady``: why `steady` has nothing to say, "" where it has."""
    able = rig.capabilities.snapshot
    left_out = inapplicable(
        bounds, keeps_new=keeps_new, snapshot=able, configs=bool(rig.places.configs), lacks=rig.lacks
    )
    own = tuple(oracle.name for oracle in rig.oracles) if able else ()
    left_out |= {name: why for name, why in rig.lacks.items() if name in own}
    if unsteady:
        left_out.setdefault("steady", unsteady)
    return tuple(name for name in (*bounds.apply, *own) if name not in left_out), left_out
