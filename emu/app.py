"""Application models: what the image under test does once it has been entered.

Rows of a table, not branches. A model talks to its device through `Running` alone; it may wait, commit, reset,
crash or hang. Neighbours: `rig` runs the model the scenario names. Knows no flash layout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Running(Protocol):
    """The device, as seen by the application on it."""

    @property
    def self_test_us(self) -> int: ...

    @property
    def commit_timeout_us(self) -> int: ...

    def wait(self, duration_us: int) -> None:
        """Do something else for a while."""
        ...

    def commit(self) -> None:
        """Keep this image."""
        ...

    def reset(self, cause: str) -> None:
        """Restart: "software" on purpose, "fault" from a crash handler. Does not return."""
        ...

    def hang(self) -> None:
        """Stand still. Does not return."""
        ...


@dataclass(frozen=True, slots=True)
class AppModel:
    """``trial`` runs when the image is entered uncommitted. ``keeps``: whether it is expected to stay;
    ``keeps_untimed``: whether it stays at least where no commit timer is armed."""

    name: str
    help: str
    keeps: bool
    trial: Callable[[Running], None]
    keeps_untimed: bool = False


def _healthy(app: Running) -> None:
    app.wait(app.self_test_us)
    app.commit()


def _hangs(app: Running) -> None:
    app.wait(app.self_test_us)
    app.hang()


def _crashes(app: Running) -> None:
    app.wait(app.self_test_us)
    app.reset("fault")


def _never_commits(app: Running) -> None:
    app.wait(app.self_test_us)
    app.wait(2 * app.commit_timeout_us)


def _commits_late(app: Running) -> None:
    app.wait(app.commit_timeout_us + 1_000_000)
    app.commit()


def _resets(app: Running) -> None:
    app.reset("software")


APP_MODELS: dict[str, AppModel] = {
    model.name: model
    for model in (
        AppModel("healthy", "tests itself and commits", True, _healthy),
        AppModel("hangs", "stands still before it commits", False, _hangs),
        AppModel("crashes", "faults before it commits", False, _crashes),
        AppModel("never-commits", "runs, but does not commit", False, _never_commits),
        AppModel("commits-late", "commits one second after the timeout", False, _commits_late, keeps_untimed=True),
        AppModel("resets", "restarts itself at once, every time", False, _resets),
    )
}
