"""The machine code of `flash_lane`: what it does to registers and cells without asking Python.

    struct lane {
      uint64_t closed, registers, registers_size, gate, calm, armed, kept, status, errors, done, half;
      uint64_t width, width_shift, pair, blank, unit_shift, fold, base, cost, alarm, pending, room, spent;
      uint32_t *words, *plain, *clear;
      uint8_t *cells, *uses, *broken;
      uint64_t *latch, *ring, *counts, *block;
      uint64_t (*read)(void *, uint64_t, unsigned, void *);
      void (*write)(void *, uint64_t, unsigned, uint64_t, void *);
      _Bool (*store)(void *, int, uint64_t, int, int64_t, void *);
    };
    enum { COUNT, LIMIT, DIRTY = 6, DIRTY_SIZE };
    enum { WATCHED = 1 };

    static void accessed(struct lane *s)
    {
        if (++s->counts[0] >= s->counts[1])
            s->block[LIMIT] = 0;
    }

    uint64_t on_read(void *uc, uint64_t offset, unsigned size, struct lane *s)
    {
        uint64_t at = offset - s->registers;
        if (at >= s->registers_size || s->closed & WATCHED)
            return s->read(uc, offset, size, s);
        accessed(s);
        return s->words[at >> 2] >> 8 * (at & 3) & (uint32_t)(0xffffffffu >> (32 - 8 * size));
    }

    void on_write(void *uc, uint64_t offset, unsigned size, uint64_t value, struct lane *s)
    {
        uint64_t at = offset - s->registers;
        if (at < s->registers_size && !s->closed && !s->latch[0] && !(s->words[s->gate] & s->calm)) {
            uint32_t shift = 8 * (at & 3), lanes = 0xffffffffu >> (32 - 8 * size) << shift;
            uint32_t stored = (uint32_t)value << shift & lanes, *word = &s->words[at >> 2];
            uint32_t plain = s->plain[at >> 2], clear = s->clear[at >> 2];
            if (clear) {
                *word &= ~(stored & clear);
                accessed(s);
                return;
            }
            uint32_t next = (*word & ~lanes) | stored | (at >> 2 == s->gate ? *word & (uint32_t)s->kept : 0);
            if (plain && !((next ^ *word) & ~plain)) {
                *word = next;
                accessed(s);
                return;
            }
        }
        s->write(uc, offset, size, value, s);
    }

    _Bool on_store(void *uc, int type, uint64_t address, int size, int64_t value, struct lane *s)
    {
        if (address & (size - 1))
            return 1;
        uint64_t at = (address & s->fold) - s->base;
        uint32_t control = s->words[s->gate], *status = &s->words[s->status];
        uint64_t width = s->width ? s->width : 1u << (control >> s->width_shift & 3), length = width;
        if (s->closed || control & s->calm || (control & s->armed) != s->armed || *status & s->errors
            || (uint64_t)size != width || size > 4)
            return s->store(uc, type, address, size, value, s);
        uint64_t data = (uint64_t)value & (0xffffffffu >> (32 - 8 * size));
        if (s->pair) {
            if (!(at & 7)) {
                if (s->latch[0])
                    goto ask;
                s->latch[0] = 1;
                s->latch[1] = at;
                s->latch[2] = data;
                *status |= s->half;
                return 1;
            }
            if (!s->latch[0] || at != s->latch[1] + 4)
                goto ask;
            at -= 4;
            data = s->latch[2] | data << 32;
            length = 8;
        } else if (s->latch[0])
            goto ask;
        uint64_t ones = ~(uint64_t)0 >> (64 - 8 * length), held = 0;
        for (uint64_t i = length; i--;)
            held = held << 8 | s->cells[at + i];
        if (s->blank ? held != ones || data == ones : (held & data) != data)
            goto ask;
        uint64_t unit = at >> s->unit_shift;
        if ((s->uses && s->uses[unit]) || (s->broken && s->broken[unit]))
            goto ask;
        if (s->pending >= s->room || s->block[COUNT] + s->spent + s->cost >= s->alarm)
            goto ask;
        uint64_t *row = s->ring + 4 * s->pending++;
        row[0] = at;
        row[1] = data;
        row[2] = length;
        row[3] = s->block[COUNT];
        s->spent += s->cost;
        for (uint64_t i = 0; i < length; i++)
            s->cells[at + i] = data >> 8 * i;
        s->latch[0] = 0;
        *status = (*status & ~s->half) | s->done;
        s->counts[0] = 0;
        uint64_t folded = address & s->fold & ~7ull;
        uint64_t first = folded & ~0xfffull, last = (folded + 8 + 0xfff) & ~0xfffull;
        first = first < 0x1000 ? 0 : first - 0x1000;
        if (s->block[DIRTY_SIZE]) {
            uint64_t low = s->block[DIRTY], high = low + s->block[DIRTY_SIZE];
            first = first < low ? first : low;
            last = last > high ? last : high;
        }
        s->block[DIRTY] = first;
        s->block[DIRTY_SIZE] = last - first;
        return 1;
    ask:
        return s->store(uc, type, address, size, value, s);
    }

Compiled by GCC 12 with -Os -fPIC -ffreestanding -fomit-frame-pointer -fno-asynchronous-unwind-tables
-fno-stack-protector -fno-stack-clash-protection -fno-tree-vectorize -fno-tree-loop-distribute-patterns
-fno-toplevel-reorder, and -fcf-protection=branch, or -mbranch-protection=bti.

Neighbours: `flash_lane` fills the state. Knows nothing but its words.
"""

from __future__ import annotations

(
    CLOSED, REGISTERS, REGISTERS_SIZE, GATE, CALM, ARMED, KEPT, STATUS, ERRORS, DONE, HALF,
    WIDTH, WIDTH_SHIFT, PAIR, BLANK, UNIT_SHIFT, FOLD, BASE, COST, ALARM, PENDING, ROOM, SPENT,
    WORD_AT, PLAIN, CLEAR, CELLS, USES, BROKEN, LATCH, RING, COUNTS, BLOCK, READ, WRITE, STORE,
) = range(36)  # fmt: skip
"""Words of the state, 64 bits each."""
WORDS = 36

X86_64 = bytes.fromhex(
    "f30f1efa488b97f8000000488b0248ffc0488902483b4208720d488b870001000031d248895008c3f30f1efa4989f041"
    "89d14c2b41084c3b41107305f60101740c488b81080100004489caffe0504889cfe8aaffffff488b81b80000004c89c2"
    "4183e00348c1ea02428d0cc5000000008b049083caffd3e8b9040000004429c9c1e103d3ea21d05ac3f30f1efa415549"
    "89fa4989f14189d341544c89c755534889cb492b7008493b70100f83bd000000498338000f85b3000000498b80e80000"
    "00488338000f85a2000000498b90b80000004d8b6018428b04a2492340200f85890000004189f0b90400000083c8ff49"
    "89f54183e0034429d94883e6fc89dd41c1e003c1e103d3e84489c149c1ed02d3e0d3e5488d0c32488b97c00000008b31"
    "21c5468b04aa488b97c8000000428b14aa85d2740a21eaf7d221f28911eb234d39ec75058b573021f24585c0741ff7d0"
    "41f7d021f009e809d031c64485c6750d89015b5d415c415de993feffff488b87100100004989f84889d94489da5b4c89"
    "ce5d4c89d7415c415dffe0f30f1efa41578d41ff4156489841554154555348897c24f04885d00f85000300004d8b99b8"
    "000000498b411889f54189ca498b7958498bb1800000004d8ba188000000418b04834d8b69384885ff7514498b496089"
    "c3bf01000000d3eb89d983e103d3e7498339000f85960200004889c1492349200f8589020000498b49284821c84839c1"
    "0f85790200004f8d34ab458b2e4589eb452359404d85db0f85620200004183fa040f8f580200004963c24839f80f854c"
    "020000b90400000083c8ff4821d64429d14c29e6c1e103d3e8498b89e80000004c21c049837968004c8b21746140f6c6"
    "0775244d85e40f851302000048c701010000004889710848894110450b695045892ee9150200004d85e40f84ef010000"
    "488b5908488d7b044839f70f85de01000048c1e0204883ee04480b41104983ccff41bd07000000bf08000000eb1f4d85"
    "e40f85b8010000b9080000004983ccff4c8d6fff4829f9c1e10349d3ec498b99d000000031c94801f3460fb63c2b48c1"
    "e1084c09f94983ed0173ee498379700074134c39e10f85740100004939c47511e96a0100004821c14839c10f855e0100"
    "00498b49784889f34d8ba1d800000048d3eb4889d94d85e4740b41803c1c000f853a0100004d8ba1e00000004d85e474"
    "0b41803c0c000f8523010000498b89a0000000493b89a80000000f830f0100004d8ba1000100004d8ba9900000004d03"
    "a9b00000004d032c244d3ba9980000000f83e90000004c8d410148c1e105490389f00000004d8981a000000048893148"
    "894108488979104d8b04244c894118498b8990000000490189b00000004d8b81d0000000428d0cdd000000004889c348"
    "d3eb4901f043881c1849ffc34939fb75dc498b81e800000031c931f6488908418b4150b900100000f7d0412306410b41"
    "48418906498b81f8000000488930492391800000004889d0498bb1000100004881e200f0ffff4883e0f8480507100000"
    "482500f0ffff4839ca480f42d1488b4e384881ea001000004885c97415488b7e304839fa480f47d74801f94839c8480f"
    "42c14829d04889563048894638eb1d488b7c24f089ee5b4489d15d498b8118010000415c415d415e415fffe05bb0015d"
    "415c415d415e415fc3"
)
AARCH64 = bytes.fromhex(
    "5f2403d5027c40f9410040f921040091410000f9420440f93f0002eb63000054008040f91f0400f9c0035fd65f2403d5"
    "e503022a648840a9240004cb5f0004eb69000054620040f9a2000036648440f9e203052af00304aa00021fd6fe0f1ff8"
    "e00303aae7ffff97605c40f981fc42d384041d53fe0741f8027861b8810080522100054b0000801221701d534224c41a"
    "0024c11a4000000ac0035fd65f2403d5869440a9260006cbbf0006ebc9050054850040f9850500b5857440f9a50040f9"
    "250500b58c9441a98a5c40f947796cb8ff0005ea81040054880080520801024b05008012c7041d5308711d53cdfc42d3"
    "c6f47e92a524c81a886040f9a520c71a6720c71ae700050a0b6966b8886440f9096966b8486966b8c9000034e700090a"
    "0701270a476926b8e00304aab5ffff179f010deb61000054891840f90901090a2b0100340501250aa500072aa500092a"
    "a800084a1f012b6a61000054456926b8f2ffff17858840f9f00305aa00021fd65f2403d566040051c67c4093df0002ea"
    "e1060054a70c40f9a82c40f9ac5c40f9ab1c40f9a62848a9897967b8c80000b5a73040f9280080522725c71ae7040012"
    "0821c71aa70040f9270200b5a71040f9ed03092a3f01076aa1010054a71440f9ff002dea410100546bf57ed3a92040f9"
    "8d696bb8a901090aa90000b51fc123eb610000547f1000718d000054a68c40f9f00306aa00021fd6c600028a07008012"
    "c6000acb8a0080524a01034baf3440f94a711d53e724ca1ae700048aaa7440f94e0140f90f0e00b4df0840f241010054"
    "eefdffb5200080d2401900a9470900f9a02840f9ad01002a8d692bb820008052c0035fd6cefcffb4480540f908110091"
    "1f0106eb41fcff54480940f9c61000d1ed0080d20a008092078107aa080180d2af6840f90e0080d2ef01068bf0696d38"
    "ad0500d10e220eaabf0500b181ffff54ad3840f90d0b00b4df010aeb440147fae0f9ff54aa3c40f9ad6c40f9ca24ca9a"
    "6d0000b4ad696a382df9ff35ad7040f96d0000b4aa696a38aaf8ff35aa344aa95f010deb42f8ff54ae8040f9af4840f9"
    "ad5840f9ad010f8bcf0140f9ad010f8baf4c40f9bf010feb22f7ff54a07840f941050091a15000f941e97bd30a140a8b"
    "066821f847a100a9c00140f9400d00f9a14840f9a05840f90000018ba05800f9a06840f921711d530000068be124c19a"
    "01682938290500913f0108eb21ffff54a07440f9e40082d2a38040f981696bb81f0000f9a02840f92000200aa12440f9"
    "0000012a80692bb8a07c40f9010082d21f0000f9a04040f94200008a40f07d9242cc74925f0440f10000048b4220819a"
    "00cc7492611c40f9420440d1e10000b4641840f95f0004eb2100048b4290849a1f0001eb0020819a000002cb620003a9"
    "9bffff174ef0ffb50d0180d2ad0108cb0a008092ad711d534a25cd9a0d0500d1a0ffff17ff002eea60f5ff5478ffff17"
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
ON_READ_AT = {"x86_64": 0x28, "aarch64": 0x2C}
ON_WRITE_AT = {"x86_64": 0x89, "aarch64": 0x9C}
ON_STORE_AT = {"x86_64": 0x18B, "aarch64": 0x170}
"""Where the functions begin."""
