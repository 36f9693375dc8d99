"""`run --ota`: the update comes over a link that is part of the campaign. Its tokens replay, certificates verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emu.cli.inputs import Inputs
from emu.cli.naming import arguments
from emu.link_choice import LinkChoice
from tests.emu.cli.command import ROOT, Brownout

QUICK = ("--tears", "none", "--attempts", "1")
COMMITS_NOTHING = """
from emu.firmware import ModelFirmware


class Forgets(ModelFirmware):
    name = "forgets"

    def commit(self, session):
        pass
"""


@pytest.fixture
def images(tmp_path: Path) -> tuple[str, ...]:
    for name, step in (("old", 7), ("new", 11)):
        (tmp_path / f"{name}.bin").write_bytes(bytes(n * step % 251 for n in range(400)))
    return ("--from", str(tmp_path / "old.bin"), "--to", str(tmp_path / "new.bin"))


def test_an_update_over_a_link_holds_and_the_report_says_who_brings_it(
    brownout: Brownout, images: tuple[str, ...]
) -> None:
    done = brownout("run", "--ota", "mongoose", "--json", "-", *QUICK, *images)
    assert done.code == 0
    document = json.loads(done.out)
    assert document["link"] == "a mongoose client over a connection, no frame disturbed"
    results = {result["name"]: result["result"] for result in document["results"]}
    assert results["truthful"] == "held"
    plain = json.loads(brownout("run", "--json", "-", *QUICK, *images).out)
    assert "link" not in plain
    assert {r["name"]: r["result"] for r in plain["results"]}["truthful"] == "not applicable"


def test_frames_are_disturbed_in_every_way_where_that_is_asked_for(brownout: Brownout, images: tuple[str, ...]) -> None:
    done = brownout("run", "--ota", "mongoose", "--disturb", "1", "--json", "-", "--budget", "20s", *QUICK, *images)
    kinds = set(json.loads(done.out)["edge_kinds"])
    assert kinds == {"cut", "frame-lost", "frame-doubled", "frame-late", "link-stalled", "link-broken"}


def test_a_finding_over_a_link_has_a_command_that_replays_it(
    brownout: Brownout, images: tuple[str, ...], tmp_path: Path
) -> None:
    """An application that commits nothing: the client is told that the image stays."""
    (tmp_path / "forgets.py").write_text(COMMITS_NOTHING)
    firmware = ("--firmware", f"{tmp_path / 'forgets.py'}:Forgets")
    done = brownout("run", "--ota", "mongoose", "--link", "wire", "--json", "-", *QUICK, *images, *firmware)
    assert done.code == 1
    findings = json.loads(done.out)["findings"]
    finding = next(finding for finding in findings if finding["check"] == "truthful")
    words = finding["replay"].split()[2:]
    assert words[-4:] == ["--ota", "mongoose", "--link", "wire"]
    again = brownout("replay", *words)
    assert again.code == 1
    assert "BROKEN truthful: the other side was told that the new image stays" in again.out
    assert "peer sends OTA.Commit" in again.out
    without = brownout("replay", *words[:-4])
    assert without.code == 2
    assert "workload" in without.err


def test_a_certificate_of_a_campaign_over_a_link_is_derived_again(
    brownout: Brownout, images: tuple[str, ...], tmp_path: Path
) -> None:
    certificate = tmp_path / "held.json"
    done = brownout("run", "--ota", "mongoose", "--certificate", str(certificate), *QUICK, *images)
    assert done.code == 0, done.err
    assert json.loads(certificate.read_text())["workload"]["link"].startswith("a mongoose client")
    assert brownout("verify", str(certificate)).code == 0


def test_two_processes_come_to_the_same_digest(brownout: Brownout, images: tuple[str, ...]) -> None:
    one, two = (
        json.loads(brownout("run", "--ota", "mongoose", "--json", "-", *jobs, *QUICK, *images).out)["digest"]
        for jobs in ((), ("--jobs", "2"))
    )
    assert one == two


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--link", "wire"), "--link is for updates that come over a link: give --ota as well"),
        (("--disturb", "1"), "--disturb is for updates that come over a link: give --ota as well"),
        (("--ota", "mongoose", "--app", "hangs"), "--app hangs: with --ota the application is the update system's"),
        (("--ota", "mongoose", "--faults", "rest"), "leave --ota out"),
        (("--ota", "mongoose", "--firmware", "cc3200"), "--ota is for brownout's own device"),
        (("--ota", "mcumgr"), "'mcumgr' is not 'mongoose'"),
        (("--ota", "mongoose", "--disturb", "9"), "9 is not in the range 0<=x<=8"),
    ],
)
def test_what_does_not_go_together_is_one_line(brownout: Brownout, options: tuple[str, ...], words: str) -> None:
    done = brownout("run", *options)
    assert done.code == 2
    assert words in done.err
    assert len(done.err.strip().splitlines()) <= 3


def test_a_board_without_commit_timeout_is_refused(brownout: Brownout, tmp_path: Path) -> None:
    board = tmp_path / "at-once.toml"
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    board.write_text(text.replace("commit_timeout_s = 60", "commit_timeout_s = 0"))
    done = brownout("run", "--ota", "mongoose", "--board", str(board))
    assert done.code == 2
    assert "give it a commit timeout" in done.err


def test_arguments_ask_for_the_same_link_again() -> None:
    plain = Inputs("demo", None, None, None, None, "healthy", "typ", 0)
    assert arguments(plain) == ()
    over = Inputs("demo", None, None, None, None, "healthy", "typ", 0, link=LinkChoice("mongoose", "wire", 2))
    assert arguments(over) == ("--ota", "mongoose", "--link", "wire", "--disturb", "2")
    usual = Inputs("demo", None, None, None, None, "healthy", "typ", 0, link=LinkChoice("mongoose"))
    assert arguments(usual) == ("--ota", "mongoose")


def test_mistakes_of_the_bundled_mutants_show_through_a_link_as_well(
    brownout: Brownout, images: tuple[str, ...]
) -> None:
    """The application updates through the firmware it is given, whole: nothing of a firmware of the user's is left
    out."""
    done = brownout("run", "--ota", "mongoose", "--mutants", *QUICK, *images)
    assert done.code == 0, done.err
    caught = [line for line in done.out.splitlines() if " caught by " in line]
    assert len(caught) == 7
    assert "NOT CAUGHT" not in done.out
