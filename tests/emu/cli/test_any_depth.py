"""`brownout run` at any depth: what its reports say, what ends it early, what it certifies and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emu.campaign import closure as closure_module
from emu.campaign.closure import Closure
from emu.cli import depth as depth_module
from emu.cli.store import SWITCH
from flash.weak import RESOLUTIONS
from tests.emu.cli.command import Brownout, Ran, pair, stuck_board
from tests.emu.html.pages import Page

SMALL = ("--tears", "T1-coarse")
WEAK = ("--tears", "T3-coarse", "--attempts", "1")


def number(page: str, pattern: str) -> int:
    """The one number that ``pattern`` finds."""
    (found,) = re.findall(pattern, page, re.MULTILINE)
    return int(found.replace(",", ""))


def row(page: str, check: str) -> str:
    (found,) = re.findall(rf"^  {check} +(.*?)  ", page, re.MULTILINE)
    return str(found)


# -- what the reports say --------------------------------------------------------------------------------


def test_the_default_holds_and_says_what_was_run_merged_and_inherited(brownout: Brownout, tmp_path: Path) -> None:
    """Page, JSON and JUnit of one campaign: the same numbers, and every edge is one of three kinds."""
    as_json, as_junit = tmp_path / "out.json", tmp_path / "out.xml"
    ran = brownout("run", *pair(tmp_path), *SMALL, "--json", as_json, "--junit", as_junit)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("HELD: no way to break the update was found\n")
    assert "tried      any number of interruptions in 2 update attempts, tears T1-coarse, events none\n" in ran.out
    assert "complete " not in ran.out
    document = json.loads(as_json.read_text(encoding="utf-8"))
    edges = {name: number(ran.out, rf"^edges .* ([\d,]+) {name}\b") for name in ("executed", "merged", "inherited")}
    assert all(edges.values())
    assert sum(edges.values()) == document["edges"] == number(ran.out, r"^edges +([\d,]+) in ")
    assert edges["executed"] == document["edges_executed"]
    assert edges["merged"] == document["edges_merged"]
    assert edges["merged"] + edges["inherited"] == document["edges_inherited"]
    assert number(ran.out, r"^states +([\d,]+), ") == document["states"] > edges["executed"]
    deepest = number(ran.out, r"^states .*, none is new after (\d+) interruptions$")
    assert deepest == document["depth_closed"] >= 2
    assert (document["depth"], document["attempts"], document["complete"]) == ("any", 2, True)
    assert document["depth_done"] >= document["depth_closed"]
    assert document["resolutions"] == list(RESOLUTIONS)
    assert sum(document["outcomes"].values()) == document["edges"]
    told = {item.get("name"): item.get("value") for item in ElementTree.parse(as_junit).getroot().iter("property")}
    assert (told["depth"], told["attempts"], told["digest"]) == ("any", "2", document["digest"])
    assert told["resolution"] == ", ".join(RESOLUTIONS)


def test_the_page_has_the_layers_and_the_certificate_of_what_held(brownout: Brownout, tmp_path: Path) -> None:
    target, proof = tmp_path / "r.html", tmp_path / "proof.json"
    ran = brownout("run", *pair(tmp_path), *SMALL, "--html", target, "--certificate", proof)
    assert (ran.code, ran.err) == (0, "")
    page, certificate = Page(target.read_text(encoding="utf-8")), json.loads(proof.read_text(encoding="utf-8"))
    assert page.has("states")
    assert page.has("certificate")
    assert certificate["statement"] in page.by_id("certificate").text
    assert certificate["digest"] in page.by_id("inputs").text
    assert f"weak bits read {', '.join(RESOLUTIONS)}." in page.by_id("coverage").text


def test_a_page_of_findings_has_layers_and_no_certificate(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    options = ("--board", stuck_board(tmp_path), "--tears", "none", "--events", "hang", "--html", target)
    assert brownout("run", *pair(tmp_path), *options).code == 1
    page = Page(target.read_text(encoding="utf-8"))
    assert page.has("states")
    assert not page.has("certificate")


def test_an_audit_says_how_many_dropped_states_agreed(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--audit", "100%")
    assert ran.code == 0
    audited = number(ran.out, r"^audit +([\d,]+) of ")
    assert audited == number(ran.out, r"^audit .* of ([\d,]+) dropped states run for real: every one agreed$") > 0
    assert "audit " not in brownout("run", *pair(tmp_path), "--tears", "none").out


def test_exhaustive_runs_more_states_to_the_same_verdict(brownout: Brownout, tmp_path: Path) -> None:
    command = ("run", *pair(tmp_path), "--tears", "none", "--attempts", "1", "--json", "-")
    merged, exhaustive = (json.loads(brownout(*command, *more).out) for more in ((), ("--exhaustive",)))
    assert exhaustive["states"] > merged["states"]
    assert exhaustive["verdict"] == merged["verdict"] == "held"
    assert exhaustive["depth_closed"] == merged["depth_closed"]
    assert exhaustive["outcomes"].keys() == merged["outcomes"].keys()


def test_workers_reach_the_digest_of_one_process(brownout: Brownout, tmp_path: Path) -> None:
    command = ("run", *pair(tmp_path), *WEAK, "--json", "-")
    one, two = (json.loads(brownout(*command, *more).out) for more in ((), ("--engine", "workers", "--jobs", "2")))
    assert one["digest"] == two["digest"]
    assert one["findings"] == two["findings"] != []


# -- what ends early -------------------------------------------------------------------------------------


def check_is_inconclusive(ran: Ran, target: Path, why: str) -> None:
    """Nothing in it can be taken for a verdict, and it says what was done and what was not."""
    assert ran.code == 3
    assert ran.out.startswith("INCONCLUSIVE: the campaign did not finish\n")
    assert "HELD" not in ran.out
    assert not re.search(r"^  [a-z-]+ +held ", ran.out, re.MULTILINE)
    assert "\nchecks, as far as the campaign went\n" in ran.out
    (how_far,) = re.findall(r"^complete   no: (.*)$", ran.out, re.MULTILINE)
    assert how_far.startswith(why)
    assert how_far.endswith("; what takes more interruptions was not reached")
    document = json.loads(target.read_text(encoding="utf-8"))
    assert (document["verdict"], document["complete"], document["depth"]) == ("inconclusive", False, "any")
    done = re.findall(r"; depth (\d+) is complete;", how_far)
    assert done == ([str(document["depth_done"])] if document["depth_done"] else [])


def test_a_budget_that_is_spent_is_no_verdict_and_no_certificate(brownout: Brownout, tmp_path: Path) -> None:
    proof, target = tmp_path / "proof.json", tmp_path / "out.json"
    limits = ("--budget", "0.000001s", "--certificate", proof, "--json", target)
    ran = brownout("run", *pair(tmp_path), *SMALL, *limits)
    check_is_inconclusive(ran, target, "the budget is spent")
    assert ran.err == (
        "no certificate: the campaign ends with inconclusive, and only what held is certified; "
        f"nothing is written to {proof}\n"
    )
    assert not proof.exists()


def test_a_memory_that_is_used_up_is_no_verdict_and_says_which_depth_is_done(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [50.0]
    run_layer = Closure._run_layer

    def grow(self: Closure, layer: int) -> None:
        held[0] = 250.0 if layer > 2 else 50.0
        run_layer(self, layer)

    monkeypatch.setattr(Closure, "_run_layer", grow)
    monkeypatch.setattr(closure_module, "ASK_MEMORY_EVERY", 1)
    monkeypatch.setattr(closure_module, "resident_mb", lambda: held[0])
    target = tmp_path / "out.json"
    ran = brownout("run", *pair(tmp_path), *SMALL, "--memory", "200", "--json", target, "--html", tmp_path / "r.html")
    check_is_inconclusive(ran, target, "the memory is used up (200 MB, which --memory changes); depth 2 is complete;")
    assert json.loads(target.read_text(encoding="utf-8"))["states"] > 10
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.all("h1")[0].text.startswith("?inconclusive")
    assert not page.has("certificate")


def test_memory_of_this_process_is_what_is_limited(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    ran = brownout("run", *pair(tmp_path), *SMALL, "--memory", "1", "--json", target)
    check_is_inconclusive(ran, target, "the memory is used up (1 MB, which --memory changes)")
    assert brownout("run", *pair(tmp_path), *SMALL, "--memory", "1000000").code == 0


def test_without_a_limit_it_ends_before_the_machine_is_short_of_memory(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.json"
    monkeypatch.setattr(depth_module, "allowance_mb", lambda: 1)
    ran = brownout("run", *pair(tmp_path), *SMALL, "--json", target)
    check_is_inconclusive(ran, target, "the memory is used up (1 MB, which --memory changes)")
    assert brownout("run", *pair(tmp_path), *SMALL, "--depth", "1").code == 0
    monkeypatch.setattr(depth_module, "allowance_mb", lambda: 0)
    assert brownout("run", *pair(tmp_path), *SMALL).code == 0


def test_ctrl_c_keeps_what_is_known(brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The findings of the layer that was done are in every report, and in the store."""
    run_layer = Closure._run_layer

    def stop_at_two(self: Closure, layer: int) -> None:
        if layer == 2:
            raise KeyboardInterrupt
        run_layer(self, layer)

    monkeypatch.setattr(Closure, "_run_layer", stop_at_two)
    monkeypatch.delenv(SWITCH)
    target, proof = tmp_path / "out.json", tmp_path / "proof.json"
    command = ("run", *pair(tmp_path), "--tears", "none", "--json", target, "--store", tmp_path / "kept")
    ran = brownout(*command, "--certificate", proof)
    assert ran.code == 130
    assert ran.out.startswith("INCONCLUSIVE")
    assert "complete   no: stopped by the user; depth 1 is complete; what takes more" in ran.out
    assert ran.err.startswith("no certificate: the campaign ends with inconclusive")
    assert not proof.exists()
    document = json.loads(target.read_text(encoding="utf-8"))
    assert (document["verdict"], document["depth_done"]) == ("inconclusive", 1)
    assert document["boots"] > 10
    hanging = ("--board", stuck_board(tmp_path), "--events", "hang")
    first = brownout(*command, *hanging, "--keep-going")
    assert first.code == 130
    assert first.out.startswith("FINDINGS")
    found = json.loads(target.read_text(encoding="utf-8"))["findings"]
    assert found
    again = brownout(*command, *hanging, "--keep-going")
    assert f"past findings: {len(found)} of {len(found)} still reproduce\n" in again.err


def test_the_first_depth_with_findings_is_the_last_unless_told_otherwise(brownout: Brownout, tmp_path: Path) -> None:
    command = ("run", *pair(tmp_path), "--board", stuck_board(tmp_path), "--tears", "none", "--events", "hang")
    first, all_of_it = brownout(*command), brownout(*command, "--keep-going")
    assert (first.code, all_of_it.code) == (1, 1)
    assert "stopped at the depth of the first finding (--keep-going goes on); depth 1 is complete" in first.out
    assert row(first.out, "boots") == "nothing so far"
    assert "complete " not in all_of_it.out
    assert "\nchecks\n" in all_of_it.out
    assert row(all_of_it.out, "boots") == "held"
    assert number(all_of_it.out, r"^edges +([\d,]+) in ") > number(first.out, r"^edges +([\d,]+) in ")


# -- weak cells ------------------------------------------------------------------------------------------


def test_weak_cells_that_break_it_are_under_steady_and_every_token_replays(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    ran = brownout("run", *pair(tmp_path), *WEAK, "--json", target)
    assert ran.code == 1
    assert f"weak bits read in {len(RESOLUTIONS)} ways\n" in ran.out
    findings = json.loads(target.read_text(encoding="utf-8"))["findings"]
    assert {"in-place", "steady"} <= {item["check"] for item in findings}
    for item in findings:
        assert (item["check"] == "steady") == bool(item["readings"])
        assert item["token"].count(":") == (7 if item["readings"] else 6)
        assert (not item["readings"]) or item["message"].endswith(f"read {', then '.join(item['readings'])}")
        replayed = brownout(*item["replay"].split()[1:])
        assert replayed.code == 1, item
        broken = item["message"].partition("; weak cells read")[0]
        assert f"BROKEN {broken}" in replayed.out or f"BROKEN {item['check']}: {broken}" in replayed.out
    told = ran.out.partition("\nthe mildest path, step by step\n\n")[2]
    assert "session 1: reset by power\n" in told
    assert f"BROKEN {findings[0]['check']}: {findings[0]['message']}\n" in told


def test_what_weak_cells_broke_is_replayed_from_the_store(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH)
    command = ("run", *pair(tmp_path), *WEAK, "--store", tmp_path / "kept", "--json", tmp_path / "out.json")
    assert brownout(*command).err == ""
    findings = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["findings"]
    assert any(item["check"] == "steady" for item in findings)
    assert brownout(*command).err == f"past findings: {len(findings)} of {len(findings)} still reproduce\n"


def test_a_resolution_that_is_named_is_the_only_one(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), *WEAK, "--resolution", "as-old", "--json", tmp_path / "out.json")
    assert "weak bits read as-old\n" in ran.out
    assert row(ran.out, "steady") == "not applicable"
    assert "weak cells read in one way only; without --resolution all are tried" in ran.out
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["resolutions"] == ["as-old"]


# -- what makes no sense ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--depth", "1", "--audit", "1%"), "--audit is for --depth any; at depth 1 every edge is tried as it is"),
        (("--depth", "2", "--exhaustive"), "--exhaustive is for --depth any; at depth 2"),
        (("--depth", "2", "--memory", "100"), "--memory is for --depth any; at depth 2"),
        (("--depth", "1", "--certificate", "c.json"), "--certificate is for --depth any: what is tried at depth 1"),
        (("--no-cache",), "--no-cache is for --depth 1 and 2; at any depth --exhaustive executes every state"),
        (("--audit", "much"), "--audit: 'much' is no share; write 1%, 100% or 0.05"),
        (("--audit", "101%"), "--audit: '101%' is no share"),
        (("--audit", "-1%"), "--audit: '-1%' is no share"),
        (("--audit", "nan"), "--audit: 'nan' is no share"),
        (("--memory", "0"), "Invalid value for '--memory'"),
    ],
)
def test_options_of_another_depth_are_refused_with_what_to_do(
    brownout: Brownout, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in brownout.refused("run", *pair(tmp_path), *options)


# -- the certificate -------------------------------------------------------------------------------------


def test_findings_are_not_certified_and_what_was_there_stays(brownout: Brownout, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text("of another day", encoding="utf-8")
    options = ("--board", stuck_board(tmp_path), "--tears", "none", "--events", "hang", "--certificate", proof)
    ran = brownout("run", *pair(tmp_path), *options)
    assert ran.code == 1
    assert ran.out.startswith("FINDINGS")
    assert ran.err == (
        "no certificate: the campaign ends with findings, and only what held is certified; "
        f"nothing is written to {proof}\n"
    )
    assert proof.read_text(encoding="utf-8") == "of another day"


def test_a_certificate_on_stdout_is_alone_there(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--certificate", "-")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["schema"] == "brownout/certificate/1"
    hanging = ("--board", stuck_board(tmp_path), "--events", "hang", "--tears", "none")
    ran = brownout("run", *pair(tmp_path), *hanging, "--certificate", "-")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "no certificate: the campaign ends with findings, and only what held is certified\n"


def test_a_certificate_never_replaces_an_input_or_another_output(brownout: Brownout, tmp_path: Path) -> None:
    files = pair(tmp_path)
    for name in ("old.bin", "new.bin"):
        before = (tmp_path / name).read_bytes()
        said = brownout.refused("run", *files, "--certificate", tmp_path / name)
        assert said == f"{tmp_path / name}: is an input too and would be overwritten; give another path"
        assert (tmp_path / name).read_bytes() == before
    both = ("--certificate", tmp_path / "same", "--json", tmp_path / "same")
    assert "both go to" in brownout.refused("run", *files, *both)
    assert "there is no folder" in brownout.refused("run", *files, "--certificate", tmp_path / "gone" / "c.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.bin", "old.bin"]
