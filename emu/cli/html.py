"""The HTML page of a run: follows the findings it tells at length, and hands everything to `report.html`.

Neighbours: `run` has the campaign; a report runs nothing, so the tokens are followed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emu.campaign.judge import Judge
from emu.campaign.replay import follow
from emu.campaign.token import token_for
from emu.campaign.verdict import Coverage, Verdict
from emu.cli.campaign import Campaign
from emu.report.asked import Asked
from emu.report.document import to_document
from emu.report.html.case import Case, to_tell
from emu.report.html.page import to_html
from emu.update_rig import UpdateRig


def html_page(
    rig: UpdateRig, campaign: Campaign, verdict: Verdict, asked: Asked, certificate: Mapping[str, Any] | None
) -> str:
    """The page of a campaign that has ended. Its counts are not touched: stories are judged by a judge of their own."""
    document = to_document(verdict, asked)
    judge = Judge(rig, rig.board.document.checks, checks=campaign.checks, cache=True, cover=Coverage())
    cases = []
    for group in to_tell(verdict.findings):
        token = token_for(verdict.attempts, rig.inputs, group.mildest.path, group.mildest.readings)
        story = follow(rig, judge, token, asked.seed)
        cases.append(Case(verdict.findings.index(group.mildest), story, group.others))
    return to_html(document, campaign.update_map(), cases, certificate, campaign.layers())
