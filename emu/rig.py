"""Rig: the contract of anything a campaign can cut.

A rig runs one power session at a time, from a reset until the device settles or resets, as a deterministic
function of a `DeviceState`. It says what it can do; a campaign degrades accordingly, and says so.

A session may be made of *stretches*: at a waypoint the rig can say what the processor holds, as bytes, and go on from
there later. Stretches that begin alike are run once, whatever sessions they are part of.

Neighbours: `update_rig` implements it for the emulated device; an emulated core and a real board will. `campaign`
knows this contract and no rig. Knows no check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bootloader.decision import ResetCause
from emu.board import CheckEntry
from emu.events import OLD
from emu.oracle import AnyOracle
from flash.cells import Cells
from flash.grid import Grids
from flash.journal import Entry, Interruption
from flash.part import Part
from flash.snapshot import KEY_BYTES, Snapshot
from flash.timing import TimingMode
from flash.trace import Trace


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``snapshot``: states can be taken and restored. ``tears``: interrupted operations can be made exactly.
    ``deterministic``: the same state runs the same way. ``virtual_time``: time costs nothing. ``is_ours``: what runs in
    it is brownout's, so what is not the same twice is brownout's mistake. ``resets``: a session says what a reset
    without a loss of power finds at each of its points, in its events or in `Run.kept`. ``ends_with``: the image
    that the uncut update has to end with, where whoever begins a campaign sees first that the device runs without it:
    then one that fails by itself is a finding."""

    snapshot: bool
    tears: bool
    deterministic: bool
    virtual_time: bool
    is_ours: bool = True
    resets: bool = True
    ends_with: str = ""


Plan = tuple[tuple[int, str], ...]
"""By number, counted from 0 in the session: what becomes of something that the world would do, one of
`emu.events.DETOURS`."""


@dataclass(frozen=True)
class DeviceState:
    """Everything that can influence what follows: non-volatile content, the reset about to happen, what is left
    of the workload, retained RAM (empty after a power cut). ``volatile``: at a waypoint, all that the processor and its
    peripherals hold, and ``cause`` is how the session began; b"" at a reset. ``outside``: who talks to the device and
    what is on its way between them, as a value with a `repr` that says all of it; None: nobody does. ``plan``: what the
    world does in the session that begins instead of what it would do, as `Detour` has it."""

    memory: tuple[Snapshot, ...]
    cause: ResetCause
    attempts_left: int
    ram: tuple[tuple[str, int], ...] = ()
    volatile: bytes = b""
    outside: Hashable = None
    plan: Plan = ()

    @property
    def key(self) -> bytes:
        """128 bits over all of it (erase counts left out: nothing in a campaign depends on them)."""
        rest = f"{self.cause}|{self.attempts_left}|{self.ram}|{self.outside!r}|{self.plan}|".encode() + self.volatile
        return hashlib.sha256(b"".join([s.key for s in self.memory]) + rest).digest()[:KEY_BYTES]


NOT_CLAIMED = "the board does not claim it: checks.apply leaves it out"
NOBODY_IS_TOLD = "nobody talks to the device: the update is handed to it"
"""Why `truthful` means nothing where there is nothing outside."""

OutcomeKind = Literal["settled", "reset", "halted", "hung", "cut", "waypoint"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended.

    ``settled``: the application runs and nothing more is going to happen; without an ``image``, where there are images,
    the bootloader waits for an update. ``reset``: the device restarts itself,
    for ``cause``. ``halted``: the bootloader found nothing to run. ``hung``: the firmware stands still and no timer
    resets it. ``cut``: the scheduled power cut struck. ``waypoint``: only the stretch has ended; the session goes on.
    """

    kind: OutcomeKind
    image: str = ""
    committed: bool = False
    cause: ResetCause = "power"
    detail: str = ""

    @property
    def asks_retry(self) -> bool:
        """Whether the next update is what `retries` is about."""
        return self.kind == "settled" and self.image in ("", OLD)

    def __str__(self) -> str:
        match self.kind:
            case "settled":
                if not self.image:
                    return self.detail or "settled"
                return f"{self.image} image runs, {'committed' if self.committed else 'NOT committed'}"
            case "reset":
                return self.detail or f"reset by {self.cause}"
            case "halted":
                return f"bricked: {self.detail}"
            case "hung":
                return f"hangs: {self.detail}"
            case "cut":
                return "power lost"
            case "waypoint":
                return "goes on"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reset without a loss of power finds at a point of a session besides flash: ``ram`` as in `DeviceState`,
    and ``watchdog``, the cause of the reset by the timer that is running there and rings next, "" for none."""

    ram: tuple[tuple[str, int], ...] = ()
    watchdog: str = ""


@dataclass
class Run:
    """One session, or one stretch of it: what it did, how it ended and when (microseconds since its reset), the state
    it left, and the footprint it stood on (None: not traced, so it can never stand for another). ``met_weak``: a read
    gave an answer that depends on the resolution of weak cells. ``kept``: by point, from the first to the last, where
    the journal's events do not say it. ``missed``: words of RAM that were looked at, and that states of this rig leave
    out: what they say of a session like this one is worth nothing."""

    entries: list[Entry]
    outcome: Outcome
    end: DeviceState
    end_us: int = 0
    trace: Trace | None = None
    met_weak: bool = False
    kept: Sequence[Kept] = ()
    missed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Detour:
    """Another way a session can go without anything happening to the device: at entry ``entry`` the world does ``how``,
    one of `emu.events.DETOURS`. It is the session that begins in the same state but for ``plan``."""

    entry: int
    how: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Input:
    """Something a result depends on: what to call it, and a SHA-256 over all of it, in hex."""

    label: str
    digest: str


@dataclass(frozen=True, slots=True)
class Place:
    """A range on a chip that a check protects."""

    chip: int
    address: int
    size: int

    def shares(self, other: Place) -> bool:
        """Whether a byte is in both."""
        return (
            self.chip == other.chip
            and self.address < other.address + other.size
            and other.address < self.address + self.size
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Where the config copies and the slots are, for checks that judge single operations. ``configs``: two, or none
    where the firmware has no boot configs of ours. ``fs_size``: bytes at the end of each slot that are its
    filesystem's."""

    configs: tuple[Place, ...]
    slots: tuple[Place, ...]
    fs_size: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """A partition, for a reader: bytes ``address`` to ``address + size`` of a chip."""

    chip: str
    name: str
    address: int
    size: int


Files = tuple[tuple[str, str], ...]
"""Files by path, in order, each with the SHA-256 of its content in hex."""


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """The files that must stand beside each image: ``old`` those of the device before the update, ``new`` what the
    update ships and what it must carry over."""

    old: Files = ()
    new: Files = ()


class Rig(Protocol):
    """Anything a campaign can cut. Chips are numbered as in ``parts``."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Everything a result depends on, by role; "board" is always there. Tokens name the one that differs."""
        ...

    @property
    def parts(self) -> Sequence[Part]:
        """The chips, in the order of ``DeviceState.memory``."""
        ...

    @property
    def chip_names(self) -> Sequence[str]:
        """The names operations carry, in the same order."""
        ...

    @property
    def places(self) -> Places: ...

    @property
    def files(self) -> KnownFiles:
        """What `keeps-files` holds the device to; nothing where the rig lacks it."""
        ...

    @property
    def lacks(self) -> Mapping[str, str]:
        """The checks that mean nothing here, each with the reason."""
        ...

    @property
    def oracles(self) -> Sequence[AnyOracle]:
        """Checks that come with the rig. What they look at when a session ends is in its footprint."""
        ...

    @property
    def watchdog_us(self) -> int:
        """How long after a hang a watchdog resets the device; 0: there is none."""
        ...

    def bench_cells(self) -> list[Cells]:
        """Fresh arrays of the same parts, to build states on."""
        ...

    def initial(self, attempts: int) -> DeviceState:
        """The device as it left the factory, with a workload of ``attempts`` update attempts."""
        ...

    @property
    def grids(self) -> Grids:
        """The units footprints are taken in, by chip name."""
        ...

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        """One session from a reset; with an interruption, until it strikes. ``resolution``: what weak bits read as in
        it, a name of `flash.weak`; None: as the rig was made."""
        ...

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        """From ``state`` (at a reset or a waypoint) to the next waypoint or the session's end. A rig that cannot say
        what its processor holds has no waypoints: then this is `run`."""
        ...

    def detours(self, state: DeviceState, run: Run) -> Sequence[Detour]:
        """The detours of the session ``run`` from ``state``, in the order of their entries; none where nothing but the
        device decides what happens."""
        ...

    def renamed(self, memory: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        """Memory that differs from ``memory`` in sequence counters alone, and has the least that stand in the same
        order; ``memory`` itself where it has, and where the rig knows of no counters."""
        ...


class Subject(Rig, Protocol):
    """A rig with what its board or scenario says of a campaign on it."""

    @property
    def drawn(self) -> tuple[TimingMode, int, str]:
        """What durations and weak bits are drawn by: timing, seed, resolution."""
        ...

    @property
    def keeps_new(self) -> bool:
        """Whether the uncut workload is expected to end with the new image."""
        ...

    @property
    def bounds(self) -> CheckEntry:
        """Which checks apply, and their bounds."""
        ...

    @property
    def regions(self) -> tuple[Region, ...]:
        """The partitions, chip by chip in the order of their addresses."""
        ...
