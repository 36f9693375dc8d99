"""TimedRig: the contract of what can only be cut by the clock: a real board, or a process somebody else wrote.

There is a switch for its power and a console on which it says what it runs. Nothing can be restored, no operation is
seen, and time is the host's: so a campaign on it is a sweep, and what it finds is a sample. `Capabilities` say so.

Neighbours: `rig` has the contract of what can be restored. `hil` implements this one, `campaign.sweep` knows it and
no rig. Knows no check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from emu.rig import Capabilities, Input, Outcome

SaidKind = Literal["old", "new", "unknown", "trial", "committed", "dead"]
"""What a line on the console means. ``old``, ``new``, ``unknown``: such an image says that it runs. ``trial``: it is
entered and not committed. ``committed``: it is there to stay. ``dead``: nothing will run."""


@dataclass(frozen=True, slots=True)
class Said:
    """A line that means something, ``at_ms`` after what was asked of the rig began."""

    kind: SaidKind
    line: str
    at_ms: float


@dataclass(frozen=True, slots=True)
class Stay:
    """What was seen from a power-on, or from the start of an update, until the device settled or power was cut.

    ``outcome``: as `emu.rig.Outcome` has it; settled, halted, hung or cut. ``cut_ms``: when power really went away, if
    it did. ``tail``: the last lines of the console, meaningful or not.
    """

    said: tuple[Said, ...]
    outcome: Outcome
    cut_ms: float | None = None
    tail: tuple[str, ...] = ()

    def count(self, kind: SaidKind) -> int:
        return sum(one.kind == kind for one in self.said)


class TimedRig(Protocol):
    """Anything whose only cut is a switch. Every method raises RigLost when the rig, not the device, has failed."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What a result depends on, as far as the host can know it: "rig" and "update"."""
        ...

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that can be judged here, in their order."""
        ...

    @property
    def lacks(self) -> Mapping[str, str]:
        """The checks that cannot, each with the reason."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a verdict has to know about this rig."""
        ...

    def restore(self) -> None:
        """Bring the old image back, whatever a cut left. Power is off before and after."""
        ...

    def power_on(self) -> Stay:
        """Power on, and wait until the device settles. It stays on."""
        ...

    def update(self, cut_ms: float | None) -> Stay:
        """Start the update and wait until the device settles; or cut the power ``cut_ms`` after the start, whatever
        the device is doing by then, and leave it off."""
        ...

    def power_off(self) -> None: ...
