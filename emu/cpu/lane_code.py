"""The machine code of `flash_lane`: what it does to registers and cells without asking Python.

    struct lane {
      uint64_t closed, registers, registers_size, gate, calm, armed, status, errors, done, half;
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
            if (clear && !(stored & ~clear)) {
                *word &= ~stored;
                accessed(s);
                return;
            }
            uint32_t next = (*word & ~lanes) | stored;
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
    CLOSED, REGISTERS, REGISTERS_SIZE, GATE, CALM, ARMED, STATUS, ERRORS, DONE, HALF,
    WIDTH, WIDTH_SHIFT, PAIR, BLANK, UNIT_SHIFT, FOLD, BASE, COST, ALARM, PENDING, ROOM, SPENT,
    WORD_AT, PLAIN, CLEAR, CELLS, USES, BROKEN, LATCH, RING, COUNTS, BLOCK, READ, WRITE, STORE,
) = range(35)  # fmt: skip
"""Words of the state, 64 bits each."""
WORDS = 35

X86_64 = bytes.fromhex(
    "f30f1efa488b97f0000000488b0248ffc0488902483b4208720d488b87f800000031d248895008c3f30f1efa4989f041"
    "89d14c2b41084c3b41107305f60101740c488b81000100004489caffe0504889cfe8aaffffff488b81b00000004c89c2"
    "4183e00348c1ea02428d0cc5000000008b049083caffd3e8b9040000004429c9c1e103d3ea21d05ac3f30f1efa554989"
    "fa4989f14189d3534c89c74889cb492b7008493b70100f83aa000000498338000f85a0000000498b80e0000000488338"
    "000f858f0000004d8b80b0000000488b4718418b048048234720757a89f2b90400000083c8ff89dd83e2034429d9c1e2"
    "03c1e103d3e889d1d3e5d3e089ea4889f54883e6fc498d0c30488bb7b800000048c1ed0221c2448b04ae488bb7c00000"
    "008b2cae8b3185ed740ef7d585d57508f7d221f28911eb174585c07419f7d041f7d021f009d031c64485c6750989015b"
    "5de9aafeffff488b87080100004989f84889d94489da5b4c89ce4c89d75dffe0f30f1efa41578d41ff41564898415541"
    "54555348897c24f04885d00f85fa0200004d8b99b0000000498b411889f54189ca498b7950498b71784d8ba180000000"
    "418b04834d8b69304885ff7514498b495889c3bf01000000d3eb89d983e103d3e7498339000f85930200004889c14923"
    "49200f8586020000498b49284821c84839c10f85760200004f8d34ab458b2e4589eb452359384d85db0f855f02000041"
    "83fa040f8f550200004963c24839f80f8549020000b90400000083c8ff4821d64429d14c29e6c1e103d3e8498b89e000"
    "00004c21c049837960004c8b21746140f6c60775244d85e40f851002000048c701010000004889710848894110450b69"
    "4845892ee9120200004d85e40f84ec010000488b5908488d7b044839f70f85db01000048c1e0204883ee04480b411049"
    "83ccff41bd07000000bf08000000eb1f4d85e40f85b5010000b9080000004983ccff4c8d6fff4829f9c1e10349d3ec49"
    "8b99c800000031c94801f3460fb63c2b48c1e1084c09f94983ed0173ee498379680074134c39e10f85710100004939c4"
    "7511e9670100004821c14839c10f855b010000498b49704889f34d8ba1d000000048d3eb4889d94d85e4740b41803c1c"
    "000f85370100004d8ba1d80000004d85e4740b41803c0c000f8520010000498b8998000000493b89a00000000f830c01"
    "00004d8ba1f80000004d8ba9880000004d03a9a80000004d032c244d3ba9900000000f83e60000004c8d410148c1e105"
    "490389e80000004d89819800000048893148894108488979104d8b04244c894118498b8988000000490189a80000004d"
    "8b81c8000000428d0cdd000000004889c348d3eb4901f043881c1849ffc34939fb75dc498b81e000000031c931f64889"
    "08418b4148b900100000f7d0412306410b4140418906498b81f0000000488930492351784889d0498bb1f80000004881"
    "e200f0ffff4883e0f8480507100000482500f0ffff4839ca480f42d1488b4e384881ea001000004885c97415488b7e30"
    "4839fa480f47d74801f94839c8480f42c14829d04889563048894638eb1d488b7c24f089ee5b4489d15d498b81100100"
    "00415c415d415e415fffe05bb0015d415c415d415e415fc3"
)
AARCH64 = bytes.fromhex(
    "5f2403d5027840f9410040f921040091410000f9420440f93f0002eb63000054007c40f91f0400f9c0035fd65f2403d5"
    "e503022a648840a9240004cb5f0004eb69000054620040f9a2000036648040f9e203052af00304aa00021fd6fe0f1ff8"
    "e00303aae7ffff97605840f981fc42d384041d53fe0741f8027861b8810080522100054b0000801221701d534224c41a"
    "0024c11a4000000ac0035fd65f2403d5859840a9250005cbdf0005eb49050054860040f9060500b5867040f9c60040f9"
    "a60400b5860c40f9895840f9277966b8861040f9ff0006eae1030054880080520801024b06008012a7041d5308711d53"
    "a5f47e92c624c81a885c40f9c620c71a6720c71ae700060a0a6965b8886040f90b6965b8286965b8eb000034ff002b6a"
    "a10000540701270a276925b8e00304aab4ffff170a0100340601260ac600072ac800084a1f012a6a61000054266925b8"
    "f7ffff17858440f9f00305aa00021fd65f2403d566040051c67c4093df0002eae1060054a70c40f9a82840f9ac5840f9"
    "ab1840f9a6a847a9897967b8c80000b5a72c40f9280080522725c71ae70400120821c71aa70040f9270200b5a71040f9"
    "ed03092a3f01076aa1010054a71440f9ff002dea410100546bf57ed3a91c40f98d696bb8a901090aa90000b51fc123eb"
    "610000547f1000718d000054a68840f9f00306aa00021fd6c600028a07008012c6000acb8a0080524a01034baf3040f9"
    "4a711d53e724ca1ae700048aaa7040f94e0140f90f0e00b4df0840f241010054eefdffb5200080d2401900a9470900f9"
    "a02440f9ad01002a8d692bb820008052c0035fd6cefcffb4480540f9081100911f0106eb41fcff54480940f9c61000d1"
    "ed0080d20a008092078107aa080180d2af6440f90e0080d2ef01068bf0696d38ad0500d10e220eaabf0500b181ffff54"
    "ad3440f90d0b00b4df010aeb440147fae0f9ff54aa3840f9ad6840f9ca24ca9a6d0000b4ad696a382df9ff35ad6c40f9"
    "6d0000b4aa696a38aaf8ff35aab449a95f010deb42f8ff54ae7c40f9af4440f9ad5440f9ad010f8bcf0140f9ad010f8b"
    "af4840f9bf010feb22f7ff54a07440f941050091a14c00f941e97bd30a140a8b066821f847a100a9c00140f9400d00f9"
    "a14440f9a05440f90000018ba05400f9a06440f921711d530000068be124c19a01682938290500913f0108eb21ffff54"
    "a07040f9e40082d2a37c40f981696bb81f0000f9a02440f92000200aa12040f90000012a80692bb8a07840f9010082d2"
    "1f0000f9a03c40f94200008a40f07d9242cc74925f0440f10000048b4220819a00cc7492611c40f9420440d1e10000b4"
    "641840f95f0004eb2100048b4290849a1f0001eb0020819a000002cb620003a99bffff174ef0ffb50d0180d2ad0108cb"
    "0a008092ad711d534a25cd9a0d0500d1a0ffff17ff002eea60f5ff5478ffff17"
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
ON_READ_AT = {"x86_64": 0x28, "aarch64": 0x2C}
ON_WRITE_AT = {"x86_64": 0x89, "aarch64": 0x9C}
ON_STORE_AT = {"x86_64": 0x170, "aarch64": 0x160}
"""Where the functions begin."""
