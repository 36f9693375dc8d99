"""Chunks per second of an update over real links: 512 bytes each, one call out at a time, as the vendor does it.

`brownout serve --fast` is a process, what `brownout ota` does is done in this one, and a chunk is a round trip between
the two. The device's side and the client's side alone, without a link, say where its time goes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import ExitStack

import pytest

from emu.board import load_board
from emu.ota.mongoose.client import Caller, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from emu.ota.mongoose.updating import CHUNK_SIZE, Order, Step, Updating, begin_params
from emu.ota.mongoose.wire import Request, Response
from flash.draws import uniforms
from tests.emu.cli.test_serve import serving
from tests.ota.bench import UART, Powered, bundle
from tests.ota.conftest import broker  # noqa: F401

BOARD = "microbit"
SIZE = 256 * 1024
SMALL_SIZE = 16 * 1024
"""Without figures, in CI, a few chunks say that it works."""
ROUNDS = 7
LINKS = {
    "TCP": ("--tcp", "0"),
    "WebSocket": ("--http", "0"),
    "HTTP": ("--http", "0"),
    "serial": ("--serial",),
    "MQTT": ("--mqtt",),
}


@pytest.fixture
def archive(benchmark) -> bytes:
    size = SMALL_SIZE if benchmark.disabled else SIZE
    app = (uniforms(1, 0, size) * 254 + 1).astype("uint8").tobytes()
    return bundle(load_board(BOARD), app=app)


@pytest.mark.parametrize("link", LINKS)
def test_push(benchmark, archive, link, request):
    """Goals: 2,000 chunks a second over TCP and over WebSocket, 500 over MQTT, through mosquitto as it comes."""
    options = list(LINKS[link])
    if link == "MQTT":
        options.append(request.getfixturevalue("broker").url)
    updating = Updating(Order(archive, begin_params(len(archive))))

    def push(session):
        return session.run(updating, *updating.start(session.client, session.now_us))

    with ExitStack() as stack:

        def setup():
            stack.close()
            served = stack.enter_context(serving("--board", BOARD, "--fast", *options))
            opened, caller = Port(served.until(rf"^{link} +(\S+)"), Caller()).link()
            return (stack.enter_context(Session(opened, RpcClient(caller))),), {}

        done = benchmark.pedantic(push, setup=setup, rounds=ROUNDS)
    assert done.step is Step.DONE, done.failure
    assert done.repeated == 0
    _record_rate(benchmark, archive)


def test_device_alone(benchmark, archive):
    """Frames in memory, through dispatcher and updater."""
    frames = [
        Request("OTA.Write", str(at), f'{{"offset":{at},"data":"{b64encode(archive[at : at + CHUNK_SIZE]).decode()}"}}')
        for at in range(0, len(archive), CHUNK_SIZE)
    ]
    sent = [frame.emit() for frame in frames]

    def setup():
        powered = Powered(BOARD)
        assert powered.call("OTA.Begin", size=len(archive)) is None
        return (powered.node,), {}

    def write(node):
        answers = []
        for frame in sent:
            node.do(lambda app, frame=frame: app.dispatcher.receive(frame, UART, app.now_us, answers.append) and None)
        return answers

    answers = benchmark.pedantic(write, setup=setup, rounds=ROUNDS)
    assert all(b'"result":null' in answer for answer in answers)
    assert len(answers) == len(sent)
    _record_rate(benchmark, archive)


def test_client_alone(benchmark, archive):
    """The client's machine, each of whose calls is answered at once."""
    updating = Updating(Order(archive, begin_params(len(archive))))

    def push():
        update, frames = updating.start(RpcClient(), 0)
        while not updating.is_over(update):
            (frame,) = frames
            number = re.search(rb'"id":(\d+)', frame)[1].decode()
            result = '{"state":0}' if b"OTA.Status" in frame else "null"
            update, frames = updating.receive(update, Response(number, result).emit(), 0)
        return update

    assert benchmark.pedantic(push, rounds=ROUNDS).step is Step.DONE
    _record_rate(benchmark, archive)


def _record_rate(benchmark, archive: bytes) -> None:
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["chunks_per_second"] = -(-len(archive) // CHUNK_SIZE) / benchmark.stats["median"]
