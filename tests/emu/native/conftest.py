"""One build of each source for all tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emu.native.build import HERE, compiled


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("everything") / "everything.so", HERE / "everything.c")


@pytest.fixture(scope="session")
def misdeeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("misdeeds")
    return compiled(folder / "misdeeds.so", HERE / "misdeeds.c", "-D_DEFAULT_SOURCE", "-UNDEBUG")
