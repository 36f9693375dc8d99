"""A rig for users' own firmware: what the function is given, how its sessions end, and what is judged by bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu.board import ALL_CHECKS, CheckEntry, TimerEntry
from emu.campaign.cache import RunCache
from emu.campaign.edges import EVENT_NAMES, EdgeWalker
from emu.campaign.explore import Explorer, Options
from emu.campaign.fresh import fresh_records, record_of
from emu.campaign.replay import follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import Verdict
from emu.errors import ScenarioError, TokenError
from emu.events import ATTEMPT, COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER, NOTE, REFUSED, RETAINED, STAGED
from emu.ledger import NOTHING_OWED
from emu.oracle import Contents, Oracle
from emu.own_firmware import load_own
from emu.plain_rig import PlainRig
from emu.report.asked import Asked
from emu.report.document import to_document, to_junit
from emu.report.story import event_words, tell
from emu.report.summary import summary
from emu.reset import Reset
from emu.rig import DeviceState, Run
from emu.rig_spec import rig_spec
from emu.scenario import Firmware, Scenario, Window
from flash.cells import ECC_FAULT
from flash.journal import Event, Interruption, Operation
from flash.tears import TEAR_SETS
from flash.trace import ATTEMPTS
from flash.weak import METASTABLE
from tests.campaigns.exhaustive import exhaustive
from tests.field import deferred_commit, disturbed, read_twice
from tests.flash.small_parts import GRANULES, SERIAL
from tests.properties.small_firmwares import rig_of, small_firmware

OLD, NEW = bytes(range(1, 41)), bytes(range(60, 100))
IMAGES = {"old": OLD, "new": NEW}
WINDOWS = {"a": Window(0, 64), "b": Window(64, 64), "c": Window(128, 64)}
BOUNDS = CheckEntry(apply=ALL_CHECKS)


def rig(firmware: Firmware, **more: Any) -> PlainRig:
    settings = {name: more.pop(name) for name in ("timing", "seed", "resolution") if name in more}
    return PlainRig(Scenario(firmware, more.pop("part", SERIAL), windows=WINDOWS, **more), **settings)


def updatable(firmware: Firmware, **more: Any) -> PlainRig:
    return rig(firmware, images=IMAGES, factory={"a": OLD, "b": NEW}, **more)


def first_run(made: PlainRig, attempts: int = 1) -> Run:
    return made.run(made.initial(attempts))


def events(run: Run) -> list[tuple[str, tuple[Any, ...]]]:
    return [(entry.name, entry.facts) for entry in run.entries if isinstance(entry, Event)]


def campaign(made: PlainRig, **options: Any) -> Verdict:
    return Explorer(made, BOUNDS, Options(keeps_new=made.keeps_new, **options)).explore()


def write_once(reset: Reset) -> None:
    if reset.flash["a"].read(0, 1) == b"\xff":
        reset.flash["a"].program(0, b"\x00")


# -- what a firmware is given ----------------------------------------------------------------------------


def test_windows_are_partitions_of_the_chips() -> None:
    seen: dict[str, tuple[int, int]] = {}

    def firmware(reset: Reset) -> None:
        seen.update({name: (w.address, w.size) for name, w in reset.flash.items()})

    first_run(rig(firmware))
    assert seen == {"a": (0, 64), "b": (64, 64), "c": (128, 64)}


def test_without_windows_every_chip_is_one() -> None:
    def firmware(reset: Reset) -> None:
        reset.flash["inner"].program(0, b"\x12" * 8)
        reset.flash["outer"].program(3, b"\x34")

    made = PlainRig(Scenario(firmware, {"outer": SERIAL, "inner": GRANULES}))
    run = first_run(made)
    assert [(e.device, e.address) for e in run.entries if isinstance(e, Operation)] == [("inner", 0), ("outer", 3)]
    assert list(made.chip_names) == ["outer", "inner"]
    assert len(run.end.memory) == 2


def test_what_the_factory_ships_is_there_and_nothing_else() -> None:
    seen = []
    first_run(rig(lambda reset: seen.append(reset.flash["b"].read(0, 3)), factory={"b": b"\x01\x02"}))
    assert seen == [b"\x01\x02\xff"]


def test_every_word_it_says_is_in_the_journal() -> None:
    def firmware(reset: Reset) -> None:
        reset.note("good morning")
        reset.retain("boots", reset.recall("boots") + 1)
        reset.offer("volume", 3)
        reset.tell("volume", 3)
        reset.staged()
        reset.refuse("no")

    assert events(first_run(rig(firmware))) == [
        (NOTE, ("good morning",)), (RETAINED, ("boots", 1)), ("offered", ("volume", 3)), ("told", ("volume", 3)),
        (STAGED, ()), (REFUSED, ("no",)),
    ]  # fmt: skip


def test_retained_ram_outlives_a_restart_and_no_power_cut() -> None:
    def firmware(reset: Reset) -> None:
        reset.retain("n", reset.recall("n") + 1)
        if reset.recall("n") < 2:
            reset.restart()

    made = rig(firmware)
    run = first_run(made)
    assert (run.outcome.kind, run.end.cause, run.end.ram) == ("reset", "software", (("n", 1),))
    assert made.run(run.end).outcome.kind == "settled"
    assert made.run(run.end).end.ram == ()
    assert made.run(run.end, Interruption(0)).end.ram == ()


def test_the_cause_of_the_reset_is_told() -> None:
    causes: list[str] = []
    made = rig(lambda reset: causes.append(reset.cause))
    made.run(made.initial(1))
    made.run(DeviceState(made.initial(1).memory, "pin", 1))
    assert causes == ["power", "pin"]


# -- images ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "image"),
    [(OLD, "old"), (NEW, "new"), (NEW[:-1] + b"\x00", "unknown"), (b"", "unknown"), (OLD + b"\x00", "old")],
)
def test_the_image_of_a_hand_over_is_found_by_its_bytes(content: bytes, image: str) -> None:
    said: list[str] = []
    made = rig(lambda reset: said.append(reset.handover("b", trial=True)), images=IMAGES, factory={"b": content})
    run = first_run(made)
    assert said == [image]
    assert events(run) == [(HANDOVER, (1, image, True, "b"))]
    assert event_words(*events(run)[0]) == f"hand-over to b: the {image} image, on trial"
    assert (run.outcome.image, run.outcome.committed) == (image, False)


def test_bytes_that_may_read_otherwise_are_no_known_image() -> None:
    made = updatable(lambda reset: reset.handover("a") and None)
    state = made.initial(1)
    cells = made.bench_cells()[0]
    cells.restore(state.memory[0])
    cells.mark_weak(39, np.array([1], np.uint8), METASTABLE)
    assert made.run(DeviceState((cells.snapshot(),), "power", 1)).outcome.image == "unknown"
    cells.restore(state.memory[0])
    cells.mark_weak(40, np.array([1], np.uint8), METASTABLE)
    assert made.run(DeviceState((cells.snapshot(),), "power", 1)).outcome.image == "old"


def test_right_bytes_under_broken_correction_are_no_known_image() -> None:
    windows = {"a": Window(0, 128)}
    shipped = {"images": {"old": OLD}, "factory": {"a": OLD}}
    made = PlainRig(Scenario(lambda reset: reset.handover("a") and None, GRANULES, windows=windows, **shipped))
    cells = made.bench_cells()[0]
    cells.restore(made.initial(1).memory[0])
    cells.mark_broken(8, 8, ECC_FAULT)
    assert made.run(DeviceState((cells.snapshot(),), "power", 1)).outcome.image == "unknown"


@pytest.mark.parametrize(
    ("window", "trial", "attempts", "brings"),
    [("a", False, 1, NEW), ("a", False, 0, None), ("a", True, 1, None), ("b", False, 1, None), ("c", False, 1, None)],
)
def test_an_update_comes_to_the_old_image_once_it_is_there_to_stay(
    window: str, trial: bool, attempts: int, brings: bytes | None
) -> None:
    got: list[bytes | None] = []

    def firmware(reset: Reset) -> None:
        got.append(reset.attempt())
        reset.handover(window, trial=trial)
        got.append(reset.attempt())
        got.append(reset.attempt())

    run = first_run(updatable(firmware), attempts)
    assert got == [None, brings, None]
    assert run.end.attempts_left == attempts - (brings is not None)
    assert (ATTEMPT in dict(events(run))) == (brings is not None)


def test_whether_an_attempt_is_left_is_in_the_footprint_only_where_it_was_asked() -> None:
    asked, not_asked = first_run(rig(lambda reset: reset.attempt() and None)), first_run(rig(lambda reset: None))
    assert asked.trace is not None and ATTEMPTS in asked.trace.consulted_units
    assert not_asked.trace is not None and ATTEMPTS not in not_asked.trace.consulted_units


def test_a_commit_is_two_events_and_a_cut_between_them_is_neither() -> None:
    def firmware(reset: Reset) -> None:
        reset.handover("b", trial=True)
        with reset.committing():
            write_once(reset)

    made = updatable(firmware, commits=True)
    whole = first_run(made)
    assert [name for name, _ in events(whole)] == [HANDOVER, COMMIT_BEGUN, COMMIT_RETURNED]
    assert whole.outcome.committed
    assert [name for name, _ in events(made.run(made.initial(1), Interruption(2)))] == [HANDOVER, COMMIT_BEGUN]


# -- how sessions end ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (lambda reset: 1 // 0, "the firmware crashed: ZeroDivisionError"),
        (lambda reset: reset.flash["nowhere"], "the firmware crashed: KeyError"),
        (lambda reset: reset.flash["a"].read(60, 8), "the firmware crashed: OutOfBounds"),
        (lambda reset: reset.handover("a"), "images="),
        (lambda reset: 42, "it returned 42"),
        (lambda reset: exec("assert False, 'mine'"), "the firmware crashed: AssertionError: mine"),
    ],
)
def test_a_crash_is_a_hang_and_the_run_goes_on(wrong: Callable[[Reset], Any], detail: str) -> None:
    outcome = first_run(rig(wrong)).outcome
    assert outcome.kind == "hung" and detail in outcome.detail
    watched = first_run(rig(wrong, timers=TimerEntry(watchdog_s=2)))
    assert (watched.outcome.kind, watched.outcome.cause, watched.end_us) == (
        "reset",
        "watchdog",
        pytest.approx(2e6, 1e-4),
    )


def test_a_crash_has_the_place_in_the_firmware(tmp_path: Path) -> None:
    """The innermost frame of the user's: not that of a library it calls, nor of brownout; the same in any process."""
    file = tmp_path / "own.py"
    text = ["import json", "from emu.scenario import Scenario", "", "def inner(reset):", "    {}", "",
            "def boot(reset):", "    inner(reset)", "", "device = Scenario(boot, 'w25q128jv')"]  # fmt: skip
    for line, place in (
        ("json.loads('no')", ":5"), ("reset.flash['nope']", ":5"), ("reset.flash['flash'].read(-1, 1)", ":5"),
        ("inner(reset)", ":8"), ("exec('1 // 0')", ":5"),
    ):  # fmt: skip
        file.write_text("\n".join(text).format(line), encoding="utf-8")
        own = load_own(str(file))
        assert isinstance(own, Scenario)
        made = PlainRig(own)
        run = first_run(made)
        assert run.outcome.detail.endswith(f" (own.py{place})"), run.outcome
        assert fresh_records(rig_spec(made), [made.initial(1)]) == [record_of(run)]


def test_a_crash_outside_of_any_file_has_no_place() -> None:
    assert str(first_run(rig(eval("lambda reset: 1 // 0"))).outcome).endswith("by zero")


def test_a_mistake_of_ours_is_not_blamed_on_the_firmware() -> None:
    def firmware(reset: Reset) -> None:
        raise AssertionError("something that cannot be: please report")

    with pytest.raises(AssertionError, match="please report"):
        first_run(rig(firmware))


def test_an_endless_loop_is_a_hang() -> None:
    def firmware(reset: Reset) -> None:
        while True:
            reset.wait(1_000_000)

    assert first_run(rig(firmware)).outcome.kind == "hung"
    assert first_run(rig(firmware, timers=TimerEntry(watchdog_s=3))).outcome.cause == "watchdog"


def test_a_string_says_why_nothing_can_run() -> None:
    outcome = first_run(rig(lambda reset: "no settings")).outcome
    assert (outcome.kind, outcome.detail) == ("halted", "no settings")


def test_with_images_a_firmware_has_to_hand_over() -> None:
    outcome = first_run(updatable(lambda reset: None)).outcome
    assert (outcome.kind, outcome.detail) == ("halted", "the firmware returned and has handed over to no image")
    assert str(first_run(rig(lambda reset: None)).outcome) == "settled"


def test_a_commit_timer_that_is_armed_ends_the_session() -> None:
    def firmware(reset: Reset) -> None:
        reset.timer.arm(reset.commit_timeout_s)

    run = first_run(rig(firmware, timers=TimerEntry(commit_timeout_s=7)))
    assert (run.outcome.cause, run.end_us) == ("commit-timer", 7_000_000)


def test_a_firmware_that_swallows_a_cut_writes_nothing_after_it() -> None:
    def firmware(reset: Reset) -> None:
        for address in range(3):
            try:
                reset.flash["a"].program(address, b"\x00")
            except BaseException:
                continue

    made = rig(firmware)
    for interruption, outcome in ((Interruption(1), "power lost"), (Interruption(1, "pin"), "reset by pin")):
        run = made.run(made.initial(1), interruption)
        assert str(run.outcome) == outcome
        assert [entry.address for entry in run.entries if isinstance(entry, Operation)] == [0]


# -- what goes together ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": {"new": NEW}}, "one has to be 'old'"),
        ({"images": {"old": OLD, "new": OLD + b"\x01"}}, "nobody could tell them apart"),
        ({"images": {"old": OLD, "new": b""}}, "the new image has 0 bytes; 1 to 64 fit"),
        ({"images": {"old": OLD, "new": bytes(65)}}, "the new image has 65 bytes; 1 to 64 fit"),
        ({"images": {"old": OLD, "unknown": NEW}}, "no image can be called 'unknown'"),
        ({"factory": {"z": b"\x01"}}, "there is no window of the factory content 'z': a, b, c"),
        ({"factory": {"a": bytes(65)}}, "the factory content of 'a' has 65 bytes, 64 fit"),
        ({"fine": ("z",)}, "there is no fine window 'z'"),
        ({"resolution": "maybe"}, "there is no resolution 'maybe'"),
        ({"oracles": (Oracle("boots", "", lambda contents: ""),)}, "another check called 'boots'"),
        ({"oracles": (Oracle("x", "", lambda c: ""), Oracle("x", "", lambda c: ""))}, "another check called 'x'"),
        ({"oracles": (Oracle("x", "", lambda contents: "", ("z",)),)}, "there is no window of oracle 'x' 'z'"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as wrong:
        rig(lambda reset: None, **options)
    assert message in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ({"a": Window(1, 64)}, "partition 'a'"),
        ({"a": Window(0, 64, "other")}, "there is no chip of window 'a' 'other': flash"),
    ],
)
def test_a_window_has_to_be_on_a_chip(windows: dict[str, Window], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        PlainRig(Scenario(lambda reset: None, SERIAL, windows=windows))


def _marks(value: int, reset: Reset) -> None:
    reset.flash["a"].program(0, bytes((value,)))


def test_tokens_know_the_firmware_and_what_it_was_given() -> None:
    one, same, other = (rig(partial(_marks, value)).inputs for value in (1, 1, 2))
    assert one == same
    assert one["workload"] != other["workload"]
    assert {role for role in one if one[role] != other[role]} == {"workload"}
    token = token_for(1, one, ())
    with pytest.raises(TokenError, match="workload"):
        token.check_inputs(other)


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("board", {"timers": TimerEntry(watchdog_s=9)}),
        ("from", {"factory": {"c": b"\x01"}}),
        ("to", {"work": b"other"}),
        ("workload", {"seed": 4}),
    ],
)
def test_every_input_has_its_role(role: str, change: dict[str, Any]) -> None:
    plain, changed = rig(write_once).inputs, rig(write_once, **change).inputs
    assert {name for name in plain if plain[name].digest != changed[name].digest} == {role}


# -- what a campaign makes of it -------------------------------------------------------------------------


def test_checks_that_mean_nothing_here_say_why() -> None:
    store, bare, committing = rig(write_once), updatable(_update), updatable(_update, commits=True)
    reasons = campaign(store).inapplicable
    assert set(reasons) == {"whole", "reverts", "retries", "truthful", "keeps-files", "in-place", "steady"}
    assert reasons["whole"] == "the firmware has no images"
    assert "no boot configs" in reasons["in-place"]
    assert reasons["keeps-files"] == "nobody knows a filesystem of the firmware"
    assert set(campaign(bare).inapplicable) == {"reverts", "truthful", "keeps-files", "in-place", "steady"}
    assert set(campaign(committing).inapplicable) == {"truthful", "keeps-files", "in-place", "steady"}


def _update(reset: Reset) -> None:
    """Direct execution: a byte in c says that b runs."""
    is_new = reset.flash["c"].read(0, 1) == b"\x00"
    reset.handover("b" if is_new else "a")
    if reset.attempt() is not None:
        reset.flash["c"].program(0, b"\x00")
        reset.restart()


def _keeps_a(contents: Contents) -> str:
    return "" if contents.read("a", 0, 1) in (b"\x00", b"\xff") else f"a holds {contents.read('a', 0, 1).hex()}"


KEEPS = Oracle("keeps-a", "a is blank or done", _keeps_a, ("a",))


def test_an_oracle_is_a_check_like_any_other() -> None:
    verdict = campaign(rig(write_once, oracles=(KEEPS,)))
    found = [finding for finding in verdict.findings if finding.key.check == "keeps-a"]
    assert {finding.path[0].how for finding in found} == {"one-bit-1", "all-but-one-bit-1"}
    assert {finding.message for finding in found} == {"a holds fe", "a holds 80"}
    assert verdict.promise("keeps-a") == "a is blank or done"
    assert verdict.promise("boots").startswith("some valid image runs")
    last_judged = verdict.results[-1 - len(verdict.inapplicable)]
    assert last_judged.name == "keeps-a" and last_judged.exercised


def test_reports_name_an_oracle_and_a_story_tells_what_was_told() -> None:
    made = rig(partial(_counter, True), oracles=(KEEPS,))
    verdict = campaign(made, tears=TEAR_SETS["none"])
    asked = Asked(made.inputs, {}, "own", "typ", 0, "seeded", ("", ""))
    assert to_document(verdict, asked)["checks"]["keeps-a"]["promise"] == "a is blank or done"
    assert "a is blank or done" in summary(verdict, asked)
    assert 'name="keeps-a"' in to_junit(verdict, asked)
    token = parse_token(asked.token(1, verdict.findings[0].path))
    story = tell(follow(made, Explorer(made, BOUNDS, Options()).judge, token))
    assert "asked to keep value = 1" in story
    assert "told: value = 1" in story
    assert "BROKEN durable: value is told to be 0; it was told or asked to be 1" in story


def test_what_an_oracle_reads_is_in_the_footprint_of_a_session_that_does_not() -> None:
    """Two states that differ in what only the oracle reads are told apart."""
    made = rig(lambda reset: None, oracles=(KEEPS,))
    cells = made.bench_cells()[0]
    sessions = RunCache(made)
    sessions.session(made.initial(0))
    cells.program(0, b"\x12")
    assert sessions.session(DeviceState((cells.snapshot(),), "power", 0)).executed
    cells.restore(made.initial(0).memory[0])
    cells.program(64, b"\x12")
    assert not sessions.session(DeviceState((cells.snapshot(),), "power", 0)).executed


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (lambda contents: contents.read("b"), "reads window 'b'; it watches a"),
        (lambda contents: contents.read("a", 60, 8), r"reads \[0x3c, 0x44\) of window 'a', which has 0x40"),
        (lambda contents: None, "oracle 'mine' returned None"),
        (lambda contents: 1 // 0, "oracle 'mine' failed: ZeroDivisionError"),
    ],
)
def test_an_oracle_that_is_wrong_is_a_usage_error(judge: Callable[[Contents], Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        campaign(rig(write_once, oracles=(Oracle("mine", "", judge, ("a",)),)))


def test_what_an_oracle_needs_must_read_the_same_twice() -> None:
    made = rig(write_once, oracles=(KEEPS,))
    cells = made.bench_cells()[0]
    cells.mark_weak(0, np.array([1], np.uint8), METASTABLE)
    said = made.oracles[0].verdict(made.parts, (cells.snapshot(),), NOTHING_OWED)
    assert said.startswith("what keeps-a needs cannot be relied on")


def _counter(tells_early: bool, reset: Reset) -> None:
    """A value of two bytes, replaced in place; told when it is there, or before."""
    flash = reset.flash["a"]
    held = 1 if flash.read(0, 2) == b"\x00\x00" else 0
    reset.tell("value", held)
    if not held:
        reset.offer("value", 1)
        if tells_early:
            reset.tell("value", 1)
        flash.program(0, b"\x00\x00")
        reset.tell("value", 1)


@pytest.mark.parametrize("tells_early", [False, True])
def test_a_value_that_was_told_must_stay(tells_early: bool) -> None:
    verdict = campaign(rig(partial(_counter, tells_early)), tears=TEAR_SETS["none"])
    said = {(finding.key.check, finding.message) for finding in verdict.findings}
    expected = {("durable", "value is told to be 0; it was told or asked to be 1")} if tells_early else set()
    assert said == expected
    assert verdict.coverage.exercised["durable"]


def test_a_ledger_allows_what_was_told_last_and_what_was_offered_since() -> None:
    ledger = NOTHING_OWED.with_offer("k", 2).with_offer("k", 1)
    assert (ledger.knows("k"), ledger.allowed("k")) == (False, (1, 2))
    assert ledger == NOTHING_OWED.with_offer("k", 1).with_offer("k", 2)
    told = ledger.with_told("k", 2).with_offer("other", 5)
    assert (told.knows("k"), told.allowed("k")) == (True, (2,))
    assert told.with_told("k", 3).told == (("k", 3),)
    assert told.with_offer("k", 9).allowed("k") == (2, 9)


def _trial(hangs: bool, reset: Reset) -> None:
    """One update; the new image is on trial for one boot, and may hang in it."""
    stage = reset.flash["c"].read(0, 1)
    if stage == b"\x0f":
        reset.flash["c"].program(0, b"\x0c")
        reset.handover("b", trial=True)
        if hangs:
            reset.wait(1000)
        with reset.committing():
            reset.flash["c"].program(0, b"\x00")
    else:
        reset.handover("b" if stage == b"\x00" else "a")
        if stage == b"\xff" and reset.attempt() is not None:
            reset.flash["c"].program(0, b"\x0f")
            reset.restart()


def test_a_hang_of_the_new_image_before_its_commit_breaks_reverts_without_boot_configs() -> None:
    made = updatable(partial(_trial, False), commits=True)
    verdict = campaign(made, tears=TEAR_SETS["none"], events=("hang",))
    found = [finding for finding in verdict.findings if finding.key.check == "reverts"]
    assert [finding.path[0].how for finding in found] == ["hang"]
    run = made.run(made.run(made.initial(1)).end)
    place = found[0].path[0]
    assert (place.run, run.entries[place.entry - 1].name) == (1, HANDOVER)  # type: ignore[union-attr]
    token = parse_token(str(token_for(1, made.inputs, found[0].path)))
    told = follow(made, Explorer(made, BOUNDS, Options()).judge, token)
    assert "the uncommitted image hangs and no timer resets it" in {breach.message for breach in told.breaches}
    watched = updatable(partial(_trial, False), commits=True, timers=TimerEntry(watchdog_s=1))
    assert not [
        f for f in campaign(watched, tears=TEAR_SETS["none"], events=("hang",)).findings if f.key.check == "reverts"
    ]


def test_an_uncut_workload_that_does_not_settle_is_no_scenario() -> None:
    bounds = CheckEntry(apply=("legal-flash",))

    def never(reset: Reset) -> None:
        reset.flash["a"].program(0, b"\x00")
        reset.restart()

    with pytest.raises(ScenarioError, match="the uncut update ends with: reset by software; it should settle"):
        Explorer(rig(never), bounds, Options()).explore()


# -- exactness -------------------------------------------------------------------------------------------

RIGS: dict[str, Callable[[], PlainRig]] = {
    "deferred-commit": lambda: deferred_commit.BUG.rig(deferred_commit.right),
    "disturbed": lambda: disturbed.BUG.rig(disturbed.wrong),
    "weak-flags": lambda: read_twice.BUG.rig(read_twice.right),
    **{f"small-{seed}": partial(lambda seed: rig_of(small_firmware(seed)), seed) for seed in range(20)},
}


@pytest.mark.parametrize("name", RIGS)
def test_cutting_live_leaves_what_replaying_the_prefix_leaves(name: str) -> None:
    made = RIGS[name]()
    state = made.initial(1)
    run = made.run(state)
    walker = EdgeWalker(made, TEAR_SETS["T3-coarse"], EVENT_NAMES)
    for child in walker.children(state, run):
        end = made.run(state, child.edge.interruption()).end
        assert (end.cause, end.attempts_left, end.ram) == (
            child.state.cause, child.state.attempts_left, child.state.ram
        )  # fmt: skip
        assert all(cut.same(replayed) for cut, replayed in zip(end.memory, child.state.memory, strict=True)), child.edge


@pytest.mark.parametrize("name", RIGS)
def test_a_recognised_session_is_the_one_that_would_have_been_run(name: str) -> None:
    made = RIGS[name]()
    found = exhaustive(made, BOUNDS, TEAR_SETS["T2"], ("reset",), max_states=150)
    sessions = RunCache(made)
    for state, run in found.runs.values():
        known = sessions.session(state)
        assert (known.run.entries, known.outcome) == (run.entries, run.outcome)
        assert known.end.key == run.end.key
