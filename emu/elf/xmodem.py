"""XMODEM, XMODEM-1K and YMODEM, the sending side, as hosts.

The receiver begins: "C" asks for a CRC-16 behind each block, NAK for a sum of eight bits. A block is acknowledged,
asked for again, or not answered, and then sent again. What is acknowledged last says that the receiver has everything:
EOT, or in YMODEM the empty block behind it.

Neighbours: `host` is the contract. Source: Forsberg, XMODEM/YMODEM Protocol Reference; lrzsz where that is silent (the
tail of a file in blocks of 128). Knows no wire.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable

from emu.elf.host import Host

SOH, STX, EOT, ACK, NAK, CAN, CRC = 0x01, 0x02, 0x04, 0x06, 0x15, 0x18, 0x43
PAD = 0x1A
ANSWER_US = 10_000_000
"""How long an answer is waited for."""
ASKED_US = 30_000_000
"""How long the receiver has to ask for the first block, whatever else it says."""
MAX_ERRORS, MAX_SILENCES = 10, 3
"""How often in a row a block is sent again: because it was asked for, and because nothing was said."""
SHORT, LONG = 128, 1024
_TAIL = 896
"""With blocks of 1024, what is no longer than this goes in blocks of 128."""


def block(number: int, data: bytes, *, with_crc: bool) -> bytes:
    """A block of 128 or 1024 bytes as it goes over the line."""
    assert len(data) in (SHORT, LONG), "a block is of another length: please report"
    head = bytes([SOH if len(data) == SHORT else STX, number & 0xFF, ~number & 0xFF])
    check = binascii.crc_hqx(data, 0).to_bytes(2, "big") if with_crc else bytes([sum(data) & 0xFF])
    return head + data + check


class XmodemHost(Host):
    """``block_size``: 128 or 1024."""

    def __init__(self, update: bytes, name: str, *, block_size: int) -> None:
        super().__init__(update, name)
        self._block_size = block_size
        self._with_crc = True
        self._errors = self._silences = 0
        self._cancels = 0
        self._number = self._at = self._length = 0
        self._last = b""
        self._takes: Callable[[int], bytes] = self._asked

    # -- the contract ---------------------------------------------------------------------------------------------

    def begins(self, now_us: int) -> bytes:
        self.due_us = now_us + ASKED_US
        return b""

    def receives(self, data: bytes, now_us: int) -> bytes:
        sent = b""
        self._silences = 0
        for byte in data:
            if self.is_told or self.failure:
                break
            self._cancels = self._cancels + 1 if byte == CAN else 0
            if self._cancels == 2:
                self._give_up("the device has cancelled the transfer")
                break
            sent += self._takes(byte)
        if sent:
            self.due_us = now_us + ANSWER_US
        elif self.is_told or self.failure:
            self.due_us = None
        return sent

    def wakes(self, now_us: int) -> bytes:
        """Nobody has answered, or asked."""
        if not self._last:
            self._give_up(f"the device has not asked for a block, by C or NAK, for {ASKED_US // 1_000_000} s")
            return b""
        self._silences += 1
        if self._silences > MAX_SILENCES:
            self._give_up("the device does not answer")
            return b""
        self.due_us = now_us + ANSWER_US
        return self._last

    # -- what the next byte means -----------------------------------------------------------------------------------

    def _asked(self, byte: int) -> bytes:
        """The receiver asks for the first block."""
        if byte not in (CRC, NAK):
            return b""
        self._with_crc = byte == CRC
        return self._begin()

    def _begin(self) -> bytes:
        self._number = 1
        return self._send_block()

    def _answered(self, byte: int) -> bytes:
        """A block was sent."""
        if byte == NAK:
            return self._again("the device asks for one block again and again")
        if byte != ACK:
            return b""  # one more "C" that crossed the first block
        self._errors = 0
        self._at += self._length
        self._number += 1
        return self._send_block()

    def _ended(self, byte: int) -> bytes:
        """EOT was sent."""
        if byte == NAK:
            return self._again("the device does not take the end of the file")
        if byte == ACK:
            self._errors = 0
            return self._finish()
        return b""

    # -- what is sent -----------------------------------------------------------------------------------------------

    def _send_block(self) -> bytes:
        """The next one, or the end."""
        left = len(self.update) - self._at
        if left <= 0:
            self._takes = self._ended
            return self._sent(bytes([EOT]))
        size = SHORT if left <= _TAIL else self._block_size
        self._length = min(size, left)
        data = self.update[self._at : self._at + self._length].ljust(size, bytes([PAD]))
        self._takes = self._answered
        return self._sent(block(self._number, data, with_crc=self._with_crc))

    def _finish(self) -> bytes:
        self.is_told = True
        return b""

    def _sent(self, data: bytes) -> bytes:
        self._last = data
        return data

    def _again(self, why: str) -> bytes:
        self._errors += 1
        if self._errors > MAX_ERRORS:
            self._give_up(why)
            return b""
        return self._last

    def _give_up(self, why: str) -> None:
        self.failure = why


class YmodemHost(XmodemHost):
    """A batch of one file: its name and size first, blocks of 1024, and an empty block at the end."""

    def __init__(self, update: bytes, name: str) -> None:
        super().__init__(update, name, block_size=LONG)

    def _begin(self) -> bytes:
        info = self.name.encode("utf-8", "replace") + b"\0" + str(len(self.update)).encode()
        size = SHORT if len(info) < SHORT else LONG
        self._takes = self._named
        return self._sent(block(0, info[: size - 1].ljust(size, b"\0"), with_crc=self._with_crc))

    def _named(self, byte: int) -> bytes:
        """The name was sent."""
        if byte == NAK:
            return self._again("the device does not take the name of the file")
        if byte == ACK:
            self._errors = 0
            self._takes = self._asked_for_data
        return b""

    def _asked_for_data(self, byte: int) -> bytes:
        return super()._begin() if byte in (CRC, NAK) else b""

    def _finish(self) -> bytes:
        self._takes = self._asked_for_more
        return b""

    def _asked_for_more(self, byte: int) -> bytes:
        if byte not in (CRC, NAK):
            return b""
        self._takes = self._closed
        return self._sent(block(0, bytes(SHORT), with_crc=self._with_crc))

    def _closed(self, byte: int) -> bytes:
        if byte == NAK:
            return self._again("the device does not take the end of the batch")
        if byte == ACK:
            self.is_told = True
        return b""
