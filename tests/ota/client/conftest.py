"""The command, for tests of it in this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emu.cli.command import Brownout
from tests.ota.client.device import archive


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    """The command, in this process."""
    return Brownout(capsys)


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """A firmware .zip the demo board takes."""
    path = tmp_path / "fw.zip"
    path.write_bytes(archive())
    return path
