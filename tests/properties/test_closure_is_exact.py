"""The any-depth explorer merges and inherits; the walk through every single state does neither. They must agree.

On random small firmwares: what broke and with how few cuts, where devices come to rest, that every state dropped does
what the one kept for it does (the audit, in full), the invariants of the graph, the number of edges, and every token.
"""

from __future__ import annotations

from functools import cache
from statistics import mean, quantiles
from typing import Any

import pytest

from emu.campaign.audit import Auditor
from emu.campaign.closure import Closure
from emu.campaign.edges import EVENT_NAMES
from emu.campaign.verdict import Verdict
from flash.tears import TEAR_SETS
from tests.campaigns.exhaustive import Explored, exhaustive
from tests.properties.closures import (
    closure_of,
    cut_nodes,
    edges_by_hand,
    facts_of,
    facts_of_all,
    unreplayed,
    violations,
)
from tests.properties.small_firmwares import BOUNDS, rig_of, small_firmware
from tests.properties.test_small_firmwares import COUNT, MAX_STATES, TEARS, explored

OTHERS: dict[str, dict[str, Any]] = {
    "T3-coarse": {"tears": TEAR_SETS["T3-coarse"]},
    "events": {"tears": TEARS, "events": EVENT_NAMES},
    "hang": {"tears": TEAR_SETS["none"], "events": ("hang",)},
    "two attempts": {"tears": TEARS, "attempts": 2},
}
OTHER_SEEDS = {"T3-coarse": [0, 24, 48, 72, 96, 120, 144, 192]}
"""Seeds that are tried with each of them; of the others, every eighth."""
OTHER_CASES = [(setting, seed) for setting in OTHERS for seed in OTHER_SEEDS.get(setting, range(0, COUNT, 8))]


@cache
def closed(seed: int, **options: Any) -> tuple[Closure, Verdict]:
    firmware = small_firmware(seed)
    closure = closure_of(rig_of(firmware), BOUNDS, **{"tears": TEARS, "attempts": firmware.attempts, **options})
    return closure, closure.explore()


@cache
def walked(seed: int, setting: str) -> Explored:
    firmware = small_firmware(seed)
    given = {"attempts": firmware.attempts, **OTHERS[setting]}
    return exhaustive(rig_of(firmware), BOUNDS, max_states=3 * MAX_STATES, **given)


def edges_of(found: Explored) -> int:
    return sum(sum(entry >= 0 for entry, _, _ in edges) for edges in found.edges.values())


FINISHED = [seed for seed in range(COUNT) if seed != 123]
"""The walk does not come to the end of the other one; `test_the_walk_ends` holds this list to its word."""

each_seed = pytest.mark.parametrize("seed", FINISHED)


def test_the_walk_ends() -> None:
    assert [seed for seed in range(COUNT) if explored(seed).complete] == FINISHED


@each_seed
def test_it_finds_what_the_walk_finds(seed: int) -> None:
    closure, verdict = closed(seed)
    assert verdict.complete
    assert facts_of(closure, verdict) == facts_of_all(explored(seed))


@each_seed
def test_a_full_audit_and_the_graph_agree_with_it(seed: int) -> None:
    closure, _ = closed(seed)
    audit = Auditor(closure).audit(1.0, seed)
    assert audit.audited == audit.dropped
    assert violations(closure) == []


@each_seed
def test_its_edges_are_those_of_its_states(seed: int) -> None:
    closure, verdict = closed(seed)
    cover = verdict.coverage
    assert cover.edges == edges_by_hand(closure) == sum(cover.edge_kinds.values()) == sum(cover.outcomes.values())
    made = [node for node in closure.graph.nodes if node.birth is not None and node.birth.how]
    assert cover.edges_executed == sum(node.was_run for node in made)


@each_seed
def test_every_finding_replays(seed: int) -> None:
    closure, verdict = closed(seed)
    assert unreplayed(rig_of(small_firmware(seed)), closure, verdict.findings) == []


@pytest.mark.parametrize("seed", range(0, 122, 2))
def test_without_merging_it_is_the_walk(seed: int) -> None:
    closure, verdict = closed(seed, exhaustive=True)
    found = explored(seed)
    assert facts_of(closure, verdict) == facts_of_all(found)
    assert violations(closure) == []
    assert len(cut_nodes(closure)) == found.states
    assert verdict.coverage.edges == edges_of(found)


def test_it_runs_far_fewer_states_than_there_are() -> None:
    shares = [1 - len(cut_nodes(closed(seed)[0])) / explored(seed).states for seed in FINISHED]
    print(f"\nmerged: mean {mean(shares):.0%}, quartiles {[f'{share:.0%}' for share in quantiles(shares, n=4)]}")
    assert min(shares) >= 0
    assert mean(shares) >= 0.3


def test_a_good_part_of_the_edges_is_inherited() -> None:
    """Whole spans, by one comparison."""
    spans = sum(
        sum(span.stop - span.first for span in stop.spans)
        for seed in FINISHED
        for stop in closed(seed)[0].graph.stops.values()
    )
    assert spans > 5 * COUNT


@pytest.mark.parametrize(("setting", "seed"), OTHER_CASES)
def test_other_campaigns_agree_too(setting: str, seed: int) -> None:
    found = walked(seed, setting)
    assert found.complete
    closure, verdict = closed(seed, **OTHERS[setting])
    assert verdict.complete
    assert facts_of(closure, verdict) == facts_of_all(found)
    Auditor(closure).audit(0.2, seed)
    assert violations(closure) == []
    assert verdict.coverage.edges == edges_by_hand(closure)
    assert unreplayed(rig_of(small_firmware(seed)), closure, verdict.findings[:12]) == []
