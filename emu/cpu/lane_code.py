"""The machine code of `flash_lane`: what it does to registers and cells without asking Python.

    struct lane {
      uint64_t closed, registers, registers_size, gate, calm, armed, kept, status, errors, done, half;
      uint64_t width, width_shift, stores, blank, empty, unit_shift, fold, base, cost, alarm, pending, room, spent;
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
                s->words[s->status] &= ~(stored & clear);
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
        uint64_t data[2] = { (uint64_t)value & (0xffffffffu >> (32 - 8 * size)), 0 };
        if (s->stores > 1) {
            uint64_t count = s->latch[0], within = at & (4 * s->stores - 1), *half = &s->latch[2 + (count >> 1)];
            at -= within;
            if (within != 4 * count || (count ? at != s->latch[1] : *status & s->half))
                goto ask;
            if (count + 1 < s->stores) {
                *half = count & 1 ? *half | data[0] << 32 : data[0];
                s->latch[0] = count + 1;
                s->latch[1] = at;
                *status |= s->half;
                return 1;
            }
            data[count >> 1] = *half | data[0] << 32;
            if (count > 1)
                data[0] = s->latch[2];
            length = 4 * s->stores;
        } else if (s->latch[0])
            goto ask;
        uint8_t held = 0, given = 0, back = 0, empty = s->empty;
        for (uint64_t i = 0; i < length; i++) {
            uint8_t cell = s->cells[at + i], byte = data[i >> 3] >> 8 * (i & 7);
            held |= cell ^ empty;
            given |= byte ^ empty;
            back |= byte & ~cell;
        }
        if (s->blank ? held || !given : back)
            goto ask;
        uint64_t unit = at >> s->unit_shift;
        if ((s->uses && s->uses[unit]) || (s->broken && s->broken[unit]))
            goto ask;
        if (s->pending >= s->room || s->block[COUNT] + s->spent + s->cost >= s->alarm)
            goto ask;
        uint64_t *row = s->ring + 5 * s->pending++;
        row[0] = at;
        row[1] = data[0];
        row[2] = data[1];
        row[3] = length;
        row[4] = s->block[COUNT];
        s->spent += s->cost;
        for (uint64_t i = 0; i < length; i++)
            s->cells[at + i] = data[i >> 3] >> 8 * (i & 7);
        s->latch[0] = 0;
        *status = (*status & ~s->half) | s->done;
        s->counts[0] = 0;
        uint64_t folded = address & s->fold & ~15ull;
        uint64_t first = folded & ~0xfffull, last = (folded + 16 + 0xfff) & ~0xfffull;
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
    WIDTH, WIDTH_SHIFT, STORES, BLANK, EMPTY, UNIT_SHIFT, FOLD, BASE, COST, ALARM, PENDING, ROOM, SPENT,
    WORD_AT, PLAIN, CLEAR, CELLS, USES, BROKEN, LATCH, RING, COUNTS, BLOCK, READ, WRITE, STORE,
) = range(37)  # fmt: skip
"""Words of the state, 64 bits each."""
WORDS = 37

X86_64 = bytes.fromhex(
    "f30f1efa488b9700010000488b0248ffc0488902483b4208720d488b870801000031d248895008c3f30f1efa4989f041"
    "89d14c2b41084c3b41107305f60101740c488b81100100004489caffe0504889cfe8aaffffff488b81c00000004c89c2"
    "4183e00348c1ea02428d0cc5000000008b049083caffd3e8b9040000004429c9c1e103d3ea21d05ac3f30f1efa415649"
    "89fa4989f14189d341554c89c7415455534889cb492b7008493b70100f83be000000498338000f85b4000000498b80f0"
    "000000488338000f85a30000004d8ba0c00000004d8b6818438b04ac492340200f858a00000089f2b90400000083c8ff"
    "4989f683e2034429d949c1ee0289ddc1e203c1e1034883e6fcd3e889d1498b90c80000004c01e6d3e0d3e5468b04b248"
    "8b97d000000021c5428b14b285d2740e488b473821eaf7d241211484eb258b0e4d39f575058b573021ca4585c07421f7"
    "d041f7d021c809e809d031c14485c1750f89065b5d415c415d415ee990feffff488b87180100004989f84889d94489da"
    "5b4c89ce5d4c89d7415c415d415effe0f30f1efa415789c84156ffc8415548984154555348897c24d8897424e4894c24"
    "d44885d00f858b030000498b99c0000000498b4118498b7958498bb1880000004d8b99900000008b0483498b69384885"
    "ff7514498b496089c7d3ef89f9bf0100000083e103d3e7498339000f85240300004889c1492349200f8517030000498b"
    "49284821c84839c10f8507030000488d2cab8b5d00895c24e04989da4d2351400f85ef020000837c24d4040f8fe40200"
    "0048634424d44839f80f85d60200008b4424d4b9040000004821d64d8b69684c29de4531db29c183c8ff4c895c24f04d"
    "8b99f0000000c1e103d3e8498b0b4c21c048894424e84983fd010f869d0000004a8d3cad000000004c8d3c8d00000000"
    "4c8d67ff4921f44d39e70f85750200004989ce4c29fe49d1ee4f8d64f3104885c9740c493973080f8558020000eb1049"
    "235950bb01000000741be946020000488d59014c39eb732880e101740848c1e020490b0424498904248b4424e049891b"
    "49897308410b4150894500e93502000048c1e020490b042448ffc94a8944f4e87414498b431048894424e8eb094885c9"
    "0f85ef010000458a797831c04531e44531ed4531f64839c77444498b89d80000004889c348c1eb034801f1488b5cdce8"
    "448a1c0189c148ffc083e107c1e10348d3eb4489f94431d941f7d34109ce4489f94121db31d94509dc4109cdebb74983"
    "79700074134584f60f85870100004584ed750ee97d0100004584e40f8574010000498b89800000004889f048d3e8498b"
    "89e00000004885c9740a803c01000f8551010000498b89e80000004885c9740a803c01000f853b010000498b81a80000"
    "00493b81b00000000f83270100004d8b9908010000498b8998000000490389b800000049030b493b89a00000000f8302"
    "010000488d4801498989a8000000488b4c24e8486bc028490381f800000048894808488b4c24f0488930488948104889"
    "7818498b0b48894820498b8198000000490181b80000004c39d7742b4c89d04489d14d8b81d800000048c1e80383e107"
    "488b44c4e8c1e1034d01d049ffc248d3e841880430ebd0498b81f000000031c931f6488908418b4150b900100000f7d0"
    "234500410b4148894500498b8100010000488930492391880000004889d0498bb1080100004881e200f0ffff4883e0f0"
    "48050f100000482500f0ffff4839ca480f42d1488b4e384881ea001000004885c97415488b7e304839fa480f47d74801"
    "f94839c8480f42c14829d04889563048894638eb208b4c24d48b7424e4488b7c24d8498b81200100005b5d415c415d41"
    "5e415fffe05bb0015d415c415d415e415fc3"
)
AARCH64 = bytes.fromhex(
    "5f2403d5028040f9410040f921040091410000f9420440f93f0002eb63000054008440f91f0400f9c0035fd65f2403d5"
    "e503022a648840a9240004cb5f0004eb69000054620040f9a2000036648840f9e203052af00304aa00021fd6fe0f1ff8"
    "e00303aae7ffff97606040f981fc42d384041d53fe0741f8027861b8810080522100054b0000801221701d534224c41a"
    "0024c11a4000000ac0035fd65f2403d5869440a9260006cbbf0006eb29060054850040f9e50500b5857840f9a50040f9"
    "850500b58c9441a9896040f927796cb8ff0005eae1040054880080520801024b05008012c7041d5308711d53cdfc42d3"
    "c6f47e92a524c81a886440f9a520c71a6720c71ae700050a0b6966b8886840f9086966b828010034801c40f9e700080a"
    "00f47ed3216960b82700270a276920b8e00304aab3ffff172a6966b89f010deb61000054881840f94801080a2b010034"
    "4501250aa500072aa500082a4a01054a5f012b6a61000054256926b8f1ffff17858c40f9f00305aa00021fd65f2403d5"
    "66040051c67c4093df0002eac11a0054a70c40f9a82c40f9ad6040f9ac1c40f9a6a848a9a97967b8c80000b5a73040f9"
    "280080522725c71ae70400120821c71aa70040f9a71800b5a71040f9eb03092a3f01076a21180054a71440f9ff002bea"
    "c11700548cf57ed3fe0f1ef8a92040f9af696cb8fe030f2ae901090aa90000b51fc123eb610000547f100071ad000054"
    "a69040f9fe0742f8f00306aa00021fd6c600028a07008012c6000acb8a0080524a01034bb13440f94a711d53e724ca1a"
    "e700048aaa7840f9e77f01a94b0140f93f0600f16910005428f67ed370f57ed30e0500d1ce01068a1f020eeb21fdff54"
    "72fd41d3c60010cb4e0a0091cef17dd36b0100b4500540f91f0206eb21fcff54700500913f0210eb290200540b010036"
    "40696ef8078007aa05000014a82840f9df0308eae1faff54300080d247692ef8501900a9a02840f9ef01002aaf692cb8"
    "20008052fe0742f8c0035fd64e696ef8c78107aaee430091c77932f87f0500f160000054470940f9e70b00f9b1e04139"
    "f2430091070080d20a0080520b008052100080521f0107eb810a0054a73840f9670c00b41f0200716409407a20f7ff54"
    "a74040f9aa7040f9c724c79a6a0000b44a6967386af6ff35aa7440f96a0000b447696738e7f5ff35a7a84aa9ff000aeb"
    "82f5ff54ab8440f9ae4c40f9aa5c40f94a010e8b6e0140f94a010e8bae5040f95f010eeb62f4ff54e0040091a05400f9"
    "000580d2e3430091a17c40f9e77c009b2000078b266827f8e10b40f9010400f9e10f40f9010800f9080c00f9610140f9"
    "011000f9a14c40f9a05c40f90000018ba05c00f91f0109ebe1060054a07840f9e40182d2a38440f9a1696cb81f0000f9"
    "a02840f92000200aa12440f90000012aa0692cb8a08040f9010082d21f0000f9a04440f94200008a40ec7c9242cc7492"
    "5f0440f10000048b4220819a00cc7492611c40f9420440d1e10000b4641840f95f0004eb2100048b4290849a1f0001eb"
    "0020819a000002cb620003a99dffff17ebf4ffb46bffff17ae6c40f9eff07d92fe081d53ce01068b4f6a6ff8ce696738"
    "e7040091ef25de9a3e020e4a10021e2aee012e0a3e020f4a4a010e2a6b011e2a4a1d00126b1d00129bffff172af4ff34"
    "58ffff1721f17d9224091d53a06c40f9616861f80000098b290500912124c49a01682638c0ffff17a69040f9f00306aa"
    "4fffff1720008052c0035fd6"
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
ON_READ_AT = {"x86_64": 0x28, "aarch64": 0x2C}
ON_WRITE_AT = {"x86_64": 0x89, "aarch64": 0x9C}
ON_STORE_AT = {"x86_64": 0x190, "aarch64": 0x17C}
"""Where the functions begin."""
