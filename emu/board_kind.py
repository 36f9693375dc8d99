"""Of which kind a board file is: of partitions on parts, or for an ELF.

Neighbours: `board` and `elf.board` each read one kind; commands ask which it is. Reads two keys and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from flash.tomlfile import read_table


def is_elf_board(path: Path) -> bool:
    """Whether a board file is one of these. What cannot be read is left to whoever reads it whole."""
    try:
        document = read_table(path, error=ValueError)
    except ValueError:
        return False
    return "chip" in document or "chip_file" in document
