"""States are made by replaying a prefix of the journal, never by running the firmware again: here a sample of them is
made both ways and held equal.

Neighbours: `edges` makes states by replay, a rig by cutting live; `replay` does the same for a single token. A campaign
on firmware that nobody of us wrote is to be told about it. Knows no check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from emu.campaign.blame import two_ways
from emu.campaign.edges import Child, EdgeWalker, EventName
from emu.rig import DeviceState, Rig, Run
from flash.draws import uniforms
from flash.tears import TearSet

SAMPLED = 16
"""Places in the uncut update, each cut before the entry and, where it is an operation, once inside it; with events,
reset there as well."""


def check_live_cuts(
    rig: Rig, tears: TearSet, attempts: int, max_resets: int, events: tuple[EventName, ...] = ()
) -> int:
    """Cut live at places all over the uncut update; returns how many cuts there were. Raises what `two_ways` makes when
    one leaves something else than the replayed journal does."""
    walker = EdgeWalker(rig, tears, events)
    sessions = list(_uncut(rig, attempts, max_resets))
    places = [(state, run, entry) for state, run in sessions for entry in range(len(run.entries) + 1)]
    drawn = {int(each * len(places)) for each in uniforms(tears.seed, 0, SAMPLED)}
    count = 0
    for state, run, entry in (places[number] for number in sorted(drawn)):
        for child in _children(walker, state, run, entry):
            cut = rig.run(state, child.edge.interruption()).end
            same = replace(cut, memory=()) == replace(child.state, memory=())
            if not same or not all(one.same(other) for one, other in zip(cut.memory, child.state.memory, strict=True)):
                raise two_ways(
                    rig, f"cutting live at entry {entry} ({child.edge.how}) differs from replaying the prefix"
                )
            count += 1
    return count


def _uncut(rig: Rig, attempts: int, max_resets: int) -> Iterator[tuple[DeviceState, Run]]:
    state = rig.initial(attempts)
    for _ in range(max_resets + 1):
        run = rig.run(state)
        yield state, run
        if run.outcome.kind != "reset":
            return
        state = run.end


def _children(walker: EdgeWalker, state: DeviceState, run: Run, entry: int) -> list[Child]:
    """The cut before ``entry``, every event there, and one tear of it."""
    found: dict[str, Child] = {}
    for child in walker.children(state, run, entry):
        if child.edge.entry > entry:
            break
        found.setdefault("torn" if child.edge.is_torn else child.edge.how, child)
    return list(found.values())
