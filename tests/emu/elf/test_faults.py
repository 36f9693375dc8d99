"""Faults besides power on an ELF: damaged and older images that wait in flash, bit errors at rest, worn sectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.faults.campaign import FaultCampaign, FaultReport
from emu.campaign.faults.fault import parse_fault
from emu.campaign.faults.kind import FaultKind, Ground
from emu.campaign.faults.kinds import kind_named
from emu.campaign.faults.rest import RestFaults
from emu.campaign.faults.retrace import follow_fault
from emu.campaign.faults.staged import BLOCK, HEAD, StagedFaults
from emu.campaign.judge import State
from emu.campaign.monitor import Monitor
from emu.campaign.options import Options
from emu.campaign.token import token_for
from emu.campaign.verdict import Step
from emu.elf.bench import ElfBench
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.errors import ScenarioError, TokenError
from emu.events import HANDOVER, UNKNOWN
from emu.rig import Outcome
from flash.journal import Event
from flash.peek import read_snapshot
from flash.tears import TEAR_SETS
from tests.emu.elf.boards import ELF, board

OLDER = '[[image]]\nname = "older"\npath = "{path}"'


def bench(
    folder: Path, chip: str, loader: str, *, older: bool = True, replaced: Sequence[tuple[str, str]] = ()
) -> ElfBench:
    more = OLDER.format(path=ELF / f"{chip}-app-older-a.elf") if older else ""
    path = board(folder, chip, loader, "new", more=more)
    text = path.read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return ElfBench(ElfRig(load_elf_board(path)))


def ground_on(specimen: ElfBench, **options: object) -> Ground:
    chosen = Options(tears=TEAR_SETS["none"], depth=1, keeps_new=specimen.keeps_new, **options)  # type: ignore[arg-type]
    return Ground(specimen, specimen.rig.bounds, chosen)


def kind_on(specimen: ElfBench, name: str) -> FaultKind:
    return kind_named(name, ground_on(specimen))


def report_on(specimen: ElfBench, kind: str, only: str = "") -> FaultReport:
    options = ground_on(specimen).options
    report = FaultCampaign(specimen, specimen.rig.bounds, options, [kind], only=only).run()
    assert not report.stopped, "a campaign without a budget comes to its end"
    return report


def words(report: FaultReport) -> dict[str, dict[str, int]]:
    return {count.place: dict(count.words) for count in report.counts}


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> ElfBench:
    return bench(tmp_path_factory.mktemp("copying"), "stm32f1", "copy-right")


# -- where things are ---------------------------------------------------------------------------------------


def test_records_are_what_is_written_outside_the_slots(tmp_path: Path, copying: ElfBench) -> None:
    assert [name for name, _ in copying.partitions] == ["a", "records-0x1000", "staged-0"]
    ab = bench(tmp_path, "stm32f1", "ab-right", older=False)
    assert [(name, place.address, place.size) for name, place in ab.partitions] == [
        ("a", 0x2000, 0x800), ("b", 0x3000, 0x800), ("records-0x1000", 0x1000, 0x800),
    ]  # fmt: skip
    swap = bench(tmp_path, "stm32f1", "swap-right", older=False)
    assert [name for name, _ in swap.partitions] == ["a", "records-0x1000", "records-0x1800", "staged-0"]


def test_what_waits_has_its_last_sector_to_itself(copying: ElfBench) -> None:
    (piece,) = copying.staged
    assert (piece.name, piece.place.address, piece.place.size, len(piece.data)) == ("staged-0", 0x3000, 0x800, 1040)


def test_at_rest_are_records_images_and_what_waits(copying: ElfBench) -> None:
    ground = ground_on(copying)
    shipped, pending, updated = (list(copying.held_in(ground.resting(boot))) for boot in range(3))
    assert [(held.name, held.start, held.size) for held in shipped] == [("a", 0, 1040), ("staged-0", 0, 1040)]
    assert [(held.name, held.size, held.is_small) for held in pending] == [
        ("records-0x1000", 8, True), ("a", 1040, False), ("staged-0", 1040, False),
    ]  # fmt: skip
    assert [held.name for held in updated] == ["a", "staged-0"]


# -- damaged updates ----------------------------------------------------------------------------------------


def test_a_damaged_update_differs_there_and_nowhere_else(copying: ElfBench) -> None:
    kind = kind_on(copying, "image")
    part, (piece,) = copying.rig.parts[0], copying.staged
    for name, start, content in (
        ("image.staged-0+0x41.xor10", 0x41, bytes([piece.data[0x41] ^ 0x10])),
        ("image.staged-0+0x300.cut", 0x300, b"\xff" * (1040 - 0x300)),
        ("image.staged-0+0x100.blank", 0x100, b"\xff" * BLOCK),
        ("image.staged-0+0x200.twice", 0x200, piece.data[0x100:0x200]),
        ("image.staged-0+0x0.before", 0x0, copying.old_app[:BLOCK]),
    ):
        start_state = kind.rig(parse_fault(name)).initial(1)
        found = read_snapshot(part, start_state.memory[0], 0, part.geometry.size)
        sound = read_snapshot(part, copying.rig.initial(1).memory[0], 0, part.geometry.size)
        expected = sound[: 0x3000 + start] + content + sound[0x3000 + start + len(content) :]
        assert found == expected, name


def test_every_bit_of_the_head_and_every_block_goes_wrong(copying: ElfBench) -> None:
    names = [fault.name for fault in kind_on(copying, "image").faults()]
    assert len(set(names)) == len(names)
    heads = {f"image.staged-0+{at:#x}.xor{1 << bit:02x}" for at in range(HEAD) for bit in range(8)}
    assert heads < set(names)
    assert {f"image.staged-0+{at:#x}.cut" for at in range(0, 1040, BLOCK)} < set(names)
    assert len(names) > 8 * HEAD + 64


def test_the_right_build_refuses_what_is_damaged(copying: ElfBench) -> None:
    report = report_on(copying, "image", "image.staged-0+0x1")
    assert report.findings == []
    assert set(words(report)["staged-0"]) == {"refused: the old image runs on"}
    assert sum(count.edges for count in report.counts) > 0
    assert report.cover.exercised["refuses"] > 10


def test_a_bootloader_that_does_not_look_takes_it_and_the_note_says_that_nothing_is_checked(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32f1", "ab-bug4"), "image", "image.staged-0+0x21")
    found = {finding.key.check: finding.message for finding in report.findings}
    assert found["refuses"].startswith("a damaged update is entered (")
    assert set(words(report)["staged-0"]) == {"entered"}
    assert any(
        "behind the first 64 bytes none were refused: what an update holds is hardly" in note for note in report.notes
    )


def test_a_copy_of_a_damaged_update_that_runs_nowhere_is_taken_all_the_same(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32f1", "copy-bug3"), "image", "image.staged-0+0x20.xor01")
    found = {finding.key.check: finding for finding in report.findings}
    assert found["refuses"].message == (
        "a damaged update is taken, and no whole image runs: it resets again and again, by software"
    )
    assert "boots" in found


def test_a_fault_of_an_elf_replays(tmp_path: Path) -> None:
    specimen = bench(tmp_path, "stm32f1", "ab-bug4")
    token = token_for(1, specimen.rig.inputs, (), (), "image.staged-0+0x20c.xor04")
    story = follow_fault(ground_on(specimen), token)
    assert {breach.check for breach in story.breaches} >= {"refuses"}
    byte = specimen.update[0x20C]
    assert story.told == f"byte 0x20c of staged-0 is {byte ^ 4:#04x}, not {byte:#04x}"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("image.staged-1+0x0.cut", r"what waits is staged-0 \(1,040 bytes\)"),
        ("image.staged-0+0x9999.xor01", "what waits is staged-0"),
        ("image.staged-0+0x0.swap", "a block by cut, blank, twice or before"),
        ("downgrade.shipped.again", "there are downgrade.shipped.older, downgrade.updated.older"),
        ("rest.9.a+0x0.xor01", r"there are 0\.a \(2,048 bytes\)"),
        ("wear.b+0x0.from-1-erase-one", "the update wears"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused_with_what_there_is(copying: ElfBench, name: str, says: str) -> None:
    fault = parse_fault(name)
    with pytest.raises(TokenError, match=says):
        kind_on(copying, fault.kind).rig(fault)


# -- at rest, worn ------------------------------------------------------------------------------------------


def test_a_damaged_slot_is_made_again_and_where_nothing_is_left_nothing_has_to_run(copying: ElfBench) -> None:
    report = report_on(copying, "rest", "rest.1.a+0x1")
    assert (report.findings, set(words(report)["1.a"])) == ([], {"the new image boots"})
    report = report_on(copying, "rest", "rest.0.a+0x1")
    assert (report.findings, set(words(report)["0.a"])) == ([], {"nothing runs, and no whole image is left"})
    assert any("durable" in note or "accepts" in note for note in report.notes)


def test_a_bootloader_with_nothing_to_run_may_be_reset_by_its_watchdog_for_ever(copying: ElfBench) -> None:
    """Only one that runs nothing: an image that is not whole, entered again and again, is a finding."""
    kind, fault = kind_on(copying, "rest"), parse_fault("rest.0.a+0x1.xor01")
    assert isinstance(kind, RestFaults)
    stopped = kind.chain(fault)
    start = State(replace(kind.rig(fault).initial(1), attempts_left=kind.attempts), Monitor())
    again = replace(stopped, outcome=Outcome("reset", cause="watchdog"))
    assert kind.amended(fault, start, again).breaches == []
    entered = SimpleNamespace(run=SimpleNamespace(entries=[Event(HANDOVER, 0, ("a", UNKNOWN))]))
    strange = replace(again, sessions=[entered])  # type: ignore[list-item]
    assert [breach.check for breach in kind.amended(fault, start, strange).breaches] == ["stands"]


def test_the_only_record_of_a_factory_is_a_single_point_of_failure(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32f1", "ab-right", older=False), "rest", "rest.0.records-0x1000+0x0.")
    assert {finding.key.check for finding in report.findings} == {"boots"}
    assert words(report) == {"0.records-0x1000": {"nothing runs": 8}}


def test_error_correction_mends_one_bit(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32l4", "copy-right"), "rest", "rest.0.a+0x2")
    counts = words(report)["0.a"]
    assert counts["the old image boots"] == counts["nothing runs, and no whole image is left"] > 0


def test_a_worn_sector_of_the_only_slot_may_leave_nothing_and_a_worn_record_may_not(copying: ElfBench) -> None:
    report = report_on(copying, "wear", "wear.records-0x1000+0x0.from-1")
    assert {finding.key.check for finding in report.findings} == {"boots", "wear"}, "it asks for the update for ever"
    slot = report_on(copying, "wear", "wear.a+0x400.from-1")
    assert slot.findings == []
    assert words(slot) == {"a": {"nothing runs, and no whole image is left": 4}}
    assert slot.cover.exercised["notices"] == 4


# -- older images -------------------------------------------------------------------------------------------


def test_an_older_image_is_refused_as_shipped_and_after_the_update(copying: ElfBench) -> None:
    report = report_on(copying, "downgrade")
    assert report.findings == []
    assert words(report) == {
        "shipped": {"old image runs, committed": 1}, "updated": {"new image runs, committed": 2},
    }  # fmt: skip
    assert "no-older" in report.checks


def test_an_older_image_that_runs_is_a_finding(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32f1", "copy-bug5"), "downgrade", "downgrade.shipped")
    assert [(finding.key.check, finding.path) for finding in report.findings] == [("no-older", ())]
    assert report.findings[0].message == "the older image is entered in slot a, and accept does not name it"


def test_where_the_board_takes_older_images_nothing_is_claimed(tmp_path: Path) -> None:
    specimen = bench(tmp_path, "stm32f1", "copy-bug5", replaced=[("accept = ['new']", "accept = ['new', 'older']")])
    report = report_on(specimen, "downgrade", "downgrade.shipped")
    assert (report.findings, words(report)) == ([], {"shipped": {"older image runs, committed": 1}})
    assert report.left_out["no-older"] == "the board takes older images: accept names it"


def test_without_an_older_image_the_key_is_named(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32f1", "copy-right", older=False), "downgrade")
    assert report.left_out["no-older"] == ('the board names no older image: add [[image]] name = "older" with its path')
    assert report.counts == []


def test_where_the_new_image_runs_in_the_place_of_delivery_nothing_is_delivered(tmp_path: Path) -> None:
    report = report_on(bench(tmp_path, "stm32f1", "ab-right"), "downgrade")
    assert list(words(report)) == ["shipped"]
    assert any("downgrade.updated was not tried" in note and "in b" in note for note in report.notes)


def test_an_older_image_may_be_delivered_as_another_file(tmp_path: Path) -> None:
    wrapped = tmp_path / "older.bin"
    wrapped.write_bytes(b"wrapped" * 4)
    delivered = OLDER.format(path=ELF / "stm32f1-app-older-a.elf") + f'\ndelivered = "{wrapped}"'
    path = board(tmp_path, "stm32f1", "copy-right", "new", more=delivered)
    loaded = load_elf_board(path)
    assert loaded.older == b"wrapped" * 4
    assert str(wrapped) in loaded.paths
    (piece,) = ElfBench(ElfRig(loaded)).older
    assert (piece.data, piece.place.size) == (b"wrapped" * 4, 0x800)


def test_an_update_that_nobody_sends_is_not_sent(copying: ElfBench) -> None:
    with pytest.raises(ScenarioError, match="waits in flash, nobody sends it"):
        copying.varied(update=b"x")
    with pytest.raises(ScenarioError, match="waits in flash, nobody sends another one"):
        copying.turned(b"x", copying.rig.initial(1))
    assert isinstance(kind_on(copying, "image"), StagedFaults)


def test_a_cut_of_a_life_on_a_worn_sector_replays_live(copying: ElfBench) -> None:
    """States are made by replaying the journal on cells that are worn as well."""
    fault = "wear.records-0x1000+0x0.from-1-erase-many"
    token = token_for(1, copying.rig.inputs, (Step(0, 2, "cut"),), (), fault)
    story = follow_fault(ground_on(copying), token)
    assert story.sessions[0].run.end.memory[0].key != copying.rig.initial(1).memory[0].key
