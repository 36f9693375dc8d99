"""The blocks of SPEC.md about frames are what the code sends."""

from __future__ import annotations

import json

from emu.ota.mongoose.digest import Challenge
from emu.ota.mongoose.framing import Received, checksum
from emu.ota.mongoose.serial_client import GREETING
from emu.ota.mongoose.serial_device import SerialDevice
from emu.ota.mongoose.wire import Malformed, parse
from tests.spec import BLOCKS, dump


def lines(name: str) -> list[str]:
    return BLOCKS["text", name].splitlines()


def test_frames_are_sent_as_they_stand() -> None:
    for line in lines("mg-rpc-frames"):
        frame = parse(line.encode())
        assert not isinstance(frame, Malformed) and frame.emit() == line.encode()


def test_the_checksum() -> None:
    (line,) = lines("mg-rpc-checked")
    device = SerialDevice()
    device.receive(line.encode() + b"\n")
    assert list(device.events()) == [Received(line[:-8].encode(), checked=True)]
    assert checksum(line[:-8].encode()) == line[-8:].encode()


def test_the_handshake() -> None:
    assert dump("mg-rpc-greeting") == GREETING
    device = SerialDevice()
    device.receive(GREETING)
    assert list(device.events()) == []
    assert device.data_to_send() == dump("mg-rpc-greeting-answer")


def test_the_challenge_and_its_answer() -> None:
    message, answer = lines("mg-rpc-challenge")
    challenge = Challenge.parse(message)
    assert challenge is not None and challenge.message == message
    assert challenge.answer("alice", "s3cret", json.loads(answer)["cnonce"]) == answer
