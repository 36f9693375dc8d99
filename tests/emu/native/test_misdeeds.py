"""Firmware in C that does what it should not: each is an outcome that says what happened, and the run goes on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from emu.board import TimerEntry
from emu.campaign.closure import Closure
from emu.campaign.options import ANY, Options
from emu.native import CFirmware
from emu.plain_rig import PlainRig
from emu.rig import DeviceState, Run
from emu.scenario import Scenario
from flash.cells import ECC_FAULT
from flash.journal import Event, Interruption, Misuse
from flash.tears import TEAR_SETS
from tests.emu.native.build import compiled
from tests.flash.small_parts import GRANULES

PATIENCE_S = 0.3


@pytest.fixture(scope="module")
def firmware(misdeeds: Path) -> CFirmware:
    return CFirmware(misdeeds, hang_after_s=PATIENCE_S, max_calls=500)


def rig(firmware: CFirmware, misdeed: int, **more: Any) -> PlainRig:
    return PlainRig(Scenario(firmware, more.pop("part", "w25q128jv"), work=bytes([misdeed]), **more))


def run(firmware: CFirmware, misdeed: int, **more: Any) -> Run:
    made = rig(firmware, misdeed, **more)
    return made.run(made.initial(1))


def test_a_loop_of_calls_is_ended_by_their_number_however_slow_the_computer_is(firmware: CFirmware) -> None:
    said = str(run(firmware, 5, stuck_after_s=0.001).outcome)
    assert "500 calls in one session after read of 8 bytes" in said


@pytest.mark.parametrize(
    ("misdeed", "said"),
    [
        (1, "unhandled fault: SIGSEGV after attempt"),
        (2, r"unhandled fault: SIGABRT after attempt: .*misdeeds\.c:\d+: do_the: Assertion `bytes\[1\] == 7' failed\."),
        (3, "unhandled fault: the library ended its process with exit code 3 after attempt"),
        (4, r"misdeeds\.so: no call for 0\.3 s of host time after attempt, and no timer is running"),
        (5, r"misdeeds\.so: 500 calls in one session after read of 8 bytes at 0x0 of 'flash', and no timer is running"),
        (6, "the firmware crashed: Misused: there is no window 'nowhere': flash"),
        (7, "the firmware crashed: Misused: read of 1099511627776 bytes at 0x0 of 'flash': at most 268,435,456 bytes "
            "at a time"),
        (8, "unhandled fault: SIGSEGV after attempt"),
        (10, "the firmware crashed: Misused: brownout_commit_returned, and no commit has begun"),
        (11, "the firmware crashed: Misused: brownout_commit_begin, and the commit before has not returned"),
        (12, r"the firmware crashed: Misused: call 0x63 is none of brownout\.h"),
        (13, "the firmware crashed: Misused: a text that begins with b'a{64}' is longer than brownout takes"),
        (14, "the firmware crashed: FlashError: flash: W25Q128JV has no erase of 0x11 bytes; .*"),
        (15, r"the firmware crashed: OutOfBounds: read of \[0xfffffffc, 0x100000004\) leaves .*"),
        (16, "the firmware crashed: Misused: a wait of 18,446,744,073,709,551,615 us, half a million years"),
        (17, r"unhandled fault: SIGABRT after attempt: at 0x\.\.\."),
    ],
)  # fmt: skip
def test_a_misdeed_is_an_outcome_that_says_what_happened(firmware: CFirmware, misdeed: int, said: str) -> None:
    outcome = run(firmware, misdeed).outcome
    assert outcome.kind == "hung"
    assert re.fullmatch(said, outcome.detail), outcome.detail
    assert str(run(firmware, 0).outcome) == "settled"


def test_a_program_that_leaves_its_page_is_what_silicon_makes_of_it(firmware: CFirmware) -> None:
    done = run(firmware, 18)
    assert done.outcome.kind == "settled"
    assert "page-wrap" in [entry.rule for entry in done.entries if isinstance(entry, Misuse)]


@pytest.mark.parametrize(
    ("misdeed", "end"),
    [(19, "hangs: unhandled fault: uncorrectable ECC error in the 8-byte granule at 0x0 (nmi)"), (20, "settled")],
)
def test_a_read_that_correction_gives_up_on_is_a_trap_unless_somebody_handles_it(
    firmware: CFirmware, misdeed: int, end: str
) -> None:
    made = rig(firmware, misdeed, part=GRANULES)
    cells = made.bench_cells()[0]
    cells.mark_broken(0, 8, ECC_FAULT)
    done = made.run(DeviceState((cells.snapshot(),), "power", 1))
    assert str(done.outcome) == end
    notes = [entry.facts for entry in done.entries if isinstance(entry, Event) and entry.name == "note"]
    assert notes == ([("has handled it",)] if misdeed == 20 else [])


@pytest.mark.parametrize(("misdeed", "why"), [(4, "no call for 0.3 s of host time"), (5, "500 calls in one session")])
def test_a_watchdog_ends_a_hang_and_the_journal_says_why(firmware: CFirmware, misdeed: int, why: str) -> None:
    done = run(firmware, misdeed, timers=TimerEntry(watchdog_s=2))
    assert (done.outcome.kind, done.outcome.cause) == ("reset", "watchdog")
    last = done.entries[-1]
    assert isinstance(last, Event) and last.name == "note" and why in last.facts[0]


def test_no_static_outlives_a_session_however_it_ends(firmware: CFirmware) -> None:
    made = rig(firmware, 20)
    assert str(made.run(made.initial(1), Interruption(1)).outcome) == "power lost"
    for _ in range(3):
        assert str(made.run(made.initial(1)).outcome) == "settled"


def test_the_processors_this_process_may_use_are_given_back(firmware: CFirmware) -> None:
    before = os.sched_getaffinity(0)
    for misdeed in (0, 1, 4):
        run(firmware, misdeed)
    assert os.sched_getaffinity(0) == before


CRASHES_WHEN_TORN = """
#include <brownout.h>
#include <stdlib.h>
const char *brownout_firmware(void)
{
    uint8_t state[2];
    size_t length;
    brownout_read("flash", 0, state, 2);
    if (state[0] == 0 && state[1] != 0)
        abort();
    if (brownout_attempt(&length))
        brownout_program("flash", 0, "\\0\\0", 2);
    return NULL;
}
"""


def test_a_campaign_that_meets_a_crash_finds_it_and_goes_on(tmp_path: Path) -> None:
    firmware = CFirmware(compiled(tmp_path / "torn.so", CRASHES_WHEN_TORN))
    made = PlainRig(Scenario(firmware, "w25q128jv"))
    options = Options(tears=TEAR_SETS["T1"], depth=ANY, attempts=2, keeps_new=False)
    verdict = Closure(made, made.bounds, options).explore()
    assert {(found.key.check, found.message) for found in verdict.findings} == {
        ("boots", "hangs: unhandled fault: SIGABRT after read of 2 bytes at 0x0 of 'flash'")
    }
    assert "prefix-1" in {step.how for found in verdict.findings for step in found.path}
    assert verdict.coverage.outcomes["settled"] > 0
