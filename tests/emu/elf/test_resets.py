"""Resets without a loss of power on an ELF: what a session says they find is what they find, and of RAM only what
anybody looks at counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.closure import Closure
from emu.campaign.edges import EVENT_NAMES, EdgeWalker
from emu.campaign.explore import Explorer
from emu.campaign.judge import Judge, Missed, State
from emu.campaign.live_cuts import check_live_cuts
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.outline import Outline, Surveyor
from emu.campaign.parcels import blocks_of, packed_run
from emu.campaign.replay import follow
from emu.campaign.space import Space
from emu.campaign.token import token_for
from emu.campaign.verdict import Coverage, Step, Verdict
from emu.cli.resets import replayable, with_all_that_is_kept
from emu.cpu.chip import bundled_chip
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.elf.board import load_elf_board
from emu.elf.learned import with_resets
from emu.elf.rig import ElfRig
from emu.elf.warm import WarmResets
from emu.errors import ScenarioError
from emu.events import COMMIT_TIMER, HANG, NOTE
from emu.rig import DeviceState, Kept, Run
from emu.rig_spec import rig_spec
from flash.journal import Event, Interruption
from flash.tears import TEAR_SETS
from tests.emu.elf.boards import ELF, board

WORD = 0x2000_0000
"""What `boot_keep.c` leaves in RAM."""


def keeping(folder: Path) -> Path:
    """A board whose bootloader relies on a word that a reset keeps."""
    path = board(folder, "stm32f1", "copy-right", "new")
    path.write_text(path.read_text().replace("stm32f1-copy-right.elf", "stm32f1-keep-bug9.elf"))
    return path


def make(folder: Path, loader: str, staged: str = "new") -> ElfRig:
    return ElfRig(load_elf_board(board(folder, "stm32f1", loader, staged)))


def uncut(rig: ElfRig) -> list[tuple[DeviceState, Run]]:
    state, found = rig.initial(1), []
    while True:
        run = rig.run(state)
        found.append((state, run))
        if run.outcome.kind != "reset":
            return found
        state = run.end


def explored(rig: ElfRig, events: tuple[str, ...] = EVENT_NAMES, depth: int = ANY) -> Verdict:
    options = Options(tears=TEAR_SETS["none"], depth=depth, events=events, keeps_new=rig.keeps_new)  # type: ignore[arg-type]
    explorer = Closure if depth == ANY else Explorer
    return explorer(rig, rig.bounds, options).explore()


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> ElfRig:
    """The A/B bootloader, whose new image is on trial under a watchdog; all of RAM counts."""
    return make(tmp_path_factory.mktemp("trial"), "ab-right").with_resets(None)


# -- one session --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["pin", "software", HANG, COMMIT_TIMER])
def test_a_live_reset_finds_what_the_session_said(trial: ElfRig, cause: str) -> None:
    """At every point of every session, to the bit of RAM."""
    for state, run in uncut(trial):
        assert len(run.kept) == len(run.entries) + 1
        for entry in range(0, len(run.entries) + 1, 3):
            struck = trial.run(state, Interruption(entry, cause))
            expected = run.kept[entry].watchdog if cause in (HANG, COMMIT_TIMER) else cause
            assert len(struck.entries) == entry
            if not expected:
                assert struck.outcome.kind == "hung"
                assert (struck.end.cause, struck.end.ram) == ("power", ())
                continue
            assert (struck.outcome.kind, struck.outcome.cause, struck.end.cause) == ("reset", expected, expected)
            assert struck.end.ram == run.kept[entry].ram


def test_the_watchdog_of_the_trial_is_the_only_one_that_runs(trial: ElfRig) -> None:
    first, second = (run for _, run in uncut(trial))
    assert {kept.watchdog for kept in first.kept} == {""}
    assert (second.kept[0].watchdog, second.kept[-1].watchdog) == ("", "iwdg")


def test_ram_moves_from_point_to_point(trial: ElfRig) -> None:
    (_, run), _ = uncut(trial)
    assert len(set(run.kept)) == 3
    assert any(name.startswith("RAM ") for kept in run.kept for name, _ in kept.ram)


def test_a_rig_for_power_alone_says_nothing_of_resets(tmp_path: Path) -> None:
    rig = make(tmp_path, "ab-right")
    (_, run), *_ = uncut(rig)
    assert run.kept == ()
    assert rig.resets == (False, None)


def test_the_same_rig_is_made_in_another_process(tmp_path: Path) -> None:
    rig = make(tmp_path, "ab-right").with_resets((WORD,))
    assert rig.resets == (True, (WORD,))
    assert rig_spec(rig).resolve().resets == rig.resets  # type: ignore[attr-defined]


# -- what counts of RAM -------------------------------------------------------------------------------------


def test_what_a_reset_finds_and_what_was_missed_comes_from_workers_too(tmp_path: Path) -> None:
    rig = ElfRig(load_elf_board(keeping(tmp_path))).with_resets(())
    _, (state, _) = uncut(rig)
    after = rig.run(rig.run(state, Interruption(3, "pin")).end)
    blocks = blocks_of(state.memory)
    packed = packed_run(after, state, blocks)
    again = packed.unpacked(state, rig.grids, blocks)
    assert (again.kept, again.missed) == (after.kept, (WORD,))
    assert len(again.kept) == len(after.entries) + 1


def test_firmware_without_a_word_to_keep_keeps_none(tmp_path: Path) -> None:
    rig = with_resets(make(tmp_path, "ab-right"))
    assert rig.resets == (True, ())
    for _, run in uncut(rig):
        assert not any(name.startswith("RAM ") for kept in run.kept for name, _ in kept.ram)


def test_a_word_that_is_read_after_a_reset_is_found_and_kept(tmp_path: Path) -> None:
    rig = with_resets(ElfRig(load_elf_board(keeping(tmp_path))))
    assert rig.resets == (True, (WORD,))
    _, (_, run) = uncut(rig)
    assert any(name == f"RAM {WORD:#010x}" for name, _ in run.kept[5].ram)


def test_what_a_session_misses_begins_everything_again(tmp_path: Path) -> None:
    plain = ElfRig(load_elf_board(keeping(tmp_path))).with_resets(())
    tried: list[tuple[bool, tuple[int, ...] | None]] = []

    def judge(rig: object) -> str:
        assert isinstance(rig, ElfRig)
        tried.append(rig.resets)
        _, (state, _) = uncut(rig)
        after = rig.run(state, Interruption(3, "pin")).end
        judged = Judge(rig, rig.bounds, checks=("boots",), cache=True, cover=Coverage())
        return str(judged.chain(State(after, Monitor())).outcome)

    found, outcome = with_all_that_is_kept(plain, judge)
    assert tried == [(True, ()), (True, (WORD,))]
    assert isinstance(found, ElfRig)
    assert "still copying" in outcome


def test_a_campaign_does_not_go_on_with_a_session_that_missed_something(tmp_path: Path) -> None:
    rig = ElfRig(load_elf_board(keeping(tmp_path))).with_resets(())
    with pytest.raises(Missed) as missed:
        explored(rig)
    assert missed.value.words == (WORD,)


def test_all_that_was_left_out_may_be_anything(tmp_path: Path) -> None:
    """Sessions after a reset are the same from all of RAM as from what counts of it."""
    short, whole = (with_resets(make(tmp_path, "ab-right")), make(tmp_path, "ab-right").with_resets(None))
    for (state, run), (exact, _) in zip(uncut(short), uncut(whole), strict=True):
        for entry in range(0, len(run.entries), 5):
            one = short.run(short.run(state, Interruption(entry, "pin")).end)
            other = whole.run(whole.run(exact, Interruption(entry, "pin")).end)
            assert [repr(each) for each in one.entries] == [repr(each) for each in other.entries]
            assert (one.outcome, one.end_us, one.end.memory[0].key) == (
                other.outcome, other.end_us, other.end.memory[0].key,
            )  # fmt: skip


def test_what_the_chip_itself_reads_of_ram_counts_too() -> None:
    """Vectors, frames and what a DMA takes are read by no instruction."""
    machine = Machine(bundled_chip("STM32F103xB"), make_controller)
    warm = WarmResets(machine, (WORD + 8,))
    warm.begin()
    machine.memory.read(WORD + 4, 8)
    machine.memory.write(WORD + 0x10, bytes(4))
    machine.memory.read(WORD + 0x10, 8)
    assert warm.missed() == (WORD + 4, WORD + 0x14)


def test_a_point_where_ram_moves_ends_what_points_have_in_common(tmp_path: Path) -> None:
    rig = ElfRig(load_elf_board(keeping(tmp_path))).with_resets((WORD,))
    _, (state, run) = uncut(rig)
    assert len(set(run.kept)) == 1, "the word stands there all the time"
    moved = replace(run, kept=(*run.kept[:100], *[Kept(watchdog="iwdg")] * (len(run.kept) - 100)))
    bench = EdgeWalker(rig, TEAR_SETS["none"], ("reset",))
    space = Space(rig, state.memory)
    surveyor = Surveyor(rig, space, TEAR_SETS["none"], bench)
    same, other = (Outline(each, surveyor, space, timed=True) for each in (run, moved))
    entered = next(n for n, each in enumerate(run.entries) if isinstance(each, Event))
    assert (same.next_moving(5), other.next_moving(5), other.next_moving(100)) == (entered, 99, entered)
    assert [n for n, (one, two) in enumerate(zip(same.rest, other.rest, strict=True)) if one == two] == [
        len(run.entries)
    ], "all futures differ but the one without an entry"
    assert Outline(moved, surveyor, space, timed=False).next_moving(5) == entered


@pytest.mark.slow
def test_merging_changes_nothing_where_ram_counts(tmp_path: Path) -> None:
    rig = with_resets(ElfRig(load_elf_board(keeping(tmp_path))))
    brute, closed = explored(rig, depth=1), explored(rig)
    assert brute.coverage.broken == closed.coverage.broken
    assert brute.coverage.edge_kinds == closed.coverage.edge_kinds


def test_without_machine_code_the_same_words_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emu.elf.rig.Machine", _slow_machine)
    slow = ElfRig(load_elf_board(keeping(tmp_path))).with_resets(())
    _, (state, _) = uncut(slow)
    after = slow.run(slow.run(state, Interruption(3, "pin")).end)
    assert after.missed == (WORD,)


def _slow_machine(chip: object, make_it: object, *, seed: int, memories: object = ()) -> Machine:
    return Machine(chip, make_controller, seed=seed, native=False)  # type: ignore[arg-type]


# -- campaigns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "broken"), [("reset", {"boots"}), ("cut", set())])
def test_what_only_a_reset_shows_replays_with_all_of_ram(tmp_path: Path, how: str, broken: set[str]) -> None:
    path = (Step(1, 3, how),)
    rig = replayable(ElfRig(load_elf_board(keeping(tmp_path))), path)
    assert isinstance(rig, ElfRig)
    assert rig.resets == ((True, None) if how == "reset" else (False, None))
    judge = Judge(rig, rig.bounds, checks=("boots", "whole"), cache=True, cover=Coverage())
    story = follow(rig, judge, token_for(1, rig.inputs, path, ()))
    assert {breach.check for breach in story.breaches} == broken
    assert ("still copying" in str(story.outcome)) == bool(broken)


def test_the_right_ab_bootloader_holds_with_resets_everywhere_at_any_depth(tmp_path: Path) -> None:
    rig = with_resets(make(tmp_path, "ab-right"))
    verdict = explored(rig)
    assert (verdict.word, verdict.complete) == ("held", True)
    assert verdict.coverage.edge_kinds["hang"] == verdict.coverage.edge_kinds["reset"] > 1000
    assert 0 < verdict.coverage.edge_kinds["timer"] < verdict.coverage.edge_kinds["reset"]
    assert check_live_cuts(rig, TEAR_SETS["none"], 1, 8, EVENT_NAMES) > 32


def test_merging_changes_nothing_about_resets(tmp_path: Path) -> None:
    """The closure, and brute force at depth 1: the same findings of one interruption."""
    rig = with_resets(make(tmp_path, "ab-bug1"))
    brute, closed = explored(rig, depth=1), explored(rig)

    def told(verdict: Verdict) -> dict[str, set[tuple[int, int, str]]]:
        return {
            check: {(f.path[0].run, f.path[0].entry, f.path[0].how) for f in verdict.findings if f.key.check == check}
            for check in {f.key.check for f in verdict.findings}
        }

    assert set(told(brute)) == set(told(closed)) == {"boots"}
    assert all(places <= told(brute)[check] for check, places in told(closed).items())
    assert brute.coverage.broken == closed.coverage.broken
    assert brute.coverage.edge_kinds == closed.coverage.edge_kinds


def test_a_trial_without_a_watchdog_that_hangs_never_ends(tmp_path: Path) -> None:
    verdict = explored(with_resets(make(tmp_path, "ab-bug7")), ("hang",), depth=1)
    found = [finding for finding in verdict.findings if finding.key.check == "reverts"]
    assert found
    assert found[0].message == "the uncommitted image hangs and no timer resets it"


def test_a_hang_without_a_claim_stops_no_campaign(tmp_path: Path) -> None:
    """Without [commit] a hang in the new image breaks nothing that is claimed."""
    rig = with_resets(make(tmp_path, "copy-right"))
    options = Options(tears=TEAR_SETS["none"], depth=ANY, events=("hang",), keeps_new=True, budget_s=0.5)
    closure = Closure(rig, rig.bounds, options)
    closure.explore()
    assert not closure._finds_something()


# -- moments ------------------------------------------------------------------------------------------------


def test_a_session_can_be_interrupted_where_something_was_said(tmp_path: Path) -> None:
    path = board(tmp_path, "stm32f1", "ab-right", "new")
    path.write_text("moments = ['new runs']\n" + path.read_text())
    rig = ElfRig(load_elf_board(path)).with_resets(None)
    _, (state, run) = uncut(rig)
    entry = next(n for n, e in enumerate(run.entries) if isinstance(e, Event) and e.name == NOTE)
    assert run.entries[entry].facts == ("USART1 has said 'new runs'",)  # type: ignore[union-attr]
    walker = EdgeWalker(rig, TEAR_SETS["none"], EVENT_NAMES)
    for how in ("cut", "reset", "hang"):
        child = walker.find(state, run, entry, how)
        assert child is not None
        assert child.running == "new"
        assert rig.run(state, child.edge.interruption()).end.key == child.state.key


def test_kept_is_one_object_where_nothing_moved() -> None:
    from emu.elf.warm import WatchedJournal

    journal = WatchedJournal(None, lambda: Kept((("RAM 0x20000000", 1),)))
    assert not journal.is_due
    journal.entries.append(Event("x", 0))
    assert not journal.is_due
    assert not journal.is_due
    assert len(journal.kept) == 2
    assert journal.kept[0] is journal.kept[1]


def test_the_elf_that_keeps_a_word_is_there() -> None:
    assert (ELF / "stm32f1-keep-bug9.elf").exists()


def test_events_on_a_rig_that_says_nothing_of_resets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="events reset: this rig does not say what a reset finds"):
        explored(make(tmp_path, "ab-right"), ("reset",))
