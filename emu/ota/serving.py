"""A device that is served: a thing that is switched on, its time follows the wall clock, with any number of links.

The device has one processor. What comes over any link takes its turn, first come first served, and while an operation
of its flash takes its time, nothing else happens: its answer leaves when that time is over, and so does everything
after it. With ``fast`` flash operations cost no wall-clock time, and timers still do.

A reset ends every connection, after the answers that were given before it have left. A power cut comes between two
calls: what a call has done to the flash is done, and an answer that has not left never does.

Neighbours: `node` is the device, `links` bring the bytes, `emu.clock` has the wall clock. Knows no protocol.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from emu.clock import Stopwatch
from emu.ota.links.link import Link
from emu.ota.node import NodeState

T = TypeVar("T")
Done = TypeVar("Done", covariant=True)


class Switched(Protocol[Done]):
    """What is served: a thing that is switched on, lives when time passes, and has something done to it. `node.Node` is
    one. ``on_reset`` is called with the reason whenever what ran has ended."""

    on_reset: Callable[[str], None]

    @property
    def state(self) -> NodeState: ...
    @property
    def now_us(self) -> int: ...
    @property
    def next_us(self) -> int | None: ...
    def switch_on(self) -> None: ...
    def switch_off(self) -> None: ...
    def press_reset(self) -> None: ...
    def do(self, act: Callable[[Done], None]) -> bool: ...
    def elapse(self, duration_us: int) -> None: ...


@dataclass(frozen=True)
class _Leaving:
    """Something the world gets to see. ``is_answer``: a power cut takes it back while it waits."""

    deliver: Callable[[], None]
    is_answer: bool


class Serving(Generic[T]):
    """Implements `links.link.Host`. ``said`` is given the device's log: microseconds of device time, and a line."""

    def __init__(self, node: Switched[T], *, fast: bool = False, said: Callable[[int, str], None]) -> None:
        self.node = node
        self._fast = fast
        self._said = said
        self._wall = Stopwatch()
        self._lead_us = 0
        self._turn = asyncio.Lock()
        self._leaving: deque[_Leaving] = deque()
        self._changed = asyncio.Event()
        self._running = asyncio.Event()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._planned_us: int | None = None
        self._ended = 0  # sessions
        self._links: list[Link] = []
        self.on_rest: Callable[[], None] = lambda: None
        """Called when a turn is over or the power has gone: nothing is under way, and the flash may have changed."""
        node.on_reset = self._reset

    # -- for links and what talks over them ------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self.node.state == "running"

    async def until_running(self) -> None:
        await self._running.wait()

    def failed(self, wrong: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_exception(wrong)

    async def do(self, act: Callable[[T], None]) -> bool:
        """Let the application do ``act`` in its turn, and wait until its time is over. False: there is no application,
        it was reset over it, or before its turn came: what was connected then is not any more."""
        ended = self._ended
        try:
            async with self._turn:
                await self._live()
                lived = ended == self._ended and self.node.do(act)
                await self._pass()
        finally:  # also where nobody waits for it any more: what it has led to is to leave in time
            if self._leaving or self._is_due_earlier():
                self._changed.set()
            self.on_rest()
        return lived

    def leave(self, deliver: Callable[[], None]) -> None:
        """An answer: ``deliver`` is called when the device's time has come to where it is now."""
        self._leaving.append(_Leaving(deliver, is_answer=True))

    def tell(self, text: str) -> None:
        """A line of the device's log, in a turn or from a link."""
        at_us = self.node.now_us
        self._leaving.append(_Leaving(lambda: self._said(at_us, text), is_answer=False))
        self._changed.set()

    # -- the user's hand -------------------------------------------------------------------------------------

    def cut_power(self) -> None:
        self._leaving = deque(item for item in self._leaving if not item.is_answer)
        self.node.switch_off()
        self._flush()
        self._changed.set()

    def restore_power(self) -> None:
        if self.node.state != "off":
            return
        self.node.switch_on()
        self._lead_us = self.node.now_us - self._wall_us()
        self._flush()
        self._changed.set()

    async def press_reset(self) -> None:
        async with self._turn:
            await self._live()
            self.node.press_reset()
            await self._pass()
        self._changed.set()

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self, links: Sequence[Link], ready: Callable[[], None], until: asyncio.Event) -> None:
        """Open ``links``, say ``ready``, switch on, and live ``until`` somebody says so. Raises OtaError where a link
        cannot be opened, and whatever a task of ours failed with."""
        async with AsyncExitStack() as stack:
            for link in links:
                stack.push_async_callback(link.close)
                await link.open()
                self._links.append(link)
            ready()
            self.restore_power()
            loop = asyncio.get_running_loop()
            living, ending = loop.create_task(self._follow()), loop.create_task(until.wait())
            waited: list[asyncio.Future[None] | asyncio.Task[bool] | asyncio.Task[None]] = [
                living,
                ending,
                self._broken,
            ]
            try:
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (living, ending):
                    task.cancel()
                await asyncio.wait([living, ending])
            for one in (living, self._broken):
                if one.done() and not one.cancelled():
                    one.result()
            self._broken.cancel()

    async def _follow(self) -> None:
        """Do what is due by itself when it is due."""
        while True:
            async with self._turn:
                await self._live()
            self.on_rest()
            self._changed.clear()
            self._planned_us = self.node.next_us
            await self._sleep(None if self._planned_us is None else self._planned_us - self._present_us)

    def _is_due_earlier(self) -> bool:
        """Whether `_follow` would come too late. What is due later than planned can wait: it looks again then."""
        due_us, planned_us = self.node.next_us, self._planned_us
        return due_us is not None and (planned_us is None or due_us < planned_us)

    def _wall_us(self) -> int:
        return int(self._wall.seconds * 1_000_000)

    @property
    def _present_us(self) -> int:
        """Device time by the wall clock. The node's own is behind it when nobody called, and ahead of it when an
        operation takes longer than computing it."""
        return self._wall_us() + self._lead_us

    async def _live(self) -> None:
        """Bring the device to the present."""
        while True:
            await self._pass()
            if self.node.state == "off":
                return
            behind_us = self._present_us - self.node.now_us
            if behind_us > 0:
                self.node.elapse(behind_us)
            if self.node.now_us <= self._present_us:
                self._flush()
                return

    async def _pass(self) -> None:
        """Wait until the wall clock has come to where the device is, and let the world see what it did."""
        while self.node.state != "off" and (ahead_us := self.node.now_us - self._present_us) > 0:
            if self._fast:
                self._lead_us += ahead_us
                break
            self._changed.clear()
            await self._sleep(ahead_us)
        self._flush()

    async def _sleep(self, duration_us: int | None) -> None:
        """At most so long; less where something has changed."""
        if duration_us is not None and duration_us <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(None if duration_us is None else duration_us / 1_000_000):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _flush(self) -> None:
        while self._leaving:
            self._leaving.popleft().deliver()
        if self.is_running:
            self._running.set()
        else:
            self._running.clear()

    def _reset(self, cause: str) -> None:
        self._ended += 1
        self.tell(cause)
        self._leaving.append(_Leaving(self._disconnect, is_answer=False))

    def _disconnect(self) -> None:
        for link in self._links:
            link.disconnect()
