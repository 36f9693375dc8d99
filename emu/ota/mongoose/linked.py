"""Mongoose OS in a campaign: the vendor's client as a peer, and a device's application with one link to it.

The client sends the update as `updating` does (512-byte chunks, three tries of 20 s each), waits for the device to come
back with the new image, and commits it. It takes the update for applied when OTA.End was answered without an error, and
for kept when OTA.Commit was, or OTA.Status said so of the new image.

Neighbours: `updating` and `application` are the two ends; `emu.linked_rig` puts them into a campaign. Knows no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from emu.events import APPLIED, KEPT
from emu.ota.machine import Frames
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.call import Channel
from emu.ota.mongoose.client import Caller, RpcClient
from emu.ota.mongoose.identity import UNKNOWN_BUILD, Identities, Identity
from emu.ota.mongoose.jsontext import members
from emu.ota.mongoose.settings import Settings
from emu.ota.mongoose.updating import Order, Step, Update, Updating, begin_params
from emu.ota.mongoose.wire import ErrorResponse, Malformed, Request, parse
from emu.ota.network import TICK_US
from emu.ota.node import Booted

POLL_EVERY_US, REBOOT_TIMEOUT_US = 4_000_000, 11_000_000
"""Longer than power is away; long enough for a second look. Each look is a state of its own."""
EPOCH_S = 1_700_000_000
"""What time it is when a session begins: no certificate and no password is checked, so any will do."""
CHANNEL = Channel("TCP", "peer", is_persistent=False)


@dataclass(frozen=True)
class MongoosePeer(Updating):
    """Implements `machine.Peer` for `Update`."""

    def begin(self, now_us: int) -> tuple[Update, Frames]:
        return self.start(RpcClient(Caller()), now_us)

    def shifted(self, state: Update, by_us: int) -> Update:
        return self.timed(state, lambda at: at + by_us)

    def put_by(self, state: Update, now_us: int) -> Update:
        return replace(self.timed(state, lambda at: TICK_US * -(-(at - now_us) // TICK_US)), repeated=0)

    def claims(self, state: Update) -> str:
        if state.step is Step.DONE:
            return KEPT
        return APPLIED if state.is_applied else ""

    def failure(self, state: Update) -> str:
        return "" if state.failure is None else state.failure.message

    def name_of(self, frame: bytes) -> str:
        found = parse(frame)
        if isinstance(found, Malformed):
            return found.reason
        if isinstance(found, Request):
            return f"{found.method} {_offset(found.params)}".rstrip()
        if isinstance(found, ErrorResponse) and found.code:
            return f"error {found.code} {found.message}".rstrip()
        return "ok"


@dataclass(frozen=True)
class Shipped:
    """The two images a device may run, as their manifests name them: application and version."""

    name: str
    images: tuple[tuple[bytes, str], ...]

    def identities(self) -> Identities:
        known = Identities()
        for app, version in self.images:
            known.knows(hashlib.sha256(app).digest(), Identity(self.name, version, UNKNOWN_BUILD))
        return known


class LinkedMongoose(MongooseApplication):
    """Implements `linked_life.LinkedApplication`."""

    def __init__(self, booted: Booted, shipped: Shipped) -> None:
        super().__init__(booted, Settings(), shipped.identities(), epoch_s=EPOCH_S)

    @property
    def is_committed(self) -> bool:
        return self.ota.status().is_committed

    @property
    def is_updating(self) -> bool:
        return self.ota.context is not None

    def receive(self, frame: bytes, answer: Callable[[bytes], None]) -> None:
        self.dispatcher.receive(frame, CHANNEL, self.now_us, answer)


def _offset(params: str) -> str:
    """Where a chunk belongs, of a call that brings one."""
    found = members(params.encode()) or {}
    return found.get("offset", "")


def peer_for(archive: bytes, commit_timeout_s: int) -> MongoosePeer:
    """The client that brings ``archive``."""
    begin = begin_params(len(archive), commit_timeout_s=commit_timeout_s)
    return MongoosePeer(
        Order(archive, begin, reboot_timeout_us=REBOOT_TIMEOUT_US, poll_every_us=POLL_EVERY_US, commits=True)
    )
