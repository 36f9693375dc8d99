"""Scenario: a firmware of one's own, its flash and its workload, as plain data.

    def boot(reset: Reset) -> str | None: ...

    device = Scenario(
        boot,
        "w25q128jv",
        windows={"slot-a": Window(0, 0x10000), "slot-b": Window(0x10000, 0x10000), "config": Window(0x20000, 0x1000)},
        factory={"slot-a": OLD, "config": b"\x00"},
        images={"old": OLD, "new": NEW},
    )

Neighbours: `plain_rig` makes something of it that can be cut; `own_firmware` finds one in a file; `reset` is what the
firmware is given. Knows no rig, no campaign and no option.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from emu.board import CheckEntry, TimerEntry
from emu.events import NEW
from emu.oracle import Oracle
from emu.reset import Reset
from emu.source import Bundled, Source
from flash.errors import PartError
from flash.part import Part, bundled_part

Firmware = Callable[[Reset], str | None]
"""Called at every reset. Returns None when nothing more is going to happen, or why nothing can run."""


@dataclass(frozen=True, slots=True)
class Window:
    """A partition: ``size`` bytes from ``offset`` of ``chip`` ("": the only one), on sector boundaries."""

    offset: int
    size: int
    chip: str = ""


@dataclass(frozen=True)
class Scenario:
    """A firmware, its flash and its workload.

    ``parts``: the chip, or several by name; a bundled part can be given by its name (`brownout parts` lists them).
    ``windows``: what the firmware sees of them; none: each chip as a whole, by its name. ``factory``: what stands at
    the beginning of a window when the device leaves the factory; what is not said is erased. ``images``: the ones that
    count as whole, by name; "old" is what the factory shipped, "new" what the update brings. ``work``: what
    `Reset.attempt` returns; unless given, the new image. ``commits``: whether a new image is on trial until it commits.
    ``keeps``: whether the new image is meant to stay, when nothing interrupts it.
    ``fine``: windows that hold records, to be looked at in small units. ``checks``: which apply, by name, or a
    `CheckEntry` with their bounds.
    ``stuck_after_s``: host seconds after which a session counts as hung; firmware in C has limits of its own instead.
    ``name``: what reports call it; "": the name of the function. ``source``: filled in for one that came from a file,
    or is bundled.
    """

    firmware: Firmware
    parts: Part | str | Mapping[str, Part | str]
    windows: Mapping[str, Window] = field(default_factory=dict)
    factory: Mapping[str, bytes] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)
    work: bytes | None = None
    commits: bool = False
    keeps: bool = True
    timers: TimerEntry = field(default_factory=TimerEntry)
    oracles: Sequence[Oracle] = ()
    fine: Sequence[str] = ()
    checks: CheckEntry | Sequence[str] = field(default_factory=CheckEntry)
    stuck_after_s: float = 10.0
    name: str = ""
    source: Source | Bundled | None = None

    @property
    def chips(self) -> dict[str, Part]:
        """The parts by name; a single one is called "flash". Raises PartError for a name that is none."""
        named = {"flash": self.parts} if isinstance(self.parts, Part | str) else self.parts
        chips = {chip: bundled_part(part) if isinstance(part, str) else part for chip, part in named.items()}
        for chip, part in chips.items():
            if part.kind == "eeprom":
                raise PartError(
                    f"{chip}: {part.name} is an I2C EEPROM, which a scenario cannot write; name a flash part"
                )
        return chips

    @property
    def update(self) -> bytes:
        """What an attempt brings."""
        return self.images.get(NEW, b"") if self.work is None else self.work
