"""What the machine can say of a story, where the firmware is an ELF: function and line of the store that a cut
interrupts, and where an unknown image differs from the known ones.

Neighbours: `run` and `replay` print it behind a story; `boot` names its operations by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.campaign.edges import EVENT_NAMES
from emu.campaign.replay import Session, Story
from emu.events import HANDOVER, UNKNOWN
from emu.plain_rig import PlainRig
from emu.rig import Subject
from emu.update_rig import UpdateRig
from emu.words import printable
from flash.journal import Event

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig


def is_elf(rig: Subject) -> bool:
    """Whether ``rig`` runs an ELF. Asks nothing of the extra that only such a rig needs."""
    return not isinstance(rig, UpdateRig | PlainRig)


def code_lines(rig: UpdateRig | PlainRig | ElfRig, story: Story) -> Iterator[str]:
    """For every cut of ``story``, the code it strikes; of each unknown image that is entered, what is unknown of it."""
    if isinstance(rig, UpdateRig | PlainRig):
        return
    told = {""}
    for number, session in enumerate(story.sessions, 1):
        strangers = _strangers(session)
        if strangers:
            rig.watched(session.state)
            for difference in rig.differences[:strangers]:
                if difference not in told:
                    told.add(difference)
                    yield f"session {number} enters an unknown image: {difference}"
        if session.step is not None:
            counter = rig.store_at(session.state, session.step.entry)
            if counter is not None:
                done = "interrupted" if session.step.how in EVENT_NAMES else "cut"
                yield f"session {number} is {done} at {code_at(rig, counter)}"


def _strangers(session: Session) -> int:
    """How many images that nobody knows it enters before it is cut."""
    end = None if session.step is None else session.step.entry
    events = (entry for entry in session.run.entries[:end] if isinstance(entry, Event) and entry.name == HANDOVER)
    return sum(event.facts[1] == UNKNOWN for event in events)


def code_at(rig: ElfRig, counter: int) -> str:
    """An address with what is known of it."""
    place = str(rig.place_of(counter))
    return f"{counter:#010x}{f', {printable(place)}' if place else ''}"
