"""Host: what stands at the other end of a UART and brings an update. Bytes in, bytes out; no wire and no clock.

    class Host(emu.elf.host.Host):
        def receives(self, data, now_us):
            return self.update if data.endswith(b"ready\\n") else b""

A host is made anew for every attempt and told what happens in the order of time, so all it does is a function of what
it was told: no random numbers, no wall clock, no files. Times are microseconds since the attempt began.

Neighbours: `xmodem` and `raw` are hosts; `conversation` lets one talk. Knows no firmware and no campaign.
"""

from __future__ import annotations


class Host:
    """Derive and override. ``update``: the bytes of `send` in the board file; ``name``: of that file.

    ``due_us``: when `wakes` is to be called; None: never. ``is_over``: it wants nothing more of the device;
    ``is_told``: the device has said that it has the update, which ends it as well; so does ``failure``: why it has
    given up.
    """

    def __init__(self, update: bytes, name: str) -> None:
        self.update = update
        self.name = name
        self.due_us: int | None = None
        self.is_over = False
        self.is_told = False
        self.failure = ""

    def begins(self, now_us: int) -> bytes:
        """An attempt begins. Returns what is sent."""
        return b""

    def receives(self, data: bytes, now_us: int) -> bytes:
        """The device has sent ``data``: one byte, most of the time."""
        return b""

    def wakes(self, now_us: int) -> bytes:
        """``due_us`` has come. It is None again unless this sets it."""
        return b""
