"""The mutant of `steady`: a flag that is read twice is found however weak cells read; the right one holds at any depth.

The zoo's firmware cannot carry it: it trusts a record whose CRC is right, so its twin would not be steady either.
"""

from __future__ import annotations

from functools import cache, partial

import pytest

from emu.campaign.closure import Closure
from emu.campaign.options import ANY, Options
from emu.campaign.replay import follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import Verdict
from emu.reset import Reset
from emu.scenario import Firmware
from flash.bulk import wipe
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.field import read_twice

BUG = read_twice.BUG
EVERY = tuple(RESOLUTIONS)


def one_read(reset: Reset, *, flag_first: bool) -> str | None:
    """The right one, but for the order in which flag and slot are erased."""
    is_new = read_twice._is_set(reset.flash["flag"])
    if not is_new:
        for name in ("flag", "second") if flag_first else ("second", "flag"):
            wipe(reset.flash[name])
    return read_twice._run(reset, "second" if is_new else "first")


def closure(firmware: Firmware, tears: str, readings: tuple[str | None, ...] = EVERY, attempts: int = 1) -> Closure:
    rig = BUG.rig(firmware)
    options = Options(
        tears=TEAR_SETS[tears], depth=ANY, resolutions=readings, attempts=attempts, keeps_new=rig.keeps_new
    )
    return Closure(rig, BUG.bounds, options)


@cache
def verdict(firmware: Firmware, tears: str) -> Verdict:
    return closure(firmware, tears).explore()


@pytest.mark.parametrize("tears", ["T3-coarse", "T3"])
def test_the_wrong_one_is_found_by_steady_and_by_nothing_else(tears: str) -> None:
    found = verdict(BUG.wrong, tears)
    assert [finding.key.check for finding in found.findings] == ["steady"] * len(found.findings)
    assert found.findings[0].cuts == BUG.cuts == 1
    assert {reading for finding in found.findings for reading in finding.readings} <= set(EVERY)
    for finding in found.findings:
        assert finding.message.startswith("whole: slot 1 runs")
        assert finding.message.endswith(f"weak cells read {', then '.join(finding.readings)}")


def test_its_tokens_say_what_weak_cells_read_as_and_replay() -> None:
    for finding in verdict(BUG.wrong, "T3").findings:
        fresh = closure(BUG.wrong, "T3")
        text = str(token_for(BUG.attempts, fresh.rig.inputs, finding.path, finding.readings))
        assert text.endswith(":" + ",".join(finding.readings))
        broken = {breach.check for breach in follow(fresh.rig, fresh.judge, parse_token(text)).breaches}
        assert "whole" in broken
        assert broken <= {"whole", "retries"}  # the update that `retries` asks for may be what enters the erased slot


def test_a_token_that_reads_otherwise_does_not_break_anything() -> None:
    """It is the reading that breaks it, not the cut."""
    finding, fresh = verdict(BUG.wrong, "T3").findings[0], closure(BUG.wrong, "T3")
    token = token_for(BUG.attempts, fresh.rig.inputs, finding.path, ("as-new",) * len(finding.readings))
    assert follow(fresh.rig, fresh.judge, token).breaches == []


@pytest.mark.parametrize("reading", EVERY)
def test_with_one_reading_alone_nothing_is_said_of_steady(reading: str) -> None:
    """What breaks is then a finding of the check itself: new cells are as bad as others that read so."""
    found = closure(BUG.wrong, "T3", (reading,)).explore()
    assert "steady" in found.inapplicable
    assert {finding.key.check for finding in found.findings} <= {"whole"}
    assert bool(found.findings) == (reading in {"old-then-new", "seeded"})


@pytest.mark.parametrize(("tears", "attempts"), [("T3-coarse", 2), ("T3", 1)])
def test_the_right_one_holds_at_any_depth_however_weak_cells_read(tears: str, attempts: int) -> None:
    held = closure(BUG.right, tears, attempts=attempts).explore()
    assert (held.word, held.findings, held.complete) == ("held", [], True)
    assert "steady" in held.checks
    assert held.coverage.exercised["steady"]
    assert held.coverage.exercised["whole"]


def test_one_read_is_not_enough_where_the_next_boot_reads_again() -> None:
    """Erased in the other order, the slot is gone while the flag may still read as set."""
    found = verdict(partial(one_read, flag_first=False), "T3-coarse")
    assert {finding.key.check for finding in found.findings} == {"steady"}
    assert all(len(finding.readings) > 1 for finding in found.findings)
    assert verdict(partial(one_read, flag_first=True), "T3-coarse").word == "held"
