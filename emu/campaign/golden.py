"""The uncut workload: what a campaign cuts. It must write flash, and it must work.

Where the device is known to run without its update (`Capabilities.ends_with`), an update that does not work is what
the campaign has found; elsewhere what it was given is wrong.

Neighbours: `explore`, `closure`, `tally` and `replay` ask. Knows no edge.
"""

from __future__ import annotations

from emu.campaign.breach import Breach
from emu.campaign.judge import Chain, Judge, State
from emu.campaign.options import Options
from emu.campaign.verdict import Coverage
from emu.errors import NothingToRun, ScenarioError
from emu.events import DECIDED, HANDOVER, MERGE_FAILED, NEW, OLD, REFUSED
from emu.rig import Rig
from flash.journal import Event, Operation

SAYS_SO = ("accepts", "boots", "stays-up", "whole")
"""Checks that an update breaks which does not end as it should; `accepts` says it where none of them does."""


def golden_chain(judge: Judge, root: State, options: Options, cover: Coverage, rig: Rig) -> Chain:
    """The uncut life from the factory state; counts its operations in ``cover``. Where the rig knows images, one of
    them has to run in the end.

    Raises ScenarioError when the device does not run, or the update does not end as it should, though no check is
    broken; not where that is a finding. NothingToRun when there is no flash operation to cut and nothing broken either.
    """
    golden = judge.chain(root)
    golden.breaches += failures(golden, rig)
    has_images, is_judged = "whole" not in rig.lacks, bool(rig.capabilities.ends_with)
    first = golden.sessions[0].run.outcome
    if first.kind in ("halted", "hung") and not is_judged:
        raise ScenarioError(f"the device as shipped does not run: {first}")
    for judged in golden.sessions:
        for entry in judged.run.entries:
            if isinstance(entry, Operation):
                cover.operations[entry.kind] += 1
            if isinstance(entry, Event) and entry.name == REFUSED:
                raise ScenarioError(f"the uncut update is refused: {entry.facts[0]}")
    if not cover.operations and not golden.breaches:
        what = "update" if has_images else "session"
        raise NothingToRun(f"the uncut {what} makes no flash operation: there is nothing to cut")
    expected = (NEW if options.keeps_new else OLD) if has_images else ""
    if not (golden.breaches or is_judged or _ends_with(golden, expected)):
        should = f"the {expected} image should run" if expected else "it should settle"
        told = "; ".join(_decisions(golden))
        raise ScenarioError(f"the uncut update ends with: {golden.outcome}; {should}{f' ({told})' if told else ''}")
    return golden


def failures(golden: Chain, rig: Rig) -> list[Breach]:
    """What an update breaks that does not end as it should, where that is a finding and no check says so."""
    expected, outcome = rig.capabilities.ends_with, golden.outcome
    if not expected or _ends_with(golden, expected) or any(breach.check in SAYS_SO for breach in golden.breaches):
        return []
    entries = [entry for judged in golden.sessions for entry in judged.run.entries]
    is_entered = any(isinstance(e, Event) and e.name == HANDOVER and e.facts[1] == NEW for e in entries)
    is_kept = outcome.kind == "settled" and outcome.image in ("", OLD)
    what = "the update fails" if not is_kept else f"the update {'does not stay' if is_entered else 'is not installed'}"
    message = f"{what}: {outcome}; the {expected} image should run"
    return [Breach("accepts", len(golden.sessions[-1].run.entries), message)]


def why_no_cuts(golden: Chain, options: Options, rig: Rig) -> str:
    """Why nothing is cut: an update that fails by itself leaves little to be found; "" where it does not."""
    expected = rig.capabilities.ends_with
    if options.keep_going or not expected or _ends_with(golden, expected):
        return ""
    is_alive = golden.outcome.kind == "settled"
    what = f"does not end with the {expected} image" if is_alive else "ends the device by itself"
    return f"nothing was cut: the update {what} (--keep-going cuts it all the same)"


def _ends_with(golden: Chain, image: str) -> bool:
    return (golden.outcome.kind, golden.outcome.image) == ("settled", image)


def _decisions(chain: Chain) -> list[str]:
    """What the bootloader decided in each session, in its own words, and why files could not be carried over."""
    events = [entry for judged in chain.sessions for entry in judged.run.entries if isinstance(entry, Event)]
    said = {DECIDED: "{0}: {2}", MERGE_FAILED: "the files cannot be carried over: {0}"}
    return [said[event.name].format(*event.facts) for event in events if event.name in said]
