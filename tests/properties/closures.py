"""What is asked of a finished closure, whatever it explored: the invariants of its graph, and what it has found.

Neighbours: properties, mutants and campaigns of the any-depth explorer. Runs the rig only to replay tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emu.board import CheckEntry
from emu.campaign.closure import Closure
from emu.campaign.edges import EdgeWalker
from emu.campaign.graph import Link, Node, Stop
from emu.campaign.judge import Judge
from emu.campaign.options import ANY, Options
from emu.campaign.replay import follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import Coverage, Finding, Verdict
from emu.plain_rig import PlainRig
from emu.rig import Rig
from tests.campaigns.exhaustive import Explored

End = tuple[str, str, bool, object]
Facts = tuple[set[tuple[str, str]], dict[str, int | None], set[End]]


def closure_of(rig: PlainRig, bounds: CheckEntry, **options: Any) -> Closure:
    """A campaign of any depth that goes on to the end, about to begin."""
    return Closure(rig, bounds, Options(**{"depth": ANY, "keep_going": True, "keeps_new": rig.keeps_new, **options}))


def facts_of(closure: Closure, verdict: Verdict) -> Facts:
    """What broke, with how many cuts at least, and where devices come to rest."""
    found = {(finding.key.check, plain(finding.message)) for finding in verdict.findings}
    cuts: dict[str, int | None] = {
        check: min(finding.cuts for finding in verdict.findings if finding.key.check == check) for check, _ in found
    }
    return found, cuts, ends_of(closure)


def facts_of_all(walked: Explored) -> Facts:
    """The same, of the walk through every single state."""
    found = {(check, plain(message)) for check, message in walked.findings}
    return found, {check: walked.cuts(check) for check, _ in found}, set(walked.ends)


def ends_of(closure: Closure) -> set[End]:
    found: set[End] = set()
    for node in cut_nodes(closure):
        for session, judged in zip(node.sessions, node.judged, strict=True):
            outcome = session.outcome
            if outcome.kind != "reset":
                found.add((outcome.kind, outcome.image, outcome.committed, judged.after))
    return found


def cut_nodes(closure: Closure) -> list[Node]:
    """States that were run and cut; those of the update that `retries` asks for are not."""
    return [node for node in closure.graph.nodes if node.mode == "cut" and node.was_run]


def plain(message: str) -> str:
    """Without its numbers, and a boot loop without its states: these have one text for many."""
    return re.sub(r"0x[0-9a-f]+|[0-9]+", "#", re.sub(r"boot loop:.*", "boot loop", message))


def unreplayed(rig: Rig, closure: Closure, findings: list[Finding]) -> list[Finding]:
    """The findings whose tokens, read back from text and followed live, do not break their check."""
    missing = []
    for finding in findings:
        attempts = closure.options.attempts
        token = parse_token(str(token_for(attempts, rig.inputs, finding.path, finding.readings)))
        judge = Judge(rig, closure.bounds, checks=closure.checks, cache=False, cover=Coverage())
        broken = {breach.check for breach in follow(rig, judge, token, seed=closure.options.tears.seed).breaches}
        wanted = {finding.key.check} if finding.key.check != "steady" else {finding.message.partition(":")[0]}
        if not wanted <= broken:
            missing.append(finding)
    return missing


def edges_by_hand(closure: Closure) -> int:
    """How many edges the sessions of all nodes have, one by one."""
    walker = EdgeWalker(closure.rig, closure.options.tears, closure.options.events)
    return sum(
        sum(1 for _ in walker.children(node.state, session.run))
        for node in cut_nodes(closure)
        for session in node.sessions
    )


# -- invariants ------------------------------------------------------------------------------------------


def violations(closure: Closure) -> list[str]:
    """What does not hold in a graph that claims to be finished: DESIGN's inequality for live sets, edge by edge."""
    found = [*_unfinished(closure)]
    for node in closure.graph.nodes:
        if node.was_run:
            found += _of_node(closure, node)
    for stop in closure.graph.stops.values():
        found += _of_stop(closure, stop)
    return found


def _unfinished(closure: Closure) -> Iterator[str]:
    if closure.graph.stale or closure.walker.new_stops or list(closure.unfinished):
        yield "something waits to be walked"
    for node in closure.graph.nodes:
        if not node.was_run and not node.is_abandoned:
            yield f"state {node.number} was never run"
        if node.is_abandoned != (node.resets > closure.bounds.max_resets):
            yield f"state {node.number} was given up after {node.resets} resets"
        if node.was_run and node.mode == "cut" and len(node.first) != len(node.sessions):
            yield f"state {node.number} was run and not cut"


def _of_node(closure: Closure, node: Node) -> Iterator[str]:
    looked = 0
    for session in node.sessions:
        settled = 0
        for piece in session.pieces:
            assert piece.run.trace is not None
            looked |= closure.space.footprint(piece.run.trace) & ~settled
            settled |= closure.walker.outline(piece.run).kills_all
    if looked & ~node.live:
        yield f"state {node.number} does not look at its own footprint"
    for end, session in zip(node.ends, node.sessions, strict=True):
        if end is not None:
            yield from _of_link(end, node.live)
        elif session.outcome.kind == "reset":
            yield f"state {node.number} resets, and nothing follows"
    for link in (link for detours in node.detours for link in detours):
        yield from _of_link(link, node.live)
        if link.target.live & ~node.live:
            yield f"state {node.number} does not look at what its detour to state {link.target.number} looks at"
    for first in node.first:
        if first.live & ~node.live:
            yield f"state {node.number} does not look at what its edges look at"
        if sum(stop.length for stop in _chain(first)) != len(first.session.run.entries) - first.at:
            yield f"the walk from state {node.number} did not come to the end of its session"


def _of_stop(closure: Closure, stop: Stop) -> Iterator[str]:
    if not stop.is_done:
        yield f"the walk at entry {stop.at} was not done"
    if stop.next is not None and stop.next.live & ~stop.kills & ~stop.live:
        yield f"the stop at entry {stop.at} does not look at what the next one looks at"
    for link in stop.links:
        yield from _of_link(link, closure.space.everything if closure.options.exhaustive else stop.live)
    for span in stop.spans:
        outline = closure.walker.outline(stop.session.pieces[span.piece].run)
        touched = 0
        for index in range(span.first, span.stop):
            touched |= outline.reach[index]
        for head in span.heads:
            if touched & head.node.live:
                yield f"entries {span.first} to {span.stop} touch what state {head.node.number} looks at"


def _of_link(link: Link, live: int) -> Iterator[str]:
    if not link.is_current:
        yield f"an edge to state {link.target.number} is of an earlier walk"
    if link.target.live & ~link.agrees:
        yield f"state {link.target.number} looks at more than it is known to have in common"
    needs = link.target.live | (link.inputs if link.reach & link.target.live else 0)
    if needs & ~link.killed & ~live:
        yield f"nobody looks at what the edge to state {link.target.number} needs"


def _chain(first: Stop) -> Iterator[Stop]:
    stop: Stop | None = first
    while stop is not None:
        yield stop
        stop = stop.next
