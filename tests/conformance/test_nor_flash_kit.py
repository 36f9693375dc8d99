"""The conformance kit itself: everything of ours passes it, and every row catches an implementation it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flash import FlashDevice, Geometry, OutOfBounds, Partition, PowerLost, SectorRun, Supply, bundled_part, part_names
from flash.testing import PROMISES, check_nor_flash

EVERY_PROMISE = tuple(row.name for row in PROMISES)
NEED_POWER = tuple(row.name for row in PROMISES if row.needs_power)


# -- ours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", part_names())
@pytest.mark.parametrize("strict", [False, True])
def test_every_bundled_part_keeps_every_promise(name: str, strict: bool) -> None:
    part = bundled_part(name)
    result = check_nor_flash(lambda: FlashDevice(part, strict=strict), power=lambda device: device.supply)
    assert result.checked == EVERY_PROMISE
    assert result.not_checked == ()


@pytest.mark.parametrize("name", part_names())
def test_a_partition_on_every_bundled_part_keeps_every_promise(name: str) -> None:
    part = bundled_part(name)
    geometry = part.geometry
    start = geometry.sector_at(0).end
    end = geometry.sector_at(geometry.size - 1).address
    supplies: dict[int, Supply] = {}

    def make() -> Partition:
        device = FlashDevice(part)
        window = Partition("window", device, start, end - start)
        supplies[id(window)] = device.supply
        return window

    result = check_nor_flash(make, power=lambda window: supplies[id(window)])
    assert result.checked == EVERY_PROMISE


# -- somebody else's -------------------------------------------------------------------------------------


class Plain:
    """A NorFlash written from the contract alone: 4 x 64 and 2 x 128 bytes, 2-byte units, 16-byte pages."""

    geometry = Geometry(512, 2, 16, 16, (SectorRun(4, 64), SectorRun(2, 128)), block_sizes=(256,))

    def __init__(self) -> None:
        self.content = bytearray(b"\xff") * self.geometry.size
        self.supply = Supply()

    def read(self, address: int, length: int) -> bytes:
        self.supply.require()
        if not 0 <= address <= address + length <= self.geometry.size:
            raise OutOfBounds(f"read of {length} bytes at {address:#x}", address=address, length=length)
        return bytes(self.content[address : address + length])

    def program(self, address: int, data: bytes) -> None:
        self.supply.require()
        for index, value in enumerate(data, address):
            self.content[index] &= value

    def erase(self, address: int, length: int) -> None:
        self.supply.require()
        self.content[address : address + length] = b"\xff" * length


def test_a_foreign_implementation_keeps_every_promise() -> None:
    assert check_nor_flash(Plain, power=lambda flash: flash.supply).checked == EVERY_PROMISE


def test_promises_about_power_are_reported_as_not_checked_without_a_supply() -> None:
    result = check_nor_flash(Plain)
    assert result.not_checked == NEED_POWER
    assert result.checked == tuple(name for name in EVERY_PROMISE if name not in NEED_POWER)
    assert NEED_POWER


def test_a_supply_whose_cut_returns_is_good_enough() -> None:
    class Quiet:
        def __init__(self, supply: Supply) -> None:
            self.supply = supply

        @property
        def on(self) -> bool:
            return self.supply.on

        def cut(self) -> None:
            self.supply.on = False

        def restore(self) -> None:
            self.supply.on = True

    assert check_nor_flash(Plain, power=lambda flash: Quiet(flash.supply)).checked == EVERY_PROMISE


def test_refusing_a_second_program_is_as_good_as_clearing_more_bits() -> None:
    class Refuses(Plain):
        def program(self, address: int, data: bytes) -> None:
            if self.read(address, len(data)) == b"\xff" * len(data):
                super().program(address, data)

    assert check_nor_flash(Refuses, power=lambda flash: flash.supply).checked == EVERY_PROMISE


# -- mutants: each breaks one promise --------------------------------------------------------------------


class HasNoErase:
    geometry = Plain.geometry

    def read(self, address: int, length: int) -> bytes:
        return b"\xff" * length

    def program(self, address: int, data: bytes) -> None: ...


class GapBetweenSectors(Geometry):
    def sectors_in(self, address: int, length: int) -> Iterator:
        return (sector for sector in super().sectors_in(address, length) if sector.index != 3)


class OffersBlockAnywhere(Geometry):
    def erase_sizes_at(self, address: int) -> tuple[int, ...]:
        return (*super().erase_sizes_at(address), 1024)


class OffersSectorInside(Geometry):
    def erase_sizes_at(self, address: int) -> tuple[int, ...]:
        return (self.sector_at(address).size,)


class ProgramsIgnorePages(Geometry):
    def programs(self, address: int, length: int) -> Iterator[tuple[int, int]]:
        for at in range(address, address + length, 16):
            yield at, min(16, address + length - at)


class ProgramsLoseTheTail(Geometry):
    def programs(self, address: int, length: int) -> Iterator[tuple[int, int]]:
        return (step for step in super().programs(address, length) if step[1] == 16 or length < 16)


def shaped(kind: type[Geometry]) -> type[Plain]:
    g = Plain.geometry
    shape = kind(g.size, g.unit, g.page_size, g.burst_size, g.runs, g.block_sizes)
    return type(kind.__name__, (Plain,), {"geometry": shape})


class NotFresh(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.content[300] = 0xFE


class SharedState(Plain):
    memory = bytearray(b"\xff") * Plain.geometry.size

    def __init__(self) -> None:
        super().__init__()
        self.content = self.memory


class BoundsOneTooWide(Plain):
    def read(self, address: int, length: int) -> bytes:
        if address + length == self.geometry.size + 1:
            length -= 1
        return super().read(address, length)


class BoundsOneTooNarrow(Plain):
    def read(self, address: int, length: int) -> bytes:
        if length and address + length == self.geometry.size:
            raise OutOfBounds("the last byte", address=address, length=length)
        return super().read(address, length)


class NegativeAddressWraps(Plain):
    def read(self, address: int, length: int) -> bytes:
        return super().read(address % self.geometry.size if address < 0 else address, length)


class ReadsAtLeastOneByte(Plain):
    def read(self, address: int, length: int) -> bytes:
        return super().read(address, length) or super().read(min(address, self.geometry.size - 1), 1)


class ReadDisturbs(Plain):
    def read(self, address: int, length: int) -> bytes:
        got = super().read(address, length)
        if got != b"\xff" * length:
            self.content[(address + length - 1) % self.geometry.size] &= 0xFE
            self.content[address] &= 0x7F
        return got


class ReadStopsAtSector(Plain):
    def read(self, address: int, length: int) -> bytes:
        got = super().read(address, length)
        if 0 < address < self.geometry.size and length < 200:
            end = self.geometry.sector_at(address).end
            return got[: end - address].ljust(length, b"\xff")
        return got


class ProgramsFromOneUnitEarly(Plain):
    def program(self, address: int, data: bytes) -> None:
        super().program(max(0, address - 2), data)


class SetsPageBits(Plain):
    """Reads its page back as erased before it programs: the neighbours' bits come back."""

    def program(self, address: int, data: bytes) -> None:
        page = address - address % 16
        self.supply.require()
        self.content[page : page + 16] = b"\xff" * 16
        super().program(address, data)


class DropsLastUnit(Plain):
    def program(self, address: int, data: bytes) -> None:
        super().program(address, data[:-2] if len(data) > 2 else data)


class Overwrites(Plain):
    def program(self, address: int, data: bytes) -> None:
        self.supply.require()
        self.content[address : address + len(data)] = data


class ErasedDataErases(Plain):
    def program(self, address: int, data: bytes) -> None:
        super().program(address, data)
        if data == b"\xff" * len(data):
            self.content[address : address + len(data)] = data


class ErasesOneByteTooFew(Plain):
    def erase(self, address: int, length: int) -> None:
        super().erase(address, length - 1)


class ErasesItsNeighbour(Plain):
    def erase(self, address: int, length: int) -> None:
        super().erase(address, length)
        if address + length < self.geometry.size:
            self.content[address + length] = 0xFF


class ErasesOnlyOneSector(Plain):
    """Takes a block erase for a sector erase."""

    def erase(self, address: int, length: int) -> None:
        super().erase(address, self.geometry.sector_at(address).size)


class NeverBlankAgain(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.spent: set[int] = set()

    def program(self, address: int, data: bytes) -> None:
        if address not in self.spent:
            super().program(address, data)
        self.spent.add(address)


class ForgetsWithoutPower(Plain):
    def read(self, address: int, length: int) -> bytes:
        return super().read(address, length)

    @property
    def supply(self) -> Supply:
        return self._supply

    @supply.setter
    def supply(self, supply: Supply) -> None:
        flash = self

        class Volatile(Supply):
            def restore(self) -> None:
                flash.content[:] = b"\xff" * len(flash.content)
                super().restore()

        self._supply = Volatile()


class ReadsAfterCut(Plain):
    def read(self, address: int, length: int) -> bytes:
        on, self.supply.on = self.supply.on, True
        try:
            return super().read(address, length)
        finally:
            self.supply.on = on


class ProgramsAfterCut(Plain):
    """Raises, but too late."""

    def program(self, address: int, data: bytes) -> None:
        for index, value in enumerate(data, address):
            self.content[index] &= value
        self.supply.require()


class LatchOpensOnce(Plain):
    """Raises PowerLost once; a firmware that swallows it goes on."""

    def erase(self, address: int, length: int) -> None:
        try:
            super().erase(address, length)
        except PowerLost:
            self.supply.restore()
            raise


class CatchablePowerLost(PowerLost, Exception):
    pass


class PowerLossIsAnException(Plain):
    def program(self, address: int, data: bytes) -> None:
        if not self.supply.on:
            raise CatchablePowerLost("off")
        super().program(address, data)


MUTANTS: tuple[tuple[Callable[[], object], str], ...] = (
    (HasNoErase, "protocol"),
    (shaped(GapBetweenSectors), "sectors-tile"),
    (shaped(OffersBlockAnywhere), "erase-sizes"),
    (shaped(OffersSectorInside), "erase-sizes"),
    (shaped(ProgramsIgnorePages), "programs-legal"),
    (shaped(ProgramsLoseTheTail), "programs-legal"),
    (NotFresh, "fresh-erased"),
    (SharedState, "independent"),
    (BoundsOneTooWide, "read-bounds"),
    (NegativeAddressWraps, "read-bounds"),
    (ReadsAtLeastOneByte, "read-nothing"),
    (ReadDisturbs, "read-steady"),
    (ReadStopsAtSector, "read-spans"),
    (ProgramsFromOneUnitEarly, "program"),
    (SetsPageBits, "program"),
    (DropsLastUnit, "program"),
    (Overwrites, "program-over"),
    (ErasedDataErases, "program-over"),
    (ErasesOneByteTooFew, "erase"),
    (ErasesItsNeighbour, "erase"),
    (ErasesOnlyOneSector, "erase"),
    (NeverBlankAgain, "program-again"),
    (ForgetsWithoutPower, "power-survives"),
    (ReadsAfterCut, "power-latch"),
    (ProgramsAfterCut, "power-latch"),
    (LatchOpensOnce, "power-latch"),
    (PowerLossIsAnException, "power-unwinds"),
)


@pytest.mark.parametrize(("mutant", "row"), MUTANTS, ids=lambda it: getattr(it, "__name__", it))
def test_a_mutant_is_caught_by_its_row(mutant: type[Plain], row: str) -> None:
    SharedState.memory[:] = b"\xff" * len(SharedState.memory)
    with pytest.raises(AssertionError) as broken:
        check_nor_flash(mutant, power=lambda flash: flash.supply)
    assert type(broken.value) is AssertionError
    assert str(broken.value).startswith(f"broken promise {row!r}")


def test_a_flash_whose_last_byte_cannot_be_read_is_caught() -> None:
    with pytest.raises(AssertionError, match="OutOfBounds: the last byte"):
        check_nor_flash(BoundsOneTooNarrow)


def test_every_promise_has_a_mutant() -> None:
    assert {row for _, row in MUTANTS} == set(EVERY_PROMISE)


def test_the_message_names_the_address_and_both_contents() -> None:
    with pytest.raises(AssertionError) as broken:
        check_nor_flash(ErasesOneByteTooFew)
    message = str(broken.value)
    assert "An erase restores exactly its unit" in message
    assert "after an erase of 0x40 at 0x0: at 0x3f expected ff" in message
    assert "\n" not in message
