"""RPC over HTTP, sans-IO: a request and its body in, an answer out, at once or later.

    POST /rpc                a frame; the answer is a frame
    POST /rpc/METHOD         the body is ``params``; the answer is the bare result, or the bare error with its status
    GET  /rpc/METHOD?k=v     the same with ``params`` {"k":v}, the value as it stands
    OPTIONS                  what a browser asks first

Neighbours: `dispatcher` calls the methods; `http_update` has the other addresses; `http_front` brings requests. Knows
no socket.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from emu.ota.links.http import HttpAnswer, HttpRequest
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.call import Channel, RpcError
from emu.ota.mongoose.digest import Algorithm, Credentials, http_challenge
from emu.ota.mongoose.guard import Guard
from emu.ota.mongoose.wire import Answer, ErrorResponse, Malformed, Request, Response, parse

PREFIX = "/rpc"
JSON_HEADERS = (
    ("Content-Type", "application/json"),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "*"),
)
UNASKED = "1"
"""The id of a frame that is made of a REST call; nobody sees it."""


def is_rpc(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def answer_rpc(
    app: MongooseApplication, request: HttpRequest, body: bytes, answer: Callable[[HttpAnswer], None]
) -> None:
    """``answer`` is called once, now or when a deferred answer comes."""
    if request.method == "OPTIONS":
        answer(HttpAnswer(200, JSON_HEADERS, b"", request.keeps_alive))
        return
    method = request.path[len(PREFIX) + 1 :]
    frame = parse(body) if not method else Request(method, UNASKED, params=_params(request, body))
    if isinstance(frame, Malformed) or len(body) > app.dispatcher.limits.max_frame_size:
        answer(INVALID)
        return

    def reply(said: Answer) -> None:
        answer(_answered(app, request, said, is_rest=bool(method)))

    wrong = app.dispatcher.handle(frame, channel_of(app, request), app.now_us, reply)
    if wrong is not None:
        answer(INVALID)
    elif not (isinstance(frame, Request) and frame.id):
        answer(HttpAnswer(200, JSON_HEADERS, b"\r\n", request.keeps_alive))


def plain(status: int, text: str) -> HttpAnswer:
    """An answer for people; the connection ends."""
    return HttpAnswer(status, (("Content-Type", "text/plain"),), f"{text}\r\n".encode())


INVALID = plain(400, "Invalid request")
TOO_LARGE = plain(413, "Payload Too Large")
NOT_FOUND = plain(404, "Not Found")


def channel_of(app: MongooseApplication, request: HttpRequest) -> Channel:
    """HTTP says by itself who the peer is: in a header, which signs method and address."""
    return Channel("HTTP", request.peer, is_persistent=False, username=_username(app, request))


def challenge(app: MongooseApplication) -> HttpAnswer:
    guard: Guard = app.dispatcher.guard
    value = http_challenge(guard.realm, guard.algorithm, _now_s(app))
    return HttpAnswer(401, (*JSON_HEADERS, ("WWW-Authenticate", value)))


def refused(app: MongooseApplication, request: HttpRequest, method: str) -> HttpAnswer | None:
    """What an address that is no method is answered where access rules keep ``method``, its like, from the peer."""
    admitted = app.dispatcher.guard.admit(Request(method), channel_of(app, request), _now_s(app))
    if not isinstance(admitted, RpcError):
        return None
    return challenge(app) if admitted.code == 401 else plain(admitted.code, admitted.message)


def _answered(app: MongooseApplication, request: HttpRequest, said: Answer, *, is_rest: bool) -> HttpAnswer:
    if isinstance(said, ErrorResponse) and said.code == 401:
        return challenge(app)
    status, body = 200, said.emit()
    if is_rest and isinstance(said, ErrorResponse):
        status, body = said.code if said.code in (403, 404) else 500, said.body.encode()
    elif is_rest and isinstance(said, Response):
        body = said.result.encode()
    return HttpAnswer(status, JSON_HEADERS, body + b"\r\n", request.keeps_alive)


def _params(request: HttpRequest, body: bytes) -> str:
    """Bytes that are not UTF-8 are no JSON: they are read as no arguments at all."""
    if request.method == "GET" and not body and request.query:
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=64)
        except ValueError:
            return ""
        return "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
    try:
        return body.decode()
    except UnicodeDecodeError:
        return ""


def _username(app: MongooseApplication, request: HttpRequest) -> str:
    guard: Guard = app.dispatcher.guard
    if guard.passwords is None:
        return ""
    said = Credentials.from_header(request.header("authorization"))
    if said is None or said.realm != guard.realm or (said.algorithm or Algorithm.MD5.value) != guard.algorithm.value:
        return ""
    passwords = guard.passwords()
    ha1 = None if passwords is None else passwords.find(said.username, said.realm)
    if ha1 is None or not said.is_fresh(_now_s(app), base=16):
        return ""
    return said.username if said.is_right(ha1, guard.algorithm, request.method, request.target) else ""


def _now_s(app: MongooseApplication) -> int:
    return app.dispatcher.epoch_s + app.now_us // 1_000_000
