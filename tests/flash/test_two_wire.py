"""An I2C EEPROM: its two wires, its one write cycle, and every state power can leave it in.

Facts are of the Microchip 24AA256/24LC256/24FC256 data sheet; each is told again here, not read from the part file.
"""

from __future__ import annotations

import pytest

from flash.cells import Cells
from flash.device import FlashDevice
from flash.errors import FlashError, PartError, PowerLost
from flash.journal import Interruption, Journal, Misuse, Operation
from flash.part import bundled_part, eeprom_names, part_from_text, part_names
from flash.replay import replay
from flash.tears import TEAR_SETS, tear_named, tears_of
from flash.two_wire import Eeprom

SIZES = {
    "24LC02B": (256, 8, 1, 0), "24LC04B": (512, 16, 1, 1), "24LC08B": (1024, 16, 1, 2), "24LC16B": (2048, 16, 1, 3),
    "24LC32A": (4096, 32, 2, 0), "24LC64": (8192, 32, 2, 0), "24LC128": (16384, 64, 2, 0), "24LC256": (32768, 64, 2, 0),
    "24LC512": (65536, 128, 2, 0),
}  # fmt: skip
PAGE = 32


def chip(name: str = "24LC32A", *, journal: Journal | None = None, **how: object) -> Eeprom:
    return Eeprom(FlashDevice(bundled_part(name), name="eeprom", journal=journal), **how)  # type: ignore[arg-type]


def put(eeprom: Eeprom, address: int, data: bytes, *, device: int = 0x50, wide: bool = True) -> bool:
    """One write, up to its stop; whether all of it was acknowledged."""
    head = bytes([address >> 8, address & 0xFF]) if wide else bytes([address & 0xFF])
    answers = [eeprom.start(device, reads=False)]
    answers += [eeprom.send(byte) for byte in head + data]
    eeprom.stop()
    return all(answers)


def get(eeprom: Eeprom, address: int, length: int, *, device: int = 0x50, wide: bool = True) -> bytes:
    assert eeprom.start(device, reads=False)
    for byte in bytes([address >> 8, address & 0xFF]) if wide else bytes([address & 0xFF]):
        assert eeprom.send(byte)
    assert eeprom.start(device, reads=True)
    data = bytes(eeprom.receive() for _ in range(length))
    eeprom.stop()
    return data


def settled(eeprom: Eeprom) -> Eeprom:
    eeprom.clock.advance(5010)  # a worn page takes longer
    eeprom.catch_up()
    return eeprom


def misuses(eeprom: Eeprom) -> list[str]:
    return [entry.rule for entry in eeprom.device.journal.entries if isinstance(entry, Misuse)]


# -- parts ------------------------------------------------------------------------------------------------


def test_the_bundled_ones_have_their_sizes_and_are_no_flash() -> None:
    assert set(eeprom_names()) == set(SIZES)
    assert not set(eeprom_names()) & set(part_names())
    for name, (size, page, address_bytes, block_bits) in SIZES.items():
        part = bundled_part(name)
        assert part.two_wire is not None
        assert (part.size, part.program.page_size) == (size, page)
        assert (part.two_wire.address_bytes, part.two_wire.block_bits) == (address_bytes, block_bits)
        assert (part.program.time_us.typ, part.geometry.erase_sizes, part.is_external) == (5000, (), True)
    assert bundled_part("AT24C256").name == bundled_part("24c256").name == "24LC256"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "eeprom"', 'kind = "spi-nor"', "a part of kind eeprom, and no other, needs a"),
        ('overwrite = "rewrites"', "", 'program.overwrite "rewrites" is what a part of kind eeprom does'),
        ("address_bytes = 2", "address_bytes = 1", "1 address bytes and 0 block bits reach 256 bytes"),
        (
            "device = 0x50\naddress_bytes = 2\nblock_bits = 0",
            "device = 0x51\naddress_bytes = 2\nblock_bits = 3",
            "two_wire.device 0x51 has bits where its 3 block bits are",
        ),
        ("count = 128\nsize = 32", "count = 64\nsize = 64", "are its pages"),
        ("erase = []", 'erase = [{ size = 32, time_us = { typ = 1, max = 1, source = "x" } }]', "no erase command"),
    ],
)
def test_a_part_file_that_cannot_be_is_refused(old: str, new: str, says: str) -> None:
    from importlib import resources

    text = resources.files("flash").joinpath("eeproms", "24LC32A.toml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(PartError, match=says):
        part_from_text(text.replace(old, new, 1), "mine.toml")


def test_flash_takes_no_eeprom_and_the_other_way_round() -> None:
    device = FlashDevice(bundled_part("24LC32A"))
    with pytest.raises(FlashError, match="takes no program command"):
        device.program(0, b"\0")
    with pytest.raises(FlashError, match="has no erase command"):
        device.erase(0, PAGE)
    with pytest.raises(FlashError, match="is no I2C EEPROM"):
        Eeprom(FlashDevice(bundled_part("W25Q80DL")))
    with pytest.raises(FlashError, match="give one that ends in zeros there"):
        chip("24LC16B", address=0x51)


# -- the wires ----------------------------------------------------------------------------------------------


def test_bits_go_both_ways_without_an_erase() -> None:
    eeprom = chip()
    assert put(eeprom, 0x40, b"\x0f\xf0")
    settled(eeprom)
    assert put(eeprom, 0x40, b"\xf0\x0f")
    settled(eeprom)
    assert get(eeprom, 0x3F, 4) == b"\xff\xf0\x0f\xff"
    kinds = [(e.kind, e.address, e.data) for e in eeprom.device.journal.operations()]
    assert kinds == [("write", 0x40, b"\x0f\xf0"), ("write", 0x40, b"\xf0\x0f")]
    assert eeprom.device.cells.cycles_at(0x40) == 2
    assert misuses(eeprom) == []


def test_it_acknowledges_nothing_until_the_cycle_is_over() -> None:
    eeprom = chip()
    put(eeprom, 0, b"\x00")
    for passed in (0, 4999):
        eeprom.clock.advance(passed)
        assert not eeprom.start(0x50, reads=False)
        eeprom.stop()
    assert misuses(eeprom) == [], "asking is how a host finds out"
    assert eeprom.device.journal.entries == []
    eeprom.clock.advance(1)
    assert eeprom.start(0x50, reads=False)
    (operation,) = eeprom.device.journal.operations()
    assert (operation.start_us, operation.end_us) == (0, 5000)


def test_bytes_that_are_sent_while_it_is_busy_are_lost_and_on_record() -> None:
    eeprom = chip()
    put(eeprom, 0, b"\x00")
    assert not put(eeprom, 0x20, b"\x11")
    settled(eeprom)
    assert misuses(eeprom) == ["while-busy"]
    assert get(eeprom, 0x20, 1) == b"\xff"


def test_the_address_wraps_inside_the_page_in_a_write_and_at_the_end_in_a_read() -> None:
    eeprom = chip()
    put(eeprom, 0x20, bytes(range(PAGE)))
    settled(eeprom)
    put(eeprom, 0x3E, b"abcd")
    settled(eeprom)
    assert get(eeprom, 0x20, PAGE) == b"cd" + bytes(range(2, 30)) + b"ab"
    assert misuses(eeprom) == ["page-wrap"]
    put(eeprom, 0xFE5, bytes(PAGE))
    settled(eeprom)
    assert misuses(eeprom) == ["page-wrap"] * 2, "also where all of the page is written"
    put(eeprom, 0, b"\x77")
    settled(eeprom)
    assert get(eeprom, 0xFFF, 2) == b"\x00\x77"


def test_what_no_stop_follows_is_not_written() -> None:
    eeprom = chip()
    for cut in (lambda: eeprom.start(0x50, reads=True), eeprom.release, eeprom.power_cycle):
        eeprom.start(0x50, reads=False)
        for byte in b"\x00\x00\x12":
            assert eeprom.send(byte)
        cut()
        eeprom.stop()
        assert not eeprom.is_busy
    assert get(eeprom, 0, 1) == b"\xff"


def test_small_ones_have_the_upper_address_bits_in_their_device_address() -> None:
    eeprom = chip("24LC16B")
    for block in range(8):
        assert put(eeprom, 0x10, bytes([block]), device=0x50 + block, wide=False)
        settled(eeprom)
    assert [eeprom.device.cells.read(block << 8 | 0x10, 1)[0] for block in range(8)] == list(range(8))
    assert get(eeprom, 0x10, 1, device=0x53, wide=False) == b"\x03"
    assert not eeprom.start(0x58, reads=False)
    assert not chip("24LC02B").start(0x51, reads=False)


def test_write_protected_it_acknowledges_and_writes_nothing() -> None:
    eeprom = chip(write_protect_pin=True)
    assert put(eeprom, 0, b"\x00")
    assert eeprom.start(0x50, reads=False), "there is no cycle to wait for"
    assert (misuses(eeprom), eeprom.device.journal.operations()) == (["protected"], [])


def test_its_state_goes_on_at_another_time() -> None:
    eeprom = chip()
    put(eeprom, 0, b"\x5a")
    eeprom.clock.advance(2000)
    held = eeprom.state()
    other = chip()
    other.clock.advance(77)
    other.restore(held)
    other.clock.advance(2999)
    assert not other.start(0x50, reads=False)
    other.clock.advance(1)
    assert other.start(0x50, reads=False)
    assert other.device.cells.read(0, 1) == b"\x5a"


# -- power ----------------------------------------------------------------------------------------------------


def operation(address: int = 4, data: bytes = b"\x0f\xf0\x55\xaa") -> tuple[Cells, Operation]:
    cells = Cells(bundled_part("24LC32A"))
    cells.load(0, bytes([0x3C]) * 2 * PAGE)
    return cells, Operation("write", "eeprom", address, len(data), data, 0, 5000)


def left_by(name: str) -> bytes:
    cells, write = operation()
    tear_named(name).apply(cells, write)
    return cells.read(0, 2 * PAGE)


def test_tier_1_is_a_prefix_erased_bytes_and_an_erased_page() -> None:
    cells, write = operation()
    names = [tear.name for tear in tears_of(bundled_part("24LC32A"), cells, write, TEAR_SETS["T1"])]
    assert names == ["rewritten-1", "rewritten-2", "rewritten-3", "rewrite-erased-1", "page-erased-1"]
    old = bytes([0x3C])
    assert left_by("rewritten-3") == old * 4 + b"\x0f\xf0\x55" + old * 57
    assert left_by("rewrite-erased-1") == old * 4 + b"\xff" * 4 + old * 56
    assert left_by("page-erased-1") == b"\xff" * 32 + old * 32
    assert left_by("rewritten-from-1") == old * 5 + b"\xf0\x55\xaa" + old * 56


def test_bits_on_the_way_are_between_their_ends() -> None:
    for name, start, end in (
        ("rewrite-erasing", b"\x3c" * 4, b"\xff" * 4),
        ("rewrite-programming", b"\xff" * 4, b"\x0f\xf0\x55\xaa"),
    ):
        seen = {left_by(f"{name}-{number}")[4:8] for number in range(4)}
        assert len(seen) > 1
        for found in seen:
            for got, first, last in zip(found, start, end, strict=True):
                assert (got ^ first) & ~(first ^ last) & 0xFF == 0


def test_only_a_part_that_refreshes_its_page_loses_what_was_not_written() -> None:
    import msgspec

    part = bundled_part("24LC32A")
    assert part.two_wire is not None
    other = msgspec.structs.replace(part, two_wire=msgspec.structs.replace(part.two_wire, refreshes_page=False))
    cells, write = operation()
    torn = {tear.row.name for tear in tears_of(other, cells, write, TEAR_SETS["T2"])}
    assert torn == {"rewritten", "rewrite-erased", "rewritten-from", "rewrite-erasing", "rewrite-programming"}


@pytest.mark.parametrize("tear", ["none", "rewritten-2", "page-erased-1", "page-soup-1"])
def test_a_planned_cut_leaves_what_replay_leaves(tear: str) -> None:
    chosen = None if tear == "none" else tear_named(tear)
    eeprom = chip(journal=Journal(Interruption(1, tear=chosen)))
    put(eeprom, 0, b"first")
    settled(eeprom)
    put(eeprom, 2, b"second")
    with pytest.raises(PowerLost):
        settled(eeprom)
    cells = Cells(bundled_part("24LC32A"))
    replay(cells, eeprom.device.journal.operations()[0])
    if chosen is not None:
        chosen.apply(cells, Operation("write", "eeprom", 2, 6, b"second", 5000, 10000))
    assert eeprom.device.cells.read(0, PAGE) == cells.read(0, PAGE)


@pytest.mark.parametrize(
    ("passed", "row"),
    [(0, "rewrite-erasing"), (2499, "rewrite-erasing"), (2500, "rewrite-programming"), (4999, "rewrite-programming")],
)
def test_power_that_goes_in_the_cycle_tears_it_by_its_progress(passed: int, row: str) -> None:
    eeprom = chip()
    put(eeprom, 0, b"\x00\x01")
    eeprom.clock.advance(passed)
    with pytest.raises(PowerLost):
        eeprom.device.supply.cut()
    (torn,) = eeprom.device.journal.operations()
    assert torn.tear is not None
    assert torn.tear.row.name == row


def test_power_that_goes_after_it_leaves_it_whole() -> None:
    eeprom = chip()
    put(eeprom, 0, b"\x00\x01")
    eeprom.clock.advance(5000)
    with pytest.raises(PowerLost):
        eeprom.device.supply.cut()
    eeprom.device.supply.restore()
    eeprom.power_cycle()
    assert get(eeprom, 0, 2) == b"\x00\x01"


def test_only_the_row_of_tier_3_leaves_reads_that_differ() -> None:
    for tear in ("rewritten-2", "rewrite-erased-1", "rewrite-erasing-1", "page-soup-0", "rewrite-metastable-0"):
        device = FlashDevice(bundled_part("24LC32A"))
        tear_named(tear).apply(device.cells, Operation("write", "flash", 4, 4, b"\x0f\xf0\x55\xaa", 0, 5000))
        assert (len({device.sense(0, PAGE) for _ in range(12)}) > 1) == (tear == "rewrite-metastable-0"), tear
