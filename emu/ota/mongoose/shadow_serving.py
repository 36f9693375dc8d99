"""The shadow of one device, served through a real broker until the update it was asked for has ended.

Neighbours: `shadow_service` answers, `shadow_fate` judges, `links.mqtt` carries. Implements `links.link.Host` (a
service is always on) and `links.mqtt.TopicTalk`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

from emu.ota.links.mqtt import Broker, MqttLink, Publish
from emu.ota.mongoose.shadow_fate import Fate
from emu.ota.mongoose.shadow_service import PREFIX, ShadowService
from emu.ota.publishing import Message

SHOWN = 300
"""Characters of a document in the log."""


class ShadowServing:
    """``fate``: of an update that is desired; None: none is. ``said`` gets the log, ``changed`` is called after each
    change of the shadow. A delta that stands is told at each connection, because the device may have asked before."""

    def __init__(
        self,
        thing: str,
        service: ShadowService,
        *,
        fate: Fate | None,
        said: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_running = True
        self._thing = thing
        self._service = service
        self._fate = fate
        self._said = said
        self._changed = changed
        self._publish: Publish = lambda topic, payload: None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, broker: Broker, ready: Callable[[], None], until: asyncio.Event) -> None:
        """Until the update has ended, or somebody says so. Raises OtaError where there is no such broker."""
        name = f"shadow-{os.urandom(6).hex()}"
        topic = f"{PREFIX}{self._thing}/shadow/+"
        link = MqttLink(broker, self, lambda: name, lambda: (topic,), self._meet, said=self._said)
        await link.open()
        ending = asyncio.get_running_loop().create_task(until.wait())
        waited: list[asyncio.Future[None] | asyncio.Task[bool]] = [ending, self._over]
        try:
            ready()
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            await link.close()
        if self._over.done():
            self._over.result()

    # -- links.link.Host -------------------------------------------------------------------------------------------

    async def until_running(self) -> None:
        pass

    def failed(self, wrong: BaseException) -> None:
        if not self._over.done():
            self._over.set_exception(wrong)

    # -- links.mqtt.TopicTalk ----------------------------------------------------------------------------------------

    def _meet(self, publish: Publish) -> ShadowServing:
        self._publish = publish
        return self

    async def met(self) -> None:
        self._send(self._service.pending(self._thing))

    async def received(self, topic: str, payload: bytes) -> None:
        answers = self._service.receive(Message(topic, payload))
        self._send(answers)
        if not answers:
            return
        what = answers[0].topic.removeprefix(f"{PREFIX}{self._thing}/shadow/")
        answer: dict[str, Any] = json.loads(answers[0].payload)
        if what.endswith("/rejected"):
            self._said(f"{what}: {answer['code']} {answer['message']}")
        if what.startswith("get/") and self._fate is not None:
            self._fate.has_asked = True
        if what.startswith("get/"):
            self._said("the device asks for its shadow")
        elif what == "delete/accepted":
            self._said("the shadow is deleted")
        elif what == "update/accepted":
            self._updated(answer["state"])
        if what in ("update/accepted", "delete/accepted"):
            self._changed()

    def _updated(self, state: dict[str, Any]) -> None:
        reported = state.get("reported") or {}
        for name in reported:
            self._said(f"reported.{name} {_shown(reported[name])}")
        if "desired" in state:
            self._said(f"desired {_shown(state['desired'])}")
        now, held = reported.get("ota"), self._service.shadows[self._thing].reported.get("ota")
        if self._fate is None or not isinstance(now, dict) or not isinstance(held, dict):
            return
        self._fate.reported(now, held)
        if self._fate.is_over and not self._over.done():
            self._over.set_result(None)

    def _send(self, messages: list[Message]) -> None:
        for message in messages:
            self._publish(message.topic, message.payload)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
