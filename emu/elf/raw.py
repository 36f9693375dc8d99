"""A host without a protocol: the bytes as they are, all at once or in chunks that the device asks for or answers.

Neighbours: `host` is the contract. Knows no wire.
"""

from __future__ import annotations

from emu.elf.host import Host


class Raw(Host):
    """``chunk``: bytes sent at once, 0 for all. ``ack``: what the device answers to each chunk before the next one is
    sent, ``pause_us``: how long the host waits before it sends the next one; without both, a chunk follows the other.
    ``done``: with what the device says that it has the update; b"": nobody waits for that."""

    def __init__(self, update: bytes, name: str, *, chunk: int, ack: bytes, pause_us: int, done: bytes) -> None:
        super().__init__(update, name)
        self._chunk = chunk or len(update)
        self._ack, self._pause_us, self._done = ack, pause_us, done
        self._at = 0
        self._heard = b""
        self._kept = max(len(ack), len(done))

    def begins(self, now_us: int) -> bytes:
        return self._next(now_us)

    def wakes(self, now_us: int) -> bytes:
        return self._next(now_us)

    def receives(self, data: bytes, now_us: int) -> bytes:
        sent = b""
        for byte in data:
            self._heard = (self._heard + bytes([byte]))[-self._kept :] if self._kept else b""
            if self._done and self._heard.endswith(self._done):
                self.is_told = True
            elif self._ack and self._heard.endswith(self._ack):
                self._heard = b""
                if not self._pause_us:
                    sent += self._next(now_us)
                elif self._at < len(self.update):
                    self.due_us = now_us + self._pause_us
        return sent

    def _next(self, now_us: int) -> bytes:
        sent = self.update[self._at : self._at + self._chunk]
        self._at += len(sent)
        if self._at < len(self.update):
            if not self._ack:
                self.due_us = now_us + self._pause_us
        elif not self._done:
            self.is_over = True
        return sent
