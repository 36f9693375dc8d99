"""Mutants from the command line's point of view: the campaign that held, run again on wrong firmware.

A mutant proves something only where the right firmware holds: then all that is found is the mutant's doing. Each
campaign ends with the number of interruptions that has its first finding, so it costs a fraction of the one that held.

Neighbours: `run` and `verify` try them, `replay` replays what they did; `emu.mutants` has them, `report.mutants` says
what became of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from emu.campaign.options import ANY, Options, Progress
from emu.campaign.token import token_for
from emu.campaign.verdict import Verdict
from emu.cli.campaign import campaign_on
from emu.cli.engine import EngineChoice
from emu.cli.stories import tellable
from emu.errors import ScenarioError, UsageError
from emu.firmware import ModelFirmware
from emu.mutants.table import MUTANTS, Conditions, Mutant
from emu.plain_rig import PlainRig
from emu.report.mutants import Tried
from emu.rig import Subject
from emu.update_rig import UpdateRig
from flash.tomlfile import nearest


class Trials:
    """Tries the mutants on the board, the images and with the options of a campaign that held. ``progress``: by a
    mutant's name."""

    def __init__(
        self,
        rig: UpdateRig,
        options: Options,
        engine: EngineChoice,
        progress: Callable[[str], Progress | None] = lambda name: None,
    ) -> None:
        self.interrupted = False
        self._rig = rig
        self._engine = engine
        self._progress = progress
        self._options = replace(options, keep_going=False, budget_s=options.budget_s / len(MUTANTS))

    def tried(self, held: Verdict) -> tuple[Tried, ...]:
        """What becomes of each mutant; ``held`` is the verdict on the right firmware. Ctrl-C ends it early, with
        ``interrupted`` set and the rest not finished."""
        assert held.word == "held" and not held.depth, "mutants of a campaign that did not hold: please report"
        return tuple(self._one(mutant, held) for mutant in MUTANTS.values())

    def _one(self, mutant: Mutant, held: Verdict) -> Tried:
        unknown = Tried(mutant.name, mutant.changed, mutant.check, "NOT FINISHED", reason="stopped by the user")
        if self.interrupted:
            return unknown
        unchecked = held.inapplicable.get(mutant.check, "")
        conditions = Conditions(self._options.tears, self._rig.keeps_new)
        why_not = f"{mutant.check}: {unchecked}" if unchecked else mutant.applies(conditions)
        if why_not:
            return replace(unknown, word="not applicable", reason=why_not)
        rig = with_firmware(self._rig, mutant.firmware())
        with campaign_on(self._engine, rig, self._options, self._progress(mutant.name), None) as campaign:
            try:
                verdict = campaign.explore()
            except ScenarioError as wrong:
                return replace(unknown, word="not applicable", reason=f"it fails before any cut: {wrong}")
        self.interrupted = campaign.interrupted
        return judged(unknown, verdict, rig)


def on_model(option: str, rig: Subject) -> UpdateRig:
    """``rig``, if it runs brownout's own firmware. Raises UsageError: mutants are patches of that."""
    if isinstance(rig, UpdateRig) and rig.firmware.source is None:
        return rig
    other = f"--firmware or {option}" if isinstance(rig, UpdateRig | PlainRig) else option
    raise UsageError(f"{option}: the mutants are of brownout's own firmware; leave {other} out")


def with_firmware(rig: UpdateRig, firmware: ModelFirmware) -> UpdateRig:
    """The like of ``rig``, with other firmware on it."""
    timing, seed, resolution = rig.drawn
    if rig.link is not None:
        from emu.linked_rig import LinkedRig

        return LinkedRig(
            rig.board, rig.images, rig.link, firmware=firmware, timing=timing, seed=seed, resolution=resolution
        )
    return UpdateRig(
        rig.board, rig.images, firmware=firmware, app=rig.app, timing=timing, seed=seed, resolution=resolution
    )


def mutant_named(name: str) -> ModelFirmware:
    """The firmware of a mutant. Raises UsageError."""
    if name not in MUTANTS:
        raise UsageError(f"--mutant: no mutant is named {name!r}{nearest(name, list(MUTANTS))}")
    return MUTANTS[name].firmware()


def check_depth(asked: bool, depth: int) -> None:
    """Raises UsageError for mutants of a campaign that certifies nothing."""
    if asked and depth != ANY:
        raise UsageError("--mutants is for --depth any; leave one of them out")


def judged(unknown: Tried, verdict: Verdict, rig: UpdateRig) -> Tried:
    """What ``verdict`` says of a mutant. A finding counts once every way with as few interruptions was tried: until
    then a milder one may come. Whoever died while trying has judged nothing."""
    found = [finding for finding in tellable(verdict) if finding.key.check == unknown.check]
    if found and max(1, found[0].cuts) <= verdict.coverage.depth_done:
        token = token_for(verdict.attempts, rig.inputs, found[0].path, found[0].readings)
        return replace(unknown, word="caught", cuts=found[0].cuts, token=str(token), reason="")
    if verdict.word == "inconclusive" or found:
        return replace(unknown, reason="; ".join(verdict.notes))
    others = sorted({finding.key.check for finding in tellable(verdict)})
    return replace(unknown, word="NOT CAUGHT", reason=f"breaks {', '.join(others) or 'no check'}")
