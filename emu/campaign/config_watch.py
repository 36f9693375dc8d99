"""Which boot config counts, by the book, at any moment of a session: from its state and its operations alone.

Neighbours: `checks` and `replay` ask. Believes nothing the firmware says.
"""

from __future__ import annotations

from bootloader.config import RECORD_SIZE, Configs, CopyReading, newest_of, read_config
from emu.rig import DeviceState, Place, Places, Rig
from flash.cells import combined
from flash.errors import EccFault, UnsteadyRead
from flash.journal import Operation
from flash.peek import read_snapshot


class ConfigWatch:
    """Follows the two config copies through a session's operations: which is newest, by the book."""

    def __init__(self, state: DeviceState, places: Places, rig: Rig) -> None:
        self._erased = [rig.parts[place.chip].erased for place in places.configs]
        self._places = places.configs
        read = [content_of(state, rig, place, RECORD_SIZE) for place in places.configs]
        self._content = [bytearray(content) for content, _ in read]
        self._broken = [broken for _, broken in read]

    @property
    def newest(self) -> int | None:
        return self.configs.newest

    @property
    def configs(self) -> Configs:
        records = [
            bytes(raw) if erased == 0xFF else bytes(b ^ 0xFF for b in raw)
            for raw, erased in zip(self._content, self._erased, strict=True)
        ]
        first, second = (
            CopyReading(None, "uncorrectable") if broken else read_config(record)
            for record, broken in zip(records, self._broken, strict=True)
        )
        return newest_of(first, second)

    def apply(self, copy: int, operation: Operation) -> None:
        content, erased = self._content[copy], self._erased[copy]
        low = max(0, operation.address - self._places[copy].address)
        shift = self._places[copy].address + low - operation.address
        high = min(RECORD_SIZE, low + operation.length - shift)
        if low >= high:
            return
        if operation.kind == "erase":
            content[low:high] = bytes([erased]) * (high - low)
            self._broken[copy] = False
        else:
            piece = operation.data[shift : shift + high - low]
            content[low:high] = combined(bytes(content[low:high]), piece, erased == 0xFF)


def content_of(state: DeviceState, rig: Rig, place: Place, length: int) -> tuple[bytes, bool]:
    """The first ``length`` bytes of a place, from a state's snapshot blocks; and whether ECC refuses to read them."""
    try:
        return read_snapshot(rig.parts[place.chip], state.memory[place.chip], place.address, length), False
    except (EccFault, UnsteadyRead):
        return bytes(length), True
