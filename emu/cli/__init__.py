"""The `brownout` command. Joins every room; rooms stay unloaded until a command needs them.

Exit codes: 0 all held, 1 findings, 2 usage, 3 inconclusive or not reproduced, 4 a missing extra, 5 nothing to run,
70 internal error, 130 interrupted by Ctrl-C or SIGTERM, 141 the reader of stdout went away. Results go to stdout,
progress and errors to stderr.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

EXIT_INTERRUPTED, EXIT_MISSING = 130, 4


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `brownout` and `python -m emu`. Always exits. Ctrl-C is 130 from the first import on."""
    try:
        from emu.cli.group import run_command

        with _ended_like_ctrl_c():
            code = run_command(arguments)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except ModuleNotFoundError as wrong:
        if wrong.name != "click":
            raise
        print("brownout: click is not installed, without which there is no command: pip install click", file=sys.stderr)
        code = EXIT_MISSING
    raise SystemExit(code)


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Whoever runs jobs ends one with SIGTERM: what is known is printed then as well. One that is ignored stays so."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield
    finally:
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, before)
