"""The map of the uncut update, and the layers of states, read off the graph of a closure.

Neighbours: `update_map` has the map, `tally` the lives that edges lead to; `report.html` draws both. Runs nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from emu.campaign.graph import Node, Stop
from emu.campaign.tally import Tally
from emu.campaign.update_map import Layer, Place, UpdateMap, map_of
from emu.campaign.verdict import Finding
from emu.rig import Region


def map_of_closure(tally: Tally, findings: Sequence[Finding], regions: tuple[Region, ...]) -> UpdateMap:
    """What the uncut update did, and what an interruption at each place of it leads to when nothing else happens."""
    rig = tally.closure.rig
    chips = zip(rig.chip_names, (part.geometry.size for part in rig.parts), strict=True)
    sessions = [(judged.state.device.cause, judged.run) for judged in tally.golden.sessions]
    return map_of(sessions, _places(tally), findings, chips, regions)


def layers_of(tally: Tally) -> tuple[Layer, ...]:
    """How many states so many interruptions reach first, and how many edges led to one that another stands for."""
    states: Counter[int] = Counter()
    merged: Counter[int] = Counter()
    for node, (cuts, _) in tally.paths.distances.items():
        if node.mode == "cut" and node.was_run:
            states[cuts] += 1
    for stop in tally.closure.graph.stops.values():
        for link in stop.links:
            if not link.is_new and stop.node in tally.paths.distances:
                merged[tally.paths.distances[stop.node][0] + 1] += 1
    return tuple(Layer(depth, states[depth], merged[depth]) for depth in sorted(states))


def _places(tally: Tally) -> dict[Place, Counter[str]]:
    """Edges of the uncut sessions by place and by what they lead to."""
    found: defaultdict[Place, Counter[str]] = defaultdict(Counter)
    node: Node | None = tally.closure.graph.nodes[0]
    for number in range(len(tally.golden.sessions)):
        if node is None or not node.first:
            break
        _add_session(tally, node.first[0], number, found)
        end = node.ends[0]
        node = end.target if end is not None and end.kind == "end" else None
    return dict(found)


def _add_session(tally: Tally, first: Stop, number: int, found: defaultdict[Place, Counter[str]]) -> None:
    lives, stop, offset = tally.closure.lives, first, 0
    while stop is not None:
        for link in stop.links:
            found[number, offset + link.entry][lives.outcome(link.target)] += 1
        for span in stop.spans:
            outcomes = [lives.outcome(head.node) for head in span.heads]
            for entry in range(span.first, span.stop):
                place = offset + span.offset + entry - span.first
                piece = stop.session.pieces[span.piece]
                torn = sum(tally.counter.between(piece, entry, entry + 1).values())
                if torn:
                    found[number, place][outcomes[0]] += torn
                found[number, place + 1].update(outcomes)
        offset += stop.length
        if stop.next is None:
            return
        stop = stop.next
