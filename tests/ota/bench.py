"""What the tests of this folder stand on: a small board with two images, switched on with a Mongoose application.

Asserts nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from bootloader.image import header_for
from emu.board import Board, load_board
from emu.device import EmulatedDevice
from emu.factory import SlotImage, install
from emu.ota.fetching import Fetcher
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.call import Channel
from emu.ota.mongoose.identity import Identities
from emu.ota.mongoose.ota import Status
from emu.ota.mongoose.settings import Settings
from emu.ota.node import Node
from updater.bundle import Firmware, make_bundle
from updater.manifest import Claims

OLD = bytes(n * 7 % 251 for n in range(5000))
NEW = bytes(n * 11 % 253 for n in range(6000))
NO_ANSWER = "no answer"
UART = Channel("UART", "UART0 115200 8N1")


def bundle(board: Board, *, version: str = "2.0.0", build_id: str = "b2", app: bytes = NEW) -> bytes:
    document = board.document
    return make_bundle(Firmware("demo", document.platform, version, build_id, app, document.load_address))


class Powered:
    """A node of ``board``, on. Counts what it is told."""

    def __init__(
        self,
        board: str = "demo",
        *,
        may_begin: Callable[[Claims], bool] | None = None,
        fetcher: Fetcher | None = None,
        app: bytes = OLD,
        fs: bytes = b"",
    ) -> None:
        self.board = load_board(board)
        self.device = EmulatedDevice(self.board)
        document = self.board.document
        header = header_for(app, load_address=document.load_address, app_version=0x0100_0000, crc=document.verify.crc)
        install(self.device, (SlotImage(header, app, fs), None))
        self.settings = Settings()
        self.identities = Identities()
        self.told: list[Status] = []
        self.ends: list[str] = []
        self.node: Node[MongooseApplication] = Node(
            self.device,
            lambda booted: MongooseApplication(
                booted, self.settings, self.identities, fetcher=fetcher, may_begin=may_begin, tells=self.told.append
            ),
        )
        self.node.on_reset = self.ends.append
        self.node.switch_on()

    def call(self, method: str, **params: Any) -> Any:
        """The result of a call, or its error as (code, message); NO_ANSWER where none came."""
        answers: list[bytes] = []
        frame = json.dumps({"id": 7, "src": "test", "method": method, "params": params}).encode()
        self.node.do(lambda app: app.dispatcher.receive(frame, UART, app.now_us, answers.append) and None)
        if not answers:
            return NO_ANSWER
        answer = json.loads(answers[0])
        error = answer.get("error")
        return (error["code"], error.get("message", "")) if error else answer["result"]

    def send(self, archive: bytes, *, chunk: int = 512, **options: Any) -> None:
        """Begin an update and write all of it; the first answer that is no success is raised."""
        answers = [self.call("OTA.Begin", size=len(archive), **options)]
        for at in range(0, len(archive), chunk):
            answers.append(self.write(at, archive[at : at + chunk]))
        assert answers == [None] * len(answers), next(answer for answer in answers if answer is not None)

    def write(self, offset: int, data: bytes) -> Any:
        return self.call("OTA.Write", offset=offset, data=base64.b64encode(data).decode())

    def update(self, **options: Any) -> None:
        """A whole update, up to the reboot."""
        self.send(bundle(self.board), **options)
        assert self.call("OTA.End") is None
        self.node.elapse(200_000)

    @property
    def slot(self) -> int:
        assert self.node.app is not None
        return self.node.app.booted.slot
