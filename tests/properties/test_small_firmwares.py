"""Random small firmwares are what properties of explorers need: small, varied, reproducible, and mergeable."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from functools import cache
from statistics import mean, quantiles

import pytest

from emu.campaign.explore import Explorer, Options
from emu.campaign.fresh import repeat_in_fresh_interpreter
from flash.journal import Operation
from flash.tears import TEAR_SETS
from tests.campaigns.exhaustive import Explored, StateKey, exhaustive
from tests.properties.small_firmwares import BLOCK, BOUNDS, SmallFirmware, rig_of, small_firmware

COUNT = 200
MAX_STATES = 1000
TEARS = TEAR_SETS["T1-coarse"]
Unit = tuple[str, int]


@cache
def explored(seed: int) -> Explored:
    firmware = small_firmware(seed)
    return exhaustive(rig_of(firmware), BOUNDS, TEARS, attempts=firmware.attempts, max_states=MAX_STATES)


def mergeable(found: Explored) -> int:
    """How many states agree with one met before on everything that any future of that one looks at.

    By the plan's definition, computed backwards over the whole graph: what a session consults, and what the futures of
    its edges do, less what was erased before them; where a tear's reach is live, what determines it.
    """
    live = live_sets(found)
    kept: dict[object, list[StateKey]] = {}
    merged = 0
    for key, (state, _) in found.runs.items():
        group = kept.setdefault((state.cause, state.attempts_left, state.ram, key[1]), [])
        if any(all(held(found, key, unit) == held(found, other, unit) for unit in live[other]) for other in group):
            merged += 1
        else:
            group.append(key)
    return merged


def held(found: Explored, key: StateKey, unit: Unit) -> bytes:
    return found.runs[key][0].memory[0].tree.block(unit[1]).key


def live_sets(found: Explored) -> dict[StateKey, set[Unit]]:
    live: dict[StateKey, set[Unit]] = {}
    edges: dict[StateKey, list[tuple[StateKey, set[Unit], set[Unit]]]] = {}
    for key, (_, run) in found.runs.items():
        assert run.trace is not None
        live[key] = {unit for unit in run.trace.consulted_units if unit[0]}
        edges[key] = []
        for entry, how, child in found.edges[key]:
            done = run.entries if entry < 0 else run.entries[:entry]
            killed = {("flash", e.address // BLOCK) for e in done if isinstance(e, Operation) and e.kind == "erase"}
            torn = run.entries[entry] if how not in ("", "cut") else None
            inputs = {("flash", torn.address // BLOCK)} if isinstance(torn, Operation) else set()
            if child in found.runs:  # the walk may have been stopped before it
                edges[key].append((child, inputs, killed))
    changed = True
    while changed:
        changed = False
        for key in reversed(edges):
            before = len(live[key])
            for child, inputs, killed in edges[key]:
                live[key] |= (live[child] | inputs) - killed
            changed = changed or len(live[key]) > before
    return live


def test_two_hundred_of_them_are_small_and_a_third_of_their_states_can_be_merged() -> None:
    found = [explored(seed) for seed in range(COUNT)]
    sizes = [each.states for each in found]
    shares = [mergeable(each) / each.states for each in found]
    finished = sum(each.complete for each in found)
    print(f"\nstates: {min(sizes)} to {max(sizes)}, quartiles {quantiles(sizes, n=4)}, mean {mean(sizes):.0f}")
    print(f"mergeable: mean {mean(shares):.0%}, quartiles {[f'{share:.0%}' for share in quantiles(shares, n=4)]}")
    print(f"complete: {finished} of {COUNT}")
    assert finished >= 0.97 * COUNT
    assert 20 < quantiles(sizes, n=4)[1] < 150
    assert mean(shares) >= 0.3


def test_many_are_wrong_in_every_way_and_many_are_right() -> None:
    broken = Counter(check for seed in range(COUNT) for check in {check for check, _ in explored(seed).findings})
    assert set(broken) >= {"boots", "whole", "durable", "retries", "legal-flash"}
    assert sum(not explored(seed).findings for seed in range(COUNT)) > COUNT / 5
    deepest = max(len(path) for seed in range(COUNT) for path in explored(seed).paths.values())
    assert deepest >= 2


@pytest.mark.parametrize(
    ("what", "steps"),
    [
        ("branches on a read", ("if", "once")),
        ("programs", ("program",)),
        ("erases", ("erase",)),
        ("restarts", ("reset",)),
        ("keeps something in retained RAM", ("count",)),
        ("takes an update", ("attempt",)),
        ("hands over", ("handover",)),
        ("tells a value", ("tell",)),
        ("may give up", ("halt",)),
    ],
)
def test_a_share_of_them(what: str, steps: tuple[str, ...]) -> None:
    having = sum(any(f"'{step}'" in repr(small_firmware(seed).body) for step in steps) for seed in range(COUNT))
    assert having >= COUNT / 20, f"too few of them: {what}"


def test_a_block_is_programmed_that_was_not_erased() -> None:
    seeds = [seed for seed in range(COUNT) if "'program'" in repr(small_firmware(seed).body)]
    assert any(programs_before_it_erases(small_firmware(seed)) for seed in seeds)


def programs_before_it_erases(firmware: SmallFirmware) -> bool:
    rig = rig_of(firmware)
    run = rig.run(rig.initial(firmware.attempts))
    erased: set[int] = set()
    for entry in run.entries:
        if isinstance(entry, Operation):
            if entry.kind == "program" and entry.address // BLOCK not in erased:
                return True
            erased.add(entry.address // BLOCK)
    return False


@pytest.mark.parametrize("seed", range(0, COUNT, 25))
def test_a_seed_makes_one_firmware_and_it_travels(seed: int) -> None:
    firmware = small_firmware(seed)
    assert pickle.loads(pickle.dumps(firmware)) == firmware == small_firmware(seed)
    assert rig_of(firmware).inputs == rig_of(small_firmware(seed)).inputs
    if firmware.body != small_firmware(seed + 1).body:
        assert rig_of(firmware).inputs["workload"] != rig_of(small_firmware(seed + 1)).inputs["workload"]


def test_they_run_alike_in_a_fresh_interpreter() -> None:
    for seed in range(0, COUNT, 50):
        states = [state for state, _ in explored(seed).runs.values()][:20]
        assert repeat_in_fresh_interpreter(small_firmware(seed).spec, states) == []


@pytest.mark.parametrize("seed", range(COUNT))
def test_layers_find_what_the_walk_finds_within_them(seed: int) -> None:
    """The explorer inherits and recognises; the walk does neither. What two interruptions break, both must break."""
    firmware = small_firmware(seed)
    rig = rig_of(firmware)
    options = Options(tears=TEARS, depth=2, attempts=firmware.attempts, keeps_new=rig.keeps_new)
    found = explored(seed)
    within = {(check, plain(message)) for (check, message), path in found.paths.items() if len(path) <= 2}
    verdict = Explorer(rig, BOUNDS, options).explore()
    assert {(finding.key.check, plain(finding.message)) for finding in verdict.findings} == within


def plain(message: str) -> str:
    """Without its numbers: a finding stands for all tears of one kind at one place, with the first one's words."""
    return re.sub(r"0x[0-9a-f]+|[0-9]+", "#", message)
