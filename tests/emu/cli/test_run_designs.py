"""`--firmware DESIGN`: the published designs from the command line, with everything a run can be followed by."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from emu.designs.table import DESIGNS
from tests.emu.cli.command import Brownout

RS, QUICK = ("--firmware", "mos1-rs14100"), ("--tears", "none")


def test_what_holds_is_certified_and_verified(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    ran = brownout("run", *RS, *QUICK, "--certificate", target)
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"^workload   app healthy, ", ran.out, re.M)
    assert re.search(r"^audit .*every one agreed$", ran.out, re.M), "designs are audited as firmware of one's own is"
    assert brownout("verify", target).code == 0
    document = json.loads(target.read_text(encoding="utf-8"))
    assert document["arguments"] == [*RS]
    document["arguments"] = ["--firmware", "mos1-stm32"]
    target.write_text(json.dumps(document), encoding="utf-8")
    assert "was made for another board" in brownout.refused("verify", target)


@pytest.mark.parametrize(
    ("design", "tears", "check"), [("mos1-rs14100", "T1", "legal-flash"), ("cc3200", "none", "reverts")]
)
def test_what_is_found_replays_as_it_is_printed(brownout: Brownout, design: str, tears: str, check: str) -> None:
    ran = brownout("run", "--firmware", design, "--tears", tears)
    assert ran.code == 1
    printed = re.search(r"^ +brownout (replay .*)$", ran.out, re.M)
    assert printed is not None
    again = brownout(*shlex.split(printed[1]))
    assert again.code == 1
    assert f"BROKEN {check}: " in again.out


def test_workers_make_the_same_device(brownout: Brownout) -> None:
    pages = [
        brownout("run", "--firmware", "mos1-stm32", *QUICK, "--attempts", "1", *jobs) for jobs in ((), ("--jobs", "2"))
    ]
    assert [page.code for page in pages] == [0, 0]
    digests = {re.search(r"^digest +(\w+)$", page.out, re.M)[1] for page in pages}  # type: ignore[index]
    assert len(digests) == 1


def test_the_new_image_does_what_a_model_does(brownout: Brownout) -> None:
    ran = brownout("run", *RS, *QUICK, "--app", "hangs")
    assert ran.code == 0
    assert "workload   app hangs" in ran.out
    assert "the new image is not meant to stay with this application model" in ran.out
    assert re.search(r"^ +[\d,]+  old image runs, committed$", ran.out, re.M)


def test_a_token_is_bound_to_the_model(brownout: Brownout) -> None:
    ran = brownout("run", "--firmware", "cc3200", *QUICK, "--app", "never-commits")
    token = re.search(r"replay (\S+) --firmware cc3200 --app never-commits$", ran.out, re.M)
    assert token is not None
    assert "workload" in brownout.refused("replay", token[1], "--firmware", "cc3200")


def test_bit_errors_at_rest_are_tried_and_replayed(brownout: Brownout) -> None:
    ran = brownout("run", "--firmware", "mos1-stm32", "--faults", "rest", "--only", "rest.4.app0")
    assert ran.code == 1
    assert re.search(r"rest\.4\.app0 +66 tried: 66 nothing runs; .*1 FINDING$", ran.out, re.M)
    printed = re.search(r"^ +brownout (replay .*)$", ran.out, re.M)
    assert printed is not None
    again = brownout(*shlex.split(printed[1]))
    assert again.code == 1
    assert "FAIL: App CRC mismatch!" in again.out
    assert "BROKEN boots: boot loop" in again.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("--firmware", "mos1-stm23"),
            "mos1-stm23: cannot be read: No such file or directory; write FILE.py:NAME, or a published design (did you "
            "mean `mos1-stm32`?): mos1-stm32, ",
        ),
        ((*RS, "--board", "microbit"), "--board is for brownout's own device; mos1-rs14100 brings its flash and "),
        ((*RS, "--from", "a.bin", "--to", "b.bin"), "--from is for brownout's own device"),
        ((*RS, "--faults", "wear"), "--faults: a scenario is tried with power, rest; wear needs a --board"),
        ((*RS, "--mutants"), "--mutants"),
    ],
)
def test_what_means_nothing_is_refused(brownout: Brownout, given: tuple[str, ...], said: str) -> None:
    assert brownout.refused("run", *given).startswith(said)


def test_a_file_of_that_name_is_given_by_its_path(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cc3200").write_text("nothing = 1\n", encoding="utf-8")
    assert brownout.refused("run", "--firmware", "./cc3200").startswith("./cc3200: there is no Scenario in it")
    assert brownout("run", "--firmware", "cc3200", *QUICK).code == 1


def test_help_lists_every_design(brownout: Brownout) -> None:
    told = " ".join(brownout("run", "--help").out.split())
    for design in DESIGNS.values():
        assert f"{design.name}: {design.help}" in told
