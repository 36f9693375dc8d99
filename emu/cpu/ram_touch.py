"""What a session reads of the RAM a reset has left it: every byte that is read, or executed, before it is written.

A reset keeps RAM, and most of what it keeps nobody looks at again: stacks, buffers, variables that are set at once. Two
states that differ in such bytes alone are one state. So loads, stores and blocks of code in RAM are hooked, and every
byte keeps what came first. Hooks of machine code do it at a few nanoseconds a time, a Python function where there are
no instructions for the machine.

    struct state { uint64_t base, size; uint8_t *marks; int (*reg_read)(void *, int, void *);
      int (*reg_write)(void *, int, const void *); uint64_t status, status_register, it; };

    void on_block(void *uc, uint64_t address, uint32_t size, struct state *s)
    {
        (void)uc;
        uint64_t at = address - s->base;
        for (uint32_t n = 0; n < size; n++, at++)
            if (at < s->size && !s->marks[at])
                s->marks[at] = 1;
    }

    void on_access(void *uc, int type, uint64_t address, int size, int64_t value, struct state *s)
    {
        (void)value;
        s->reg_read(uc, (int)s->status_register, &s->status);
        if (s->status & s->it) {
            s->status &= ~s->it;
            s->reg_write(uc, (int)s->status_register, &s->status);
        }
        uint64_t at = address - s->base;
        for (uint32_t n = 0; n < (uint32_t)size; n++, at++)
            if (at < s->size && !s->marks[at])
                s->marks[at] = type == 17 ? 2 : 1;
    }

Type 17 is a store. Compiled as in `first_touch`, and for the same reasons. Neighbours: `engine` registers the hooks,
`memory` tells of what exception entry, vectors and DMA do. Knows no session.
"""

from __future__ import annotations

import ctypes

import numpy as np

READ, WRITTEN = 1, 2
"""What came first, of a byte; 0: nothing yet."""

BASE, SIZE, MARKS, REG_READ, REG_WRITE, STATUS, STATUS_REGISTER, IT = range(8)
"""Words of the state."""
WORDS = 8
STORE = 17

X86_64 = bytes.fromhex(
    "f30f1efa482b3189d24801f24839d6741a483b7108730f488b41104801f08038007503c6000148ffc6ebe1c3f30f1efa"
    "41574d8d792841554189f541544189cc554889d54c89fa534c89cb4883ec10418b713048897c240841ff5118488b5328"
    "488b43384885c2741848f7d08b7330488b7c24084821d04c89fa48894328ff53204889e8482b034183fd110f94c24901"
    "c4ffc24c39e07419483b4308730e488b4b104801c18039007502881148ffc0ebe24883c4105b5d415c415d415fc3"
)
AARCH64 = bytes.fromhex(
    "5f2403d5600040f924008052210000cb2240228b3f0002eb41000054c0035fd6600440f91f0001eba9000054600840f9"
    "05686138450000350468213821040091f5ffff175f2403d5f353bca9f30305aaf40302aaf55b01a9f603012af503032a"
    "a30c40f9f76302a9a13040b9fe1b00f9b8a00091f70300aae20318aa60003fd6601640f9631e40f91f0003ea00010054"
    "0300238a613240b9631600f9e20318aa631240f9e00317aa60003fd6600240f9df460071820200cb4000805200049f1a"
    "5540358b001c00125f0015ebc1000054f55b41a9f76342a9fe1b40f9f353c4a8c0035fd6610640f93f0002eba9000054"
    "610a40f923686238430000352068223842040091f1ffff17"
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
ON_ACCESS_AT = {"x86_64": 0x2C, "aarch64": 0x44}
"""Where the second function begins; the first begins at 0."""


class RamTouch:
    """``size`` bytes of RAM at ``address``, and the same bytes at ``aliases``. ``states``: what the machine code works
    on, one for each of those addresses."""

    def __init__(self, address: int, size: int, aliases: tuple[int, ...] = ()) -> None:
        self.address = address
        self.bases = (address, *aliases)
        self.marks = np.zeros(size, np.uint8)
        self.states = [(ctypes.c_uint64 * WORDS)() for _ in self.bases]
        for state, base in zip(self.states, self.bases, strict=True):
            state[BASE], state[SIZE], state[MARKS] = base, size, self.marks.ctypes.data

    def begin(self) -> None:
        """A session begins: nothing has been read or written."""
        self.marks.fill(0)

    def note(self, address: int, size: int, mark: int) -> None:
        """``size`` bytes from ``address`` on, at any of the bases, are read or written."""
        for base in self.bases:
            if base <= address < base + self.marks.size:
                touched = self.marks[address - base : address - base + size]
                touched[touched == 0] = mark

    def read_first(self) -> list[int]:
        """The words, by address, of which a byte was read before it was written."""
        return sorted({self.address + at // 4 * 4 for at in np.flatnonzero(self.marks == READ).tolist()})
