"""The story of a token, as text: sessions, the cut, and the bytes it changed in brackets."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from emu.campaign.replay import follow
from emu.campaign.token import token_for
from emu.campaign.verdict import CutPath, Step
from emu.report.story import hexdump, tell
from emu.update_rig import UpdateRig
from flash.journal import Operation
from tests.emu.broken import EagerLoader, OnceOnly, TwicePulled
from tests.emu.helpers import NONE, campaign, explorer_on, life, rig_on


def told(rig: UpdateRig, path: CutPath) -> str:
    return tell(follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, path)))


def programs(rig: UpdateRig) -> list[tuple[int, Operation]]:
    run = rig.run(rig.initial(1))
    return [(n, e) for n, e in enumerate(run.entries) if isinstance(e, Operation) and e.kind == "program"]


# -- the whole -------------------------------------------------------------------------------------------


def test_an_uncut_story_tells_every_session_with_its_cause_and_end() -> None:
    text = told(rig_on("demo"), ())
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("session")] == [
        "session 1: reset by power",
        "session 2: reset by software",
    ]
    assert [line for line in lines if line.startswith("  =>")] == [
        "  => reset by software",
        "  => new image runs, committed",
    ]
    for part in (
        "bootloader: normal, slot 0 (committed)",
        "hand-over to slot 0: the old image",
        "bootloader: trial, slot 1",
        "hand-over to slot 1: the new image, on trial",
        "commit timer armed, 60 s",
        "commit-returned",
    ):
        assert part in text
    assert lines[-1] == "every check held on this path"


def test_a_torn_program_shows_the_cut_and_the_changed_bytes_in_brackets() -> None:
    rig = rig_on("demo")
    entry, operation = programs(rig)[1]
    lines = told(rig, (Step(0, entry, "prefix-17"),)).splitlines()
    cut = f"*** POWER CUT inside program of {operation.length} bytes at nor {operation.address:#x}: prefix-17"
    (at,) = [n for n, line in enumerate(lines) if cut in line]
    assert lines[at].split()[0] == str(entry)
    rows = lines[at + 1 : at + 4]
    assert re.findall(r"\[([0-9a-f]{2})\]", "".join(rows)) == [f"{byte:02x}" for byte in operation.data[:17]]
    assert [row.split()[0] for row in rows] == [f"{operation.address + n * 16:08x}" for n in range(3)]
    assert lines[at + 4] == "", "the story of this session ends with the dump"
    assert lines[at + 5] == "session 2: reset by power"


def test_entries_after_the_cut_are_not_told() -> None:
    rig = rig_on("demo")
    entry, _ = programs(rig)[0]
    first = told(rig, (Step(0, entry, "cut"),)).split("session 2")[0]
    assert f"{entry:>5}  *** POWER CUT here" in first
    told_lines = [line.split() for line in first.splitlines()[1:] if line.strip()]
    numbers = [int(words[0]) for words in told_lines if words[0] != "reads"]
    assert max(numbers) == entry
    assert "staged" not in first


@pytest.mark.parametrize(
    ("how", "said"),
    [("cut", "POWER CUT here"), ("reset", "RESET LINE PULLED here"), ("hang", "FIRMWARE HANGS here")],
)
def test_every_interruption_has_its_words(how: str, said: str) -> None:
    text = told(rig_on("demo"), (Step(0, 3, how),))
    assert f"    3  *** {said}" in text
    cause = {"cut": "power", "reset": "pin", "hang": "watchdog"}[how]
    assert f"session 2: reset by {cause}" in text


def test_the_commit_timer_has_its_words() -> None:
    rig = rig_on("demo")
    trial = life(rig)[1][1]
    entered = next(n for n, e in enumerate(trial.entries) if getattr(e, "name", "") == "commit-begun")
    text = told(rig, (Step(1, entered, "timer"),))
    assert "*** COMMIT TIMER FIRES here" in text
    assert "session 3: reset by commit-timer" in text
    assert "roll-back, slot 0" in text


def test_what_is_broken_is_told_last() -> None:
    rig = rig_on("demo", firmware=EagerLoader())
    finding = campaign(rig, tears=NONE).findings[0]
    lines = told(rig, finding.path).splitlines()
    assert f"BROKEN {finding.key.check}: {finding.message}" in lines
    assert lines[-1].startswith("BROKEN ")
    assert "every check held" not in "\n".join(lines)


def test_what_is_broken_in_session_after_session_is_told_once() -> None:
    rig = rig_on("demo", firmware=EagerLoader())
    story = follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, campaign(rig, tears=NONE).findings[0].path))
    (breach,) = story.breaches
    again = [replace(breach, entry=breach.entry + 1), replace(breach, message="something else"), breach]
    assert [line for line in tell(replace(story, breaches=[breach, *again])).splitlines() if "BROKEN" in line] == [
        f"BROKEN {breach.check}: {breach.message}",
        f"BROKEN {breach.check}: something else",
    ]


def test_a_refusal_retained_ram_and_a_brick_are_told() -> None:
    rig = rig_on("demo", firmware=OnceOnly())
    assert "BROKEN retries: the next update does not succeed" in told(rig, campaign(rig, tears=NONE).findings[0].path)
    text = told(rig_on("demo", firmware=TwicePulled()), (Step(0, 3, "reset"), Step(0, 3, "reset")))
    assert "retained RAM: pulls = 1" in text
    assert "=> bricked: worn out" in text


def test_neighbouring_operations_are_folded_into_one_line_with_their_counts_range_and_time() -> None:
    rig = rig_on("stm32f103")
    text = told(rig, ())
    folded = re.search(r"(\d+) erases, (\d+) programs in flash (0x[0-9a-f]+)\.\.(0x[0-9a-f]+), ([0-9.]+) ms", text)
    assert folded is not None
    run = rig.run(rig.initial(1))
    done = [e for e in run.entries if isinstance(e, Operation) and e.address >= rig.places.slots[1].address]
    kinds = [operation.kind for operation in done]
    assert (int(folded[1]), int(folded[2])) == (kinds.count("erase"), kinds.count("program"))
    assert int(folded[3], 16) == min(operation.address for operation in done)
    assert int(folded[4], 16) == max(operation.address + operation.length for operation in done)
    assert float(folded[5]) == pytest.approx((done[-1].end_us - done[0].start_us) / 1000, abs=0.06)


# -- the hexdump -----------------------------------------------------------------------------------------


def test_a_hexdump_shows_changed_rows_with_a_neighbour_on_either_side() -> None:
    before = bytearray(range(96))
    after = bytearray(before)
    after[40] = 0xEE
    rows = list(hexdump(bytes(before), bytes(after), 0x1000))
    assert [row.split()[0] for row in rows] == ["00001010", "00001020", "00001030"]
    assert [re.findall(r"\[(..)\]", row) for row in rows] == [[], ["ee"], []]
    assert rows[1].count("[") == 1


def test_a_hexdump_row_has_sixteen_bytes_each_four_columns_wide() -> None:
    (row,) = hexdump(bytes(16), bytes(15) + b"\x01", 0)
    assert row == "    00000000 " + " 00 " * 15 + "[01]"


def test_a_long_hexdump_shows_its_ends() -> None:
    rows = list(hexdump(bytes(4096), b"\xff" * 4096, 0x20000))
    assert rows.count("    ...") == 1
    assert (rows[0].split()[0], rows[-1].split()[0]) == ("00020000", "00020ff0")
    assert len(rows) == 13


def test_two_far_changes_are_separated() -> None:
    after = bytearray(640)
    after[0] = after[-1] = 1
    assert [row.split()[0] for row in hexdump(bytes(640), bytes(after), 0)] == [
        "00000000", "00000010", "...", "00000260", "00000270",
    ]  # fmt: skip


def test_a_tear_that_changes_nothing_says_so() -> None:
    assert list(hexdump(b"abcd", b"abcd", 0)) == ["    (no byte changed)"]


def test_a_last_row_may_be_short() -> None:
    (row,) = hexdump(b"\0\0\0", b"\0\1\0", 0x10)
    assert row == "    00000010  00 [01] 00"
