"""SFDP at its limits: how durations are rounded, figures no table can say, bytes that are no table."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from flash.command_set import Sfdp
from flash.errors import FlashError
from flash.figure import Figure
from flash.part import Erase, Part, bundled_part
from flash.sfdp import (
    SfdpError,
    basic_table,
    compare,
    decode,
    describe,
    given,
    image_of,
    part_from_table,
    skeleton,
    table,
)
from flash.sfdp_fields import FIELDS, SCALES, Scale
from tests.flash.sfdp_dumps import DUMPS, basic_of, figure

replace = msgspec.structs.replace


def word(raw: bytes, number: int) -> int:
    return int.from_bytes(raw[4 * number - 4 : 4 * number], "little")


def with_figures(name: str, **changes: Any) -> Part:
    """A bundled part with other figures; its table is made from those alone."""
    part = bundled_part(name)
    assert part.serial is not None and part.serial.sfdp is not None
    serial = {key: changes.pop(key) for key in list(changes) if hasattr(part.serial, key)}
    return replace(part, serial=replace(part.serial, **serial), **changes)


# -- quantisation ----------------------------------------------------------------------------------------


def durations(scale: Scale) -> dict[int, float]:
    units = len(scale.units_ns)
    return {raw: scale.decode(raw) for raw in range(units << scale.count_bits)}


@for_all(st.sampled_from(sorted(SCALES)), st.floats(0, 1), st.booleans())
def test_a_duration_is_written_as_the_shortest_that_is_not_shorter(field: str, share: float, coarsest: bool) -> None:
    scale = SCALES[field]
    sayable = durations(scale)
    wanted = share * max(sayable.values())
    raw = scale.encode(wanted, field, coarsest=coarsest)
    best = min(d for d in sayable.values() if d >= wanted - 1e-6)
    assert sayable[raw] == best
    equal = [code for code, duration in sayable.items() if duration == best]
    assert raw == (max(equal) if coarsest else min(equal))


@pytest.mark.parametrize(
    ("field", "duration_us", "raw", "written_us"),
    [
        ("type_1_time", 45_000, 0b01_00010, 48_000), ("type_1_time", 31_000, 0b00_11110, 31_000),
        ("type_1_time", 33_000, 0b01_00010, 48_000), ("type_3_time", 480_000, 0b01_11101, 480_000),
        ("page_time", 700, 0b1_01010, 704), ("page_time", 1, 0b0_00000, 8),
        ("first_byte_time", 32, 0b1_0011, 32), ("chip_erase_time", 40_000_000, 0b10_01001, 40_000_000),
        ("program_latency", 20, 0b01_10011, 20), ("power_down_exit_time", 3, 0b01_00010, 3),
        ("erase_gap", 500, 7, 512), ("program_latency", 0.1281, 0b00_00001, 0.256), ("erase_gap", 0, 0, 64),
    ],
)  # fmt: skip
def test_durations_as_bits(field: str, duration_us: float, raw: int, written_us: float) -> None:
    assert SCALES[field].encode(duration_us, field) == raw
    assert SCALES[field].decode(raw) == written_us


def test_units_that_say_the_same() -> None:
    assert SCALES["type_1_time"].encode(128_000, "") == 0b01_00111
    assert SCALES["type_1_time"].encode(128_000, "", coarsest=True) == 0b10_00000


@for_all(
    st.lists(st.tuples(st.floats(1, 4e6), st.floats(1, 30)), min_size=3, max_size=3),
    st.floats(8, 2000),
    st.floats(1, 30),
)
def test_no_time_of_a_table_is_shorter_than_the_parts(
    erases: list[tuple[float, float]], page_us: float, factor: float
) -> None:
    part = bundled_part("W25Q128JV")
    times = [figure(typ, typ * ratio) for typ, ratio in erases]
    part = replace(
        part,
        erase=tuple(replace(old, time_us=new) for old, new in zip(part.erase, times, strict=True)),
        program=replace(part.program, time_us=figure(page_us, page_us * factor)),
    )
    decoded = decode(table(part))
    assert decoded.program is not None
    for kind, wanted in zip(decoded.erases, times, strict=True):
        assert kind.time_us is not None
        assert kind.time_us.typ_us >= wanted.typ - 1e-6 and kind.time_us.max_us >= wanted.max - 1e-6
        assert kind.time_us.typ_us <= max(1000, wanted.typ * 2), "typical is rounded, never derived from a maximum"
    assert decoded.program.typ_us >= page_us - 1e-6 and decoded.program.max_us >= page_us * factor - 1e-6
    if (m := given(part)["erase_multiplier"]) > 0:
        typical = [SCALES["type_1_time"].decode(SCALES["type_1_time"].encode(t.typ, "")) for t in times]
        assert any(typ * 2 * m < wanted.max for typ, wanted in zip(typical, times, strict=True)), "m is the smallest"


# -- what no table can say -------------------------------------------------------------------------------


def sfdp_with(**changes: Any) -> Part:
    part = bundled_part("AT25FF321A")
    assert part.serial is not None and part.serial.sfdp is not None
    return with_figures("AT25FF321A", sfdp=replace(part.serial.sfdp, **changes))


def erases_of(*entries: tuple[int, Figure]) -> Part:
    return with_figures("AT25FF321A", erase=tuple(Erase(size, time, 0x20 + size % 7) for size, time in entries))


SHORT = figure(1000, 2000)
FIVE = tuple((4096 << n, SHORT) for n in range(5))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (erases_of((4096, figure(33e6, 40e6))), r"type_1_time: 3.3e\+07 us .* can say, which is 3.2e\+07 us"),
        (erases_of((4096, figure(1000, 33_000))), r"a maximum of 33000 us is more than 32 times the typical 1000 us"),
        (erases_of(*FIVE), "5 erase sizes, and a table has room for 4"),
        (erases_of((4096, SHORT), (12288, SHORT)), "erase size 12288 is no power of two"),
        (sfdp_with(as_dumped=(("type_4_opcod", 0),)), "type_4_opcod: no such field.*did you mean `type_4_opcode`"),
        (sfdp_with(as_dumped=(("page_time", 3),)), "page_time: a figure of the part already gives this field"),
        (sfdp_with(as_dumped=(("leave_444", 16),)), "as_dumped: leave_444: 0x10 is more than its 4 bits hold"),
        (sfdp_with(basic_at=0x30, four_byte_at=0x40), "the table FF84 at 0x40 begins before 0x70"),
        (sfdp_with(basic_at=0x10, four_byte_at=0x80), "the table FF00 at 0x10 begins before 0x18"),
        (with_figures("AT25FF321A", sfdp=None), r"has no \[serial.sfdp\] table: it does not answer 5Ah"),
        (bundled_part("STM32F405"), r"STM32F405 has no \[serial\] table"),
    ],
)  # fmt: skip
def test_a_figure_no_table_can_say_is_refused(part: Part, message: str) -> None:
    with pytest.raises(SfdpError, match=message) as refused:
        table(part)
    assert "\n" not in str(refused.value) and part.name in str(refused.value)


def test_large_parts_say_their_size_as_a_power_of_two() -> None:
    part = bundled_part("MX66L1G45G")
    large = replace(part, size=1 << 30, sectors=(replace(part.sectors[0], count=1 << 18),))
    large.__dict__.pop("_geometry", None)
    assert word(basic_table(large), 2) == 0x8000_0021
    assert decode(table(large)).size == 1 << 30
    half = replace(part, size=1 << 28, sectors=(replace(part.sectors[0], count=1 << 16),))
    assert (word(basic_table(half), 2), decode(table(half)).size) == (0x7FFF_FFFF, 1 << 28)
    too_large = decode(image_of(basic_table(large)[:4] + (0x8000_0022).to_bytes(4, "little") + basic_table(large)[8:]))
    with pytest.raises(SfdpError, match="at most 1 GiB, this table says 2147483648 bytes"):
        part_from_table(too_large, "two gibibytes")
    odd = replace(part, size=3 << 28, sectors=(replace(part.sectors[0], count=3 << 16),))
    with pytest.raises(SfdpError, match="above 256 MiB, must be a power of two"):
        table(odd)


def test_the_shortest_serial_sfdp_table_says_what_figures_give_and_nothing_else() -> None:
    part = with_figures("AT25FF321A", sfdp=Sfdp(source="none"))
    decoded = decode(table(part))
    assert decoded.headers[0].at == 0x30 and decoded.fields["leave_four_byte"] == 0x3FF
    assert [read.lines for read in decoded.reads] == ["1-4-4", "1-1-4", "1-1-2"]
    silent = with_figures("AT25FF321A", sfdp=Sfdp(source="none"), suspend=None, power_down=None, soft_reset=None)
    decoded = decode(table(silent))
    assert (decoded.suspend, decoded.power_down, decoded.fields["reset_66_99"]) == (None, None, 0)
    assert [word(basic_table(silent), n) for n in (12, 13, 14)] == [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFF7]


def test_a_table_cut_between_the_dwords_of_suspend_says_nothing_of_it() -> None:
    decoded = decode(image_of(basic_of(DUMPS["AT25FF321A"].raw)[:48]))
    assert decoded.suspend is None and decoded.chip_erase is not None and decoded.quad_enable == ""


# -- hostile bytes ---------------------------------------------------------------------------------------


def patched(name: str, *changes: tuple[int, str]) -> bytes:
    raw = bytearray(DUMPS[name].raw)
    for at, content in changes:
        new = bytes.fromhex(content)
        raw[at : at + len(new)] = new
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "0 bytes are too few"),
        (DUMPS["AT25FF321A"].raw[:15], "15 bytes are too few"),
        (b"\xff" * 256, "begin with FF FF FF FF"),
        (patched("AT25FF321A", (5, "02")), "major revision 2; only 1 is known"),
        (patched("AT25FF321A", (6, "0F")), "16 parameter headers end at 0x88, and the dump at 0x50"),
        (patched("AT25FF321A", (12, "12")), "table FF00 at 0x12 is not on a DWORD"),
        (patched("AT25FF321A", (12, "14")), r"table FF00 is said to be at \[0x14, 0x54\), and the dump ends at 0x50"),
        (patched("AT25FF321A", (8, "C2")), "no basic flash parameter table"),
        (patched("AT25FF321A", (10, "02")), "no basic flash parameter table .* of major revision 1"),
        (patched("AT25FF321A", (11, "08")), "8 DWORDs; the shortest there is has 9"),
        (patched("AT25FF321A", (0x14, "FEFFFF01")), "33554431 bits are no whole number of bytes"),
        (patched("AT25FF321A", (0x14, "FFFFFFFF")), r"a size of 2\*\*2147483647 bits"),
        (patched("AT25FF321A", (0x12, "E7")), "address bytes code 11 is reserved"),
        (patched("AT25FF321A", (0x2C, "00000000 00000000")), "no erase type"),
        (patched("AT25FF321A", (0x2C, "17")), r"erase type 1 of 2\*\*23 bytes does not divide"),
        (patched("AT25FF321A", (0x2C, "FF")), r"erase type 1 of 2\*\*255 bytes"),
        (patched("SST26VF064B", (0x104, "F0")), "the region at 0x0 has no erase type"),
        (patched("SST26VF064B", (0x104, "F30F")), "the region at 0x0 is not whole erase units"),
        (patched("SST26VF064B", (0x102, "03")), "4 regions end at 0x7f8000, and the size is 0x800000"),
        (patched("SST26VF064B", (0x102, "05")), "5 regions end at 0x800000"),
        (patched("SST26VF064B", (0x100, "FD")), "no map descriptor"),
    ],
)
def test_bytes_that_are_no_table_are_refused_in_one_line(raw: bytes, message: str) -> None:
    with pytest.raises(SfdpError, match=message) as refused:
        decode(raw)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("length", [0, 32, 35, 38, 96])
def test_a_bare_table_of_no_known_length_is_refused(length: int) -> None:
    with pytest.raises(SfdpError, match=f"which is 36 to 92 bytes; these are {length}"):
        image_of(bytes(length))


def exercise(raw: bytes) -> None:
    """All that is done with a stranger's dump; only FlashError may come of it, and decode raises SfdpError alone."""
    try:
        decoded = decode(raw)
    except SfdpError:
        return
    assert describe(decoded)
    try:
        part = part_from_table(decoded, "fuzz")
        assert skeleton(decoded, "fuzz")
        compare(bundled_part("MX25R8035F"), raw)
        assert decode(table(part)).size == decoded.size
    except FlashError as refused:
        assert "\n" not in str(refused)


@for_all(st.binary(max_size=300))
def test_random_bytes_never_break_the_decoder(raw: bytes) -> None:
    exercise(raw)
    exercise(b"SFDP\x06\x01" + raw)


@for_all(st.binary(min_size=64, max_size=64), st.integers(9, 16))
def test_random_tables_never_break_the_decoder(content: bytes, dwords: int) -> None:
    exercise(image_of(content[: 4 * dwords]))


@for_all(st.sampled_from(sorted(DUMPS)), st.data())
def test_damaged_dumps_never_break_the_decoder(name: str, data: st.DataObject) -> None:
    raw = bytearray(DUMPS[name].raw)
    raw = raw if raw.startswith(b"SFDP") else bytearray(image_of(bytes(raw)))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=6)):
        raw[at] = value
    exercise(bytes(raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))]))


def test_the_newer_of_two_basic_tables_counts() -> None:
    older, newer = basic_of(DUMPS["W25Q256JV"].raw), basic_of(DUMPS["W25Q512JV"].raw)
    head = b"SFDP" + bytes((6, 1, 1, 0xFF, 0, 0, 1, 9, 0x20, 0, 0, 0xFF, 0, 6, 1, 16, 0x48, 0, 0, 0xFF)) + b"\xff" * 8
    decoded = decode(head[:32] + older.ljust(40, b"\xff") + newer)
    assert (decoded.size, decoded.revision) == (64 << 20, 6)


def test_the_fields_cover_every_bit_once() -> None:
    covered: dict[tuple[int, int], int] = {}
    for field in FIELDS.values():
        bits = field.ones << field.low
        key = (field.table, field.dword)
        assert not covered.get(key, 0) & bits, field.name
        covered[key] = covered.get(key, 0) | bits
    assert {key for key, bits in covered.items() if bits != 0xFFFF_FFFF} == set()
    assert len(covered) == 23 + 2
