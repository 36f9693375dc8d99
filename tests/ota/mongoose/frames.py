"""What the tests of frames share: a pair of ends on one wire, frames drawn by hypothesis, bytes cut into reads."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import strategies as st

from emu.ota.mongoose.framing import Received
from emu.ota.mongoose.serial_client import SerialClient
from emu.ota.mongoose.serial_device import SerialDevice
from emu.ota.mongoose.wire import ErrorResponse, Request, Response

WORDS = st.text(max_size=12)
IDS = st.one_of(st.integers(0, 1 << 63).map(str), st.text(max_size=12))
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 53), 1 << 53), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
JSON_TEXTS = st.tuples(JSON_VALUES, st.booleans()).map(
    lambda drawn: json.dumps(drawn[0], ensure_ascii=drawn[1], separators=(", ", ": ") if drawn[1] else (",", ":"))
)
OBJECT_TEXTS = st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3).map(json.dumps)
REQUESTS = st.builds(
    Request,
    st.text(min_size=1, max_size=20),
    id=IDS,
    params=st.one_of(st.just(""), JSON_TEXTS),
    src=WORDS,
    dst=WORDS,
    tag=WORDS,
    key=WORDS,
    auth=st.one_of(st.just(""), OBJECT_TEXTS),
    version=st.integers(0, 9),
)
SOME_ID = IDS.filter(bool)
RESPONSES = st.builds(Response, SOME_ID, JSON_TEXTS, WORDS, WORDS, WORDS)
ERRORS = st.builds(ErrorResponse, SOME_ID, st.integers(-(1 << 31), (1 << 31) - 1), WORDS, WORDS, WORDS, WORDS)
FRAMES = st.one_of(REQUESTS, RESPONSES, ERRORS)


@st.composite
def reads(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """``stream`` cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def frames_of(device: SerialDevice, data: bytes) -> list[bytes]:
    """The frames that ``data`` completes; whatever else happens is left out."""
    device.receive(data)
    return [event.frame for event in device.events() if isinstance(event, Received)]


def shaken_pair() -> tuple[SerialClient, SerialDevice]:
    """Two ends after a handshake, with nothing left to send."""
    client, device = SerialClient(), SerialDevice()
    client.send(b"{}", 0)
    exchange(client, device)
    assert client.is_ready
    return client, device


def exchange(client: SerialClient, device: SerialDevice) -> tuple[list[bytes], list[bytes]]:
    """Carry bytes both ways until both are silent; the frames each end has received: device's, client's."""
    at_device: list[bytes] = []
    at_client: list[bytes] = []
    while data := client.data_to_send():
        at_device += frames_of(device, data)
        client.receive(device.data_to_send())
        at_client += [event.frame for event in client.events() if isinstance(event, Received)]
    return at_device, at_client


def asked_for(client: SerialClient, until_us: int) -> Iterator[int]:
    """Let time pass up to ``until_us``, waking the client whenever it asks for it; yields each moment."""
    while client.due_us is not None and client.due_us <= until_us:
        now_us = client.due_us
        client.wake(now_us)
        yield now_us
