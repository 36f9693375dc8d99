"""A shadow through a real broker: the device on one side, the service of `shadow_service` on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from emu.ota.mongoose.shadow_service import SUBSCRIPTION, ShadowService
from emu.ota.publishing import Message
from tests.ota.conftest import Mosquitto
from tests.ota.served import run, served

ID = "brownout_000001"
NOWHERE = "http://127.0.0.1:1/fw.zip"


class Cloud:
    """The service, and what it has answered. ``came`` is set at each message of a device."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.service = ShadowService()
        self.came = asyncio.Event()
        self._client = client

    async def serve(self) -> None:
        async for message in self._client.messages:
            assert isinstance(message.payload, bytes)
            await self.publish(self.service.receive(Message(message.topic.value, message.payload)))
            self.came.set()

    async def publish(self, messages: list[Message]) -> None:
        for message in messages:
            await self._client.publish(message.topic, message.payload, qos=1)

    async def until_reported(self, code: int) -> dict[str, object]:
        while True:
            shadow = self.service.shadows.get(ID)
            if shadow is not None and shadow.reported.get("ota", {}).get("code") == code:
                return dict(shadow.reported["ota"])
            self.came.clear()
            await self.came.wait()


@asynccontextmanager
async def cloud(broker: Mosquitto) -> AsyncIterator[Cloud]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(SUBSCRIPTION, qos=1)
        found = Cloud(client)
        serving = asyncio.create_task(found.serve())
        try:
            yield found
        finally:
            serving.cancel()
            await asyncio.wait([serving])


def test_a_desired_update_reaches_the_device_and_its_fate_the_service(broker: Mosquitto) -> None:
    async def test() -> None:
        async with cloud(broker) as fleet, served(mqtt=broker.url, servers=True) as bench:
            await bench.log.until("boot:")
            await fleet.publish(fleet.service.desire(ID, {"ota": {"url": NOWHERE}}))
            assert await fleet.until_reported(-10) == {"code": -10, "message": "Failed to connect"}
            assert fleet.service.shadows[ID].delta == {"ota": {"url": NOWHERE}}

    run(test)


def test_a_device_that_was_off_catches_up(broker: Mosquitto) -> None:
    async def test() -> None:
        async with cloud(broker) as fleet:
            fleet.service.desire(ID, {"ota": {"url": NOWHERE}})
            async with served(mqtt=broker.url, servers=True):
                assert (await fleet.until_reported(-10))["message"] == "Failed to connect"

    run(test)


def test_after_a_reset_it_connects_anew_and_what_failed_is_not_tried_again(broker: Mosquitto) -> None:
    async def test() -> None:
        async with cloud(broker) as fleet, served(mqtt=broker.url, servers=True) as bench:
            await fleet.publish(fleet.service.desire(ID, {"ota": {"url": NOWHERE}}))
            await fleet.until_reported(-10)
            version = fleet.service.shadows[ID].version
            await bench.serving.press_reset()
            await bench.log.until("boot:", 2)
            await fleet.publish(fleet.service.desire(ID, {"ota": {"url": f"{NOWHERE}?2"}}))
            while fleet.service.shadows[ID].version < version + 3:
                fleet.came.clear()
                await fleet.came.wait()
            assert (await fleet.until_reported(-10))["code"] == -10

    run(test)
