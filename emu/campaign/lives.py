"""What becomes of a state when nothing interrupts it any more: its uncut life, and what only shows in the whole of it.

Boot loops, wear along the way, and whether the update that `retries` asks for succeeds. A life is read off the graph:
from a node to the node its session ends in, until one settles.

Neighbours: `graph` has the nodes, `closure` and `tally` ask. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emu.board import CheckEntry
from emu.campaign.cache import Session
from emu.campaign.checks import worn_out
from emu.campaign.graph import Node
from emu.campaign.judge import Judge, refusal
from emu.campaign.verdict import KILLED, check_of_killed, killed_by
from emu.events import NEW
from emu.rig import Outcome


class Lives:
    """Uncut lives, under the limits of a board."""

    def __init__(self, judge: Judge, bounds: CheckEntry) -> None:
        self._judge = judge
        self._bounds = bounds
        self._ends: dict[Node, str] = {}

    def outcome(self, node: Node) -> str:
        """How life goes on from ``node`` when nothing interrupts it any more."""
        known = self._ends.get(node)
        if known is None:
            known = self._ends[node] = " or ".join(sorted(set(self._outcomes(node))))
        return known

    def _outcomes(self, node: Node) -> Iterator[str]:
        if not node.was_run:
            yield KILLED if node.killed_by else "not run"
        for nodes, reading in self._chains(node):
            end = nodes[-1].ends[reading] if reading < len(nodes[-1].ends) else None
            if end is not None and end.kind == "end" and end.target.killed_by:
                yield KILLED
            elif len(nodes) > self._bounds.max_resets:
                yield f"boot loop, {nodes[-1].sessions[reading].outcome} again and again"
            else:
                yield str(nodes[-1].sessions[reading].outcome)

    def _chains(self, node: Node) -> Iterator[tuple[list[Node], int]]:
        """Every uncut life from ``node`` (one, unless weak cells are read): its nodes, and the last one's session. One
        that does not settle is cut off when it is too long."""
        waiting: list[tuple[list[Node], list[int]]] = [([node], [])]
        while waiting:
            nodes, readings = waiting.pop()
            last = nodes[-1]
            for reading in range(len(last.sessions)):
                end = last.ends[reading] if reading < len(last.ends) else None
                follows = end is not None and end.kind == "end" and end.target.was_run
                if end is None or not follows or len(nodes) > self._bounds.max_resets:
                    yield nodes, reading
                else:
                    waiting.append(([*nodes, end.target], [*readings, reading]))

    def breaches(self, node: Node, *, is_origin: bool) -> Iterator[tuple[str, str]]:
        """What only shows in the whole uncut life from ``node``. ``is_origin``: an interruption leads to it, or it is
        the factory state; others are part of such lives."""
        checks, bounds = self._judge.checks, self._bounds
        if node.killed_by:
            yield check_of_killed(checks), killed_by(node.killed_by)
        if node.asks_retry and "retries" in checks:
            yield from self._retries(node)
        if node.mode == "uncut" or not is_origin:
            return
        for nodes, reading in self._chains(node):
            if "boots" in checks and len(nodes) > bounds.max_resets:
                yield "boots", f"boot loop: {bounds.max_resets} resets in a row without settling ({_loop(nodes)})"
            if "wear" in checks:
                erased = self._judge.erased_in(_sessions(nodes, reading))
                yield from (("wear", breach.message) for breach in worn_out(erased, bounds, 0))

    def _retries(self, node: Node) -> Iterator[tuple[str, str]]:
        for nodes, reading in self._chains(node):
            session = nodes[-1].sessions[reading]
            if len(nodes) > self._bounds.max_resets:
                yield "retries", f"the next update does not settle: {session.outcome}"
            elif not _succeeded(session.outcome):
                why = refusal([part.run for part in _sessions(nodes, reading)])
                yield "retries", f"the next update does not succeed: {session.outcome}{why}"


def _sessions(nodes: Sequence[Node], reading: int) -> list[Session]:
    """The sessions of a chain, of the last node number ``reading``."""
    return [node.sessions[0] for node in nodes[:-1]] + [nodes[-1].sessions[reading]]


def _loop(nodes: Sequence[Node]) -> str:
    """Where a chain bites its tail."""
    last = nodes[-1]
    first = next(n for n, node in enumerate(nodes) if node is last)
    if first == len(nodes) - 1:
        return "each leaves another state"
    length = len(nodes) - 1 - first
    what = " -> ".join(str(node.sessions[0].outcome) for node in nodes[first : first + length])
    return f"the same {length} over and over: {what}"


def _succeeded(outcome: Outcome) -> bool:
    return outcome.kind == "settled" and outcome.image == NEW and outcome.committed
