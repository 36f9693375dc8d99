"""MG-RPC over a stream of bytes, as a link that keeps frames whole: with handshake and checksums on a serial port,
without over TCP.

Neighbours: `serial_client` has the framing, `links.client.stream` the bytes. Knows no frame's meaning.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.clock import Stopwatch
from emu.errors import LinkLost
from emu.ota.links.client.link import lost
from emu.ota.links.client.stream import Stream
from emu.ota.mongoose.framing import Received
from emu.ota.mongoose.serial_client import Console, SerialClient
from emu.wire import Wire, WireClosed


class StreamLink:
    """``is_serial``: a port, with handshake and checksums. ``printed`` is given the lines a device prints."""

    def __init__(
        self, stream: Stream, *, is_serial: bool, printed: Callable[[bytes], None] = lambda line: None
    ) -> None:
        self.label = stream.label
        self._stream, self._is_serial, self._printed = stream, is_serial, printed
        self._watch = Stopwatch()
        self._framing = SerialClient()
        self._wire: Wire | None = None
        self._dropped = ""

    @property
    def hint(self) -> str:
        if not self._framing.is_ready:
            return "it does not answer the handshake; is it the right port, at the right baud rate?"
        return self._dropped

    def open(self) -> None:
        self.close()
        self._wire = self._stream.open()
        self._wire.drain()  # what came before is nobody's answer
        self._framing = SerialClient(handshake=self._is_serial, checksums=self._is_serial)
        self._dropped = ""

    def send(self, frame: bytes) -> None:
        self._framing.send(frame, self._now_us)
        self._flush()

    def receive(self, timeout_s: float) -> list[bytes]:
        end_us = self._now_us + int(max(0.0, timeout_s) * 1e6)
        while True:
            due_us = self._framing.due_us
            until_us = end_us if due_us is None else min(end_us, due_us)
            frames = self._take(self._exchange((until_us - self._now_us) / 1e6))
            self._framing.wake(self._now_us)
            self._flush()
            if frames or self._now_us >= end_us:
                return frames

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    @property
    def _now_us(self) -> int:
        return int(self._watch.seconds * 1e6)

    def _flush(self) -> None:
        """Hand out what the framing lets go; what the other side does not take at once stays with the wire."""
        data = self._framing.data_to_send()
        if data:
            assert self._wire is not None, "a link that is not open was written: please report"
            self._wire.send(data)

    def _exchange(self, timeout_s: float) -> bytes:
        assert self._wire is not None, "a link that is not open was read: please report"
        try:
            return self._wire.exchange(timeout_s)
        except (WireClosed, ValueError, OSError):
            raise self._gone() from None

    def _gone(self) -> LinkLost:
        return lost(self.label, "the other side is gone")

    def _take(self, data: bytes) -> list[bytes]:
        self._framing.receive(data)
        frames = []
        for event in self._framing.events():
            if isinstance(event, Received):
                frames.append(event.frame)
            elif isinstance(event, Console):
                self._printed(event.text)
            else:
                self._dropped = f"an answer was dropped: {event.reason}"
        return frames
