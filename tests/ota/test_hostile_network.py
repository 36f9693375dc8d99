"""The relay that carries connections badly: every byte that arrives is right, in order, and as the seed has it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.links import hostile
from emu.ota.links.hostile import ENDS, FURTHEST_BITS, Course, End, HostileRelay, Way, course_of
from tests.ota.served import connect, run

SENT = bytes(n * 7 % 251 for n in range(30_000))
FAST = Way((1, 1))


class Keeper:
    is_running = True

    async def until_running(self) -> None: ...

    def failed(self, wrong: BaseException) -> None:
        raise wrong


class Far:
    """The other side of a relay: a server that keeps what it gets, and says it back when it has all of it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                self.got += data
                if len(self.got) >= len(SENT):
                    writer.write(self.got)
            self.ended.set_result("in order")
        except ConnectionError:
            self.ended.set_result("reset")
        writer.close()


@asynccontextmanager
async def between(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[HostileRelay, Far, list[str]]]:
    """A relay every connection of which has this course."""
    monkeypatch.setattr(hostile, "course_of", lambda seed, name, connection, longest_s: course)
    far, said = Far(), list[str]()
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    relay = HostileRelay("127.0.0.1", 0, lambda: server.sockets[0].getsockname(), 1, Keeper(), said=said.append)
    await relay.open()
    try:
        yield relay, far, said
    finally:
        await relay.close()
        server.close()


@pytest.mark.parametrize(
    "way", [FAST, Way((2,), largest=16), Way((3,), gather_s=0.005), Way((4,), largest=256, late_s=0.002)], ids=str
)
def test_everything_arrives_in_order_in_whatever_pieces(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with between(Course((way, way)), monkeypatch) as (relay, far, said):
            reader, writer = await connect(relay)
            writer.write(SENT)
            writer.write_eof()
            assert await reader.read(-1) == SENT == bytes(far.got)
            assert await far.ended == "in order"
            assert said == [f"hostile: connection 1: to the device {way}; from the device {way}"]
            writer.close()

    run(test)


@pytest.mark.parametrize("after", [1, 4096, 4097, 29_999, 30_000])
@pytest.mark.parametrize("end", ["closes", "breaks"])
def test_a_connection_ends_after_so_many_bytes(end: End, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with between(Course((FAST, FAST), end, 0, after), monkeypatch) as (relay, far, said):
            reader, writer = await connect(relay)
            writer.write(SENT)
            seen = "in order"
            try:
                await reader.read(-1)
            except ConnectionError:
                seen = "reset"
            writer.close()
            assert await far.ended == {"closes": "in order", "breaks": "reset"}[end]
            assert bytes(far.got) == SENT[: len(far.got)]
            if end == "closes":
                assert len(far.got) == after
            else:
                assert (seen, len(far.got) <= after) == ("reset", True)
            assert said[0].endswith(f"; {end} after {after:,} bytes to the device")

    run(test)


def test_it_may_end_with_an_answer_half_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with between(Course((FAST, FAST), "closes", 1, 12_345), monkeypatch) as (relay, far, _):
            reader, writer = await connect(relay)
            writer.write(SENT)
            assert await reader.read(-1) == SENT[:12_345]
            await far.ended
            writer.close()

    run(test)


def test_a_stall_passes_and_a_dead_connection_says_nothing_until_somebody_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with between(Course((FAST, FAST), "stalls", 0, 100, stall_s=0.05), monkeypatch) as (relay, far, said):
            reader, writer = await connect(relay)
            writer.write(SENT)
            writer.write_eof()
            assert await reader.read(-1) == SENT
            assert said[0].endswith("; stalls for 0.1 s after 100 bytes to the device")
            writer.close()
        async with between(Course((FAST, FAST), "goes dead", 0, 100), monkeypatch) as (relay, far, _):
            reader, writer = await connect(relay)
            writer.write(SENT)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.read(1)
            assert (bytes(far.got), far.ended.done()) == (SENT[:100], False)
            writer.close()
            assert await far.ended == "reset"

    run(test)


def test_nobody_behind_it_ends_the_connection() -> None:
    async def test() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        server.close()
        relay = HostileRelay("127.0.0.1", 0, lambda: address, 1, Keeper())
        await relay.open()
        reader, writer = await connect(relay)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await relay.close()

    run(test)


def test_a_seed_is_a_plan() -> None:
    courses = [course_of(7, "", number, 2.0) for number in range(1, 2001)]
    assert courses == [course_of(7, "", number, 2.0) for number in range(1, 2001)]
    assert courses != [course_of(8, "", number, 2.0) for number in range(1, 2001)]
    ends = Counter(course.end for course in courses)
    for end, (weight, _) in ENDS.items():
        assert 0.7 * weight < ends[end] / 20 < 1.3 * weight
    assert courses != [course_of(7, "http", number, 2.0) for number in range(1, 2001)]
    assert {course.direction for course in courses} == {0, 1}
    assert min(course.after for course in courses) < 10 < 10_000 < max(course.after for course in courses)
    assert 0 < max(course.stall_s for course in courses) <= 2.0
    ways = [way for course in courses for way in course.ways]
    kinds = Counter((way.largest < 4096, way.gather_s > 0, way.late_s > 0) for way in ways)
    assert {kind[:2] for kind in kinds} == {(False, False), (True, False), (False, True)}
    assert min(kinds.values()) > 200
    assert str(courses[0]) == str(course_of(7, "", 1, 2.0))


@given(st.integers(0, 2**64), st.integers(1, 10_000), st.integers(0, 500))
def test_every_piece_has_a_size_and_a_pause(seed: int, connection: int, piece: int) -> None:
    course = course_of(seed, "", connection, 1.0)
    assert 1 <= course.after <= 1 << FURTHEST_BITS
    for way in course.ways:
        assert 1 <= way.size(piece) <= way.largest
        assert 0 <= way.pause_s(piece) <= way.late_s <= 0.01
