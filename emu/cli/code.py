"""Which code a cut interrupts, where the firmware is an ELF: function and line of the store.

Neighbours: `run` and `replay` print it behind a story; `boot` names its operations by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.campaign.edges import EVENT_NAMES
from emu.campaign.replay import Story
from emu.plain_rig import PlainRig
from emu.rig import Subject
from emu.update_rig import UpdateRig
from emu.words import printable

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig


def is_elf(rig: Subject) -> bool:
    """Whether ``rig`` runs an ELF. Asks nothing of the extra that only such a rig needs."""
    return not isinstance(rig, UpdateRig | PlainRig)


def code_lines(rig: UpdateRig | PlainRig | ElfRig, story: Story) -> Iterator[str]:
    """For every cut of ``story``, the code it strikes."""
    if isinstance(rig, UpdateRig | PlainRig):
        return
    for number, session in enumerate(story.sessions, 1):
        if session.step is not None:
            counter = rig.store_at(session.state, session.step.entry)
            if counter is not None:
                done = "interrupted" if session.step.how in EVENT_NAMES else "cut"
                yield f"session {number} is {done} at {code_at(rig, counter)}"


def code_at(rig: ElfRig, counter: int) -> str:
    """An address with what is known of it."""
    place = str(rig.place_of(counter))
    return f"{counter:#010x}{f', {printable(place)}' if place else ''}"
