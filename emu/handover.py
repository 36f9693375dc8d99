"""From the reset vector to the image that is entered: the same in every session, whatever its application is.

Neighbours: `life`, `ota.node` and `ota.linked_life` begin with it. Knows no application and no campaign.
"""

from __future__ import annotations

from collections.abc import Callable

from bootloader.decision import Decision
from emu.device import Session
from emu.events import DECIDED, HANDOVER
from emu.firmware import ModelFirmware


def hand_over(session: Session, firmware: ModelFirmware, image_in: Callable[[int], str]) -> tuple[Decision, str]:
    """The bootloader runs: what it decided, and which image it entered, "" where it found none to enter.
    ``image_in`` names what stands in a slot, by comparing bytes. A reset may come of it."""
    decision = firmware.boot(session).decision
    session.log.note(DECIDED, decision.rule, -1 if decision.slot is None else decision.slot, decision.why)
    if decision.slot is None:
        return decision, ""
    image = image_in(decision.slot)
    session.log.note(HANDOVER, decision.slot, image, decision.trial)
    session.running_slot = decision.slot
    return decision, image
