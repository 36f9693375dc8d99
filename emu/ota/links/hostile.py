"""A hostile network: a TCP relay that carries connections badly, by a seeded plan, between any client and any device.

What becomes of a connection is its *course*, a function of the seed and of its number, counted from 1 as connections
come: in what pieces bytes travel in each direction (split, joined, late), and what happens to it after how many bytes
of one direction. No byte is changed, doubled or put out of order, because TCP sees to that. The course is exact in
bytes; how the computer cuts reads, and who connects first, is in nobody's hand.

Neighbours: `link` opens the port; the relay is a link itself, and stands in front of others. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from emu.ota.links.link import Host, address_of, listen
from emu.ota.links.peers import Peers
from flash.draws import mix, uniform

End = Literal["goes on", "closes", "breaks", "stalls", "goes dead"]
ENDS: dict[End, tuple[int, str]] = {
    "goes on": (40, "nothing happens to it"),
    "closes": (15, "both sides are told in order that it is over"),
    "breaks": (20, "it is reset: what was on its way is lost"),
    "stalls": (15, "nothing moves for a while, and then it goes on"),
    "goes dead": (10, "nothing moves any more, until one side gives up"),
}
"""What happens to a connection: how many of a hundred, and what it is."""
DIRECTIONS = ("to the device", "from the device")
READ_SIZE = 4096
GATHER_S = 0.02
FURTHEST_BITS = 14
"""What happens to a connection happens within 16 KiB, each magnitude as likely as the next."""
MAX_CONNECTIONS = 64
_WAY, _SIZE, _PAUSE, _END, _AFTER, _SIDE, _LENGTH = range(7)
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Way:
    """How the bytes of one direction travel: in pieces of at most ``largest`` bytes, each of which waits ``gather_s``
    for more, and up to ``late_s`` after that."""

    key: tuple[int, ...]
    largest: int = READ_SIZE
    gather_s: float = 0.0
    late_s: float = 0.0

    def size(self, piece: int) -> int:
        """Most bytes of the ``piece``-th piece."""
        return 1 + mix(*self.key, _SIZE, piece) % self.largest if self.largest < READ_SIZE else READ_SIZE

    def pause_s(self, piece: int) -> float:
        return self.late_s * uniform(*self.key, _PAUSE, piece)

    def __str__(self) -> str:
        words = [
            *([f"in pieces of up to {self.largest} bytes"] if self.largest < READ_SIZE else []),
            *(["joined"] if self.gather_s else []),
            *([f"up to {self.late_s * 1000:.0f} ms late"] if self.late_s else []),
        ]
        return ", ".join(words) or "as it comes"


@dataclass(frozen=True)
class Course:
    """What becomes of one connection. ``direction``: an index of `DIRECTIONS`; ``after``: so many bytes of it."""

    ways: tuple[Way, Way]
    end: End = "goes on"
    direction: int = 0
    after: int = 0
    stall_s: float = 0.0

    def __str__(self) -> str:
        ways = "; ".join(f"{name} {way}" for name, way in zip(DIRECTIONS, self.ways, strict=True))
        if self.end == "goes on":
            return ways
        for_how_long = f" for {self.stall_s:.1f} s" if self.end == "stalls" else ""
        return f"{ways}; {self.end}{for_how_long} after {self.after:,} bytes {DIRECTIONS[self.direction]}"


def course_of(seed: int, name: str, connection: int, longest_s: float) -> Course:
    """The course of the ``connection``-th connection through the relay of this name. ``longest_s``: of a stall; pieces
    come up to a hundredth of it late."""
    key = (seed, zlib.crc32(name.encode()), connection)
    to_device, from_device = (_way((*key, direction), longest_s) for direction in (0, 1))
    ends = [end for end, (weight, _) in ENDS.items() for _ in range(weight)]
    return Course(
        (to_device, from_device),
        ends[mix(*key, _END) % len(ends)],
        direction=mix(*key, _SIDE) & 1,
        after=int(2 ** (FURTHEST_BITS * uniform(*key, _AFTER))),
        stall_s=longest_s * uniform(*key, _LENGTH),
    )


def _way(key: tuple[int, ...], longest_s: float) -> Way:
    """One of three is split, one of three joined; one of four is late, whatever else it is."""
    kind = mix(*key, _WAY) % 3
    late_s = longest_s / 100 if mix(*key, _WAY, 1) % 4 == 0 else 0.0
    if kind == 0:
        return Way(key, largest=1 << (1 + mix(*key, _WAY, 2) % 8), late_s=late_s)
    return Way(key, gather_s=GATHER_S if kind == 1 else 0.0, late_s=late_s)


CALM = Course((Way(()), Way(())))


class HostileRelay:
    """Listens on ``host`` and ``port``, and carries what comes to ``target``, an address that is asked for each
    connection. ``said`` is told the course of each; relays of one seed differ by their ``name``. Implements
    `links.link.Link`."""

    def __init__(
        self,
        host: str,
        port: int,
        target: Callable[[], tuple[str, int]],
        seed: int,
        keeper: Host,
        *,
        name: str = "",
        longest_s: float = 2.0,
        said: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._where = (host, port)
        self._target = target
        self._seed = seed
        self._keeper = keeper
        self._name = name
        self._longest_s = longest_s
        self._said = said
        self._count = 0
        self._is_calm = False
        self._peers = Peers(MAX_CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Once it is open."""
        assert self._socket is not None, "a relay was asked for its address before it was open: please report"
        return address_of(self._socket)

    async def open(self) -> None:
        self._socket = listen(*self._where)
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=READ_SIZE)

    def disconnect(self) -> None:
        """A network does not notice that a device was reset: the device's own link ends what it has."""

    def calm(self) -> None:
        """The network is a good one from now on: what it carries badly ends, and what comes is carried as it comes."""
        if not self._is_calm:
            self._is_calm = True
            self._peers.abort_all()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._peers.abort_all()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its coming to its end."""
        self._count += 1
        number, course = self._count, CALM
        if not self._is_calm:
            course = course_of(self._seed, self._name, number, self._longest_s)
        self._said(f"hostile: {f'{self._name} ' if self._name else ''}connection {number}: {course}")
        task = asyncio.current_task()
        assert task is not None, "a connection is carried outside a task: please report"
        self._tasks.add(task)
        connection = _Connection(course, [writer])
        self._peers.came(connection)
        try:
            host, port = self._target()
            theirs, device = await asyncio.open_connection(host.strip("[]"), port)
            connection.writers.append(device)
            await connection.carry(reader, theirs)
        except OSError:
            connection.abort()  # one side is gone, and the other one learns of it
        except Exception as wrong:
            self._keeper.failed(wrong)
        finally:
            self._peers.gone(connection)
            for each in connection.writers:
                each.close()
            self._tasks.discard(task)


class _Connection:
    """A connection that is carried. ``writers``: to the client, and to the device once there is one."""

    def __init__(self, course: Course, writers: list[asyncio.StreamWriter]) -> None:
        self.course = course
        self.writers = writers
        self.over = asyncio.Event()
        self._is_dead = False
        self._moves = asyncio.Event()
        self._moves.set()

    async def carry(self, from_client: asyncio.StreamReader, from_device: asyncio.StreamReader) -> None:
        """To the end: both sides have said all, or it is over. Raises OSError where a side is gone."""
        client, device = self.writers
        loop = asyncio.get_running_loop()
        over = loop.create_task(self.over.wait())
        ways = {
            loop.create_task(self._way(0, from_client, device)),
            loop.create_task(self._way(1, from_device, client)),
        }
        tasks: set[asyncio.Task[None] | asyncio.Task[bool]] = {over, *ways}
        try:
            while ways and not over.done():
                await asyncio.wait({over, *ways}, return_when=asyncio.FIRST_COMPLETED)
                for each in [way for way in ways if way.done()]:
                    ways.remove(each)
                    each.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def abort(self) -> None:
        """Reset both sides."""
        self.over.set()
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _way(self, direction: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        course, way = self.course, self.course.ways[direction]
        left = course.after if course.end != "goes on" and direction == course.direction else -1
        piece = 0
        while data := await _piece(reader, way.size(piece), way.gather_s):
            await asyncio.sleep(way.pause_s(piece))
            await self._moves.wait()
            if self._is_dead:
                continue
            if 0 < left <= len(data):
                await self._carried(writer, data[:left])
                data, left = data[left:], -1
                await self._happens()
            await self._carried(writer, data)
            left -= len(data)
            piece += 1
        if self._is_dead:
            self.abort()
        elif not writer.is_closing():
            writer.write_eof()

    async def _carried(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self._is_dead:
            writer.write(data)
            await writer.drain()

    async def _happens(self) -> None:
        end = self.course.end
        if end == "goes dead":
            self._is_dead = True
        elif end == "stalls":
            self._moves.clear()
            await asyncio.sleep(self.course.stall_s)
            self._moves.set()
        else:
            if end == "breaks":
                self.abort()
            self.over.set()
            await asyncio.Event().wait()  # what has come after it is carried no more


async def _piece(reader: asyncio.StreamReader, most: int, gather_s: float) -> bytes:
    """At most ``most`` bytes, as soon as there are some, or ``gather_s`` after that; b"" at the end."""
    data = await reader.read(most)
    if data and gather_s:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(gather_s):
                while len(data) < most and (more := await reader.read(most - len(data))):
                    data += more
    return data
