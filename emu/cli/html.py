"""The HTML page of a run: follows the findings it tells at length, and hands everything to `report.html`.

Neighbours: `run` has the campaign; a report runs nothing, so the tokens are followed here.
"""

from __future__ import annotations

from emu.campaign.explore import Explorer
from emu.campaign.judge import Judge
from emu.campaign.replay import follow
from emu.campaign.token import token_for
from emu.campaign.update_map import regions_of
from emu.campaign.verdict import KILLED, Coverage, Verdict
from emu.report.asked import Asked
from emu.report.document import to_document
from emu.report.html.case import Case, to_tell
from emu.report.html.page import to_html
from emu.update_rig import UpdateRig


def html_page(rig: UpdateRig, explorer: Explorer, verdict: Verdict, asked: Asked) -> str:
    """The page of a campaign that has ended. Its counts are not touched: stories are judged by a judge of their own.
    A trial that kills whoever runs it is in the findings and has no story."""
    document = to_document(verdict, asked)
    judge = Judge(rig, rig.board.document.checks, checks=explorer.checks, cache=True, cover=Coverage())
    cases = []
    for group in to_tell([finding for finding in verdict.findings if finding.key.outcome != KILLED]):
        token = token_for(verdict.attempts, rig.inputs, group.mildest.path, group.mildest.readings)
        story = follow(rig, judge, token, asked.seed)
        cases.append(Case(verdict.findings.index(group.mildest), story, group.others))
    return to_html(document, explorer.update_map(regions_of(rig.board)), cases)
