"""The coordinator's end of what travels: states become parcels, and what comes back becomes runs.

Knows which blocks workers have, as a rule: one that does not says so, and is sent everything.

Neighbours: `parcels` has the parcels, `ahead` sends them, `runner` has the other end. Knows the rig's contract only.
"""

from __future__ import annotations

from collections import Counter

from emu.campaign.parcels import Blocks, Item, PackedRun, blocks_of, packed_state
from emu.rig import DeviceState, Rig, Run

SENT_PER_JOB = 2
"""How often the content of a block goes along, for each worker, before workers are expected to have it."""


class Post:
    """For ``jobs`` workers on ``rig``. ``is_whole``: they run whole sessions, past all waypoints."""

    def __init__(self, rig: Rig, jobs: int, *, is_whole: bool) -> None:
        self._grids = rig.grids
        self._base = rig.initial(0).memory
        self._factory = blocks_of(self._base)
        self._blocks = dict(self._factory)
        self._sent: Counter[bytes] = Counter()
        self._often = SENT_PER_JOB * jobs
        self._is_whole = is_whole

    def item(self, state: DeviceState, resolution: str | None, *, plain: bool) -> Item:
        """``plain``: with the content of every block."""
        used: Blocks = {}
        packed = packed_state(state, self._base, used)
        contents = {
            key: block.content
            for key, block in used.items()
            if key not in self._factory and (plain or self._sent[key] < self._often)
        }
        self._sent.update(contents.keys())
        for key, block in used.items():
            self._blocks.setdefault(key, block)
        return Item(packed, resolution, self._is_whole, contents)

    def opened(self, state: DeviceState, answer: object) -> Run:
        """The run that began in ``state``."""
        assert isinstance(answer, PackedRun), "a worker answers something else than a run: please report"
        return answer.unpacked(state, self._grids, self._blocks)
