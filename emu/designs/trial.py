"""Trial: a new application on a published design, with a commit timer that is software.

The timer runs in the application: while it is alive it gives itself up when time is over; once it stands still nobody
does, and the watchdog ends it. What giving up and committing write is the design's.

Neighbours: implements `app.Running` for the designs of this folder. Knows no boot config.
"""

from __future__ import annotations

from collections.abc import Callable

from bootloader.errors import BootError
from emu.app import APP_MODELS
from emu.events import NEW
from emu.reset import Reset

SELF_TEST_US = 500_000


class Trial:
    """``commit`` and ``revert`` write the boot config. ``reset.commit_timeout_s`` 0: the image commits at once."""

    def __init__(self, reset: Reset, commit: Callable[[], None], revert: Callable[[], None]) -> None:
        self.self_test_us = SELF_TEST_US
        self.commit_timeout_us = reset.commit_timeout_s * 1_000_000
        self._deadline_us = reset.clock.now_us + self.commit_timeout_us
        self._reset = reset
        self._commit = commit
        self._revert = revert

    def run(self, model: str) -> None:
        """What the application does until it has committed; does not return when it never does."""
        if not self.commit_timeout_us:
            self.commit()
            return
        APP_MODELS[model if self._reset.image == NEW else "healthy"].trial(self)
        if not self._reset.committed:
            self.wait(self._deadline_us - self._reset.clock.now_us)

    def wait(self, duration_us: int) -> None:
        until_us = self._reset.clock.now_us + duration_us
        if self._reset.committed or until_us < self._deadline_us:
            self._reset.wait(duration_us)
            return
        self._reset.wait(self._deadline_us - self._reset.clock.now_us)
        self._reset.note("Update commit timeout expired")
        self._revert()
        self._reset.restart()

    def commit(self) -> None:
        try:
            with self._reset.committing():
                self._commit()
        except BootError as wrong:
            self._reset.note(f"commit failed: {wrong}")

    def reset(self, cause: str) -> None:
        self._reset.reset(cause)

    def hang(self) -> None:
        self._reset.hang()
