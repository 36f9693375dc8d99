"""What can be judged by a console: rows of a table, one per check, over one trial.

The promises are those of `checks`; what a rig cannot show is not here, and its `lacks` says so. Neighbours: `sweep`
makes trials. Knows no rig, no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emu.campaign.sweep_verdict import AFTER, BEFORE, ON_TRIAL
from emu.events import NEW, OLD
from emu.rig import Outcome
from emu.timed_rig import Said, SaidKind, Stay

_IMAGES: tuple[SaidKind, ...] = ("old", "new", "unknown")


@dataclass(frozen=True, slots=True)
class Trial:
    """One update that was cut, and what came of it. ``at_ms``: when it was to be cut; None: when it was over.
    ``retry``: an uncut update from the old image, if the device settled on that."""

    at_ms: float | None
    before: Stay
    after: Stay
    retry: Stay | None = None

    @property
    def said(self) -> tuple[Said, ...]:
        """Of the attempt that was cut: the retry is another."""
        return self.before.said + self.after.said


@dataclass(frozen=True, slots=True)
class TrialBreach:
    """``sort``: breaches of one check and sort are one finding. ``stay``: the one that shows it."""

    check: str
    sort: str
    message: str
    stay: Stay


@dataclass(frozen=True, slots=True)
class SweepCheck:
    judge: Callable[[Trial], Iterator[tuple[str, str, Stay]]]
    is_exercised: Callable[[Trial], bool]


def breaches_of(trial: Trial, checks: tuple[str, ...]) -> list[TrialBreach]:
    return [TrialBreach(name, *found) for name in checks for found in SWEEP_CHECKS[name].judge(trial)]


def has_succeeded(outcome: Outcome) -> bool:
    """Whether an uncut update has ended as it should."""
    return outcome.kind == "settled" and outcome.image == NEW and outcome.committed


def reached(stay: Stay) -> str:
    """One of `REACHED`."""
    if _is_committed(stay.said):
        return AFTER
    if any(one.kind == "new" for one in stay.said):
        return ON_TRIAL
    return BEFORE


def _boots(trial: Trial) -> Iterator[tuple[str, str, Stay]]:
    if trial.after.outcome.kind != "settled":
        yield trial.after.outcome.kind, str(trial.after.outcome), trial.after


def _whole(trial: Trial) -> Iterator[tuple[str, str, Stay]]:
    for stay in (trial.before, trial.after, trial.retry):
        strange = [] if stay is None else [one for one in stay.said if one.kind == "unknown"]
        if strange and stay is not None:
            yield "unknown", f"an image runs that is neither of the known ones: {strange[0].line!r}", stay
            return


def _durable(trial: Trial) -> Iterator[tuple[str, str, Stay]]:
    is_committed = False
    for one, image in _with_image(trial.said):
        is_committed = is_committed or (one.kind == "committed" and image == "new")
        if is_committed and one.kind == "old":
            yield "lost", "commit had returned, and the old image runs again", trial.after
            return


def _reverts(trial: Trial) -> Iterator[tuple[str, str, Stay]]:
    entered = 0
    for one, image in _with_image(trial.said):
        if one.kind == "committed" and image == "new":
            break
        entered += one.kind == "trial" and image == "new"
    if entered > 1:
        yield "again", "the new image was not committed, and is entered a second time", trial.after
    outcome = trial.after.outcome
    if outcome.kind == "settled" and outcome.image == NEW and not outcome.committed:
        yield "stays", "the new image stays without commit", trial.after


def _retries(trial: Trial) -> Iterator[tuple[str, str, Stay]]:
    if trial.retry is not None and not has_succeeded(trial.retry.outcome):
        outcome = trial.retry.outcome
        yield f"{outcome.kind}-{outcome.image}", f"one more uncut update ends with: {outcome}", trial.retry


def _with_image(said: tuple[Said, ...]) -> Iterator[tuple[Said, SaidKind]]:
    """Every line, with the image that ran when it was said: an attempt begins on the old one."""
    image: SaidKind = "old"
    for one in said:
        image = one.kind if one.kind in _IMAGES else image
        yield one, image


def _is_committed(said: tuple[Said, ...]) -> bool:
    return any(one.kind == "committed" and image == "new" for one, image in _with_image(said))


SWEEP_CHECKS: dict[str, SweepCheck] = {
    "boots": SweepCheck(_boots, lambda trial: True),
    "whole": SweepCheck(_whole, lambda trial: any(one.kind in _IMAGES for one in trial.said)),
    "durable": SweepCheck(_durable, lambda trial: _is_committed(trial.before.said)),
    "reverts": SweepCheck(_reverts, lambda trial: any(one.kind == "new" for one in trial.said)),
    "retries": SweepCheck(_retries, lambda trial: trial.after.outcome.image == OLD),
}
