"""Rig: the contract of anything a campaign can cut.

A rig runs one power session at a time, from a reset until the device settles or resets, as a deterministic
function of a `DeviceState`. It says what it can do; a campaign degrades accordingly, and says so.

Neighbours: `update_rig` implements it for the emulated device; an emulated core and a real board will. `campaign`
knows this contract and no rig. Knows no check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bootloader.decision import ResetCause
from flash.cells import Cells
from flash.journal import Entry, Interruption
from flash.part import Part
from flash.snapshot import KEY_BYTES, Snapshot
from flash.trace import Trace


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``snapshot``: states can be taken and restored. ``tears``: interrupted operations can be made exactly.
    ``deterministic``: the same state runs the same way. ``virtual_time``: time costs nothing."""

    snapshot: bool
    tears: bool
    deterministic: bool
    virtual_time: bool


@dataclass(frozen=True)
class DeviceState:
    """Everything that can influence a later session: non-volatile content, the reset about to happen, what is left
    of the workload, retained RAM (empty after a power cut)."""

    memory: tuple[Snapshot, ...]
    cause: ResetCause
    attempts_left: int
    ram: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> bytes:
        """128 bits over all of it (erase counts left out: nothing in a campaign depends on them)."""
        rest = f"{self.cause}|{self.attempts_left}|{self.ram}".encode()
        return hashlib.sha256(b"".join([s.key for s in self.memory]) + rest).digest()[:KEY_BYTES]


OutcomeKind = Literal["settled", "reset", "halted", "hung", "cut"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended.

    ``settled``: the application runs and nothing more is going to happen. ``reset``: the device restarts itself,
    for ``cause``. ``halted``: the bootloader found nothing to run. ``hung``: the firmware stands still and no timer
    resets it. ``cut``: the scheduled power cut struck.
    """

    kind: OutcomeKind
    image: str = ""
    committed: bool = False
    cause: ResetCause = "power"
    detail: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "settled":
                return f"{self.image} image runs, {'committed' if self.committed else 'NOT committed'}"
            case "reset":
                return f"reset by {self.cause}"
            case "halted":
                return f"bricked: {self.detail}"
            case "hung":
                return f"hangs: {self.detail}"
            case "cut":
                return "power lost"


@dataclass
class Run:
    """One session: what it did, how it ended and when (microseconds since its reset), the state it left, and the
    footprint it stood on (None: not traced, so it can never stand for another)."""

    entries: list[Entry]
    outcome: Outcome
    end: DeviceState
    end_us: int = 0
    trace: Trace | None = None


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


@dataclass(frozen=True, slots=True)
class Places:
    """Where the config copies and the slots are, for checks that judge single operations. ``fs_size``: bytes at the end
    of each slot that are its filesystem's."""

    configs: tuple[Place, ...]
    slots: tuple[Place, ...]
    fs_size: int = 0


Files = tuple[tuple[str, str], ...]
"""Files by path, in order, each with the SHA-256 of its content in hex."""


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """The files that must stand beside each image: ``old`` those of the device before the update, ``new`` what the
    update ships and what it must carry over. ``absent``: why the rig knows none, "" where it does."""

    old: Files = ()
    new: Files = ()
    absent: str = ""


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
    def files(self) -> KnownFiles: ...

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

    def run(self, state: DeviceState, interruption: Interruption | None = None) -> Run:
        """One session from ``state``; with an interruption, until it strikes."""
        ...
