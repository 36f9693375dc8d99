"""Serial framing: the device's end, the client's end, and both on one wire."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.errors import FrameError
from emu.ota.mongoose.framing import BAD_CHECKSUM, JUNK, TOO_LONG, Dropped, Received, checksum, wrapped
from emu.ota.mongoose.serial_client import GREETING, HANDSHAKE_INTERVAL_US, Console, SerialClient
from emu.ota.mongoose.serial_device import MAX_FRAME_SIZE, MAX_LINE_ENDS, SerialDevice
from emu.ota.mongoose.wire import Frame, Request
from tests.ota.mongoose.frames import FRAMES, REQUESTS, asked_for, exchange, frames_of, reads, shaken_pair

GET_INFO = b'{"method":"Sys.GetInfo"}'
GOOD = b'{"id":1,"method":"M"}'
NOISE = st.lists(
    st.one_of(
        st.binary(max_size=30), st.sampled_from([b'"""', b'""', b"\n", b"{", b"}", b"\x04", b"\x11", b"\x13", GOOD])
    ),
    max_size=8,
).map(b"".join)


def events_of(device: SerialDevice, data: bytes) -> list[Received | Dropped]:
    device.receive(data)
    return list(device.events())


def test_the_checksum_of_the_published_example() -> None:
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert GET_INFO + checksum(GET_INFO) == b'{"method":"Sys.GetInfo"}010a4ff9'


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (GET_INFO, Received(GET_INFO)),
        (GET_INFO + b"010a4ff9", Received(GET_INFO, checked=True)),
        (GET_INFO + b"010A4FF9,a,b", Received(GET_INFO, checked=True)),
        (GET_INFO + b"010a4ff9\r", Received(GET_INFO, checked=True)),
        (GET_INFO + b"\r", Received(GET_INFO)),
        (GET_INFO + b"010a4ff", Received(GET_INFO)),
        (b"mgos_init done " + GET_INFO, Received(GET_INFO)),
        (GET_INFO + b"010a4ff8", Dropped(BAD_CHECKSUM, 32, GET_INFO + b"010a4ff8")),
        (GET_INFO + b" no checksum", Dropped(BAD_CHECKSUM, 36, GET_INFO + b" no checksum")),
        (b"no frame at all", Dropped(JUNK, 15, b"no frame at all")),
        (b"} and {", Dropped(JUNK, 7, b"} and {")),
        (b"x\x04", Dropped(JUNK, 2, b"x\x04")),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b'"""'])
def test_what_a_device_makes_of_a_line(line: bytes, event: Received | Dropped, end: bytes) -> None:
    assert events_of(SerialDevice(), line + end) == [event]


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (GOOD + b"\n", b"\n{}\n"),
        (GOOD + checksum(GOOD) + b"\n", b"\n{}" + checksum(b"{}") + b"\n"),
        (GOOD + b'"""', b'\n"""{}"""\n'),
        (GOOD + checksum(GOOD) + b'"""', b'\n"""{}' + checksum(b"{}") + b'"""\n'),
    ],
)
def test_a_device_answers_in_the_style_it_was_asked_in(request_bytes: bytes, answer: bytes) -> None:
    device = SerialDevice()
    assert frames_of(device, request_bytes) == [GOOD]
    device.send(b"{}")
    assert device.data_to_send() == answer


def test_the_style_sticks() -> None:
    device = SerialDevice()
    frames_of(device, b'"""' + GOOD + checksum(GOOD) + b"\n" + GOOD + b"\n")
    device.send(b"{}")
    assert device.data_to_send().endswith(b'\n"""{}' + checksum(b"{}") + b'"""\n')


def test_a_wrong_checksum_does_not_turn_checksums_on() -> None:
    device = SerialDevice()
    frames_of(device, GOOD + b"00000000\n")
    device.send(b"{}")
    assert device.data_to_send() == b"\n{}\n"


def test_a_byte_above_7_bits_takes_what_came_before_it_along() -> None:
    device = SerialDevice()
    assert frames_of(device, b'{"id":1,"meth\xf5\x80' + GOOD + b"\n") == [GOOD]
    assert events_of(device, b'{"src":"\xc3\xa9","params":' + GOOD + b"}\n") == [Received(GOOD + b"}")]


def test_answers_to_empty_lines_wait_for_something_to_leave_with() -> None:
    device = SerialDevice()
    assert events_of(device, b"\n \r\n") == []
    assert device.data_to_send() == b""
    device.send(b"{}")
    assert device.data_to_send() == b"\n\n\n{}\n"
    assert device.data_to_send() == b""


def test_a_flood_of_empty_lines_is_bounded() -> None:
    device = SerialDevice()
    events_of(device, b"\n" * 100_000)
    device.send(b"{}")
    assert device.data_to_send() == b"\n" * MAX_LINE_ENDS + b"\n{}\n"


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_the_longest_frame(extra: int, step: int) -> None:
    start, end = b'{"id":1,"method":"', b'"}'
    frame = start + b"M" * (MAX_FRAME_SIZE + 6 - len(start) - len(end) + extra) + end
    device = SerialDevice()
    stream = frame + b"\n" + GOOD + b"\n"
    found: list[Received | Dropped] = []
    for at in range(0, len(stream), step):
        found += events_of(device, stream[at : at + step])
    assert found == [Dropped(TOO_LONG, len(frame)) if extra else Received(frame), Received(GOOD)]


def test_the_end_of_a_frame_too_long_is_no_frame() -> None:
    inner = b'{"id":1,"method":"Sys.Reboot"}'
    device = SerialDevice()
    assert frames_of(device, b'{"a":"' + b"x" * 5000 + b'","params":' + inner + b"\n") == []


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (b'{"a":\n1}', "a line end"),
        (b'{"a":"""}', "three quotes"),
        (b'{"a":"""\n}', "three quotes"),
        (b'{"a":\n"""}', "a line end"),
    ],
)
def test_a_frame_that_would_end_early_is_refused(frame: bytes, what: str) -> None:
    with pytest.raises(FrameError, match=rf"holds {what} at byte 5.*on one line"):
        SerialDevice().send(frame)
    with pytest.raises(FrameError, match=what):
        SerialClient().send(frame, 0)


@given(st.data(), NOISE)
def test_any_cutting_into_reads_gives_the_same_frames_and_the_same_bytes(data: st.DataObject, noise: bytes) -> None:
    stream = noise + wrapped(GOOD, quotes=True, checked=True) + noise

    def answered(pieces: list[bytes]) -> tuple[list[Received | Dropped], bytes]:
        device = SerialDevice(max_frame_size=40)
        events = []
        for piece in pieces:
            device.receive(piece)
            for event in device.events():
                events.append(event)
                if isinstance(event, Received):
                    device.send(b"{}")
        device.send(b'{"last":1}')
        return events, device.data_to_send()

    assert answered(data.draw(reads(stream))) == answered([stream])


@given(st.data(), NOISE)
def test_any_cutting_gives_the_client_the_same_events(data: st.DataObject, noise: bytes) -> None:
    stream = noise + wrapped(GOOD, quotes=True, checked=True) + noise

    def received(pieces: list[bytes]) -> list[Received | Dropped | Console]:
        client = SerialClient(max_frame_size=40)
        for piece in pieces:
            client.receive(piece)
        return client.events()

    assert received(data.draw(reads(stream))) == received([stream])


@given(NOISE)
def test_no_noise_costs_the_next_good_frame(noise: bytes) -> None:
    device, client = SerialDevice(), SerialClient(handshake=False)
    good = wrapped(GOOD, quotes=True, checked=True)
    assert Received(GOOD, checked=True) == events_of(device, noise + good)[-1]
    client.receive(noise + good)
    assert client.events()[-1] == Received(GOOD, checked=True)


def test_the_handshake_is_repeated_until_it_is_answered() -> None:
    client = SerialClient()
    client.send(GOOD, 1000)
    assert client.data_to_send() == GREETING == b'"""\x04"""\n\n'
    assert client.due_us == 1000 + HANDSHAKE_INTERVAL_US
    client.wake(client.due_us - 1)
    assert client.data_to_send() == b""
    for now_us in asked_for(client, 1000 + 5 * HANDSHAKE_INTERVAL_US):
        assert client.data_to_send() == GREETING
        assert not client.is_ready and client.due_us == now_us + HANDSHAKE_INTERVAL_US
    assert client.due_us == 1000 + 6 * HANDSHAKE_INTERVAL_US
    client.receive(b'"""\x04"""')
    assert client.is_ready and client.due_us is None
    assert client.data_to_send() == b'"""' + b'\n"""' + GOOD + checksum(GOOD) + b'"""\n'


def test_empty_lines_alone_are_no_handshake() -> None:
    client = SerialClient()
    client.send(GOOD, 0)
    client.receive(b"\n\n\n\n\r\n")
    assert not client.is_ready


def test_a_link_opened_anew_is_greeted_anew() -> None:
    client, device = shaken_pair()
    client.shake_again()
    client.send(GOOD, 7)
    assert client.data_to_send() == GREETING
    assert device.sends_quotes


def test_what_the_device_prints_is_not_taken_for_a_frame() -> None:
    client = SerialClient(handshake=False)
    client.receive(b'boot\nlog {"x":1}\n\n"""' + GOOD + checksum(GOOD) + b'"""\nmore\n')
    assert client.events() == [
        Console(b"boot"),
        Console(b'log {"x":1}'),
        Received(GOOD, checked=True),
        Console(b"more"),
    ]


def test_a_frame_needs_a_delimiter_of_its_own_before_it() -> None:
    client = SerialClient(handshake=False)
    client.receive(GOOD + b"\n" + GOOD + b"\n" + GOOD + b"\n\n" + GOOD + b"\n")
    assert client.events() == [Console(GOOD), Received(GOOD), Console(GOOD), Received(GOOD)]


def test_a_client_checks_metadata_however_short() -> None:
    client = SerialClient(handshake=False)
    client.receive(b"\n" + GOOD + b"12\n")
    assert client.events() == [Dropped(BAD_CHECKSUM, len(GOOD) + 2, GOOD + b"12")]


def test_flow_control_stops_a_client_and_is_no_part_of_a_frame() -> None:
    client, device = shaken_pair()
    client.receive(b"\x13")
    client.send(GOOD, 0)
    assert client.data_to_send() == b""
    client.receive(b"\x11")
    sent = client.data_to_send()
    assert frames_of(device, b"\x13".join(sent[at : at + 1] for at in range(len(sent)))) == [GOOD]


def test_flow_control_is_ignored_during_the_handshake() -> None:
    client = SerialClient()
    client.receive(b"\x13")
    client.send(GOOD, 0)
    assert client.data_to_send() == GREETING
    client.receive(b"\x13")
    client.wake(HANDSHAKE_INTERVAL_US)
    assert client.data_to_send() == GREETING
    client.receive(b'\x13"""\x04"""')
    assert client.data_to_send().endswith(GOOD + checksum(GOOD) + b'"""\n')


def test_over_tcp_there_is_no_handshake_and_no_checksum() -> None:
    client = SerialClient(handshake=False, checksums=False)
    client.send(GOOD, 0)
    assert client.due_us is None
    assert client.data_to_send() == b'\n"""' + GOOD + b'"""\n'


def test_what_a_client_sends_has_7_bits() -> None:
    client, device = shaken_pair()
    client.send('{"id":1,"method":"é😀"}'.encode(), 0)
    assert frames_of(device, client.data_to_send()) == [b'{"id":1,"method":"\\u00e9\\ud83d\\ude00"}']


@given(st.lists(st.tuples(REQUESTS, FRAMES), min_size=1, max_size=4))
def test_both_ends_over_a_wire_that_loses_nothing(pairs: list[tuple[Request, Frame]]) -> None:
    client, device = shaken_pair()
    for request, answer in pairs:
        client.send(request.emit(), 0)
        (at_device,), _ = exchange(client, device)
        assert at_device.isascii()
        device.send(answer.emit())
        client.receive(device.data_to_send())
        assert client.events() == [Received(answer.emit(), checked=True)]


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, int, int]:
    return draw(st.sampled_from(["lose", "flip", "twice"])), draw(st.integers(0, 60)), draw(st.integers(1, 30))


def damaged(data: bytes, harm: tuple[str, int, int]) -> bytes:
    kind, start, length = harm
    part = data[start : start + length]
    middle = {"lose": b"", "flip": bytes(byte ^ 0x41 for byte in part), "twice": part + part}[kind]
    return data[:start] + middle + data[start + length :]


@given(st.lists(damage(), max_size=6), st.lists(damage(), max_size=6))
def test_both_ends_over_a_wire_that_loses(
    outward: list[tuple[str, int, int]], back: list[tuple[str, int, int]]
) -> None:
    """A right checksum never vouches for a wrong frame; once the wire is whole, a repeated request is answered."""
    client, device = SerialClient(), SerialDevice()
    answer = b'{"id":1,"src":"dev","result":{"state": 0}}'
    client.send(GOOD, 0)
    now_us = 0
    answered: list[bytes] = []
    for attempt in range(len(outward) + len(back) + 3):
        harm_out = outward.pop() if outward else None
        harm_back = back.pop() if back else None
        data = client.data_to_send()
        device.receive(damaged(data, harm_out) if harm_out else data)
        for event in device.events():
            if isinstance(event, Received) and event.checked:
                assert event.frame == GOOD
                device.send(answer)
        data = device.data_to_send()
        client.receive(damaged(data, harm_back) if harm_back else data)
        answered += [event.frame for event in client.events() if isinstance(event, Received) and event.checked]
        now_us += HANDSHAKE_INTERVAL_US
        client.wake(now_us)
        if attempt > 0 and client.is_ready and not answered:
            client.send(GOOD, now_us)
    assert answered and set(answered) == {answer}
