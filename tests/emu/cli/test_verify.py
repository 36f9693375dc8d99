"""`brownout verify`: 0 derived again, 1 something is otherwise, 2 the certificate or an input cannot be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.campaign.closure import Closure
from emu.campaign.verdict import Verdict
from emu.cli import verify as verify_module
from emu.cli.inputs import Inputs
from emu.cli.inputs import make_rig as real_make_rig
from emu.firmware import ModelFirmware
from emu.update_rig import UpdateRig
from flash.weak import RESOLUTIONS
from tests.emu.broken import EagerLoader
from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.helpers import NEW_APP

NO_JSON = (
    "is no certificate, cut short or altered: it is not JSON, or says a thing twice; give what brownout run "
    "--certificate wrote"
)
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def proof(brownout: Brownout, tmp_path: Path) -> Path:
    """A certificate of a small campaign."""
    target = tmp_path / "proof.json"
    assert brownout("run", *pair(tmp_path), "--tears", "none", "--attempts", "1", "--certificate", target).code == 0
    return target


def altered(proof: Path, change: Change) -> Path:
    document = json.loads(proof.read_text(encoding="utf-8"))
    change(document)
    target = proof.with_name("altered.json")
    target.write_text(json.dumps(document), encoding="utf-8")
    return target


# -- as certified ----------------------------------------------------------------------------------------


def test_a_certificate_is_derived_again(brownout: Brownout, proof: Path) -> None:
    ran = brownout("verify", proof)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("VERIFIED: the campaign, run again in ")
    document = json.loads(proof.read_text(encoding="utf-8"))
    assert f"\n{document['statement']}\n" in ran.out
    rows = [line.split(maxsplit=1) for line in ran.out.partition(document["statement"])[2].splitlines() if line]
    assert all(len(row) == 2 for row in rows), "every fact has a value"
    facts = dict(rows)
    assert (facts["digest"], facts["workload.events"]) == (document["digest"], "none")
    assert facts["checks.keeps-files.reason"] == document["checks"]["keeps-files"]["reason"]
    assert "checks.boots.reason" not in facts


@pytest.mark.parametrize(
    "options",
    [
        ("--audit", "50%"),
        ("--events", "reset,timer"),
        ("--seed", "7", "--timing", "sampled"),
        ("--app", "hangs"),
        ("--resolution", "as-old"),
    ],
)
def test_what_a_campaign_was_asked_for_is_in_its_certificate(
    brownout: Brownout, tmp_path: Path, options: tuple[str, ...]
) -> None:
    target = tmp_path / "proof.json"
    command: tuple[str | Path, ...] = (
        "run",
        *pair(tmp_path),
        "--tears",
        "none",
        "--attempts",
        "1",
        *options,
        "--certificate",
        target,
    )
    assert brownout(*command).code == 0
    assert brownout("verify", target).code == 0


def test_workers_derive_what_one_process_certified(brownout: Brownout, proof: Path) -> None:
    assert brownout("verify", proof, "--engine", "workers", "--jobs", "2").code == 0


@pytest.mark.parametrize("key", ["versions", "seconds", "sessions"])
def test_time_versions_and_what_was_recognised_may_be_otherwise(brownout: Brownout, proof: Path, key: str) -> None:
    assert brownout("verify", altered(proof, lambda document: document.update({key: {}}))).code == 0


def test_files_that_moved_are_given_again(brownout: Brownout, proof: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("old.bin", "new.bin"):
        shutil.move(tmp_path / name, moved / name)
    assert f"{tmp_path / 'old.bin'}: cannot be read (No such file" in brownout.refused("verify", proof)
    assert brownout("verify", proof, "--from", moved / "old.bin", "--to", moved / "new.bin").code == 0


# -- otherwise -------------------------------------------------------------------------------------------


ALTERED: dict[str, Change] = {
    "statement": lambda d: d.update(statement="Nothing can go wrong."),
    "board.name": lambda d: d["board"].update(name="mine"),
    "parts.nor": lambda d: d["parts"].update(nor="Unbreakable"),
    "inputs.workload.label": lambda d: d["inputs"]["workload"].update(label="timing max"),
    "workload.app": lambda d: d["workload"].update(app="hangs"),
    "workload.timing": lambda d: d["workload"].update(timing="max"),
    "workload.seed": lambda d: d["workload"].update(seed=9),
    "workload.operations.program": lambda d: d["workload"]["operations"].update(program=9999),
    "depth.closed_at": lambda d: d["depth"].update(closed_at=99),
    "tears.seed": lambda d: d["tears"].update(seed=9),
    "tears.rows": lambda d: d["tears"].update(rows=["prefix"]),
    "checks.boots.exercised": lambda d: d["checks"]["boots"].update(exercised=1),
    "checks.boots.result": lambda d: d["checks"]["boots"].update(result="not exercised"),
    "checks.keeps-files.result": lambda d: d["checks"]["keeps-files"].update(result="held"),
    "checks.sound.result": lambda d: d["checks"].update(sound={"result": "held"}),
    "states": lambda d: d.update(states=d["states"] + 1),
    "edges.total": lambda d: d["edges"].update(total=10**9),
    "edges.executed.cut": lambda d: d["edges"]["executed"].update(cut=10**6),
    "edges.inherited.cut": lambda d: d["edges"]["inherited"].update(cut=10**6),
    "merges": lambda d: d.update(merges=0),
    "outcomes.never bricked": lambda d: d["outcomes"].update({"never bricked": 1}),
    "key_bits": lambda d: d.update(key_bits=8),
    "digest": lambda d: d.update(digest="00" * 32),
    "quality": lambda d: d.update(quality="excellent"),
}


@pytest.mark.parametrize("field", ALTERED)
def test_a_field_that_says_otherwise_is_named(brownout: Brownout, proof: Path, field: str) -> None:
    ran = brownout("verify", altered(proof, ALTERED[field]))
    assert (ran.code, ran.err) == (1, "")
    assert "NOT VERIFIED: " in ran.out.splitlines()[0]
    assert " of the certificate cannot be derived again" in ran.out.splitlines()[0]
    assert any(line.startswith(f"  {field}: the certificate says ") for line in ran.out.splitlines()[1:])
    assert "\nVERIFIED" not in f"\n{ran.out}"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["workload"].update(attempts=2),
        lambda d: d["workload"].update(events=["reset"]),
        lambda d: d["tears"].update(set="T1-coarse"),
    ],
    ids=["attempts", "events", "tears"],
)
def test_a_claim_of_more_than_was_tried_is_tried_and_found_to_be_otherwise(
    brownout: Brownout, proof: Path, change: Change
) -> None:
    """The campaign that is claimed may well hold; it is not the one this certificate is of."""
    ran = brownout("verify", altered(proof, change))
    assert (ran.code, ran.err) == (1, "")
    for field in ("checks.boots.exercised", "digest"):
        assert f"\n  {field}: the certificate says " in ran.out


def test_a_field_that_was_taken_out_is_named(brownout: Brownout, proof: Path) -> None:
    document = json.loads(proof.read_text(encoding="utf-8"))
    ran = brownout("verify", altered(proof, lambda d: d.pop("merges")))
    assert ran.code == 1
    assert f"  merges: the certificate says nothing, this run found {document['merges']}\n" in ran.out


def test_an_audit_nobody_ran_cannot_be_claimed(brownout: Brownout, proof: Path) -> None:
    claim = {"audited": 10**6, "dropped": 10**6, "repeated": 10**6, "result": "every one agreed"}
    ran = brownout("verify", altered(proof, lambda document: document.update(audit=claim)))
    assert ran.code == 1
    assert "  audit.audited: the certificate says 1000000, this run found " in ran.out


def test_many_differences_are_counted_and_a_page_of_them_is_shown(brownout: Brownout, proof: Path) -> None:
    more = {f"extra-{number:02}": number for number in range(30)}
    ran = brownout("verify", altered(proof, lambda document: document.update(more)))
    assert ran.code == 1
    assert ran.out.startswith("NOT VERIFIED: 30 lines of the certificate cannot be derived again\n")
    assert ran.out.endswith("\n  and 10 more\n")


class SilentlyEager(EagerLoader):
    """Another firmware under the name of the certified one: only running it can tell."""

    name = ModelFirmware.name


def test_a_firmware_that_behaves_otherwise_is_told_with_its_findings(
    brownout: Brownout, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_subject(inputs: Inputs) -> UpdateRig:
        rig = real_make_rig(inputs)
        return UpdateRig(rig.board, rig.images, firmware=SilentlyEager(), app=rig.app)

    monkeypatch.setattr(verify_module, "make_subject", make_subject)
    ran = brownout("verify", proof)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("NOT VERIFIED: the campaign, run again, ends with findings\n  ")
    assert "\n    brownout replay bo1:1:" in ran.out


def test_ctrl_c_is_no_answer(brownout: Brownout, proof: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Closure, layer: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Closure, "_run_layer", stopped)
    ran = brownout("verify", proof)
    assert (ran.code, ran.out) == (130, "NOT VERIFIED: stopped by the user before there was an answer\n")


def test_ctrl_c_among_the_mutants_is_no_answer_either(
    brownout: Brownout, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_mutants = altered(proof, lambda document: document.update(mutants={}))
    explore, begun = Closure.explore, iter(range(100))

    def stopped_in_the_second(self: Closure) -> Verdict:
        if next(begun):
            monkeypatch.setattr(self, "_run_layer", interrupt)
        return explore(self)

    def interrupt(layer: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Closure, "explore", stopped_in_the_second)
    ran = brownout("verify", with_mutants)
    assert (ran.code, ran.out) == (130, "NOT VERIFIED: stopped by the user before there was an answer\n")


# -- what cannot be used ---------------------------------------------------------------------------------


@pytest.fixture
def no_campaign(monkeypatch: pytest.MonkeyPatch, proof: Path) -> None:
    """Once there is a certificate, a campaign must not begin."""

    def explore(self: Closure) -> None:
        raise AssertionError("the campaign ran")

    monkeypatch.setattr(Closure, "explore", explore)


@pytest.mark.usefixtures("no_campaign")
@pytest.mark.parametrize("role", ["from", "to"])
def test_another_image_is_refused_by_its_role(brownout: Brownout, proof: Path, tmp_path: Path, role: str) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(NEW_APP[:-4] + b"next")
    said = brownout.refused("verify", proof, f"--{role}", other)
    assert said == (
        f"{proof}: was made for another {role}; give the files it was made for with --from, --to and --board"
    )


@pytest.mark.usefixtures("no_campaign")
def test_another_board_is_refused(brownout: Brownout, proof: Path, tmp_path: Path) -> None:
    for board in ("w25q128jv-1m", stuck_board(tmp_path)):
        assert "was made for another board" in brownout.refused("verify", proof, "--board", board)
    assert "was made for another workload" in brownout.refused("verify", proof, "--app", "hangs")


UNUSABLE: dict[str, Change] = {
    "no arguments": lambda d: d.pop("arguments"),
    "arguments in one word": lambda d: d.update(arguments="--seed 1"),
    "arguments that are no words": lambda d: d.update(arguments=[1, 2]),
    "no workload": lambda d: d.pop("workload"),
    "no attempts": lambda d: d["workload"].update(attempts=0),
    "too many attempts": lambda d: d["workload"].update(attempts=10**9),
    "attempts that are no number": lambda d: d["workload"].update(attempts="1"),
    "attempts that are true": lambda d: d["workload"].update(attempts=True),
    "an event of another kind": lambda d: d["workload"].update(events=["meteor"]),
    "events in one word": lambda d: d["workload"].update(events=""),
    "tears nobody knows": lambda d: d["tears"].update(set="T9"),
    "tears that are a list": lambda d: d["tears"].update(set=["T1"]),
    "a depth": lambda d: d["depth"].update(bound=1),
    "no resolution": lambda d: d.update(resolutions=[]),
    "a resolution nobody knows": lambda d: d.update(resolutions=["maybe"]),
    "a resolution twice": lambda d: d.update(resolutions=[*RESOLUTIONS, "as-old"]),
    "an audit in words": lambda d: d.update(audit="all of it"),
    "an audit of nothing": lambda d: d.update(audit={}),
    "an audit in letters": lambda d: d.update(audit={"audited": "1", "dropped": "2"}),
    "an audit of more than there is": lambda d: d.update(audit={"audited": 10**400, "dropped": 1}),
    "mutants in words": lambda d: d.update(mutants="all killed"),
    "a board in words": lambda d: d.update(board="demo sha256"),
    "inputs in a list": lambda d: d.update(inputs=["sha256"]),
    "an input in words": lambda d: d["inputs"].update(to="sha256"),
    "a digest that is a number": lambda d: d["inputs"]["to"].update(sha256=5),
}


@pytest.mark.usefixtures("no_campaign")
@pytest.mark.parametrize("way", UNUSABLE)
def test_what_no_run_writes_is_refused_before_the_campaign(brownout: Brownout, proof: Path, way: str) -> None:
    target = altered(proof, UNUSABLE[way])
    assert brownout.refused("verify", target) == (
        f"{target}: the certificate is cut short or altered; ask for a new one"
    )


@pytest.mark.usefixtures("no_campaign")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "No such option"),
        (["surplus"], "unexpected extra argument"),
        (["--seed", "much"], "Invalid value for '--seed'"),
        (["--nonsense"], "No such option"),
    ],
)
def test_arguments_that_no_run_has_are_refused(
    brownout: Brownout, proof: Path, arguments: list[str], said: str
) -> None:
    assert said in brownout.refused("verify", altered(proof, lambda document: document.update(arguments=arguments)))


@pytest.mark.usefixtures("no_campaign")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", NO_JSON),
        (b'{"schema": "brownout/certificate/1", "statement": "a lie", "statement": "the truth"}', NO_JSON),
        (b"{", "is no certificate, cut short or altered"),
        (b"\xff\xfe", "is no certificate, cut short or altered"),
        (b"[" * 100_000, "is no certificate, cut short or altered"),
        (b"[]", "schema None, this version of brownout verifies brownout/certificate/1"),
        (b'{"schema": "brownout/run/1"}', "schema 'brownout/run/1', this version"),
        (b'{"schema": "brownout/certificate/2"}', "schema 'brownout/certificate/2', this version"),
        (b'{"schema": "brownout/certificate/1"}', "the certificate is cut short or altered"),
        (b" " * (1 << 22) + b"{}", "cannot be read: has 4194306 bytes, more than the 4194304 it may have"),
    ],
)
def test_a_file_that_is_no_certificate_is_one_line(
    brownout: Brownout, tmp_path: Path, content: bytes, said: str
) -> None:
    target = tmp_path / "other.json"
    target.write_bytes(content)
    message = brownout.refused("verify", target)
    assert message.startswith(f"{target}: ")
    assert said in message


def test_a_certificate_that_is_cut_anywhere_is_refused(brownout: Brownout, proof: Path) -> None:
    whole = proof.read_bytes().rstrip()
    for length in range(0, len(whole), 97):
        proof.write_bytes(whole[:length])
        assert "cut short" in brownout.refused("verify", proof)


def test_a_file_that_is_not_there_is_one_line(brownout: Brownout, tmp_path: Path) -> None:
    gone = tmp_path / "gone.json"
    assert brownout.refused("verify", gone) == f"{gone}: cannot be read: No such file or directory"
    assert "cannot be read: Is a directory" in brownout.refused("verify", tmp_path)
    assert "Missing argument 'CERTIFICATE'" in brownout.refused("verify")


def test_help_says_what_its_exit_codes_mean(brownout: Brownout) -> None:
    page = " ".join(brownout("verify", "--help").out.split())
    for words in ("Exits 0 when everything is as certified", "1 when something is not", "2 when the certificate"):
        assert words in page
    assert "give --from, --to or --board" in page
