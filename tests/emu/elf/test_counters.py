"""Sequence counters at their least: what becomes of the bytes, and of a campaign that would never end."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.board import ALL_CHECKS, CheckEntry
from emu.campaign.audit import Auditor
from emu.campaign.closure import Closure
from emu.campaign.options import Options
from emu.campaign.verdict import Verdict
from emu.elf.counters import Counters, counters_by_chip
from emu.elf.document import ChecksumEntry, CounterEntry
from emu.errors import ScenarioError
from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Scenario, Window
from flash.cells import Cells
from flash.snapshot import Snapshot
from flash.tears import TEAR_SETS
from tests.flash.small_parts import SERIAL

RECORD = struct.Struct("<I")
FIRST, SECOND = 0x1000_0000, 0x1000_0040
PAIR = (CounterEntry(FIRST), CounterEntry(SECOND))
WITH_CRC = tuple(CounterEntry(at, crc32=ChecksumEntry(at, at + 4, at + 4)) for at in (FIRST, SECOND))


def record(number: int) -> bytes:
    body = RECORD.pack(number)
    return body + zlib.crc32(body).to_bytes(4, "little")


def snapshot(first: bytes, second: bytes) -> Snapshot:
    cells = Cells(SERIAL)
    cells.put_bytes(0, first)
    cells.put_bytes(0x40, second)
    return cells.snapshot()


def shown(counters: Counters, first: bytes, second: bytes) -> tuple[bytes, bytes]:
    cells = Cells(SERIAL)
    cells.restore(counters.renamed(snapshot(first, second)))
    return cells.read(0, len(first)), cells.read(0x40, len(second))


def made(entries: tuple[CounterEntry, ...], first: bytes = record(1), second: bytes = b"\xff" * 8) -> Counters:
    return Counters(entries, SERIAL, lambda address: address - FIRST, snapshot(first, second))


def test_every_chip_has_the_counters_that_stand_in_it() -> None:
    entries = (CounterEntry(FIRST), CounterEntry(0x40, memory="nor", group="nor"))
    both = snapshot(record(7), record(9))
    shipped = snapshot(record(1), record(2))
    by_chip = counters_by_chip(
        entries, [SERIAL, SERIAL, SERIAL], ["flash", "spare", "nor"], lambda at: at - FIRST, [shipped] * 3
    )
    assert sorted(by_chip) == [0, 2]
    for number, expected in ((0, (record(1)[:4], record(9)[:4])), (2, (record(7)[:4], record(2)[:4]))):
        cells = Cells(SERIAL)
        cells.restore(by_chip[number].renamed(both))
        assert (cells.read(0, 4), cells.read(0x40, 4)) == expected


@pytest.mark.parametrize(
    ("first", "second", "as_first", "as_second"),
    [
        (record(7), record(8), record(1), record(2)),
        (record(8), record(7), record(2), record(1)),
        (record(5), record(5), record(1), record(1)),
        (record(5), record(9), record(1), record(3)),
        (record(1), record(2), record(1), record(2)),
        (record(70_000), b"\xff" * 8, record(1), b"\xff" * 8),
        (b"\xff" * 8, b"\xff" * 8, b"\xff" * 8, b"\xff" * 8),
        (record(7), record(8)[:1] + b"\xff" * 7, record(1), record(2)[:1] + b"\xff" * 7),
        (record(7), record(8)[:6] + b"\xff\xff", record(1), record(2)[:6] + b"\xff\xff"),
        (record(7), record(8)[:7] + b"\x00", record(1), record(2)[:4] + record(8)[4:7] + b"\x00"),
    ],
)
def test_numbers_become_the_least_in_the_same_order(
    first: bytes, second: bytes, as_first: bytes, as_second: bytes
) -> None:
    assert shown(made(WITH_CRC), first, second) == (as_first, as_second)


def test_counting_down_begins_at_the_top() -> None:
    down = tuple(CounterEntry(at, counts="down") for at in (FIRST, SECOND))
    counters = made(down, RECORD.pack(0xFFFF_FFFE))
    assert shown(counters, RECORD.pack(0xFFFF_FF00), RECORD.pack(0xFFFF_FEFF)) == (
        RECORD.pack(0xFFFF_FFFE), RECORD.pack(0xFFFF_FFFD)
    )  # fmt: skip
    assert shown(counters, RECORD.pack(0xFFFF_FF00), b"\xfe\xff\xff\xff")[0] == RECORD.pack(0xFFFF_FFFC)


def test_a_byte_that_happens_to_be_ff_is_no_hole() -> None:
    counters = made(WITH_CRC, record(250))
    assert shown(counters, record(0x1FF), record(0x2FF)) == (record(250), record(252))
    holed = next(record(number) for number in range(300, 1 << 16) if record(number)[7] == 0xFF)
    assert shown(counters, holed, b"\xff" * 8)[0] == record(250)


def test_groups_are_told_apart() -> None:
    counters = made((CounterEntry(FIRST), CounterEntry(SECOND, group="other")), RECORD.pack(1), RECORD.pack(4))
    assert shown(counters, RECORD.pack(9), RECORD.pack(8)) == (RECORD.pack(1), RECORD.pack(4))


@given(numbers=st.tuples(*[st.integers(1, 0xFFFF_FFFE)] * 2), more=st.integers(0, 1 << 20))
def test_the_least_are_their_own_least_and_the_same_for_all_that_stand_alike(
    numbers: tuple[int, int], more: int
) -> None:
    counters = made(WITH_CRC)
    first, second = (record(number) for number in numbers)
    least = shown(counters, first, second)
    assert shown(counters, *least) == least
    new = [RECORD.unpack(each[:4])[0] for each in least]
    assert (new[0] < new[1]) == (numbers[0] < numbers[1])
    assert (abs(new[0] - new[1]) == 1) == (abs(numbers[0] - numbers[1]) == 1)
    shifted = [min(number + more, 0xFFFF_FFFF) for number in numbers]
    if max(shifted) < 0xFFFF_FFFF:
        assert shown(counters, *(record(number) for number in shifted)) == least
    counters.renamed(same := snapshot(*least))
    assert counters.renamed(same) is same


# -- a campaign -------------------------------------------------------------------------------------------------------


def counting(reset: Reset) -> None:
    """Writes one record more at every boot, over the older of two."""
    read = [reset.flash[f"log-{copy}"].read(0, 8) for copy in (0, 1)]
    shown = [RECORD.unpack(each[:4])[0] for each in read]
    numbers = [number if record(number) == each != b"\xff" * 8 else 0 for number, each in zip(shown, read, strict=True)]
    older = numbers.index(min(numbers))
    log = reset.flash[f"log-{older}"]
    log.erase(0, 64)
    log.program(0, record(max(numbers) + 1))


def by_parity(reset: Reset) -> None:
    """Does more with its numbers than compare them."""
    counting(reset)
    if RECORD.unpack(reset.flash["log-0"].read(0, 4))[0] % 4 == 3:
        reset.flash["spare"].program(0, b"\0")


class CountingRig(PlainRig):
    """With the counters of a board."""

    @property
    def counters(self) -> Counters:
        return made(WITH_CRC, b"\xff" * 8)

    def renamed(self, memory: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        flash = self.counters.renamed(memory[0])
        return memory if flash is memory[0] else (flash,)


def rig(firmware: object, kind: type[PlainRig] = CountingRig) -> PlainRig:
    windows = {"log-0": Window(0, 64), "log-1": Window(64, 64), "spare": Window(128, 64)}
    return kind(Scenario(firmware, SERIAL, windows=windows, fine=("log-0", "log-1")))  # type: ignore[arg-type]


def closure(made: PlainRig, **options: object) -> tuple[Closure, Verdict]:
    closure = Closure(made, CheckEntry(apply=ALL_CHECKS), Options(tears=TEAR_SETS["T1"], **options))  # type: ignore[arg-type]
    return closure, closure.explore()


def test_a_campaign_on_a_firmware_that_counts_comes_to_an_end() -> None:
    explored, verdict = closure(rig(counting))
    assert verdict.complete
    assert verdict.coverage.depth_closed < 12
    assert [note for note in verdict.notes if "taken for one with smaller sequence counters" in note]
    assert explored.walker.renaming.tried == 16 + (explored.walker.renaming.count // 64)
    audit = Auditor(explored).audit(1.0, 0)
    assert audit.audited == audit.dropped > 500


def test_without_it_there_is_no_end() -> None:
    _, verdict = closure(rig(counting, PlainRig), budget_s=2.0)
    assert not verdict.complete


def test_a_firmware_that_does_more_than_compare_is_found_out() -> None:
    with pytest.raises(ScenarioError, match=r"\[\[counter\]\]: with other numbers in the same order the firmware does"):
        closure(rig(by_parity))


def test_a_counter_lies_in_flash(tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")
    from emu.elf.board import load_elf_board
    from emu.errors import BoardError
    from tests.emu.elf.boards import board

    for more, says in (
        ("[[counter]]\naddress = 0x0900_0000", "counter at 0x9000000"),
        ("[[counter]]\naddress = 0x0800_8000\nsize = 3", "at $.counter[0].size"),
        ("[[counter]]\naddress = 0x0800_8000\ncrc32 = {from = 0x0800_8000, to = 0x0800_8000, at = 0}", "crc32"),
    ):
        path = board(tmp_path, "stm32f1", "ab-right", "new", more=more)
        with pytest.raises(BoardError) as wrong:
            load_elf_board(path)
        assert says in str(wrong.value)
