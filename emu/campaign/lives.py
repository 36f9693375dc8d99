"""What becomes of a state when nothing interrupts it any more: its uncut life, and what only shows in the whole of it.

Boot loops, wear along the way, and whether the update that `retries` asks for succeeds. A life is read off the graph:
from a node to the node its session ends in, until one settles.

Neighbours: `graph` has the nodes, `closure` and `tally` ask. Runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from emu.board import CheckEntry
from emu.campaign.cache import Session
from emu.campaign.graph import Link, Node
from emu.campaign.judge import Judge, refusal
from emu.campaign.verdict import KILLED, check_of_killed, killed_by
from emu.campaign.wear import Erased, worn_out
from emu.events import NEW
from emu.rig import Outcome

Life = tuple[tuple[Node, int], ...]
"""One state after another, each with the number of its session that was taken."""


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
        for life in self.of(node):
            end = _end(life)
            if end is not None and end.kind == "end" and end.target.killed_by:
                yield KILLED
            elif len(life) > self._bounds.max_resets:
                yield f"boot loop, {_last(life).outcome} again and again"
            elif _last(life).outcome.kind == "reset":
                yield "not run"
            else:
                yield str(_last(life).outcome)

    def of(self, node: Node) -> Iterator[Life]:
        """Every uncut life from ``node`` (one, unless weak cells are read). One that does not settle is cut off when it
        is too long. Of lives that meet after as many resets, worn alike, one goes on."""
        waiting: list[tuple[Life, Node]] = [((), node)]
        met: set[object] = set()
        while waiting:
            before, last = waiting.pop()
            for reading in range(len(last.sessions)):
                life = (*before, (last, reading))
                end = last.ends[reading] if reading < len(last.ends) else None
                follows = end is not None and end.kind == "end" and end.is_true and end.target.was_run
                if end is None or not follows or len(life) > self._bounds.max_resets:
                    yield life
                    continue
                mark = (len(life), end.target, frozenset(self._erased(life).items()))
                if mark not in met:
                    met.add(mark)
                    waiting.append((life, end.target))

    def breaches(self, node: Node, *, is_origin: bool) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """What only shows in the whole uncut life from ``node``: check, message, and how weak cells read in it.
        ``is_origin``: an interruption leads to it, or it is the factory state; others are part of such lives."""
        checks, bounds = self._judge.checks, self._bounds
        if node.killed_by:
            yield check_of_killed(checks), killed_by(node.killed_by), ()
        if node.asks_retry and "retries" in checks:
            yield from self._retries(node)
        if node.mode == "uncut" or not is_origin:
            return
        for life in self.of(node):
            if "boots" in checks and len(life) > bounds.max_resets:
                looped = f"boot loop: {bounds.max_resets} resets in a row without settling ({_loop(life)})"
                yield "boots", looped, _readings(life)
            if "wear" in checks:
                worn = worn_out(self._erased(life), bounds, 0)
                yield from (("wear", breach.message, _readings(life)) for breach in worn)

    def _retries(self, node: Node) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        for life in self.of(node):
            session = _last(life)
            if len(life) > self._bounds.max_resets:
                yield "retries", f"the next update does not settle: {session.outcome}", _readings(life)
            elif session.outcome.kind != "reset" and not _succeeded(session.outcome):
                why = refusal([part.run for part in _sessions(life)])
                yield "retries", f"the next update does not succeed: {session.outcome}{why}", _readings(life)

    def _erased(self, life: Life) -> Counter[Erased]:
        return self._judge.erased_in(_sessions(life))


def _sessions(life: Life) -> list[Session]:
    return [node.sessions[reading] for node, reading in life]


def _last(life: Life) -> Session:
    return _sessions(life[-1:])[0]


def _end(life: Life) -> Link | None:
    node, reading = life[-1]
    return node.ends[reading] if reading < len(node.ends) else None


def _readings(life: Life) -> tuple[str, ...]:
    """What weak cells read as, for every session of ``life`` that met any."""
    read = [node.resolutions[reading] for node, reading in life if node.sessions[reading].met_weak]
    return tuple(resolution for resolution in read if resolution is not None)


def _loop(life: Life) -> str:
    """Where a life bites its tail."""
    nodes = [node for node, _ in life]
    last = nodes[-1]
    first = next((n for n in range(len(nodes) - 2, -1, -1) if nodes[n] is last), -1)
    if first < 0:
        return "each leaves another state"
    length = len(nodes) - 1 - first
    what = " -> ".join(str(node.sessions[reading].outcome) for node, reading in life[first:-1])
    return f"the same {length} over and over: {what}"


def _succeeded(outcome: Outcome) -> bool:
    return outcome.kind == "settled" and outcome.image == NEW and outcome.committed
