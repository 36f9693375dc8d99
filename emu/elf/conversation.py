"""One attempt to bring an update over a UART: a host, the line in both directions, and what is on its way on it.

The line has ten bits for each byte and carries one byte after the other, each way. Time is counted from the beginning
of the attempt. What outlives a reset of the device is a value (`Talk`): what the device has sent, and when. A host does
nothing of its own accord, so with that everything else is made again.

Neighbours: `host` is who talks, `line` joins it to a machine. Knows no chip and no campaign.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from emu.elf.host import Host
from emu.errors import ScenarioError

SECOND = 1_000_000
BITS = 10
"""Of a byte on the line, with start and stop bit."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation at ``now_us``. ``heard``: what the device has sent, byte by byte, with when it arrives."""

    heard: tuple[tuple[int, int], ...] = ()
    now_us: int = 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How an attempt goes. ``after``: what the device has to say before the host begins; b"": it begins at once.
    ``patience_us``: how long nothing may be heard before the host gives up."""

    make: Callable[[], Host]
    baud: int
    after: bytes
    greeting: bytes
    patience_us: int


Happening = Literal["byte", "idle", "nothing"]


class Conversation:
    """From its beginning, or from where ``talk`` was."""

    def __init__(self, manner: Manner, talk: Talk | None = None) -> None:
        self.host = manner.make()
        self._manner = manner
        self._to_device: deque[tuple[int, int]] = deque()
        self._heard: list[tuple[int, int]] = []
        self._next_heard = 0
        self._burst: tuple[int, int] = (0, 0)
        self._last_us = 0
        self._idle_us: int | None = None
        self._waits = bool(manner.after)
        self._tail = b""
        self._give_up_us = manner.patience_us
        self.sent_count = 0
        if not self._waits:
            self._begin(0)
        if talk is not None:
            self._heard = list(talk.heard)
            while (due := self.next_us) is not None and due <= talk.now_us:
                self.step()

    # -- what it looks like -----------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the host wants nothing more. Bytes may still be on their way."""
        host = self.host
        return host.is_over or host.is_told or bool(host.failure)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing more will come."""
        return self.is_over and not self._to_device

    @property
    def next_us(self) -> int | None:
        """When something happens next; None: nothing will, unless the device says something."""
        times = [self._to_device[0][0]] if self._to_device else []
        if self._idle_us is not None:
            times.append(self._idle_us)
        if not self.is_over:
            times.append(self._give_up_us)
            if self._next_heard < len(self._heard):
                times.append(self._heard[self._next_heard][0])
            if self.host.due_us is not None and not self._waits:
                times.append(self.host.due_us)
        return min(times, default=None)

    def talk(self, now_us: int) -> Talk:
        return Talk(tuple(self._heard), now_us)

    # -- what happens -----------------------------------------------------------------------------------------------

    def hears(self, data: bytes, now_us: int) -> None:
        """The device sends ``data``."""
        for byte in data:
            last_us = self._heard[-1][0] if self._heard else 0
            self._heard.append((max(now_us, last_us) + -(-BITS * SECOND // self._manner.baud), byte))

    def step(self) -> tuple[Happening, int]:
        """The next thing happens; a byte that has come to the device is returned."""
        due = self.next_us
        assert due is not None, "nothing was to happen, and is asked for: please report"
        if self._to_device and self._to_device[0][0] == due:
            self._idle_us = None
            _, byte = self._to_device.popleft()
            if not self._to_device:
                self._idle_us = due + -(-BITS * SECOND // self._manner.baud)
            return "byte", byte
        if self._idle_us == due:
            self._idle_us = None
            return "idle", 0
        if self._next_heard < len(self._heard) and self._heard[self._next_heard][0] == due:
            self._next_heard += 1
            self._give_up_us = due + self._manner.patience_us
            self._hear(self._heard[self._next_heard - 1][1], due)
        elif self.host.due_us == due and not self._waits:
            self.host.due_us = None
            self._send(self._said(lambda: self.host.wakes(due)), due)
        else:
            self.host.failure = self._silence
        return "nothing", 0

    @property
    def _silence(self) -> str:
        seconds = self._manner.patience_us / SECOND
        if self._waits:
            return f"the device has not said {self._manner.after.decode()!r} within {seconds:g} s"
        return f"nothing was heard of the device for {seconds:g} s"

    def _hear(self, byte: int, now_us: int) -> None:
        if not self._waits:
            self._send(self._said(lambda: self.host.receives(bytes([byte]), now_us)), now_us)
            return
        self._tail = (self._tail + bytes([byte]))[-len(self._manner.after) :]
        if self._tail == self._manner.after:
            self._waits = False
            self._begin(now_us)

    def _begin(self, now_us: int) -> None:
        self._send(self._manner.greeting + self._said(lambda: self.host.begins(now_us)), now_us)

    def _send(self, data: bytes, now_us: int) -> None:
        """Behind what is on the line already."""
        if not data:
            return
        if self._last_us <= now_us:
            self._burst = (now_us, 0)
        start_us, count = self._burst
        for byte in data:
            count += 1
            self._last_us = start_us + -(-BITS * SECOND * count // self._manner.baud)
            self._to_device.append((self._last_us, byte))
        self._burst = start_us, count
        self.sent_count += len(data)
        self._give_up_us = max(self._give_up_us, self._last_us + self._manner.patience_us)

    def _said(self, call: Callable[[], bytes]) -> bytes:
        """What the host, which may be a user's own, sends. Raises ScenarioError where it fails."""
        name = type(self.host).__name__
        try:
            sent = call()
        except Exception as wrong:
            raise ScenarioError(f"host {name} failed: {type(wrong).__name__}: {wrong}") from wrong
        if not isinstance(sent, bytes | bytearray):
            raise ScenarioError(f"host {name} returned {sent!r}: bytes to send, b'' for nothing")
        due = self.host.due_us
        if due is not None and not isinstance(due, int):
            raise ScenarioError(f"host {name} has due_us {due!r}: whole microseconds, or None")
        return bytes(sent)
