"""Commands of these tests keep no results and append to nobody's summary, unless a test says where."""

from __future__ import annotations

import pytest

from emu.cli.step_summary import VARIABLE
from emu.cli.store import SWITCH
from tests.emu.cli.command import Brownout


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    """The command, in this process."""
    return Brownout(capsys)
