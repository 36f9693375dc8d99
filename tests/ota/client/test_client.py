"""The client as a value: ids, answers, time, credentials."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest

from emu.ota.mongoose.client import Answered, Caller, Refused, RpcClient, Unanswered
from emu.ota.mongoose.digest import Algorithm, Credentials, http_answer, http_challenge, password_hash
from emu.ota.mongoose.wire import ErrorResponse, Request, Response, parse
from tests.ota.client.device import EPOCH_S, Device, guarded

SECOND = 1_000_000


def requested(frame: bytes) -> Request:
    found = parse(frame)
    assert isinstance(found, Request)
    return found


def test_a_call_goes_out_as_the_vendors_client_writes_it() -> None:
    client, _, frame = RpcClient(Caller(seed=7)).call("OTA.Status", "", 0, SECOND)
    assert frame == b'{"src":"mos","id":' + client.waiting[0].request.id.encode() + b',"method":"OTA.Status"}'
    _, _, frame = RpcClient(Caller(args_name="args", src="a", dst="b")).call("Config.Get", '{"key": "x"}', 0, SECOND)
    found = json.loads(frame)
    assert (found["args"], found["src"], found["dst"]) == ({"key": "x"}, "a", "b")


def test_ids_are_drawn_from_the_seed_between_2_to_the_40_and_2_to_the_41() -> None:
    client, ids = RpcClient(Caller(seed=3)), []
    for _ in range(2000):
        client, _, frame = client.call("X", "", 0, SECOND)
        ids.append(int(requested(frame).id))
    assert len(set(ids)) == len(ids)
    assert min(ids) >= 1 << 40
    assert max(ids) < 1 << 41
    assert max(ids) - min(ids) > 1 << 39
    again = RpcClient(Caller(seed=3)).call("X", "", 0, SECOND)[2]
    assert requested(again).id == str(ids[0])
    assert requested(RpcClient(Caller(seed=4)).call("X", "", 0, SECOND)[2]).id != str(ids[0])


def test_an_answer_settles_its_call_and_no_other() -> None:
    client, first, one = RpcClient().call("A", "", 0, SECOND)
    client, second, two = client.call("B", "", 0, SECOND)
    turn = client.receive(Response(requested(two).id, '{"a": 1}').emit())
    assert turn.outcomes == (Answered(second, '{"a": 1}'),)
    again = turn.client.receive(Response(requested(two).id, "2").emit())
    assert (again.outcomes, again.client) == ((), turn.client)
    assert turn.client.receive(ErrorResponse(requested(one).id, -1, "no").emit()).outcomes == (
        Refused(first, -1, "no"),
    )


@pytest.mark.parametrize("data", [b"", b"{", b"junk", b'{"id":1}', b'{"id":5,"result":1}', b"\xff", b'{"method":"X"}'])
def test_what_is_no_answer_to_a_call_changes_nothing(data: bytes) -> None:
    client = RpcClient().call("A", "", 0, SECOND)[0]
    turn = client.receive(data)
    assert (turn.client, turn.frames, turn.outcomes) == (client, (), ())


def test_a_call_of_the_devices_is_told_that_nobody_serves_it() -> None:
    turn = RpcClient().receive(b'{"id":9,"src":"dev","method":"Dash.Heartbeat"}')
    assert [parse(frame) for frame in turn.frames] == [
        ErrorResponse("9", 404, "No handler for Dash.Heartbeat", src="mos", dst="dev")
    ]


def test_an_error_with_code_0_is_an_answer() -> None:
    client, call, frame = RpcClient().call("OTA.Update", "", 0, SECOND)
    turn = client.receive(ErrorResponse(requested(frame).id, 0, "Update applied, finalizing").emit())
    assert turn.outcomes == (Answered(call, "null", "Update applied, finalizing"),)


def test_a_refusal_says_its_code_once() -> None:
    assert Refused("0", -11, "-11 Write failed").text == "error -11: Write failed"
    assert Refused("0", -1).text == "error -1, for which the device gives no reason"
    assert Refused("0", 404, "No handler for X").text == "error 404: No handler for X"


def test_a_call_waits_exactly_as_long_as_it_was_told_to() -> None:
    client, call, frame = RpcClient().call("A", "", 5 * SECOND, 20 * SECOND)
    client, _, _ = client.call("B", "", 6 * SECOND, 60 * SECOND)
    assert client.due_us == 25 * SECOND
    assert client.wake(25 * SECOND - 1).outcomes == ()
    turn = client.wake(25 * SECOND)
    assert turn.outcomes == (Unanswered(call, "no answer in 20 s"),)
    assert turn.client.due_us == 66 * SECOND
    late = turn.client.receive(Response(requested(frame).id).emit())
    assert late.outcomes == ()


def test_a_lost_link_ends_every_call() -> None:
    client, first, _ = RpcClient().call("A", "", 0, SECOND)
    client, second, _ = client.call("B", "", 0, SECOND)
    turn = client.lost()
    assert turn.outcomes == (Unanswered(first, "the link was lost"), Unanswered(second, "the link was lost"))
    assert turn.client.due_us is None


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_device_that_asks_who_is_there_is_told_and_not_asked_again(algorithm: Algorithm) -> None:
    device = Device(guard=guarded("joe", "s3cret", algorithm))
    client, call, frame = RpcClient(Caller(username="joe", password="s3cret")).call("Sys.GetInfo", "", 0, SECOND)
    turn = client.receive(*device.ask(frame))
    assert turn.outcomes == ()
    assert requested(turn.frames[0]).id != requested(frame).id
    assert turn.client.due_us == SECOND  # asking does not make a call longer
    turn = turn.client.receive(*device.ask(turn.frames[0]))
    assert [type(outcome) for outcome in turn.outcomes] == [Answered]
    assert turn.outcomes[0].call == call
    client, _, frame = turn.client.call("Sys.GetInfo", "", 0, SECOND)
    assert requested(frame).auth
    assert [type(outcome) for outcome in client.receive(*device.ask(frame)).outcomes] == [Answered]


def test_a_challenge_that_is_too_old_is_followed_by_a_new_one() -> None:
    device = Device(guard=guarded("joe", "s3cret"))
    caller = Caller(username="joe", password="s3cret")
    turn = RpcClient(caller).call("Sys.GetInfo", "", 0, SECOND)[0].receive(b"")
    client, _, frame = turn.client.call("Sys.GetInfo", "", 0, SECOND)
    client = client.receive(*device.ask(frame)).client
    device.node.elapse(3601 * SECOND)
    client, _, frame = replace(client, waiting=()).call("Sys.GetInfo", "", 0, SECOND)
    turn = client.receive(*device.ask(frame))
    assert turn.outcomes == ()
    assert [type(outcome) for outcome in turn.client.receive(*device.ask(turn.frames[0])).outcomes] == [Answered]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused_after_one_answer(password: str) -> None:
    device = Device(guard=guarded("joe", "s3cret"))
    client, call, frame = RpcClient(Caller(username="joe", password=password)).call("Sys.GetInfo", "", 0, SECOND)
    turn = client.receive(*device.ask(frame))
    turn = turn.client.receive(*device.ask(turn.frames[0]))
    assert [(type(each), each.call) for each in turn.outcomes] == [(Refused, call)]
    assert turn.frames == ()


def test_without_a_user_the_question_is_a_refusal() -> None:
    device = Device(guard=guarded("joe", "s3cret"))
    client, _, frame = RpcClient().call("Sys.GetInfo", "", 0, SECOND)
    turn = client.receive(*device.ask(frame))
    assert [each.code for each in turn.outcomes if isinstance(each, Refused)] == [401]


def test_a_client_is_a_value() -> None:
    client = RpcClient(Caller(seed=1, username="joe", password="s3cret")).call("A", '{"x":1}', 0, SECOND)[0]
    assert pickle.loads(pickle.dumps(client)) == client
    assert hash(client) == hash(pickle.loads(pickle.dumps(client)))
    assert client.call("B", "", 0, SECOND)[2] == client.call("B", "", 0, SECOND)[2]
    assert "s3cret" not in repr(client)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_http_is_answered_with_a_header_a_device_takes(algorithm: Algorithm) -> None:
    challenge = http_challenge("RPC", algorithm, EPOCH_S)
    header = http_answer(challenge, "joe", "s3cret", 0x1234, "POST", "/rpc")
    assert header is not None
    said = Credentials.from_header(header)
    assert said is not None
    assert said.is_right(password_hash(algorithm, "joe", "RPC", "s3cret"), algorithm, "POST", "/rpc")
    assert not said.is_right(password_hash(algorithm, "joe", "RPC", "s3cret"), algorithm, "GET", "/rpc")
    assert said.is_fresh(EPOCH_S, 16)


@pytest.mark.parametrize("challenge", ["", "Basic realm=x", 'Digest realm="x"', 'Digest nonce="1", algorithm=SHA-512'])
def test_a_challenge_nobody_can_answer_is_not_answered(challenge: str) -> None:
    assert http_answer(challenge, "joe", "s3cret", 1, "POST", "/rpc") is None
