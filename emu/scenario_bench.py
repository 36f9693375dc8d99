"""What a fault can be done to, on a scenario: `campaign.faults.specimen.Specimen` over a `PlainRig`.

Bit errors at rest need nothing but places: the windows the scenario calls ``fine`` hold records, and images stand where
their bytes are found. Every other kind of fault needs an update that can be taken apart, or a board.

Neighbours: `plain_rig` is varied here; `campaign.faults` decides how.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emu.campaign.faults.specimen import Held
from emu.errors import ScenarioError
from emu.events import OLD, UNKNOWN
from emu.plain_rig import PlainRig
from emu.rig import DeviceState
from flash.defects import Defects
from flash.peek import read_snapshot

KINDS = ("rest",)
"""The faults that can be put into a scenario."""


class ScenarioBench:
    """``rig``: the scenario and its workload without a fault."""

    platform = ""
    older_update = b""
    versions = (0, 0)
    refuses_downgrade = False

    def __init__(self, rig: PlainRig) -> None:
        scenario = rig.scenario
        self._rig = rig
        self.keeps_new = rig.keeps_new
        self.update = scenario.update
        self.chunk_size = max(1, len(self.update))
        self.old_app = rig.images.get(OLD, b"")
        self.config_names = tuple(scenario.fine)
        self.slot_names = tuple(name for name in rig.window_places if name not in self.config_names)

    @property
    def rig(self) -> PlainRig:
        return self._rig

    def varied(
        self,
        *,
        update: bytes | None = None,
        start: DeviceState | None = None,
        defects: Mapping[str, Defects] | None = None,
    ) -> PlainRig:
        if update is not None or defects:
            raise ScenarioError(f"faults of a scenario are of kind {', '.join(KINDS)}; the others need a --board")
        return self._rig.varied(start)

    def turned(self, update: bytes, start: DeviceState) -> PlainRig:
        raise ScenarioError("a scenario has no update that brought its old image")

    def images_in(self, state: DeviceState) -> tuple[str, ...]:
        found = self._rig.images_in(state)
        return tuple(found[name] for name in self.slot_names)

    def held_in(self, state: DeviceState) -> Iterable[Held]:
        """Of each fine window what is programmed, from its beginning on; and every known image."""
        places, parts = self._rig.window_places, self._rig.parts
        for name in self.config_names:
            place = places[name]
            part = parts[place.chip]
            raw = read_snapshot(part, state.memory[place.chip], place.address, place.size)
            size = len(raw.rstrip(bytes([part.erased])))
            if size:
                yield Held(name, place, 0, size, False)
        for name, image in zip(self.slot_names, self.images_in(state), strict=True):
            if image != UNKNOWN:
                yield Held(name, places[name], 0, len(self._rig.images[image]), False)
