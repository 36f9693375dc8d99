"""The uncut workload: what a campaign cuts. It must write flash, and it must work.

Neighbours: `explore` and `closure` begin with it. Knows no edge.
"""

from __future__ import annotations

from emu.campaign.judge import Chain, Judge, State
from emu.campaign.options import Options
from emu.campaign.verdict import Coverage
from emu.errors import NothingToRun, ScenarioError
from emu.events import DECIDED, HANDOVER, MERGE_FAILED, NEW, OLD, REFUSED
from emu.rig import Rig
from emu.words import counted
from flash.journal import Event, Misuse, Operation


def golden_chain(judge: Judge, root: State, options: Options, cover: Coverage, rig: Rig) -> Chain:
    """The uncut life from the factory state; counts its operations in ``cover``. Where the rig knows images, one of
    them has to run in the end.

    Raises ScenarioError when the device does not run, if it is not an update that waits in it that ends it, or the
    update does not end as it should, though no check is broken; NothingToRun when there is no flash operation to cut
    and nothing broken either.
    """
    has_images = "whole" not in rig.lacks
    golden = judge.chain(root)
    first = golden.sessions[0].run.outcome
    wrote = any(isinstance(entry, Operation | Misuse) for entry in golden.sessions[0].run.entries)
    if first.kind in ("halted", "hung") and not (wrote and rig.capabilities.update_waits):
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
    if not golden.breaches and (golden.outcome.kind, golden.outcome.image) != ("settled", expected):
        should = f"the {expected} image should run" if expected else "it should settle"
        told = "; ".join(_decisions(golden))
        ends = f"the uncut update ends with: {golden.outcome}; {should}{f' ({told})' if told else ''}"
        raise ScenarioError(ends + (_kept(golden, cover) if rig.capabilities.update_waits else ""))
    return golden


def _kept(golden: Chain, cover: Coverage) -> str:
    """Where to look when an update that waits in flash leaves the old image, and breaks nothing."""
    if (golden.outcome.kind, golden.outcome.image) != ("settled", OLD):
        return ""
    entries = [entry for judged in golden.sessions for entry in judged.run.entries]
    if any(isinstance(entry, Event) and entry.name == HANDOVER and entry.facts[1] == NEW for entry in entries):
        seen = "the new image was entered, and taken back: should it have confirmed itself?"
    else:
        count = counted(sum(cover.operations.values()), "operation")
        seen = f"it was refused after {count} on flash: is it signed for this bootloader, and no older than what runs?"
    return f'; {seen} Where that is right, accept = ["{OLD}"]; `brownout boot` shows what the bootloader does'


def why_no_cuts(golden: Chain, options: Options, rig: Rig) -> str:
    """Why nothing is cut: an update that ends the device by itself leaves nothing to be found; "" where it does not."""
    if options.keep_going or not rig.capabilities.update_waits or golden.outcome.kind not in ("halted", "hung"):
        return ""
    return "nothing was cut: the update ends the device by itself (--keep-going cuts it all the same)"


def _decisions(chain: Chain) -> list[str]:
    """What the bootloader decided in each session, in its own words, and why files could not be carried over."""
    events = [entry for judged in chain.sessions for entry in judged.run.entries if isinstance(entry, Event)]
    said = {DECIDED: "{0}: {2}", MERGE_FAILED: "the files cannot be carried over: {0}"}
    return [said[event.name].format(*event.facts) for event in events if event.name in said]
