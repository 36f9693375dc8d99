"""The map of the uncut update: every edge counted once, at its first interruption, with what it leads to."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from emu.campaign.explore import Explorer
from emu.campaign.judge import State
from emu.campaign.monitor import Monitor
from emu.campaign.update_map import MISUSE, UpdateMap
from emu.campaign.verdict import Verdict
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Event, Misuse, Operation
from tests.emu.broken import EagerLoader
from tests.emu.helpers import NONE, T1, board_with, edges_of, explorer_on, life, rig_on
from tests.emu.html.pages import mutant


def mapped(rig: UpdateRig, **options: object) -> tuple[Explorer, Verdict, UpdateMap]:
    explorer = explorer_on(rig, **options)
    verdict = explorer.explore()
    return explorer, verdict, explorer.update_map(rig.regions)


@pytest.mark.parametrize(
    "options",
    [{}, {"events": ("reset", "hang", "timer")}, {"depth": 2, "tears": NONE}, {"cache": False, "tears": NONE}],
    ids=["T1", "events", "depth 2", "no cache"],
)
def test_the_counts_of_a_map_add_up_to_the_edges_of_the_campaign(options: dict[str, object]) -> None:
    _, verdict, update = mapped(rig_on("demo"), **options)
    assert update.edges == verdict.coverage.edges
    total: Counter[str] = Counter()
    for place in (*update.spots, *update.marks, *update.sessions):
        total += place.outcomes
    assert total == verdict.coverage.outcomes


def test_every_operation_event_and_session_of_the_uncut_update_is_on_the_map_as_it_happened() -> None:
    rig = rig_on("demo")
    _, _, update = mapped(rig, tears=NONE)
    sessions = life(rig)
    assert [(s.number, s.cause, s.end_us, s.outcome) for s in update.sessions] == [
        (number, state.cause, run.end_us, run.outcome) for number, (state, run) in enumerate(sessions)
    ]
    entries = [(n, i, entry) for n, (_, run) in enumerate(sessions) for i, entry in enumerate(run.entries)]
    assert [(s.session, s.entry, s.kind, s.chip, s.address, s.length, s.start_us, s.end_us) for s in update.spots] == [
        (n, i, e.kind, e.device, e.address, e.length, e.start_us, e.end_us)
        for n, i, e in entries if isinstance(e, Operation)
    ]  # fmt: skip
    assert [(m.session, m.entry, m.name, m.facts, m.time_us) for m in update.marks] == [
        (n, i, e.name, e.facts, e.time_us) for n, i, e in entries if isinstance(e, Event)
    ]


def test_each_place_has_the_outcomes_of_its_own_edges() -> None:
    """Held against every edge made and judged one by one."""
    rig = rig_on("demo")
    explorer, _, update = mapped(rig)
    sessions = life(rig)
    expected: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for number, (state, run) in enumerate(sessions):
        monitors = [Monitor()]
        if number:
            for entry in sessions[0][1].entries:
                monitors[0] = monitors[0].after(entry) if isinstance(entry, Event) else monitors[0]
        for entry in run.entries:
            monitors.append(monitors[-1].after(entry) if isinstance(entry, Event) else monitors[-1])
        for _, _, child in edges_of(rig, [(state, run)], T1, ()):
            chain = explorer.judge.chain(State(child.state, monitors[child.edge.entry]))
            expected[number, child.edge.entry][str(chain.outcome)] += 1
    places = {(p.session, p.entry): p.outcomes for p in (*update.spots, *update.marks)}
    places |= {(s.number, len(sessions[s.number][1].entries)): s.outcomes for s in update.sessions}
    assert places == expected


def test_findings_stand_where_their_first_interruption_strikes() -> None:
    _, verdict, update = mapped(rig_on("stm32f103", firmware=EagerLoader()))
    expected = Counter(finding.key.place[0] for finding in verdict.findings if finding.key.place)
    assert expected.total() > 1
    places = {(p.session, p.entry): p.findings for p in (*update.spots, *update.marks) if p.findings}
    assert places == {place: count for place, count in expected.items() if place in places}
    assert sum(places.values()) + sum(s.findings for s in update.sessions) == expected.total()


def test_edges_of_nested_cuts_count_where_the_first_cut_strikes(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: Counter[tuple[int, int]] = Counter()
    edge = Explorer._edge

    def spied(self: Explorer, child: Any, monitor: Any, path: Any, kinds: Any, layer: int) -> None:
        walked[path[0].run, path[0].entry] += 1
        edge(self, child, monitor, path, kinds, layer)

    monkeypatch.setattr(Explorer, "_edge", spied)
    _, _, update = mapped(rig_on("demo"), tears=NONE, depth=2)
    counts = {(p.session, p.entry): p.outcomes.total() for p in (*update.spots, *update.marks)}
    assert {place: count for place, count in counts.items() if count} == {
        place: count for place, count in walked.items() if place in counts
    }


def test_a_finding_of_two_cuts_stands_where_the_first_one_strikes() -> None:
    run = mutant("bad-record-first")
    (first, *_) = run.verdict.findings
    assert first.key.place[0] != first.key.place[-1]
    places = {(p.session, p.entry): p.findings for p in (*run.update.spots, *run.update.marks)}
    assert {place for place, count in places.items() if count} == {f.key.place[0] for f in run.verdict.findings}


def test_what_a_budget_left_untried_has_no_counts() -> None:
    _, verdict, update = mapped(rig_on("demo"), budget_s=1e-9)
    assert not verdict.complete
    assert update.edges == verdict.coverage.edges == 0
    assert len(update.spots) == verdict.coverage.operations.total()


def test_what_the_silicon_ignored_is_a_mark_with_its_message() -> None:
    rig = rig_on("demo")
    explorer, _, _ = mapped(rig, tears=NONE)
    run = explorer._uncut[0].run
    run.entries.append(Misuse("nor", 0, 1, "rule", "program of a busy chip", 5))
    last = explorer.update_map(()).marks
    assert (MISUSE, ("program of a busy chip",)) in [(mark.name, mark.facts) for mark in last]


def test_regions_are_the_partitions_by_chip_and_address() -> None:
    board = board_with("demo")
    regions = UpdateRig(board, ImagePair(b"old", b"new")).regions
    assert [(r.chip, r.name) for r in regions] == [("nor", n) for n in ("config-0", "config-1", "slot-a", "slot-b")]
    assert [r.address for r in regions] == sorted(r.address for r in regions)
    assert {r.name: r.size for r in regions} == {entry.name: entry.size for entry in board.document.partition}
