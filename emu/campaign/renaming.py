"""States that differ in what their sequence counters show are taken for one; whether they do the same is tried.

A rig that knows of such counters gives a state its like with the smallest numbers (`Rig.renamed`). The closure goes on
from that one. Of the states it has done that to, some are run both ways: what is done must be the same, entry by entry,
but for the bytes that are written, and what is left must have the same like. A difference means that the firmware does
more with a counter than compare it: the campaign ends, because what it has merged may have been different.

Neighbours: `walk` asks for every state it meets. Knows the rig's contract only.
"""

from __future__ import annotations

from dataclasses import replace

from emu.errors import ScenarioError
from emu.rig import DeviceState, Rig, Run
from flash.journal import Entry, Event, Operation

TRIED_FIRST, TRIED_EVERY = 16, 64
"""Of the states that were renamed: the first ones, and every so many."""


class Renaming:
    """``count``: states that were renamed, of which ``tried`` were run both ways."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.count = 0
        self.tried = 0

    def of(self, state: DeviceState) -> DeviceState:
        """The state that stands for all that differ from ``state`` in their counters alone."""
        memory = self._rig.renamed(state.memory)
        return state if memory is state.memory else replace(state, memory=memory)

    def met(self, state: DeviceState, renamed: DeviceState) -> None:
        """``renamed`` is going to be run in the place of ``state``. Raises ScenarioError where that is another life."""
        if renamed is state:
            return
        self.count += 1
        if self.count <= TRIED_FIRST or not self.count % TRIED_EVERY:
            self.tried += 1
            difference = self._difference(self._rig.run(state), self._rig.run(renamed))
            if difference:
                raise ScenarioError(
                    f"[[counter]]: with other numbers in the same order the firmware {difference}: it "
                    "does more with them than compare; take [[counter]] out of the board, or give --depth"
                )

    def _difference(self, one: Run, other: Run) -> str:
        for number, (left, right) in enumerate(zip(one.entries, other.entries, strict=False)):
            if _shape(left) != _shape(right):
                return f"does something else at entry {number}: {_words(left)}, or {_words(right)}"
        if len(one.entries) != len(other.entries):
            return f"does {len(one.entries)} things, or {len(other.entries)}"
        if one.outcome != other.outcome:
            return f"ends otherwise: {one.outcome}, or {other.outcome}"
        ends = [self.of(run.end).memory for run in (one, other)]
        same = all(mine.key == theirs.key for mine, theirs in zip(*ends, strict=True))
        return "" if same else "leaves something else in flash"


def _shape(entry: Entry) -> tuple[object, ...]:
    """An entry without the bytes it writes, and without its time."""
    if isinstance(entry, Operation):
        return (entry.kind, entry.device, entry.address, entry.length)
    if isinstance(entry, Event):
        return (entry.name, entry.facts)
    return (entry.device, entry.address, entry.rule)


def _words(entry: Entry) -> str:
    if isinstance(entry, Operation):
        return f"{entry.kind} of {entry.length:,} bytes at {entry.address:#x}"
    return entry.name if isinstance(entry, Event) else entry.rule
