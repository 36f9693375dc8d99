"""`brownout run --ndjson`: one JSON object per line, there as soon as it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emu.campaign.options import Options
from emu.campaign.verdict import Coverage
from emu.report.ndjson import EVERY_S, SCHEMA, Narrator
from tests.emu.cli.command import ROOT, Brownout, pair, stuck_board
from tests.emu.verdicts import ASKED


def lines_of(text: str) -> list[dict[str, Any]]:
    """Every line is one object, and the last one is whole."""
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def names(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines if line["event"] != "progress"]


# -- the narrator ----------------------------------------------------------------------------------------


class Watched:
    """A narrator, what it told, and a clock that somebody sets."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[dict[str, Any]] = []
        self.narrator = Narrator(lambda line: self.lines.append(json.loads(line)), lambda: self.now_s)
        self.passed_on: list[int] = []
        self.progress: Callable[[Coverage, int, str], None] = self.narrator.following(
            lambda coverage, layer, where: self.passed_on.append(layer)
        )


def test_progress_is_told_at_most_every_second_and_passed_on_always() -> None:
    watched = Watched()
    for step in range(50):
        watched.now_s = step * EVERY_S / 10
        watched.progress(Coverage(boots=step), 1, "here")
    told = [line["boots"] for line in watched.lines]
    assert told == [0, 10, 20, 30, 40]
    assert len(watched.passed_on) == 50
    assert {(line["schema"], line["event"], line["where"]) for line in watched.lines} == {(SCHEMA, "progress", "here")}


def test_every_layer_is_told_once_and_in_order() -> None:
    watched = Watched()
    for done in (0, 0, 1, 1, 3, 3):
        watched.progress(Coverage(depth_done=done), done + 1, "")
    assert [line["depth"] for line in watched.lines if line["event"] == "layer"] == [1, 2, 3]


def test_what_is_about_to_begin_is_told_with_its_inputs() -> None:
    watched = Watched()
    watched.narrator.begun(ASKED, Options(depth=2, attempts=3, events=("reset",)))
    (line,) = watched.lines
    assert line["inputs"]["to"] == {"label": "my new.bin, 200 bytes", "sha256": "cc" * 32}
    assert [line[key] for key in ("depth", "attempts", "tears", "events", "seed")] == [2, 3, "T1", ["reset"], 7]


# -- the command -----------------------------------------------------------------------------------------


def test_a_run_that_holds_from_begin_to_verdict(brownout: Brownout, tmp_path: Path) -> None:
    events, as_json = tmp_path / "events.ndjson", tmp_path / "out.json"
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--ndjson", events, "--json", as_json)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("HELD")
    lines, document = lines_of(events.read_text(encoding="utf-8")), json.loads(as_json.read_text(encoding="utf-8"))
    depths = [line["depth"] for line in lines if line["event"] == "layer"]
    assert names(lines) == ["begun", *["layer"] * len(depths), "verdict"]
    assert depths == list(range(1, document["depth_done"] + 1))
    assert any(line["event"] == "progress" for line in lines)
    assert {line["schema"] for line in lines} == {"brownout/events/1"}
    assert [line["at_s"] for line in lines] == sorted(line["at_s"] for line in lines)
    verdict = lines[-1]
    assert (verdict["verdict"], verdict["findings"]) == ("held", 0)
    assert {key: verdict[key] for key in ("digest", "edges", "states", "depth_done")} == {
        key: document[key] for key in ("digest", "edges", "states", "depth_done")
    }


def test_every_finding_is_told_with_its_token(brownout: Brownout, tmp_path: Path) -> None:
    flags = (*pair(tmp_path), "--board", stuck_board(tmp_path), "--events", "hang", "--tears", "none")
    as_json = tmp_path / "out.json"
    ran = brownout("run", *flags, "--ndjson", "-", "--json", as_json)
    assert (ran.code, ran.err) == (1, "")
    lines, document = lines_of(ran.out), json.loads(as_json.read_text(encoding="utf-8"))
    found = [line for line in lines if line["event"] == "finding"]
    assert [line["token"] for line in found] == [item["token"] for item in document["findings"]]
    assert lines[-1]["findings"] == len(found) > 0


def test_at_depth_1_as_well(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--depth", "1", "--ndjson", "-")
    assert names(lines_of(ran.out)) == ["begun", "layer", "verdict"]


def test_what_ends_without_a_verdict_is_told_as_failed(brownout: Brownout, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    board = tmp_path / "small.toml"
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    board.write_text(text + "\n[verify]\nminimum_version = 33554433\n", encoding="utf-8")
    line = brownout.refused("run", *pair(tmp_path), "--board", board, "--tears", "none", "--ndjson", events)
    lines = lines_of(events.read_text(encoding="utf-8"))
    assert names(lines) == ["begun", "failed"]
    assert lines[-1]["message"] == line


def test_the_reader_sees_the_beginning_while_the_campaign_runs(tmp_path: Path) -> None:
    """A pipe whose reader waits for the first line before the writer can have ended."""
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    seen: list[tuple[str, bool]] = []
    run = subprocess.Popen(
        [sys.executable, "-m", "emu", "run", "--tears", "none", "--ndjson", str(pipe)],
        cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | {"BROWNOUT_NO_STORE": "1"},
    )  # fmt: skip

    def read() -> None:
        with pipe.open(encoding="utf-8") as lines:
            for line in lines:
                seen.append((json.loads(line)["event"], run.poll() is None))

    reader = threading.Thread(target=read)
    reader.start()
    assert run.wait(60) == 0
    reader.join(60)
    assert seen[0] == ("begun", True)
    assert seen[-1][0] == "verdict"


def test_events_that_cannot_be_written_cost_no_result(brownout: Brownout, tmp_path: Path) -> None:
    as_json = tmp_path / "out.json"
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--ndjson", "/dev/full", "--json", as_json)
    assert ran.code == 2
    assert ran.out.startswith("HELD")
    assert ran.err == "brownout: --ndjson: /dev/full: No space left on device; the events are not complete\n"
    assert json.loads(as_json.read_text(encoding="utf-8"))["verdict"] == "held"


def test_where_nothing_can_be_written_is_said_before_the_work(brownout: Brownout, tmp_path: Path) -> None:
    assert "there is no folder" in brownout.refused("run", "--ndjson", tmp_path / "no" / "events")
    assert "both go to stdout" in brownout.refused("run", "--ndjson", "-", "--json", "-")
