"""A Mongoose device in memory for tests of clients: a board, an image that runs, the application on it.

Neighbours: `served` puts one on real sockets. Asserts nothing.
"""

from __future__ import annotations

from functools import cache

from bootloader.image import header_for
from emu.board import load_board
from emu.device import EmulatedDevice
from emu.factory import SlotImage, install
from emu.ota.mongoose.acl import Acl
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.call import Call, Channel, RpcError
from emu.ota.mongoose.digest import Algorithm, Passwords, password_hash
from emu.ota.mongoose.dispatcher import Dispatcher
from emu.ota.mongoose.guard import Guard
from emu.ota.mongoose.identity import Identities
from emu.ota.mongoose.settings import Settings
from emu.ota.mongoose.wire import Request, parse
from emu.ota.node import Booted, Node
from updater.bundle import Firmware, make_bundle

OLD_APP = bytes(n * 7 % 251 for n in range(5000))
NEW_APP = bytes(n * 11 % 253 for n in range(6000))
DEVICE_ID = "brownout_000001"
UART = Channel("UART", "uart")
EPOCH_S = 1_700_000_000


@cache
def archive(version: str = "2.0.0", platform: str = "demo") -> bytes:
    """A firmware .zip the demo board takes."""
    address = load_board("demo").document.load_address
    return make_bundle(Firmware("demo", platform, version, "b2", NEW_APP, address))


def guarded(user: str, password: str, algorithm: Algorithm = Algorithm.MD5) -> Guard:
    """Access for one user alone, to every method."""
    hashes = {(user, "RPC"): password_hash(algorithm, user, "RPC", password)}
    return Guard(Acl.parse(f'[{{"method":"*","acl":"+{user}"}}]'), lambda: Passwords(hashes), algorithm=algorithm)


class Device:
    """Switched on. ``calls``: methods it was asked for, in order. ``pulls``: what OTA.Update answers, if anything."""

    def __init__(self, *, guard: Guard | None = None, pulls: RpcError | None = None) -> None:
        board = load_board("demo")
        chips = EmulatedDevice(board)
        header = header_for(OLD_APP, load_address=board.document.load_address, app_version=0x01000000)
        install(chips, (SlotImage(header, OLD_APP, b""), None))
        self.calls: list[str] = []
        self.pulled: list[str] = []
        self._guard, self._pulls = guard, pulls
        self._settings, self._identities = Settings(), Identities()
        self.node: Node[MongooseApplication] = Node(chips, self._boot)
        self.node.switch_on()

    def _boot(self, booted: Booted) -> MongooseApplication:
        app = MongooseApplication(booted, self._settings, self._identities, guard=self._guard, epoch_s=EPOCH_S)
        if self._pulls is not None:
            app.dispatcher.methods.register("OTA.Update", "{url: %Q, commit_timeout: %d}", self._pull)
        return app

    def _pull(self, call: Call) -> RpcError:
        assert self._pulls is not None
        self.pulled.append(call.params)
        return self._pulls

    def ask(self, frame: bytes, channel: Channel = UART) -> list[bytes]:
        """The answers to a frame; none if the device does not live to give one."""
        answers: list[bytes] = []

        def act(app: MongooseApplication) -> None:
            dispatcher: Dispatcher = app.dispatcher
            dispatcher.receive(frame, channel, app.now_us, answers.append)

        request = parse(frame)
        if isinstance(request, Request):
            self.calls.append(request.method)
        return answers if self.node.do(act) else []

    @property
    def slot(self) -> int:
        """Which one runs."""
        assert self.node.app is not None
        return self.node.app.booted.slot

    @property
    def is_committed(self) -> bool:
        assert self.node.app is not None
        return self.node.app.ota.status().is_committed
