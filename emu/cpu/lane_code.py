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
        uint8_t held = 0, back = 0, empty = s->empty;
        for (uint64_t i = 0; i < length; i++) {
            uint8_t cell = s->cells[at + i], byte = data[i >> 3] >> 8 * (i & 7);
            held |= cell ^ empty;
            back |= byte & ~cell;
        }
        if (s->blank ? held : back)
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
        if (s->uses)
            s->uses[unit] = 1;
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
    "5b4c89ce5d4c89d7415c415d415effe0f30f1efa41578d41ff4156489841554154555348897c24d8897424e44885d00f"
    "858c030000498b99c0000000498b41184189ca498b7958498bb1880000004d8b99900000008b0483498b69384885ff75"
    "14498b496089c7d3ef89f9bf0100000083e103d3e7498339000f85230300004889c1492349200f8516030000498b4928"
    "4821c84839c10f8506030000488d2cab8b4500894424e04989c748894424d04d2379400f85e90200004183fa040f8fdf"
    "0200004963c24839f80f85d3020000b9040000004821d683c8ff4d8b69684429d14c29de4531dbc1e1034c895c24f04d"
    "8b99f0000000d3e84c21c0498b0b48894424e84983fd010f86a50000004a8d3cad000000004c8d348d000000004c8d67"
    "ff4c89f34921f44d39e60f85720200004989ce4829de49d1ee4f8d64f3104885c9740c493973080f8555020000eb1548"
    "8b5c24d049235950bb01000000741be93e020000488d59014c39eb732880e101740848c1e020490b0424498904248b44"
    "24e049891b49897308410b4150894500e92c02000048c1e020490b042448ffc94a8944f4e87414498b431048894424e8"
    "eb094885c90f85e7010000458a717831c031db4531e44839c7743c498b89d80000004989c549c1ed034801f14e8b6cec"
    "e8448a1c014489f14431d941f7d34109cc89c148ffc083e107c1e10349d3ed4521eb4409dbebbf498379700074054584"
    "e4eb0284db0f8587010000498b8980000000498b81e00000004989f349d3eb4885c0740b42803c18000f856301000049"
    "8b81e80000004885c0740b42803c18000f854c010000498b81a8000000493b81b00000000f8338010000498b89080100"
    "00498b9998000000490399b8000000480319493b99a00000000f83130100004c8d40014d8981a80000004c8b4424e848"
    "6bc028490381f80000004c8940084c8b4424f04889304c89401048897818488b0948894820498b8198000000490181b8"
    "0000004c39ff742b4c89f84489f94d8b81d800000048c1e80383e107488b44c4e8c1e1034d01f849ffc748d3e8418804"
    "30ebd0498b81e00000004885c0740542c6041801498b81f000000031c931f6488908418b4150b900100000f7d0234500"
    "410b4148894500498b8100010000488930492391880000004889d0498bb1080100004881e200f0ffff4883e0f048050f"
    "100000482500f0ffff4839ca480f42d1488b4e384881ea001000004885c97415488b7e304839fa480f47d74801f94839"
    "c8480f42c14829d04889563048894638eb1f8b7424e4488b7c24d84489d15b498b81200100005d415c415d415e415fff"
    "e05bb0015d415c415d415e415fc3"
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
    "66040051c67c4093df0002ea811a0054a70c40f9a82c40f9ad6040f9ac1c40f9a6a848a9a97967b8c80000b5a73040f9"
    "280080522725c71ae70400120821c71aa70040f9671800b5a71040f9eb03092a3f01076ae1170054a71440f9ff002bea"
    "811700548cf57ed3fe0f1ef8a92040f9af696cb8fe030f2ae901090aa90000b51fc123eb610000547f100071ad000054"
    "a69040f9fe0742f8f00306aa00021fd6c600028a07008012c6000acb8a0080524a01034bb13440f94a711d53e724ca1a"
    "e700048aaa7840f9e77f01a94b0140f93f0600f18910005428f67ed370f57ed30e0500d1ce01068a1f020eeb21fdff54"
    "72fd41d3c60010cb4e0a0091cef17dd36b0100b4500540f91f0206eb21fcff54700500913f0210eb290200540b010036"
    "40696ef8078007aa05000014a82840f9df0308eae1faff54300080d247692ef8501900a9a02840f9ef01002aaf692cb8"
    "20008052fe0742f8c0035fd64e696ef8c78107aaee430091c77932f87f0500f160000054470940f9e70b00f9b0e04139"
    "f1430091070080d20a0080520e0080521f0107ebc10a0054a73840f9470c00b48ef7ff35aa4040f9a77040f9ca24ca9a"
    "670000b4e7686a38c7f6ff35a77440f9670000b4e7686a3847f6ff35a7ac4aa9ff000bebe2f5ff54ae8440f9af4c40f9"
    "ab5c40f96b010f8bcf0140f96b010f8baf5040f97f010febc2f4ff54e0040091a05400f9000580d2e3430091a17c40f9"
    "e77c009b2000078b266827f8e10b40f9010400f9e10f40f9010800f9080c00f9c10140f9011000f9a14c40f9a05c40f9"
    "0000018ba05c00f91f0109eb01070054a07040f9600000b42100805201682a38a07840f9e40182d2a38440f9a1696cb8"
    "1f0000f9a02840f92000200aa12440f90000012aa0692cb8a08040f9010082d21f0000f9a04440f94200008a40ec7c92"
    "42cc74925f0440f10000048b4220819a00cc7492611c40f9420440d1e10000b4641840f95f0004eb2100048b4290849a"
    "1f0001eb0020819a000002cb620003a99cffff17cbf4ffb46affff17ab6c40f9f2081d536b01068b6b6967380f020b4a"
    "ce010f2aeff07d92e70400912f6a6ff8ef25d29aeb012b0a4a010b2a4a1d00129cffff170af4ff345affff1721f17d92"
    "24091d53a06c40f9616861f80000098b290500912124c49a01682638bfffff17a69040f9f00306aa51ffff1720008052"
    "c0035fd6"
)
CODE = {"x86_64": X86_64, "aarch64": AARCH64}
ON_READ_AT = {"x86_64": 0x28, "aarch64": 0x2C}
ON_WRITE_AT = {"x86_64": 0x89, "aarch64": 0x9C}
ON_STORE_AT = {"x86_64": 0x190, "aarch64": 0x17C}
"""Where the functions begin."""
