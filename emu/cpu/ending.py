"""How the run of a core ends, when nothing pulled reset and power stayed: a value with its reason and its place.

Neighbours: `core` makes them, `session` adds the endings by reset and power. Knows nothing of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EndingKind = Literal["reset", "power-lost", "lockup", "asleep", "spinning", "stalled", "limit"]


@dataclass(frozen=True, slots=True)
class Ending:
    """``address``: of the instruction. ``register``: the one that was polled last where the kind is "stalled".

    "reset": somebody asked for it or a timer rang, ``reason`` is which; "asleep": it waits for an interrupt and none
    will come; "spinning": a loop that accesses nothing, the same; "stalled": it polls registers that no longer change;
    "limit": the virtual time it was given is over. ``handler``: the exception that was running, "thread" for none.
    """

    kind: EndingKind
    reason: str
    address: int = 0
    handler: str = "thread"
    register: int = 0
