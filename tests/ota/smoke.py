"""A life on real links: a served device, our client's update through a hostile network, and power that goes and comes;
all of it drawn from a seed. Neighbours: `served` has the device. `Life.judge` raises AssertionError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TypeVar

from emu.errors import LinkLost
from emu.ota.errors import OtaError
from emu.ota.links.hostile import HostileRelay
from emu.ota.mongoose.client import Answered, Caller, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from emu.ota.mongoose.updating import Order, Step, Update, Updating, begin_params
from flash.draws import mix
from flash.journal import Interruption
from tests.ota.served import NEW, OLD, Bench, bundle, eventually, make_device, served

T = TypeVar("T")
ARCHIVE = bundle()
ORDER = Order(
    archive=ARCHIVE, begin=begin_params(len(ARCHIVE)), timeout_us=700_000, reboot_timeout_us=5_000_000, commits=True
)
OFF_S = 0.05
STALL_S = 0.5
LONG_US = 700 * 1_000_000
"""Longer than an update without progress lives, and than a trial."""
MOST_CUTS, MOST_TURNS, MOST_ENTRIES = 2, 25, 60
_CUTS, _KIND, _PLACE, _CALLER = range(4)


class Keeper:
    """Of a relay that stands in front of no device of ours."""

    is_running = True

    async def until_running(self) -> None: ...

    def failed(self, wrong: BaseException) -> None:
        raise wrong


class Hand:
    """Cuts the power at drawn moments, counted in turns of the device or in entries of its journal, and restores it."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench = bench
        self._seed = seed
        self._left = mix(seed, _CUTS) % (MOST_CUTS + 1)
        self._turns = -1
        self._is_off = False
        bench.serving.on_rest = self._rested
        self._plan()

    def calm(self) -> None:
        """Whatever was planned and has not come is not going to."""
        self._left, self._turns = 0, -1
        if self._bench.device.node.session is not None:
            self._bench.device.node.cut_next(None)

    def _plan(self) -> None:
        node = self._bench.device.node
        if not self._left or node.journal is None:
            return
        key = (self._seed, self._left)
        if mix(*key, _KIND) & 1:
            self._turns = 1 + mix(*key, _PLACE) % MOST_TURNS
        else:
            node.cut_next(Interruption(len(node.journal.entries) + mix(*key, _PLACE) % MOST_ENTRIES))

    def _rested(self) -> None:
        if self._turns > 0:
            self._turns -= 1
            if not self._turns:
                self._bench.serving.cut_power()
        if self._bench.device.node.state == "off" and not self._is_off:
            self._is_off = True
            self._left -= 1
            asyncio.get_running_loop().call_later(OFF_S, self._restore)

    def _restore(self) -> None:
        self._is_off = False
        self._bench.serving.restore_power()
        self._plan()


class Life:
    """``hostile`` and ``direct``: ports, as a client is given them. ``calm``: makes ``direct`` a good one."""

    def __init__(self, bench: Bench, seed: int, hostile: str, direct: str, calm: Callable[[], Awaitable[None]]) -> None:
        self.bench = bench
        self._seed = seed
        self._hostile = hostile
        self._direct = direct
        self._calm = calm

    async def live(self) -> str:
        """The update in the storm, and what has to hold after it. What became of it."""
        hand = Hand(self.bench, self._seed)
        told = await in_thread(pushed, self._hostile, mix(self._seed, _CALLER))
        hand.calm()
        await self._calm()
        await self._until_running()
        became = await self.judge(told)
        await self._calm()
        again = await in_thread(pushed, self._direct, mix(self._seed, _CALLER, 1))
        assert again is not None, "a device at rest cannot be reached"
        assert again.step is Step.DONE, f"the next update fails: {again.failure}"
        assert await self._image() == NEW
        return became

    async def judge(self, told: Update | None) -> str:
        """``told``: what the client says of it; None: it never reached the device."""
        if told is not None and told.step is Step.DONE:
            assert await self._image() == NEW, "the client was told success and the old image stays"
            await self._long()
            assert await self._image() == NEW, "the client was told success and the new image goes"
            return "done"
        await self._long()
        image = await self._image()
        assert image in (OLD, NEW), "neither of the two images runs"
        return "never begun" if told is None else "failed, had it" if image == NEW else "failed"

    async def _until_running(self) -> None:
        await eventually(lambda: self.bench.device.node.state != "off")
        assert self.bench.device.node.state == "running", self.bench.device.node.why

    async def _long(self) -> None:
        """Time passes on the device, and none on the wall: timers run out, and it is at rest."""
        await self.bench.serving.do(lambda app: app.booted.session.wait(LONG_US))
        await self._until_running()

    async def _image(self) -> bytes:
        """The application in the slot that runs, as it stands on flash."""
        await self._until_running()
        found = b""
        slot = self.bench.app.booted.slot
        flash = self.bench.device.device.layout.slots[slot].flash
        for app in (NEW, OLD):
            found = found or (app if flash.read(256, len(app)) == app else b"")
        return found


def pushed(port: str, caller_seed: int) -> Update | None:
    """Our client's update over ``port``. None: no connection was made."""
    link, caller = Port(port, Caller(seed=caller_seed)).link()
    updating = Updating(ORDER)
    try:
        with Session(link, RpcClient(caller)) as session:
            return session.run(updating, *updating.start(session.client, session.now_us))
    except LinkLost:
        return None


async def nothing() -> None: ...


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """In one of its own: a client that waits must not take those a device connects in."""
    with ThreadPoolExecutor(1) as threads:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


@asynccontextmanager
async def life(link: str, seed: int, broker: tuple[str, int] | None) -> AsyncIterator[Life]:
    """A device that is served, and the network of ``seed`` in front of it; through MQTT, between it and its broker."""
    if link == "mqtt":
        assert broker is not None
        async with _relay(lambda: broker, seed) as relay, _behind_a_broker(relay, seed) as bench:
            port = "mqtt://{}:{}/{}".format(*broker, bench.device.device_id)

            async def calm() -> None:
                relay.calm()
                while not await in_thread(_answers, port, mix(seed, _CALLER, 2)):
                    pass  # it takes a moment until the device is back at its broker

            yield Life(bench, seed, port, port, calm)
        return
    async with served(make_device()) as bench:
        if link == "serial":
            yield Life(bench, seed, bench.serial.path, bench.serial.path, nothing)
            return
        path = {"tcp": "", "ws": "/rpc", "http": "/rpc"}[link]
        behind = bench.tcp if link == "tcp" else bench.http
        async with _relay(lambda: behind.address, seed) as relay:
            hostile, direct = (f"{link}://{host}:{port}{path}" for host, port in (relay.address, behind.address))
            yield Life(bench, seed, hostile, direct, nothing)


@asynccontextmanager
async def _relay(target: Callable[[], tuple[str, int]], seed: int) -> AsyncIterator[HostileRelay]:
    relay = HostileRelay("127.0.0.1", 0, target, seed, Keeper(), longest_s=STALL_S)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.close()


@asynccontextmanager
async def _behind_a_broker(relay: HostileRelay, seed: int) -> AsyncIterator[Bench]:
    """A user whose first connection does not come about starts the device again."""
    async with AsyncExitStack() as stack:
        bench = None
        while bench is None:
            with suppress(OtaError):
                device = make_device()
                device.settings.merge({"device": {"id": f"smoke-{seed}"}})  # others are on the same broker
                bench = await stack.enter_async_context(served(device, mqtt="mqtt://{}:{}".format(*relay.address)))
        yield bench


def _answers(port: str, caller_seed: int) -> bool:
    link, caller = Port(port, Caller(seed=caller_seed)).link()
    with suppress(LinkLost), Session(link, RpcClient(caller)) as session:
        return isinstance(session.call("OTA.Status", "", 0.3), Answered)
    return False
