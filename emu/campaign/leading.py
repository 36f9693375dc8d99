"""How many edges lead to each state of a finished graph, and which states' uncut lives come by another.

The graph makes an edge once where many sessions share it, and one comparison stands for all edges of a span; here every
edge of every node is counted, as brute force would meet it.

Neighbours: `tally` asks, for coverage and for what a finding says of itself. Runs nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain

from emu.campaign.graph import EdgeBreach, Graph, Node, Span, Stop
from emu.campaign.outline import TearCounter


class Leading:
    """The edges of ``graph``. ``edges``: by the node that stands for what they leave, and by kind; ``made``: those that
    were made one by one, not as part of a span; ``visits``: how many sessions come by a stop."""

    def __init__(self, graph: Graph, counter: TearCounter) -> None:
        self._counter = counter
        self.edges: Counter[tuple[Node, str]] = Counter()
        self.made = 0
        self.visits: Counter[Stop] = Counter()
        self._to: Counter[Node] = Counter()
        self._predecessors: defaultdict[Node, list[Node]] = defaultdict(list)
        self._before: dict[Node, frozenset[Node]] = {}
        for node in graph.nodes:
            for end in node.ends:
                if end is not None and end.is_true:
                    self._predecessors[end.target].append(node)
            for link in chain(*node.detours):
                self._add(link.target, link.kind, 1)
                self.made += 1
            for first in node.first:
                stop: Stop | None = first
                while stop is not None:
                    self.visits[stop] += 1
                    stop = stop.next
        for stop, times in self.visits.items():
            for link in stop.links:
                self._add(link.target, link.kind, times)
                self.made += times
            for span in stop.spans:
                self._add_span(stop, span, times)

    def to(self, node: Node) -> int:
        """How many edges lead to states for which ``node`` stands."""
        return self._to[node]

    def before(self, node: Node) -> frozenset[Node]:
        """The nodes whose uncut life, or the update `retries` asks for behind it, comes by ``node``; itself too."""
        known = self._before.get(node)
        if known is None:
            found, waiting = {node}, [node]
            while waiting:
                fresh = [each for each in self._predecessors[waiting.pop()] if each not in found]
                found.update(fresh)
                waiting += fresh
            known = self._before[node] = frozenset(found)
        return known

    @staticmethod
    def behind(stop: Stop, breach: EdgeBreach) -> Node:
        """The node that stands for what an edge leaves that breaks something by itself."""
        return next(link.target for link in stop.links if (link.entry, link.how) == (breach.entry, breach.how))

    def by_itself(self, stop: Stop, breach: EdgeBreach) -> int:
        """How many edges break a check as ``breach`` does: at its point, and at those of the span behind it."""
        points = sum(span.stop - span.first for span in stop.spans if span.offset == breach.entry)
        return self.visits[stop] * (1 + points)

    def _add(self, node: Node, kind: str, count: int) -> None:
        self.edges[node, kind] += count
        self._to[node] += count

    def _add_span(self, stop: Stop, span: Span, times: int) -> None:
        for head in span.heads:
            self._add(head.node, head.how, (span.stop - span.first) * times)
        torn = self._counter.between(stop.session.pieces[span.piece], span.first, span.stop)
        for kind, count in torn.items():
            self._add(span.heads[0].node, kind, count * times)
