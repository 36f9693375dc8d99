"""SFDP: generated tables against real chips' dumps, and there and back.

What a table must say is typed a second time here, from the notes on each chip and from the layout of JESD216, never
read from a part file. Dumps are in `sfdp_dumps`; rounding, refusals and hostile bytes in `test_sfdp_limits`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from flash.command_set import Sfdp
from flash.device import FlashDevice
from flash.figure import Figure
from flash.part import Erase, Part, Runs, bundled_part, load_part, part_names
from flash.sfdp import (
    basic_table,
    compare,
    decode,
    describe,
    given,
    image_of,
    meaning,
    part_from_table,
    skeleton,
    table,
)
from flash.sfdp_fields import FIELDS, SCALES
from tests.flash.sfdp_dumps import DUMPS, SIBLINGS, basic_of, figure

K = 1024
replace = msgspec.structs.replace


def with_table(part: Part) -> bool:
    return part.serial is not None and part.serial.sfdp is not None


ANSWERING = [name for name in part_names() if with_table(bundled_part(name))]


def word(raw: bytes, number: int) -> int:
    return int.from_bytes(raw[4 * number - 4 : 4 * number], "little")


# -- real chips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, dump in DUMPS.items() if dump.checksum])
def test_a_dump_is_the_one_its_source_gives_a_checksum_of(name: str) -> None:
    algorithm, digest = DUMPS[name].checksum or ("", "")
    assert hashlib.new(algorithm, DUMPS[name].raw).hexdigest() == digest


SAME = sorted(DUMPS.keys() - {"W25Q128JV", "IS25WP256"})
SERIAL = [name for name in part_names() if bundled_part(name).serial is not None]


def test_every_serial_part_answers_but_the_one_older_than_the_standard() -> None:
    assert len(SERIAL) == 24
    assert set(SERIAL) - set(ANSWERING) == {"AT25DF041A"}
    assert any("SFDP" in note for note in bundled_part("AT25DF041A").notes)


@pytest.mark.parametrize("name", SAME)
def test_the_basic_table_is_the_chips_own_byte_for_byte(name: str) -> None:
    assert basic_table(bundled_part(name)).hex(" ", 4) == basic_of(DUMPS[name].raw).hex(" ", 4)


VENDOR = "the vendor's own table; nothing of it is modelled"
DATASHEET = "the datasheet's 45 ms, as quoted, is written 48 ms; its own table says 64 ms"
CONTRADICTS = (
    "its own table says 3 bytes only although DWORD 16 lists how four-byte mode is entered and the chip has 32 MiB"
)
DIFFERENT: dict[str, list[tuple[int, str, str, str, str]]] = {
    "W25Q128JV": [
        (10, "type_1_time", "48 ms", "64 ms", DATASHEET),
    ],
    "MX25L12833F": [(0, "table FFC2", "", "4 DWORDs", VENDOR)],
    "MX25R8035F": [(0, "table FFC2", "", "4 DWORDs", VENDOR)],
    "MX66L1G45G": [(0, "table FFC2", "", "4 DWORDs", VENDOR)],
    "IS25WP256": [
        (1, "address", "0x1", "0x0", CONTRADICTS),
        (0, "table 029D", "", "3 DWORDs", VENDOR),
    ],
    "GD25LB512ME": [(0, "table FFC8", "", "3 DWORDs", VENDOR)],
    "SST26VF064B": [(0, "table 01BF", "", "24 DWORDs", VENDOR)],
}  # fmt: skip


@pytest.mark.parametrize("name", DUMPS)
def test_differences_from_the_chips_own_table_are_these_and_have_their_reasons(name: str) -> None:
    found = [(d.dword, d.field, d.ours, d.theirs, d.reason) for d in compare(bundled_part(name), DUMPS[name].raw)]
    assert found == DIFFERENT.get(name, [])


# What must differ from the table of a chip that is only of the same family: its size, and what belongs to it.
FAMILY = {
    "MT25QL128ABA": {
        "address", "density", "chip_erase_time", "leave_four_byte", "enter_four_byte", "table FF84",
    },
    "N25Q032A13": {"density"},
    "IS25LP128": {"table 029D"},
    "GD25Q16C": {"density"},
    "GD25Q128C": {"density"},
}  # fmt: skip


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_part_without_a_dump_says_what_its_family_says_but_for_its_size(name: str) -> None:
    assert {d.field for d in compare(bundled_part(name), SIBLINGS[name].raw)} == FAMILY[name]


@pytest.mark.parametrize("name", sorted(set(ANSWERING) - set(DUMPS)))
def test_a_table_no_dump_stands_behind_says_so(name: str) -> None:
    serial = bundled_part(name).serial
    assert serial is not None and serial.sfdp is not None
    assert serial.sfdp.source.startswith("no dump found: generated from the part's other figures")


ALWAYS_GIVEN = {
    "density", "address", "page_size", "no_suspend", "no_power_down", "erase_4k", "erase_multiplier",
    "type_1_size", "type_1_opcode", "type_1_time", "type_2_size", "type_2_opcode", "type_2_time", "type_3_size",
    "program_multiplier", "page_time", "chip_erase_time", "read_144", "read_144_opcode", "read_144_mode",
    "read_114_waits", "program_latency", "erase_latency", "program_gap", "erase_gap", "erase_suspend_opcode",
    "program_resume_opcode", "reset_66_99", "poll_70",
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERING)
def test_what_figures_give_is_generated_not_copied(name: str) -> None:
    part = bundled_part(name)
    assert part.serial is not None and part.serial.sfdp is not None
    copied = {field for field, _ in part.serial.sfdp.as_dumped}
    missing = ALWAYS_GIVEN - given(part).keys()
    assert not copied & given(part).keys()
    assert not (copied & missing), "copied from a dump although the part file has such figures for other parts"
    if name in DUMPS:
        assert not missing
    suspend, power_down = part.serial.suspend, part.serial.power_down
    assert given(part)["no_suspend"] == (suspend is None) and given(part)["no_power_down"] == (power_down is None)


class Known(NamedTuple):
    """From the part notes: sizes; erase opcode and (typ, max) ms by size; page (typ, max) us; suspend; power-down."""

    size: int
    erases: dict[int, tuple[int, tuple[float, float]]]
    page_us: tuple[float, float]
    chip_ms: tuple[float, float]
    gaps_us: tuple[float, float]
    latency_us: float
    exit_us: float | None
    quad_enable: str


# fmt: off
W25Q = {4 * K: (0x20, (64, 896)), 32 * K: (0x52, (128, 1792)), 64 * K: (0xD8, (160, 2240))}
MX25R = {4 * K: (0x20, (48, 384)), 32 * K: (0x52, (240, 1920)), 64 * K: (0xD8, (480, 3840))}
KNOWN = {
    "W25Q16JV": Known(2048 * K, W25Q,
                      (704, 4224), (5120, 30720), (128, 512), 20, 3, "100"),
    "W25Q64JV": Known(8192 * K, W25Q,
                      (704, 4224), (20000, 120000), (128, 512), 20, 3, "100"),
    "W25Q64JW": Known(8192 * K, W25Q,
                      (704, 4224), (20000, 120000), (128, 512), 20, 30, "101"),
    "W25Q512JV": Known(65536 * K, W25Q,
                       (704, 4224), (192000, 1152000), (128, 512), 20, 3, "100"),
    "MX25R8035F": Known(1024 * K, MX25R,
                        (896, 5376), (6144, 36864), (128, 256), 40, 40, "010"),
    "MX25R6435F": Known(8192 * K, MX25R,
                        (896, 5376), (52000, 312000), (128, 448), 40, 40, "010"),
    "MX66L1G45G": Known(131072 * K,
                        {4 * K: (0x20, (30, 420)), 32 * K: (0x52, (160, 2240)), 64 * K: (0xD8, (288, 4032))},
                        (256, 3072), (256000, 3072000), (128, 448), 25, 30, "010"),
    "IS25WP256": Known(32768 * K, {4 * K: (0x20, (48, 384)), 32 * K: (0x52, (160, 1280)), 64 * K: (0xD8, (304, 2432))},
                       (200, 1200), (60000, 360000), (448, 448), 56, 15, "010"),
    "GD25LB512ME": Known(65536 * K,
                         {4 * K: (0x20, (30, 360)), 32 * K: (0x52, (112, 1344)), 64 * K: (0xD8, (208, 2496))},
                         (184, 1472), (100000, 800000), (64, 64), 20, 30, ""),
    "SST26VF064B": Known(8192 * K,
                         {4 * K: (0x20, (19, 38)), 8 * K: (0xD8, (19, 38)), 32 * K: (0xD8, (19, 38)),
                          64 * K: (0xD8, (19, 38))},
                         (1024, 2048), (32, 64), (512, 512), 25, None, "101"),
    "AT25FF321A": Known(4096 * K, {4 * K: (0x20, (96, 192)), 32 * K: (0x52, (768, 1536)), 64 * K: (0xD8, (1408, 2816))},
                        (2048, 12288), (76000, 456000), (64, 64), 56, 40, "101"),
}
# fmt: on


@pytest.mark.parametrize("name", KNOWN)
def test_a_dump_decodes_to_the_known_figures_and_so_does_the_table_of_the_part(name: str) -> None:
    raw = DUMPS[name].raw
    for decoded in (decode(raw if raw.startswith(b"SFDP") else image_of(raw)), decode(table(bundled_part(name)))):
        suspend, chip, program = decoded.suspend, decoded.chip_erase, decoded.program
        assert suspend is not None and chip is not None and program is not None
        assert suspend.program_latency_us == suspend.erase_latency_us
        erases = {}
        for kind in decoded.erases:
            assert kind.time_us is not None
            erases[kind.size] = (kind.opcode, (kind.time_us.typ_us / 1000, kind.time_us.max_us / 1000))
        found = Known(
            decoded.size, erases, tuple(program), (chip.typ_us / 1000, chip.max_us / 1000),
            (suspend.program_gap_us, suspend.erase_gap_us), suspend.erase_latency_us,
            None if decoded.power_down is None else decoded.power_down[2], decoded.quad_enable,
        )  # fmt: skip
        assert found == KNOWN[name]
        assert decoded.page_size == 256


@pytest.mark.parametrize("name", KNOWN)
def test_the_part_file_has_the_known_figures(name: str) -> None:
    part, known = bundled_part(name), KNOWN[name]
    serial = part.serial
    assert serial is not None and serial.suspend is not None
    assert part.size == known.size and part.program.page_size == 256
    erases = {e.size: (e.opcode, (e.time_us.typ / 1000, e.time_us.max / 1000)) for e in part.erase}
    assert erases == known.erases
    assert (part.program.time_us.typ, part.program.time_us.max) == known.page_us
    chip = serial.chip_erase.time_us
    assert (chip.typ / 1000, chip.max / 1000) == known.chip_ms
    assert (serial.suspend.program_gap_us, serial.suspend.erase_gap_us) == known.gaps_us
    assert serial.quad_enable == known.quad_enable
    assert (None if serial.power_down is None else serial.power_down.exit_us) == known.exit_us


def test_the_four_byte_table_of_w25q512jv() -> None:
    raw = table(bundled_part("W25Q512JV"))
    assert raw[0x10:0x18] == bytes.fromhex("84 00 01 02 D0 00 00 FF")
    assert (word(raw[0xD0:], 1), word(raw[0xD0:], 2)) == (0xFFF00AFF, 0xFFDCFF21)
    decoded = decode(raw)
    assert [(kind.size, kind.opcode_4b) for kind in decoded.erases] == [(4 * K, 0x21), (32 * K, 0), (64 * K, 0xDC)]
    assert {read.lines: read.opcode_4b for read in decoded.reads} == {
        "1-1-2": 0x3C, "1-2-2": 0xBC, "1-1-4": 0x6C, "1-4-4": 0xEC, "4-4-4": 0,
    }  # fmt: skip
    assert (decoded.reads_4b, decoded.programs_4b) == ((0x13, 0x0C, 0x3C, 0xBC, 0x6C, 0xEC), (0x12, 0x34))


def test_a_table_of_revision_0_has_nine_dwords_and_no_times() -> None:
    raw = table(bundled_part("W25Q256JV"))
    decoded = decode(raw)
    assert (raw[4], raw[11], len(basic_table(bundled_part("W25Q256JV")))) == (0, 9, 36)
    assert (decoded.program, decoded.chip_erase, decoded.suspend, decoded.power_down) == (None, None, None, None)
    assert [kind.time_us for kind in decoded.erases] == [None] * 3
    assert len(decoded.headers) == 1, "the four-byte table came with revision 6"


def test_the_sector_map_of_sst26_is_the_chips_own() -> None:
    part, raw = bundled_part("SST26VF064B"), DUMPS["SST26VF064B"].raw
    assert table(part)[0x100:0x118] == raw[0x100:0x118]
    expected = [
        (0, 0x8000, (1, 2)), (0x8000, 0x8000, (1, 3)), (0x1_0000, 0x7E_0000, (1, 4)),
        (0x7F_0000, 0x8000, (1, 3)), (0x7F_8000, 0x8000, (1, 2)),
    ]  # fmt: skip
    assert [tuple(region) for region in decode(raw).regions] == expected
    assert part_from_table(decode(raw), "SST").erase[1].ranges == ((0, 0x8000), (0x7F_8000, 0x80_0000))


def test_what_d8h_erases_on_sst26_depends_on_the_address() -> None:
    device = FlashDevice(bundled_part("SST26VF064B"))
    sizes = {at: device.geometry.erase_sizes_at(at) for at in (0, 0x8000, 0x1_0000, 0x7E_0000, 0x7F_0000, 0x7F_8000)}
    assert sizes == {
        0: (4 * K, 8 * K), 0x8000: (4 * K, 32 * K), 0x1_0000: (4 * K, 64 * K), 0x7E_0000: (4 * K, 64 * K),
        0x7F_0000: (4 * K, 32 * K), 0x7F_8000: (4 * K, 8 * K),
    }  # fmt: skip
    assert device.part.serial is not None and device.part.serial.unlock_at_power_up


# -- there and back --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERING)
def test_decoding_gives_the_part_back(name: str) -> None:
    part = bundled_part(name)
    raw = table(part)
    back = part_from_table(decode(raw), name, jedec_id=part.jedec_id)
    assert table(back) == raw
    assert carried(back) == carried(part)
    assert compare(back, raw) == []
    assert back.serial is not None and back.serial.sfdp is not None
    assert all(value != FIELDS[field].blank for field, value in back.serial.sfdp.as_dumped)


def carried(part: Part) -> dict[str, Any]:
    """Every figure a table carries, times as a table can say them."""
    serial, times = part.serial, {}
    assert serial is not None and serial.sfdp is not None
    if serial.sfdp.revision:
        durations = {f"type_{n}_time": e.time_us for n, e in enumerate(part.erase, 1)}
        durations |= {"page_time": part.program.time_us, "chip_erase_time": serial.chip_erase.time_us}
        for field, figure in durations.items():
            times[field] = SCALES[field].decode(SCALES[field].encode(figure.typ, field))
        suspend = serial.suspend
        if suspend is not None:
            times |= {
                f"{what}_{kind}": SCALES[f"{what}_{kind}"].decode(
                    SCALES[f"{what}_{kind}"].encode(getattr(suspend, f"{what}_{kind}_us"), "")
                )
                for what in ("program", "erase")
                for kind in ("gap", "latency")
            }
            times["suspend"] = (
                suspend.program_suspend, suspend.program_resume, suspend.erase_suspend, suspend.erase_resume
            )  # fmt: skip
        if serial.power_down is not None:
            times["power_down"] = (serial.power_down.enter, serial.power_down.exit)
        times["quad_enable"] = serial.quad_enable
        times["soft_reset"] = serial.soft_reset is not None
    four_byte = any(header.id == 0xFF84 for header in decode(table(part)).headers)
    return times | {
        "size": part.size,
        "page_size": part.program.page_size,
        "sectors": part.sectors,
        "erases": [(e.size, e.opcode, e.opcode_4b if four_byte else 0, e.ranges) for e in part.erase],
        "address": serial.address,
        "reads": {
            (r.lines, r.opcode, r.mode_clocks, r.wait_clocks, r.opcode_4b if four_byte else 0)
            for r in serial.reads
            if not r.dtr and r.lines != "1-1-1"
        },
    }


def hybrid(*entries: Erase, sectors: tuple[Runs, ...]) -> Part:
    """A part of 256 KiB with these sectors and erases, and a table."""
    part = bundled_part("AT25FF321A")
    assert part.serial is not None
    serial = replace(part.serial, sfdp=Sfdp(source="made up for a test"))
    return Part(
        name="HYBRID", vendor="nobody", kind="spi-nor", size=256 * K, sectors=sectors, program=part.program,
        erase=entries, read=part.read, endurance=part.endurance, source="made up for a test", jedec_id="1F0000",
        serial=serial,
    )  # fmt: skip


SHORT = figure(10_000, 20_000)
HYBRIDS = {
    "small sectors at the bottom": (
        hybrid(Erase(4 * K, SHORT, 0x20), Erase(64 * K, SHORT, 0xD8), sectors=(Runs(16, 4 * K), Runs(3, 64 * K))),
        [(0, 64 * K, (1,)), (64 * K, 192 * K, (2,))],
        3,
    ),
    "a block only in a range, a larger one wherever it fits": (
        hybrid(
            Erase(4 * K, SHORT, 0x20),
            Erase(8 * K, SHORT, 0x50, ranges=((0, 16 * K), (16 * K, 32 * K))),
            Erase(64 * K, SHORT, 0xD8),
            sectors=(Runs(64, 4 * K),),
        ),
        [(0, 32 * K, (1, 2)), (32 * K, 32 * K, (1,)), (64 * K, 192 * K, (1, 3))],
        1,
    ),
}


@pytest.mark.parametrize("case", HYBRIDS)
def test_a_part_whose_erases_depend_on_the_address_has_a_sector_map(case: str) -> None:
    part, regions, erase_4k = HYBRIDS[case]
    raw = table(part)
    assert [tuple(region) for region in decode(raw).regions] == regions
    assert [header.id for header in decode(raw).headers] == [0xFF00, 0xFF81]
    assert word(basic_table(part), 1) & 3 == erase_4k
    back = part_from_table(decode(raw), "back")
    assert back.sectors == part.sectors
    assert not any(erase.ranges for erase in back.erase if erase.size in {run.size for run in back.sectors})
    assert decode(table(back)).regions == decode(raw).regions
    for at in (0, 16 * K, 32 * K, 60 * K, 64 * K, 192 * K):
        assert set(back.geometry.erase_sizes_at(at)) <= set(part.geometry.erase_sizes_at(at))


@pytest.mark.parametrize("name", DUMPS)
def test_a_part_made_of_a_dump_says_what_the_dump_says(name: str) -> None:
    raw = DUMPS[name].raw
    decoded = decode(raw if raw.startswith(b"SFDP") else image_of(raw))
    part = part_from_table(decoded, name)
    left = {(d.field, d.reason) for d in compare(part, raw)}
    vendor = {(f"table {h.id:04X}", VENDOR) for h in decoded.headers if h.id not in (0xFF00, 0xFF84, 0xFF81)}
    address = {("address", "the table says 3 bytes, which end at 16 MiB")} if name == "IS25WP256" else set()
    assert left == vendor | address
    assert FlashDevice(part).geometry.size == decoded.size


@pytest.mark.parametrize("name", DUMPS)
def test_the_file_made_of_a_dump_loads_as_that_part_and_says_what_is_missing(name: str, tmp_path: Path) -> None:
    raw = DUMPS[name].raw
    decoded = decode(raw if raw.startswith(b"SFDP") else image_of(raw))
    file = tmp_path / "mine.toml"
    odd = 'a "quoted"\\ \n\x7fé name'
    file.write_text(skeleton(decoded, odd, jedec_id="EF4018"), encoding="utf-8")
    assert load_part(file) == part_from_table(decoded, odd, jedec_id="EF4018")
    assert "erased" not in file.read_text(encoding="utf-8"), "defaults are left out"
    assert "serial.register_write_us" in file.read_text(encoding="utf-8").split("\n\n")[0]
    assert "jedec_id is in no SFDP table" not in file.read_text(encoding="utf-8")
    assert "jedec_id is in no SFDP table" in skeleton(decoded, name)


def test_stand_ins_of_a_part_made_of_a_table_are_marked() -> None:
    part = part_from_table(decode(DUMPS["W25Q256JV"].raw), "short")
    assert part.serial is not None
    assert part.program.time_us.unknown == part.serial.register_write_us.unknown == ("typ", "max")
    assert all(erase.time_us.unknown == ("typ", "max") and erase.time_us.stand_in for erase in part.erase)
    assert part.program.first_byte_us is None
    long = part_from_table(decode(DUMPS["MX25R8035F"].raw), "long")
    assert long.program.time_us.unknown == () and "upper bound" in long.program.time_us.source


def test_a_table_in_words() -> None:
    assert describe(decode(DUMPS["MX25R8035F"].raw)) == [
        "JESD216 revision 1.6, basic table (16 DWORDs at 0x30), vendor table FFC2 (4 DWORDs at 0x110)",
        "1048576 bytes, pages of 256 bytes, address bytes: 3",
        "erase 4096 bytes: 20h, typical 48 ms, at most 384 ms",
        "erase 32768 bytes: 52h, typical 240 ms, at most 1.92 s",
        "erase 65536 bytes: D8h, typical 480 ms, at most 3.84 s",
        "read 1-4-4: EBh, 2 mode and 4 wait clocks",
        "read 1-1-4: 6Bh, 0 mode and 8 wait clocks",
        "read 1-1-2: 3Bh, 0 mode and 8 wait clocks",
        "read 1-2-2: BBh, 0 mode and 4 wait clocks",
        "page program, typical 896 us, at most 5.376 ms",
        "chip erase, typical 6.144 s, at most 36.864 s",
        "suspend B0h, resume 30h: within 40 us (program), 40 us (erase); gap 128 us, 256 us",
        "deep power-down B9h, out of it ABh within 40 us",
        "quad enable: code 010",
    ]
    assert "[0x8000, 0x10000): erases of 4096, 32768 bytes" in describe(decode(DUMPS["SST26VF064B"].raw))
    assert "erase 4096 bytes: 20h (four-byte 21h), typical 64 ms, at most 896 ms" in describe(
        decode(DUMPS["W25Q512JV"].raw)
    )
    assert meaning("erase_multiplier", 6) == "maximum = typical x 14"


# -- comparing -------------------------------------------------------------------------------------------


def test_a_difference_names_the_figure_it_comes_from() -> None:
    part = bundled_part("W25Q128JV")
    slower = replace(part, program=replace(part.program, time_us=figure(1000, 3000)))
    (found,) = [d for d in compare(slower, table(part)) if d.field == "page_time"]
    assert (found.dword, found.ours, found.theirs) == (11, "1.024 ms", "704 us")
    assert found.reason == "the part's figure is 1 ms / 3 ms, made up for a test"
    stand_in = replace(part.erase[1], time_us=Figure(256_000, 1_792_000, "not found", ("typ",), "a sibling"))
    guessed = replace(part, erase=(part.erase[0], stand_in, part.erase[2]))
    assert [d.reason for d in compare(guessed, table(part))] == [
        "the part's figure is 256 ms / 1.792 s, a stand-in: a sibling"
    ]


def test_differences_of_what_no_figure_gives_say_so() -> None:
    part = bundled_part("AT25FF321A")
    assert part.serial is not None and part.serial.sfdp is not None
    bare = replace(part, serial=replace(part.serial, sfdp=replace(part.serial.sfdp, as_dumped=())))
    found = {d.field: d.reason for d in compare(bare, DUMPS["AT25FF321A"].raw)}
    assert found.keys() == {field for field, _ in part.serial.sfdp.as_dumped}
    assert set(found.values()) == {"no figure of the part gives it"}
    other = bytearray(DUMPS["AT25FF321A"].raw)
    other[0x10 + 60] ^= 1
    (copied,) = compare(part, bytes(other))
    assert (copied.field, copied.reason) == ("status_1_volatility", f"taken over from {part.serial.sfdp.source}")


def test_a_longer_table_and_another_sector_map_are_differences() -> None:
    longer = image_of(basic_of(DUMPS["AT25FF321A"].raw) + bytes(16))
    raw = longer[:16] + longer[16:]
    assert [(d.field, d.ours, d.theirs) for d in compare(bundled_part("AT25FF321A"), raw)] == [
        ("table FF00", "16 DWORDs", "20 DWORDs")
    ]
    part = bundled_part("SST26VF064B")
    swapped = bytearray(table(part))
    swapped[0x104:0x108], swapped[0x108:0x10C] = swapped[0x108:0x10C], swapped[0x104:0x108]
    assert [d.field for d in compare(part, bytes(swapped))] == ["sector map"]
