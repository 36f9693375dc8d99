"""`brownout run`: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emu.board import ALL_CHECKS
from emu.campaign.explore import Explorer
from flash.images import Segment, image_from_segments, save_hex
from tests.emu.cli.command import ROOT, Brownout, pair, process, stuck_board
from tests.emu.helpers import NEW_APP, OLD_APP
from updater.bundle import Firmware, make_bundle

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


# -- what it prints --------------------------------------------------------------------------------------


def test_the_bundled_pair_on_the_demo_board_holds() -> None:
    ran = process("run")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "HELD: no way to break the update was found"
    assert "board      demo" in lines
    assert "update     3340 bytes -> 4172 bytes, 5 erases, 21 programs" in lines
    assert re.fullmatch(r"digest     [0-9a-f]{64}", lines[-1])
    for name in ALL_CHECKS:
        assert re.search(rf"^  {name} +held ", ran.out, re.MULTILINE)


def test_files_of_ones_own_are_tried(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path))
    assert (ran.code, ran.err) == (0, "")
    assert f"{len(OLD_APP)} bytes -> {len(NEW_APP)} bytes" in ran.out


def test_findings_end_with_one_and_a_token_for_each(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--board", stuck_board(tmp_path), "--events", "hang")
    assert ran.code == 1
    assert ran.out.startswith("FINDINGS: the update can be broken\n")
    assert re.search(r"^    brownout replay bo1:1:([0-9a-f]{8}:){4}1\.\d+\.hang$", ran.out, re.MULTILINE)
    assert re.search(r"^  reverts +\d+ findings ", ran.out, re.MULTILINE)


def test_a_spent_budget_ends_with_three(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--budget", "0.000001s")
    assert ran.code == 3
    assert ran.out.startswith("INCONCLUSIVE: the campaign did not finish\n")
    assert "HELD" not in ran.out
    assert "complete   no: the budget is spent; depth 0 of 1 is done" in ran.out


@pytest.mark.parametrize("budget", ["60", "60s", "1.5m", "1h"])
def test_a_budget_is_given_in_seconds_minutes_or_hours(brownout: Brownout, tmp_path: Path, budget: str) -> None:
    assert brownout("run", *pair(tmp_path), "--tears", "none", "--budget", budget).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--events", "all"), "events reset, hang, timer"),
        (("--events", "timer, reset"), "events reset, timer"),
        (("--tears", "none"), "tears none"),
        (("--tears", "T1-coarse", "--depth", "2"), "up to 2 interruptions"),
        (("--app", "hangs"), "held"),
        (("--timing", "sampled", "--seed", "7"), "held"),
        (("--attempts", "2"), "held"),
        (("--no-cache", "--tears", "none"), "0 inherited"),
        (("--board", "nrf52840"), "board      nrf52840"),
    ],
)
def test_options_reach_the_campaign(brownout: Brownout, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    ran = brownout("run", *pair(tmp_path), *options)
    assert (ran.code, ran.err) == (0, "")
    assert said in ran.out


def test_what_a_region_leaves_out_is_listed_on_stderr(brownout: Brownout, tmp_path: Path) -> None:
    for name, app in (("old.hex", OLD_APP), ("new.hex", NEW_APP)):
        segments = [Segment(0x1000, app), Segment(0x10001000, b"config words")]
        save_hex(image_from_segments(name, segments), tmp_path / name)
    files = ("--from", tmp_path / "old.hex", "--to", tmp_path / "new.hex")
    ran = brownout("run", *files, "--region", "0x1000:0x2000", "--json", "-", "--tears", "none")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "old.hex: left out 0x10001000:0x1000100c, outside --region 0x1000:0x2000",
        "new.hex: left out 0x10001000:0x1000100c, outside --region 0x1000:0x2000",
    ]
    assert json.loads(ran.out)["inputs"]["to"]["label"] == f"{len(NEW_APP)} bytes"


def test_a_firmware_archive_is_sent_as_it_is(brownout: Brownout, tmp_path: Path) -> None:
    archive = tmp_path / "new.zip"
    archive.write_bytes(make_bundle(Firmware("demo", "demo", "3.1.4", "build", NEW_APP)))
    options = pair(tmp_path)
    ran = brownout("run", *options[:3], archive, "--json", "-", "--tears", "none")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["outcomes"].keys() == {"old image runs, committed", "new image runs, committed"}


# -- repeating -------------------------------------------------------------------------------------------


def test_two_processes_reach_the_same_digest_whatever_the_hash_seed(tmp_path: Path) -> None:
    options = ("run", *pair(tmp_path), "--events", "all", "--json", "-")
    first, second = (json.loads(process(*options, PYTHONHASHSEED=seed).out) for seed in ("1", "2"))
    for document in (first, second):
        del document["seconds"]
    assert first == second
    assert first["verdict"] == "held"


# -- documents -------------------------------------------------------------------------------------------


def test_json_on_stdout_is_one_document_and_nothing_else(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert (document["schema"], document["verdict"]) == ("brownout/run/1", "held")
    assert document["edges"] == document["edges_executed"] + document["edges_inherited"]
    assert document["edges"] == sum(document["edge_kinds"].values())


def test_json_and_junit_go_to_files_beside_the_page(brownout: Brownout, tmp_path: Path) -> None:
    as_json, as_junit = tmp_path / "out.json", tmp_path / "out.xml"
    ran = brownout("run", *pair(tmp_path), "--json", as_json, "--junit", as_junit)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("HELD")
    document = json.loads(as_json.read_text(encoding="utf-8"))
    assert f"digest     {document['digest']}" in ran.out
    suite = ElementTree.parse(as_junit).getroot()
    assert [case.get("name") for case in suite.findall("testcase")] == list(ALL_CHECKS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.bin", "old.bin", "out.json", "out.xml"]


def test_documents_are_written_also_when_there_are_findings(brownout: Brownout, tmp_path: Path) -> None:
    as_json, as_junit = tmp_path / "out.json", tmp_path / "out.xml"
    options = ("--board", stuck_board(tmp_path), "--events", "hang", "--json", as_json, "--junit", as_junit)
    assert brownout("run", *pair(tmp_path), *options).code == 1
    document = json.loads(as_json.read_text(encoding="utf-8"))
    assert document["verdict"] == "findings"
    assert {item["check"] for item in document["findings"]} == {"reverts"}
    failures = ElementTree.parse(as_junit).getroot().findall("testcase/failure")
    assert [document["findings"][0]["token"] in (failure.text or "") for failure in failures] == [True]


def test_a_file_that_is_there_already_is_replaced_and_gets_ordinary_rights(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old", encoding="utf-8")
    assert brownout("run", *pair(tmp_path), "--tears", "none", "--json", target).code == 0
    assert json.loads(target.read_text(encoding="utf-8"))["verdict"] == "held"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


def test_a_link_is_written_through_and_not_replaced(brownout: Brownout, tmp_path: Path) -> None:
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    assert brownout("run", *pair(tmp_path), "--tears", "none", "--json", link).code == 0
    assert json.loads(link.read_text(encoding="utf-8"))["verdict"] == "held"
    assert link.is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["verdict"] == "held"


def test_a_pipe_or_device_is_written_to_and_not_replaced(brownout: Brownout, tmp_path: Path) -> None:
    """`--json /dev/null`, `--json >(jq .verdict)`: what is not an ordinary file must stay what it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert brownout("run", *pair(tmp_path), "--tears", "none", "--json", pipe).code == 0
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert json.loads(os.read(reader, 1 << 16))["verdict"] == "held"
    finally:
        os.close(reader)


# -- outputs that cannot be written ----------------------------------------------------------------------


@pytest.fixture
def no_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign must not begin."""

    def explore(self: Explorer) -> None:
        raise AssertionError("the campaign ran")

    monkeypatch.setattr(Explorer, "explore", explore)


@pytest.mark.usefixtures("no_campaign")
@pytest.mark.parametrize("place", ["-", "out"])
def test_two_documents_do_not_go_to_one_place(brownout: Brownout, tmp_path: Path, place: str) -> None:
    target = place if place == "-" else tmp_path / place
    assert "--junit" in brownout.refused("run", *pair(tmp_path), "--json", target, "--junit", target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.bin", "old.bin"]


@pytest.mark.usefixtures("no_campaign")
@pytest.mark.parametrize("option", ["--json", "--junit"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("gone/out", "{}: there is no folder "),
        ("old.bin/out", "{}: there is no folder "),
        (".", "{}: is a folder; name a file in it"),
        ("/proc/out", "{}: cannot be written: "),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_before_the_campaign(
    brownout: Brownout, tmp_path: Path, option: str, place: str, said: str
) -> None:
    files = pair(tmp_path)
    target = tmp_path / place
    assert brownout.refused("run", *files, option, target).startswith(said.format(target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.bin", "old.bin"]


def test_a_write_that_fails_at_the_end_leaves_the_old_file_and_no_other(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.json"
    target.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--json", target)
    assert (ran.code, ran.err) == (2, f"brownout: {target}: cannot be written: No space left on device\n")
    assert target.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.bin", "old.bin", "out.json"]


# -- terminals and signals -------------------------------------------------------------------------------


def test_without_a_terminal_there_is_no_escape_code(tmp_path: Path) -> None:
    held = process("run", *pair(tmp_path), TERM="xterm-256color", FORCE_COLOR="1")
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
    code, shown = on_terminal("run", "--tears", "T1", NO_COLOR="1")
    assert code == 0
    assert "HELD: no way" in shown
    assert not COLOUR.search(shown)
    code, shown = on_terminal("run", "--board", "nowhere", NO_COLOR="1")
    assert (code, shown.count("\n")) == (2, 1)
    assert ESCAPE not in shown


def test_ctrl_c_prints_what_is_known_and_ends_with_130(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "emu", "run", "--no-cache", "--depth", "2", "--json", str(target)],
        cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        assert "edges" in read_all(ours, until=b"edges"), "progress is shown on a terminal"
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    finally:
        child.kill()
    page = out.decode()
    assert child.returncode == 130
    assert page.startswith("INCONCLUSIVE: the campaign did not finish\n")
    assert "complete   no: stopped by the user; depth 0 of 2 is done" in page
    assert "Traceback" not in page + read_all(ours)
    document = json.loads(target.read_text(encoding="utf-8"))
    assert (document["verdict"], document["complete"]) == ("inconclusive", False)
    assert document["edges"] >= 500


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
