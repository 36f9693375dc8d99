"""What a board file leaves for its user to fill in: a path that is "?".

Neighbours: `survey` writes them where nobody has given a file, `board` refuses the first by its line. Reads no file.
"""

from __future__ import annotations

import re

from emu.errors import BoardError

BLANK = "?"
_BLANK_LINE = re.compile(r'^\s*path\s*=\s*["\']\?["\']')
_TABLE_LINE = re.compile(r"^\s*(\[\[\w+\]\])")
_NAME_LINE = re.compile(r'^\s*name\s*=\s*["\'](\w+)["\']')
_WANTED = {
    "[[file]]": "the firmware the factory programs",
    "[[image]]": "the application as ELF, HEX or BIN",
    "[[staged]]": "the update as ELF, HEX or BIN",
}


def check_filled(text: str, where: str) -> None:
    """Raises BoardError with the number of the first line that is still to be filled in."""
    table = name = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _TABLE_LINE.match(line)
        if found is not None:
            table, name = found[1], ""
        named = _NAME_LINE.match(line)
        name = named[1] if named is not None else name
        if _BLANK_LINE.match(line):
            which = f"{table} {name!r}" if name else table
            raise BoardError(
                f"{where}: line {number}: the path of {which} is still {BLANK!r}; fill in "
                f"{_WANTED.get(table, 'the file')}"
            )
