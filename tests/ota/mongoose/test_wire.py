"""MG-RPC frames, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.mongoose.jsontext import ascii_only, device_object, members, quoted, scalar
from emu.ota.mongoose.wire import ErrorResponse, Malformed, Request, Response, parse
from tests.ota.mongoose.frames import FRAMES, JSON_TEXTS, REQUESTS

STATUS = '{"state":0,"message":"idle","is_committed":true,"progress_percent":0,"commit_timeout":0,"partition":0}'


def test_the_request_of_the_command_line_client() -> None:
    request = Request("OTA.Status", "1099511627777", src="mos")
    assert request.emit() == b'{"src":"mos","id":1099511627777,"method":"OTA.Status"}'
    assert parse(request.emit()) == request


def test_every_field_of_a_request_in_its_order() -> None:
    request = Request("M", "7", '{"a": 1}', "s", "d", "t", "k", '{"realm":"RPC"}', 2)
    assert request.emit() == (
        b'{"v":2,"src":"s","dst":"d","key":"k","tag":"t","id":7,"method":"M","params":{"a": 1},"auth":{"realm":"RPC"}}'
    )


def test_the_deprecated_name_of_params() -> None:
    request = Request("M", "7", "[1]", args_name="args")
    assert request.emit() == b'{"id":7,"method":"M","args":[1]}'
    assert parse(request.emit()) == request
    both = parse(b'{"id":7,"method":"M","params":{"new":1},"args":{"old":1}}')
    assert both == Request("M", "7", '{"new":1}')


def test_the_answer_to_status_as_in_the_worked_trace() -> None:
    answer = Request("OTA.Status", "1099511627777", src="mos").response(STATUS, "dev")
    assert answer.emit() == b'{"id":1099511627777,"src":"dev","dst":"mos","result":' + STATUS.encode() + b"}"


def test_spaces_of_a_result_reach_the_wire_and_survive_parsing() -> None:
    text = '{"active_slot": 0, "is_committed": true, "revert_slot": 0, "commit_timeout": 0}'
    data = Request("OTA.GetBootState", "5").response(text, "dev").emit()
    assert data == b'{"id":5,"src":"dev","result":' + text.encode() + b"}"
    assert parse(data) == Response("5", text, "dev")


def test_an_error_without_a_message_is_a_code_alone() -> None:
    data = Request("OTA.Commit", "5", src="mos").error(-1, "", "dev").emit()
    assert data == b'{"id":5,"src":"dev","dst":"mos","error":{"code":-1}}'
    assert parse(data) == ErrorResponse("5", -1, "", "dev", "mos")


def test_success_reported_as_an_error_of_code_0() -> None:
    data = b'{"id":1,"src":"dev","dst":"mos","error":{"code":0,"message":"Update applied, finalizing"}}'
    answer = parse(data)
    assert answer == ErrorResponse("1", 0, "Update applied, finalizing", "dev", "mos")
    assert answer.emit() == data


def test_src_of_an_answer_is_what_the_request_was_sent_to() -> None:
    request = Request("M", "1", src="me", dst="alias", tag="t")
    assert request.response("", "dev").emit() == b'{"id":1,"src":"alias","dst":"me","tag":"t","result":null}'


@pytest.mark.parametrize(
    ("written", "again"),
    [("5", "5"), ('"5"', "5"), ('"x"', '"x"'), ("-3", '"-3"'), ("1.5", '"1.5"'), ('"007"', '"007"'), ("0", "0")],
)
def test_an_id_of_digits_leaves_as_a_number(written: str, again: str) -> None:
    request = parse(f'{{"id":{written},"method":"M"}}'.encode())
    assert isinstance(request, Request)
    assert request.response("1", "dev").emit() == f'{{"id":{again},"src":"dev","result":1}}'.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is not one JSON object"),
        (b"[1]", "it is not one JSON object"),
        (b'{"id":1,"method":"M"}}', "it is not one JSON object"),
        (b'{"id":1,"method":"\xff"}', "it is not one JSON object"),
        (b'{"id":1,"method":"M","params":' + b"[" * 3000 + b"]" * 3000 + b"}", "it is not one JSON object"),
        (b"{}", "no member of it belongs to a frame"),
        (b'{"jsonrpc":"2.0"}', "no member of it belongs to a frame"),
        (b'{"id":[1],"method":"M"}', "id is neither a number nor a string"),
        (b'{"id":null,"method":"M"}', "id is neither a number nor a string"),
        (b'{"id":1,"method":["M"]}', "method is no string"),
        (b'{"id":1,"method":"M","dst":{}}', "dst is no string"),
        (b'{"result":1}', "an answer without an id"),
    ],
)
def test_what_is_no_frame_is_a_value_with_a_reason(data: bytes, reason: str) -> None:
    assert parse(data) == Malformed(reason)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [62, 63, 64, 2000])
def test_nesting_is_bounded(opening: str, closing: str, depth: int) -> None:
    inner = opening * depth + "1" + closing * depth
    frame = parse(f'{{"id":1,"method":"M","x":[[],[]],"params":{inner}}}'.encode())
    assert isinstance(frame, Request if depth < 64 else Malformed)


def test_brackets_in_strings_and_side_by_side_are_no_nesting() -> None:
    for text in ('"' + "[" * 100 + '\\"{"', "[" + "[],{}," * 100 + "1]"):
        assert parse(f'{{"id":1,"method":"M","params":{text}}}'.encode()) == Request("M", "1", text)


def test_what_is_unknown_or_null_is_as_if_it_were_not_there() -> None:
    assert parse(b'{"jsonrpc":"2.0","id":1,"method":"M","dst":null,"x":[1]}') == Request("M", "1")
    assert parse(b'{"id":1,"error":null}') == Response("1", "null")
    assert parse(b'{"id":1,"error":{}}') == ErrorResponse("1", 0)
    assert parse(b'{"id":1,"error":{"code":"x","message":{"a":1}}}') == ErrorResponse("1", 0, '{"a":1}')


@given(FRAMES)
def test_a_frame_survives_the_wire(frame: Request | Response | ErrorResponse) -> None:
    data = frame.emit()
    assert isinstance(json.loads(data), dict)
    assert parse(data) == frame


@given(REQUESTS)
def test_a_frame_escaped_to_7_bits_says_the_same(request: Request) -> None:
    text = request.emit().decode()
    assert ascii_only(text).isascii()
    assert json.loads(ascii_only(text)) == json.loads(text)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)))
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(parse(data), Malformed | Request | Response | ErrorResponse)


@given(st.text(max_size=20))
def test_a_quoted_string_is_json_and_escapes_as_a_device_does(text: str) -> None:
    assert json.loads(quoted(text)) == text
    assert scalar(quoted(text)) == text


def test_escapes_of_a_device() -> None:
    assert quoted('a"\\\b\t\n\f\r\x0b\x7fé') == '"a\\"\\\\\\b\\t\\n\\f\\r\\u000b\\u007fé"'


@given(st.dictionaries(st.text(max_size=5), JSON_TEXTS, max_size=4))
def test_members_come_out_as_they_were_put_in(fields: dict[str, str]) -> None:
    assert members(device_object(fields)) == fields
