"""What is told of an update that breaks a check when nothing comes in its way: whether it does what it should all the
same, which checks, and what it comes to where it fails.

Neighbours: `run` shows it below the page; `emu.elf.uncut` has the rule and the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emu.campaign.verdict import Verdict
from emu.cli.chip_hint import better_chip
from emu.plain_rig import PlainRig
from emu.update_rig import UpdateRig
from emu.words import printable

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig


def uncut_lines(rig: UpdateRig | PlainRig | ElfRig, verdict: Verdict, board: Path) -> Iterator[str]:
    """Nothing where every finding needs something to come in its way."""
    broken = list(dict.fromkeys(each.key.check for each in verdict.findings if not (each.path or each.fault)))
    if isinstance(rig, UpdateRig | PlainRig) or not broken:
        return
    from emu.elf.uncut import uncut_words  # an extra is needed for it

    begins, told = uncut_words(rig)
    yield f"uncut      {begins} when nothing comes in its way: {', '.join(broken)}"
    if told:
        yield f"           {printable(told)}"
        yield "           `brownout boot` shows what comes of it, and where an image differs"
        hint = better_chip(board)
        if hint:
            yield f"           is it the right chip? {printable(hint)}"
