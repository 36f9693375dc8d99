"""The exploration: every edge of the uncut workload, and at depth 2 every edge of what follows each.

Layer by layer, shortest first: layer d holds the states that d interruptions reach. Equal states are judged once; what
they lead to is counted for every edge that reaches them. A finding on a state that fewer interruptions reach as well is
reported there alone.

Neighbours: `edges` makes states, `judge` judges them, `verdict` keeps the result. Knows the rig's contract only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from emu.board import CheckEntry
from emu.campaign.applicable import chosen_checks
from emu.campaign.checks import at_once
from emu.campaign.edges import RESET, TIMER, Child, EdgeWalker, LiveWalker, harshness
from emu.campaign.golden import golden_chain, why_no_cuts
from emu.campaign.judge import Chain, Judge, Judged, State
from emu.campaign.monitor import Monitor
from emu.campaign.options import BudgetSpent, Options, Progress
from emu.campaign.update_map import Place, UpdateMap, map_of
from emu.campaign.verdict import Coverage, CutPath, Finding, FindingKey, Step, Verdict, unfollowed
from emu.clock import Stopwatch
from emu.memory import collecting_rarely
from emu.rig import Outcome, Region, Rig
from flash.tears import LEAKS_TIER, TEAR_SETS

RESTARTS = str(Outcome("reset", cause="power")).removesuffix("power")
"""How the outcome of a life begins that was not followed to its end."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a state: the layer it was first met in, how it ends, what it breaks."""

    layer: int
    outcome: str
    breaches: tuple[tuple[str, str], ...]


class Explorer:
    """One campaign on one rig. ``bounds`` are the board's checks and limits."""

    def __init__(self, rig: Rig, bounds: CheckEntry, options: Options, progress: Progress | None = None) -> None:
        self.notes: list[str] = []
        self._rig = rig
        self._options = self._degraded(options)
        self.checks, self._inapplicable = chosen_checks(
            rig, bounds, keeps_new=options.keeps_new, unsteady="weak cells read in one way only; --depth any tries all"
        )
        self._progress = progress or (lambda coverage, layer, where: None)
        self._exact = rig.capabilities.snapshot and rig.capabilities.deterministic
        depths = self._options.depth if rig.capabilities.snapshot else 0
        self._walkers = [EdgeWalker(rig, self._options.tears, self._options.events) for _ in range(depths)]
        self._seen: dict[tuple[bytes, Monitor], Seen] = {}
        self._met_at: dict[tuple[str, tuple[bytes, Monitor], str], int] = {}
        self._findings: dict[FindingKey, Finding] = {}
        self._cover = Coverage()
        self.judge = Judge(rig, bounds, checks=self.checks, cache=self._options.cache, cover=self._cover)
        self._unfollowed = unfollowed(bounds)
        self._tally: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self._uncut: list[Judged] = []
        self._watch = Stopwatch()
        self._expanded: set[tuple[bytes, Monitor]] = set()
        self._where = ""
        self.interrupted = False

    # -- the campaign --------------------------------------------------------------------------------------

    @collecting_rarely()
    def explore(self) -> Verdict:
        """Run the campaign. Ctrl-C and the budget end it early; what is known is kept and ``complete`` is False."""
        root = State(self._rig.initial(self._options.attempts), Monitor())
        golden = self._uncut_life(root)
        self._uncut = golden.sessions
        for breach in golden.breaches:
            self._report((), (), breach.check, breach.message, str(golden.outcome))
        complete = True
        try:
            if reason := self._why_no_cuts(golden):
                raise BudgetSpent(reason)
            for layer in range(1, self._options.depth + 1):
                self._walk(golden, layer)
                self._cover.depth_done = layer
        except (BudgetSpent, KeyboardInterrupt) as stop:
            complete = False
            self.interrupted = isinstance(stop, KeyboardInterrupt)
            self.notes.append("stopped by the user" if self.interrupted else str(stop))
        if complete and "boots" not in self.checks and any(end.startswith(RESTARTS) for end in self._cover.outcomes):
            complete, self._cover.depth_done = False, 0
            self.notes.append(self._unfollowed)
        return self._verdict(complete)

    def _uncut_life(self, root: State) -> Chain:
        """The life that is cut."""
        return golden_chain(self.judge, root, self._options, self._cover, self._rig)

    def _why_no_cuts(self, golden: Chain) -> str:
        """Why the uncut life leaves nothing to be found; "" where it does not."""
        return why_no_cuts(golden, self._options, self._rig)

    # -- layers --------------------------------------------------------------------------------------------

    def _walk(self, golden: Chain, layer: int) -> None:
        """Judge every edge of one layer."""
        self._expanded.clear()
        self._descend(golden, (), (), layer, layer)

    def _descend(self, chain: Chain, path: CutPath, kinds: tuple[str, ...], layer: int, target: int) -> None:
        """Walk every edge of every session of ``chain``; ``layer`` counts down to the one that is judged."""
        for number, judged in enumerate(chain.sessions):
            if layer == target:
                self._where = f"session {number + 1} of {len(chain.sessions)}, {len(judged.run.entries)} entries"
            for child in self._children(number, judged, layer):
                step = Step(number, child.edge.entry, child.edge.how)
                monitor = judged.remembered(child.edge)
                below, names = (*path, step), (*kinds, child.edge.kind)
                if layer == 1:
                    self._edge(child, monitor, below, names, target)
                else:
                    state = State(child.state, monitor)
                    if state.key not in self._expanded:
                        self._expanded.add(state.key)
                        self._descend(self.judge.chain(state), below, names, layer - 1, target)

    def _children(self, number: int, judged: Judged, layer: int) -> Iterator[Child]:
        if self._rig.capabilities.snapshot:
            return self._walkers[layer - 1].children(judged.state.device, judged.run)
        return LiveWalker(self._rig, self._options.attempts, self._options.events).children(number, judged.run)

    def _edge(self, child: Child, monitor: Monitor, path: CutPath, kinds: tuple[str, ...], layer: int) -> None:
        """Judge what one edge leads to."""
        self._check_budget()
        state = State(child.state, monitor)
        key = state.key
        stuck_with = child.running if child.stuck else ""
        broken: set[str] = set()
        for check, message, outcome in at_once(child.edge.how == TIMER, stuck_with, child.state, monitor, self._rig):
            if self._met_at.setdefault((check, key, child.edge.how), layer) == layer:
                self._report(path, kinds, check, message, outcome)
                broken.add(check)
        known = self._seen.get(key)
        if known is None or not self._options.cache:
            met, executed = self._met(state, layer)
            known = self._seen.setdefault(key, met) if self._exact else met
            assert (known.outcome, known.breaches) == (met.outcome, met.breaches), "one state, two ends: please report"
        else:
            executed = False
        self._cover.edge_kinds[child.edge.kind] += 1
        if executed:
            self._cover.edges_executed += 1
        else:
            self._cover.edges_inherited += 1
        self._cover.outcomes[known.outcome] += 1
        self._tally[path[0].run, path[0].entry][known.outcome] += 1
        if known.layer == layer:
            for check, message in known.breaches:
                self._report(path, kinds, check, message, known.outcome)
                broken.add(check)
        self._cover.broken.update(broken.intersection(self.checks))
        self._progress(self._cover, layer, f"{self._where}, at {path[0].entry}")

    def _met(self, state: State, layer: int) -> tuple[Seen, bool]:
        """What happens from a state that was not seen before (from every state, without the cache), and whether any of
        it had to be executed."""
        chain = self.judge.chain(state)
        first = {breach.check: breach.message for breach in reversed(chain.breaches)}  # an edge counts once
        facts = tuple((breach, first[breach]) for breach in dict.fromkeys(b.check for b in chain.breaches))
        self._followed(state, chain, layer)
        return Seen(layer, str(chain.outcome), facts), chain.executed

    def _followed(self, state: State, chain: Chain, layer: int) -> None:
        """Told what follows such a state."""

    def _report(self, path: CutPath, kinds: tuple[str, ...], check: str, message: str, outcome: str) -> None:
        if check not in self.checks:
            return
        key = FindingKey(check, tuple((step.run, step.entry) for step in path), kinds, outcome)
        finding = Finding(key, path, harshness(step.how for step in path), message)
        known = self._findings.setdefault(key, finding)
        if known is not finding:
            known.count += 1

    def _check_budget(self) -> None:
        if self._options.budget_s and self._watch.seconds > self._options.budget_s:
            raise BudgetSpent("the budget is spent")

    def _degraded(self, options: Options) -> Options:
        """What the rig cannot do is left out, and said."""
        able = self._rig.capabilities
        if not able.snapshot:
            self.notes.append(
                "the rig takes no snapshots: the workload is run again for every edge; depth 1, no in-place check"
            )
            events = tuple(event for event in options.events if event == RESET)
            options = replace(options, depth=1, cache=False, tears=TEAR_SETS["none"], events=events)
        if not able.tears and options.tears.tiers:
            self.notes.append("the rig cannot tear operations: clean cuts only")
            options = replace(options, tears=TEAR_SETS["none"])
        if not able.deterministic:
            self.notes.append("the rig is not deterministic: every edge is executed, the result is a sample")
            options = replace(options, cache=False)
        if LEAKS_TIER in options.tears.tiers and options.cache:
            self.notes.append("leaking cells change sectors no footprint names: every edge is executed")
            options = replace(options, cache=False)
        if not able.virtual_time:
            self.notes.append("the rig runs in real time: what it waits for, the campaign waits for")
        return options

    def _verdict(self, complete: bool) -> Verdict:
        options = self._options
        return Verdict(
            board=self._rig.inputs["board"].label,
            depth=options.depth,
            attempts=options.attempts,
            tears=options.tears.name,
            events=options.events,
            checks=self.checks,
            coverage=self._cover,
            findings=sorted(self._findings.values(), key=lambda f: f.rank),
            complete=complete,
            seconds=self._watch.seconds,
            notes=self.notes,
            inapplicable=self._inapplicable,
            promises={oracle.name: oracle.promise for oracle in self._rig.oracles},
        )

    def update_map(self, regions: tuple[Region, ...]) -> UpdateMap:
        """What the uncut update did, and what the edges of the campaign so far lead to at each place of it."""
        sessions = [(judged.state.device.cause, judged.run) for judged in self._uncut]
        chips = zip(self._rig.chip_names, (part.geometry.size for part in self._rig.parts), strict=True)
        return map_of(sessions, self._tally, self._findings.values(), chips, regions)

    @property
    def hit_rate(self) -> float:
        """Share of sessions that were recognised instead of run."""
        total = self.judge.cache.hits + self.judge.cache.misses
        return self.judge.cache.hits / total if total else 0.0
