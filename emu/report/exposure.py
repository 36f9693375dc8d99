"""How likely each finding is, as an entry of the JSON document, as text and as rows of a table.

Neighbours: `campaign.exposure` has the probabilities, `groups` folds findings. All but `exposure_entry` read
that entry of the document. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emu.campaign.cut_times import UNIFORM
from emu.campaign.edges import EVENT_NAMES
from emu.campaign.exposure import Exposure
from emu.campaign.verdict import Finding, Verdict
from emu.report.asked import Asked
from emu.report.columns import duration
from emu.report.groups import grouped, places
from emu.words import counted, printable

MILLION = 1_000_000
SHOWN_GROUPS, SHOWN_PLACES = 5, 6
NO_POWER_CUT = "takes a reset line, a hang or a timer, not power cuts alone"
ASSUMED = (
    "an operation lasts from start to end of its journal entry; its tears share that time by their progress where a "
    "tear has one, else equally",
    "with clean cuts only, the first half of an operation counts as before it, the rest as after it",
    "a moment between two operations that follow each other at once takes no time: what only strikes there shows 0",
    "what n cuts lead to is a product: each further cut strikes at a moment of what would follow the one before uncut, "
    "all moments alike, given that there is one",
    "where weak cells may read in several ways, each is as likely, and a finding counts if any of them shows it",
)


def exposure_entry(exposure: Exposure, verdict: Verdict, asked: Asked) -> dict[str, Any]:
    """The "exposure" of the `--json` document; SPEC.md describes every key."""
    findings = verdict.findings
    return {
        "cut_times": exposure.times.source,
        "device_us": exposure.device_us,
        "after_the_update": MILLION * exposure.after,
        "not_tried": [MILLION * share for share in exposure.untried],
        "assumed": list(ASSUMED),
        "any": [
            {"cuts": cuts, "per_million": _chance(exposure, findings, _taking(findings, cuts))}
            for cuts in sorted({finding.cuts for finding in findings})
        ],
        "checks": [
            {"check": check, "cuts": cuts, "per_million": _chance(exposure, findings, _taking(findings, cuts, check))}
            for cuts, check in sorted({(finding.cuts, finding.key.check) for finding in findings})
        ],
        "groups": [_group(group.findings, exposure, findings) for group in grouped(findings)],
        "findings": [
            {
                "check": finding.key.check,
                "token": asked.token(verdict.attempts, finding.path, finding.readings),
                "cuts": finding.cuts,
                "per_million": _chance(exposure, findings, [number]),
            }
            for number, finding in enumerate(findings)
        ],
    }


def exposure_text(entry: Mapping[str, Any]) -> str:
    """The part of the page of `brownout run` that says how likely findings are."""
    lines = [
        f"exposure   findings per million updates; cut times {_times(entry)}, "
        f"the uncut update takes {duration(entry['device_us'])}"
    ]
    for total in entry["any"]:
        cuts = total["cuts"]
        lines += ["", f"  {_lost(cuts)}", _line(total, "any finding")]
        for check in (check for check in entry["checks"] if check["cuts"] == cuts):
            lines.append(_line(check, check["check"]))
            lines += _groups([g for g in entry["groups"] if (g["cuts"], g["check"]) == (cuts, check["check"])])
    if not entry["any"]:
        lines += ["", "  nothing was found, so no moment of it leads to a finding"]
    return "\n".join([*lines, "", *(f"  {line}" for line in remarks(entry))])


def remarks(entry: Mapping[str, Any]) -> Iterator[str]:
    """What the figures leave out, and what they assume."""
    if entry["after_the_update"]:
        after = per_million(entry["after_the_update"])
        yield f"{after} cuts per million come when the update is over, and change nothing"
    for cuts, share in enumerate(entry["not_tried"], 1):
        if share:
            what = f"of what {counted(cuts, 'cut')} can do"
            yield f"{per_million(share)} per million {what} was not tried: figures may grow"
    yield from (f"assumed: {assumption}" for assumption in entry["assumed"])


def per_million(value: float | None) -> str:
    """``59,183``, ``48.73``, ``2.3e-07``: four digits are more than any of it is known to."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def one_in(value: float | None) -> str:
    """The same as one update in so many."""
    return "-" if not value else f"one in {MILLION / value:,.0f}" if value < MILLION else "every one"


def _times(entry: Mapping[str, Any]) -> str:
    source = entry["cut_times"]
    return UNIFORM if source == UNIFORM else f"from {printable(source)}"


def _lost(cuts: int) -> str:
    if not cuts:
        return "without any cut"
    return "power lost once" if cuts == 1 else f"power lost {cuts} times, once in what follows each cut"


def _line(item: Mapping[str, Any], what: str, indent: int = 0) -> str:
    return f"  {per_million(item['per_million']):>12}  {' ' * indent}{what}"


def _groups(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = sorted(groups, key=lambda group: -(group["per_million"] or 0.0))
    lines = [_line(group, _words(group), 2) for group in shown[:SHOWN_GROUPS]]
    rest = len(shown) - SHOWN_GROUPS
    return [*lines, *([f"{'':16}and {counted(rest, 'less likely kind')} (--json has them all)"] if rest > 0 else [])]


def _words(group: Mapping[str, Any]) -> str:
    more = f", {counted(group['findings'], 'finding')}" if group["findings"] > 1 else ""
    why = f"; {NO_POWER_CUT}" if group["per_million"] is None else ""
    where = f", at {group['places']}" if group["tears"] else ""
    return f"{group['message']} [{' then '.join(group['tears']) or 'uncut'}{more}{where}{why}]"


def _group(members: Sequence[Finding], exposure: Exposure, findings: Sequence[Finding]) -> dict[str, Any]:
    mildest, own = members[0], {id(member) for member in members}
    numbers = [number for number, finding in enumerate(findings) if id(finding) in own]
    return {
        "check": mildest.key.check,
        "message": mildest.message,
        "tears": list(mildest.key.tears),
        "cuts": mildest.cuts,
        "findings": len(members),
        "places": places(members, SHOWN_PLACES),
        "per_million": _chance(exposure, findings, numbers),
    }


def _taking(findings: Sequence[Finding], cuts: int, check: str = "") -> list[int]:
    return [n for n, f in enumerate(findings) if f.cuts == cuts and check in ("", f.key.check)]


def _chance(exposure: Exposure, findings: Sequence[Finding], numbers: Sequence[int]) -> float | None:
    """Per million, that any of ``numbers`` is met, which all take as many cuts; None: power cuts alone do not do it."""
    cuts = findings[numbers[0]].cuts
    if not cuts:
        return float(MILLION)
    chance = exposure.chance(numbers, cuts)
    by_event = all(any(step.how in EVENT_NAMES for step in findings[number].path) for number in numbers)
    return None if by_event and not chance else MILLION * chance
