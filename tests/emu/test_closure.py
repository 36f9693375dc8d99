"""Any depth: when a closure ends and what it then claims; lives, loops, weak cells, operations in flight."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from emu.board import ALL_CHECKS, CheckEntry
from emu.campaign.audit import Auditor
from emu.campaign.closure import FOUND_SOMETHING, Closure
from emu.campaign.edges import tears_in
from emu.campaign.options import ANY, BudgetSpent, Options
from emu.campaign.replay import follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import IN_FLIGHT_NOTE, Step, Verdict
from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Scenario, Window
from flash.device import FlashDevice
from flash.journal import Event, Interruption
from flash.partition import Partition
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.campaigns.exhaustive import exhaustive
from tests.emu.helpers import rig_on
from tests.field.bug import sectors
from tests.properties.closures import closure_of, edges_by_hand, facts_of, facts_of_all, unreplayed, violations
from tests.properties.small_firmwares import BLOCK, BOUNDS, PART, rig_of, small_firmware

NONE, COARSE, T3 = (TEAR_SETS[name] for name in ("none", "T1-coarse", "T3-coarse"))
WRONG = 73
"""A small firmware that breaks checks after one cut, and others after two."""


def plain_rig(firmware: Callable[[Reset], str | None], *names: str, **options: Any) -> PlainRig:
    return PlainRig(Scenario(firmware, PART, windows=sectors(*names, size=BLOCK), **options))


def small(seed: int = WRONG, **options: Any) -> Closure:
    firmware = small_firmware(seed)
    return closure_of(rig_of(firmware), BOUNDS, **{"tears": COARSE, "attempts": firmware.attempts, **options})


def ends_after(closure: Closure, looks: int, why: BaseException) -> Verdict:
    """The campaign, ended by ``why`` when it has looked at its limits so many times."""
    left = [looks]

    def look() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise why

    closure._check_limits = look  # type: ignore[method-assign]
    return closure.explore()


# -- when it ends ----------------------------------------------------------------------------------------


def grows(reset: Reset) -> str | None:
    """One more tick at every boot, in a sector that is erased in good time: a state for each count."""
    flash = reset.flash["log"]
    for at in range(BLOCK):
        if flash.read(at, 1) == b"\xff":
            flash.program(at, bytes((0xFF ^ 1 << at % 8,)))
            return None
    flash.erase(0, BLOCK)
    return None


def test_a_budget_that_ends_it_is_inconclusive_and_never_held() -> None:
    closure = closure_of(plain_rig(grows, "log"), BOUNDS, tears=NONE)
    verdict = ends_after(closure, 9, BudgetSpent("the budget is spent"))
    assert (verdict.word, verdict.complete, verdict.exit_code) == ("inconclusive", False, 3)
    assert verdict.notes == ["the budget is spent"]
    assert 0 < verdict.coverage.depth_done < 9
    assert {result.result for result in verdict.results} <= {"inconclusive", "not exercised", "not applicable"}


def test_with_time_it_holds() -> None:
    closure = closure_of(plain_rig(grows, "log"), BOUNDS, tears=NONE)
    assert closure.explore().word == "held"
    assert violations(closure) == []


@pytest.mark.parametrize("seed", [1, 3, 72, WRONG, 89])
def test_wherever_it_is_ended_it_reports_only_what_is_so(seed: int) -> None:
    whole = small(seed)
    known, _, _ = facts_of(whole, whole.explore())
    for looks in range(0, 2 * len(whole.graph.nodes), 1 + len(whole.graph.nodes) // 8):
        closure = small(seed)
        verdict = ends_after(closure, looks, BudgetSpent("enough"))
        if verdict.complete:
            break
        assert verdict.word != "held"
        found, _, _ = facts_of(closure, verdict)
        assert found <= known
        assert unreplayed(closure.rig, closure, verdict.findings) == []


@pytest.mark.parametrize("seed", [3, 72, WRONG])
def test_the_depth_it_claims_was_done(seed: int) -> None:
    """Every state that so many interruptions lead to was run: the walk knows which checks they break."""
    firmware = small_firmware(seed)
    walked = exhaustive(rig_of(firmware), BOUNDS, COARSE, attempts=firmware.attempts)
    whole = small(seed)
    whole.explore()
    for looks in range(0, 2 * len(whole.graph.nodes), 1 + len(whole.graph.nodes) // 12):
        closure = small(seed)
        verdict = ends_after(closure, looks, BudgetSpent("enough"))
        done = verdict.coverage.depth_done
        broken = {check for (check, _), path in walked.paths.items() if len(path) <= done}
        if done:  # 0: not even the uncut life, perhaps
            assert broken <= {finding.key.check for finding in verdict.findings}


def test_ctrl_c_keeps_what_is_known() -> None:
    verdict = ends_after(small(), 40, KeyboardInterrupt())
    assert (verdict.complete, verdict.notes) == (False, ["stopped by the user"])
    assert verdict.coverage.states


def test_ctrl_c_while_a_session_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    closure, judged = small(), [0]
    right = closure.judge.judged

    def interrupted(*given: Any) -> Any:
        judged[0] += 1
        if judged[0] == 20:
            raise KeyboardInterrupt
        return right(*given)

    monkeypatch.setattr(closure.judge, "judged", interrupted)
    verdict = closure.explore()
    assert closure.interrupted and not verdict.complete


def test_it_stops_after_the_layer_of_the_first_finding() -> None:
    stopped, whole = small(keep_going=False).explore(), small().explore()
    least = min(finding.cuts for finding in whole.findings)
    assert max(finding.cuts for finding in stopped.findings) == least < max(f.cuts for f in whole.findings)
    assert (stopped.word, stopped.complete) == ("findings", False)
    assert stopped.coverage.depth_done == least
    assert stopped.notes == [FOUND_SOMETHING]
    same = [f for f in whole.findings if f.cuts == least]
    assert {(f.key.check, f.key.place) for f in stopped.findings} == {(f.key.check, f.key.place) for f in same}


@pytest.mark.parametrize("seed", [3, 72, WRONG])
def test_two_runs_are_one(seed: int) -> None:
    one, other = small(seed), small(seed)
    assert one.explore().digest == other.explore().digest
    assert shape(one) == shape(other)


def shape(closure: Closure) -> list[object]:
    nodes = [(n.state.key, n.monitor, n.mode, n.live, n.cuts, n.resets) for n in closure.graph.nodes]
    stops = [
        (stop.at, stop.live, [(link.entry, link.how, link.target.number) for link in stop.links])
        for stop in closure.graph.stops.values()
    ]
    return [nodes, stops]


def test_leaking_cells_merge_nothing_and_it_says_so() -> None:
    closure = small(3, tears=TEAR_SETS["T4"], budget_s=2)
    verdict = closure.explore()
    assert verdict.notes[0] == "leaking cells change sectors no footprint names: nothing is merged"
    assert verdict.coverage.edges_executed
    assert {node.live for node in closure.graph.nodes} == {closure.space.everything}


# -- lives -----------------------------------------------------------------------------------------------


def loops_once_torn(reset: Reset) -> str | None:
    first, second = (reset.flash[name].read(0, 1) for name in ("first", "second"))
    if first == b"\xff":
        reset.flash["first"].program(0, b"\xfe")
    elif second == b"\xff":
        reset.restart()
    if second == b"\xff":
        reset.flash["second"].program(0, b"\xfe")
    return None


def test_a_boot_loop_is_a_finding_that_shows_the_loop_and_is_not_gone_on_with() -> None:
    closure = closure_of(plain_rig(loops_once_torn, "first", "second"), BOUNDS, tears=NONE)
    verdict = closure.explore()
    (finding,) = verdict.findings
    assert (finding.key.check, finding.cuts, verdict.complete) == ("boots", 1, True)
    assert finding.message == (
        "boot loop: 6 resets in a row without settling (the same 1 over and over: reset by software)"
    )
    assert unreplayed(closure.rig, closure, verdict.findings) == []


def counts_for_ever(reset: Reset) -> str | None:
    """After a cut between its ticks a counter in retained RAM goes up at every reset, and never stops."""
    mark = reset.flash["mark"]
    if mark.read(0, 2) == b"\xfe\xff":
        reset.retain("count", reset.recall("count") + 1)
        reset.restart()
    if mark.read(0, 1) == b"\xff":
        mark.program(0, b"\xfe")
        mark.program(1, b"\xfe")
    return None


def test_a_counter_that_grows_for_ever_is_given_up_after_so_many_resets() -> None:
    closure = closure_of(plain_rig(counts_for_ever, "mark"), BOUNDS, tears=NONE)
    verdict = closure.explore()
    assert verdict.complete
    assert [finding.key.check for finding in verdict.findings] == ["boots"]
    assert "each leaves another state" in verdict.findings[0].message
    assert max(node.resets for node in closure.graph.nodes) == BOUNDS.max_resets + 1
    assert [node.was_run for node in closure.graph.nodes if node.is_abandoned] == [False]


def joins_a_long_life(reset: Reset) -> str | None:
    """Ends well, but for a cut in the middle, and then after more resets than anybody follows, or after few."""
    mark = reset.flash["mark"]
    count = reset.recall("count")
    if mark.read(0, 3) == b"\xff\xff\xff":
        mark.program(0, b"\xfe")
        mark.program(1, b"\xfe")
        mark.program(2, b"\xfe")
        return None
    if mark.read(2, 1) == b"\xfe":
        return None
    if not count and mark.read(1, 1) == b"\xfe":
        count = 5
    if count == 9:
        return "it has counted to nine"
    reset.retain("count", count + 1)
    return reset.restart()


@pytest.mark.parametrize("checks", [ALL_CHECKS, tuple(c for c in ALL_CHECKS if c != "wear")])
def test_a_life_given_up_as_too_long_is_taken_up_on_a_shorter_path(checks: tuple[Any, ...]) -> None:
    bounds = CheckEntry(apply=checks, max_resets=6)
    rig = plain_rig(joins_a_long_life, "mark")
    closure = closure_of(rig, bounds, tears=NONE)
    verdict = closure.explore()
    assert facts_of(closure, verdict) == facts_of_all(exhaustive(rig, bounds, NONE))
    assert "bricked: it has counted to nine" in {finding.message for finding in verdict.findings}
    assert unreplayed(rig, closure, verdict.findings) == []


def wears_after_a_cut(reset: Reset) -> str | None:
    """Two erases and a restart, three times over, once the first tick stands alone."""
    mark, other = reset.flash["mark"], reset.flash["other"]
    if mark.read(0, 1) == b"\xff":
        mark.program(0, b"\xfe")
    else:
        for at in range(2, 5):
            if mark.read(1, 1) == b"\xff" and mark.read(at, 1) == b"\xff":
                mark.program(at, b"\xfe")
                other.erase(0, BLOCK)
                other.erase(0, BLOCK)
                reset.restart()
    if mark.read(1, 1) == b"\xff":
        mark.program(1, b"\xfe")
    return None


@pytest.mark.parametrize(("most", "word"), [(6, "held"), (5, "findings")])
def test_wear_is_added_up_along_uncut_lives(most: int, word: str) -> None:
    bounds = CheckEntry(apply=ALL_CHECKS, max_resets=6, max_erases=most)
    closure = closure_of(plain_rig(wears_after_a_cut, "mark", "other"), bounds, tears=NONE)
    verdict = closure.explore()
    assert verdict.word == word
    assert {finding.key.check for finding in verdict.findings} <= {"wear"}


OLD, NEW = b"\xfe\xfd", b"\xfb\xf7"


def refuses_once_cut(tries: int, reset: Reset) -> str | None:
    """A cut update leaves a tick, and with it the next one is refused. Before it settles it restarts so often."""
    record, target = reset.flash["record"], reset.flash["target"]
    at = reset.recall("tries")
    if at < tries:
        reset.retain("tries", at + 1)
        reset.restart()
    if record.read(0, 1) == b"\x00":
        reset.handover("target")
        return None
    reset.handover("running")
    if reset.attempt() is not None:
        if record.read(1, 1) != b"\xff":
            reset.refuse("an update was begun before")
            return None
        record.program(1, b"\xfe")
        target.erase(0, BLOCK)
        target.program(0, NEW)
        record.program(0, b"\x00")
        reset.retain("tries", 0)
        reset.restart()
    return None


def updating(tries: int) -> PlainRig:
    return plain_rig(
        partial(refuses_once_cut, tries), "running", "target", "record",
        images={"old": OLD, "new": NEW}, factory={"running": OLD},
    )  # fmt: skip


@pytest.mark.parametrize("tries", [0, 1, 3])
def test_the_next_update_is_tried_from_every_settled_state(tries: int) -> None:
    bounds = CheckEntry(apply=ALL_CHECKS, max_resets=9)
    closure = closure_of(updating(tries), bounds, tears=NONE)
    verdict = closure.explore()
    assert "retries" in {finding.key.check for finding in verdict.findings}
    assert min(finding.cuts for finding in verdict.findings) == 1
    assert facts_of(closure, verdict) == facts_of_all(exhaustive(updating(tries), bounds, NONE))
    assert unreplayed(closure.rig, closure, verdict.findings) == []


def test_the_next_update_has_all_its_resets_however_late_the_device_settles() -> None:
    """Resets before the update are not of the update."""
    bounds = CheckEntry(apply=("boots", "whole", "retries"), max_resets=4)
    rig = updating(1)
    closure = closure_of(rig, bounds, tears=NONE)
    closure.explore()
    assert {node.resets for node in closure.graph.nodes if node.asks_retry} == {0}


# -- weak cells ------------------------------------------------------------------------------------------


def trusts_one_read(reset: Reset) -> str | None:
    """Goes by one read of a tick, and checks by another; restarts in between."""
    mark = reset.flash["mark"]
    if reset.recall("seen") == 1 and mark.read(0, 1) != b"\x00":
        return "the tick is gone"
    if mark.read(0, 1) == b"\x00":
        if not reset.recall("seen"):
            reset.retain("seen", 1)
            reset.restart()
        return None
    mark.program(0, b"\x00")
    return None


def test_steady_asks_every_way_to_read_and_its_tokens_say_which() -> None:
    rig = plain_rig(trusts_one_read, "mark")
    closure = closure_of(rig, BOUNDS, tears=T3, resolutions=tuple(RESOLUTIONS))
    verdict = closure.explore()
    assert "steady" in {finding.key.check for finding in verdict.findings}
    read = [finding for finding in verdict.findings if finding.readings]
    assert read
    for finding in read:
        token = token_for(0, rig.inputs, finding.path, finding.readings)
        assert parse_token(str(token)) == token
    assert unreplayed(rig, closure, verdict.findings) == []
    Auditor(closure).audit(1.0, 0)
    assert violations(closure) == []


def reads_for_ever(reset: Reset) -> str | None:
    """Restarts as long as a weak tick reads one way or the other, and counts which."""
    mark = reset.flash["mark"]
    seen = mark.read(0, 1)
    if seen == b"\xff" and mark.read(1, 1) == b"\xff":
        mark.program(0, b"\x00")
        mark.program(1, b"\x00")
    elif mark.read(1, 1) == b"\xff":
        reset.retain("ones", (reset.recall("ones") * 2 + seen[0]) % 5)
        reset.restart()
    return None


def test_lives_that_meet_again_are_one_so_many_readings_end() -> None:
    """Seven ways to read, at each of nine resets: forty million lives, of which few differ."""
    bounds = CheckEntry(apply=ALL_CHECKS, max_resets=8)
    closure = closure_of(plain_rig(reads_for_ever, "mark"), bounds, tears=T3, resolutions=tuple(RESOLUTIONS))
    verdict = closure.explore()
    assert verdict.complete
    assert {finding.key.check for finding in verdict.findings} == {"boots", "steady"}
    assert unreplayed(closure.rig, closure, verdict.findings) == []


def test_error_correction_at_any_depth() -> None:
    rig = rig_on("stm32l476")
    checks = rig.board.document.checks
    closure = Closure(rig, checks, Options(depth=ANY, tears=T3, keeps_new=rig.keeps_new))
    verdict = closure.explore()
    assert verdict.findings and verdict.coverage.edges_inherited > verdict.coverage.edges_executed
    assert {kind for kind in verdict.coverage.edge_kinds if kind.startswith("ecc")} >= {"ecc-fault", "ecc-unstable"}
    assert unreplayed(rig, closure, verdict.findings[:2]) == []


# -- operations in flight --------------------------------------------------------------------------------


def suspends(tells: bool, reset: Reset) -> str | None:
    """Erases a sector, stops for a program in another one, goes on; ticks off that it is done."""
    erased, written, done = (reset.flash[name] for name in ("erased", "written", "done"))
    if done.read(0, 1) != b"\xff":
        return None
    if written.read(0, 2) != b"\xff\xff" and erased.read(BLOCK - 1, 1) == b"\x00":
        return "a value, and a torn erase beside it"
    chip = flash_of(erased)
    flight = chip.begin("erase", erased.address, BLOCK, b"", 1600)
    reset.wait(400)
    flight.suspend(reset.clock.now_us)
    if tells:
        reset.tell("value", 7)
    if written.read(0, 2) != b"\x12\x34":
        written.program(0, b"\x12\x34")
    flight.resume(reset.clock.now_us)
    reset.wait(1600)
    chip.end(flight)
    done.program(0, b"\xfe")
    return None


def flash_of(window: Partition) -> FlashDevice:
    assert isinstance(window.flash, FlashDevice)
    return window.flash


def suspending(*, tells: bool) -> PlainRig:
    return plain_rig(partial(suspends, tells), "erased", "written", "done", factory={"erased": b"\x55" * 4})


@pytest.mark.parametrize("tells", [False, True])
def test_two_operations_in_flight_are_torn_in_combination(tells: bool) -> None:
    rig = suspending(tells=tells)
    closure = closure_of(rig, BOUNDS, tears=COARSE)
    verdict = closure.explore()
    assert facts_of(closure, verdict) == facts_of_all(exhaustive(rig, BOUNDS, COARSE))
    hows = {link.how for stop in closure.graph.stops.values() for link in stop.links}
    assert {"prefix-1_front-1", "none_front-1", "prefix-1_none", "one-bit-1_preprogrammed-1"} <= hows
    assert verdict.coverage.edges == edges_by_hand(closure)
    assert violations(closure) == []
    Auditor(closure).audit(1.0, 0)
    assert {how for f in verdict.findings for how in (f.path[-1].how,)} >= {"prefix-1_front-1"}
    assert unreplayed(rig, closure, verdict.findings) == []


@pytest.mark.parametrize("tells", [False, True])
def test_every_cut_of_operations_in_flight_replays_live(tells: bool) -> None:
    """Parsed from a token, and struck in the running firmware: the same cells as the campaign makes."""
    rig = suspending(tells=tells)
    closure = closure_of(rig, BOUNDS, tears=COARSE)
    children = list(closure.walker.bench.children(rig.initial(0), rig.run(rig.initial(0))))
    together = [child for child in children if "_" in child.edge.how]
    assert len(together) > 10
    for child in together:
        path = (Step(0, child.edge.entry, child.edge.how),)
        token = parse_token(str(token_for(0, rig.inputs, path)))
        assert token.path == path
        assert len(tears_in(child.edge.how)) == 2
        run = rig.run(rig.initial(0), child.edge.interruption())
        assert [m.key for m in run.end.memory] == [m.key for m in child.state.memory]
        follow(rig, closure.judge, token)


def test_a_cut_between_begin_and_an_event_tears_what_is_in_flight() -> None:
    """The erase has come some way when the user is told something: cut then, it is torn, and nobody was told."""
    rig = suspending(tells=True)
    run = rig.run(rig.initial(0))
    told = next(index for index, entry in enumerate(run.entries) if isinstance(entry, Event))
    children = list(closure_of(rig, BOUNDS, tears=COARSE).walker.bench.children(rig.initial(0), run))
    hows = {child.edge.how for child in children if child.edge.entry == told}
    assert hows == {"cut", "none_front-1", "none_front-8", "none_front-15", "none_preprogrammed-1"}


def two_chips(reset: Reset) -> str | None:
    """The second chip's erase begins first; a program of a third window runs meanwhile."""
    first, second, log = (reset.flash[name] for name in ("first", "second", "log"))
    if log.read(0, 1) != b"\xff":
        return None
    chips = flash_of(first), flash_of(second)
    later = chips[1].begin("erase", second.address, BLOCK, b"", 3200)
    reset.wait(100)
    sooner = chips[0].begin("erase", first.address, BLOCK, b"", 1600)
    reset.wait(100)
    sooner.suspend(reset.clock.now_us)
    log.program(0, b"\xf0")
    sooner.resume(reset.clock.now_us)
    reset.wait(4000)
    chips[0].end(sooner)
    chips[1].end(later)
    return None


def on_two_chips() -> PlainRig:
    windows = {"first": Window(0, BLOCK, "a"), "log": Window(BLOCK, BLOCK, "a"), "second": Window(0, BLOCK, "b")}
    content = {"first": b"\x11" * BLOCK, "second": b"\x22" * BLOCK}
    return PlainRig(Scenario(two_chips, {"a": PART, "b": PART}, windows=windows, factory=content))


def test_two_chips_lose_their_power_together_whichever_began_first() -> None:
    rig = on_two_chips()
    closure = closure_of(rig, BOUNDS, tears=COARSE)
    verdict = closure.explore()
    assert verdict.word == "held"
    assert verdict.coverage.edges == edges_by_hand(closure)
    state = rig.initial(0)
    children = [c for c in closure.walker.bench.children(state, rig.run(state)) if c.edge.how.count("_") == 2]
    assert len(children) > 30
    for child in children:
        run = rig.run(state, child.edge.interruption())
        assert [m.key for m in run.end.memory] == [m.key for m in child.state.memory]


def test_what_is_in_flight_at_a_reset_is_not_in_the_next_session() -> None:
    rig = suspending(tells=True)
    state = rig.initial(0)
    before = rig.run(state)
    told = next(index for index, entry in enumerate(before.entries) if isinstance(entry, Event))
    rig.run(state, Interruption(told, "pin"))
    assert rig.run(state).entries == before.entries
    assert [chip.in_flight for chip in rig._chips.values()] == [[]]
    closure = closure_of(suspending(tells=True), BOUNDS, tears=COARSE, events=("reset",))
    verdict = closure.explore()
    assert facts_of(closure, verdict) == facts_of_all(exhaustive(rig, BOUNDS, COARSE, events=("reset",)))
    assert (verdict.complete, verdict.notes) == (False, [IN_FLIGHT_NOTE]), "a chip would finish the operation"
    assert unreplayed(closure.rig, closure, verdict.findings) == []
