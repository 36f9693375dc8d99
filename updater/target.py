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
from updater.signature import MASK_IGNORED, NO_KEYS, UpdateKeys, check_contract
from updater.slot_writer import SlotWriter

if TYPE_CHECKING:
    from updater.manifest import Claims
    from updater.reception import UpdaterContext

DEFAULT_TIMEOUT_S = 600


@dataclass
class UpdateTarget:
    """``platform``, ``version`` and ``build_id`` are the running image's; ``running_slot`` is where it runs.

    ``keys`` are eight ECDSA P-256 public keys, None where one is not set; ``sig_req_mask`` says which signatures an
    update must carry: -1 none, 1 to 255 those whose bits are set, 0 refuses every update. They protect the way an
    update takes to this device; what protects the slot afterwards is `bootloader.VerifyPolicy.keys`.
    ``may_begin`` is asked once what an update claims is known and before anything is written; False ends it. Raises
    ValueError for another number of keys, another curve, another mask.
    """

    layout: Layout
    store: ConfigStore
    clock: Clock
    platform: str
    version: str
    build_id: str
    running_slot: int
    crc: CrcName = "crc-32"
    make_writer: Callable[..., SlotWriter] = SlotWriter
    keys: UpdateKeys = NO_KEYS
    sig_req_mask: int = MASK_IGNORED
    may_begin: Callable[[Claims], bool] | None = None
    context: UpdaterContext | None = None
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_contract(self.keys, self.sig_req_mask)

    def say(self, message: str) -> None:
        """What a real device prints on its console."""
        self.log.append("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))
