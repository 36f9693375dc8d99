"""Every application model lives its life as its line in the table says, on every board."""

from __future__ import annotations

import pytest

from emu.app import APP_MODELS
from emu.campaign.edges import EVENT_NAMES
from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER
from emu.rig import Run
from tests.emu.helpers import BOARDS, T1, campaign, events, life, rig_on

MODELS = tuple(APP_MODELS)
HOW_IT_ENDS = {
    "hangs": "watchdog",
    "crashes": "fault",
    "never-commits": "commit-timer",
    "commits-late": "commit-timer",
    "resets": "software",
}


def entered(sessions: list[Run], image: str) -> int:
    return sum(event.facts[1] == image for run in sessions for event in events(run, HANDOVER))


def test_the_table_names_each_model_once_and_only_the_healthy_one_stays() -> None:
    assert all(name == model.name and model.help for name, model in APP_MODELS.items())
    assert [name for name, model in APP_MODELS.items() if model.keeps] == ["healthy"]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", MODELS)
def test_a_healthy_image_stays_and_any_other_is_entered_once_and_given_up(name: str, board: str) -> None:
    rig = rig_on(board, app=name)
    sessions = [run for _, run in life(rig)]
    last = sessions[-1].outcome
    assert (last.kind, last.committed) == ("settled", True)
    assert last.image == ("new" if rig.app.keeps else "old")
    assert entered(sessions, "new") == 1
    assert entered(sessions, "unknown") == 0


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", MODELS)
def test_only_the_healthy_model_gets_an_answer_from_commit(name: str, board: str) -> None:
    sessions = [run for _, run in life(rig_on(board, app=name))]
    begun = sum(len(events(run, COMMIT_BEGUN)) for run in sessions)
    returned = sum(len(events(run, COMMIT_RETURNED)) for run in sessions)
    assert (begun, returned) == ((1, 1) if name == "healthy" else (0, 0))


@pytest.mark.parametrize(("name", "cause"), HOW_IT_ENDS.items())
def test_the_trial_ends_by_what_the_model_does(name: str, cause: str) -> None:
    sessions = [run for _, run in life(rig_on("demo", app=name))]
    trial = next(run for run in sessions if entered([run], "new"))
    assert (trial.outcome.kind, trial.outcome.cause) == ("reset", cause)


def test_a_hang_without_a_watchdog_is_ended_by_the_commit_timer() -> None:
    board = next(name for name in BOARDS if not rig_on(name).watchdog_us)
    sessions = [run for _, run in life(rig_on(board, app="hangs"))]
    trial = next(run for run in sessions if entered([run], "new"))
    assert (trial.outcome.kind, trial.outcome.cause) == ("reset", "commit-timer")


@pytest.mark.parametrize("name", MODELS)
def test_a_campaign_with_every_tear_and_event_holds_for_every_model(name: str) -> None:
    verdict = campaign(rig_on("demo", app=name), tears=T1, events=EVENT_NAMES)
    assert (verdict.word, verdict.findings, verdict.complete) == ("held", [], True)
    assert ("retries" in verdict.checks) == (name == "healthy")
    ends = set(verdict.coverage.outcomes)
    assert ends == {"old image runs, committed"} | ({"new image runs, committed"} if name == "healthy" else set())
    assert {"cut", "prefix", "front", "reset", "hang", "timer"} <= set(verdict.coverage.edge_kinds)
