"""Of which kind a board file is: of partitions on parts, or for an ELF.

Neighbours: `board` and `elf.board` each read one kind; commands ask which it is. Reads two keys and nothing else.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from flash.tomlfile import MAX_TOML_SIZE


def is_elf_board(path: Path) -> bool:
    """Whether a board file is one of these. What cannot be read is left to whoever reads it whole."""
    try:
        if path.stat().st_size > MAX_TOML_SIZE:
            return False
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "chip" in document or "chip_file" in document
