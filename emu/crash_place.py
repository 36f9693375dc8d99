"""Where a user's firmware crashed: the file and the line, as they are told in an outcome.

Part of what findings are compared by, so it is the same in every process: the name of the file without its folder, and
a line that does not depend on who called. Neighbours: `ending` asks. Knows no outcome.
"""

from __future__ import annotations

import functools
import os
import sysconfig
import traceback
from pathlib import Path

OURS = ("flash", "bootloader", "updater", "emu")


def place_of(wrong: BaseException) -> str:
    """ " (FILE.py:LINE)" of the innermost frame in the user's code; "" where there is none.

    Of a recursion without an end it is the outermost one: where the stack was full depends on how deep it began.
    """
    lines = [
        f" ({os.path.basename(frame.f_code.co_filename)}:{line})"  # noqa: PTH119 - a text, maybe of another system
        for frame, line in traceback.walk_tb(wrong.__traceback__)
        if _is_theirs(frame.f_code.co_filename)
    ]
    if not lines:
        return ""
    return lines[0 if isinstance(wrong, RecursionError) else -1]


@functools.cache
def _is_theirs(file: str) -> bool:
    """Neither ours, nor Python's, nor an installed library's, nor made of no file."""
    path = Path(os.path.abspath(file))  # noqa: PTH100 - no link is followed: the name counts
    return file.endswith(".py") and not any(folder in path.parents for folder in _others())


@functools.cache
def _others() -> tuple[Path, ...]:
    home = Path(__file__).parent.parent
    installed = (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return (*(home / name for name in OURS), *installed)
