"""First touches of flash: which loads and blocks of code are the first of a session in their piece of memory.

A session is recognised by what it has looked at, so every load from flash and every block of code there is hooked. All
but the first in each piece of 32 bytes say nothing new; that is found out by two hooks of machine code, so that a
checksum over an image costs a few nanoseconds a load instead of a microsecond. A Python function does the same where
there are no instructions for the machine.

    struct state { uint64_t fold, base, size, low, span; uint8_t *touched; int (*reg_read)(void *, int, void *);
      int (*reg_write)(void *, int, const void *); void (*new_read)(void *, int, uint64_t, int, int64_t, void *);
      void (*new_block)(void *, uint64_t, uint32_t, void *); uint64_t status, status_register, it; };

    void on_block(void *uc, uint64_t address, uint32_t size, struct state *s)
    {
        uint64_t at = (address & s->fold) - s->base;
        if (at - s->low < s->span) {
            uint64_t piece = at >> 5, last = (at + size - 1) >> 5;
            while (s->touched[piece])
                if (piece++ == last)
                    return;
        }
        s->new_block(uc, address, size, s);
    }

    void on_read(void *uc, int type, uint64_t address, int size, int64_t value, struct state *s)
    {
        s->reg_read(uc, (int)s->status_register, &s->status);
        if (s->status & s->it) {              // left over, and the instruction after a later load would not run
            s->status &= ~s->it;
            s->reg_write(uc, (int)s->status_register, &s->status);
        }
        uint64_t at = (address & s->fold) - s->base;
        if (at < s->size && s->touched[at >> 5] && s->touched[(at + (uint32_t)size - 1) >> 5])
            return;
        s->new_read(uc, type, address, size, value, s);
    }

Compiled by GCC 12 with -Os -fPIC -ffreestanding -fomit-frame-pointer -fno-asynchronous-unwind-tables
-fno-stack-protector -fno-stack-clash-protection, and -fcf-protection=branch, or -mbranch-protection=bti.

Neighbours: `engine` registers the hooks; whoever records footprints sets ``touched``. Knows no engine and no footprint.
"""

from __future__ import annotations

import ctypes

import numpy as np

PIECE = 32
"""Bytes of flash that are touched together."""

(FOLD, BASE, SIZE, LOW, SPAN, TOUCHED, REG_READ, REG_WRITE, NEW_READ, NEW_BLOCK, STATUS, STATUS_REGISTER, IT) = range(
    13
)
"""Words of the state. Blocks outside ``LOW`` and the ``SPAN`` bytes behind it are always told of."""
WORDS = 13

X86_64 = bytes.fromhex(
    "f30f1efa488b014989f84821f0482b41084889c7482b7918483b7920732c4189d14889c74a8d4408ff4c8b492848c1ef"
    "0548c1e80541803c3900740e4c8d57014839c7740e4c89d7ebeb488b41484c89c7ffe0c3f30f1efa41574d89c7415641"
    "89f641554189cd41544989d4498d5150554889fd534c89cb4883ec18418b7158488954240841ff5130488b4b50488b43"
    "604885c1741848f7d0488b5424088b73584889ef4821c848894350ff5338488b034c21e0482b4308483b43107323488b"
    "53284889c148c1e905803c0a0074124489e9488d4408ff48c1e805803c02007526488b43404883c4184989d94d89f85b"
    "4489e94c89e24489f64889ef5d415c415d415e415fffe04883c4185b5d415c415d415e415fc3"
)
AARCH64 = bytes.fromhex(
    "5f2403d5651040a9661040f92500058aa50004cb640c40f9a40004cb9f0006eb22010054e403022aa6fc45d3840400d1"
    "8400058b671440f984fc45d3e568663885000035642440f9f00304aa00021fd6c5040091df0004eb60000054e60305aa"
    "f7ffff17c0035fd65f2403d5f353bca9f30305aaf40300aaf55b01a9f603032af50302aaa31840f9f76302a9f703012a"
    "a15840b9f80304aaf97b03a9b9400191e20319aa60003fd6612a40f9603240f93f0000ea00010054631e40f92000208a"
    "615a40b9e20319aa602a00f9e00314aa60003fd6600640a9a002008a000001cb610a40f93f0000eb69010054611640f9"
    "02fc45d322686238e2000034e503162aa50400d1a500008ba5fc45d320686538c0010035f97b43a9e50313aa662240f9"
    "e40318aae303162ae20315aaf55b41a9e103172af76342a9e00314aaf353c4a8f00306aa00021fd6f55b41a9f76342a9"
    "f97b43a9f353c4a8c0035fd6"
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
ON_READ_AT = {"x86_64": 0x54, "aarch64": 0x68}
"""Where the second function begins; the first begins at 0."""


class FirstTouch:
    """``size`` bytes of flash at ``base``; addresses that differ in bits that ``fold`` has not are the same bytes.

    ``touched``: a byte for each piece, not 0 where nothing new can be seen. ``state``: what the machine code works on.
    """

    def __init__(self, base: int, size: int, fold: int) -> None:
        self.touched = np.zeros(size // PIECE + 1, np.uint8)
        self.state = (ctypes.c_uint64 * WORDS)()
        self.state[FOLD], self.state[BASE], self.state[SIZE] = fold, base & fold, size
        self.state[TOUCHED] = self.touched.ctypes.data

    def begin(self) -> None:
        """A session begins: nothing has been touched, and every block is to be told of."""
        self.touched.fill(0)
        self.state[LOW] = self.state[SPAN] = 0

    def touch(self, offset: int, size: int) -> None:
        """The range has nothing new in it from now on."""
        self.touched[offset // PIECE : (offset + size - 1) // PIECE + 1] = 1

    def stay_in(self, low: int, span: int) -> None:
        """Blocks in this range of offsets are told of only where they are new."""
        self.state[LOW], self.state[SPAN] = low, span

    def is_new(self, address: int, size: int) -> bool:
        """Whether an access has something new in it."""
        state = self.state
        at = (address & state[FOLD]) - state[BASE]
        return not (0 <= at < state[SIZE] and self.touched[at // PIECE : (at + size - 1) // PIECE + 1].all())

    def is_new_block(self, address: int, size: int) -> bool:
        """Whether a block has something new in it, or lies elsewhere."""
        state = self.state
        at = (address & state[FOLD]) - state[BASE]
        return not (0 <= at - state[LOW] < state[SPAN]) or self.is_new(address, size)
