"""A verdict as one JSON document with a versioned schema, and as JUnit XML.

Neighbours: `campaign.verdict` has the facts, the CLI writes the files. Knows no terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from emu.campaign.checks import CHECKS
from emu.campaign.token import token_for
from emu.campaign.verdict import SCHEMA, Finding, Verdict
from emu.rig import Input


def to_document(verdict: Verdict, inputs: Mapping[str, Input]) -> dict[str, Any]:
    """The `--json` document. Counts are edges unless they say otherwise; SPEC.md describes every key."""
    cover = verdict.coverage
    return {
        "schema": SCHEMA,
        "verdict": verdict.word,
        "board": verdict.board,
        "inputs": {role: {"label": item.label, "sha256": item.digest} for role, item in inputs.items()},
        "depth": verdict.depth,
        "complete": verdict.complete,
        "depth_done": cover.depth_done,
        "attempts": verdict.attempts,
        "operations": sum(cover.operations.values()),
        "operation_kinds": dict(sorted(cover.operations.items())),
        "edges": cover.edges,
        "edges_executed": cover.edges_executed,
        "edges_inherited": cover.edges_inherited,
        "edge_kinds": dict(sorted(cover.edge_kinds.items())),
        "boots": cover.boots,
        "runs": cover.runs,
        "seconds": round(verdict.seconds, 3),
        "tears": verdict.tears,
        "events": list(verdict.events),
        "checks": {
            name: {"promise": CHECKS[name].promise, "exercised": cover.exercised[name]} for name in verdict.checks
        },
        "outcomes": dict(sorted(cover.outcomes.items())),
        "findings": [_finding(finding, verdict, inputs) for finding in verdict.findings],
        "notes": list(verdict.notes),
        "digest": verdict.digest,
    }


def _finding(finding: Finding, verdict: Verdict, inputs: Mapping[str, Input]) -> dict[str, Any]:
    return {
        "check": finding.key.check,
        "token": str(token_for(verdict.attempts, inputs, finding.path)),
        "cuts": finding.cuts,
        "count": finding.count,
        "message": finding.message,
        "outcome": finding.key.outcome,
        "tears": list(finding.key.tears),
    }


def to_junit(verdict: Verdict, inputs: Mapping[str, Input]) -> str:
    """One test case per check: failed with its shortest token, skipped when nothing exercised it."""
    failed = {finding.key.check for finding in verdict.findings}
    idle = [n for n in verdict.checks if n not in failed and not verdict.coverage.exercised[n]]
    suite = ElementTree.Element(
        "testsuite",
        name=f"brownout {verdict.board}",
        tests=str(len(verdict.checks)),
        failures=str(len(failed)),
        errors="0" if verdict.complete else "1",
        skipped=str(len(idle)),
        time=f"{verdict.seconds:.3f}",
    )
    for name in verdict.checks:
        case = ElementTree.SubElement(suite, "testcase", classname=f"brownout.{verdict.board}", name=name)
        found = [f for f in verdict.findings if f.key.check == name]
        if found:
            token = str(token_for(verdict.attempts, inputs, found[0].path))
            failure = ElementTree.SubElement(case, "failure", message=found[0].message)
            failure.text = "\n".join([f"{len(found)} findings; the shortest:", f"brownout replay {token}"])
        elif name in idle:
            ElementTree.SubElement(case, "skipped", message="nothing in this campaign exercised the check")
    if not verdict.complete:
        case = ElementTree.SubElement(suite, "testcase", classname=f"brownout.{verdict.board}", name="complete")
        ElementTree.SubElement(case, "error", message="; ".join(verdict.notes) or "the campaign did not finish")
        suite.set("tests", str(len(verdict.checks) + 1))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"
