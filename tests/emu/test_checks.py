"""Each check against a journal made by hand: one that breaks it, and one beside it that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import pytest

from bootloader.config import RECORD_SIZE, BootConfig, SlotConfig, pack_config
from emu.board import ALL_CHECKS, CheckEntry, CheckName
from emu.campaign.applicable import inapplicable
from emu.campaign.breach import Breach
from emu.campaign.checks import CHECKS, Scene, monitors_of
from emu.campaign.closure import Closure
from emu.campaign.config_watch import ConfigWatch
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.wear import erases_of, worn_out
from emu.events import APPLIED, ATTEMPT, CLAIMED, COMMIT_BEGUN, COMMIT_RETURNED, FILES, HANDOVER, KEPT
from emu.firmware import ModelFirmware
from emu.rig import Files, KnownFiles, Outcome, Place, Rig, Run
from flash.journal import Entry, Event, Journal, Misuse, Operation
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.emu.helpers import BOARDS, events, explorer_on, known_edges, life, operations, rig_on
from tests.mutants.zoo import Campaign

RIG = rig_on("demo")
STATE = RIG.initial(1)
CONFIGS, SLOTS = RIG.places.configs, RIG.places.slots
FRESH, BOUNDS = Monitor(), CheckEntry()
OLD_RUNS, NEW_RUNS = Outcome("settled", "old", True), Outcome("settled", "new", True)
HUNG, RESTARTS = Outcome("hung", detail="no timer is running"), Outcome("reset", cause="software")


def enters(image: str, slot: int | None = None, *, trial: bool = False) -> Event:
    return Event(HANDOVER, 0, (int(image == "new") if slot is None else slot, image, trial))


def claims(what: str, *, backed: bool = True) -> Event:
    return Event(CLAIMED, 0, (what, backed))


def event(name: str) -> Event:
    return Event(name, 0)


def program(address: int, length: int = 16, data: bytes = b"") -> Operation:
    data = data or bytes(length)
    return Operation("program", "nor", address, len(data), data, 0, 1)


def erase(address: int, length: int = 0x1000) -> Operation:
    return Operation("erase", "nor", address, length, b"", 0, 1)


class FilesRig:
    """The same rig, with four blocks of filesystem in each slot. A user has written ``own`` and changed ``both``."""

    places = replace(RIG.places, fs_size=0x4000)
    files = KnownFiles((("both", "u"), ("gone", "o"), ("own", "u")), (("both", "n"), ("gone", "o"), ("own", "u")))

    def __getattr__(self, name: str) -> Any:
        return getattr(RIG, name)


WITH_FILES = FilesRig()
OLD_FILES, NEW_FILES = WITH_FILES.files.old, WITH_FILES.files.new


def holds(image: str, files: Files, problem: str = "") -> Event:
    return Event(FILES, 0, (int(image == "new"), image, files, problem))


@dataclass(frozen=True)
class Case:
    """``at``: the entries at which the check must break; none: it must hold."""

    check: CheckName
    entries: Sequence[Entry]
    at: tuple[int, ...] = ()
    outcome: Outcome = OLD_RUNS
    start: Monitor = FRESH
    bounds: CheckEntry = BOUNDS
    rig: Rig = RIG

    def scene(self) -> Scene:
        run = Run(list(self.entries), self.outcome, STATE)
        return Scene(STATE, run, monitors_of(self.start, run), self.rig, self.bounds)


TRIED = Monitor(entered=True)
COMMITTED = Monitor(entered=True, commit_begun=True, commit_returned=True)
LIED_TO = Monitor(claimed=APPLIED, is_backed=False)
TOLD_SO = Monitor(claimed=APPLIED)
KEEPS = Monitor(entered=True, claimed=KEPT)
HALTED = Outcome("halted", detail="nothing to boot")
A, B = (place.address for place in SLOTS)

CASES = {
    "boots: halted": Case("boots", [], (0,), HALTED),
    "boots: hung outside a trial": Case("boots", [enters("old")], (1,), HUNG),
    "boots: hung after commit": Case("boots", [enters("new")], (1,), HUNG, COMMITTED),
    "boots: hung on probation is the business of reverts": Case("boots", [enters("new")], (), HUNG),
    "boots: the bootloader hangs after a trial": Case("boots", [], (0,), HUNG, TRIED),
    "boots: settled": Case("boots", [enters("old")]),
    "boots: restarts": Case("boots", [], (), RESTARTS),
    "whole: a mix runs": Case("whole", [enters("unknown", 1)], (0,)),
    "whole: known images run": Case("whole", [enters("old"), enters("new")]),
    "durable: old after commit": Case("durable", [enters("old")], (0,), start=COMMITTED),
    "durable: unknown after commit": Case("durable", [enters("unknown", 1)], (0,), start=COMMITTED),
    "durable: commit in this session": Case(
        "durable", [enters("new"), event(COMMIT_BEGUN), event(COMMIT_RETURNED), enters("old")], (3,)
    ),
    "durable: new after commit": Case("durable", [enters("new")], (), NEW_RUNS, COMMITTED),
    "durable: old while commit was under way": Case(
        "durable", [enters("old")], (), start=Monitor(entered=True, commit_begun=True)
    ),
    "truthful: applied, never written, and old runs": Case("truthful", [enters("old")], (0, 1), start=LIED_TO),
    "truthful: applied, never written, said in this session": Case(
        "truthful", [enters("old"), claims(APPLIED, backed=False)], (2,)
    ),
    "truthful: kept, and old runs": Case("truthful", [enters("old")], (0, 1), start=KEEPS),
    "truthful: kept, and an unknown one runs": Case("truthful", [enters("unknown")], (0,), RESTARTS, KEEPS),
    "truthful: kept, and not committed": Case("truthful", [], (0,), Outcome("settled", "new", False), KEEPS),
    "truthful: applied and true, the trial was spent": Case(
        "truthful", [enters("old")], start=replace(TOLD_SO, is_spent=True)
    ),
    "truthful: applied, and the bootloader refuses it": Case("truthful", [enters("old")], (0, 1), start=TOLD_SO),
    "truthful: applied, and the device does not restart": Case("truthful", [enters("old"), claims(APPLIED)], (2,)),
    "truthful: applied again, in a session of its own": Case(
        "truthful", [claims(APPLIED), enters("old")], (1, 2), start=replace(TOLD_SO, is_spent=True)
    ),
    "truthful: applied, never written, but it has run": Case(
        "truthful", [enters("new"), enters("old")], (), OLD_RUNS, LIED_TO
    ),
    "truthful: applied, on trial for good": Case("truthful", [], (), Outcome("settled", "new", False), LIED_TO),
    "truthful: kept, and new runs": Case("truthful", [enters("new")], (), NEW_RUNS, KEEPS),
    "truthful: kept, and it goes on": Case("truthful", [enters("new")], (), RESTARTS, KEEPS),
    "truthful: nobody was told anything": Case("truthful", [enters("old")]),
    "truthful: a new attempt forgets": Case("truthful", [event(ATTEMPT), enters("old")], (), start=KEEPS),
    "durable: a new attempt forgets": Case("durable", [event(ATTEMPT), enters("old")], (), start=COMMITTED),
    "reverts: entered twice": Case("reverts", [enters("new", trial=True)], (0,), NEW_RUNS, TRIED),
    "reverts: entered twice in one session": Case("reverts", [enters("new"), enters("new")], (1,), NEW_RUNS),
    "reverts: stays without commit": Case("reverts", [enters("new")], (1,), Outcome("settled", "new", False)),
    "reverts: hangs uncommitted": Case("reverts", [enters("new")], (1,), HUNG),
    "reverts: entered once": Case("reverts", [enters("new", trial=True)], (), RESTARTS),
    "reverts: entered again while commit was under way": Case(
        "reverts", [enters("new")], (), NEW_RUNS, Monitor(entered=True, commit_begun=True)
    ),
    "reverts: entered again after a new attempt": Case(
        "reverts", [event(ATTEMPT), enters("new")], (), RESTARTS, TRIED
    ),
    "reverts: goes back": Case("reverts", [enters("old")], (), OLD_RUNS, TRIED),
    "reverts: hangs committed": Case("reverts", [enters("new")], (), HUNG, COMMITTED),
    "reverts: the bootloader hangs after a trial": Case("reverts", [], (), HUNG, TRIED),
    "in-place: programs the running slot": Case("in-place", [enters("old"), program(A + 0x800)], (1,)),
    "in-place: erases the running slot": Case("in-place", [enters("old"), erase(A)], (1,)),
    "in-place: a block that ends in the running slot": Case("in-place", [enters("new"), erase(A, 0x20000)], (1,)),
    "in-place: the last byte of the running slot": Case(
        "in-place", [enters("old"), program(A + SLOTS[0].size - 1, data=b"\0")], (1,)
    ),
    "in-place: programs the newest config": Case("in-place", [program(CONFIGS[0].address)], (0,)),
    "in-place: erases the newest config": Case("in-place", [erase(CONFIGS[0].address)], (0,)),
    "in-place: writes the other slot": Case("in-place", [enters("old"), erase(B), program(B), program(B + 0xFF00)]),
    "in-place: the bootloader writes the slot the config names": Case("in-place", [erase(A), enters("new")], (0,)),
    "in-place: the bootloader writes the other slot": Case("in-place", [erase(B), enters("old")]),
    "in-place: writes the old config": Case("in-place", [erase(CONFIGS[1].address), program(CONFIGS[1].address)]),
    "in-place: an image on trial writes its own filesystem": Case(
        "in-place", [enters("new", trial=True), erase(B + 0xC000), program(B + SLOTS[1].size - 16)], rig=WITH_FILES
    ),
    "in-place: an image on trial writes in front of its filesystem": Case(
        "in-place", [enters("new", trial=True), program(B + 0xBFF0)], (1,), rig=WITH_FILES
    ),
    "in-place: an image that has committed writes its own filesystem": Case(
        "in-place", [enters("new", trial=True), event(COMMIT_RETURNED), program(B + 0xC000)], (2,), rig=WITH_FILES
    ),
    "in-place: a filesystem is written outside of a trial": Case(
        "in-place", [enters("new"), program(B + 0xC000)], (1,), rig=WITH_FILES
    ),
    "in-place: the bootloader writes the filesystem of the slot the config names": Case(
        "in-place", [program(A + 0xC000)], (0,), rig=WITH_FILES
    ),
    "in-place: without a filesystem the whole slot is protected in a trial": Case(
        "in-place", [enters("new", trial=True), program(B + SLOTS[1].size - 16)], (1,)
    ),
    "keeps-files: all are there": Case("keeps-files", [holds("old", OLD_FILES)], rig=WITH_FILES),
    "keeps-files: carried over and shipped": Case("keeps-files", [holds("new", NEW_FILES)], rig=WITH_FILES),
    "keeps-files: one is lost": Case("keeps-files", [event(ATTEMPT), holds("new", NEW_FILES[:2])], (1,),
                                     rig=WITH_FILES),
    "keeps-files: the user's wins over the shipped one": Case(
        "keeps-files", [holds("new", OLD_FILES)], (0,), rig=WITH_FILES
    ),
    "keeps-files: the old image has the shipped one": Case(
        "keeps-files", [holds("old", NEW_FILES)], (0,), rig=WITH_FILES
    ),
    "keeps-files: one is too many": Case(
        "keeps-files", [holds("old", (*OLD_FILES, ("more", "m")))], (0,), rig=WITH_FILES
    ),
    "keeps-files: it cannot be mounted": Case("keeps-files", [holds("old", (), "corrupt")], (0,), rig=WITH_FILES),
    "keeps-files: an unknown image is the business of whole": Case(
        "keeps-files", [holds("unknown", ())], rig=WITH_FILES
    ),
    "legal-flash: a misuse": Case("legal-flash", [Misuse("nor", 0, 1, "unerased", "needs a bit back", 0)], (0,)),
    "legal-flash: operations": Case("legal-flash", [erase(B), program(B)]),
}  # fmt: skip


def closure_on(rig: Rig, tears: str, readings: tuple[str | None, ...]) -> Closure:
    """A campaign of any depth that is about to begin, on a board that claims everything."""
    options = Options(tears=TEAR_SETS[tears], depth=ANY, resolutions=readings, keeps_new=rig.keeps_new)
    return Closure(rig, BOUNDS, options)


def judged(case: Case) -> list[Breach]:
    return list(CHECKS[case.check].judge(case.scene()))


@pytest.mark.parametrize("name", CASES)
def test_a_check_breaks_exactly_where_its_promise_is_broken(name: str) -> None:
    case = CASES[name]
    found = judged(case)
    assert [breach.entry for breach in found] == list(case.at)
    assert all(breach.check == case.check and breach.message for breach in found)


def test_every_check_has_a_case_that_breaks_it_and_one_that_does_not() -> None:
    judged_here = set(ALL_CHECKS) - {"retries", "steady", "wear"}  # judged by campaigns: they look beyond one session
    assert {case.check for case in CASES.values() if case.at} == judged_here
    assert {case.check for case in CASES.values() if not case.at} == judged_here


def test_the_table_has_every_check_a_board_may_name() -> None:
    assert tuple(CHECKS) == ALL_CHECKS == get_args(CheckName)
    assert all(name == check.name and check.promise for name, check in CHECKS.items())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keeps-files: one is lost", "the new image runs: own is lost"),
        ("keeps-files: the user's wins over the shipped one",
         "the new image runs: both is the old one, not what was shipped"),
        ("keeps-files: the old image has the shipped one", "the old image runs: both has other content"),
        ("keeps-files: one is too many", "the old image runs: more is one too many"),
        ("keeps-files: it cannot be mounted", "the old image runs: its filesystem cannot be read: corrupt"),
    ],
)  # fmt: skip
def test_keeps_files_says_which_file_and_what_is_wrong_with_it(name: str, words: str) -> None:
    assert [breach.message for breach in judged(CASES[name])] == [words]


def test_keeps_files_names_three_files_and_counts_the_rest() -> None:
    extra: Files = tuple((f"more{n}", "m") for n in range(5))
    (breach,) = judged(Case("keeps-files", [holds("old", (*OLD_FILES, *extra))], rig=WITH_FILES))
    assert breach.message.endswith("more2 is one too many, and 2 more")


def test_the_promise_of_reverts_covers_being_stuck() -> None:
    """A hang without any timer is filed under it: the words must say so."""
    assert "never stays" in CHECKS["reverts"].promise
    assert "hung" in CHECKS["reverts"].promise


@pytest.mark.parametrize(
    ("bounds", "keeps_new", "snapshot", "lacks", "left_out"),
    [
        (CheckEntry(), True, True, {}, {}),
        (CheckEntry(), False, True, {}, {"retries": "not meant to stay"}),
        (CheckEntry(), True, False, {}, {"in-place": "no snapshots"}),
        (CheckEntry(), True, True, {"keeps-files": "no filesystem"}, {"keeps-files": "no filesystem"}),
        (CheckEntry(apply=ALL_CHECKS[1:]), True, True, {}, {"boots": "the board does not claim it"}),
        (
            CheckEntry(apply=("boots",)), False, False, {"keeps-files": "no filesystem"},
            dict.fromkeys(ALL_CHECKS[1:], "the board does not claim it"),
        ),
    ],
)  # fmt: skip
def test_a_check_that_does_not_apply_has_a_reason(
    bounds: CheckEntry, keeps_new: bool, snapshot: bool, lacks: dict[str, str], left_out: dict[str, str]
) -> None:
    reasons = inapplicable(bounds, keeps_new=keeps_new, snapshot=snapshot, lacks=lacks)
    assert reasons.keys() == left_out.keys()
    assert all(why in reasons[name] for name, why in left_out.items())  # type: ignore[index]


@pytest.mark.parametrize("app", ["healthy", "hangs", "commits-late"])
@pytest.mark.parametrize("board", BOARDS)
def test_what_applies_and_what_a_campaign_judges_are_the_same(board: str, app: str) -> None:
    rig = rig_on(board, app=app)
    reasons = inapplicable(
        rig.board.document.checks, keeps_new=rig.keeps_new, snapshot=rig.capabilities.snapshot,
        configs=bool(rig.places.configs), lacks=rig.lacks,
    )  # fmt: skip
    explorer, closure = explorer_on(rig), closure_on(rig, "T3", tuple(RESOLUTIONS))
    assert closure.left_out == reasons
    for judged_here, left_out in ((explorer.checks, {*reasons, "steady"}), (closure.checks, set(reasons))):
        assert set(judged_here) | left_out == set(ALL_CHECKS)
        assert not set(judged_here) & left_out


@pytest.mark.parametrize(
    ("tears", "readings", "why"),
    [
        ("none", tuple(RESOLUTIONS), "tears none leave no weak cells"),
        ("T2", tuple(RESOLUTIONS), "tears T2 leave no weak cells"),
        ("T2", (None,), "tears T2 leave no weak cells"),
        ("T3", (None,), "weak cells read in one way only; without --resolution all are tried"),
        ("T3", ("as-old",), "weak cells read in one way only; without --resolution all are tried"),
        ("T3", ("as-old", "as-new"), ""),
        ("T3-coarse", tuple(RESOLUTIONS), ""),
    ],
)
def test_steady_applies_at_any_depth_where_weak_cells_can_be_and_read_in_more_than_one_way(
    tears: str, readings: tuple[str | None, ...], why: str
) -> None:
    closure = closure_on(rig_on("demo"), tears, readings)
    assert closure.left_out.get("steady", "") == why
    assert ("steady" in closure.checks) == (not why)


def test_a_board_that_does_not_claim_steady_says_so_before_anything_else() -> None:
    bounds = CheckEntry(apply=("boots",))
    options = Options(tears=TEAR_SETS["T2"], depth=ANY)
    assert "does not claim" in Closure(RIG, bounds, options).left_out["steady"]


@pytest.mark.parametrize("board", BOARDS)
def test_no_check_is_broken_by_a_life_without_interruption(board: str) -> None:
    rig = rig_on(board)
    monitor = Monitor()
    for state, run in life(rig):
        monitors = monitors_of(monitor, run)
        monitor = monitors[-1]
        scene = Scene(state, run, monitors, rig, CheckEntry())
        assert [breach for check in CHECKS.values() for breach in check.judge(scene)] == []


def test_a_life_with_a_reboot_exercises_every_check_but_retries_and_what_needs_weak_cells_or_a_peer() -> None:
    rig = Campaign(board="files").rig(ModelFirmware)
    sessions = life(rig)
    sessions.append((sessions[-1][1].end, rig.run(sessions[-1][1].end)))
    counts = dict.fromkeys(ALL_CHECKS, 0)
    monitor = Monitor()
    for state, run in sessions:
        monitors = monitors_of(monitor, run)
        monitor = monitors[-1]
        for name, check in CHECKS.items():
            counts[name] += check.counts(Scene(state, run, monitors, rig, CheckEntry()))
    assert [name for name, count in counts.items() if not count] == ["retries", "truthful", "steady"]


@pytest.mark.parametrize("met_weak", [False, True])
def test_a_session_exercises_steady_when_it_meets_weak_cells(met_weak: bool) -> None:
    run = Run([enters("old")], OLD_RUNS, STATE, met_weak=met_weak)
    scene = Scene(STATE, run, monitors_of(FRESH, run), RIG, BOUNDS)
    assert CHECKS["steady"].counts(scene) == int(met_weak)
    assert list(CHECKS["steady"].judge(scene)) == []


# -- wear ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "worn"),
    [
        ([erase(B)] * 3, True),
        ([erase(B)] * 2, False),
        ([erase(B + n * 0x1000) for n in range(5)], False),
        ([erase(B, 0x8000)] * 3, True),
        ([erase(B, 0x8000), erase(B, 0x8000), erase(B + 0x3000)], True),
        ([erase(B, 0x8000), erase(B + 0x3000), erase(B + 0x3000)], True),
        ([erase(B, 0x8000), erase(B + 0x3000), erase(B + 0x8000)], False),
    ],
    ids=["one too many", "as many as allowed", "spread", "blocks", "a sector in a block", "the other way", "beside"],
)
def test_a_sector_wears_with_every_erase_that_covers_it(done: list[Entry], worn: bool) -> None:
    run = Run(done, OLD_RUNS, STATE)
    found = list(worn_out(erases_of(run), CheckEntry(max_erases=2), 7))
    assert [(breach.check, breach.entry) for breach in found] == [("wear", 7)] * len(found)
    assert bool(found) == worn


# -- the monitor -----------------------------------------------------------------------------------------


def test_the_monitor_remembers_entry_and_commit_until_the_next_attempt() -> None:
    journal: list[Entry] = [
        enters("old"), event(ATTEMPT), program(B), enters("new"), event(COMMIT_BEGUN), event(COMMIT_RETURNED),
        enters("new"), event(ATTEMPT),
    ]  # fmt: skip
    monitors = monitors_of(Monitor(), Run(journal, OLD_RUNS, STATE))
    assert [monitor.at_reset for monitor in monitors] == [
        Monitor(), Monitor(), Monitor(), Monitor(), TRIED, replace(TRIED, commit_begun=True), COMMITTED, COMMITTED,
        Monitor(),
    ]  # fmt: skip
    assert [monitor.running for monitor in monitors] == [-1, *[journal[0].facts[0]] * 3, *[journal[3].facts[0]] * 5]
    assert [monitor.on_probation for monitor in monitors] == [False] * 4 + [True] + [False] * 4


def test_the_monitor_does_not_count_the_old_image_or_a_mix_as_entered() -> None:
    assert Monitor().after(enters("old")).at_reset == Monitor()
    assert Monitor().after(enters("unknown", 1)).at_reset == Monitor()


def test_a_trial_may_be_spent_where_a_bootloader_ends_without_a_hand_over() -> None:
    spent = replace(TOLD_SO, is_spent=True)
    assert TOLD_SO.at_reset == spent.at_reset == spent
    assert TOLD_SO.after(enters("old")).at_reset == TOLD_SO, "what ends behind the hand-over spends no trial"
    for nothing_owed in (Monitor(), LIED_TO, KEEPS, replace(TOLD_SO, entered=True)):
        assert nothing_owed.at_reset == nothing_owed


# -- ConfigWatch -----------------------------------------------------------------------------------------


def record(sequencer: int) -> bytes:
    return pack_config(BootConfig(sequencer, 0, None, True, False, False, 0, (SlotConfig(), SlotConfig())))


def test_the_watch_begins_with_the_factory_record_and_follows_operations() -> None:
    watch = ConfigWatch(STATE, RIG.places, RIG)
    base = CONFIGS[1].address
    assert watch.newest == 0
    first = watch.configs.copies[0].config
    assert first is not None
    raw = record(first.sequencer - 1)
    watch.apply(1, erase(base))
    watch.apply(1, program(base, data=raw[:100]))
    assert watch.newest == 0, "a record that is not whole does not count"
    watch.apply(1, program(base + 100, data=raw[100:]))
    assert watch.newest == 1
    watch.apply(1, program(base + 0x800, data=bytes(256)))
    assert watch.newest == 1, "what lies behind the record does not matter"
    watch.apply(1, program(base, data=b"\0"))
    assert watch.newest == 0
    watch.apply(0, erase(CONFIGS[0].address))
    assert watch.newest is None


def test_an_operation_that_begins_before_the_copy_counts_where_it_meets_it() -> None:
    watch = ConfigWatch(STATE, RIG.places, RIG)
    raw = record(5)
    watch.apply(1, Operation("program", "nor", CONFIGS[1].address - 64, 192, bytes(64) + raw, 0, 1))
    assert watch.newest == 1
    watch.apply(1, Operation("erase", "nor", CONFIGS[1].address - 0x1000, 0x2000, b"", 0, 1))
    assert watch.newest == 0


def test_an_operation_of_a_later_sector_of_the_copy_changes_nothing() -> None:
    watch = ConfigWatch(STATE, RIG.places, RIG)
    watch.apply(0, Operation("erase", "nor", CONFIGS[0].address + RECORD_SIZE, 64, b"", 0, 1))
    assert watch.newest == 0


@pytest.mark.parametrize("board", BOARDS)
def test_from_every_state_a_cut_leaves_the_watch_and_the_firmware_agree_on_the_newest_record(board: str) -> None:
    """The watch reads snapshots by the book; the firmware reads flash, with its ECC faults."""
    rig, edges = known_edges(board)
    for _, _, child in edges:
        if child.edge.kind == "prefix":
            continue
        for chip, snapshot in zip(rig.device.chips, child.state.memory, strict=True):
            chip.restore(snapshot)
        session = rig.device.reset("power", Journal(), None, {})
        by_firmware = rig.firmware.store(session).read().newest
        assert ConfigWatch(child.state, rig.places, rig).newest == by_firmware, child.edge


@pytest.mark.parametrize("board", BOARDS)
def test_following_a_session_the_watch_ends_where_the_next_session_begins(board: str) -> None:
    rig = rig_on(board)
    names = rig.chip_names
    for state, run in life(rig):
        watch = ConfigWatch(state, rig.places, rig)
        for operation in operations(run):
            for copy, place in enumerate(rig.places.configs):
                if touches(operation, place, names):
                    watch.apply(copy, operation)
        assert watch.configs == ConfigWatch(run.end, rig.places, rig).configs
        assert watch.newest is not None
        assert events(run, HANDOVER)


def touches(operation: Operation, place: Place, names: Sequence[str]) -> bool:
    return operation.device == names[place.chip] and place.address <= operation.address < place.address + place.size
