"""The `brownout` command. Joins every room; imported rooms stay unloaded until a command needs them.

Exit codes: 0 all held, 1 findings, 2 usage, 3 inconclusive or not reproduced, 4 a missing extra, 5 nothing to run,
70 internal error, 130 interrupted. Results go to stdout, progress and errors to stderr.
"""

from emu.cli.main import main

__all__ = ["main"]
