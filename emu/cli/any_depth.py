"""A campaign of any depth, from the command line's point of view: run it, audit it, certify it.

Neighbours: `run` and `verify` come here, so that what one certifies the other derives in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emu.campaign.audit import Audit, Auditor
from emu.campaign.closure import Closure
from emu.campaign.options import Options, Progress
from emu.campaign.verdict import Verdict
from emu.errors import UsageError
from emu.report.asked import Asked
from emu.report.certificate import to_certificate
from emu.update_rig import UpdateRig
from flash.part import Part


@dataclass(frozen=True)
class Explored:
    """A campaign that has ended. ``audit`` None: none was asked for, or it did not come to an end to audit."""

    closure: Closure
    verdict: Verdict
    audit: Audit | None

    @property
    def interrupted(self) -> bool:
        return self.closure.interrupted


def explore(rig: UpdateRig, options: Options, progress: Progress | None, audit_share: float | None) -> Explored:
    """Run the campaign; with ``audit_share`` (0 to 1), audit what was dropped when it is complete."""
    closure = Closure(rig, rig.board.document.checks, options, progress)
    verdict = closure.explore()
    audit = None
    if verdict.complete and audit_share is not None:
        audit = Auditor(closure).audit(audit_share, options.tears.seed)
    return Explored(closure, verdict, audit)


def certified(explored: Explored, rig: UpdateRig, asked: Asked) -> dict[str, Any]:
    """The certificate of a campaign that held."""
    parts: Mapping[str, Part] = dict(zip(rig.chip_names, rig.parts, strict=True))
    options = explored.closure.options
    return to_certificate(
        explored.verdict,
        asked,
        parts=parts,
        tears=options.tears,
        resolutions=[name or asked.resolution for name in options.resolutions],
        audit=explored.audit,
        arguments=asked.arguments,
    )


def share(text: str) -> float:
    """A share of what was dropped, from words like 5% or 0.05. Raises UsageError."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"--audit: {text!r} is no share; write 1%, 100% or 0.05")
    return value
