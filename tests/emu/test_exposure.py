"""How likely findings are: by hand, against drawn cut times tried one by one, and at the edges of what is known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from emu.board import ALL_CHECKS, CheckEntry
from emu.campaign.applicable import chosen_checks
from emu.campaign.closure import Closure
from emu.campaign.cut_times import CutTimes, read_cut_times
from emu.campaign.edges import CUT, EVENT_NAMES, EdgeWalker, tears_in
from emu.campaign.exposure import Exposure, Strike, exposure_of
from emu.campaign.judge import Chain, Judge, State
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Coverage, Verdict
from emu.plain_rig import PlainRig
from emu.report.exposure import exposure_entry, exposure_text
from emu.reset import Reset
from emu.rig import Subject
from flash.journal import Operation
from flash.tears import TEAR_SETS, TearSet
from flash.tears.progress import progress_of
from tests.emu.broken import EagerLoader
from tests.emu.helpers import rig_on
from tests.emu.verdicts import ASKED
from tests.field.bug import rig_of, sectors
from tests.field.second_interruption import BUG as SECOND
from tests.flash.small_parts import SERIAL

BOUNDS = CheckEntry(apply=ALL_CHECKS)


def explored(rig: Subject, **options: object) -> tuple[Closure, Verdict]:
    closure = Closure(rig, rig.bounds, replace(Options(depth=ANY, keeps_new=rig.keeps_new), **options))  # type: ignore[arg-type]
    return closure, closure.explore()


def exposed(rig: Subject, times: CutTimes | None = None, **options: object) -> tuple[Verdict, Exposure]:
    closure, verdict = explored(rig, **options)
    assert closure.tally is not None
    return verdict, exposure_of(closure.tally, verdict.findings, times)


def of_check(verdict: Verdict, exposure: Exposure, check: str, cuts: int) -> float:
    return exposure.chance([n for n, f in enumerate(verdict.findings) if f.key.check == check], cuts)


# -- by hand ---------------------------------------------------------------------------------------------


def careless(reset: Reset) -> str | None:
    """One record, erased and written anew; blank is the end."""
    record = reset.flash["record"]
    if record.read(0, 1) == b"\xff":
        return "no record"
    reset.handover("record")
    if reset.attempt() is not None:
        reset.wait(1000)
        record.erase(0, 64)
        reset.wait(500)
        record.program(0, b"\x00")
        reset.wait(2000)
        reset.restart()
    return None


def careless_rig() -> PlainRig:
    shipped = {"record": b"\x01"}
    return rig_of(
        careless, parts=SERIAL, windows=sectors("record"), images={"old": b"\x01", "new": b"\x00"}, factory=shipped
    )


def times_of_careless() -> tuple[int, int, int, int, int]:
    """Begin and end of the erase and of the program, and how long both sessions take."""
    rig = careless_rig()
    run = rig.run(rig.initial(1))
    following = rig.run(run.end)
    erase, program = (entry for entry in run.entries if isinstance(entry, Operation))
    return erase.start_us, erase.end_us, program.start_us, program.end_us, run.end_us + following.end_us


def test_clean_cuts_by_hand() -> None:
    """Blank from the middle of the erase on (before it: not begun) to the middle of the program."""
    verdict, exposure = exposed(careless_rig(), tears=TEAR_SETS["none"])
    erase, erased, program, programmed, end = times_of_careless()
    assert (erase >= 1000, program - erased, end - programmed >= 2000) == (True, 500, True)
    blank_us = (erased - erase) / 2 + 500 + (programmed - program) / 2
    assert exposure.device_us == end
    assert of_check(verdict, exposure, "boots", 1) == pytest.approx(blank_us / end, rel=1e-12)
    assert (exposure.after, exposure.untried) == (0, (0,))


def test_each_finding_by_hand() -> None:
    verdict, exposure = exposed(careless_rig(), tears=TEAR_SETS["none"])
    bricked = [n for n, f in enumerate(verdict.findings) if f.key.check == "boots"]
    erase, erased, program, programmed, end = times_of_careless()
    assert len(bricked) == 1
    assert exposure.chance(bricked, 1) == pytest.approx(((erased - erase) / 2 + 500 + (programmed - program) / 2) / end)


def test_cut_times_of_a_user() -> None:
    erase, erased, _, _, end = times_of_careless()
    text = f"{erased + 1}\n{erased + 2}\n{end + 5}\n{erase - 1}\n"
    verdict, exposure = exposed(careless_rig(), read_cut_times(text, "mine"), tears=TEAR_SETS["none"])
    assert of_check(verdict, exposure, "boots", 1) == 0.5
    assert exposure.after == 0.25


def test_erases_last_longer_than_programs() -> None:
    """Of two moments that are as bad, the one in the longer operation is the likelier."""
    verdict, exposure = exposed(rig_on("stm32f103", firmware=EagerLoader()))
    by_place = {f.path[0].entry: exposure.chance([n], 1) for n, f in enumerate(verdict.findings)}
    assert by_place[7] > 5 * by_place[6] > 0  # the wait for the link is behind 7


# -- against drawn times, one by one ----------------------------------------------------------------------


class Reference:
    """Draws moments and tries each: cuts by the walker, judges by the judge. Knows no graph and no distribution."""

    def __init__(self, rig: Subject, tears: TearSet) -> None:
        self._rig, self._tears = rig, tears
        self._geometry = {name: part.geometry for name, part in zip(rig.chip_names, rig.parts, strict=True)}
        checks = chosen_checks(rig, rig.bounds, keeps_new=rig.keeps_new, unsteady="not here")[0]
        self._judge = Judge(rig, rig.bounds, checks=checks, cache=True, cover=Coverage())
        self._chain = cache(self._judged)
        self._children = cache(self._cut)
        self._states: dict[tuple[bytes, Monitor], State] = {}

    def share(self, attempts: int, check: str, cuts: int, draws: int, seed: int) -> float:
        draw = random.Random(seed)
        root = State(self._rig.initial(attempts), Monitor())
        return sum(self._breaks(root, check, cuts, draw) for _ in range(draws)) / draws

    def _breaks(self, state: State, check: str, cuts: int, draw: random.Random) -> bool:
        for _ in range(cuts):
            state = self._struck(state, draw)
        return any(breach.check == check for breach in self._known(state).breaches)

    def _known(self, state: State) -> Chain:
        self._states.setdefault(state.key, state)
        return self._chain(state.key)

    def _judged(self, key: tuple[bytes, Monitor]) -> Chain:
        return self._judge.chain(self._states[key])

    def _struck(self, state: State, draw: random.Random) -> State:
        sessions = self._known(state).sessions
        moment = draw.uniform(0, sum(judged.run.end_us for judged in sessions))
        for number, judged in enumerate(sessions):
            if moment <= judged.run.end_us:
                entry, how = self._edge(state, number, moment, draw)
                return self._children(state.key, number)[entry, how]
            moment -= judged.run.end_us
        raise AssertionError("beyond the end")

    def _edge(self, state: State, number: int, moment: float, draw: random.Random) -> tuple[int, str]:
        entries = self._known(state).sessions[number].run.entries
        for index, entry in enumerate(entries):
            if isinstance(entry, Operation) and entry.start_us <= moment < entry.end_us:
                return self._inside(state, number, index, entry, moment, draw)
            if moment < (entry.start_us if isinstance(entry, Operation) else entry.time_us):
                return index, CUT
        return len(entries), CUT

    def _inside(
        self, state: State, number: int, index: int, operation: Operation, moment: float, draw: random.Random
    ) -> tuple[int, str]:
        share = (moment - operation.start_us) / (operation.end_us - operation.start_us)
        edges = self._children(state.key, number)
        hows = [how for entry, how in edges if entry == index and how != CUT]
        if not hows:
            return (index, CUT) if share < 0.5 else (index + 1, CUT)
        how = draw.choice(hows)
        progress = {}
        for each in hows:
            (tear,) = tears_in(each)
            assert tear is not None
            known = progress_of(tear, operation, self._geometry[operation.device])
            if known is not None:
                progress[each] = known
        if how not in progress:
            return index, how
        behind = max((p for p in progress.values() if p <= share), default=min(progress.values()))
        return index, draw.choice([each for each, known in progress.items() if known == behind])

    def _cut(self, key: tuple[bytes, Monitor], number: int) -> dict[tuple[int, str], State]:
        judged = self._known(self._states[key]).sessions[number]
        walker = EdgeWalker(self._rig, self._tears, ())
        return {
            (child.edge.entry, child.edge.how): State(child.state, judged.remembered(child.edge))
            for child in walker.children(judged.state.device, judged.run)
        }


def rigs() -> Iterator[object]:
    yield pytest.param(careless_rig, "T1", 1, "boots", 1, id="careless")
    yield pytest.param(careless_rig, "T2", 2, "boots", 1, id="careless-drawn-tears")
    yield pytest.param(lambda: SECOND.rig(SECOND.wrong), "none", 1, "whole", 2, id="second-interruption")
    yield pytest.param(lambda: SECOND.rig(SECOND.wrong), "T1-coarse", 1, "whole", 2, id="second-interruption-torn")
    yield pytest.param(lambda: rig_on("stm32f103", firmware=EagerLoader()), "T1-coarse", 1, "whole", 1, id="eager")


@pytest.mark.parametrize(("make", "tears", "attempts", "check", "cuts"), list(rigs()))
def test_as_often_as_when_moments_are_drawn_and_tried(
    make: object, tears: str, attempts: int, check: str, cuts: int
) -> None:
    draws = 12_000
    rig = make()  # type: ignore[operator]
    verdict, exposure = exposed(rig, tears=TEAR_SETS[tears], attempts=attempts)
    computed = of_check(verdict, exposure, check, cuts)
    assert 0 < computed < 1
    drawn = Reference(rig, TEAR_SETS[tears]).share(attempts, check, cuts, draws, seed=11)
    assert abs(drawn - computed) < 4 * (computed * (1 - computed) / draws) ** 0.5


# -- at the edges of what is known ------------------------------------------------------------------------


def test_a_design_that_holds_is_exposed_to_nothing() -> None:
    verdict, exposure = exposed(rig_on("demo"), tears=TEAR_SETS["none"], attempts=2)
    assert (verdict.word, exposure.strikes, exposure.untried) == ("held", (), (0.0,))
    entry = exposure_entry(exposure, verdict, ASKED)
    assert (entry["any"], entry["findings"]) == ([], [])
    assert "nothing was found" in exposure_text(entry)


def test_what_a_campaign_has_not_reached_is_said() -> None:
    closure, verdict = explored(rig_on("demo"), tears=TEAR_SETS["none"], budget_s=1e-9)
    assert not verdict.complete
    assert closure.tally is not None
    exposure = exposure_of(closure.tally, verdict.findings)
    assert exposure.untried == (pytest.approx(1.0),)
    assert "was not tried" in exposure_text(exposure_entry(exposure, verdict, ASKED))


def test_a_finding_that_takes_no_cut_is_every_update_and_one_of_an_event_has_no_figure() -> None:
    board = rig_on("stm32f103", firmware=EagerLoader())
    verdict, exposure = exposed(board, tears=TEAR_SETS["none"], events=EVENT_NAMES, keep_going=True)
    entry = exposure_entry(exposure, verdict, ASKED)
    by_event = [n for n, f in enumerate(verdict.findings) if f.path and all(s.how in EVENT_NAMES for s in f.path)]
    assert by_event
    assert {entry["findings"][n]["per_million"] for n in by_event} == {None}
    by_cut = [n for n, f in enumerate(verdict.findings) if f.path and all(s.how == CUT for s in f.path)]
    assert all(entry["findings"][n]["per_million"] > 0 for n in by_cut)
    assert "takes a reset line" in exposure_text(entry)


def test_an_update_that_breaks_uncut_breaks_every_time() -> None:
    def twice(reset: Reset) -> None:
        reset.handover("record")
        if reset.attempt() is not None:
            for _ in range(BOUNDS.max_erases + 1):
                reset.flash["record"].erase(0, 64)
            reset.flash["record"].program(0, b"\x00")

    rig = rig_of(
        twice, parts=SERIAL, windows=sectors("record"), images={"old": b"\x01", "new": b"\x00"},
        factory={"record": b"\x01"},
    )  # fmt: skip
    verdict, exposure = exposed(rig, tears=TEAR_SETS["none"])
    (worn,) = [n for n, f in enumerate(verdict.findings) if f.key.check == "wear" and not f.path]
    entry = exposure_entry(exposure, verdict, ASKED)
    assert entry["findings"][worn]["per_million"] == 1_000_000
    assert "without any cut" in exposure_text(entry)


def test_findings_of_one_group_are_not_counted_twice() -> None:
    verdict, exposure = exposed(rig_on("stm32f103", firmware=EagerLoader()))
    entry = exposure_entry(exposure, verdict, ASKED)
    (total,) = entry["any"]
    (check,) = entry["checks"]
    parts = sum(item["per_million"] for item in entry["findings"])
    assert total["per_million"] == pytest.approx(check["per_million"])
    assert check["per_million"] <= parts + 1e-6
    assert len(entry["findings"]) == len(verdict.findings)


def test_two_findings_of_one_moment_are_one_moment() -> None:
    alone, both, other = frozenset({0}), frozenset({0, 1}), frozenset({1})
    strikes = (Strike(1, 0.1, alone), Strike(1, 0.2, both), Strike(1, 0.05, other), Strike(2, 0.5, both))
    exposure = Exposure(CutTimes.uniform(10), 10, strikes, 0.0, (0.0, 0.0))
    assert exposure.chance([0], 1) == pytest.approx(0.3)
    assert exposure.chance([1], 1) == pytest.approx(0.25)
    assert exposure.chance([0, 1], 1) == pytest.approx(0.35)
    assert exposure.chance([0, 1], 2) == pytest.approx(0.5)
