"""Commands of these tests keep no results, unless a test says where."""

from __future__ import annotations

import pytest

from emu.cli.store import SWITCH


@pytest.fixture(autouse=True)
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
