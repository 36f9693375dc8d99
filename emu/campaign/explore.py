"""The exploration: every edge of the uncut workload, and at depth 2 every edge of what follows each.

Layer by layer, shortest first: layer d holds the states that d interruptions reach. Equal states are judged once; what
they lead to is counted for every edge that reaches them. A finding on a state that fewer interruptions reach as well is
reported there alone.

Neighbours: `edges` makes states, `judge` judges them, `verdict` keeps the result. Knows the rig's contract only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from emu.board import CheckEntry, CheckName
from emu.campaign.checks import inapplicable, is_committed
from emu.campaign.edges import CUT, EVENT_NAMES, RESET, TIMER, Child, EdgeWalker, EventName, LiveWalker
from emu.campaign.judge import Chain, Judge, Judged, State
from emu.campaign.monitor import Monitor
from emu.campaign.verdict import Coverage, CutPath, Finding, FindingKey, Step, Verdict
from emu.clock import Stopwatch
from emu.errors import NothingToRun, ScenarioError
from emu.events import DECIDED, NEW, OLD, REFUSED
from emu.rig import Rig
from flash.journal import Event, Operation
from flash.tears import LEAKS_TIER, TEAR_SETS, TearSet


@dataclass(frozen=True)
class Options:
    """What to try. ``budget_s`` 0: no limit. ``cache`` False: every edge is executed, for measuring."""

    tears: TearSet = TEAR_SETS["T1"]
    depth: int = 1
    attempts: int = 1
    events: tuple[EventName, ...] = ()
    budget_s: float = 0.0
    cache: bool = True
    keeps_new: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a state: the layer it was first met in, how it ends, what it breaks."""

    layer: int
    outcome: str
    breaches: tuple[tuple[CheckName, str], ...]


class BudgetSpent(Exception):
    """The time is up: what is known is kept."""


Progress = Callable[[Coverage, int, str], None]


class Explorer:
    """One campaign on one rig. ``bounds`` are the board's checks and limits."""

    def __init__(self, rig: Rig, bounds: CheckEntry, options: Options, progress: Progress | None = None) -> None:
        self.notes: list[str] = []
        self._rig = rig
        self._options = self._degraded(options)
        self._inapplicable = inapplicable(bounds, keeps_new=options.keeps_new, snapshot=rig.capabilities.snapshot)
        self.checks: tuple[CheckName, ...] = tuple(name for name in bounds.apply if name not in self._inapplicable)
        self._progress = progress or (lambda coverage, layer, where: None)
        self._exact = rig.capabilities.snapshot and rig.capabilities.deterministic
        depths = self._options.depth if rig.capabilities.snapshot else 0
        self._walkers = [EdgeWalker(rig, self._options.tears, self._options.events) for _ in range(depths)]
        self._seen: dict[tuple[bytes, Monitor], Seen] = {}
        self._met_at: dict[tuple[CheckName, tuple[bytes, Monitor], str], int] = {}
        self._findings: dict[FindingKey, Finding] = {}
        self._cover = Coverage()
        self.judge = Judge(rig, bounds, checks=self.checks, cache=self._options.cache, cover=self._cover)
        self._watch = Stopwatch()
        self._expanded: set[tuple[bytes, Monitor]] = set()
        self._where = ""
        self.interrupted = False

    # -- the campaign --------------------------------------------------------------------------------------

    def explore(self) -> Verdict:
        """Run the campaign. Ctrl-C and the budget end it early; what is known is kept and ``complete`` is False."""
        root = State(self._rig.initial(self._options.attempts), Monitor())
        golden = self._golden(root)
        complete = True
        try:
            for layer in range(1, self._options.depth + 1):
                self._walk(golden, layer)
                self._cover.depth_done = layer
        except (BudgetSpent, KeyboardInterrupt) as stop:
            complete = False
            self.interrupted = isinstance(stop, KeyboardInterrupt)
            self.notes.append("stopped by the user" if self.interrupted else "the budget is spent")
        return self._verdict(complete)

    # -- layers --------------------------------------------------------------------------------------------

    def _golden(self, root: State) -> Chain:
        """The uncut workload. It must write flash, and it must work."""
        golden = self.judge.chain(root)
        first = golden.sessions[0].run.outcome
        if first.kind in ("halted", "hung"):
            raise ScenarioError(f"the device as shipped does not run: {first}")
        for judged in golden.sessions:
            for entry in judged.run.entries:
                if isinstance(entry, Operation):
                    self._cover.operations[entry.kind] += 1
                if isinstance(entry, Event) and entry.name == REFUSED:
                    raise ScenarioError(f"the uncut update is refused: {entry.facts[0]}")
        if not self._cover.operations:
            raise NothingToRun("the uncut update makes no flash operation: there is nothing to cut")
        expected = NEW if self._options.keeps_new else OLD
        if not golden.breaches and golden.outcome.image != expected:
            raise ScenarioError(
                f"the uncut update ends with: {golden.outcome}; the {expected} image should run "
                f"({'; '.join(_decisions(golden))})"
            )
        for breach in golden.breaches:
            self._report((), (), breach.check, breach.message, str(golden.outcome))
        return golden

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
                monitor = judged.monitors[child.edge.entry]
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
        for check, message, outcome in self._seen_at_once(child, monitor):
            if self._met_at.setdefault((check, key, child.edge.how), layer) == layer:
                self._report(path, kinds, check, message, outcome)
        known = self._seen.get(key)
        if known is None or not self._options.cache:
            chain = self.judge.chain(state)
            self._followed(state, chain, layer)
            executed = chain.executed
            facts = tuple((breach.check, breach.message) for breach in chain.breaches)
            met = Seen(layer, str(chain.outcome), facts)
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
        if known.layer == layer:
            for check, message in known.breaches:
                self._report(path, kinds, check, message, known.outcome)
        self._progress(self._cover, layer, f"{self._where}, at {path[0].entry}")

    def _followed(self, state: State, chain: Chain, layer: int) -> None:
        """Told what follows a state that was not seen before (of every state, without the cache)."""

    def _seen_at_once(self, child: Child, monitor: Monitor) -> Iterator[tuple[CheckName, str, str]]:
        """What an edge breaks by itself, whatever follows it: check, message, outcome."""
        if child.edge.how == TIMER and monitor.commit_returned:
            yield "durable", "commit has returned and the commit timer still runs", "armed"
        if child.stuck and child.running == NEW and not is_committed(child.state, self._rig):
            yield "reverts", "the uncommitted image hangs and no timer resets it", "hangs"

    def _report(self, path: CutPath, kinds: tuple[str, ...], check: CheckName, message: str, outcome: str) -> None:
        if check not in self.checks:
            return
        key = FindingKey(check, tuple((step.run, step.entry) for step in path), kinds, outcome)
        finding = Finding(key, path, torn_in(kinds), message)
        known = self._findings.setdefault(key, finding)
        if known is not finding:
            known.count += 1

    def _check_budget(self) -> None:
        if self._options.budget_s and self._watch.seconds > self._options.budget_s:
            raise BudgetSpent

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
        )

    @property
    def hit_rate(self) -> float:
        """Share of sessions that were recognised instead of run."""
        total = self.judge.cache.hits + self.judge.cache.misses
        return self.judge.cache.hits / total if total else 0.0


def torn_in(kinds: tuple[str, ...]) -> int:
    """How many of a path's interruptions tear an operation."""
    return sum(1 for kind in kinds if kind not in (CUT, *EVENT_NAMES))


def _decisions(chain: Chain) -> list[str]:
    """What the bootloader decided in each session, in its own words."""
    events = [e for judged in chain.sessions for e in judged.run.entries if isinstance(e, Event) and e.name == DECIDED]
    return [f"{rule}: {why}" for rule, _, why in (event.facts for event in events)]
