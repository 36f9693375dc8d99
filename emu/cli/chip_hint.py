"""Where a board comes to nothing: whether its files are for another of the bundled chips.

Neighbours: `inputs` asks for a board that is refused, `boot` for one that does not come to life. `emu.elf.survey` knows
how well a chip fits.
"""

from __future__ import annotations

from pathlib import Path

from emu.cpu.chip import bundled_chip
from emu.elf.document import ElfBoardFile
from emu.elf.survey.choice import choose
from emu.elf.survey.evidence import Evidence, read_firmware
from emu.errors import BoardError, UsageError
from flash.errors import FlashError
from flash.tomlfile import read_toml


def better_chip(board: Path) -> str:
    """A sentence that names the chip the board's files fit better than the one it names; "" where there is none, or the
    files are not there to ask."""
    try:
        document = read_toml(board, ElfBoardFile, error=BoardError)
        if not document.chip:
            return ""
        named = bundled_chip(document.chip).name
        evidence = Evidence(tuple(read_firmware(board.parent / file.path) for file in document.file))
        if not evidence.placed:
            return ""  # raw binaries, each of which may begin the memory the others do
        choice = choose(evidence)
    except (UsageError, FlashError):
        return ""
    if choice.is_doubtful or named in (choice.name, *(each.chip.name for each in choice.equal)):
        return ""
    return f"its files fit {choice.name} better than {named}: {'; '.join(choice.best.reasons)}"
