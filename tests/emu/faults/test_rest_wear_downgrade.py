"""Bit errors at rest, worn sectors, older updates: which there are, what is done, what becomes of them."""

from __future__ import annotations

import pytest

from emu.campaign.closure import FOUND_SOMETHING
from emu.campaign.faults.fault import parse_fault
from emu.campaign.faults.rest import NOTHING_LEFT
from emu.campaign.faults.retrace import follow_fault
from emu.campaign.options import ANY
from emu.campaign.token import parse_token, token_for
from emu.errors import TokenError
from tests.emu.faults.bench import TakesOnce, ground_on, kind_on, report_on, words
from tests.emu.helpers import T1, board_with, rig_on
from tests.mutants.faulty import TakesOlderAfterCut

# -- rest ------------------------------------------------------------------------------------------------


def test_every_bit_of_records_and_headers_is_flipped_before_every_boot() -> None:
    faults = list(kind_on("rest").faults())
    assert len({fault.name for fault in faults}) == len(faults)
    for boot in range(3):
        for copy in range(2):
            place = f"{boot}.config-{copy}"
            flips = {(f.offset, f.mask) for f in faults if f.place == place}
            assert flips == {(at, 1 << bit) for at in range(128) for bit in range(8)}
    for place in ("0.slot-a", "1.slot-a", "1.slot-b", "2.slot-a", "2.slot-b"):
        flips = {(f.offset, f.mask) for f in faults if f.place == place}
        assert {(at, 1 << bit) for at in range(256) for bit in range(8)} < flips
    assert not any(fault.place == "0.slot-b" for fault in faults)  # no image is there yet


def test_the_damaged_state_differs_in_that_bit_and_in_nothing_else() -> None:
    kind = kind_on("rest")
    ground = kind.ground
    sound = ground.resting(1)
    damaged = kind.rig(parse_fault("rest.1.config-1+0x8.xor40")).initial(1)
    bench = kind.specimen.rig.bench_cells()[0]
    bench.restore(sound.memory[0])
    before = bench.read(0, bench.geometry.size)
    bench.restore(damaged.memory[0])
    after = bench.read(0, bench.geometry.size)
    assert [at for at in range(0x3000) if before[at] != after[at]] == [0x1008]
    assert before[0x1008] ^ after[0x1008] == 0x40
    assert before[0x3000:] == after[0x3000:]
    assert (damaged.cause, damaged.ram, damaged.attempts_left) == ("power", (), 1)


def test_a_damaged_record_or_image_gives_way_to_what_is_left() -> None:
    assert words(report_on("rest", "rest.0.config-0+0x8.")) == {"0.config-0": {"the old image boots": 8}}
    assert words(report_on("rest", "rest.1.config-1+0x8.")) == {"1.config-1": {"the old image boots": 8}}
    assert words(report_on("rest", "rest.1.slot-b+0x20.")) == {"1.slot-b": {"the old image boots": 8}}
    report = report_on("rest", "rest.0.slot-a+0x20.")
    assert words(report) == {"0.slot-a": {NOTHING_LEFT: 8}}
    assert report.findings == []
    assert any("durable, reverts not claimed" in note for note in report.notes)


def test_error_correction_repairs_one_bit_and_not_two() -> None:
    report = report_on("rest", "rest.0.slot-a+0x8.", rig_on("stm32l476"))
    assert words(report) == {"0.slot-a": {"the old image boots": 1, NOTHING_LEFT: 1}}
    with pytest.raises(TokenError, match="ecc-corrected or ecc-fault"):
        kind_on("rest", rig_on("stm32l476")).rig(parse_fault("rest.0.config-0+0x8.xor01"))


@pytest.mark.parametrize(
    "name",
    [
        "rest.0.slot-b+0x0.xor01",
        "rest.9.config-0+0x0.xor01",
        "rest.0.config-0+0x9999.xor01",
        "rest.0.config-0.xor01",
    ],
)
def test_a_place_where_nothing_is_at_rest_is_refused(name: str) -> None:
    with pytest.raises(TokenError, match=r"there are 0\.config-0 \(4,096 bytes\)"):
        kind_on("rest").rig(parse_fault(name))


# -- wear ------------------------------------------------------------------------------------------------


def test_every_erase_of_the_update_that_can_be_told_apart_wears_its_sector() -> None:
    names = {fault.name for fault in kind_on("wear").faults()}
    sectors = {name.rsplit("-", 2)[0] for name in names}
    assert sectors == {
        "wear.config-0+0x0.from-1", "wear.config-1+0x0.from-1", "wear.config-1+0x0.from-2", "wear.slot-b+0x0.from-1",
    }  # fmt: skip
    assert {name.rsplit("-", 2)[1] + "-" + name.rsplit("-", 2)[2] for name in names} == {
        "erase-one", "erase-many", "program-one", "program-many",
    }  # fmt: skip


def test_worn_sectors_are_noticed_and_their_lives_are_cut() -> None:
    report = report_on("wear")
    assert report.findings == [] and report.is_complete
    assert {count.place for count in report.counts} == {"slot-b", "config-0", "config-1"}
    assert all(count.edges > 0 for count in report.counts)
    slot = words(report)["slot-b"]
    assert slot == {"old image runs, committed": 4}  # the one stuck bit is one that matters
    assert report.cover.exercised["notices"] > 4  # the cut lives were judged as well


def test_a_worn_sector_fails_from_its_second_erase_on_where_that_is_asked_for() -> None:
    """Config copy 1 is erased when the update is staged, and again at commit: the device starts in between."""
    kind = kind_on("wear")
    first, second = (
        kind.rig(parse_fault(f"wear.config-1+0x0.from-{nth}-erase-many")).initial(2) for nth in (1, 2)
    )  # fmt: skip
    assert first.memory[0].same(kind.ground.resting(0).memory[0])
    assert second.memory[0].same(kind.ground.resting(1).memory[0])
    assert not first.memory[0].same(second.memory[0])


def test_the_seed_draws_other_bits_and_the_same_seed_the_same() -> None:
    fault = parse_fault("wear.slot-b+0x0.from-1-erase-many")
    told = [kind_on("wear", tears=T1).told(fault) for _ in range(2)]
    assert told[0] == told[1]
    assert "erases leave" in told[0]
    with pytest.raises(TokenError, match=r"the update wears slot-b\+0x0.from-1"):
        kind_on("wear").rig(parse_fault("wear.slot-a+0x0.from-1-erase-many"))


# -- downgrade -------------------------------------------------------------------------------------------


def test_an_older_update_is_one_like_any_other_where_the_board_takes_it() -> None:
    report = report_on("downgrade")
    assert report.findings == []
    assert words(report) == {"update": {"the older image runs, committed": 1, "the newer image runs on, committed": 1}}
    assert report.left_out == {"no-older": "the board takes older images: verify.refuse_downgrade is false"}


def test_an_older_update_never_runs_where_the_board_refuses_it_whatever_is_cut() -> None:
    report = report_on("downgrade", rig=rig_on(board_with(verify={"refuse_downgrade": True})), tears=T1)
    assert report.findings == [] and report.left_out == {}
    assert words(report) == {"update": {"the newer image runs on, committed": 2}}
    assert report.counts[0].edges > 1000
    assert report.cover.exercised["no-older"] > 100


def test_where_the_new_image_never_stays_nothing_is_downgraded() -> None:
    report = report_on("downgrade", rig=rig_on(app="never-commits"))
    assert report.counts == []
    assert "never commits" in report.left_out["no-older"]


def test_one_fault_of_every_place_is_cut_as_well() -> None:
    """Bit errors at rest are many: the middle one of each place stands for what may be cut after them."""
    kind = kind_on("rest")
    faults = list(kind.faults())
    cut = [fault for fault in faults if kind.is_cut(fault)]
    assert [fault.place for fault in cut] == list(dict.fromkeys(fault.place for fault in faults))
    report = report_on("rest", next(fault.name for fault in cut if fault.place == "2.config-1"))
    assert report.findings == []
    assert report.counts[0].edges > 100
    assert report.cover.exercised["retries"] > 10  # the update after it was cut, and then succeeded


def test_what_breaks_only_when_a_life_after_a_bit_error_is_cut_is_found_and_replays() -> None:
    """The update that mends the device is the one that a cut must not spoil."""
    rig = rig_on(firmware=TakesOnce())
    ground = ground_on(rig)
    kind = kind_on("rest", rig)
    fault = next(fault for fault in kind.faults() if fault.place == "1.slot-b" and kind.is_cut(fault))
    report = report_on("rest", fault.name, rig)
    found = {(finding.key.check, finding.cuts, finding.fault) for finding in report.findings}
    assert found == {("retries", 1, fault.name)}
    finding = report.findings[0]
    token = parse_token(str(token_for(finding.attempts, rig.inputs, finding.path, fault=finding.fault)))
    assert [breach.check for breach in follow_fault(ground, token).breaches] == ["retries"]
    assert follow_fault(ground_on(rig_on()), parse_token(
        str(token_for(finding.attempts, rig_on().inputs, finding.path, fault=finding.fault))
    )).breaches == []  # fmt: skip


def test_an_older_update_is_cut_to_any_depth_where_the_campaign_is() -> None:
    board = board_with(verify={"refuse_downgrade": True})
    report = report_on("downgrade", rig=rig_on(board), depth=ANY)
    assert report.findings == [] and report.is_complete
    assert words(report) == {"update": {"the newer image runs on, committed": 2}}
    assert report.counts[0].edges > 20 * report_on("downgrade", rig=rig_on(board)).counts[0].edges
    assert report.cover.exercised["no-older"] > 100
    assert report.notes[0] == "downgrade: each life cut any number of times, in 2 update attempts, with tears T1-coarse"
    assert report.notes[1].startswith(
        "downgrade.update.again: durable, reverts, retries not claimed: the image that runs"
    )


def test_at_any_depth_it_stops_at_the_first_finding_and_says_so() -> None:
    board = board_with(verify={"refuse_downgrade": True})
    report = report_on("downgrade", "downgrade.update.older", rig_on(board, firmware=TakesOlderAfterCut()), depth=ANY)
    assert {finding.key.check for finding in report.findings} == {"no-older"}
    assert min(finding.cuts for finding in report.findings) == 1
    assert report.is_complete  # the other faults are tried all the same
    assert any(FOUND_SOMETHING in note for note in report.notes)
