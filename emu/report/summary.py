"""A verdict as a page a person can read.

Neighbours: the CLI prints it on stdout, `groups` folds findings. Plain text: colour is the terminal's business. Runs
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emu.campaign.audit import Audit
from emu.campaign.verdict import CheckResult, Coverage, Finding, Verdict
from emu.report.asked import Asked
from emu.report.groups import Group, at_places, grouped, outcome_kinds
from emu.words import counted, lives_with_faults

SHOWN_GROUPS, SHOWN_PLACES = 5, 6
_NAME_WIDTH = 11
NOT_TRIED = ("tried  ", "edges  ", "       ", "states ")
"""Lines that speak of interruptions, of which a run without power cuts has none."""
HEADLINES = {
    "held": "HELD: no way to break {} was found",
    "findings": "FINDINGS: {} can be broken",
    "inconclusive": "INCONCLUSIVE: the campaign did not finish",
}


def headline(word: str, *, updates: bool = True) -> str:
    """The verdict in a sentence. ``updates``: as `Asked` has it."""
    return HEADLINES[word].format("the update" if updates else "the storage")


def summary(verdict: Verdict, asked: Asked, audit: Audit | None = None) -> str:
    """Headline, what was tried, what was checked, what was found."""
    cover = verdict.coverage
    operations = ", ".join(counted(count, kind) for kind, count in sorted(cover.operations.items())) or "no operation"
    cuts = {0: "any number of interruptions", 1: "one interruption"}.get(
        verdict.depth, f"up to {verdict.depth} interruptions"
    )
    attempts = f" in {counted(verdict.attempts, 'update attempt')}" if asked.updates else ""
    recognised = f" ({cover.recognised / cover.boots:.1%})" if cover.boots else ""
    lines = [
        headline(verdict.word, updates=asked.updates),
        "",
        f"board      {verdict.board}",
        *([f"firmware   {_input(asked, 'firmware')}"] if "firmware" in asked.inputs else []),
        *([f"library    {_input(asked, 'library')}"] if "library" in asked.inputs else []),
        f"from       {_input(asked, 'from')}",
        *([f"to         {_input(asked, 'to')}"] if asked.updates else []),
        *([f"oracle     {_input(asked, 'oracle')}"] if "oracle" in asked.inputs else []),
        f"{'update' if asked.updates else 'flash':<10} {operations}",
        f"workload   app {asked.app}, timing {asked.timing}, seed {asked.seed}, weak bits read {_read(verdict, asked)}",
        *([f"link       {asked.link}"] if asked.link else []),
        f"tried      {cuts}{attempts}, tears {verdict.tears}, events {', '.join(verdict.events) or 'none'}",
        f"edges      {cover.edges:,} in {verdict.seconds - verdict.fault_seconds:.1f} s: "
        f"{cover.edges_executed:,} executed, {_inherited(cover)}",
        *([f"           {_kinds(cover.edge_kinds)}"] if cover.edges else []),
        *_states(verdict),
        *_audit(audit),
        f"sessions   {cover.boots:,} judged: {cover.runs:,} run, {cover.recognised:,} recognised{recognised}",
    ]
    if not verdict.cuts_power:
        lines = [line for line in lines if not line.startswith(NOT_TRIED)]
    if not verdict.complete:
        lines.append(f"complete   no: {_how_far(verdict)}")
    if cover.outcomes:
        lines += ["", "outcomes"]
        lines += [f"  {count:>10,}  {outcome}" for outcome, count in outcome_kinds(cover.outcomes)]
    lines += _faults(verdict)
    lines += ["", "checks" if verdict.complete else "checks, as far as the campaign went"]
    lines += _checks(verdict)
    lines += _findings(verdict, asked)
    notes = [*(verdict.notes if verdict.complete else ()), *verdict.fault_notes]
    if notes:
        lines += ["", *(f"note: {note}" for note in notes)]
    lines += ["", f"digest     {verdict.digest}"]
    return "\n".join(lines)


def _faults(verdict: Verdict) -> list[str]:
    """Every place of every kind of fault: how many were tried, and what became of them."""
    if not verdict.faults:
        return []
    width = max(len(f"{count.kind}.{count.place}") for count in verdict.faults)
    lines = ["", f"faults, in {verdict.fault_seconds:.1f} s"]
    for count in verdict.faults:
        words = "; ".join(f"{number:,} {word}" for word, number in count.words.most_common())
        cut = f"; {counted(count.edges, 'cut')} of their lives" if count.edges else ""
        found = f"; {counted(count.findings, 'FINDING')}" if count.findings else ""
        lines.append(f"  {f'{count.kind}.{count.place}':<{width}}  {count.tried:>8,} tried: {words}{cut}{found}")
    return lines


def _input(asked: Asked, role: str) -> str:
    """An image as a token knows it: the first 32 bits of its digest."""
    known = asked.inputs[role]
    return f"{known.label}, SHA-256 {known.digest[:8]}..."


def _read(verdict: Verdict, asked: Asked) -> str:
    return f"in {len(verdict.resolutions)} ways" if len(verdict.resolutions) > 1 else asked.resolution


def _inherited(cover: Coverage) -> str:
    if not cover.states:
        return f"{cover.edges_inherited:,} inherited"
    return f"{cover.edges_merged:,} merged, {cover.edges_inherited - cover.edges_merged:,} inherited"


def _states(verdict: Verdict) -> list[str]:
    cover = verdict.coverage
    if not cover.states:
        return []
    closed = f"none is new after {counted(cover.depth_closed, 'interruption')}" if verdict.complete else "so far"
    return [f"states     {cover.states:,}, {closed}"]


def _audit(audit: Audit | None) -> list[str]:
    if audit is None:
        return []
    said = f"audit      {audit.audited:,} of {audit.dropped:,} dropped states run for real: every one agreed"
    fresh = f"           {audit.repeated:,} sessions repeated in a fresh interpreter: no difference"
    return [said, fresh] if audit.repeated else [said]


def _kinds(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))


def _how_far(verdict: Verdict) -> str:
    if verdict.faults_left:
        tried = sum(count.tried for count in verdict.faults)
        return f"{'; '.join(verdict.notes)}; {counted(tried, 'fault')} {'was' if tried == 1 else 'were'} tried"
    done = verdict.coverage.depth_done
    finished = f"; depth {done} is complete" if done else ""
    if not verdict.depth:
        return f"{'; '.join(verdict.notes)}{finished}; what takes more interruptions was not reached"
    return f"{'; '.join(verdict.notes)}, within depth {done + 1} of {verdict.depth}{finished}"


def _checks(verdict: Verdict) -> list[str]:
    width = max(_NAME_WIDTH, *(len(result.name) for result in verdict.results))
    lines = []
    for result in verdict.results:
        words = {
            "broken": counted(result.findings, "finding"),
            "not exercised": "NOT EXERCISED",
            "inconclusive": "nothing so far",
        }
        word = words.get(result.result, result.result)
        lines.append(f"  {result.name:<{width}} {word:<16}{verdict.promise(result.name)}")
        if result.result == "not applicable":
            lines.append(f"{'':{width + 19}}{result.reason}")
    return lines


def _findings(verdict: Verdict, asked: Asked) -> list[str]:
    lines: list[str] = []
    for result in verdict.results:
        if not result.findings:
            continue
        found = [finding for finding in verdict.findings if finding.key.check == result.name]
        groups = grouped(found)
        many = counted(result.findings, "finding")
        lines += ["", f"{result.name}: {many}, {_leading(result, found)}; the mildest first"]
        for group in groups[:SHOWN_GROUPS]:
            lines += _group(group, verdict, asked)
        rest = sum(len(group.findings) for group in groups[SHOWN_GROUPS:])
        if rest:
            lines.append(f"  and {rest:,} more of other kinds (--json lists them all)")
    return lines


def _leading(result: CheckResult, found: Sequence[Finding]) -> str:
    """How many ways lead to findings: edges of the update, and lives with a fault in them."""
    lives = sum(finding.count for finding in found if finding.fault)
    faulty = [lives_with_faults(lives)] if lives else []
    edges = [counted(result.edges, "edge")] if result.edges or not lives else []
    lead = "leads" if result.edges + lives == 1 else "lead"
    return f"{' and '.join([*edges, *faulty])} {lead} there"


def _group(group: Group, verdict: Verdict, asked: Asked) -> list[str]:
    mildest, others = group.mildest, group.others
    how = " then ".join(mildest.key.tears)
    by = f"{how}; {counted(mildest.count, 'edge')}" if how else "uncut"
    if mildest.fault:
        by = f"{mildest.key.fault}{f', {how}' if how else ''}; {lives_with_faults(mildest.count)}"
    attempts = verdict.attempts_of(mildest)
    lines = [
        f"  {mildest.message} [{by}]",
        f"    {asked.replay_command(attempts, mildest.path, mildest.readings, mildest.fault)}",
    ]
    if others:
        lines.append(f"    and {len(others):,} more like it, {at_places(others, SHOWN_PLACES)}")
    return lines
