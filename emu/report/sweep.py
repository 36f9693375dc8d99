"""A sweep's verdict as text, as one JSON document with a versioned schema, and as JUnit XML.

Every form says that it is a sample. Neighbours: `campaign.sweep_verdict` has the facts, the CLI writes the files. Knows
no terminal.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from emu.campaign.sweep_token import time_token
from emu.campaign.sweep_verdict import END, REACHED, SCHEMA, SweepFinding, SweepVerdict
from emu.report.asked import quoted
from emu.words import counted, printable

SHOWN_TAIL = 5
SHOWN_TIMES = 6
MAY_DIFFER = "a time is not a place: the same cut may lead elsewhere next time"


def replay_command(verdict: SweepVerdict, finding: SweepFinding) -> str:
    """One line for a shell that cuts at the finding's time again."""
    token = time_token(verdict.inputs, finding.middle.at_ms)
    return " ".join(map(quoted, ("brownout", "sweep", verdict.inputs["rig"].label, "--at", token)))


def sweep_text(verdict: SweepVerdict) -> str:
    """The page."""
    cover, update = verdict.coverage, verdict.inputs["update"]
    again = f", and {counted(cover.again, 'more cut')} to try findings again" if cover.again else ""
    lines = [
        f"{verdict.word}: {_said(verdict)}",
        "",
        f"rig        {verdict.name}, {printable(verdict.inputs['rig'].label)}",
        f"update     {printable(update.label)}, SHA-256 {update.digest[:8]}...",
        f"length     {verdict.length_ms:,.0f} ms uncut: {_uncut(verdict)}",
        f"cuts       {cover.cuts:,} of {verdict.planned:,}, seed {verdict.seed}, up to {cover.late_ms:,.1f} ms "
        f"late{again}",
        *(f"           {cover.reached[where]:,} {where}" for where in REACHED if cover.reached[where]),
    ]
    if not verdict.complete:
        lines.append(f"complete   no: {verdict.notes[-1]}")
    lines += ["", "outcomes", *(f"  {n:>8,}  {outcome}" for outcome, n in sorted(cover.outcomes.items()))]
    lines += ["", "checks" if verdict.complete else "checks, as far as the sweep went"]
    for result in verdict.results:
        words = {"broken": counted(result.findings, "finding"), "not exercised": "NOT EXERCISED"}
        lines.append(f"  {result.name:<12}{words.get(result.result, result.result):<16}{result.promise}")
        lines += [f"{'':30}{result.reason}"] if result.result in ("left out", "not exercised") else []
    for finding in verdict.findings:
        lines += ["", *_finding(verdict, finding)]
    notes = verdict.notes if verdict.complete else verdict.notes[:-1]
    return "\n".join([*lines, "", *(f"note: {note}" for note in notes)])


def to_sweep_document(verdict: SweepVerdict) -> dict[str, Any]:
    """The `--json` document. Times are ms of the host after the start of an update; "end": when it was over."""
    cover = verdict.coverage
    return {
        "schema": SCHEMA,
        "verdict": verdict.word,
        "rig": verdict.name,
        "inputs": {role: {"label": item.label, "sha256": item.digest} for role, item in verdict.inputs.items()},
        "seed": verdict.seed,
        "complete": verdict.complete,
        "replay": verdict.is_replay,
        "length_ms": round(verdict.length_ms, 3),
        "uncut": [{"at_ms": round(said.at_ms, 3), "kind": said.kind, "line": said.line} for said in verdict.uncut],
        "planned": verdict.planned,
        "cuts": cover.cuts,
        "cuts_again": cover.again,
        "late_ms": round(cover.late_ms, 3),
        "reached": {where: cover.reached[where] for where in REACHED},
        "outcomes": dict(sorted(cover.outcomes.items())),
        "seconds": round(verdict.seconds, 3),
        "results": [
            {
                "name": result.name,
                "promise": result.promise,
                "result": result.result,
                "exercised": result.exercised,
                "findings": result.findings,
                "reason": result.reason,
            }
            for result in verdict.results
        ],
        "findings": [_finding_document(verdict, finding) for finding in verdict.findings],
        "notes": list(verdict.notes),
    }


def to_sweep_junit(verdict: SweepVerdict) -> str:
    """One test case per check: failed with the command that cuts at the same time again, skipped with the reason when
    it was left out or nothing exercised it."""
    results = verdict.results
    suite = ElementTree.Element("testsuite", name=f"brownout sweep {verdict.name}", time=f"{verdict.seconds:.3f}")
    properties = ElementTree.SubElement(suite, "properties")
    facts = {role: f"{item.label}, SHA-256 {item.digest}" for role, item in verdict.inputs.items()}
    facts |= {"verdict": verdict.word, "seed": str(verdict.seed), "cuts": str(verdict.coverage.cuts)}
    for name, value in facts.items():
        ElementTree.SubElement(properties, "property", name=name, value=value)
    skipped = 0
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname=f"brownout.{verdict.name}", name=result.name)
        if result.result == "broken":
            finding = next(finding for finding in verdict.findings if finding.check == result.name)
            failure = ElementTree.SubElement(case, "failure", message=finding.middle.message)
            failure.text = "\n".join(_finding(verdict, finding))
        elif result.result in ("left out", "not exercised"):
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=f"{result.result}: {result.reason}")
    if verdict.word == "inconclusive" or not verdict.complete:
        case = ElementTree.SubElement(suite, "testcase", classname=f"brownout.{verdict.name}", name="complete")
        ElementTree.SubElement(case, "error", message=_said(verdict))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(sum(result.result == "broken" for result in results)))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(skipped))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _said(verdict: SweepVerdict) -> str:
    cuts = counted(verdict.coverage.cuts, "cut")
    if verdict.findings:
        return f"{counted(len(verdict.findings), 'finding')} in {cuts}"
    if not verdict.complete:
        return f"nothing found in {cuts}, and the sweep did not finish: {verdict.notes[-1]}"
    if verdict.is_replay:
        return f"not reproduced in {cuts}; {MAY_DIFFER}"
    return f"nothing found in {cuts}, which proves nothing about any other"


def _uncut(verdict: SweepVerdict) -> str:
    words = {"old": "old image", "new": "new image", "unknown": "unknown image", "dead": "dead"}
    return ", ".join(f"{words.get(said.kind, said.kind)} at {said.at_ms:,.0f}" for said in verdict.uncut)


def _time(at_ms: float | None) -> str:
    return "when the update is over" if at_ms is END else f"at {at_ms:,.1f} ms"


def _finding(verdict: SweepVerdict, finding: SweepFinding) -> list[str]:
    middle = finding.middle
    times = list(dict.fromkeys(_time(one.at_ms) for one in finding.sightings))
    more = f" and {len(times) - SHOWN_TIMES} more" if len(times) > SHOWN_TIMES else ""
    return [
        f"{finding.check}: {middle.message}",
        f"  cut        {', '.join(times[:SHOWN_TIMES])}{more}",
        f"  again      {_again(finding)}",
        f"  replay     {replay_command(verdict, finding)}",
        *(f"  console    {line}" for line in middle.tail[-SHOWN_TAIL:]),
    ]


def _again(finding: SweepFinding) -> str:
    if not finding.tried:
        return "not tried: the sweep ended before"
    return f"{finding.reproduced} of {counted(finding.tried, 'cut')} {_time(finding.middle.at_ms)} led there"


def _finding_document(verdict: SweepVerdict, finding: SweepFinding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "sort": finding.sort,
        "message": finding.middle.message,
        "token": time_token(verdict.inputs, finding.middle.at_ms),
        "replay": replay_command(verdict, finding),
        "at_ms": "end" if finding.middle.at_ms is END else finding.middle.at_ms,
        "times_ms": ["end" if one.at_ms is END else one.at_ms for one in finding.sightings],
        "tried_again": finding.tried,
        "reproduced": finding.reproduced,
        "console": list(finding.middle.tail),
    }
