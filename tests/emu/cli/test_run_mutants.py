"""`brownout run --mutants`: what is said of each, in the summary and the certificate, and what `verify` and `replay`
make of it. A mutant that was made harmless stands for a check that sees nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emu.campaign.closure import Closure
from emu.campaign.options import BudgetSpent
from emu.campaign.verdict import KILLED
from emu.cli.inputs import Inputs, make_rig
from emu.cli.mutants import judged
from emu.mutants.loaders import CopyZeroStore
from emu.mutants.table import MUTANTS
from emu.report.mutants import Tried, why_no_proof
from tests.emu.cli.command import Brownout, stuck_board
from tests.emu.verdicts import finding, verdict

NOT_CAUGHT = "1 mutant not caught: one-copy-in-place by in-place"


@pytest.fixture
def harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store that always writes copy 0 writes the older one, as it should."""
    monkeypatch.delattr(CopyZeroStore, "target_of")


def certified(brownout: Brownout, folder: Path, *arguments: str | Path) -> tuple[Path, dict[str, Any]]:
    target = folder / "certificate.json"
    ran = brownout("run", "--tears", "T1-coarse", "--certificate", target, *arguments)
    assert (ran.code, ran.err) == (0, "")
    return target, json.loads(target.read_text(encoding="utf-8"))


def mutant_lines(out: str) -> list[str]:
    return out.partition("\nmutants\n")[2].splitlines()


def test_the_summary_has_a_line_for_every_mutant(brownout: Brownout) -> None:
    ran = brownout("run", "--tears", "none", "--mutants")
    assert (ran.code, ran.err) == (0, "")
    assert mutant_lines(ran.out) == [
        "  overwrites-itself      caught by in-place uncut: the updater takes the other slot for the running one",
        "  timer-always-armed     caught by boots after 1 cut: every boot arms the commit timer",
        "  config-before-data     caught by whole after 1 cut: the config names the slot before its data is there",
        "  commit-deferred        caught by durable after 1 cut: commit returns before its record is written",
        "  committed-on-entry     caught by reverts after 1 cut: the entry of a trial is recorded as committed",
        "  larger-sequencer-wins  caught by retries after 1 cut: the updater takes the larger sequencer for the newer",
        "  one-copy-in-place      caught by in-place after 1 cut: the bootloader always writes config copy 0",
        "  tries-again            not applicable: it takes a torn boot config, and tears none need not leave one",
    ]


def test_without_the_option_nothing_is_said_and_nothing_certified(brownout: Brownout, tmp_path: Path) -> None:
    assert "mutants" not in brownout("run", "--tears", "none").out
    assert certified(brownout, tmp_path)[1]["mutants"] == "not run"


def test_the_certificate_names_check_cuts_and_token(brownout: Brownout, tmp_path: Path) -> None:
    _, document = certified(brownout, tmp_path, "--mutants")
    found = {name: (entry["check"], entry["cuts"]) for name, entry in document["mutants"].items()}
    assert found == {name: (row.check, int(name != "overwrites-itself")) for name, row in MUTANTS.items()}
    board, old, new = document["board"]["sha256"], *(document["inputs"][role]["sha256"] for role in ("from", "to"))
    workloads = set()
    for entry in document["mutants"].values():
        assert set(entry) == {"check", "cuts", "token"}
        fields = entry["token"].split(":")
        assert fields[:5] == ["bo1", "2", board[:8], old[:8], new[:8]]
        workloads.add(fields[5])
    assert len(workloads) == len(MUTANTS)


def test_where_a_mutant_does_not_apply_the_certificate_says_why(brownout: Brownout, tmp_path: Path) -> None:
    _, document = certified(brownout, tmp_path, "--mutants", "--app", "crashes")
    reasons = {name: entry["not applicable"] for name, entry in document["mutants"].items() if len(entry) == 1}
    assert reasons == {
        "commit-deferred": "with this application model the new image never commits",
        "larger-sequencer-wins": "retries: the new image is not meant to stay with this application model",
    }


def test_a_token_of_the_certificate_replays_on_its_mutant_alone(brownout: Brownout, tmp_path: Path) -> None:
    _, document = certified(brownout, tmp_path, "--mutants")
    entry = document["mutants"]["tries-again"]
    ran = brownout("replay", entry["token"], "--mutant", "tries-again")
    assert ran.code == 1
    assert re.search(r"^.*reverts.*entered a second time", ran.out, re.MULTILINE)
    assert "made with other inputs: workload" in brownout.refused("replay", entry["token"])
    assert brownout.refused("replay", entry["token"], "--mutant", "tries-agian") == (
        "--mutant: no mutant is named 'tries-agian' (did you mean `tries-again`?)"
    )


def test_verify_tries_the_mutants_again(brownout: Brownout, tmp_path: Path) -> None:
    target, document = certified(brownout, tmp_path, "--mutants")
    ran = brownout("verify", target)
    assert ran.code == 0
    assert ran.out.startswith("VERIFIED")
    assert "mutants.tries-again.check" in ran.out
    document["mutants"]["tries-again"]["cuts"] = 2
    del document["mutants"]["one-copy-in-place"]
    target.write_text(json.dumps(document), encoding="utf-8")
    ran = brownout("verify", target)
    assert ran.code == 1
    assert "mutants.tries-again.cuts: the certificate says 2, this run found 1" in ran.out
    assert "mutants.one-copy-in-place.check: the certificate says nothing, this run found in-place" in ran.out


def test_verify_refuses_mutants_that_are_no_table(brownout: Brownout, tmp_path: Path) -> None:
    target, document = certified(brownout, tmp_path)
    target.write_text(json.dumps(document | {"mutants": ["all of them"]}), encoding="utf-8")
    assert "cut short or altered" in brownout.refused("verify", target)


def test_a_mutant_that_is_not_caught_is_no_certificate(brownout: Brownout, tmp_path: Path, harmless: None) -> None:
    target = tmp_path / "certificate.json"
    ran = brownout("run", "--tears", "none", "--mutants", "--certificate", target)
    assert (ran.code, ran.err) == (3, f"no certificate: {NOT_CAUGHT}; nothing is written to {target}\n")
    assert not target.exists()
    assert ran.out.startswith("HELD")
    assert mutant_lines(ran.out)[-3:] == [
        "  one-copy-in-place      NOT CAUGHT by in-place: breaks no check (the bootloader always writes config copy 0)",
        "  tries-again            not applicable: it takes a torn boot config, and tears none need not leave one",
        f"  NOTHING SHOWS THAT THIS CAMPAIGN CAN FAIL: {NOT_CAUGHT}",
    ]


def test_the_exit_code_and_stderr_tell_where_a_document_owns_stdout(brownout: Brownout, harmless: None) -> None:
    ran = brownout("run", "--tears", "none", "--mutants", "--json", "-")
    assert (ran.code, ran.err) == (3, f"brownout: mutants: {NOT_CAUGHT}\n")
    assert json.loads(ran.out)["verdict"] == "held"


def test_verify_says_so_when_a_mutant_is_no_longer_caught(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, _ = certified(brownout, tmp_path, "--mutants")
    monkeypatch.delattr(CopyZeroStore, "target_of")
    ran = brownout("verify", target)
    assert ran.code == 1
    assert ran.out.startswith(f"NOT VERIFIED: {NOT_CAUGHT}\n")


def test_another_check_does_not_count(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MUTANTS, "one-copy-in-place", replace(MUTANTS["one-copy-in-place"], check="whole"))
    ran = brownout("run", "--tears", "none", "--mutants")
    assert ran.code == 3
    assert "NOT CAUGHT by whole: breaks in-place (" in ran.out


def test_a_mutant_whose_budget_ran_out_is_not_finished(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    within = Closure._check_limits
    limits = set()

    def spent(closure: Closure) -> None:
        within(closure)
        if closure.rig.inputs["workload"].label.startswith("one-copy-in-place"):
            raise BudgetSpent("the budget is spent")
        limits.add((closure.options.budget_s, closure.options.keep_going))
        if closure.options.keep_going and closure.cover.boots > 1000:
            raise BudgetSpent("this goes on for ever")

    monkeypatch.setattr(Closure, "_check_limits", spent)
    ran = brownout("run", "--tears", "none", "--mutants", "--budget", "800s", "--keep-going")
    assert ran.code == 3
    assert "  one-copy-in-place      NOT FINISHED by in-place: the budget is spent (" in ran.out
    assert limits == {(800.0, True), (100.0, False)}


def test_an_interrupted_trial_ends_with_130_and_tries_no_more(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, target, met = Closure._check_limits, tmp_path / "certificate.json", []

    def interrupted(closure: Closure) -> None:
        within(closure)
        met.append(closure.rig.inputs["workload"].label.partition("|")[0])
        if met[-1] == "commit-deferred":
            raise KeyboardInterrupt

    monkeypatch.setattr(Closure, "_check_limits", interrupted)
    ran = brownout("run", "--tears", "none", "--mutants", "--certificate", target)
    assert ran.code == 130
    assert not target.exists()
    assert "committed-on-entry     NOT FINISHED by reverts: stopped by the user" in ran.out
    assert "committed-on-entry" not in met


def test_a_mutant_that_fails_uncut_is_said_not_to_apply(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "larger-sequencer-wins"
    monkeypatch.setitem(MUTANTS, name, replace(MUTANTS[name], check="boots"))
    out = brownout("run", "--tears", "none", "--mutants", "--app", "crashes").out
    assert f"{name}  not applicable: it fails before any cut: the uncut update is refused: Previous update has" in out


def test_mutants_of_a_campaign_that_found_something_prove_nothing(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--tears", "none", "--events", "hang", "--board", stuck_board(tmp_path), "--mutants")
    assert ran.code == 1
    assert "\nmutants    not tried: only where the firmware itself holds" in ran.out
    assert "caught by" not in ran.out


def test_mutants_are_for_any_depth(brownout: Brownout) -> None:
    assert brownout.refused("run", "--depth", "2", "--mutants") == (
        "--mutants is for --depth any; leave one of them out"
    )


def test_workers_find_the_same(brownout: Brownout, tmp_path: Path) -> None:
    _, alone = certified(brownout, tmp_path, "--mutants")
    _, shared = certified(brownout, tmp_path, "--mutants", "--jobs", "1")
    assert shared["mutants"] == alone["mutants"]


def test_a_finding_counts_when_all_that_is_milder_was_tried() -> None:
    rig = make_rig(Inputs("demo", None, None, None, None, "healthy", "typ", 0))
    unknown = Tried("a", "changed", "whole", "NOT FINISHED", reason="stopped by the user")
    found = verdict(finding(), complete=False)
    found.coverage.depth_done = 0
    assert judged(unknown, found, rig) == replace(unknown, reason="the budget is spent")
    found.coverage.depth_done = 1
    assert (judged(unknown, found, rig).word, judged(unknown, found, rig).cuts) == ("caught", 1)


def test_a_trial_that_killed_its_worker_caught_nothing() -> None:
    rig = make_rig(Inputs("demo", None, None, None, None, "healthy", "typ", 0))
    unknown = Tried("a", "changed", "whole", "NOT FINISHED", reason="stopped by the user")
    assert judged(unknown, verdict(finding(outcome=KILLED)), rig) == replace(
        unknown, word="NOT CAUGHT", reason="breaks no check"
    )


def test_mutants_that_apply_nowhere_prove_nothing() -> None:
    tried = Tried("a", "changed", "boots", "not applicable", reason="because")
    assert why_no_proof([tried]) == "no mutant applies"
    assert why_no_proof([tried, replace(tried, word="caught")]) == ""
