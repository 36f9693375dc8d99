"""The HTTP port of a device: which address is whose, and bodies read as far as they are wanted.

Neighbours: `http` and `http_update` answer; `links.http_server` brings requests and streams bodies; `serving` has the
turns. Knows no socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from emu.ota.links.http import Body, HttpAnswer, HttpRequest, form_variables
from emu.ota.links.multipart import MultipartError, boundary_of
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.http import NOT_FOUND, TOO_LARGE, answer_rpc, is_rpc, plain
from emu.ota.mongoose.http_update import Upload, answer_commit, answer_pull, answer_revert
from emu.ota.mongoose.talks import LARGEST_FRAME, Served

Act = Callable[[MongooseApplication, Callable[[HttpAnswer], None]], None]


class HttpFront:
    """``body_s``: how long a peer may take for a body that is no upload. Answers are `None` where the connection is to
    end without one."""

    def __init__(self, serving: Served, *, body_s: float) -> None:
        self._serving = serving
        self._body_s = body_s

    async def answer(self, request: HttpRequest, body: Body) -> HttpAnswer | None:
        if request.path == "/update" and request.method == "POST":
            boundary = boundary_of(request.header("content-type"))
            if boundary is not None:
                return await self._upload(request, boundary, body)
        act = self._act(request)
        if act is None:
            return NOT_FOUND
        content = await self._content(body)
        if not isinstance(content, bytes):
            return content
        return await self._when_answered(lambda app, answer: act(app, content, answer))

    def _act(
        self, request: HttpRequest
    ) -> Callable[[MongooseApplication, bytes, Callable[[HttpAnswer], None]], None] | None:
        if is_rpc(request.path):
            return lambda app, body, answer: answer_rpc(app, request, body, answer)
        if request.path == "/update/commit":
            return lambda app, body, answer: answer(answer_commit(app, request))
        if request.path == "/update/revert":
            return lambda app, body, answer: answer(answer_revert(app, request))
        if request.path == "/update":
            return lambda app, body, answer: answer_pull(
                app, request, form_variables(body.decode("latin-1")) | request.variables, answer
            )
        return None

    async def _content(self, body: Body) -> bytes | HttpAnswer | None:
        """None: it did not come in time."""
        content = bytearray()
        try:
            async with asyncio.timeout(self._body_s):
                async for piece in body:
                    content += piece
                    if len(content) > LARGEST_FRAME:
                        return TOO_LARGE
        except TimeoutError:
            return None
        return bytes(content)

    async def _when_answered(self, act: Act) -> HttpAnswer | None:
        """The answer, when the device's time has come to it. None: the device is gone before that."""
        said: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

        def settle(answer: HttpAnswer) -> None:
            if not said.done():
                said.set_result(answer)

        def deliver(answer: HttpAnswer) -> None:
            self._serving.leave(lambda: settle(answer))

        if not await self._serving.do(lambda app: act(app, deliver)):
            return None
        return await said

    async def _upload(self, request: HttpRequest, boundary: bytes, body: Body) -> HttpAnswer | None:
        upload: Upload | None = None

        def begin(app: MongooseApplication, reply: Callable[[HttpAnswer], None]) -> None:
            nonlocal upload
            wrong = Upload.refusal(app, request)
            if wrong is None:
                length = request.header("content-length")
                try:
                    upload = Upload(app, boundary, int(length) if length.isdecimal() else 0)
                except MultipartError as error:
                    wrong = plain(400, f"Malformed form: {error}")
            reply(wrong or CONTINUED)

        answer = await self._when_answered(begin)
        if upload is None or answer is not CONTINUED:
            return answer
        try:
            return await self._streamed(upload, body)
        finally:
            await self._serving.do(lambda app: upload.abandon("Connection closed") if app is upload.app else None)

    async def _streamed(self, upload: Upload, body: Body) -> HttpAnswer | None:
        """Piece by piece, each in its turn; as long as nothing comes, it is the update's own timeout that counts."""
        patience_s: float = upload.app.settings.get("update.timeout")
        pieces = aiter(body)
        while True:
            try:
                async with asyncio.timeout(max(1.0, patience_s)):
                    piece = await anext(pieces)
            except TimeoutError:
                return None
            except StopAsyncIteration:
                return await self._when_answered(lambda app, reply: reply(upload.finish()))
            answer = await self._fed(upload, piece)
            if answer is not CONTINUED:
                return answer

    async def _fed(self, upload: Upload, piece: bytes) -> HttpAnswer | None:
        return await self._when_answered(lambda app, reply: reply(upload.feed(piece) or CONTINUED))


CONTINUED = HttpAnswer(100)
"""Stands for no answer yet; never sent."""
