"""The device an update goes to: where it may write, what runs now, and the one context there can be.

Made anew at every boot by whoever owns the device, because it is RAM: a module global here would survive a
simulated power cut and hide bugs. Neighbours: `context` works on it. Knows no link and no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bootloader.config_store import ConfigStore
from bootloader.crc import CrcName
from bootloader.layout import Layout
from flash.contract import Clock
from updater.slot_writer import SlotWriter

if TYPE_CHECKING:
    from updater.reception import UpdaterContext

DEFAULT_TIMEOUT_S = 600


@dataclass
class UpdateTarget:
    """``platform``, ``version`` and ``build_id`` are the running image's; ``running_slot`` is where it runs."""

    layout: Layout
    store: ConfigStore
    clock: Clock
    platform: str
    version: str
    build_id: str
    running_slot: int
    crc: CrcName = "crc-32"
    make_writer: Callable[..., SlotWriter] = SlotWriter
    context: UpdaterContext | None = None
    log: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        """What a real device prints on its console."""
        self.log.append("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))
