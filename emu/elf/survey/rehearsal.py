"""A board that has just been drafted, booted without a cut: which image is entered, what it says, how it ends.

Neighbours: `survey` decides by it where an update waits and what shows that an image works. Runs what `emu.elf.rig`
runs, so what is seen here a campaign will see.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from emu.elf.board import load_elf_board
from emu.events import HANDOVER, NEW, OLD, UNKNOWN
from emu.rig import Outcome
from flash.journal import Event, Operation


@dataclass(frozen=True)
class Rehearsal:
    """``entered``: names of images, in order. ``stand``: of those that stand in the slots when it has settled.
    ``said``: by image, the lines of all its sessions. ``settles``: the last session ended as it should. ``operations``
    on flash. ``most_erased``: how often the sector was that was erased most."""

    outcome: Outcome
    entered: tuple[str, ...]
    stand: tuple[str, ...]
    said: dict[str, tuple[str, ...]]
    sessions: int
    operations: int
    most_erased: int

    @property
    def settles(self) -> bool:
        return self.outcome.kind == "settled"

    @property
    def installs(self) -> bool:
        return self.settles and self.outcome.image == NEW

    @property
    def takes_back(self) -> bool:
        """The new image was entered, and the old one runs in the end."""
        return self.settles and self.outcome.image == OLD and NEW in self.entered

    @property
    def arrives(self) -> bool:
        """The new image was made of what waits, whether it stays or not."""
        return self.installs or self.takes_back

    @property
    def meets_a_stranger(self) -> bool:
        """An image was entered, or one that was is now, none of those that are known, byte for byte."""
        return self.settles and (UNKNOWN in self.entered or self.outcome.image not in self.stand)


def rehearse(path: Path, *, with_update: bool = True) -> Rehearsal:
    """Raises BoardError and ImageError as the board file does. ``with_update`` False: nothing waits in flash."""
    from emu.elf.rig import ElfRig  # it needs an engine, and a board can be drafted without

    board = load_elf_board(path)
    rig = ElfRig(board if with_update else replace(board, staged=()))
    state, entered, said, operations = rig.initial(1), list[str](), dict[str, list[str]](), 0
    sessions, erases = 0, Counter[tuple[str, int]]()
    for _ in range(rig.bounds.max_resets + 1):
        sessions += 1
        run = rig.run(state)
        image, since_us = "", 0
        for entry in run.entries:
            if isinstance(entry, Operation):
                operations += 1
                erases[entry.device, entry.address] += entry.kind == "erase"
            if isinstance(entry, Event) and entry.name == HANDOVER:
                image, since_us = str(entry.facts[1]), entry.time_us
                entered.append(image)
        if image:
            heard = [(at, name, data) for at, name, data in rig.machine.sent if at >= since_us]
            for port in dict.fromkeys(name for _, name, _ in heard):
                text = b"".join(data for _, name, data in heard if name == port).decode("latin-1")
                said.setdefault(image, []).extend(line.strip() for line in text.splitlines() if line.strip())
        if run.outcome.kind != "reset":
            break
        state = run.end
    return Rehearsal(
        run.outcome, tuple(entered), rig.images_in(run.end), {name: tuple(lines) for name, lines in said.items()},
        sessions, operations, max(erases.values(), default=0),
    )  # fmt: skip
