"""`brownout run`: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emu.board import ALL_CHECKS
from flash.images import Segment, image_from_segments, save_image
from flash.weak import RESOLUTIONS
from tests.emu.cli.command import ROOT, Brownout, pair, process, stuck_board
from tests.emu.helpers import NEW_APP, OLD_APP
from updater.bundle import Firmware, make_bundle

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


# -- what it prints --------------------------------------------------------------------------------------


def test_the_bundled_pair_on_the_demo_board_holds() -> None:
    ran = process("run")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "HELD: no way to break the update was found"
    assert "board      demo" in lines
    assert re.fullmatch(r"from       demo-1\.elf \(bundled\), 3,340 bytes, SHA-256 [0-9a-f]{8}\.\.\.", lines[3])
    assert re.fullmatch(r"to         demo-2\.elf \(bundled\), 4,172 bytes, SHA-256 [0-9a-f]{8}\.\.\.", lines[4])
    assert "update     5 erases, 21 programs" in lines
    assert f"workload   app healthy, timing typ, seed 0, weak bits read in {len(RESOLUTIONS)} ways" in lines
    assert re.fullmatch(r"digest     [0-9a-f]{64}", lines[-1])
    for name in ALL_CHECKS:
        result = "not applicable" if name in ("truthful", "keeps-files", "steady") else "held"
        assert re.search(rf"^  {name} +{result} ", ran.out, re.MULTILINE)


def test_files_of_ones_own_are_tried(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--tears", "none")
    assert (ran.code, ran.err) == (0, "")
    for role, name, app in (("from", "old.bin", OLD_APP), ("to", "new.bin", NEW_APP)):
        known = hashlib.sha256(app).hexdigest()[:8]
        assert re.search(rf"^{role} +{tmp_path}/{name}, {len(app):,} bytes, SHA-256 {known}\.\.\.$", ran.out, re.M)


def test_findings_end_with_one_and_a_token_for_each(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--board", stuck_board(tmp_path), "--events", "hang")
    assert ran.code == 1
    assert ran.out.startswith("FINDINGS: the update can be broken\n")
    assert re.search(r"^    brownout replay bo1:2:([0-9a-f]{8}:){4}1\.\d+\.hang --from ", ran.out, re.MULTILINE)
    assert re.search(r"^  reverts +\d+ findings ", ran.out, re.MULTILINE)


def test_one_cause_is_one_entry_of_the_page(brownout: Brownout, tmp_path: Path) -> None:
    """The board has one fault: every finding is the same but for its place."""
    ran = brownout("run", *pair(tmp_path), "--board", stuck_board(tmp_path), "--events", "hang")
    assert ran.out.count("brownout replay bo1:") == 1
    assert ran.out.count("the mildest path, step by step") == 1
    assert re.search(r"^    and \d+ more like it, at 1\.\d+", ran.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("depth", "how_far"),
    [
        ("any", "the budget is spent; what takes more interruptions was not reached"),
        ("1", "the budget is spent, within depth 1 of 1"),
        ("2", "the budget is spent, within depth 1 of 2"),
    ],
)
def test_a_spent_budget_ends_with_three(brownout: Brownout, tmp_path: Path, depth: str, how_far: str) -> None:
    ran = brownout("run", *pair(tmp_path), "--depth", depth, "--budget", "0.000001s")
    assert ran.code == 3
    assert ran.out.startswith("INCONCLUSIVE: the campaign did not finish\n")
    assert "HELD" not in ran.out
    assert f"complete   no: {how_far}\n" in ran.out


@pytest.mark.parametrize("budget", ["60", "60s", "1.5m", "1h"])
def test_a_budget_is_given_in_seconds_minutes_or_hours(brownout: Brownout, tmp_path: Path, budget: str) -> None:
    assert brownout("run", *pair(tmp_path), "--tears", "none", "--budget", budget).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--events", "all", "--tears", "none"), "events reset, hang, timer"),
        (("--events", "timer, reset", "--tears", "none"), "events reset, timer"),
        (("--tears", "none"), "tears none"),
        (("--tears", "T1-coarse", "--depth", "2"), "up to 2 interruptions"),
        (("--timing", "sampled", "--seed", "7", "--tears", "T1-coarse"), "held"),
        ((), "any number of interruptions in 2 update attempts, tears T1, events none"),
        (("--attempts", "1"), "any number of interruptions in 1 update attempt,"),
        (("--depth", "1"), "one interruption in 1 update attempt,"),
        (("--depth", "1", "--tears", "none"), "weak bits read seeded\n"),
        (("--resolution", "as-old", "--tears", "none"), "weak bits read as-old\n"),
        (("--depth", "1", "--attempts", "2"), "one interruption in 2 update attempts,"),
        (("--app", "hangs", "--tears", "T1-coarse"), "workload   app hangs, timing typ, seed 0"),
        (("--timing", "max", "--seed", "7", "--tears", "T1-coarse"), "workload   app healthy, timing max, seed 7"),
        (("--no-cache", "--depth", "1", "--tears", "none"), "0 inherited"),
        (("--board", "nrf52840", "--tears", "T1-coarse"), "board      nrf52840"),
    ],
)
def test_options_reach_the_campaign(brownout: Brownout, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    ran = brownout("run", *pair(tmp_path), *options)
    assert (ran.code, ran.err) == (0, "")
    assert said in ran.out


def test_what_a_region_leaves_out_is_listed_on_stderr(brownout: Brownout, tmp_path: Path) -> None:
    for name, app in (("old.hex", OLD_APP), ("new.hex", NEW_APP)):
        segments = [Segment(0x1000, app), Segment(0x10001000, b"config words")]
        save_image(image_from_segments(name, segments), tmp_path / name)
    files = ("--from", tmp_path / "old.hex", "--to", tmp_path / "new.hex")
    ran = brownout("run", *files, "--region", "0x1000:0x2000", "--json", "-", "--tears", "none")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "old.hex: left out 0x10001000:0x1000100c, outside --region 0x1000:0x2000",
        "new.hex: left out 0x10001000:0x1000100c, outside --region 0x1000:0x2000",
    ]
    assert json.loads(ran.out)["inputs"]["to"]["label"] == f"{tmp_path / 'new.hex'}, {len(NEW_APP):,} bytes"


def test_a_firmware_archive_is_sent_as_it_is(brownout: Brownout, tmp_path: Path) -> None:
    archive = tmp_path / "new.zip"
    archive.write_bytes(make_bundle(Firmware("demo", "demo", "3.1.4", "build", NEW_APP)))
    options = pair(tmp_path)
    ran = brownout("run", *options[:3], archive, "--json", "-", "--tears", "none")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["outcomes"].keys() == {"old image runs, committed", "new image runs, committed"}


# -- repeating -------------------------------------------------------------------------------------------


def test_two_processes_reach_the_same_digest_whatever_the_hash_seed(tmp_path: Path) -> None:
    options = ("run", *pair(tmp_path), "--events", "all", "--tears", "T1-coarse", "--json", "-")
    first, second = (json.loads(process(*options, PYTHONHASHSEED=seed).out) for seed in ("1", "2"))
    for document in (first, second):
        del document["seconds"]
    assert first == second
    assert first["verdict"] == "held"


# -- terminals and signals -------------------------------------------------------------------------------


def test_without_a_terminal_there_is_no_escape_code(tmp_path: Path) -> None:
    held = process("run", *pair(tmp_path), "--tears", "none", TERM="xterm-256color", FORCE_COLOR="1")
    failed = process("run", "--board", "nowhere", TERM="xterm-256color", FORCE_COLOR="1")
    assert (held.code, failed.code) == (0, 2)
    assert ESCAPE not in held.out + held.err + failed.out + failed.err


def on_terminal(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Exit code, and everything that is shown on a terminal that is stdout and stderr."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "emu", *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"TERM": "xterm-256color"} | environment, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = read_all(ours)
    return child.wait(60), shown


def read_all(terminal: int, until: bytes = b"") -> str:
    """What a terminal shows until its last writer is gone, or until it shows ``until``."""
    shown = b""
    try:
        while not (until and until in shown):
            ready, _, _ = select.select([terminal], [], [], 60)
            assert ready, f"nothing within a minute after {shown!r}"
            shown += os.read(terminal, 1 << 16)
    except OSError:  # EIO: nobody has the other end open any more
        pass
    if not until:
        os.close(terminal)
    return shown.decode()


def test_no_color_holds_on_a_terminal_also_for_errors(tmp_path: Path) -> None:
    code, shown = on_terminal("run", "--tears", "T1", "--depth", "1", NO_COLOR="1")
    assert code == 0
    assert "HELD: no way" in shown
    assert "depth 1 of 1, session 1 of 2" in shown
    assert not COLOUR.search(shown)
    code, shown = on_terminal("run", "--board", "nowhere", NO_COLOR="1")
    assert (code, shown.count("\n")) == (2, 1)
    assert ESCAPE not in shown


@pytest.mark.parametrize(
    ("options", "shown", "how_far"),
    [
        (
            ("--no-cache", "--depth", "2"), r"depth 1 of 2, session \d of \d, .*: [\d,]+ sessions",
            "stopped by the user, within depth 1 of 2\n",
        ),
        (("--exhaustive",), r"depth \d, [\d,]+ states: [\d,]+ sessions", "stopped by the user; "),
    ],
)  # fmt: skip
def test_ctrl_c_prints_what_is_known_and_ends_with_130(
    tmp_path: Path, options: tuple[str, ...], shown: str, how_far: str
) -> None:
    target = tmp_path / "out.json"
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "emu", "run", *options, "--json", str(target)],
        cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        progress = read_all(ours, until=b" sessions")
        assert re.search(shown, progress), "shown on a terminal"
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    finally:
        child.kill()
    page = out.decode()
    assert child.returncode == 130
    assert page.startswith("INCONCLUSIVE: the campaign did not finish\n")
    assert f"complete   no: {how_far}" in page
    assert "Traceback" not in page + read_all(ours)
    document = json.loads(target.read_text(encoding="utf-8"))
    assert (document["verdict"], document["complete"]) == ("inconclusive", False)
    assert document["boots"] >= 500


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "emu", "run", *pair(tmp_path), "--tears", "none"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    error = child.stderr.read().decode()
    child.stderr.close()
    child.wait(30)
    assert error == ""
