"""`brownout replay --vcd` and `--perfetto`: files beside the story, or one of them instead of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from vcd.reader import TokenKind, tokenize

from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.cli.test_exposure_option import CARELESS


@pytest.fixture
def flags(tmp_path: Path) -> tuple[str, ...]:
    return (*pair(tmp_path), "--board", str(stuck_board(tmp_path)))


@pytest.fixture
def token(brownout: Brownout, flags: tuple[str, ...]) -> str:
    ran = brownout("run", *flags, "--events", "hang", "--tears", "none", "--json", "-")
    found: str = json.loads(ran.out)["findings"][0]["token"]
    return found


def test_both_files_beside_the_story(brownout: Brownout, flags: tuple[str, ...], token: str, tmp_path: Path) -> None:
    wave, trace = tmp_path / "t.vcd", tmp_path / "t.json"
    ran = brownout("replay", token, *flags, "--vcd", wave, "--perfetto", trace)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out == brownout("replay", token, *flags).out
    names = [t.var.reference for t in tokenize(io.BytesIO(wave.read_bytes())) if t.kind is TokenKind.VAR]
    assert names == [
        "rail", "session", "reset_cause", "image", "slot", "commit_timer", "busy", "operation", "address", "length"
    ]  # fmt: skip
    document = json.loads(trace.read_text(encoding="utf-8"))
    assert document["otherData"] == {"board": "stuck", "token": token}
    assert any(event["name"] == "FIRMWARE HANGS here" for event in document["traceEvents"])


@pytest.mark.parametrize(("option", "begin"), [("--vcd", "$comment brownout replay bo1:"), ("--perfetto", '{"trace')])
def test_one_of_them_on_stdout_is_alone_there(
    brownout: Brownout, flags: tuple[str, ...], token: str, option: str, begin: str
) -> None:
    ran = brownout("replay", token, *flags, option, "-")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(begin)
    assert "\nsession 1: reset by" not in f"\n{ran.out}"


def test_a_path_on_which_everything_holds_has_traces_too(
    brownout: Brownout, flags: tuple[str, ...], token: str, tmp_path: Path
) -> None:
    uncut = ":".join([*token.split(":")[:6], "uncut"])
    wave = tmp_path / "t.vcd"
    assert brownout("replay", uncut, *flags, "--app", "healthy", "--vcd", wave).code == 3
    assert wave.read_text(encoding="utf-8").startswith("$comment")


def test_a_bricked_device_runs_no_image(brownout: Brownout, tmp_path: Path) -> None:
    source = tmp_path / "careless.py"
    source.write_text(CARELESS, encoding="utf-8")
    own, wave, trace = ("--firmware", f"{source}:careless"), tmp_path / "t.vcd", tmp_path / "t.json"
    document = json.loads(brownout("run", *own, "--tears", "none", "--json", "-").out)
    ran = brownout("replay", document["findings"][0]["token"], *own, "--vcd", wave, "--perfetto", trace)
    assert (ran.code, ran.err) == (1, "")
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    sessions = [event for event in events if event["name"].startswith("session ")]
    images = [event for event in events if event["name"].endswith("image, slot 0")]
    assert [event["args"]["outcome"] for event in sessions] == ["POWER CUT here", "bricked: no record"]
    assert [event["ts"] < sessions[1]["ts"] for event in images] == [True]


def test_where_nothing_can_be_written_is_said_before_the_work(
    brownout: Brownout, flags: tuple[str, ...], token: str, tmp_path: Path
) -> None:
    assert "there is no folder" in brownout.refused("replay", token, *flags, "--vcd", tmp_path / "no" / "t.vcd")
    assert "both go to" in brownout.refused("replay", token, *flags, "--vcd", "-", "--perfetto", "-")
    assert "is an input too" in brownout.refused("replay", token, *flags, "--vcd", tmp_path / "old.bin")
    assert not (tmp_path / "no").exists()


def test_a_token_of_other_inputs_leaves_no_file(
    brownout: Brownout, flags: tuple[str, ...], token: str, tmp_path: Path
) -> None:
    wave = tmp_path / "t.vcd"
    assert "made with other inputs" in brownout.refused("replay", token, *flags, "--seed", "3", "--vcd", wave)
    assert not wave.exists()
