"""What gdb is served: a core that stands still, with registers, memory, and places where it is to stop.

Neighbours: `stub` asks a `Target`, `descriptions` tells gdb what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

PlaceKind = Literal["execute", "write", "read", "access"]
SpanKind = Literal["flash", "ram"]
SIGINT, SIGTRAP, SIGKILL = 2, 5, 9


class Denied(Exception):
    """What was asked for is not done: the reason, in one line."""


@dataclass(frozen=True, slots=True)
class Register:
    """``feature``: gdb's name of the group it belongs to. ``type``: gdb's name of its type."""

    name: str
    feature: str
    bits: int = 32
    type: str = "int"

    @property
    def size(self) -> int:
        return self.bits // 8


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses that answer. ``block``: bytes of one erase, of flash."""

    kind: SpanKind
    address: int
    size: int
    block: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a core stands still. ``kind``: of the place it met, None for none of them; ``address``: of what was accessed
    there."""

    signal: int = SIGTRAP
    kind: PlaceKind | None = None
    address: int = 0


@dataclass(frozen=True, slots=True)
class Go:
    """The core is to run: ``step`` one instruction, or on."""

    step: bool = False


@dataclass(frozen=True, slots=True)
class Exited:
    """There is nothing left to run. ``code``: 0 to 255; ``killed``: it ended by force, as power does."""

    code: int = 0
    killed: bool = False


class Target(Protocol):
    """All of it may raise Denied."""

    @property
    def registers(self) -> Sequence[Register]: ...
    @property
    def spans(self) -> Sequence[Span]: ...
    def read_register(self, number: int) -> int: ...
    def write_register(self, number: int, value: int) -> None: ...
    def read_memory(self, address: int, length: int) -> bytes:
        """As much of it as there is from ``address`` on, one byte at least; without a side effect."""

    def write_memory(self, address: int, data: bytes) -> None: ...
    def stop_at(self, kind: PlaceKind, address: int, size: int) -> None: ...
    def pass_by(self, kind: PlaceKind, address: int, size: int) -> None: ...
    def command(self, text: str) -> str:
        """What somebody typed behind `monitor`; what it has to say."""
