"""No test is skipped in silence: a skip that is not in allowed_skips.txt fails the run.

Slow campaigns are left out unless asked for with ``-m slow``; that is a selection, not a skip.
"""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest

from emu.memory import resident_mb

ALLOWED = Path(__file__).with_name("allowed_skips.txt")
_skipped: dict[str, str] = {}
COLLECT_EVERY_MB = 500
_collected_at = 0.0


def pytest_configure() -> None:
    """What is started in the background ignores Ctrl-C, and so would the commands that tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr:
        return
    slow = [item for item in items if "slow" in item.keywords]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Sixteen thousand tests stay to the end: what looks for garbage need not look at them each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Emulated cores of earlier tests hold tens of MB each, and cycles of hooks hold them."""
    global _collected_at  # one worker process, one heap
    if resident_mb() > _collected_at + COLLECT_EVERY_MB:
        gc.collect()
        _collected_at = resident_mb()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[report.nodeid] = reason


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _unexpected() and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for node, reason in _unexpected().items():
        terminalreporter.write_line(f"SKIP NOT IN allowed_skips.txt: {node}: {reason}", red=True)


def _unexpected() -> dict[str, str]:
    """Skips of this run that the list does not name."""
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    allowed = {line.split("  ")[0] for line in lines if line and not line.startswith("#")}
    return {node: reason for node, reason in _skipped.items() if node not in allowed}
