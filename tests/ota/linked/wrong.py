"""Mongoose applications with one mistake each, and the check that must catch it through a link. Asserts nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.ota.linked_life import LinkedApplication
from emu.ota.mongoose.linked import LinkedMongoose, Shipped
from emu.ota.node import Booted


class Later(LinkedMongoose):
    """Sends its answers first, and works then."""

    METHOD = ""

    def receive(self, frame: bytes, answer: Callable[[bytes], None]) -> None:
        if self.METHOD.encode() not in frame:
            super().receive(frame, answer)
            return
        answer(_OK % _id_of(frame))
        super().receive(frame, lambda late: None)


_OK = b'{"id":%s,"src":"device","dst":"mos","result":null}'


def _id_of(frame: bytes) -> bytes:
    return frame.partition(b'"id":')[2].partition(b",")[0].rstrip(b"}")


class EndsLater(Later):
    METHOD = "OTA.End"


class CommitsLater(Later):
    METHOD = "OTA.Commit"


class NeverFrees(LinkedMongoose):
    """An update that hears nothing more is kept for ever."""

    @property
    def due_us(self) -> int | None:
        return self.dispatcher.reboot_at_us


class SpoilsWhatIsThere(LinkedMongoose):
    """A chunk that comes again is written again, in another place; nobody reads the slot before it is applied."""

    def __init__(self, booted: Booted, shipped: Shipped) -> None:
        super().__init__(booted, shipped)
        self._frames: list[bytes] = []

    def receive(self, frame: bytes, answer: Callable[[bytes], None]) -> None:
        if b"OTA.End" in frame and len(set(self._frames)) < len(self._frames):
            slot = self.booted.session.device.layout.slots[1 - self.booted.slot]
            slot.flash.program(slot.app_offset, bytes(4))
        self._frames += [frame] * (b"OTA.Write" in frame)
        super().receive(frame, answer)


@dataclass(frozen=True)
class Wrong:
    """``cuts``: interruptions of the shortest path, detours among them."""

    app: Callable[[Booted, Shipped], LinkedApplication]
    check: str
    cuts: int
    disturbed: int = 0


WRONG = {
    "OTA.End is answered before flash has it": Wrong(EndsLater, "truthful", 1),
    "OTA.Commit is answered before flash has it": Wrong(CommitsLater, "truthful", 1),
    "an update that stalls is never freed": Wrong(NeverFrees, "boots", 1, 1),
    "an image is applied that the bootloader refuses": Wrong(SpoilsWhatIsThere, "truthful", 1, 1),
}
