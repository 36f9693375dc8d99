"""The SFDP table a part answers 5Ah with, and a stranger's table, as a person reads them.

Neighbours: `part_text` puts the first on the page of a part, `cli.parts_sfdp` prints the second. Runs nothing.
"""

from __future__ import annotations

from emu.report.columns import wrapped
from flash.errors import SfdpError
from flash.part import Part
from flash.sfdp import SfdpTable, decode, describe, table
from flash.sfdp_fields import FIELDS


def sfdp_lines(part: Part) -> list[str]:
    """What the part's table says, and where a real chip's is known to say something else. [] for a part without."""
    if part.serial is None or part.serial.sfdp is None:
        return []
    try:
        lines = said(decode(table(part)))
    except SfdpError as wrong:
        lines = wrapped(f"no table can be made: {wrong}", first="  ", rest="    ")
    for field, why in part.serial.sfdp.differs:
        where = f"DWORD {FIELDS[field].dword}, {field}" if field in FIELDS else field
        lines += wrapped(f"a real chip's table differs: {where}: {why}", first="  ", rest="    ")
    return lines


def said(decoded: SfdpTable) -> list[str]:
    """A table in words, a line each, within 100 columns."""
    return [line for text in describe(decoded) for line in wrapped(text, first="  ", rest="    ")]
