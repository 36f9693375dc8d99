"""Every published way in which an operation can be torn has its row; what each row of tiers 2 to 4 leaves."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from flash.cells import ECC_CORRECTED, ECC_FAULT, ECC_UNSTABLE, REGISTER_ROW_SIZE, Cells
from flash.device import FlashDevice
from flash.errors import EccFault
from flash.journal import Operation
from flash.part import Erase, Part, Runs, bundled_part
from flash.tears import TEAR_SETS, TEARS, tear_named, tears_of
from flash.tears.row import MAX_DRAWS
from flash.weak import DECAYING, HIDDEN, LIFTED_ABOVE, LIFTED_BELOW, METASTABLE, STUBBORN
from tests.flash.planes import Planes, random_state, torn
from tests.flash.small_parts import ANNEXED, GRANULES, SERIAL, SMALL_PARTS, WORDS, ZEROS, figure, mirrored

BY_NAME = {"ids": lambda part: part.name}
POINT = "a point of the journal"
T4 = TEAR_SETS["T4"]
MODELS = {
    "P0 not started": (POINT,),
    "P complete": (POINT,),
    "P1 prefix in latch order": ("prefix",),
    "P2 granules in no order": ("granules", "suffix", "torn-word"),
    "P3 bit subset": ("bit-subset", "one-bit", "all-but-one-bit"),
    "P4 half page or plane": ("half",),
    "P5 metastable": ("metastable",),
    "P6 decays": ("decaying",),
    "P7 hidden charge": ("hidden-charge",),
    "P8 disturb": ("disturb",),
    "P9 ECC granule": ("ecc-fault", "ecc-corrected", "ecc-miscorrected", "ecc-unstable", "ecc-used-blank"),
    "E0 not started": (POINT,),
    "E complete": (POINT,),
    "E1 pre-program front": ("front", "front-up"),
    "E2 all zero": ("preprogrammed",),
    "E3 pre-program bit soup": ("bit-soup",),
    "E4 pulse phase": ("pulse",),
    "E5 metastable": ("erase-metastable",),
    "E6 looks blank, weak": ("blank-metastable", "blank-hidden", "blank-stubborn"),
    "E7 unwritable": ("stuck",),
    "E8 over-erase leak": ("over-erase",),
    "E9 several sectors": ("sectors-up", "sectors-down", "sectors-front", "sectors-pulse", "sectors-blank"),
    "E- linear prefix": ("ff-prefix",),
    "R0 old": (POINT,),
    "R1 new": (POINT,),
    "R2 erased or programmed row": ("register-zeros", "register-ones"),
    "R3 random bits": ("register-soup",),
    "ECC check bits of a broken erase": ("erase-ecc-fault",),
    "STM32F1, measured": ("stopped-us",),
    "EEPROM, a self-timed erase/write cycle": (
        "rewritten",
        "rewritten-from",
        "rewrite-erased",
        "rewrite-erasing",
        "rewrite-programming",
    ),
    "EEPROM, the rest of the page is refreshed": ("page-erased", "page-soup"),
    "EEPROM, by analogy with P5": ("rewrite-metastable",),
}
"""What is published to where it is modelled. R4, a volatile register write, touches no cell: it is no operation."""

TIERS = {
    0: "ff-prefix",
    1: "prefix one-bit all-but-one-bit ecc-fault front preprogrammed erase-ecc-fault stopped-us"
    " rewritten rewrite-erased page-erased",
    2: "suffix granules half bit-subset torn-word front-up bit-soup pulse sectors-up sectors-down sectors-front"
    " sectors-pulse register-zeros register-ones register-soup"
    " rewritten-from rewrite-erasing rewrite-programming page-soup",
    3: "metastable decaying hidden-charge disturb ecc-corrected ecc-miscorrected ecc-unstable ecc-used-blank"
    " erase-metastable blank-metastable blank-hidden blank-stubborn stuck sectors-blank"
    " rewrite-metastable",
    4: "over-erase",
}


def test_every_published_model_has_its_rows_and_every_row_its_model() -> None:
    rows = [name for names in MODELS.values() for name in names if name != POINT]
    assert sorted(rows) == sorted(row.name for row in TEARS)
    of = {row.name: row.of for row in TEARS}
    for model, names in MODELS.items():
        kind = {"P": "program", "E": "erase", "R": "write"}.get(model[0] if model[1].isdigit() else "")
        assert kind is None or {of[name] for name in names if name != POINT} <= {kind}


def test_each_row_is_in_the_tier_that_was_recommended_for_it() -> None:
    assert {tier: set(names.split()) for tier, names in TIERS.items()} == {
        tier: {row.name for row in TEARS if row.tier == tier} for tier in range(5)
    }


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_old_and_new_are_points_and_not_tears_of_tier_1(part: Part) -> None:
    """Cut before and after instead; a tear that draws may by chance come out as one of them."""
    cells, unit = random_state(part, 3), part.program.unit
    data = bytes([~part.erased & 0xFF]) * (part.geometry.burst_size // unit * unit)
    sector = part.geometry.sector_at(part.size - 1)
    cells.load(sector.address, b"\x5a" * sector.size)
    for op in (
        Operation("program", "flash", 0, len(data), data, 0, 1),
        Operation("erase", "flash", sector.address, sector.size, b"", 0, 1),
    ):
        start, keys = cells.snapshot(), set()
        for done in (False, True):
            if done:
                (cells.program(0, data) if op.kind == "program" else cells.erase(op.address, op.length))
            keys.add(cells.snapshot().key)
            cells.restore(start)
        for tear in list(tears_of(part, cells, op, TEAR_SETS["T1"])):
            if tear.name not in ("stopped-us-50",):
                tear.apply(cells, op)
                assert cells.snapshot().key not in keys, tear.name
                cells.restore(start)


# -- what is drawn ---------------------------------------------------------------------------------------

DRAWN = [
    ("W25Q128JV", "program", "granules"), ("W25Q128JV", "program", "bit-subset"),
    ("W25Q128JV", "program", "metastable"),
    ("W25Q128JV", "program", "decaying"), ("W25Q128JV", "program", "hidden-charge"),
    ("W25Q128JV", "program", "disturb"),
    ("nRF52840", "program", "torn-word"), ("W25Q128JV", "erase", "bit-soup"), ("W25Q128JV", "erase", "pulse"),
    ("W25Q128JV", "erase", "erase-metastable"), ("W25Q128JV", "erase", "blank-metastable"),
    ("W25Q128JV", "erase", "blank-hidden"), ("W25Q128JV", "erase", "blank-stubborn"),
    ("W25Q128JV", "erase", "over-erase"), ("W25Q128JV", "write", "register-soup"), ("STM32L476", "erase", "pulse"),
    ("STM32F103", "erase", "blank-hidden"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "row"), DRAWN)
def test_what_is_drawn_differs_between_arguments_and_seeds_and_is_fixed_by_the_name(
    name: str, kind: str, row: str
) -> None:
    part = bundled_part(name)
    cells, sector = Cells(part), part.geometry.sector_at(part.size // 2)
    cells.load(sector.address - sector.size, bytes(sector.size))
    cells.load(sector.end, bytes(sector.size))
    data = bytes(256) if kind == "program" else b""
    where = part.size if kind == "write" else sector.address
    op = Operation(kind, "flash", where, 256 if data else sector.size, data, 0, 1)  # type: ignore[arg-type]
    start, found = cells.snapshot(), {}
    for seed in (0, 1, 77):
        names = [t.name for t in tears_of(part, cells, op, replace(T4, seed=seed)) if t.row.name == row]
        assert len(names) > 1
        assert not set(names) & set(found)
        for each in names:
            tear_named(each).apply(cells, op)
            found[each] = cells.snapshot().key
            cells.restore(start)
    assert len(set(found.values())) == len(found)
    for each, key in found.items():
        tear_named(each).apply(cells, op)
        assert cells.snapshot().key == key
        cells.restore(start)


def test_what_is_not_drawn_is_the_same_for_every_seed() -> None:
    cells = random_state(SERIAL, 1)
    op = Operation("erase", "flash", 0, 64, b"", 0, 1)
    names = [{t.name for t in tears_of(SERIAL, cells, op, replace(T4, seed=s))} for s in (0, 1)]
    assert {n.rpartition("-")[0] for n in names[0] & names[1]} == {"front", "front-up", "preprogrammed", "stuck"}


def test_a_campaign_has_room_for_its_draws() -> None:
    for part in (SERIAL, ANNEXED, WORDS, GRANULES):
        for op in (
            Operation("program", "flash", 0, part.program.unit, bytes(part.program.unit), 0, 1),
            Operation("erase", "flash", 0, part.geometry.sector_at(0).size, b"", 0, 1),
        ):
            for tear in tears_of(part, Cells(part), op, T4):
                if tear.row.tier > 1 and tear.row.name not in ("front-up", "suffix"):
                    assert tear.argument < MAX_DRAWS, tear.name


# -- tier 2 ----------------------------------------------------------------------------------------------


def left_of(part: Part, name: str, op: Operation, content: bytes) -> bytes:
    cells = Cells(part)
    cells.load(op.address, content)
    return torn(cells, op, tear_named(name)).data[op.address : op.address + op.length].tobytes()


def test_halves_planes_and_suffixes_are_what_they_say() -> None:
    data = bytes(range(16))
    op = Operation("program", "flash", 16, 16, data, 0, 1)
    old, blank = b"\xff" * 16, b"\xff"
    assert left_of(SERIAL, "half-0", op, old) == data[:8] + blank * 8
    assert left_of(SERIAL, "half-1", op, old) == blank * 8 + data[8:]
    assert left_of(SERIAL, "half-2", op, old) == b"".join(data[n : n + 1] + blank for n in range(0, 16, 2))
    assert left_of(SERIAL, "half-3", op, old) == b"".join(blank + data[n : n + 1] for n in range(1, 16, 2))
    for kept in (1, 8, 15):
        assert left_of(SERIAL, f"suffix-{kept}", op, old) == blank * kept + data[kept:]
        erase = Operation("erase", "flash", 64, 64, b"", 0, 1)
        assert left_of(SERIAL, f"front-up-{kept}", erase, b"\x5a" * 64) == bytes(kept) + b"\x5a" * (64 - kept)
        assert left_of(SERIAL, f"ff-prefix-{kept}", erase, b"\x5a" * 64) == blank * kept + b"\x5a" * (64 - kept)


@pytest.mark.parametrize(("argument", "size"), [(0, 8), (1, 2), (2, 4), (3, 16), (4, 32)])
def test_a_granule_is_done_whole_or_not_at_all(argument: int, size: int) -> None:
    part = bundled_part("W25Q128JV")
    left = left_of(
        part, f"granules-{argument}", Operation("program", "flash", 256, 256, bytes(256), 0, 1), b"\xff" * 256
    )
    pieces = [left[at : at + size] for at in range(0, 256, size)]
    assert set(pieces) == {bytes(size), b"\xff" * size}


def test_words_before_the_torn_one_are_done_and_words_after_it_are_old() -> None:
    op = Operation("program", "flash", 0, 32, bytes(32), 0, 1)
    seen = set()
    for tear in tears_of(WORDS, Cells(WORDS), op, T4):
        if tear.row.name == "torn-word":
            left = left_of(WORDS, tear.name, op, b"\xff" * 32)
            word = tear.argument % 8
            assert left[: word * 4] == bytes(word * 4)
            assert left[word * 4 + 4 :] == b"\xff" * (28 - word * 4)
            seen.add(word)
    assert seen == set(range(8))


def share_of_ones(content: bytes) -> float:
    return float(np.unpackbits(np.frombuffer(content, np.uint8)).mean())


@pytest.mark.parametrize(("argument", "share"), [(0, 0.5), (1, 0.1), (2, 0.9), (3, 0.98)])
def test_drawn_bits_come_in_the_documented_shares(argument: int, share: float) -> None:
    part = bundled_part("W25Q128JV")
    program = Operation("program", "flash", 4096, 256, bytes(256), 0, 1)
    assert 1 - share_of_ones(left_of(part, f"bit-subset-{argument}", program, b"\xff" * 256)) == pytest.approx(
        share, abs=0.05
    )
    erase = Operation("erase", "flash", 4096, 4096, b"", 0, 1)
    assert 1 - share_of_ones(left_of(part, f"bit-soup-{argument}", erase, b"\xff" * 4096)) == pytest.approx(
        share, abs=0.02
    )
    pulse = left_of(part, f"pulse-{argument}", erase, bytes(4096))
    assert pulse == left_of(part, f"pulse-{argument}", erase, b"\x5a" * 4096)
    lines = [share_of_ones(pulse[at : at + 256]) for at in range(0, 4096, 256)]
    # A word line has the share, or lags behind at its square.
    assert all(min(abs(line - share), abs(line - share**2)) < 0.06 for line in lines)
    if share == 0.5:
        assert {abs(line - share) < 0.06 for line in lines} == {True, False}


def test_a_pulse_may_be_cut_in_a_sector_that_lies_across_word_lines() -> None:
    """A user's part: a sector of 128 bytes that starts in the middle of a word line."""
    part = msgspec.structs.replace(
        SERIAL, name="ODD", size=512, sectors=(Runs(3, 64), Runs(1, 128), Runs(3, 64)),
        erase=(Erase(64, figure(100)), Erase(128, figure(100))),
    )  # fmt: skip
    cells = Cells(part)
    for tear in list(tears_of(part, cells, Operation("erase", "flash", 192, 128, b"", 0, 1), T4)):
        torn(cells, Operation("erase", "flash", 192, 128, b"", 0, 1), tear)


@pytest.mark.parametrize("row", ["sectors-up", "sectors-down"])
def test_a_torn_chip_erase_leaves_sectors_erased_one_programmed_and_the_rest_old(row: str) -> None:
    cells = Cells(ANNEXED)
    cells.load(0, b"\x5a" * cells.size)
    op = Operation("erase", "flash", 0, ANNEXED.size, b"", 0, 1)
    tears = [tear for tear in tears_of(ANNEXED, cells, op, T4) if tear.row.name == row]
    assert [tear.argument for tear in tears] == [0, 1, 32, 63]
    assert {tear.row.name for tear in tears_of(ANNEXED, cells, op, T4)} == set(MODELS["E9 several sectors"])
    for tear in tears:
        left = torn(cells, op, tear)
        pieces = [left.data[at : at + 64].tobytes() for at in range(0, cells.size, 64)]
        order = pieces[:64] if row == "sectors-up" else pieces[63::-1]
        done = tear.argument
        assert order == [b"\xff" * 64] * done + [bytes(64)] + [b"\x5a" * 64] * (63 - done)
        assert pieces[64:] == [b"\x5a" * 64] * 3
        assert int(left.wear[::64].sum()) == done + 1


def test_the_sector_a_chip_erase_was_in_is_torn_in_every_phase() -> None:
    cells = Cells(ANNEXED)
    cells.load(0, b"\x5a" * cells.size)
    op = Operation("erase", "flash", 0, ANNEXED.size, b"", 0, 1)
    left = {row: torn(cells, op, tear_named(f"sectors-{row}-32")) for row in ("front", "pulse", "blank")}
    for planes in left.values():
        assert planes.data[: 32 * 64].tobytes() == b"\xff" * 32 * 64
        assert planes.data[33 * 64 : 64 * 64].tobytes() == b"\x5a" * 31 * 64
    under_way = {row: planes.data[32 * 64 : 33 * 64].tobytes() for row, planes in left.items()}
    assert under_way["front"] == b"\x5a" * 32 + bytes(32)
    assert len(set(under_way["pulse"])) > 2
    assert under_way["blank"] == b"\xff" * 64
    assert left["blank"].mask[32 * 64 : 33 * 64].any()
    assert not left["blank"].mask[: 32 * 64].any()


def test_a_torn_register_write_loses_the_whole_row_and_nothing_else() -> None:
    cells = Cells(ANNEXED)
    cells.load(0, b"\x5a" * cells.size)
    op = Operation("write", "flash", ANNEXED.size, 3, b"\x02\x00\x60", 0, 1)
    soups = set()
    for tear in list(tears_of(ANNEXED, cells, op, T4)):
        left = torn(cells, op, tear).data.tobytes()
        row = left[ANNEXED.size : ANNEXED.size + REGISTER_ROW_SIZE]
        assert left[: ANNEXED.size] + left[ANNEXED.size + REGISTER_ROW_SIZE :] == b"\x5a" * (cells.size - len(row))
        if tear.row.name == "register-soup":
            soups.add(row)
        else:
            assert row == (b"\x00" if tear.row.name == "register-zeros" else b"\xff") * REGISTER_ROW_SIZE
    assert len(soups) == 4
    assert not any(soup in (bytes(16), b"\xff" * 16) for soup in soups)


# -- tiers 3 and 4 ---------------------------------------------------------------------------------------

TEMPERS = {
    "metastable": METASTABLE, "decaying": DECAYING, "hidden-charge": HIDDEN, "erase-metastable": METASTABLE,
    "blank-metastable": METASTABLE, "blank-hidden": HIDDEN, "blank-stubborn": STUBBORN, "stuck": STUBBORN,
}  # fmt: skip


SHARES = {"metastable": 0.5, "decaying": 0.5, "hidden-charge": 0.5, "erase-metastable": 0.2, "stuck": 1.0}


@pytest.mark.parametrize("part", [SERIAL, WORDS, mirrored(SERIAL)], **BY_NAME)
@pytest.mark.parametrize("row", TEMPERS)
@pytest.mark.parametrize("argument", [0, 1])
def test_a_row_of_tier_3_leaves_weak_bits_of_its_temper(part: Part, row: str, argument: int) -> None:
    """Of a program: one bit that had to move, or half of them. Of an erase: a share of all bits."""
    cells, programmed = Cells(part), part.erased ^ 0xFF
    cells.load(640, bytes([programmed]) * 256)
    tear = tear_named(f"{row}-{argument}")
    program = Operation("program", "flash", 0, 16, bytes([programmed & 0x0F | part.erased & 0xF0]) * 16, 0, 1)
    op = Operation("erase", "flash", 640, 256, b"", 0, 1) if tear.row.of == "erase" else program
    there = slice(op.address, op.address + op.length)
    left = torn(cells, op, tear)
    assert set(left.temper[there]) - {0} == {TEMPERS[row]}
    ones = int(np.unpackbits(left.mask[there]).sum())
    if op is program:
        assert not (left.mask & 0xF0).any()
        assert ones == 1 if argument == 0 else 16 < ones < 48
    else:
        assert ones / (op.length * 8) == pytest.approx(SHARES.get(row, 0.01), abs=0.02)
    if op is program:
        moved = np.frombuffer(op.data, np.uint8)
        assert (left.data[there] == (part.erased if row == "hidden-charge" else moved)).all()
    elif row != "erase-metastable":
        assert (left.data[there] == part.erased).all()


def test_disturb_moves_at_most_a_few_bits_of_the_sector_and_only_away_from_erased() -> None:
    part, moved = bundled_part("W25Q128JV"), 0
    for argument in range(8):
        cells = Cells(part)
        op = Operation("program", "flash", 4096 + 512, 256, bytes(256), 0, 1)
        left = torn(cells, op, tear_named(f"disturb-{argument}")).data
        outside = np.concatenate([left[4096 : 4096 + 512], left[4096 + 768 : 8192]])
        bits = int(np.unpackbits(~outside).sum())
        assert 0 < bits <= 8
        moved += bits
        assert (left[:4096] == 0xFF).all()
        assert (left[8192:] == 0xFF).all()
    assert moved > 30


@pytest.mark.parametrize("part", [SERIAL, mirrored(SERIAL)], **BY_NAME)
def test_over_erase_lifts_programmed_bits_of_one_column_in_the_sectors_beside(part: Part) -> None:
    device, programmed = FlashDevice(part), bytes([part.erased ^ 0xFF])
    device.load(0, programmed * part.size)
    tear_named("over-erase-0").apply(device.cells, Operation("erase", "flash", 128, 64, b"", 0, 1))
    plane = Planes.of(device.cells)
    assert list(plane.temper[64:128][plane.mask[64:128] > 0]) == [LIFTED_ABOVE]
    assert list(plane.temper[192:256][plane.mask[192:256] > 0]) == [LIFTED_BELOW]
    assert not plane.mask[128:192].any()
    assert np.flatnonzero(plane.mask[64:128]) == np.flatnonzero(plane.mask[192:256])
    for sector in (64, 192):
        seen = np.frombuffer(device.read(sector, 64), np.uint8) ^ programmed[0]
        assert (seen == plane.mask[sector : sector + 64]).all()
    assert device.read(128, 64) == bytes([part.erased]) * 64
    assert device.read(0, 64) + device.read(256, 64) == programmed * 128


CODES = {"ecc-fault": ECC_FAULT, "ecc-corrected": ECC_CORRECTED, "ecc-miscorrected": ECC_CORRECTED,
         "ecc-unstable": ECC_UNSTABLE, "ecc-used-blank": 0}  # fmt: skip


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
@pytest.mark.parametrize("row", CODES)
def test_the_granule_under_the_cut_is_what_the_row_says_and_used_up(part: Part, row: str) -> None:
    unit = part.program.unit
    for granule in range(4):
        device, done = FlashDevice(part), granule * unit
        op = Operation("program", "flash", 128, 4 * unit, b"\x5a" * 4 * unit, 0, 1)
        tear_named(f"{row}-{done}").apply(device.cells, op)
        plane, at = Planes.of(device.cells), 128 + done
        assert set(plane.broken[at : at + unit]) == {CODES[row]}
        assert not plane.broken[:at].any()
        assert not plane.broken[at + unit :].any()
        assert device.read(128, done) == b"\x5a" * done
        blank = bytes([part.erased]) * unit
        assert device.read(at + unit, unit) == blank
        content = device.cells.read(at, unit)
        wrong = int(np.unpackbits(np.frombuffer(content, np.uint8) ^ np.uint8(0x5A)).sum())
        assert wrong == 1 if row == "ecc-miscorrected" else content == (blank if "blank" in row else b"\x5a" * unit)
        device.program(at, b"\x33" * unit)
        assert device.journal.operations() == []
        if row == "ecc-fault":
            with pytest.raises(EccFault):
                device.read(at, 1)
        device.erase(128, 128)
        device.program(at, b"\x33" * unit)
        assert device.read(at, unit) == b"\x33" * unit


def test_a_granule_that_reads_blank_and_is_used_up_takes_no_zeros_either() -> None:
    """As the row says: no program until it is erased."""
    device = FlashDevice(GRANULES)
    tear_named("ecc-used-blank-0").apply(device.cells, Operation("program", "flash", 0, 8, b"\x5a" * 8, 0, 1))
    device.program(0, bytes(8))
    assert device.read(0, 8) == b"\xff" * 8


def test_a_part_that_corrects_nothing_leaves_no_granule_that_reads_right_by_correction() -> None:
    assert GRANULES.ecc is not None
    part = msgspec.structs.replace(GRANULES, ecc=msgspec.structs.replace(GRANULES.ecc, corrects=False))
    op = Operation("program", "flash", 0, 32, bytes(32), 0, 1)
    rows = {tear.row.name for tear in tears_of(part, Cells(part), op, T4)}
    assert not rows & {"ecc-corrected", "ecc-miscorrected", "ecc-unstable"}


STEADY = [row.name for row in TEARS if "eeprom" not in row.kinds and row.name not in (
    "metastable", "decaying", "erase-metastable", "blank-metastable", "ecc-unstable", "ecc-fault", "erase-ecc-fault",
)]  # fmt: skip


@pytest.mark.parametrize("row", STEADY)
def test_reads_are_steady_after_every_row_that_does_not_say_otherwise(row: str) -> None:
    kind = tear_named(f"{row}-0").row.of
    part = next(p for p in (ANNEXED, GRANULES, WORDS, SMALL_PARTS[4]) if p.kind in tear_named(f"{row}-0").row.kinds)
    device = FlashDevice(part)
    device.load(128, b"\x5a" * 384)
    length = part.size if row.startswith("sectors") else 128 if part is GRANULES else 64
    address = {"program": 0, "erase": 0 if length == part.size else 128, "write": part.size}[kind]
    data = b"\x24" * 8 if kind == "program" else b""
    op = Operation(kind, "flash", address, len(data) or length, data, 0, 1)
    assert {t.row.name for t in tears_of(part, device.cells, op, replace(T4, tiers=(0, 1, 2, 3, 4)))} >= {row}
    for tear in list(tears_of(part, device.cells, op, replace(T4, tiers=(0, 1, 2, 3, 4)))):
        if tear.row.name == row:
            tear.apply(device.cells, op)
            assert len({device.read(0, part.size) for _ in range(12)}) == 1


@pytest.mark.parametrize("row", ["metastable", "decaying", "erase-metastable", "blank-metastable", "ecc-unstable"])
def test_reads_are_unsteady_after_a_row_that_says_so(row: str) -> None:
    part = GRANULES if row == "ecc-unstable" else SERIAL
    device, kind = FlashDevice(part), tear_named(f"{row}-0").row.of
    data = bytes(16) if kind == "program" else b""
    op = Operation(kind, "flash", 1024 if kind == "erase" else 0, len(data) or 1024, data, 0, 1)
    tear_named(f"{row}-0").apply(device.cells, op)
    seen = set()
    for _ in range(12):
        try:
            seen.add(device.read(op.address, op.length))
        except EccFault:
            seen.add(b"a fault")
    assert len(seen) > 1
    device.erase(0, 128 if part is GRANULES else 64)
    device.erase(1024, 1024) if kind == "erase" else None
    assert {device.read(op.address, op.length) for _ in range(12)} == {b"\xff" * op.length}
