"""What a board's [storage] comes to: the windows it stands in, what lines of the firmware mean, and the oracles that
look when a session has ended.

Neighbours: `rig` owns one, of a board without [storage] too: then there is nothing in it. Knows no core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from emu.elf.board import ElfBoard
from emu.elf.document import WindowEntry
from emu.elf.oracle_file import load_oracle
from emu.elf.phrases import Phrases
from emu.elf.reads_back import ReadsBack
from emu.oracle import AnyOracle
from emu.rig import Input, Place
from flash.device import FlashDevice
from flash.trace import Trace


class Storage:
    """``place_of``: where a window is. ``taken``: names of other oracles. Raises ScenarioError."""

    def __init__(self, board: ElfBoard, place_of: Callable[[WindowEntry], Place], taken: Sequence[str]) -> None:
        document = board.document
        self.windows = {window.name: place_of(window) for window in document.window}
        self.phrases = None if document.storage is None else Phrases(document.storage)
        kinds = () if self.phrases is None else self.phrases.kinds
        own = [ReadsBack()] if "read" in kinds else []
        judges = [load_oracle(source) for source in board.oracles]
        names = [*taken, *(each.name for each in own), *(judge.name for judge in judges)]
        bound = [judge.bound_to(self.windows, names) for judge in judges]
        self.oracles: tuple[AnyOracle, ...] = (*own, *bound)
        self.hears_values = bool(kinds)
        self._watched = sorted({name for judge in bound for name in judge.places})
        self._sources = board.oracles

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The files of the oracles. A token leaves them out, so that another oracle can be tried with it."""
        if not self._sources:
            return {}
        digests = b"".join(f"{source}".encode() + source.digest.encode() for source in self._sources)
        return {"oracle": Input(", ".join(map(str, self._sources)), hashlib.sha256(digests).hexdigest())}

    def consulted(self, devices: Sequence[FlashDevice], trace: Trace) -> None:
        """A session has ended: what oracles look at is in its footprint."""
        for name in self._watched:
            place = self.windows[name]
            device = devices[place.chip]
            trace.consulted(device.name, device.cells, place.address, place.size)
