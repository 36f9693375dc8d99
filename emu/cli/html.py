"""The HTML page of a run: follows the findings it tells at length, and hands everything to `report.html`.

Neighbours: `run` has the campaign; a report runs nothing, so the tokens are followed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emu.campaign.verdict import Verdict
from emu.cli.campaign import Campaign
from emu.cli.stories import Teller, tellable
from emu.report.asked import Asked
from emu.report.html.case import Case, to_tell
from emu.report.html.page import to_html
from emu.rig import Subject


def html_page(
    rig: Subject, campaign: Campaign, verdict: Verdict, asked: Asked, document: Mapping[str, Any],
    certificate: Mapping[str, Any] | None,
) -> str:  # fmt: skip
    """The page of a campaign that has ended. A trial that kills whoever runs it is in the findings and has no story."""
    teller = Teller(rig, campaign.checks, verdict, asked.seed)
    cases = [
        Case(verdict.findings.index(group.mildest), teller.story(group.mildest), group.others)
        for group in to_tell(tellable(verdict))
    ]
    return to_html(document, campaign.update_map(), cases, certificate, campaign.layers())
