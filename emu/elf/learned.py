"""A rig whose sessions can be reset at every point, with the words of RAM that count found out beforehand.

A campaign that meets one more begins again (`campaign.judge.Missed`); a look at resets all over the uncut update finds
nearly all of them first, at the price of a few dozen sessions. Neighbours: `warm` says which words a session has read,
`rig` is made again with them.
"""

from __future__ import annotations

from emu.elf.rig import ElfRig
from flash.draws import uniforms
from flash.journal import Interruption

SAMPLED = 24
"""Places in the uncut update at which reset is pulled, besides its last one."""


def with_resets(rig: ElfRig) -> ElfRig:
    """The like of ``rig`` for a campaign with resets at every point."""
    found = rig.with_resets()
    while True:
        missed = _missed(found)
        if not missed:
            return found
        found = found.with_resets(tuple(missed))


def _missed(rig: ElfRig) -> set[int]:
    """Words of RAM that sessions after a reset read, and that ``rig`` leaves out."""
    places, state, missed = [], rig.initial(1), set[int]()
    for _ in range(rig.bounds.max_resets + 1):
        run = rig.run(state)
        missed.update(run.missed)
        places += [(state, entry) for entry in range(len(run.entries) + 1)]
        if run.outcome.kind != "reset":
            break
        state = run.end
    drawn = {int(each * len(places)) for each in uniforms(rig.drawn[1], 0, SAMPLED)} | {len(places) - 1}
    for start, entry in (places[number] for number in sorted(drawn)):
        missed.update(rig.run(rig.run(start, Interruption(entry, "pin")).end).missed)
    return missed
