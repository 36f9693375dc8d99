"""Without hypothesis: one line that says what to install, and everything else works."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = "import sys; sys.modules['hypothesis'] = None; "


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_importing_the_strategies_names_the_line_that_installs_them() -> None:
    done = run(BLOCKED + "import emu.strategies")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "emu.errors.MissingExtra: emu.strategies needs a package that is not installed (hypothesis): "
        "pip install 'brownout[hypothesis]'"
    )
    assert "During handling" not in done.stderr


def test_nothing_else_needs_it() -> None:
    done = run(BLOCKED + "import flash.testing, bootloader.boot, updater, emu.cli, emu.update_rig, emu.plain_rig")
    assert (done.returncode, done.stderr) == (0, "")
