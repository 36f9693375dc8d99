"""What the processor holds at a waypoint, as bytes: RAM and peripherals of a session, frozen and thawed.

A session of the model firmware is made of calls, and the firmware keeps no state between them but in what it is handed:
so between two calls everything volatile is in the `Held` and the `Session`. Hardware and constants are not frozen but
named; the firmware finds the present ones when it is thawed. Equal holdings give equal bytes, whatever objects they are
made of: bytes are compared and digested by campaigns.

Neighbours: `life` freezes and thaws. A firmware that holds what cannot be pickled has no waypoint there, and its
session is run in one piece.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any

from bootloader.decision import Decision
from emu.device import Session
from emu.firmware import ModelFirmware
from updater.reception import UpdaterContext

_PLAIN = (str, bytes, int, float, tuple, frozenset, type(None))


@dataclass(frozen=True)
class Held:
    """What the firmware's next call needs: how far it is, which image runs, what was decided, the update under way."""

    stage: str
    image: str = ""
    committed: bool = False
    decision: Decision | None = None
    context: UpdaterContext | None = None


def freeze(held: Held, session: Session, firmware: ModelFirmware) -> bytes:
    """``held`` and what ``session`` keeps in registers. b"": something in it cannot be frozen."""
    sink = io.BytesIO()
    try:
        _Pickler(sink, _fixtures(session, firmware)).dump((held, session.registers()))
    except (pickle.PicklingError, AttributeError, TypeError):
        return b""
    return sink.getvalue()


def thaw(frozen: bytes, session: Session, firmware: ModelFirmware) -> Held:
    """The other way: ``session`` gets its registers back."""
    held, registers = _Unpickler(io.BytesIO(frozen), _fixtures(session, firmware)).load()
    session.set_registers(registers)
    assert isinstance(held, Held), "something else was frozen: please report"
    return held


def _fixtures(session: Session, firmware: ModelFirmware) -> dict[str, object]:
    """Everything that is there again after a thaw, by name."""
    device = session.device
    layout = device.layout
    fixtures: dict[str, object] = {
        "firmware": firmware, "session": session, "clock": session.clock, "timer": session.timer, "log": session.log,
        "device": device, "board": device.board, "document": device.board.document, "policy": device.board.policy,
        "keys": device.board.update_keys, "layout": layout, "configs": layout.configs, "slots": layout.slots,
        "supply": device.supply,
    }  # fmt: skip
    fixtures |= {f"slot {slot.index}": slot for slot in layout.slots}
    fixtures |= {f"chip {chip.name}": chip for chip in device.chips}
    return fixtures | {f"partition {name}": partition for name, partition in device.partitions.items()}


class _Pickler(pickle._Pickler):
    """Plain values are written out wherever they occur: whether two fields share one string says nothing."""

    def __init__(self, sink: io.BytesIO, fixtures: dict[str, object]) -> None:
        super().__init__(sink, protocol=5)
        self._names = {id(fixture): name for name, fixture in fixtures.items()}

    def persistent_id(self, item: Any) -> str | None:
        return self._names.get(id(item))

    def memoize(self, item: Any) -> None:
        if not isinstance(item, _PLAIN):
            super().memoize(item)  # type: ignore[misc]


class _Unpickler(pickle.Unpickler):
    def __init__(self, source: io.BytesIO, fixtures: dict[str, object]) -> None:
        super().__init__(source)
        self._fixtures = fixtures

    def persistent_load(self, name: Any) -> object:
        return self._fixtures[name]
