"""The options that choose what else goes wrong besides power, and the faults of a run.

Neighbours: `run` takes them, `replay` and `stories` follow what they found; `campaign.faults` does the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from emu.campaign.audit import Audit
from emu.campaign.cut_times import CutTimes
from emu.campaign.exposure import Exposure
from emu.campaign.faults.campaign import FaultCampaign, FaultReport, no_power
from emu.campaign.faults.fault import KINDS, POWER
from emu.campaign.faults.kind import Ground
from emu.campaign.faults.kinds import FAULT_KINDS
from emu.campaign.faults.retrace import follow_fault
from emu.campaign.faults.specimen import Specimen
from emu.campaign.options import Options
from emu.campaign.replay import Story
from emu.campaign.token import Token
from emu.campaign.update_map import Layer, UpdateMap, map_of
from emu.campaign.verdict import Verdict
from emu.cli.campaign import Campaign
from emu.errors import UsageError
from emu.fault_bench import FaultBench
from emu.plain_rig import PlainRig
from emu.rig import Subject
from emu.scenario_bench import KINDS as SCENARIO_KINDS
from emu.scenario_bench import ScenarioBench
from emu.update_rig import UpdateRig
from flash.tears import TEAR_SETS
from flash.tomlfile import nearest

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

F = TypeVar("F", bound=Callable[..., Any])
_SHOW_EVERY = 500


@dataclass(frozen=True)
class FaultChoice:
    """``kinds``: without power. ``only``: the faults whose names begin so."""

    kinds: tuple[str, ...] = ()
    cuts_power: bool = True
    only: str = ""


def fault_options(function: F) -> F:
    """Adds the options; the command receives one ``faults`` argument."""

    def command(**given: Any) -> Any:
        return function(faults=_choice(given.pop("faults"), given.pop("only")), **given)

    command.__doc__ = function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    kinds = "; ".join(f"{row.name}: {row.help}" for row in FAULT_KINDS.values())
    for option in (
        click.option("--only", default="", metavar="PREFIX",
                     help="Of --faults, try those alone whose names begin so, e.g. image.manifest or rest.1.config-0."),
        click.option("--faults", default=POWER, show_default=True, metavar="LIST",
                     help=f"What goes wrong, comma separated: {POWER}; {kinds}; or all."),
    ):  # fmt: skip
        option(command)
    return cast(F, command)


@contextmanager
def power_campaign(
    choice: FaultChoice, rig: Subject, options: Options, on_power: Callable[[], AbstractContextManager[Campaign]]
) -> Iterator[Campaign]:
    """The campaign of power cuts that ``on_power`` begins; where none was asked for, one in which nothing is tried."""
    if not choice.cuts_power:
        yield _NoPower(rig, options)
        return
    with on_power() as campaign:
        yield campaign


def run_faults(choice: FaultChoice, rig: Subject, options: Options, spent_s: float) -> tuple[FaultReport, bool]:
    """Try the faults that were chosen; whether Ctrl-C ended it. ``spent_s``: of the budget, before."""
    if options.budget_s:
        options = replace(options, budget_s=max(options.budget_s - spent_s, 0.001))
    campaign = FaultCampaign(
        faultable(rig, choice.kinds), rig.bounds, options, choice.kinds, only=choice.only, progress=_progress()
    )
    report = campaign.run()
    if choice.only and not report.counts and report.is_complete and not report.left_out:
        raise UsageError(f"--only: no fault of {', '.join(choice.kinds)} has a name that begins with {choice.only!r}")
    return report, campaign.interrupted


def faultable(rig: Subject, kinds: Sequence[str]) -> Specimen:
    """What faults of ``kinds`` are put into. Raises UsageError where they cannot be."""
    if isinstance(rig, UpdateRig):
        if rig.link is not None:
            raise UsageError("--faults are tried with updates that are handed to the device; leave --ota out")
        return FaultBench(rig)
    if not isinstance(rig, PlainRig):
        from emu.elf.bench import ElfBench  # an extra is needed for it

        return ElfBench(cast("ElfRig", rig))
    for kind in kinds:
        if kind not in SCENARIO_KINDS:
            known = ", ".join((POWER, *SCENARIO_KINDS))
            raise UsageError(f"--faults: a scenario is tried with {known}; {kind} needs a --board")
    if not rig.images:
        raise UsageError("--faults: the scenario names no images, and what is damaged at rest is known by them")
    return ScenarioBench(rig)


def retraced(rig: Subject, token: Token, seed: int) -> Story:
    """Follow a token that names a fault. Raises TokenError."""
    tears = replace(TEAR_SETS["T1"], seed=seed)
    options = Options(tears=tears, attempts=token.attempts, keeps_new=rig.keeps_new)
    return follow_fault(Ground(faultable(rig, (token.fault.partition(".")[0],)), rig.bounds, options), token)


class _NoPower:
    """Nothing is cut: what there is of a campaign where faults alone were asked for."""

    audit: Audit | None = None
    interrupted = False
    checks: tuple[str, ...] = ()

    def __init__(self, rig: Subject, options: Options) -> None:
        self._rig = rig
        self._options = options

    def explore(self) -> Verdict:
        return no_power(faultable(self._rig, ()), self._rig.bounds, self._options)

    def update_map(self) -> UpdateMap:
        sizes = zip(self._rig.chip_names, (part.geometry.size for part in self._rig.parts), strict=True)
        return map_of((), {}, (), sizes, self._rig.regions)

    def layers(self) -> tuple[Layer, ...]:
        return ()

    def exposure(self, times: CutTimes | None) -> Exposure:
        raise AssertionError("a campaign without power cuts is exposed to none: please report")

    def certificate(self, asked: Any, mutants: Any) -> dict[str, Any]:
        raise AssertionError("a campaign without power cuts certifies nothing: please report")


def _choice(text: str, only: str) -> FaultChoice:
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = (POWER, *KINDS)
    if "all" in names:
        names = list(known)
    for name in names:
        if name not in known:
            raise UsageError(f"--faults: {name!r} is none of {', '.join(known)}, all{nearest(name, known)}")
    if not names:
        raise UsageError(f"--faults: nothing is to go wrong; give one of {', '.join(known)}")
    kinds = tuple(name for name in KINDS if name in names)
    begins = [f"{kind}." for kind in kinds]
    if only and not any(begin.startswith(only[: len(begin)]) for begin in begins):
        raise UsageError(f"--only: names of faults begin with {', '.join(begins) or 'their kind; give --faults'}")
    return FaultChoice(kinds, POWER in names, only)


def _progress() -> Callable[[str, int], None] | None:
    """A line that rewrites itself on a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(name: str, count: int) -> None:
        if count % _SHOW_EVERY == 0:
            click.echo(f"\x1b[2K\rfaults: {count:,} tried, {name}", nl=False, err=True)

    return show
