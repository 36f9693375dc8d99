"""A frame in, a handler called, a frame out; and the calls a side waits for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.mongoose.acl import Acl
from emu.ota.mongoose.call import Call, Channel, Deferred, RpcError
from emu.ota.mongoose.dispatcher import Dispatcher, Limits
from emu.ota.mongoose.guard import Guard
from emu.ota.mongoose.pending import PendingCalls
from emu.ota.mongoose.wire import Answer, ErrorResponse, Malformed, Response

UART = Channel("UART", "UART0")


def ask(device: Dispatcher, data: bytes | str, now_us: int = 0) -> str | Malformed:
    """The answer to a frame, empty if there is none; or what is wrong with the frame."""
    answers: list[bytes] = []
    wrong = device.receive(data.encode() if isinstance(data, str) else data, UART, now_us, answers.append)
    assert len(answers) <= (0 if wrong else 1)
    return wrong or b"".join(answers).decode()


def made() -> Dispatcher:
    device = Dispatcher(("dev", "alias"))
    device.methods.register("Echo", "{x: %d}", lambda call: call.params)
    device.methods.register("Fail", "", lambda _call: RpcError(-5, "no luck"))
    device.methods.register("Null", "", lambda _call: "")
    return device


def test_what_a_device_tells_about_its_methods() -> None:
    device = made()
    assert ask(device, '{"id":1,"method":"RPC.List"}') == (
        '{"id":1,"src":"dev","result":["Null","Fail","Echo","RPC.Ping","RPC.Describe","RPC.List"]}'
    )
    assert ask(device, '{"id":2,"method":"RPC.Describe","params":{"name":"Echo"}}') == (
        '{"id":2,"src":"dev","result":{"name": "Echo", "args_fmt": "{x: %d}"}}'
    )
    assert ask(device, '{"id":3,"method":"RPC.Ping"}') == '{"id":3,"src":"dev","result":{"channel_info": "UART0"}}'


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ("", '{"code":400,"message":"name is required"}'),
        (',"params":[1]', '{"code":400,"message":"name is required"}'),
        (',"params":{"name":[]}', '{"code":400,"message":"name is required"}'),
        (',"params":{"name":"echo"}', '{"code":404,"message":"name not found"}'),
    ],
)
def test_describe_of_what_is_not_there(params: str, error: str) -> None:
    assert ask(made(), f'{{"id":1,"method":"RPC.Describe"{params}}}') == f'{{"id":1,"src":"dev","error":{error}}}'


def test_answers() -> None:
    device = made()
    assert ask(device, '{"id":1,"src":"me","dst":"alias","tag":"t","method":"echo","params":{"x": 1}}') == (
        '{"id":1,"src":"alias","dst":"me","tag":"t","result":{"x": 1}}'
    )
    assert ask(device, '{"id":1,"method":"Null"}') == '{"id":1,"src":"dev","result":null}'
    assert ask(device, '{"id":1,"method":"Fail"}') == '{"id":1,"src":"dev","error":{"code":-5,"message":"no luck"}}'
    assert ask(device, '{"id":1,"method":"None\\"such"}') == (
        '{"id":1,"src":"dev","error":{"code":404,"message":"No handler for None\\"such"}}'
    )


def test_without_an_id_a_call_is_made_and_not_answered() -> None:
    device = made()
    calls: list[Call] = []

    def note(call: Call) -> str:
        calls.append(call)
        return "1"

    device.methods.register("Note", "", note)
    assert ask(device, '{"method":"Note","params":{"a":"b"}}', 17) == ""
    assert ask(device, '{"method":"None"}') == ""
    (call,) = calls
    assert call.arguments == {"a": '"b"'} and call.now_us == 17 and call.channel is UART


def test_the_handler_registered_last_is_tried_first() -> None:
    device = made()
    device.methods.register("E*", "", lambda _call: '"glob"')
    assert ask(device, '{"id":1,"method":"Echo","params":1}') == '{"id":1,"src":"dev","result":"glob"}'
    device.methods.register("Echo", "", lambda _call: '"last"')
    assert ask(device, '{"id":1,"method":"Echo"}') == '{"id":1,"src":"dev","result":"last"}'


def test_a_frame_for_somebody_else_or_too_long_is_refused() -> None:
    device = made()
    assert ask(device, '{"id":1,"dst":"DEV","method":"Null"}') == Malformed("it is for DEV")
    assert ask(device, '{"id":1,"dst":"other","result":1}') == Malformed("it is for other")
    assert ask(device, "junk") == Malformed("it is not one JSON object")
    start, end = b'{"id":1,"method":"Null","params":"', b'"}'
    longest = start + b"x" * (4096 - len(start) - len(end)) + end
    assert ask(device, longest) == '{"id":1,"src":"dev","result":null}'
    assert ask(device, longest[:-2] + b"x" + end) == Malformed("4097 bytes, 4096 are allowed")
    assert ask(Dispatcher(("dev",), limits=Limits(max_frame_size=9)), '{"id": 1 }') == Malformed(
        "10 bytes, 9 are allowed"
    )


@pytest.mark.parametrize(("now_us", "left"), [(0, None), (1, 99), (1000, 99), (1001, 98), (100_000, 0), (105_500, -5)])
def test_while_a_reboot_is_due_calls_are_refused(now_us: int, left: int | None) -> None:
    device = made()
    device.reboot_at_us = 100_000
    due = '"result":null' if left is None else f'"error":{{"code":418,"message":"shutting down in {left} ms"}}'
    assert ask(device, '{"id":1,"method":"Null"}', now_us) == f'{{"id":1,"src":"dev",{due}}}'
    assert "404" in str(ask(device, '{"id":1,"method":"None"}', now_us)), "who is called is asked first"


def test_the_guard_is_asked_and_told_the_time_of_day() -> None:
    device = Dispatcher(("dev",), guard=Guard(Acl.parse('[{"method":"RPC.*","acl":"alice"}]')), epoch_s=1_700_000_000)
    answer = ask(device, '{"id":1,"method":"RPC.List"}', 2_000_001)
    assert answer == (
        '{"id":1,"src":"dev","error":{"code":401,"message":"{\\"auth_type\\": \\"digest\\", \\"nonce\\": 1700000002, '
        '\\"nc\\": 1, \\"realm\\": \\"RPC\\", \\"algorithm\\": \\"MD5\\"}"}}'
    )


def test_an_answer_may_come_later() -> None:
    device = made()
    kept: list[Deferred] = []

    def later(_call: Call) -> Deferred:
        kept.append(Deferred())
        return kept[-1]

    device.methods.register("Later", "", later)
    answers: list[bytes] = []
    for number in (b"1", b"2"):
        device.receive(b'{"id":' + number + b',"method":"Later"}', UART, 0, answers.append)
    assert answers == []
    kept[1].answer("true")
    kept[0].answer(RpcError(0, "Update applied, finalizing"))
    assert answers == [
        b'{"id":2,"src":"dev","result":true}',
        b'{"id":1,"src":"dev","error":{"code":0,"message":"Update applied, finalizing"}}',
    ]
    with pytest.raises(AssertionError, match="answered twice: please report"):
        kept[0].answer("")


def test_an_answer_given_before_the_handler_returns_is_kept() -> None:
    device = made()

    def at_once(_call: Call) -> Deferred:
        answer = Deferred()
        answer.answer("1")
        return answer

    device.methods.register("Now", "", at_once)
    assert ask(device, '{"id":1,"method":"Now"}') == '{"id":1,"src":"dev","result":1}'


def test_an_answer_reaches_who_waits_for_it_once() -> None:
    device = made()
    got: list[Answer] = []
    device.pending.add("5", got.append)
    assert ask(device, '{"id":6,"result":1}') == ""
    assert ask(device, '{"id":5,"result":{"a": 1}}') == ""
    assert ask(device, '{"id":5,"result":2}') == ""
    assert got == [Response("5", '{"a": 1}')]


def test_too_many_calls_end_the_oldest() -> None:
    got: list[Answer] = []
    pending = PendingCalls(2)
    for number in ("1", "2", "3"):
        pending.add(number, got.append)
    assert got == [ErrorResponse("1", 429, "Request queue overflow")]
    pending.forget("2")
    assert not pending.settle(Response("2")) and pending.settle(Response("3"))
    assert len(pending) == 0


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_after_any_garbage_the_device_still_answers(garbage: list[bytes]) -> None:
    device = made()
    for data in garbage:
        ask(device, data)
    assert ask(device, '{"id":1,"method":"Null"}') == '{"id":1,"src":"dev","result":null}'
