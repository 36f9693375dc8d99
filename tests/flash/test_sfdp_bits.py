"""Where every bit of an SFDP table stands, read a second time.

The decoder here is written from the layout of JESD216 as the project's notes on serial NOR have it, DWORD by DWORD. It
shares nothing with `flash.sfdp`, so a position or a unit that is wrong there is not wrong here in the same way. It
reads every table that is generated and every dump there is.
"""

from __future__ import annotations

from typing import Any

import pytest

from flash.part import Part, bundled_part, part_names
from flash.sfdp import SfdpTable, decode, image_of, table
from tests.flash.sfdp_dumps import DUMPS, SIBLINGS

ANSWERING = [name for name in part_names() if (serial := bundled_part(name).serial) is not None and serial.sfdp]
IMAGES = {f"part {name}": table(bundled_part(name)) for name in ANSWERING}
IMAGES |= {
    f"{what} {name}": dump.raw if dump.raw[:4] == b"SFDP" else image_of(dump.raw)
    for what, dumps in (("dump", DUMPS), ("sibling", SIBLINGS))
    for name, dump in dumps.items()
}


# -- a decoder of its own ----------------------------------------------------------------------------------


def bits(word: int, high: int, low: int) -> int:
    return word >> low & (1 << high - low + 1) - 1


def dwords(image: bytes, table_id: int) -> list[int]:
    """DWORDs of a table, with a 0 in front so that they are counted as the standard does; [] if there is none."""
    for index in range(image[6] + 1):
        header = image[8 + 8 * index : 16 + 8 * index]
        if header[0] | header[7] << 8 == table_id:
            start = header[4] | header[5] << 8 | header[6] << 16
            return [0] + [int.from_bytes(image[start + 4 * n : start + 4 * n + 4], "little") for n in range(header[3])]
    return []


# (mode, DWORD of clocks and opcode, whether the high half, DWORD and bit of the flag)
READS = (
    ("1-4-4", 3, False, 1, 21), ("1-1-4", 3, True, 1, 22), ("1-1-2", 4, False, 1, 16), ("1-2-2", 4, True, 1, 20),
    ("2-2-2", 6, True, 5, 0), ("4-4-4", 7, True, 5, 4),
)  # fmt: skip
ERASE_UNITS_MS = (1, 16, 128, 1000)
CHIP_UNITS_MS = (16, 256, 4000, 64000)
LATENCY_UNITS_US = (0.128, 1, 8, 64)


def read_basic(dw: list[int]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "uniform 4K": {1: True, 3: False}[bits(dw[1], 1, 0)],
        "4K opcode": bits(dw[1], 15, 8),
        "64 bytes": bits(dw[1], 2, 2),
        "volatile BP": bits(dw[1], 3, 3),
        "volatile enable": ("50h", "06h")[bits(dw[1], 4, 4)],
        "unused": (bits(dw[1], 7, 5), bits(dw[1], 31, 23)),
        "address": ("3", "3-or-4", "4")[bits(dw[1], 18, 17)],
        "dtr": bits(dw[1], 19, 19),
        "bytes": (dw[2] + 1) // 8 if not dw[2] >> 31 else (1 << bits(dw[2], 30, 0)) // 8,
        "reads": {},
    }
    for mode, number, upper, flags, flag in READS:
        half = bits(dw[number], 31, 16) if upper else bits(dw[number], 15, 0)
        if dw[flags] >> flag & 1:
            said["reads"][mode] = (bits(half, 15, 8), bits(half, 7, 5), bits(half, 4, 0))
    kinds = [bits(dw[8], 15, 0), bits(dw[8], 31, 16), bits(dw[9], 15, 0), bits(dw[9], 31, 16)]
    said["erases"] = {n: (1 << bits(k, 7, 0), bits(k, 15, 8)) for n, k in enumerate(kinds, 1) if bits(k, 7, 0)}
    return said | (read_times(dw) if len(dw) > 11 else {}) | (read_rest(dw) if len(dw) > 16 else {})


def read_times(dw: list[int]) -> dict[str, Any]:
    erase_ms = {}
    for n, low in ((1, 4), (2, 11), (3, 18), (4, 25)):
        typ = (bits(dw[10], low + 4, low) + 1) * ERASE_UNITS_MS[bits(dw[10], low + 6, low + 5)]
        erase_ms[n] = (typ, typ * 2 * (bits(dw[10], 3, 0) + 1))
    factor = 2 * (bits(dw[11], 3, 0) + 1)
    page = (bits(dw[11], 12, 8) + 1) * (8, 64)[bits(dw[11], 13, 13)]
    first = (bits(dw[11], 17, 14) + 1) * (1, 8)[bits(dw[11], 18, 18)]
    further = (bits(dw[11], 22, 19) + 1) * (1, 8)[bits(dw[11], 23, 23)]
    chip_ms = (bits(dw[11], 28, 24) + 1) * CHIP_UNITS_MS[bits(dw[11], 30, 29)]
    return {
        "erase ms": erase_ms,
        "page": 1 << bits(dw[11], 7, 4),
        "page us": (page, page * factor),
        "first us": (first, first * factor),
        "further us": (further, further * factor),
        "chip ms": (chip_ms, chip_ms * factor),
        "bit 31": bits(dw[11], 31, 31),
    }


def read_rest(dw: list[int]) -> dict[str, Any]:
    said: dict[str, Any] = {"suspend": None, "power-down": None}
    if not bits(dw[12], 31, 31):
        said["suspend"] = {
            "prohibited": (bits(dw[12], 3, 0), bits(dw[12], 7, 4)),
            "program gap": (bits(dw[12], 12, 9) + 1) * 64,
            "program latency": (bits(dw[12], 17, 13) + 1) * LATENCY_UNITS_US[bits(dw[12], 19, 18)],
            "erase gap": (bits(dw[12], 23, 20) + 1) * 64,
            "erase latency": (bits(dw[12], 28, 24) + 1) * LATENCY_UNITS_US[bits(dw[12], 30, 29)],
            "program": (bits(dw[13], 15, 8), bits(dw[13], 7, 0)),
            "erase": (bits(dw[13], 31, 24), bits(dw[13], 23, 16)),
        }
    said["poll"] = (bits(dw[14], 2, 2), bits(dw[14], 3, 3))
    if not bits(dw[14], 31, 31):
        leave_us = (bits(dw[14], 12, 8) + 1) * LATENCY_UNITS_US[bits(dw[14], 14, 13)]
        said["power-down"] = (bits(dw[14], 30, 23), bits(dw[14], 22, 15), leave_us)
    said["quad enable"] = f"{bits(dw[15], 22, 20):03b}"
    said["soft reset"] = bits(dw[16], 12, 12)
    said["four-byte"] = (bits(dw[16], 31, 24), bits(dw[16], 23, 14))
    return said


FOUR_BYTE = {0x13: 0, 0x0C: 1, 0x3C: 2, 0xBC: 3, 0x6C: 4, 0xEC: 5, 0x12: 6, 0x34: 7, 0x3E: 8}


def read_four_byte(dw: list[int]) -> tuple[set[int], dict[int, int]]:
    """Opcodes of reads and programs; opcodes of erases by type."""
    plain = {opcode for opcode, bit in FOUR_BYTE.items() if dw[1] >> bit & 1}
    return plain, {n: bits(dw[2], 8 * n - 1, 8 * n - 8) for n in range(1, 5) if dw[1] >> 8 + n & 1}


# -- generated tables against the part files ---------------------------------------------------------------


def steps(units: tuple[float, ...], counts: int) -> list[float]:
    return sorted({count * unit for unit in units for count in range(1, counts + 1)})


def least(value: float, units: tuple[float, ...], counts: int = 32) -> float:
    """The shortest duration that can be said and is not shorter."""
    return next(step for step in steps(units, counts) if step >= value - 1e-9)


@pytest.mark.parametrize("name", ANSWERING)
def test_the_generated_table_has_each_figure_at_its_place(name: str) -> None:
    part = bundled_part(name)
    assert part.serial is not None
    assert part.serial.sfdp is not None
    serial, sfdp = part.serial, part.serial.sfdp
    said = read_basic(dwords(IMAGES[f"part {name}"], 0xFF00))
    assert (said["bytes"], said["address"]) == (part.size, serial.address)
    assert said["unused"] == (7, 0x1FF)
    assert (said["64 bytes"], said["volatile BP"], said["volatile enable"]) == (
        sfdp.write_granularity_64, sfdp.block_protect_volatile, sfdp.volatile_write_enable
    )  # fmt: skip
    everywhere = not any(e.ranges for e in part.erase if e.size == 4096) and len(part.sectors) == 1
    small = next((e.opcode for e in part.erase if e.size == 4096), None) if everywhere else None
    assert (said["uniform 4K"], said["4K opcode"]) == (small is not None, 0xFF if small is None else small)
    for read in serial.reads:
        if read.lines != "1-1-1" and not read.dtr:
            opcode, mode, waits = said["reads"][read.lines]
            assert (opcode, mode + waits) == (read.opcode, read.mode_clocks + read.wait_clocks)
            assert mode - read.mode_clocks == (read.lines in sfdp.confirmed_reads)
    extra = {field for field, _ in sfdp.as_dumped}
    for mode in said["reads"].keys() - {read.lines for read in serial.reads}:
        assert "read_" + mode.replace("-", "") in extra
    assert set(said["erases"].values()) == {(e.size, e.opcode) for e in part.erase}
    if sfdp.revision:
        times_are_the_parts(part, said)


def times_are_the_parts(part: Part, said: dict[str, Any]) -> None:
    assert part.serial is not None
    assert part.serial.sfdp is not None
    serial, program = part.serial, part.program
    assert said["page"] == program.page_size
    assert said["bit 31"] == dict(part.serial.sfdp.as_dumped).get("reserved_11", 1)
    figures = {e.size: e.time_us for e in part.erase}
    for number, (size, _) in said["erases"].items():
        typ, longest = said["erase ms"][number]
        assert typ == least(figures[size].typ / 1000, ERASE_UNITS_MS)
        assert longest >= figures[size].max / 1000
    assert said["page us"][0] == least(program.time_us.typ, (8, 64))
    assert said["page us"][1] >= program.time_us.max
    for key, figure in (("first us", program.first_byte_us), ("further us", program.next_byte_us)):
        if figure is not None:
            assert said[key][0] == least(figure.typ, (1, 8), 16)
            assert said[key][1] >= figure.max
    chip = serial.chip_erase.time_us
    assert said["chip ms"][0] == least(chip.typ / 1000, CHIP_UNITS_MS)
    assert said["chip ms"][1] >= chip.max / 1000
    suspend, down = serial.suspend, serial.power_down
    assert (said["suspend"] is None) == (suspend is None)
    if suspend is not None:
        assert said["suspend"]["program"] == (suspend.program_suspend, suspend.program_resume)
        assert said["suspend"]["erase"] == (suspend.erase_suspend, suspend.erase_resume)
        assert said["suspend"]["program gap"] == least(suspend.program_gap_us, (64,), 16)
        assert said["suspend"]["erase gap"] == least(suspend.erase_gap_us, (64,), 16)
        assert said["suspend"]["program latency"] == least(suspend.program_latency_us, LATENCY_UNITS_US)
        assert said["suspend"]["erase latency"] == least(suspend.erase_latency_us, LATENCY_UNITS_US)
        wanted = (suspend.prohibited_in_program, suspend.prohibited_in_erase)
        assert all(given in (-1, found) for given, found in zip(wanted, said["suspend"]["prohibited"], strict=True))
    leave_us = None if down is None else least(down.exit_us, LATENCY_UNITS_US)
    assert said["power-down"] == (None if down is None else (down.enter, down.exit, leave_us))
    assert said["quad enable"] == (serial.quad_enable or "111")
    assert said["soft reset"] == (serial.soft_reset is not None)
    assert said["poll"][1] == (serial.registers == "micron")
    if serial.four_byte is not None and serial.four_byte.enter_methods:
        assert said["four-byte"] == (serial.four_byte.enter_methods, serial.four_byte.exit_methods)


@pytest.mark.parametrize("name", ANSWERING)
def test_the_headers_are_those_of_the_standard(name: str) -> None:
    image, part = IMAGES[f"part {name}"], bundled_part(name)
    assert part.serial is not None
    assert part.serial.sfdp is not None
    revision = part.serial.sfdp.revision
    assert image[:6] == bytes((0x53, 0x46, 0x44, 0x50, revision, 1))
    assert image[7] == 0xFF
    assert image[8:12] == bytes((0x00, revision, 1, {0: 9, 5: 16, 6: 16}[revision]))
    assert image[15] == 0xFF
    ids = [image[at] | image[at + 7] << 8 for at in range(8, 16 + 8 * image[6], 8)]
    assert set(ids) <= {0xFF00, 0xFF84, 0xFF81}
    for at in range(8, 16 + 8 * image[6], 8):
        start = int.from_bytes(image[at + 4 : at + 7], "little")
        assert start % 4 == 0
        assert start + 4 * image[at + 3] <= len(image)


@pytest.mark.parametrize("name", ANSWERING)
def test_four_byte_opcodes_are_those_of_the_part(name: str) -> None:
    part, dw = bundled_part(name), dwords(IMAGES[f"part {name}"], 0xFF84)
    assert part.serial is not None
    wanted = {read.opcode_4b for read in part.serial.reads} | {program.opcode_4b for program in part.serial.programs}
    wanted -= {0}
    if not dw:
        assert not wanted or part.serial.sfdp is None or part.serial.sfdp.revision < 6
        return
    plain, erases = read_four_byte(dw)
    types = read_basic(dwords(IMAGES[f"part {name}"], 0xFF00))["erases"]
    dumped = {} if part.serial.sfdp is None else dict(part.serial.sfdp.as_dumped)
    assert plain == wanted | {opcode for opcode in FOUR_BYTE if dumped.get(f"four_byte_program_{opcode:02x}")}
    assert {types[n][0]: opcode for n, opcode in erases.items()} == {
        e.size: e.opcode_4b for e in part.erase if e.opcode_4b
    }
    assert all(bits(dw[2], 8 * n - 1, 8 * n - 8) == 0xFF for n in range(1, 5) if n not in erases)


# -- both decoders over everything -------------------------------------------------------------------------


@pytest.mark.parametrize("what", IMAGES)
def test_both_decoders_read_the_same(what: str) -> None:
    image = IMAGES[what]
    theirs, said = decode(image), read_basic(dwords(image, 0xFF00))
    assert (theirs.size, theirs.address) == (said["bytes"], said["address"])
    assert {r.lines: (r.opcode, r.mode_clocks, r.wait_clocks) for r in theirs.reads} == said["reads"]
    assert {e.number: (e.size, e.opcode) for e in theirs.erases} == said["erases"]
    if "page us" in said:
        same_times(theirs, said)
    else:
        assert theirs.program is None
    if "quad enable" in said:
        assert theirs.quad_enable == ("" if said["quad enable"] == "111" else said["quad enable"])
        assert theirs.power_down == said["power-down"]
        assert theirs.fields["reset_66_99"] == said["soft reset"]
        assert (theirs.fields["enter_four_byte"], theirs.fields["leave_four_byte"]) == said["four-byte"]
        assert (theirs.fields["poll_05"], theirs.fields["poll_70"]) == said["poll"]
    if len(four_byte := dwords(image, 0xFF84)) > 2:
        plain, erases = read_four_byte(four_byte)
        assert {*theirs.reads_4b, *theirs.programs_4b} == plain
        assert {e.number: e.opcode_4b for e in theirs.erases if e.opcode_4b} == {
            n: opcode for n, opcode in erases.items() if n in said["erases"]
        }


def same_times(theirs: SfdpTable, said: dict[str, Any]) -> None:
    pairs = {"page us": theirs.program, "first us": theirs.first_byte, "further us": theirs.next_byte}
    for key, times in pairs.items():
        assert times == pytest.approx(said[key])
    assert theirs.chip_erase == pytest.approx([1000 * ms for ms in said["chip ms"]])
    assert theirs.page_size == said["page"]
    for kind in theirs.erases:
        assert kind.time_us == pytest.approx([1000 * ms for ms in said["erase ms"][kind.number]])
    suspend = said.get("suspend")
    assert (theirs.suspend is None) == (suspend is None)
    if theirs.suspend is not None and suspend is not None:
        mine = theirs.suspend
        assert (mine.program_suspend, mine.program_resume) == suspend["program"]
        assert (mine.erase_suspend, mine.erase_resume) == suspend["erase"]
        assert (mine.prohibited_in_program, mine.prohibited_in_erase) == suspend["prohibited"]
        assert (mine.program_gap_us, mine.erase_gap_us) == (suspend["program gap"], suspend["erase gap"])
        latencies = (mine.program_latency_us, mine.erase_latency_us)
        assert latencies == pytest.approx((suspend["program latency"], suspend["erase latency"]))


def test_the_check_values_of_the_notes() -> None:
    for image in (IMAGES["dump MX25R8035F"], IMAGES["part MX25R8035F"]):
        said = read_basic(dwords(image, 0xFF00))
        assert said["erase ms"][1] == (48, 384)
        assert (said["page us"], said["chip ms"][0]) == ((896, 5376), 6144)
        assert (said["power-down"][2], said["quad enable"]) == (40, "010")
    for image in (IMAGES["dump W25Q512JV"], IMAGES["part W25Q512JV"]):
        assert dwords(image, 0xFF84)[1:] == [0xFFF00AFF, 0xFFDCFF21]
