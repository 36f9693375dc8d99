"""What a cut at one place leads to, as one of a few kinds: each with a letter, so that nothing hangs on colour alone.

Neighbours: `flash_map` and `operations` show them. Outcomes are those of `emu.rig.Outcome`, in words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from emu.events import NEW, OLD
from emu.rig import Outcome


@dataclass(frozen=True, slots=True)
class Lead:
    """``letter`` is also the name of its style."""

    letter: str
    words: str


OLD_RUNS = Lead("O", "old image runs")
NEW_RUNS = Lead("N", "new image runs")
EITHER = Lead("E", "either image runs, by where it is cut")
SETTLED = Lead("S", "comes to rest")
UNSETTLED = Lead("U", "no known image settles")
FINDING = Lead("F", "finding")
UNTRIED = Lead("X", "not tried")
LEADS = (OLD_RUNS, NEW_RUNS, EITHER, SETTLED, UNSETTLED, FINDING, UNTRIED)

IMAGELESS = str(Outcome("settled"))
"""How firmware that updates nothing ends well."""


def lead_of(outcomes: Counter[str], findings: int) -> Lead:
    """The worst of what the edges at one place lead to. Nothing counted: a budget ended before it was tried."""
    if findings:
        return FINDING
    if outcomes and set(outcomes) == {IMAGELESS}:
        return SETTLED
    images = {_image(outcome) for outcome in outcomes}
    if not images:
        return UNTRIED
    if not images <= {OLD, NEW}:
        return UNSETTLED
    if len(images) > 1:
        return EITHER
    return OLD_RUNS if images == {OLD} else NEW_RUNS


def _image(outcome: str) -> str:
    """Which image an outcome in words says runs; "" for none."""
    image, runs, _ = outcome.partition(" image runs, ")
    return image if runs else ""


def outcome_counts(outcomes: Counter[str]) -> str:
    """``263 old image runs, committed; 4 bricked: ...``, the most frequent first."""
    ranked = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{count:,} {outcome}" for outcome, count in ranked)
