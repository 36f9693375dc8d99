"""Commands of these tests keep no results, unless a test says where."""

from __future__ import annotations

import pytest

from emu.cli.store import SWITCH
from tests.emu.cli.command import Brownout


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    """The command, in this process."""
    return Brownout(capsys)
