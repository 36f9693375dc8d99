"""What a fault is done to: a rig that can be varied, and what must be known of its update to damage it.

Neighbours: `emu.fault_bench` implements it for the emulated device, `emu.elf.bench` for an ELF, whose update waits in
flash, `emu.scenario_bench` for a scenario, as far as bit errors at rest need it; the kinds use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from emu.rig import DeviceState, Place, Rig, Run
from flash.defects import Defects


class VariedRig(Rig, Protocol):
    """A rig with a fault in it. Shares its hardware with all others of its specimen."""

    def remainder(self, state: DeviceState) -> Run:
        """What is left of a session from a waypoint, in one piece and without a footprint."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """``size`` bytes from ``start`` of partition ``name``, at ``place``, that hold something. ``is_small``: every bit
    of them is worth a try."""

    name: str
    place: Place
    start: int
    size: int
    is_small: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """A piece of an update that waits in flash: ``data`` from the beginning of ``place``, whose other bytes are
    erased."""

    name: str
    place: Place
    data: bytes


class Specimen(Protocol):
    """``keeps_new``: whether the new image is meant to stay. ``update``: the archive as it is sent, ``chunk_size``
    bytes at a time. ``platform``: what its manifest is for. ``old_app``: the application that runs before it.
    ``config_names``, ``slot_names``: the partitions of ``rig.places``, in its order. ``versions``: of old and new
    image, as the numbers a bootloader compares. ``refuses_downgrade``: the board's rule."""

    keeps_new: bool
    update: bytes
    platform: str
    chunk_size: int
    old_app: bytes
    config_names: tuple[str, ...]
    slot_names: tuple[str, ...]
    versions: tuple[int, int]
    refuses_downgrade: bool

    @property
    def rig(self) -> VariedRig:
        """The device and its workload without a fault."""
        ...

    @property
    def older_update(self) -> bytes:
        """The update that brought the old image; b"": nobody can make it."""
        ...

    def varied(
        self,
        *,
        update: bytes | None = None,
        start: DeviceState | None = None,
        defects: Mapping[str, Defects] | None = None,
    ) -> VariedRig:
        """The rig with another update to be sent, another state to begin with, or stuck bits, by chip."""
        ...

    def turned(self, update: bytes, start: DeviceState) -> VariedRig:
        """A rig of a device that runs the new image in ``start``, and calls it "old"; its update, ``update``, is taken
        for the image before it. Raises ScenarioError where no such rig can be made."""
        ...

    def images_in(self, state: DeviceState) -> tuple[str, ...]:
        """Which known image stands in each slot of a state, found by comparing bytes."""
        ...

    def held_in(self, state: DeviceState) -> Iterable[Held]:
        """Where boot configs, headers and images stand in a state."""
        ...


@runtime_checkable
class StagedSpecimen(Specimen, Protocol):
    """A specimen whose update waits in flash instead of being sent. ``staged``: all of it, the image first. ``older``:
    what waits where an older image is delivered instead; (): the board names none. ``takes_older``: the board accepts
    that image. ``partitions``: what an update may erase, by name."""

    staged: tuple[Delivered, ...]
    older: tuple[Delivered, ...]
    takes_older: bool
    partitions: tuple[tuple[str, Place], ...]
