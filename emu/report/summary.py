"""A verdict as a page a person can read.

Neighbours: the CLI prints it on stdout. Plain text: colour is the terminal's business. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from emu.campaign.checks import CHECKS
from emu.campaign.token import token_for
from emu.campaign.verdict import Finding, Verdict
from emu.rig import Input

SHOWN = 5
_HEADLINES = {
    "held": "HELD: no way to break the update was found",
    "findings": "FINDINGS: the update can be broken",
    "inconclusive": "INCONCLUSIVE: the campaign did not finish",
}


def summary(verdict: Verdict, inputs: Mapping[str, Input], hit_rate: float) -> str:
    """Headline, what was tried, what was checked, what was found."""
    cover = verdict.coverage
    operations = ", ".join(f"{count} {kind}s" for kind, count in sorted(cover.operations.items()))
    cuts = "one interruption" if verdict.depth == 1 else f"up to {verdict.depth} interruptions"
    lines = [
        _HEADLINES[verdict.word],
        "",
        f"board      {verdict.board}",
        f"update     {inputs['from'].label} -> {inputs['to'].label}, {operations}",
        f"tried      {cuts}, tears {verdict.tears}, events {', '.join(verdict.events) or 'none'}",
        f"edges      {cover.edges:,} in {verdict.seconds:.1f} s: {cover.edges_executed:,} executed, "
        f"{cover.edges_inherited:,} inherited",
        f"           {_kinds(cover.edge_kinds)}",
        f"sessions   {cover.boots:,} boots judged, {cover.runs:,} run ({hit_rate:.1%} recognised)",
    ]
    if not verdict.complete:
        lines.append(f"complete   no: {'; '.join(verdict.notes)}; depth {cover.depth_done} of {verdict.depth} is done")
    lines += ["", "outcomes"]
    lines += [f"  {count:>10,}  {outcome}" for outcome, count in sorted(cover.outcomes.items())]
    lines += ["", "checks"]
    for name in verdict.checks:
        broken = sum(f.key.check == name for f in verdict.findings)
        judged = cover.exercised[name]
        quiet = "held" if verdict.complete else "nothing so far"
        state = f"{broken} findings" if broken else (quiet if judged else "NOT EXERCISED")
        lines.append(f"  {name:<12}{state:<16}{CHECKS[name].promise}")
    lines += _findings(verdict, inputs)
    if verdict.complete and verdict.notes:
        lines += ["", *(f"note: {note}" for note in verdict.notes)]
    lines += ["", f"digest     {verdict.digest}"]
    return "\n".join(lines)


def _kinds(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))


def _findings(verdict: Verdict, inputs: Mapping[str, Input]) -> list[str]:
    lines: list[str] = []
    for name in verdict.checks:
        found = [f for f in verdict.findings if f.key.check == name]
        if not found:
            continue
        edges = sum(f.count for f in found)
        lines += ["", f"{name}: {len(found)} findings, {edges:,} edges lead there; the mildest first"]
        for finding in found[:SHOWN]:
            lines += _finding(finding, verdict, inputs)
        if len(found) > SHOWN:
            lines.append(f"  and {len(found) - SHOWN} more (--json lists them all)")
    return lines


def _finding(finding: Finding, verdict: Verdict, inputs: Mapping[str, Input]) -> list[str]:
    token = token_for(verdict.attempts, inputs, finding.path)
    how = " then ".join(finding.key.tears) or "uncut"
    return [f"  {finding.message} [{how}; {finding.count} edges]", f"    brownout replay {token}"]
