"""How likely each finding is, when power goes at a moment that a distribution draws.

Every moment of the uncut update is one edge (`moments`), every edge leads to a node of the closure, and a node breaks
what its uncut life breaks. So the probability of a finding is the measure of the moments whose edges lead to it. A
finding that takes n cuts is a product of n: of the cuts after the first, each strikes at a moment of what would follow
the one before uncut, all moments alike.

Neighbours: `tally` has the graph and says what is found where, `cut_times` has the distribution; `report.exposure`
shows it. Runs nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emu.campaign.cut_times import CutTimes
from emu.campaign.edges import CUT, WHOLE
from emu.campaign.graph import Node, Stop
from emu.campaign.moments import moments, portions
from emu.campaign.tally import Tally
from emu.campaign.verdict import Finding
from emu.rig import Run
from flash.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Strike:
    """With probability ``chance``, ``cuts`` cuts leave a device that shows these ``findings``, by their places in the
    verdict."""

    cuts: int
    chance: float
    findings: frozenset[int]


@dataclass(frozen=True)
class Exposure:
    """``device_us``: what the uncut update takes. ``after``: the share of the cuts that strike later than that, and
    change nothing. ``untried``: for each number of cuts, the probability that they lead where the campaign has not
    been."""

    times: CutTimes
    device_us: int
    strikes: tuple[Strike, ...]
    after: float
    untried: tuple[float, ...]

    def chance(self, findings: Iterable[int], cuts: int) -> float:
        """The probability that ``cuts`` cuts lead to any of ``findings``."""
        wanted = frozenset(findings)
        return math.fsum(s.chance for s in self.strikes if s.cuts == cuts and not wanted.isdisjoint(s.findings))


def exposure_of(tally: Tally, findings: Sequence[Finding], times: CutTimes | None = None) -> Exposure:
    """``findings`` are the verdict's. ``times`` of the first cut; None: every moment of the uncut update alike."""
    root, spread = tally.closure.graph.nodes[0], _Spread(tally)
    device_us = sum(judged.run.end_us for judged in tally.golden.sessions)
    times = times or CutTimes.uniform(max(1, device_us))
    place = {id(finding): number for number, finding in enumerate(findings)}
    shows: dict[Node, frozenset[int]] = {}
    here, untried = spread.after_cut(root, times)
    lost: list[float] = []
    strikes = []
    for cuts in range(1, max((finding.cuts for finding in findings), default=1) + 1):
        if cuts > 1:
            here, untried = spread.further(here, untried)
        lost.append(untried)
        chances: defaultdict[frozenset[int], float] = defaultdict(float)
        for node, chance in here.items():
            if node not in shows:
                shows[node] = frozenset(place[id(finding)] for finding in tally.found_after(node))
            chances[frozenset(n for n in shows[node] if findings[n].cuts == cuts)] += chance
        strikes += [Strike(cuts, chance, shown) for shown, chance in chances.items() if shown]
    after = times.share(device_us, math.inf)
    return Exposure(times, device_us, tuple(strikes), after, tuple(lost))


@dataclass(slots=True)
class _Edges:
    """What power cuts at one entry of a session lead to: at the ``point`` before it, and inside by ``tears``. There are
    no ``tears`` where nothing is touched that anybody looks at (before and after are then one), and where a campaign
    makes clean cuts only (the first half of an operation is then before it, the rest after it)."""

    point: Node | None = None
    tears: dict[str, Node] = field(default_factory=dict)


def _edges(first: Stop) -> dict[int, _Edges]:
    """The power cuts of the session that begins at ``first``, by entry."""
    found: defaultdict[int, _Edges] = defaultdict(_Edges)
    stop: Stop | None = first
    offset = 0
    while stop is not None:
        for span in stop.spans:
            head = next((head.node for head in span.heads if head.how == CUT), None)
            for entry in range(span.first, span.stop + 1):
                found[offset + span.offset + entry - span.first].point = head
        for link in stop.links:
            edges = found[offset + link.entry]
            if link.how == CUT:
                edges.point = link.target
            elif link.how not in WHOLE:
                edges.tears[link.how] = link.target
        offset += stop.length
        stop = stop.next
    return found


class _Spread:
    """Where cuts lead. Remembers by node."""

    def __init__(self, tally: Tally) -> None:
        self._lives = tally.closure.lives
        rig = tally.closure.rig
        self._geometries: Mapping[str, Geometry] = {
            name: part.geometry for name, part in zip(rig.chip_names, rig.parts, strict=True)
        }
        self._known: dict[Node, tuple[dict[Node, float], float]] = {}

    def further(self, here: Mapping[Node, float], untried: float) -> tuple[dict[Node, float], float]:
        """One more cut, at any moment of what follows each node of ``here``."""
        found: defaultdict[Node, float] = defaultdict(float)
        for node, chance in here.items():
            if node not in self._known:
                self._known[node] = self.after_cut(node, None)
            there, lost = self._known[node]
            untried += chance * lost
            for target, share in there.items():
                found[target] += chance * share
        return dict(found), untried

    def after_cut(self, node: Node, times: CutTimes | None) -> tuple[dict[Node, float], float]:
        """Where a cut leads that strikes the uncut life from ``node`` at ``times``, and with which probability; and
        that of moments whose edges were not tried. None: at any moment. Of several ways weak cells may read, each is
        as likely."""
        found: defaultdict[Node, float] = defaultdict(float)
        untried = 0.0
        lives = list(self._lives.of(node))
        if not lives:
            return {}, 1.0
        for life in lives:
            total = sum(_run(at).end_us for at in life)
            if not total:
                continue
            drawn = times or CutTimes.uniform(total)
            begin = 0
            for at in life:
                untried += self._session(at, begin, drawn, 1 / len(lives), found)
                begin += _run(at).end_us
        return dict(found), untried

    def _session(
        self, at: tuple[Node, int], begin: int, times: CutTimes, weight: float, found: defaultdict[Node, float]
    ) -> float:
        """Adds what cuts in one session lead to, which begins at ``begin``. Returns the share that nobody knows."""
        node, reading = at
        run = _run(at)
        edges = _edges(node.first[reading]) if reading < len(node.first) else {}
        untried = 0.0
        for moment in moments(run.entries, run.end_us):
            here = edges.get(moment.entry, _Edges())
            span_us = (moment.start_us, moment.end_us)
            if moment.inside and here.tears:
                entry = run.entries[moment.entry]
                for how, portion in portions(list(here.tears), entry, self._geometries).items():
                    start, end = portion.within(entry, *span_us)
                    share = weight * portion.weight * times.share(begin + start, begin + end)
                    untried += _add(found, here.tears[how], share)
            else:
                after = edges.get(moment.entry + 1, _Edges()).point if moment.inside else here.point
                start, end = (begin + time_us for time_us in span_us)
                middle = (start + end) / 2
                untried += _add(found, here.point, weight * times.share(start, middle))
                untried += _add(found, after, weight * times.share(middle, end))
        return untried


def _add(found: defaultdict[Node, float], target: Node | None, share: float) -> float:
    """Adds ``share`` to what leads to ``target``; what leads where nobody has been is returned instead."""
    if target is None or not (target.was_run or target.killed_by):
        return share
    if share:
        found[target] += share
    return 0.0


def _run(at: tuple[Node, int]) -> Run:
    node, reading = at
    return node.sessions[reading].run
