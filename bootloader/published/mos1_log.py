"""Where MOS1 records live: a log over two devices, and which record counts.

A record is appended behind the one that counts; where it does not fit, the other device is erased and begun anew. A
torn record ends the scan, so the one before it counts; the next record is written over it all the same, does not read
back, and goes to the beginning of the other device. Bits that would have to go from 0 to 1 are asked of the flash
there: `legal-flash` of a campaign shows it.

Neighbours: `mos1` knows the bytes. Keeps nothing between calls but the two devices; where it stands is in `Standing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bootloader.errors import ConfigNotWritten
from bootloader.published.mos1 import RECORD_SIZE, Mos1Config, pack_mos1, parse_mos1
from flash.bulk import put, wipe
from flash.contract import NorFlash
from flash.errors import EccFault

MAX_RECORDS = 32
"""Records of one device that are looked at."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A record, and where it stands: ``device`` 0 or 1, ``offset`` in bytes."""

    config: Mos1Config
    device: int
    offset: int


def capacity(size: int) -> int:
    """Bytes of a device of ``size`` bytes that hold records."""
    return min(size // RECORD_SIZE, MAX_RECORDS) * RECORD_SIZE


def newest_of(devices: Iterable[Iterable[Mos1Config | None]]) -> Standing | None:
    """The record that counts, of those the devices hold from their beginnings on; None: no record.

    A device is left at the first that cannot be read, is none, or is not newer than the best so far.
    """
    best: Standing | None = None
    for device, records in enumerate(devices):
        for number, config in enumerate(records):
            if config is None or (best is not None and config.seq <= best.config.seq):
                break
            best = Standing(config, device, number * RECORD_SIZE)
    return best


class Mos1Log:
    """The log over ``devices``, which need whole erase units and no more: each is erased as a whole."""

    def __init__(self, devices: tuple[NorFlash, NorFlash]) -> None:
        self._devices = devices

    def read(self) -> Standing | None:
        """The record that counts; None: there is none."""
        return newest_of(
            (self.record_at(number, offset) for offset in range(0, capacity(device.geometry.size), RECORD_SIZE))
            for number, device in enumerate(self._devices)
        )

    def record_at(self, device: int, offset: int) -> Mos1Config | None:
        """What stands there, if it is a record."""
        try:
            return parse_mos1(self._devices[device].read(offset, RECORD_SIZE))
        except EccFault:
            return None

    def append(self, config: Mos1Config, behind: Standing) -> Standing:
        """Write ``config`` as the newest record; its sequencer is chosen here.

        Raises ConfigNotWritten when it does not read back, on the other device neither.
        """
        numbered = replace(config, seq=(behind.config.seq + 1) & 0xFFFF_FFFF)
        device, offset = behind.device, behind.offset + RECORD_SIZE
        if offset >= capacity(self._devices[device].geometry.size):
            device, offset = 1 - device, 0
        for target, at in ((device, offset), (1 - device, 0)):
            self._write(target, at, numbered)
            if self.record_at(target, at) is not None:
                return Standing(numbered, target, at)
        raise ConfigNotWritten(f"record {numbered.seq} reads back from neither device of the boot config log")

    def begin(self, config: Mos1Config) -> Standing:
        """Erase both devices and write ``config`` as record 1: what a loader does that finds no log of its own."""
        for device in self._devices:
            wipe(device)
        first = replace(config, seq=1)
        self._write(0, 0, first)
        return Standing(first, 0, 0)

    def _write(self, device: int, offset: int, config: Mos1Config) -> None:
        if offset == 0:
            wipe(self._devices[device])
        put(self._devices[device], offset, pack_mos1(config))
