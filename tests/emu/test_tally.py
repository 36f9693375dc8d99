"""What a closure says it found: under which check, with a token that replays, and how many edges lead there."""

from __future__ import annotations

import pytest

from emu.board import ALL_CHECKS, CheckEntry
from emu.campaign.closure import Closure
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Verdict
from emu.plain_rig import PlainRig
from emu.reset import Reset
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.field.bug import image, put, sectors, wipe
from tests.flash.small_parts import SERIAL
from tests.properties.closures import closure_of, unreplayed
from tests.properties.small_firmwares import BLOCK, BOUNDS, PART, rig_of, small_firmware

T3, T1 = TEAR_SETS["T3-coarse"], TEAR_SETS["T1-coarse"]
EVERY = tuple(RESOLUTIONS)
OLD, NEW, FLAG = image(1), image(120), b"\x12\x34\x56\x78"


def on_trial_where_two_reads_differ(reset: Reset) -> None:
    flag, slot = reset.flash["flag"], reset.flash["b"]
    first, second = (flag.read(0, len(FLAG)) == FLAG for _ in range(2))
    if first and not second:
        reset.handover("b", trial=True)
        with reset.committing():
            reset.wait(10)
        return
    if first:
        with reset.committing():
            reset.wait(10)
    reset.handover("b" if first else "a")
    update = reset.attempt()
    if update is not None:
        wipe(slot)
        put(slot, 0, update)
        wipe(flag)
        put(flag, 0, FLAG)


def test_what_an_event_breaks_through_weak_cells_is_steady_and_its_token_says_how_they_read() -> None:
    rig = PlainRig(
        on_trial_where_two_reads_differ, SERIAL, windows=sectors("a", "b", "flag"), factory={"a": OLD},
        images={"old": OLD, "new": NEW}, commits=True, resolution="as-new",
    )  # fmt: skip
    bounds = CheckEntry(apply=("boots", "reverts", "durable", "steady"))
    closure = closure_of(rig, bounds, tears=T3, attempts=1, resolutions=EVERY, events=("hang",), keeps_new=False)
    verdict = closure.explore()
    assert {finding.key.check for finding in verdict.findings} == {"steady"}
    hung = [finding for finding in verdict.findings if finding.path[-1].how == "hang"]
    assert [finding.readings for finding in hung] == [("new-then-old",)]
    assert unreplayed(rig, closure, verdict.findings) == []


def bricked_by_three_cuts_or_by_one_weak_read(reset: Reset) -> str | None:
    flag, mark, brick = (reset.flash[name] for name in ("flag", "mark", "brick"))
    if brick.read(0, 1) == b"\xfe":
        return "bricked for good"
    first, second = flag.read(0, 1), flag.read(0, 1)
    ticks = sum(mark.read(at, 1) == b"\xfe" for at in range(3))
    if first != second or (first == b"\xff" and ticks == 2):
        brick.program(0, b"\xfe")
    elif first == b"\xff":
        mark.program(ticks, b"\xfe")
        flag.program(0, b"\xfe")
    return None


def test_a_check_is_not_said_to_hold_because_weak_cells_break_it_sooner() -> None:
    rig = PlainRig(
        bricked_by_three_cuts_or_by_one_weak_read, PART, windows=sectors("flag", "mark", "brick", size=BLOCK)
    )
    closure = closure_of(rig, CheckEntry(apply=("boots", "steady")), tears=T3, resolutions=EVERY)
    verdict = closure.explore()
    assert verdict.complete
    assert {result.name: result.result for result in verdict.results if result.result != "not applicable"} == {
        "boots": "broken",
        "steady": "broken",
    }
    (plain, *_) = [finding for finding in verdict.findings if finding.key.check == "boots"]
    (weak, *_) = verdict.findings
    assert (plain.cuts, plain.readings, weak.cuts, weak.key.check) == (3, (), 2, "steady")
    assert unreplayed(rig, closure, verdict.findings) == []


@pytest.mark.parametrize("events", [(), ("reset", "hang", "timer")])
def test_as_many_edges_lead_to_what_is_broken_as_brute_force_counts(events: tuple[str, ...]) -> None:
    compared = 0
    for seed in range(0, 200, 3):
        brute = verdict_of(Explorer, seed, 1, events)
        if not brute.findings:
            continue
        closed = verdict_of(Closure, seed, ANY, events)
        if closed.coverage.edges == brute.coverage.edges:  # it has ended with the first layer
            assert broken(closed) == broken(brute), seed
            compared += 1
    assert compared > 15


def verdict_of(campaign: type[Explorer] | type[Closure], seed: int, depth: int, events: tuple[str, ...]) -> Verdict:
    firmware = small_firmware(seed)
    rig = rig_of(firmware)
    options = Options(T1, depth, attempts=firmware.attempts, keeps_new=rig.keeps_new, events=events)  # type: ignore[arg-type]
    return campaign(rig, BOUNDS, options).explore()


def broken(verdict: Verdict) -> dict[str, int]:
    return {result.name: result.edges for result in verdict.results if result.findings}


def reads_the_slot_and_hands_over_twice(reset: Reset) -> None:
    slot = reset.flash["slot"]
    for _ in range(2):
        reset.handover("slot")
    if slot.read(0, 1) == b"\xfe":
        slot.program(1, b"\x00")


def test_an_edge_that_breaks_a_check_twice_is_one_edge() -> None:
    rig = PlainRig(
        reads_the_slot_and_hands_over_twice, PART, windows=sectors("slot", size=BLOCK), factory={"slot": b"\xfe\xff"},
        images={"old": b"\xfe\xff"},
    )  # fmt: skip
    options = Options(TEAR_SETS["none"], 1, keeps_new=False)
    found = Explorer(rig, CheckEntry(apply=ALL_CHECKS), options).explore()
    (whole,) = [result for result in found.results if result.name == "whole"]
    at_last = [finding.count for finding in found.findings if finding.path]
    assert at_last == [1] and whole.edges == 1


def writes_over_after_many_resets(reset: Reset) -> None:
    """A cut between its ticks, and it restarts nine times before it programs what is not blank."""
    mark = reset.flash["mark"]
    if mark.read(0, 2) == b"\xfe\xff":
        if reset.recall("count") < 9:
            reset.retain("count", reset.recall("count") + 1)
            reset.restart()
        mark.program(0, b"\xff")
    elif mark.read(0, 1) == b"\xff":
        mark.program(0, b"\xfe")
        mark.program(1, b"\xfe")


@pytest.mark.parametrize(("campaign", "depth"), [(Explorer, 1), (Closure, ANY)])
@pytest.mark.parametrize(("claimed", "word"), [(True, "findings"), (False, "inconclusive")])
def test_lives_nobody_follows_are_not_held_where_boots_is_not_claimed(
    campaign: type[Explorer] | type[Closure], depth: int, claimed: bool, word: str
) -> None:
    rig = PlainRig(writes_over_after_many_resets, PART, windows=sectors("mark", size=BLOCK))
    bounds = CheckEntry(apply=("legal-flash", *(("boots",) if claimed else ())), max_resets=6)
    verdict = campaign(rig, bounds, Options(TEAR_SETS["none"], depth, keeps_new=False)).explore()
    assert verdict.word == word
    assert (not claimed) == any("more than 6 times in a row" in note for note in verdict.notes)
