"""A token with a fault in it, followed: the rig is varied first, what follows is `replay.follow`.

Neighbours: `kinds` reads the fault's name, `replay` cuts the running firmware. The command line comes here.
"""

from __future__ import annotations

from dataclasses import replace

from emu.campaign.faults.fault import parse_fault
from emu.campaign.faults.kind import Ground
from emu.campaign.faults.kinds import kind_named
from emu.campaign.replay import Story, follow
from emu.campaign.token import Token, token_for
from emu.errors import TokenError


def follow_fault(ground: Ground, token: Token) -> Story:
    """Replay ``token``, which names a fault; the story tells it. Raises TokenError when its inputs, its fault or its
    places do not exist here."""
    token.check_inputs(ground.specimen.rig.inputs)
    fault = parse_fault(token.fault)
    kind = kind_named(fault.kind, ground)
    if kind.not_here:
        raise TokenError(f"there is no fault {fault.name} here: {kind.not_here}")
    rig = kind.rig(fault)
    own = token_for(token.attempts, rig.inputs, token.path, token.readings)
    story = follow(rig, kind.judge(fault), own, ground.options.tears.seed)
    return replace(story, fault=fault.name, told=kind.told(fault))
