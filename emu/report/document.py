"""A verdict as one JSON document with a versioned schema, and as JUnit XML.

Neighbours: `campaign.verdict` has the facts, the CLI writes the files. Knows no terminal.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from emu.campaign.exposure import Exposure
from emu.campaign.verdict import SCHEMA, CheckResult, FaultCount, Finding, Verdict, faults_by_kind
from emu.report.asked import Asked
from emu.report.exposure import exposure_entry
from emu.words import counted

USUAL_APP = "healthy"


def to_document(verdict: Verdict, asked: Asked, exposure: Exposure | None = None) -> dict[str, Any]:
    """The `--json` document. Counts are edges unless they say otherwise; SPEC.md describes every key."""
    cover = verdict.coverage
    return {
        "schema": SCHEMA,
        "verdict": verdict.word,
        "board": verdict.board,
        "inputs": {
            role: {"label": item.label, "sha256": item.digest}
            | ({"file": asked.files[role]} if role in asked.files else {})
            for role, item in asked.inputs.items()
        },
        "app": asked.app,
        **({"link": asked.link} if asked.link else {}),
        **({} if asked.updates else {"updates": False}),
        "timing": asked.timing,
        "seed": asked.seed,
        "resolution": asked.resolution,
        "resolutions": list(verdict.resolutions or (asked.resolution,)),
        "versions": {"from": asked.versions[0], "to": asked.versions[1]},
        "depth": verdict.depth or "any",
        "complete": verdict.complete,
        "depth_done": cover.depth_done,
        "attempts": verdict.attempts,
        "operations": sum(cover.operations.values()),
        "operation_kinds": dict(sorted(cover.operations.items())),
        "edges": cover.edges,
        "edges_executed": cover.edges_executed,
        "edges_inherited": cover.edges_inherited,
        "edges_merged": cover.edges_merged,
        "states": cover.states,
        "depth_closed": cover.depth_closed,
        "edge_kinds": dict(sorted(cover.edge_kinds.items())),
        "boots": cover.boots,
        "runs": cover.runs,
        "recognised": cover.recognised,
        "seconds": round(verdict.seconds, 3),
        "tears": verdict.tears,
        "events": list(verdict.events),
        "checks": {
            name: {"promise": verdict.promise(name), "exercised": cover.exercised[name]} for name in verdict.checks
        },
        "results": [_result(result, verdict) for result in verdict.results],
        "outcomes": dict(sorted(cover.outcomes.items())),
        **(_with_faults(verdict) if verdict.faults or not verdict.cuts_power else {}),
        "findings": [_finding(finding, verdict, asked) for finding in verdict.findings],
        "notes": list(verdict.notes),
        "digest": verdict.digest,
        **({} if exposure is None else {"exposure": exposure_entry(exposure, verdict, asked)}),
    }


def _result(result: CheckResult, verdict: Verdict) -> dict[str, Any]:
    return {
        "name": result.name,
        "promise": verdict.promise(result.name),
        "result": result.result,
        "exercised": result.exercised,
        "findings": result.findings,
        "edges": result.edges,
        "reason": result.reason,
    }


def _finding(finding: Finding, verdict: Verdict, asked: Asked) -> dict[str, Any]:
    return {
        "check": finding.key.check,
        "token": asked.token(verdict.attempts_of(finding), finding.path, finding.readings, finding.fault),
        "replay": _replay(finding, verdict, asked),
        "cuts": finding.cuts,
        "count": finding.count,
        "message": finding.message,
        "outcome": finding.key.outcome,
        "tears": list(finding.key.tears),
        "readings": list(finding.readings),
        **({"fault": finding.fault} if finding.fault else {}),
    }


def _with_faults(verdict: Verdict) -> dict[str, Any]:
    return {
        "cuts_power": verdict.cuts_power,
        "faults": [_faults(count) for count in verdict.faults],
        "fault_notes": list(verdict.fault_notes),
    }


def _faults(count: FaultCount) -> dict[str, Any]:
    return {
        "kind": count.kind, "place": count.place, "tried": count.tried, "edges": count.edges,
        "findings": count.findings, "outcomes": dict(sorted(count.words.items())),
    }  # fmt: skip


def _replay(finding: Finding, verdict: Verdict, asked: Asked) -> str:
    return asked.replay_command(verdict.attempts_of(finding), finding.path, finding.readings, finding.fault)


def scenario_of(verdict: Verdict, asked: Asked) -> str:
    """What was tried, in few words: the name of a scenario; of a device of ours, the board and both images."""
    if not asked.files:
        return verdict.board
    old, new = (_without_size(asked.inputs[role].label) for role in ("from", "to"))
    own = f", firmware {asked.inputs['firmware'].label}" if "firmware" in asked.inputs else ""
    app = f", app {asked.app}" if asked.app != USUAL_APP else ""
    return f"{verdict.board}: {old} -> {new}{own}{app}"


def _without_size(label: str) -> str:
    return label.rpartition(", ")[0] or label


def to_junit(verdict: Verdict, asked: Asked) -> str:
    """One test case per scenario and check: failed with the command that replays its mildest finding (the token is a
    property of the case as well), skipped with the reason when it does not apply, nothing exercised it, or the
    campaign did not finish: only what holds passes."""
    scenario = scenario_of(verdict, asked)
    group = f"brownout.{scenario.replace('.', '_')}"  # readers cut a class name at its dots
    results = verdict.results
    skipped = [result for result in results if result.result in ("not exercised", "not applicable", "inconclusive")]
    suite = ElementTree.Element(
        "testsuite",
        name=f"brownout {scenario}",
        tests=str(len(results)),
        failures=str(sum(result.result == "broken" for result in results)),
        errors="0" if verdict.complete else "1",
        skipped=str(len(skipped)),
        time=f"{verdict.seconds:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(verdict, asked):
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=result.name)
        if result.result == "broken":
            mildest = next(finding for finding in verdict.findings if finding.key.check == result.name)
            token = asked.token(verdict.attempts_of(mildest), mildest.path, mildest.readings, mildest.fault)
            own = ElementTree.SubElement(case, "properties")
            ElementTree.SubElement(own, "property", name="token", value=token)
            failure = ElementTree.SubElement(case, "failure", message=mildest.message)
            command = _replay(mildest, verdict, asked)
            failure.text = f"{counted(result.findings, 'finding')}; the mildest:\n{command}"
        elif result in skipped:
            ElementTree.SubElement(case, "skipped", message=f"{result.result}: {result.reason}")
    if not verdict.complete:
        case = ElementTree.SubElement(suite, "testcase", classname=group, name="complete")
        ElementTree.SubElement(case, "error", message="; ".join(verdict.notes) or "the campaign did not finish")
        suite.set("tests", str(len(results) + 1))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _properties(verdict: Verdict, asked: Asked) -> list[tuple[str, str]]:
    """What the verdict holds for, for a reader who has the JUnit file alone."""
    return [
        *((role, f"{item.label}, SHA-256 {item.digest}") for role, item in asked.inputs.items()),
        ("depth", verdict.depth_word),
        ("attempts", str(verdict.attempts)),
        ("tears", verdict.tears),
        ("events", ", ".join(verdict.events) or "none"),
        ("seed", str(asked.seed)),
        ("resolution", ", ".join(verdict.resolutions or (asked.resolution,))),
        ("edges", str(verdict.coverage.edges)),
        *((f"faults {kind}", words) for kind, words in faults_by_kind(verdict.faults)),
        ("digest", verdict.digest),
    ]
