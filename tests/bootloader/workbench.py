"""What the bootloader tests work on: a device with config copies and slots, images in them, and faulty flashes.

Neighbours: every test of this folder, and the properties of the config store. Decides nothing and asserts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bootloader.boot import BootReport, boot
from bootloader.config import BootConfig, SlotConfig
from bootloader.config_store import ConfigStore
from bootloader.decision import ResetCause
from bootloader.image import ImageHeader, header_for, pack_header
from bootloader.layout import Layout, Slot
from bootloader.verify import VerifyPolicy
from emu.strategies import copies_on, restart
from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.geometry import Geometry
from flash.part import bundled_part, part_names
from flash.partition import Partition

LOAD_ADDRESS = 0x0800_8100
OLD_APP = bytes(range(251)) * 5
NEW_APP = b"a newer application" * 61


def make_device(part: str) -> FlashDevice:
    """A blank chip that raises at the first misuse."""
    return FlashDevice(bundled_part(part), strict=True)


def _slot_size(geometry: Geometry) -> int:
    return max(0x4000, 2 * max(run.size for run in geometry.runs))


def _takes_slots(part: str) -> bool:
    """Three windows of a slot's size; the large sectors of an STM32F411 leave room for two."""
    geometry = bundled_part(part).geometry
    return 3 * _slot_size(geometry) <= geometry.size


PARTS = tuple(part for part in part_names() if _takes_slots(part))
assert set(part_names()) - set(PARTS) == {"STM32F411"}


def layout_on(device: NorFlash) -> Layout:
    """Config copies, and two slots of which the second half is filesystem room. Fits every part of PARTS."""
    size = _slot_size(device.geometry)
    slots = [
        Slot(index, name, Partition(name, device, (index + 1) * size, size), fs_size=size // 2)
        for index, name in enumerate(("app0", "app1"))
    ]
    return Layout(copies_on(device), (slots[0], slots[1]))


# -- images ----------------------------------------------------------------------------------------------


def put(flash: NorFlash, offset: int, data: bytes) -> None:
    """Erase the sectors of ``data`` and program it, in legal commands."""
    geometry = flash.geometry
    padded = data.ljust(geometry.units_in(len(data)) * geometry.unit, bytes([geometry.erased]))
    for sector in geometry.sectors_in(offset, len(padded)):
        flash.erase(sector.address, sector.size)
    for address, length in geometry.programs(offset, len(padded)):
        flash.program(address, padded[address - offset : address - offset + length])


def put_image(slot: Slot, app: bytes, header: ImageHeader) -> SlotConfig:
    """Header and application; returns what a boot config says about them."""
    put(slot.flash, 0, pack_header(header) + app)
    return SlotConfig(header.app_length, header.load_address, header.app_crc, header.app_version)


def put_app(slot: Slot, app: bytes, version: int) -> SlotConfig:
    """An unsigned image, sealed with CRC-32."""
    return put_image(slot, app, header_for(app, load_address=LOAD_ADDRESS, app_version=version))


def spoil(flash: NorFlash, offset: int) -> None:
    """The sector at ``offset`` loses its content."""
    sector = flash.geometry.sector_at(offset)
    flash.erase(sector.address, sector.size)


# -- configs ---------------------------------------------------------------------------------------------


def committed(active: int = 0, *slots: SlotConfig, sequencer: int = 0xFFFF_FFFE) -> BootConfig:
    """A committed record without a revert slot."""
    first, second = (*slots, SlotConfig(), SlotConfig())[:2]
    return BootConfig(sequencer, active, None, True, False, False, 0, (first, second))


def first_boot(active: int, *slots: SlotConfig, timeout_s: int = 30) -> BootConfig:
    """What an update leaves: a new image in ``active``, the other slot to go back to."""
    config = committed(active, *slots)
    return replace(config, revert_slot=1 - active, committed=False, first_boot=True, commit_timeout_s=timeout_s)


def unnumbered(config: BootConfig | None) -> BootConfig | None:
    """Without its sequencer, which the store chooses."""
    return None if config is None else replace(config, sequencer=0)


# -- things that answer the contracts of the bootloader ------------------------------------------------


@dataclass
class FakeTimer:
    """Writes down what it is told; ``look`` is asked at that moment and its answer noted beside it."""

    can_stop: bool = True
    look: Callable[[], object] = lambda: None
    calls: list[str] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.seen.append(self.look())

    def arm(self, timeout_s: int) -> None:
        self._note(f"arm {timeout_s}")

    def stop(self) -> None:
        self._note("stop")

    def keep_fed(self) -> None:
        self._note("keep_fed")


class ThroughFlash:
    """Passes every call on; the faulty flashes below change one of them."""

    def __init__(self, flash: NorFlash) -> None:
        self._flash = flash

    @property
    def geometry(self) -> Geometry:
        return self._flash.geometry

    def read(self, address: int, length: int) -> bytes:
        return self._flash.read(address, length)

    def program(self, address: int, data: bytes) -> None:
        self._flash.program(address, data)

    def erase(self, address: int, length: int) -> None:
        self._flash.erase(address, length)


class DeafFlash(ThroughFlash):
    """A worn sector: its next ``count`` programs change nothing (None: none ever does)."""

    def __init__(self, flash: NorFlash, count: int | None = None) -> None:
        super().__init__(flash)
        self._left = count

    def program(self, address: int, data: bytes) -> None:
        if self._left == 0:
            super().program(address, data)
        elif self._left is not None:
            self._left -= 1


class CountingFlash(ThroughFlash):
    """Counts the bytes read through it."""

    read_bytes = 0

    def read(self, address: int, length: int) -> bytes:
        self.read_bytes += length
        return super().read(address, length)


def deaf_store(device: FlashDevice, count: int | None = None) -> ConfigStore:
    """A store whose copies both do not take programs."""
    first, second = copies_on(device)
    return ConfigStore((DeafFlash(first, count), DeafFlash(second, count)))


# -- a whole device ------------------------------------------------------------------------------------


@dataclass
class Board:
    """A device as the factory made it: the old image in slot 0, committed."""

    device: FlashDevice
    layout: Layout
    store: ConfigStore
    old: SlotConfig
    new: SlotConfig = field(default_factory=SlotConfig)
    timer: FakeTimer = field(default_factory=FakeTimer)

    @classmethod
    def of(cls, part: str) -> Board:
        device = make_device(part)
        layout = layout_on(device)
        board = cls(device, layout, ConfigStore(layout.configs), put_app(layout.slots[0], OLD_APP, 0x0100_0000))
        board.store.write(committed(0, board.old))
        return board

    def stage(self, version: int = 0x0200_0000, **fields: object) -> None:
        """What an update does: the new image in slot 1, then the record that names it."""
        self.new = put_app(self.layout.slots[1], NEW_APP, version)
        self.store.write(replace(first_boot(1, self.old, self.new), **fields))  # type: ignore[arg-type]

    def boot(self, cause: ResetCause = "power", **options: bool) -> BootReport:
        """One reset, with a journal of its own and a timer that was told nothing yet."""
        restart(self.device)
        self.timer = FakeTimer(look=lambda: unnumbered(self.store.read().config))
        return boot(self.store, self.layout, self.timer, VerifyPolicy(), cause, **options)

    def config(self) -> BootConfig:
        config = self.store.read().config
        assert config is not None
        return config


def outcome(report: BootReport) -> tuple[str, int | None]:
    return report.decision.rule, report.decision.slot
