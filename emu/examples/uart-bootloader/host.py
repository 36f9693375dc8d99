"""A host of one's own: it sends as XMODEM does, and then asks the device for nothing more.

host = "host.py:Impatient" in board.toml, in the place of protocol. A host is made anew for every attempt, and what it
does follows from what it is told alone.
"""

from emu.elf.host import Host
from emu.elf.xmodem import block

ACK, EOT = 0x06, 0x04
AGAIN_US = 3_000_000


class Impatient(Host):
    """Sends a block again after three seconds instead of ten."""

    def begins(self, now_us: int) -> bytes:
        self.number = 0
        return b""

    def receives(self, data: bytes, now_us: int) -> bytes:
        if data == b"C" and not self.number:
            self.number = 1
        elif data[0] == ACK and self.number:
            self.number += 1
        else:
            return b""
        self.due_us = now_us + AGAIN_US
        if self.number > self.blocks + 1:
            self.is_told, self.due_us = True, None
            return b""
        return self.packet

    def wakes(self, now_us: int) -> bytes:
        self.due_us = now_us + AGAIN_US
        return self.packet

    @property
    def blocks(self) -> int:
        return -(-len(self.update) // 128)

    @property
    def packet(self) -> bytes:
        if self.number > self.blocks:
            return bytes([EOT])
        data = self.update[128 * self.number - 128 : 128 * self.number]
        return block(self.number, data.ljust(128, b"\x1a"), with_crc=True)
