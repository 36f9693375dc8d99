"""The commands of gdb's remote protocol, on a target that stands still: bytes in, bytes and decisions out.

Sans-IO. A command nobody knows is answered with nothing, as the protocol wants it; a command that cannot be done, with
a number, or ``E.`` and the reason where gdb takes one.

Neighbours: `packets` frames, `target` is what is asked, `server` has the socket.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.gdb.descriptions import memory_map, target_description
from emu.gdb.packets import ACK, MAX_PACKET, NACK, Again, Broken, Packet, PacketStream, packet
from emu.gdb.target import Denied, Exited, Go, PlaceKind, Stop, Target

_PLACES: dict[bytes, PlaceKind] = {b"0": "execute", b"1": "execute", b"2": "write", b"3": "read", b"4": "access"}
_WATCHED = {"write": "watch", "read": "rwatch", "access": "awatch"}
_FEATURES = (
    f"PacketSize={MAX_PACKET:x};qXfer:features:read+;qXfer:memory-map:read+;QStartNoAckMode+;vContSupported+;hwbreak+"
)
_THREAD = b"1"
_IN_WORDS = (b"G", b"P", b"M", b"X", b"Z", b"z")
"""Commands whose failure gdb takes in words; of all others it wants a number."""


class Leave(Exception):
    """gdb detaches, or kills what it debugs: the argument is what is to be sent before it is let go."""


class Stub:
    """One conversation. ``receive`` bytes, then call ``answer`` until it returns None."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = PacketStream()
        self._acknowledges = True
        self._last = b""
        self._stopped = Stop()
        self._commands: dict[bytes, Callable[[bytes], bytes | Go]] = {
            b"?": lambda _rest: _stop_reply(self._stopped),
            b"g": lambda _rest: b"".join(self._register(number) for number in range(len(target.registers))),
            b"G": self._write_all, b"p": self._read_one, b"P": self._write_one,
            b"m": self._read_memory, b"M": self._write_hex, b"X": self._write_binary,
            b"c": lambda rest: self._go(rest, step=False), b"s": lambda rest: self._go(rest, step=True),
            b"C": lambda rest: self._go(rest.partition(b";")[2], step=False),
            b"S": lambda rest: self._go(rest.partition(b";")[2], step=True),
            b"Z": lambda rest: self._place(rest, target.stop_at), b"z": lambda rest: self._place(rest, target.pass_by),
            b"H": lambda _rest: b"OK", b"T": lambda _rest: b"OK",
            b"D": _leave, b"k": _leave,
            b"q": self._query, b"Q": self._set, b"v": self._verbose,
        }  # fmt: skip

    # -- the two directions ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        self._stream.feed(data)

    def answer(self) -> bytes | Go | None:
        """What is to be sent, or that the core is to run; None: there is nothing more. Raises NotGdb and Leave."""
        event = self._stream.next()
        if event is None:
            return None
        if isinstance(event, Again):
            return self._last
        if isinstance(event, Broken):
            return NACK
        if not isinstance(event, Packet):
            return b""  # Ctrl-C at a core that stands still
        head = ACK if self._acknowledges else b""
        try:
            reply = self._do(event.data)
        except Leave:
            raise Leave(head + packet(b"OK")) from None
        if isinstance(reply, Go):
            self._last = head
            return reply
        return head + self._packed(reply)

    def acknowledgement(self) -> bytes:
        """What is owed for the command that made the core run."""
        return ACK if self._acknowledges else b""

    def interrupts(self) -> bool:
        """Whether Ctrl-C came while the core ran; anything else that came then waits. Raises NotGdb."""
        return self._stream.interrupted()

    def stopped(self, stop: Stop) -> bytes:
        """The core that ran stands still again."""
        self._stopped = stop
        return self._packed(_stop_reply(stop))

    def exited(self, end: Exited) -> bytes:
        return self._packed(b"X%02x" % end.code if end.killed else b"W%02x" % end.code)

    def says(self, text: bytes) -> bytes:
        """For the console of gdb, while the core runs."""
        return self._packed(b"O" + text.hex().encode())

    def _packed(self, reply: bytes) -> bytes:
        self._last = packet(reply)
        return self._last

    def _do(self, data: bytes) -> bytes | Go:
        command = self._commands.get(data[:1])
        try:
            return b"" if command is None else command(data[1:])
        except Denied as denied:
            said = str(denied).encode("ascii", "replace")
            if data.startswith(b"qRcmd,"):
                return (said + b"\n").hex().encode()
            return b"E." + said if data[:1] in _IN_WORDS else b"E01"
        except ValueError:
            return b"E00"

    # -- registers ------------------------------------------------------------------------------------------

    def _register(self, number: int) -> bytes:
        value = self._target.read_register(number)
        return value.to_bytes(self._target.registers[number].size, "little").hex().encode()

    def _number(self, text: bytes) -> int:
        number = _hex(text)
        if number >= len(self._target.registers):
            raise Denied(f"there are {len(self._target.registers)} registers, not {number}")
        return number

    def _read_one(self, rest: bytes) -> bytes:
        return self._register(self._number(rest))

    def _write_one(self, rest: bytes) -> bytes:
        number, _, value = rest.partition(b"=")
        return self._put(self._number(number), value)

    def _put(self, number: int, value: bytes) -> bytes:
        raw = bytes.fromhex(value.decode("ascii"))
        if len(raw) != self._target.registers[number].size:
            raise ValueError
        self._target.write_register(number, int.from_bytes(raw, "little"))
        return b"OK"

    def _write_all(self, rest: bytes) -> bytes:
        sizes = [2 * register.size for register in self._target.registers]
        if len(rest) != sum(sizes):
            raise ValueError
        at = 0
        for number, size in enumerate(sizes):
            self._put(number, rest[at : at + size])
            at += size
        return b"OK"

    # -- memory ---------------------------------------------------------------------------------------------

    def _read_memory(self, rest: bytes) -> bytes:
        address, length = _pair(rest)
        data = self._target.read_memory(address, min(length, MAX_PACKET // 2)) if length else b""
        return data.hex().encode()

    def _write_hex(self, rest: bytes) -> bytes:
        where, _, data = rest.partition(b":")
        return self._write(where, bytes.fromhex(data.decode("ascii")))

    def _write_binary(self, rest: bytes) -> bytes:
        where, _, data = rest.partition(b":")
        return self._write(where, data)

    def _write(self, where: bytes, data: bytes) -> bytes:
        address, length = _pair(where)
        if length != len(data):
            raise ValueError
        if data:
            self._target.write_memory(address, data)
        return b"OK"

    # -- running --------------------------------------------------------------------------------------------

    def _go(self, rest: bytes, *, step: bool) -> Go:
        if rest:
            self._target.write_register(_PC, _hex(rest))
        return Go(step)

    def _place(self, rest: bytes, do: Callable[[PlaceKind, int, int], None]) -> bytes:
        kind, address, size = (rest.partition(b";")[0].split(b",") + [b""] * 3)[:3]
        place = _PLACES.get(kind)
        if place is None:
            return b""
        at, length = _hex(address), _hex(size)
        if at > _LAST or not 0 < length <= _LONGEST_PLACE:
            raise Denied(f"no place of {length:#x} bytes at {at:#x}: one has up to {_LONGEST_PLACE} bytes, below 4 GiB")
        do(place, at, length)
        return b"OK"

    def _verbose(self, rest: bytes) -> bytes | Go:
        if rest == b"Cont?":
            return b"vCont;c;C;s;S"
        if rest.startswith(b"Cont;"):
            action = rest[len(b"Cont;") : len(b"Cont;") + 1]
            if action in (b"c", b"C", b"s", b"S"):
                return Go(step=action in (b"s", b"S"))
            raise ValueError
        return _leave(rest) if rest.startswith(b"Kill") else b""

    # -- questions ------------------------------------------------------------------------------------------

    def _query(self, rest: bytes) -> bytes:
        name, _, arguments = rest.partition(b":")
        if name == b"Supported":
            return _FEATURES.encode()
        if name == b"Xfer":
            return self._document(arguments)
        if rest.startswith(b"Rcmd,"):
            text = bytes.fromhex(rest[len(b"Rcmd,") :].decode("ascii")).decode("utf-8", "replace")
            said = self._target.command(text)
            return said.encode().hex().encode() if said else b"OK"
        plain = {b"Attached": b"1", b"C": b"QC" + _THREAD, b"fThreadInfo": b"m" + _THREAD, b"sThreadInfo": b"l"}
        return plain.get(name, b"")

    def _document(self, arguments: bytes) -> bytes:
        """A piece of a document: ``features:read:target.xml:0,1000``."""
        kind, _, rest = arguments.partition(b":read:")
        annex, _, where = rest.rpartition(b":")
        if (kind, annex) == (b"features", b"target.xml"):
            text = target_description(self._target.registers)
        elif (kind, annex) == (b"memory-map", b""):
            text = memory_map(self._target.spans)
        else:
            return b"E00" if kind in (b"features", b"memory-map") else b""
        offset, length = _pair(where)
        piece = text.encode()[offset : offset + length]
        return (b"m" if offset + length < len(text) else b"l") + piece

    def _set(self, rest: bytes) -> bytes:
        if rest == b"StartNoAckMode":
            self._acknowledges = False
            return b"OK"
        return b""


_LAST, _LONGEST_PLACE = 0xFFFF_FFFF, 4096
_PC = 15
"""The program counter, in gdb's own numbers for an ARM."""


def _leave(_rest: bytes) -> bytes:
    raise Leave


def _stop_reply(stop: Stop) -> bytes:
    reason = b""
    if stop.kind == "execute":
        reason = b"hwbreak:;"
    elif stop.kind is not None:
        reason = f"{_WATCHED[stop.kind]}:{stop.address:x};".encode()
    return b"T%02x" % stop.signal + b"thread:" + _THREAD + b";" + reason


def _hex(text: bytes) -> int:
    """Hexadecimal digits alone, up to 64 bits. Raises ValueError."""
    if not text or len(text) > 16 or text.strip(b"0123456789abcdefABCDEF"):
        raise ValueError
    return int(text, 16)


def _pair(text: bytes) -> tuple[int, int]:
    first, _, second = text.partition(b",")
    return _hex(first), _hex(second)
