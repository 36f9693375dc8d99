"""What an image calls itself: name, version, build id. On a device it is compiled into the image.

An image of a host model is opaque bytes, so what its archive's manifest said of it is remembered by its SHA-256, for as
long as the emulator runs. An image nobody has seen the manifest of is known by the version in its header.

Neighbours: `application` asks at its start. Costs no device time: an image knows its own name without reading flash.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bootloader.image import HEADER_SIZE, parse_header
from emu.device import EmulatedDevice
from emu.factory import behind
from updater.errors import UpdateRefused
from updater.manifest import Claims, select_parts

UNKNOWN_BUILD = "factory"


@dataclass(frozen=True)
class Identity:
    name: str
    version: str
    build_id: str


class Identities:
    """By the SHA-256 or SHA-1 of the application."""

    def __init__(self) -> None:
        self._known: dict[str, Identity] = {}

    @property
    def plain(self) -> dict[str, list[str]]:
        """All of them, as JSON has values."""
        return {digest: [known.name, known.version, known.build_id] for digest, known in self._known.items()}

    def take(self, plain: dict[str, list[str]]) -> None:
        """Know what `plain` once was."""
        self._known |= {digest: Identity(*texts) for digest, texts in plain.items()}

    def knows(self, app_sha256: bytes, identity: Identity) -> None:
        self._known[app_sha256.hex()] = identity

    def arrives(self, claims: Claims) -> None:
        """An update with this manifest is being received."""
        try:
            app = select_parts(claims).app
        except UpdateRefused:
            return
        for digest in filter(None, (app.sha256, app.sha1)):
            self._known[digest] = Identity(claims.name, claims.version, claims.build_id)

    def of_slot(self, device: EmulatedDevice, index: int) -> Identity:
        """What the image in a slot calls itself."""
        slot = device.layout.slots[index]
        chip, base = behind(slot)
        header = parse_header(chip.cells.read(base, HEADER_SIZE))
        if isinstance(header, str):
            return Identity(device.board.name, "0", UNKNOWN_BUILD)
        known = self._known.get(header.app_sha256.hex())
        if known is None and self._known:
            content = chip.cells.read(base + slot.app_offset, header.app_length)
            known = self._known.get(hashlib.sha1(content).hexdigest())
        number = header.app_version
        version = f"{number >> 24}.{number >> 16 & 0xFF}.{number & 0xFFFF}"
        return known or Identity(device.board.name, version, UNKNOWN_BUILD)
