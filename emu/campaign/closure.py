"""The closure: every state that any number of power cuts can lead to, at any operation, in any way, torn ones included.

Layer by layer: layer d holds the states that take d interruptions. A layer's sessions are walked until nothing about
them is open; then the states of the next layer are run, with the sessions that follow them uncut. It ends when a walk
finds nothing that no node stands for. DESIGN.md has the argument why nothing is missed.

Neighbours: `graph` keeps nodes and edges, `walk` makes edges, `judge` runs and judges sessions, `tally` turns the graph
into a verdict. Knows the rig's contract only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from emu.board import CheckEntry
from emu.campaign.ahead import Asked
from emu.campaign.applicable import chosen_checks
from emu.campaign.cache import Session
from emu.campaign.checks import Check
from emu.campaign.engines import Died, Engine
from emu.campaign.foresight import Foresight
from emu.campaign.golden import golden_chain, why_no_cuts
from emu.campaign.graph import Birth, Graph, Link, Node, Stop
from emu.campaign.judge import Chain, Judge, Judged, State
from emu.campaign.lives import Lives
from emu.campaign.monitor import Monitor
from emu.campaign.options import BudgetSpent, Options, Progress
from emu.campaign.runner import Runner
from emu.campaign.space import Space, Units
from emu.campaign.tally import Tally
from emu.campaign.verdict import IN_FLIGHT_NOTE, KILLED_NOTE, Coverage, Verdict, unfollowed
from emu.campaign.walk import Walker
from emu.clock import Stopwatch
from emu.memory import collecting_rarely, resident_mb
from emu.rig import DeviceState, Rig
from emu.words import counted
from flash.tears import LEAKS_TIER, WEAK_TIER

ASK_MEMORY_EVERY = 32


def _why_not_steady(options: Options) -> str:
    """Why weak cells cannot show whether a design is steady; "" where they can."""
    if not any(tier >= WEAK_TIER for tier in options.tears.tiers):
        return f"tears {options.tears.name} leave no weak cells"
    return "" if len(options.resolutions) > 1 else "weak cells read in one way only; without --resolution all are tried"


BATCH = 256
"""States that are run before any of them is judged: enough for many workers, few enough to lose when time is up."""
DOUBTED_AT, DOUBTED_EVERY = 128, 8
"""Sessions after which it is asked whether the firmware remembers any: one that does may open states for ever, and no
audit at the end would come. Asked again whenever there are so many times as many."""


FOUND_SOMETHING = "stopped at the depth of the first finding (--keep-going goes on)"


class Closure:
    """One campaign of any depth on one rig. ``bounds`` are the board's checks and limits.

    Needs a rig that is deterministic and takes snapshots. ``engine``, made with `runner.runner_spec`, executes what has
    to be run; None: this process does. The result is the same. ``own``: checks of the campaign itself, besides the
    board's; ``without``: of those, what is not judged here. ``doubt``, set before it explores: called now and then, to
    repeat sessions; it raises at a difference.
    """

    doubt: Callable[[], object] | None = None

    def __init__(
        self, rig: Rig, bounds: CheckEntry, options: Options, progress: Progress | None = None,
        engine: Engine | None = None, own: Sequence[Check] = (), without: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.notes: list[str] = []
        self.rig = rig
        self.bounds = bounds
        self.options = options
        known, self.left_out = chosen_checks(
            rig, bounds, keeps_new=options.keeps_new, unsteady=_why_not_steady(options)
        )
        self.checks = (*(name for name in known if name not in without), *(check.name for check in own))
        self._progress = progress or (lambda coverage, layer, where: None)
        self.cover = Coverage()
        merges = not options.exhaustive and LEAKS_TIER not in options.tears.tiers
        if not merges and not options.exhaustive:
            self.notes.append("leaking cells change sectors no footprint names: nothing is merged")
        self.judge = Judge(rig, bounds, checks=self.checks, cache=merges, cover=self.cover, own=own)
        self._runner = Runner(rig, self.judge.cache, engine)
        self._root = State(rig.initial(options.attempts), Monitor())
        self.space = Space(rig, self._root.device.memory)
        self.graph = Graph(self.space, merges=merges)
        self.lives = Lives(self.judge, bounds)
        self.walker = Walker(rig, self.graph, self.space, options.tears, options.events, self._meet)
        self._foresight = Foresight(self.walker.bench, self.walker.outline, self.walker.renaming.of)
        self._runner.foresee(self._guess, self._next_pending)
        self._pending: dict[Node, None] = {}
        self._coming: deque[Node] = deque()
        self._open: dict[Node, None] = {}
        self._walking: dict[Stop, Iterator[Node]] = {}
        self._looked_at = 0
        self._asked = 0
        self._doubted_at = DOUBTED_AT
        self._watch = Stopwatch()
        self.layer = 0
        self.interrupted = False
        self.tally: Tally | None = None

    @collecting_rarely()
    def explore(self) -> Verdict:
        """Run the campaign. Ctrl-C and the budget end it early; what is known is kept and ``complete`` is False."""
        golden = self._uncut_life(self._root)
        complete = True
        try:
            self._close(golden)
        except (BudgetSpent, KeyboardInterrupt) as stop:
            complete = False
            self.interrupted = isinstance(stop, KeyboardInterrupt)
            self.notes.append("stopped by the user" if self.interrupted else str(stop))
        finally:
            self._runner.close()
        if complete and self.options.events and self.walker.meets_flights:
            complete = False
            self.notes.append(IN_FLIGHT_NOTE)
        if complete and "boots" not in self.checks and any(node.is_given_up for node in self.graph.nodes):
            complete = False
            self.notes.append(unfollowed(self.bounds))
        renaming = self.walker.renaming
        if renaming.count:
            self.notes.append(
                f"{counted(renaming.count, 'state')} taken for one with smaller sequence counters; "
                f"{renaming.tried:,} run both ways, and did the same"
            )
        self.tally = Tally(self, golden)
        return self.tally.verdict(complete=complete, seconds=self._watch.seconds)

    def _uncut_life(self, root: State) -> Chain:
        """The life that is cut."""
        return golden_chain(self.judge, root, self.options, self.cover, self.rig)

    def _why_no_cuts(self, golden: Chain) -> str:
        """Why the uncut life leaves nothing to be found; "" where it does not."""
        return why_no_cuts(golden, self.options, self.rig)

    @property
    def unfinished(self) -> Iterator[Node]:
        """States whose edges were not all made."""
        yield from self._open
        for owner in (*self._walking, *self.graph.stale, *self.walker.new_stops):
            if isinstance(owner, Stop):
                yield from self.graph.comes_by(owner)

    # -- layers --------------------------------------------------------------------------------------------

    def _close(self, golden: Chain) -> None:
        root = self._root
        self._meet(self.graph.add(root.device, root.monitor, "cut", self.space.print_of(root.device.memory), None))
        self._run_layer(0)
        if reason := self._why_no_cuts(golden):
            raise BudgetSpent(reason)
        while self._open:
            for node in [node for node in self._open if node.cuts <= self.layer]:
                del self._open[node]
                self.walker.begin(node)
            while True:
                self._walk_all()
                self._run_layer(self.layer + 1)
                if not (self.graph.stale or self.walker.new_stops):
                    break
            if any(node.cuts <= self.layer for node in self._open):
                continue  # met when something was walked again: part of this layer
            self.layer += 1
            self.cover.depth_done = self.layer
            if self._open and not self.options.keep_going and self._finds_something():
                raise BudgetSpent(FOUND_SOMETHING)

    def _finds_something(self) -> bool:
        """Whether a check is broken anywhere so far; what was looked at once is not looked at again."""
        nodes, self._looked_at = self.graph.nodes[self._looked_at :], len(self.graph.nodes)
        return any(
            any(judged.breaches for judged in node.judged)
            or any(True for _ in self.lives.breaches(node, is_origin=node.resets == 0))
            for node in nodes
        ) or any(breach.check in self.checks for stop in self.graph.stops.values() for breach in stop.breaches)

    def _run_layer(self, layer: int) -> None:
        """Run every state that takes at most ``layer`` interruptions, and what follows it uncut."""
        while True:
            due = [node for node in self._pending if node.cuts <= layer]
            if not due:
                return
            self._run(due)

    def _walk_all(self) -> None:
        """Walk until nothing is open: no stop waits, none is stale."""
        while True:
            self._take_up()
            if not self._walking:
                return
            waited_for: dict[Node, None] = {}
            for stop, walk in list(self._walking.items()):
                self._check_limits()
                self._runner.go_on()
                node = next((node for node in walk if not node.was_run), None)
                if node is None:
                    del self._walking[stop]
                else:
                    waited_for[node] = None
            self._foresight.wait(self._walking)
            self._run(waited_for)

    def _take_up(self) -> None:
        """New stops, and those of which something is no longer true, are walked."""
        for owner in list(self.graph.stale):
            del self.graph.stale[owner]
            if isinstance(owner, Stop):
                self._walking.pop(owner, None)
                self._walking[owner] = self.walker.walk(owner)
            else:
                self._follow(owner)
        for stop in self.walker.new_stops:
            self._walking[stop] = self.walker.walk(stop)
        self.walker.new_stops = []

    # -- states --------------------------------------------------------------------------------------------

    def _meet(self, node: Node) -> None:
        if node.resets > self.bounds.max_resets:
            self.graph.abandon(node)
            return
        self._pending[node] = None
        self._coming.append(node)
        if node.mode == "cut":
            self._open[node] = None

    def _run(self, nodes: Iterable[Node]) -> None:
        """Run and judge nodes that were met; then what follows them is met."""
        due = [node for node in dict.fromkeys(nodes) if not node.was_run and not node.killed_by]
        for start in range(0, len(due), BATCH):
            self._run_batch(due[start : start + BATCH])

    def _run_batch(self, nodes: Sequence[Node]) -> None:
        """Run all of ``nodes``, under one resolution after another as long as they meet weak cells. Whatever ends that
        early, those that were run are judged and followed, in order."""
        self._ask_for_doubt()
        found: dict[Node, list[Session]] = {node: [] for node in nodes}
        going = list(nodes)
        try:
            for resolution in self.options.resolutions:
                asked = [(node.state, resolution) for node in going]
                for node, session in zip(going, self._runner.sessions(asked, self._check_limits), strict=True):
                    if isinstance(session, Died):
                        node.killed_by = session.how
                    else:
                        found[node].append(session)
                going = [node for node in going if not node.killed_by and found[node][-1].met_weak]
        finally:
            for node, sessions in found.items():
                if node.killed_by:
                    self._was_killed(node)
                elif len(sessions) == len(self.options.resolutions) or (sessions and not sessions[-1].met_weak):
                    self._was_run(node, sessions)

    def _guess(self) -> Asked | None:
        """A state that may have to be run soon."""
        state = self._foresight.next_state()
        return None if state is None else (state, self.options.resolutions[0])

    def _next_pending(self) -> Asked | None:
        """A state that waits to be run, and was not told yet."""
        while self._coming:
            node = self._coming.popleft()
            if node in self._pending:
                return node.state, self.options.resolutions[0]
        return None

    def _was_run(self, node: Node, sessions: list[Session]) -> None:
        self._runner.go_on()
        self._pending.pop(node, None)
        state = State(node.state, node.monitor)
        looked: Units = 0
        judged: list[Judged] = []
        for session in sessions:
            self.cover.boots += 1
            self.cover.runs += session.executed
            judged.append(self.judge.judged(state, session))
            looked |= self.walker.footprint(session)[0]
        node.sessions, node.judged = sessions, judged  # both or neither: somebody may press Ctrl-C
        node.resolutions = list(self.options.resolutions[: len(sessions)])
        self.graph.was_run(node, looked)
        self._follow(node)
        self._progress(self.cover, self.layer + 1, f"{len(self.graph.nodes):,} states")

    def _was_killed(self, node: Node) -> None:
        """Nobody lives to tell what follows ``node``: that is a finding, and its future may look at everything."""
        self._pending.pop(node, None)
        if KILLED_NOTE not in self.notes:
            self.notes.append(KILLED_NOTE)
        self.graph.abandon(node)

    def _follow(self, node: Node) -> None:
        """Meet what follows the sessions of ``node``: the next one, or the update that `retries` asks for."""
        node.generation += 1
        node.ends = []
        node.detours = [self._detours(node, reading) for reading in range(len(node.sessions))]
        for reading, (session, judged) in enumerate(zip(node.sessions, node.judged, strict=True)):
            outcome, settled = session.outcome, self.walker.footprint(session)[1]
            following: DeviceState | None = None
            monitor, mode, how = judged.after, node.mode, "end"
            if outcome.kind == "reset":
                following = session.end
            elif "retries" in self.checks and node.mode == "cut" and outcome.asks_retry:
                following = replace(session.end, cause="power", attempts_left=1, ram=())
                monitor, mode, how = Monitor(), "uncut", "retry"
                self.cover.exercised["retries"] += node.generation == 1  # not again when it is followed anew
            if following is None:
                node.ends.append(None)
                continue
            entries = sum(len(piece.run.entries) for piece in session.pieces)
            birth = Birth(node, reading, entries, "")
            prints = self.space.print_from(node.prints, node.state.memory, following.memory)
            target, agrees, is_new = self.walker.resolve(following, monitor, mode, prints, birth)
            link = Link(node, entries, "", how, target, agrees, 0, 0, settled, is_new, node.generation)
            target.asks_retry = target.asks_retry or how == "retry"
            node.ends.append(link)
            self.graph.link(link)

    def _detours(self, node: Node, reading: int) -> list[Link]:
        """The session again, as the world outside may have it instead: from the same flash, with the same past."""
        if node.mode == "uncut":
            return []
        links = []
        for child in self.walker.bench.detours(node.state, node.sessions[reading].run):
            birth = Birth(node, reading, child.edge.entry, child.edge.how)
            found = self.walker.resolve(child.state, node.monitor, node.mode, node.prints, birth)
            target, agrees, is_new = found
            how, kind = child.edge.how, child.edge.kind
            link = Link(node, child.edge.entry, how, kind, target, agrees, 0, 0, 0, is_new, node.generation)
            self.graph.link(link)
            links.append(link)
        return links

    # -- limits --------------------------------------------------------------------------------------------

    def _ask_for_doubt(self) -> None:
        if self.doubt is not None and self.cover.boots >= self._doubted_at:
            self._doubted_at = DOUBTED_EVERY * self.cover.boots
            self.doubt()

    def _check_limits(self) -> None:
        budget_s = self.options.budget_s
        if budget_s and self._watch.seconds > budget_s:
            raise BudgetSpent("the budget is spent")
        self._asked += 1
        limit_mb = self.options.memory_mb
        if limit_mb and self._asked % ASK_MEMORY_EVERY == 0 and resident_mb() > limit_mb:
            raise BudgetSpent(f"the memory is used up ({limit_mb:,} MB, which --memory changes)")
