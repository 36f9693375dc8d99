"""Packets of gdb's remote protocol, from bytes and to bytes: ``$`` data ``#`` checksum, and what stands between them.

Sans-IO. Neighbours: `stub` acts on what comes out of here. Knows no command.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_PACKET = 0x4000
"""Bytes of data in one packet, as this end takes and makes them."""
ACK, NACK, INTERRUPT = b"+", b"-", b"\x03"
_START, _END, _ESCAPE = b"$", b"#", 0x7D
_SPECIAL = frozenset(b"#$}*")
_SHOWN = 24


class NotGdb(Exception):
    """What came is nothing gdb sends: one line that says so."""


@dataclass(frozen=True, slots=True)
class Packet:
    """``data`` with escapes resolved."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C at the other end."""


@dataclass(frozen=True, slots=True)
class Again:
    """The last packet did not arrive: send it again."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A packet with a wrong checksum came."""


Event = Packet | Interrupted | Again | Broken


def packet(data: bytes) -> bytes:
    """``data`` as it goes over the wire."""
    body = b"".join(bytes((_ESCAPE, byte ^ 0x20)) if byte in _SPECIAL else bytes((byte,)) for byte in data)
    return _START + body + _END + b"%02x" % (sum(body) & 0xFF)


class PacketStream:
    """Bytes in, in pieces of any size; events out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        self._held += data

    def next(self) -> Event | None:
        """The next event, None: more bytes are needed. Raises NotGdb."""
        held = self._held
        while held:
            first = bytes(held[:1])
            if first == _START:
                return self._packet()
            if first not in (ACK, NACK, INTERRUPT):
                raise NotGdb(f"it does not speak gdb's remote protocol: it sent {bytes(held[:_SHOWN])!r}")
            del held[:1]
            if first != ACK:
                return Again() if first == NACK else Interrupted()
        return None

    def interrupted(self) -> bool:
        """Whether Ctrl-C is the next thing; packets stay where they are. Raises NotGdb."""
        held = self._held
        while held and held[0] in ACK + NACK:
            del held[:1]
        if not held or bytes(held[:1]) == _START:
            return False
        return isinstance(self.next(), Interrupted)

    def _packet(self) -> Packet | Broken | None:
        held = self._held
        end = held.find(_END)
        if (end if end >= 0 else len(held)) > 2 * MAX_PACKET:
            raise NotGdb(f"it does not speak gdb's remote protocol: a packet of more than {MAX_PACKET:,} bytes")
        if end < 0 or len(held) < end + 3:
            return None
        body, said = bytes(held[1:end]), bytes(held[end + 1 : end + 3])
        del held[: end + 3]
        try:
            is_whole = int(said, 16) == sum(body) & 0xFF
        except ValueError:
            is_whole = False
        return Packet(_unescaped(body)) if is_whole else Broken()


def _unescaped(body: bytes) -> bytes:
    first, *rest = body.split(bytes((_ESCAPE,)))
    return first + b"".join(bytes((part[0] ^ 0x20,)) + part[1:] for part in rest if part)
