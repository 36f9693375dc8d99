"""What a user waits for before anything happens."""

from __future__ import annotations

import subprocess
import sys


def test_help(benchmark):
    """`brownout --help` as a process. Goal: 150 ms."""
    done = benchmark.pedantic(
        subprocess.run, args=([sys.executable, "-m", "emu", "--help"],), kwargs={"capture_output": True}, rounds=15
    )
    assert done.returncode == 0
