"""What a board's [storage] comes to: the windows it stands in, what lines of the firmware mean, and the oracles that
look when a session has ended.

Neighbours: `rig` owns one, of a board without [storage] too: then there is nothing in it. Knows no core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from emu.elf.after_cut import AfterCut, name_of
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
        own: list[AnyOracle] = [ReadsBack()] if "read" in kinds else []
        judges = {key: [load_oracle(source) for source in sources] for key, sources in board.oracles.items()}
        left, found = judges.get("oracle", []), judges.get("after_cut", [])
        names = [*taken, *(each.name for each in (*own, *left)), *(name_of(judge.name) for judge in found)]
        ends = [judge.bound_to(self.windows, names) for judge in left]
        starts = [judge.bound_to(self.windows, names, name_of(judge.name)) for judge in found]
        self.oracles: tuple[AnyOracle, ...] = (*own, *ends, *map(AfterCut, starts))
        self.hears_values = bool(kinds)
        self._at_end = sorted({name for judge in ends for name in judge.places})
        self._at_start = sorted({name for judge in starts for name in judge.places})
        self._sources = tuple(source for sources in board.oracles.values() for source in sources)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The files of the oracles. A token leaves them out, so that another oracle can be tried with it."""
        if not self._sources:
            return {}
        digests = b"".join(f"{source}".encode() + source.digest.encode() for source in self._sources)
        return {"oracle": Input(", ".join(dict.fromkeys(map(str, self._sources))), hashlib.sha256(digests).hexdigest())}

    def consulted(self, devices: Sequence[FlashDevice], trace: Trace) -> None:
        """A session has ended: what oracles look at is in its footprint."""
        for names, consulted in ((self._at_start, trace.consulted_at_start), (self._at_end, trace.consulted)):
            for name in names:
                place = self.windows[name]
                device = devices[place.chip]
                consulted(device.name, device.cells, place.address, place.size)
