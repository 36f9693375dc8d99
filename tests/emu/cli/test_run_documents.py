"""What `brownout run` writes: JSON and JUnit, on stdout or into files, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emu.board import ALL_CHECKS
from emu.campaign.cache import RunCache, Session
from emu.campaign.explore import Explorer
from emu.rig import DeviceState, Run
from emu.update_rig import UpdateRig
from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.helpers import NEW_APP, OLD_APP

# -- documents -------------------------------------------------------------------------------------------


def test_json_on_stdout_is_one_document_and_nothing_else(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--tears", "T1-coarse", "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert (document["schema"], document["verdict"]) == ("brownout/run/1", "held")
    assert document["edges"] == document["edges_executed"] + document["edges_inherited"]
    assert document["edges"] == sum(document["edge_kinds"].values())
    assert (document["depth"], document["attempts"]) == ("any", 2)
    assert 0 < document["edges_merged"] < document["edges_inherited"]
    assert 0 < document["depth_closed"] <= document["depth_done"]
    assert document["states"] <= document["edges_executed"] + document["boots"]


def test_the_document_names_files_and_workload(brownout: Brownout, tmp_path: Path) -> None:
    options = ("--app", "crashes", "--timing", "max", "--seed", "3", "--attempts", "2", "--tears", "none")
    document = json.loads(brownout("run", *pair(tmp_path), *options, "--json", "-").out)
    assert [document[key] for key in ("app", "timing", "seed", "attempts")] == ["crashes", "max", 3, 2]
    for role, name, app in (("from", "old.bin", OLD_APP), ("to", "new.bin", NEW_APP)):
        known = document["inputs"][role]
        assert (known["file"], known["sha256"]) == (str(tmp_path / name), hashlib.sha256(app).hexdigest())
    label = document["inputs"]["workload"]["label"]
    assert label == "model firmware, app crashes, timing max, seed 3, weak bits seeded, versions 1.0.0 -> 2.0.0"
    assert json.loads(brownout("run", "--tears", "none", "--json", "-").out)["inputs"]["to"]["file"] is None


def counted_sessions(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[bool]]:
    """Both grow by one entry with every session a campaign asks for: by a name, and by whether the rig ran for it."""
    asked_for: list[str] = []
    executed: list[bool] = []
    on_the_rig = 0
    session = RunCache.session

    def counting(method: Callable[..., Run]) -> Callable[..., Run]:
        def run(*arguments: object, **named: object) -> Run:
            nonlocal on_the_rig
            on_the_rig += 1
            return method(*arguments, **named)

        return run

    def asked(cache: RunCache, state: DeviceState, resolution: str | None = None) -> Session:
        before = on_the_rig
        found = session(cache, state, resolution)
        asked_for.append(found.outcome.kind)
        executed.append(on_the_rig > before)
        return found

    monkeypatch.setattr(RunCache, "session", asked)
    for name in ("run", "stretch"):
        monkeypatch.setattr(UpdateRig, name, counting(getattr(UpdateRig, name)))
    return asked_for, executed


@pytest.mark.parametrize(
    "options", [(), ("--no-cache", "--depth", "1"), ("--app", "hangs"), ("--depth", "1"), ("--depth", "2")]
)
def test_sessions_that_were_judged_are_those_run_and_those_recognised(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    asked_for, executed = counted_sessions(monkeypatch)
    target = tmp_path / "out.json"
    page = brownout("run", *pair(tmp_path), "--tears", "none", *options, "--json", target).out
    document = json.loads(target.read_text(encoding="utf-8"))
    boots, runs, recognised = (document[key] for key in ("boots", "runs", "recognised"))
    assert (boots, runs) == (len(asked_for), sum(executed))
    assert boots == runs + recognised
    assert f"sessions   {boots:,} judged: {runs:,} run, {recognised:,} recognised ({recognised / boots:.1%})" in page
    assert (recognised == 0) == ("--no-cache" in options)


def test_a_check_that_does_not_apply_is_in_every_report(brownout: Brownout, tmp_path: Path) -> None:
    """`retries` asks for an update that stays, which one that always hangs never does."""
    as_json, as_junit = tmp_path / "out.json", tmp_path / "out.xml"
    page = brownout("run", "--app", "hangs", "--tears", "none", "--json", as_json, "--junit", as_junit).out
    assert re.search(r"^  retries +not applicable +from every settled state", page, re.MULTILINE)
    results = {item["name"]: item for item in json.loads(as_json.read_text(encoding="utf-8"))["results"]}
    assert set(results) == set(ALL_CHECKS)
    assert results["retries"]["result"] == "not applicable"
    assert results["retries"]["reason"] in page
    left_out = ["retries", "truthful", "keeps-files", "steady"]
    assert [name for name, item in results.items() if item["result"] == "not applicable"] == left_out
    others = {item["result"] for name, item in results.items() if name not in left_out}
    assert others == {"held", "not exercised"}
    (skipped,) = ElementTree.parse(as_junit).getroot().findall("testcase[@name='retries']/skipped")
    assert skipped.get("message") == f"not applicable: {results['retries']['reason']}"


def test_a_check_the_board_does_not_claim_is_said_to_be_left_out(brownout: Brownout, tmp_path: Path) -> None:
    path = stuck_board(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + '\n[checks]\napply = ["boots", "whole"]\n', encoding="utf-8")
    ran = brownout("run", *pair(tmp_path), "--board", path, "--tears", "none", "--json", "-")
    results = {item["name"]: item["result"] for item in json.loads(ran.out)["results"]}
    assert list(results) == list(ALL_CHECKS)
    assert [name for name, result in results.items() if result == "not applicable"] == list(ALL_CHECKS[2:])


def test_junit_on_stdout_is_one_document_and_nothing_else(brownout: Brownout, tmp_path: Path) -> None:
    as_json = tmp_path / "out.json"
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--junit", "-", "--json", as_json)
    assert (ran.code, ran.err) == (0, "")
    assert ElementTree.fromstring(ran.out).tag == "testsuite"
    assert ran.out.startswith("<?xml")
    assert json.loads(as_json.read_text(encoding="utf-8"))["verdict"] == "held"


def test_help_says_which_documents_may_go_to_stdout(brownout: Brownout) -> None:
    page = brownout("run", "--help").out
    assert "--json FILE|-" in page
    assert "--junit FILE|-" in page


def test_json_and_junit_go_to_files_beside_the_page(brownout: Brownout, tmp_path: Path) -> None:
    as_json, as_junit = tmp_path / "out.json", tmp_path / "out.xml"
    ran = brownout("run", *pair(tmp_path), "--tears", "T1-coarse", "--json", as_json, "--junit", as_junit)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("HELD")
    document = json.loads(as_json.read_text(encoding="utf-8"))
    assert f"digest     {document['digest']}" in ran.out
    suite = ElementTree.parse(as_junit).getroot()
    left_out = ["truthful", "keeps-files", "steady"]
    judged = [name for name in ALL_CHECKS if name not in left_out]
    assert [case.get("name") for case in suite.findall("testcase")] == [*judged, *left_out]
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
@pytest.mark.parametrize(
    ("place", "other", "said"),
    [
        ("-", "-", "--json and --junit both go to stdout; give one of them a file"),
        ("out", "out", "give them different files"),
        ("out", "../{}/out", "give them different files"),
    ],
)
def test_two_documents_do_not_go_to_one_place(
    brownout: Brownout, tmp_path: Path, place: str, other: str, said: str
) -> None:
    first, second = (name if name == "-" else tmp_path / name.format(tmp_path.name) for name in (place, other))
    assert said in brownout.refused("run", *pair(tmp_path), "--json", first, "--junit", second)
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
    assert (ran.code, ran.err) == (
        2,
        f"brownout: {target}: cannot be written (No space left on device); give another path\n",
    )
    assert target.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.bin", "old.bin", "out.json"]
