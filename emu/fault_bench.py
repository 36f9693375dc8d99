"""What a fault can be done to, on the emulated device: `campaign.faults.specimen.Specimen` over an `UpdateRig`.

Neighbours: `update_rig` is varied here; `campaign.faults` decides how. Makes rigs and runs none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bootloader.config import RECORD_SIZE
from bootloader.image import HEADER_SIZE, header_for, parse_header, version_number
from emu.campaign.faults.specimen import Held
from emu.events import UNKNOWN
from emu.rig import DeviceState, Place
from emu.update_rig import ImagePair, UpdateRig
from flash.defects import Defects
from flash.peek import read_snapshot
from updater.bundle import Firmware, make_bundle


class FaultBench:
    """``rig``: the device and its workload without a fault."""

    def __init__(self, rig: UpdateRig) -> None:
        document = rig.board.document
        self._rig = rig
        self.keeps_new = rig.keeps_new
        self.update = rig.bundle
        self.platform = document.platform
        self.chunk_size = document.link.chunk_size
        self.old_app = rig.images.old
        self.config_names: tuple[str, ...] = document.layout.configs
        self.slot_names: tuple[str, ...] = document.layout.slots
        self.refuses_downgrade = document.verify.refuse_downgrade
        self.versions = (version_number(rig.images.old_version), version_number(rig.images.new_version))

    @property
    def rig(self) -> UpdateRig:
        return self._rig

    @property
    def older_update(self) -> bytes:
        """The update that brought the old image. b"": it would have to be signed, and nobody has it."""
        images, board = self._rig.images, self._rig.board
        if images.old_bundle:
            return images.old_bundle
        if board.document.update.sig_req_mask >= 0 or board.policy.keys:
            return b""
        return make_bundle(
            Firmware(
                name=board.name, platform=board.document.platform, version=images.old_version, build_id="older",
                app=images.old, load_address=board.document.load_address, fs=images.old_fs,
            )
        )  # fmt: skip

    def varied(
        self,
        *,
        update: bytes | None = None,
        start: DeviceState | None = None,
        defects: Mapping[str, Defects] | None = None,
    ) -> UpdateRig:
        return self._rig.varied(update=update, start=start, defects=defects)

    def turned(self, update: bytes, start: DeviceState) -> UpdateRig:
        """The old image is the new one's update: what runs in ``start`` is "old", what came before it is "new"."""
        rig, images = self._rig, self._rig.images
        document = rig.board.document
        crc, number = document.verify.crc, version_number(images.new_version)
        header = header_for(images.new, load_address=document.load_address, app_version=number, crc=crc)
        pair = ImagePair(
            old=images.new, new=images.old, old_version=images.new_version, new_version=images.old_version,
            bundle=update, new_fs=images.old_fs, old_header=header, old_fs=images.new_fs,
        )  # fmt: skip
        timing, seed, resolution = rig.drawn
        turned = UpdateRig(
            rig.board, pair, firmware=rig.firmware, app=rig.app, timing=timing, seed=seed, resolution=resolution
        )
        return turned.varied(start=start)

    def images_in(self, state: DeviceState) -> tuple[str, ...]:
        return self._rig.images_in(state)

    def held_in(self, state: DeviceState) -> Iterable[Held]:
        """Both config copies, and of each slot with a known image its header and its application."""
        places = self._rig.places
        for name, place in zip(self.config_names, places.configs, strict=True):
            yield Held(name, place, 0, RECORD_SIZE, True)
        for name, place, image in zip(self.slot_names, places.slots, self.images_in(state), strict=True):
            if image != UNKNOWN:
                yield Held(name, place, 0, HEADER_SIZE, True)
                yield Held(name, place, HEADER_SIZE, self._app_length(state, place), False)

    def _app_length(self, state: DeviceState, place: Place) -> int:
        part = self._rig.parts[place.chip]
        header = parse_header(read_snapshot(part, state.memory[place.chip], place.address, HEADER_SIZE))
        assert not isinstance(header, str), "a known image has a header: please report"
        return header.app_length
