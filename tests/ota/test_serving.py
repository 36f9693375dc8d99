"""A device's time follows the wall clock; one turn at a time; resets and power cuts end what is connected."""

from __future__ import annotations

import asyncio
import os

import pytest

from emu.clock import Stopwatch
from emu.ota.mongoose.application import MongooseApplication
from tests.ota.served import (
    Bench,
    bundle,
    connect,
    eventually,
    form,
    http_call,
    make_device,
    next_frame,
    run,
    served,
    tcp_call,
)

STATUS = b'{"id":1,"src":"t","method":"OTA.Status"}'
CHUNK = b'{"id":7,"method":"OTA.Write","params":{"offset":0,"data":"%s"}}'


def test_an_answer_waits_for_the_flash_and_fast_does_not_wait() -> None:
    body, headers = form(("file", "a.zip", bundle()))

    async def lasted(fast: bool) -> tuple[float, float]:
        async with served(fast=fast) as bench:
            await http_call(bench, "GET", "/rpc/OTA.Status")
            watch, before_us = Stopwatch(), bench.device.node.now_us
            answer = await http_call(bench, "POST", "/update", body, **headers)
            assert (answer.status, answer.body) == (200, b"1 Update applied, finalizing\r\n")
            return watch.seconds, (bench.device.node.now_us - before_us) / 1_000_000

    wall_s, device_s = run(lambda: lasted(False))
    assert 0.05 < device_s <= wall_s + 0.01
    wall_s, device_s = run(lambda: lasted(True))
    assert device_s > wall_s > 0, "the flash has taken its time, and nobody has waited for it"


def test_a_commit_timer_runs_out_by_itself_at_its_wall_clock_time() -> None:
    body, headers = form(("file", "a.zip", bundle()), ("commit_timeout", None, b"1"))

    async def test() -> None:
        async with served() as bench:
            await http_call(bench, "POST", "/update", body, **headers)
            begun_us = await bench.log.until("on trial for 1 s")
            watch = Stopwatch()
            assert await bench.log.until("reset by commit-timer") - begun_us == pytest.approx(1_000_000, abs=100_000)
            assert 0.7 < watch.seconds < 3
            await bench.log.until("boot: demo 1.0.0", 2)

    run(test)


def test_an_update_that_stalls_is_freed_by_itself_when_its_last_chunk_is_too_old() -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.tcp)
            begin = b'{"id":1,"method":"OTA.Begin","params":{"timeout":1}}'
            assert b'"result":null' in await tcp_call(reader, writer, begin)
            deadline_us = bench.app.due_us
            await asyncio.sleep(0.3)
            assert b'"result":null' in await tcp_call(reader, writer, CHUNK % b"UEsD")
            put_off_us = bench.app.due_us
            assert put_off_us is not None and deadline_us is not None and put_off_us >= deadline_us + 250_000
            freed_us = await bench.log.until("Update timed out")
            assert freed_us == pytest.approx(put_off_us, abs=100_000), "by nobody's call"
            writer.close()

    run(test)


def test_what_is_on_its_way_is_answered_before_the_reset_that_it_asked_for() -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.tcp)
            assert b'"result":null' in await tcp_call(reader, writer, b'{"id":1,"method":"Sys.Reboot"}')
            assert await reader.read() == b"", "the reset ends the connection"
            writer.close()
            await bench.log.until("boot", 2)
            reader, writer = await connect(bench.tcp)
            assert b'"state":0' in await tcp_call(reader, writer, STATUS)
            writer.close()

    run(test)


def test_a_call_whose_turn_comes_after_a_reset_is_not_carried_out() -> None:
    async def test() -> None:
        async with served(fast=False) as bench:
            acted: list[MongooseApplication] = []
            first = asyncio.create_task(bench.serving.do(lambda app: app.booted.session.wait(50_000)))
            await asyncio.sleep(0)
            resetting = asyncio.create_task(bench.serving.press_reset())
            waiting = asyncio.create_task(bench.serving.do(acted.append))
            assert await first
            await resetting
            assert not await waiting
            assert not acted
            assert await bench.serving.do(acted.append)

    run(test)


def test_a_power_cut_takes_back_an_answer_that_has_not_left() -> None:
    async def test() -> None:
        async with served(fast=False) as bench:
            left: list[str] = []

            def act(app: MongooseApplication) -> None:
                app.booted.session.wait(10_000_000)
                bench.serving.leave(lambda: left.append("answer"))

            acting = asyncio.create_task(bench.serving.do(act))
            await eventually(lambda: bench.device.node.now_us > 10_000_000)
            bench.serving.cut_power()
            assert bench.device.node.state == "off"
            await acting
            assert not left
            await bench.log.until("power is lost")

    run(test)


def test_a_device_without_power_answers_nobody_and_begins_anew() -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.tcp)
            await tcp_call(reader, writer, STATUS)
            stood_us = bench.device.node.now_us
            bench.serving.cut_power()
            assert await reader.read() == b""
            writer.close()
            for link in (bench.tcp, bench.http):
                reader, writer = await connect(link)
                assert await _what_is_left(reader) == b""
                writer.close()
            assert bench.device.node.now_us <= stood_us + 1_000_000, "its time stands still"
            bench.serving.restore_power()
            assert (await http_call(bench, "GET", "/rpc/OTA.Status")).status == 200

    run(test)


def test_all_links_at_once_on_one_device() -> None:
    async def test() -> None:
        async with served() as bench:
            terminal = os.open(bench.serial.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                reader, writer = await connect(bench.tcp)
                over_http = asyncio.create_task(http_call(bench, "POST", "/rpc", STATUS))
                os.write(terminal, STATUS + b"\n")
                over_tcp = await tcp_call(reader, writer, STATUS)
                over_serial = await _terminal_line(terminal, b'{"id"')
                assert over_tcp == over_serial == (await over_http).body.strip()
                writer.close()
            finally:
                os.close(terminal)

    run(test)


def test_the_console_of_a_device_is_its_serial_port() -> None:
    async def test() -> None:
        async with served() as bench:
            terminal = os.open(bench.serial.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                await bench.serving.press_reset()
                assert b"from slot 0" in await _terminal_line(terminal, b"boot")
                os.write(terminal, b'"""\x04"""')
                assert await _terminal_line(terminal, b'"""\x04"""')
            finally:
                os.close(terminal)

    run(test)


def test_what_breaks_inside_a_link_ends_the_serving() -> None:
    async def test() -> None:
        async with served() as bench:
            bench.serving.failed(RuntimeError("ours"))
            await eventually(bench.running.done)

    with pytest.raises(RuntimeError, match="ours"):
        run(test)


def test_calls_take_turns_however_many_come_over_however_many_links() -> None:
    async def called(bench: Bench) -> bytes:
        reader, writer = await connect(bench.tcp)
        writer.write(STATUS + b"\n")
        frame = await next_frame(reader)
        writer.close()
        return frame

    async def test() -> None:
        async with served(make_device()) as bench:
            answers = await asyncio.gather(*(called(bench) for _ in range(15)))
            assert len(set(answers)) == 1

    run(test)


async def _what_is_left(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def _terminal_line(terminal: int, start: bytes) -> bytes:
    """The first line that begins so."""
    seen = b""
    while True:
        try:
            seen += os.read(terminal, 4096)
        except BlockingIOError:
            await asyncio.sleep(0.001)
        for line in seen.split(b"\n"):
            if line.startswith(start) and (line.endswith((b"}", b'"""')) or b"\r" in line):
                return line.strip()
