"""Every bundled part against what is known of it: values that were found are there, those that were not say so."""

from __future__ import annotations

import pytest

from flash.figure import Figure
from flash.part import Part, bundled_part, part_names
from tests.flash.part_facts import FACTS, EraseFact, Fact, Pair

K = 1024
ROWS = [pytest.param(fact, id=fact.part) for fact in FACTS if fact.part in part_names()]
SERIAL_ROWS = [
    pytest.param(fact, id=fact.part) for fact in FACTS if fact.part in part_names() and bundled_part(fact.part).serial
]

# Parts modelled at another grain than the finest: at x32 parallelism a store has four bytes.
UNITS = {"STM32F405": 4}

# Erase sizes of the row that the part cannot have at the same time as the others, and sizes that complete its array.
NOT_OFFERED = {"S25FS256S": {256 * K}}
ADDED_SIZES = {
    "S25FS256S": {32 * K},
    "M29W400D": {8 * K, 16 * K, 32 * K},
    "TMS320F28377D": {64 * K},
}

# Sides without a document that are given from memory, and say so.
FROM_MEMORY = {"STM32F405", "STM32L476"}

# A figure that only the remarks of the row have.
REMARKED = {("MT25QL128ABA", "write", "typ"): 1300}

# 6.8 us per byte is the effective rate through the 32-byte buffer.
BUFFERED = {"28F128J3A": 32}


def test_every_row_is_a_bundled_part() -> None:
    assert len(FACTS) == 37
    assert {fact.part for fact in FACTS} - set(part_names()) == set()


@pytest.mark.parametrize("fact", ROWS)
def test_identity_and_geometry(fact: Fact) -> None:
    part = bundled_part(fact.part)
    extended = part.serial.jedec_ext if part.serial is not None else ""
    assert part.jedec_id == fact.jedec
    assert fact.jedec_ext in ("", extended)
    assert part.trust == fact.trust
    assert fact.size is None or part.size == fact.size
    assert part.program.unit == UNITS.get(fact.part, fact.unit)
    assert fact.page is None or fact.page in (part.program.page_size, *part.geometry.erase_sizes)
    assert part.erased == 0xFF
    limit = part.program.max_per_erase
    assert limit == fact.programs if fact.programs is not None else limit == (1 if part.kind == "mcu-ecc" else 0)
    assert fact.cycles is None or (part.endurance.cycles, part.endurance.stand_in) == (fact.cycles, "")


@pytest.mark.parametrize("fact", ROWS)
def test_erase_sizes_opcodes_and_times(fact: Fact) -> None:
    part = bundled_part(fact.part)
    offered = [erase for erase in fact.erases if erase.size not in NOT_OFFERED.get(fact.part, set())]
    assert {e.size for e in part.erase} == {e.size for e in offered} | ADDED_SIZES.get(fact.part, set())
    for expected in offered:
        erase = next(e for e in part.erase if e.size == expected.size)
        assert (erase.opcode, erase.opcode_4b) == (expected.opcode or 0, expected.opcode_4b or 0), expected.size
        holds(part, f"erase {expected.size}", erase.time_us, milliseconds(expected))


@pytest.mark.parametrize("fact", ROWS)
def test_program_times(fact: Fact) -> None:
    part = bundled_part(fact.part)
    program, size = part.program, BUFFERED.get(fact.part, 1)
    whole = fact.page_us if fact.page_us != (None, None) or not wide(part, fact) else fact.byte_us
    holds(part, "program", program.time_us, (scaled(whole[0], size), scaled(whole[1], size)))
    first = (fact.first_us, None) if fact.first_us is not None else fact.byte_us
    if wide(part, fact) or first == (None, None):
        return
    assert program.first_byte_us is not None
    assert first[0] is None or program.first_byte_us.typ == first[0]
    assert first[1] is None or program.first_byte_us.max == first[1]
    assert fact.next_us is None or (program.next_byte_us is not None and program.next_byte_us.typ == fact.next_us)


@pytest.mark.parametrize("fact", SERIAL_ROWS)
def test_chip_erase_and_register_write(fact: Fact) -> None:
    part = bundled_part(fact.part)
    assert part.serial is not None
    assert set(part.serial.chip_erase.opcodes) == set(fact.chip_opcodes)
    holds(part, "chip", part.serial.chip_erase.time_us, (scaled(fact.chip_ms[0], 1000), scaled(fact.chip_ms[1], 1000)))
    write = (scaled(fact.write_ms[0], 1000), scaled(fact.write_ms[1], 1000))
    holds(part, "write", part.serial.register_write_us, write)


@pytest.mark.parametrize("fact", SERIAL_ROWS)
def test_suspend_power_and_reset(fact: Fact) -> None:
    serial = bundled_part(fact.part).serial
    assert serial is not None
    suspend, expected = serial.suspend, fact.suspend
    if expected is not None:
        assert suspend is not None
        assert (suspend.erase_suspend, suspend.erase_resume) == (expected.suspend, expected.resume)
        latencies = (suspend.erase_latency_us, suspend.program_latency_us)
        assert latencies == (expected.erase_latency, expected.program_latency)
        if expected.erase_gap is None:
            assert suspend.stand_in
        else:
            gaps = (suspend.erase_gap_us, suspend.program_gap_us)
            assert gaps == (expected.erase_gap, expected.program_gap)
    elif suspend is not None:
        assert suspend.stand_in
    down = serial.power_down
    assert fact.leave_down_us is None or (down is not None and down.exit_us == fact.leave_down_us)
    assert fact.enter_down_us is None or (down is not None and down.enter_us == fact.enter_down_us)
    assert down is None or down.stand_in or fact.leave_down_us is not None
    assert fact.reset_us is None or (serial.soft_reset and serial.soft_reset.recovery_us == fact.reset_us)
    assert fact.select_us is None or serial.power_up.select_us == fact.select_us
    assert fact.write_after_us is None or serial.power_up.write_us == fact.write_after_us


@pytest.mark.parametrize(
    "fact", [row for row in ROWS if row.id.startswith(("W25", "MX", "MT", "N25", "S25", "IS", "GD"))]
)
def test_serial_rows_have_a_command_set(fact: Fact) -> None:
    assert bundled_part(fact.part).serial is not None


def test_parts_without_a_row_say_whether_their_figures_are_recalled() -> None:
    others = set(part_names()) - {fact.part for fact in FACTS}
    assert others == {"STM32F103", "STM32F411", "STM32G071", "STM32G0B1", "STM32H563", "STM32L072"}
    assert {bundled_part(name).trust for name in others} == {"recalled", "mixed"}


# -- what holding means ------------------------------------------------------------------------------------


def holds(part: Part, what: str, figure: Figure, expected: Pair) -> None:
    """Each side is the one that was found; a side that was not is a stand-in, or from memory where that is allowed."""
    for side, value in zip(("typ", "max"), expected, strict=True):
        value = REMARKED.get((part.name, what, side), value)
        if value is not None:
            assert getattr(figure, side) == value, (what, side)
            assert side not in figure.unknown, (what, side)
        elif part.name in FROM_MEMORY:
            assert "recalled from the datasheet, not verified" in figure.source, (what, side)
        else:
            assert side in figure.unknown, (what, side)
            assert figure.stand_in, (what, side)


def wide(part: Part, fact: Fact) -> bool:
    """Whether the row's figure per byte or unit is that of a whole program: there is no page, or only a buffer."""
    return not part.program.page_size or fact.part in BUFFERED


def milliseconds(erase: EraseFact) -> Pair:
    return scaled(erase.typ_ms, 1000), scaled(erase.max_ms, 1000)


def scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else pytest.approx(value * factor)
