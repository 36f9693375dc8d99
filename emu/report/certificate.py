"""A campaign that held, as a document somebody else can check: what was tried, how it was covered, how to do it again.

`brownout verify` runs the campaign again and compares everything here but time and versions.

Neighbours: `campaign.verdict` has the facts, `asked` the inputs. Only what held and is complete gets one. Runs nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from emu.campaign.audit import Audit
from emu.campaign.verdict import Verdict
from emu.report.asked import Asked
from emu.report.mutants import Tried, why_no_proof
from flash.part import Part
from flash.snapshot import KEY_BYTES
from flash.tears import TEARS, TearSet

SCHEMA = "brownout/certificate/1"
NOT_RUN = "not run"
NOT_COMPARED = ("versions", "seconds", "arguments", "sessions")
"""What may be otherwise when the same is derived again: where files are, and how much was recognised."""
NAMES_OF_FILES = ("inputs.from.label", "inputs.to.label")


def to_certificate(
    verdict: Verdict,
    asked: Asked,
    *,
    parts: Mapping[str, Part],
    tears: TearSet,
    resolutions: Sequence[str],
    audit: Audit | None,
    arguments: Sequence[str],
    mutants: Sequence[Tried] | None = None,
) -> dict[str, Any]:
    """The document; SPEC.md describes every key. ``parts`` by chip name; ``arguments`` of `brownout run`;
    ``mutants`` None: none was tried.

    The verdict must be "held", and mutants must all be caught where they apply.
    """
    assert verdict.word == "held", "only what held is certified: please report"
    assert mutants is None or not why_no_proof(mutants), "mutants that prove nothing are not certified: please report"
    cover = verdict.coverage
    return {
        "schema": SCHEMA,
        "statement": statement(verdict, asked.link),
        "board": {"name": verdict.board, "sha256": asked.inputs["board"].digest},
        "parts": {name: part.name for name, part in parts.items()},
        "inputs": {
            role: {"label": item.label, "sha256": item.digest} for role, item in asked.inputs.items() if role != "board"
        },
        "workload": {
            "app": asked.app, "timing": asked.timing, "seed": asked.seed, "attempts": verdict.attempts,
            "events": list(verdict.events), "operations": dict(sorted(cover.operations.items())),
            **({"link": asked.link} if asked.link else {}),
        },
        "depth": {"bound": verdict.depth or "any", "closed_at": cover.depth_closed},
        "tears": {"set": tears.name, "seed": tears.seed, "rows": _rows(tears, parts.values())},
        "resolutions": list(resolutions),
        "checks": {r.name: {"result": r.result, "exercised": r.exercised, "reason": r.reason} for r in verdict.results},
        "states": cover.states,
        "sessions": {"judged": cover.boots, "run": cover.runs},
        "edges": {
            "total": cover.edges,
            "executed": dict(sorted(cover.executed_kinds.items())),
            "inherited": dict(sorted(cover.inherited_kinds.items())),
        },
        "merges": cover.edges_merged,
        "outcomes": dict(sorted(cover.outcomes.items())),
        "audit": NOT_RUN if audit is None else {
            "audited": audit.audited, "dropped": audit.dropped, "repeated": audit.repeated, "result": "every one agreed"
        },
        "mutants": NOT_RUN if mutants is None else {mutant.name: mutant.entry for mutant in mutants},
        "key_bits": 8 * KEY_BYTES,
        "arguments": list(arguments),
        "digest": verdict.digest,
        "seconds": round(verdict.seconds, 3),
        "versions": {
            "brownout": version("brownout"), "python": platform.python_version(), "numpy": version("numpy"),
        },
    }  # fmt: skip


def statement(verdict: Verdict, link: str = "") -> str:
    """What the certificate says, in one sentence. ``link``: as `Asked` has it."""
    cuts = "power cuts, however many" if not verdict.depth else f"up to {verdict.depth} power cuts"
    events = f", and of {', '.join(verdict.events)} at every point" if verdict.events else ""
    attempts = f"{verdict.attempts} update attempt{'s' if verdict.attempts > 1 else ''}"
    by = f", sent by {link}," if link else ""
    return (
        f"No sequence of {cuts}{events}, in {attempts}{by} on board {verdict.board}, at any flash operation and with "
        f"any of the tears {verdict.tears}, breaks a check that is listed as held."
    )


def as_text(certificate: Mapping[str, Any]) -> str:
    """The certificate as a page."""
    return "\n".join([certificate["statement"], "", *_lines(certificate)])


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """Where two certificates say different things, one line each; time and versions are not compared."""
    left, right = dict(_flat(ours)), dict(_flat(theirs))
    for key in sorted({*left, *right}):
        compared = key.split(".")[0] not in NOT_COMPARED and key not in NAMES_OF_FILES
        if compared and left.get(key) != right.get(key):
            yield f"{key}: the certificate says {right.get(key, 'nothing')}, this run found {left.get(key, 'nothing')}"


def _lines(certificate: Mapping[str, Any]) -> Iterator[str]:
    shown = [(key, value) for key, value in _flat(certificate) if key not in ("schema", "statement")]
    width = max(len(key) for key, _ in shown)
    for key, value in shown:
        if value != "" or not key.endswith(".reason"):
            yield f"{key:<{width}}  {'none' if value == '' else value}"


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", " ".join(map(str, value)) if isinstance(value, list) else value


def _rows(tears: TearSet, parts: Any) -> list[str]:
    """The rows of the tear table that can strike on these parts."""
    kinds = {part.kind for part in parts}
    return [row.name for row in TEARS if row.tier in tears.tiers and row.kinds & kinds]
