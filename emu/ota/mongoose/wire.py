"""MG-RPC frames: bytes to values and back, byte for byte as SPEC.md says under "MG-RPC frames".

Neighbours: `jsontext` takes JSON apart; framing, dispatching and clients stand on these values. Knows no link, no
time, no method. What cannot be understood is a value (`Malformed`), never an exception.

In all frames an empty string means "not there", because the wire says so too: an empty id, src, dst, tag or message
is not sent. Frames are structs of msgspec: every call makes several, and those are made and replaced in C.
"""

from __future__ import annotations

import re

from msgspec import Struct

from emu.ota.mongoose.jsontext import members, number_or_quoted, quoted, scalar

_KNOWN = {"v", "id", "src", "dst", "tag", "method", "args", "params", "auth", "result", "error"}


class Request(Struct, frozen=True):
    """A call. Without an ``id`` nobody answers. ``params`` and ``auth`` are JSON text."""

    method: str
    id: str = ""
    params: str = ""
    src: str = ""
    dst: str = ""
    tag: str = ""
    key: str = ""
    auth: str = ""
    version: int = 0
    args_name: str = "params"  # or "args", the deprecated name

    def emit(self) -> bytes:
        """In the order of the command line client."""
        return _frame(
            ("v", str(self.version) if self.version else ""),
            ("src", _text(self.src)),
            ("dst", _text(self.dst)),
            ("key", _text(self.key)),
            ("tag", _text(self.tag)),
            ("id", _id(self.id)),
            ("method", quoted(self.method)),
            ("params", self.params if self.args_name == "params" else ""),
            ("auth", self.auth),
            ("args", self.params if self.args_name == "args" else ""),
        )

    def response(self, result: str, local_id: str) -> Response:
        """The answer to this call by ``local_id``; an empty ``result`` is null."""
        return Response(self.id, result or "null", self.dst or local_id, self.src, self.tag)

    def error(self, code: int, message: str, local_id: str) -> ErrorResponse:
        return ErrorResponse(self.id, code, message, self.dst or local_id, self.src, self.tag)


class Response(Struct, frozen=True):
    """``result``: JSON text, sent as it stands."""

    id: str
    result: str = "null"
    src: str = ""
    dst: str = ""
    tag: str = ""

    def emit(self) -> bytes:
        return _frame(*_answer(self.id, self.src, self.dst, self.tag), ("result", self.result or "null"))


class ErrorResponse(Struct, frozen=True):
    """``code`` 0 is no failure: some methods report their success this way."""

    id: str
    code: int
    message: str = ""
    src: str = ""
    dst: str = ""
    tag: str = ""

    def emit(self) -> bytes:
        return _frame(*_answer(self.id, self.src, self.dst, self.tag), ("error", self.body))

    @property
    def body(self) -> str:
        """The error object alone, as HTTP sends it."""
        return "{" + _joined(("code", str(self.code)), ("message", _text(self.message))) + "}"


class Malformed(Struct, frozen=True):
    """What arrived is no frame; the device closes a channel that was opened for this peer alone."""

    reason: str


Answer = Response | ErrorResponse
Frame = Request | Response | ErrorResponse


def parse(data: bytes) -> Frame | Malformed:
    """One frame. Members it does not know are ignored, ``jsonrpc`` among them."""
    found = members(data)
    if found is None:
        return Malformed("it is not one JSON object")
    if not _KNOWN & found.keys():
        return Malformed("no member of it belongs to a frame")
    texts: dict[str, str] = {}
    for name in ("src", "dst", "tag", "key", "method"):
        text = found.get(name, "null")
        value = "" if text == "null" else scalar(text)
        if value is None:
            return Malformed(f"{name} is no string")
        texts[name] = value
    number = scalar(found.get("id", '""'))
    if number is None:
        return Malformed("id is neither a number nor a string")
    if texts["method"]:
        return _request(found, texts, number)
    return _response(found, texts, number)


def _request(found: dict[str, str], texts: dict[str, str], number: str) -> Request:
    name = "args" if "args" in found and "params" not in found else "params"
    return Request(
        texts["method"],
        number,
        params=found.get(name, ""),
        src=texts["src"],
        dst=texts["dst"],
        tag=texts["tag"],
        key=texts["key"],
        auth="" if found.get("auth") == "null" else found.get("auth", ""),
        version=_integer(found.get("v", "0")),
        args_name=name,
    )


def _response(found: dict[str, str], texts: dict[str, str], number: str) -> Answer | Malformed:
    if not number:
        return Malformed("an answer without an id")
    error = members(found.get("error", "null"))
    if error is None:
        return Response(number, found.get("result", "null"), texts["src"], texts["dst"], texts["tag"])
    message = error.get("message", "null")
    text = "" if message == "null" else scalar(message)
    return ErrorResponse(
        number,
        _integer(error.get("code", "0")),
        message if text is None else text,
        texts["src"],
        texts["dst"],
        texts["tag"],
    )


def _integer(text: str) -> int:
    """0 for what is no whole number of at most 18 digits, as for one that is not there."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else 0


def _answer(number: str, src: str, dst: str, tag: str) -> tuple[tuple[str, str], ...]:
    return ("id", _id(number)), ("src", _text(src)), ("dst", _text(dst)), ("tag", _text(tag))


def _id(text: str) -> str:
    return number_or_quoted(text) if text else ""


def _text(text: str) -> str:
    return quoted(text) if text else ""


def _frame(*fields: tuple[str, str]) -> bytes:
    return ("{" + _joined(*fields) + "}").encode()


def _joined(*fields: tuple[str, str]) -> str:
    return ",".join(f'"{name}":{value}' for name, value in fields if value)
