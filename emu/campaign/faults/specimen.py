"""What a fault is done to: a rig that can be varied, and what must be known of its update to damage it.

Neighbours: `emu.fault_bench` implements it for the emulated device; the kinds use it. A rig of one's own has
none: it is tried with power cuts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from emu.rig import DeviceState, Rig, Run
from flash.defects import Defects


class VariedRig(Rig, Protocol):
    """A rig with a fault in it. Shares its hardware with all others of its specimen."""

    def remainder(self, state: DeviceState) -> Run:
        """What is left of a session from a waypoint, in one piece and without a footprint."""
        ...


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
    config_names: tuple[str, str]
    slot_names: tuple[str, str]
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
