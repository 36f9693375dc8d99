"""The power latch: nobody gets past it, whatever they catch."""

from __future__ import annotations

import weakref
from contextlib import suppress

import pytest

from flash.device import FlashDevice
from flash.errors import FlashError, HardwareFault, Interrupted, PowerLost, ResetAsserted
from flash.supply import Supply
from tests.flash.small_parts import SERIAL, WORDS


def test_a_cut_raises_and_stays() -> None:
    supply = Supply()
    assert supply.on
    supply.require()
    with pytest.raises(PowerLost, match="power was cut"):
        supply.cut()
    assert not supply.on
    for _ in range(3):
        with pytest.raises(PowerLost, match="until it returns"):
            supply.require()
    supply.restore()
    assert supply.on
    supply.require()


def test_cutting_twice_and_restoring_twice_is_the_same_as_once() -> None:
    supply = Supply()
    for _ in range(2):
        with pytest.raises(PowerLost):
            supply.cut()
    supply.restore()
    supply.restore()
    assert supply.on


def test_what_stops_the_processor_is_no_exception_a_firmware_may_catch() -> None:
    for kind in (Interrupted, PowerLost, ResetAsserted):
        assert issubclass(kind, BaseException)
        assert not issubclass(kind, Exception)
    for kind in (FlashError, HardwareFault):
        assert issubclass(kind, Exception)


def test_a_firmware_that_catches_exception_does_not_survive() -> None:
    device = FlashDevice(SERIAL)
    survived = False

    def firmware() -> None:
        nonlocal survived
        with suppress(Exception):
            device.supply.cut()
        survived = True

    with pytest.raises(PowerLost):
        firmware()
    assert not survived


def test_swallowing_power_loss_does_not_help() -> None:
    device = FlashDevice(SERIAL)
    device.program(0, b"\x55")
    entries = len(device.journal.entries)

    def stubborn() -> int:
        """A callback that swallows everything, as one called from C does."""
        swallowed = 0
        for attempt in (
            device.supply.cut,
            lambda: device.program(1, b"\x00"),
            lambda: device.erase(0, 64),
            lambda: device.read(0, 1),
            lambda: device.program(2, b"\x00"),
        ):
            try:
                attempt()
            except BaseException:
                swallowed += 1
        return swallowed

    assert stubborn() == 5
    assert device.cells.read(0, 4) == b"\x55\xff\xff\xff"
    assert len(device.journal.entries) == entries
    device.supply.restore()
    assert device.read(0, 1) == b"\x55"


def test_one_rail_feeds_every_chip_on_it() -> None:
    supply = Supply()
    left, right = FlashDevice(SERIAL, supply=supply), FlashDevice(WORDS, supply=supply)
    other = FlashDevice(WORDS)
    with pytest.raises(PowerLost):
        supply.cut()
    for device in (left, right):
        with pytest.raises(PowerLost):
            device.read(0, 1)
    assert other.read(0, 1) == b"\xff"


class Load:
    """Something on the rail that notes each cut."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard

    def gone(self) -> None:
        self.heard.append(self.name)


def test_every_load_hears_of_a_cut_once_in_the_order_in_which_it_was_attached() -> None:
    supply = Supply()
    heard: list[str] = []
    loads = [Load(name, heard) for name in "abc"]
    for load in loads:
        supply.feed(load.gone)
    for _ in range(2):
        with pytest.raises(PowerLost):
            supply.cut()
    assert heard == ["a", "b", "c"]
    supply.restore()
    with pytest.raises(PowerLost):
        supply.cut()
    assert heard == ["a", "b", "c"] * 2


def test_the_rail_keeps_no_load_alive() -> None:
    supply = Supply()
    heard: list[str] = []
    device = FlashDevice(SERIAL, supply=supply)
    gone, kept = weakref.ref(device), Load("kept", heard)
    supply.feed(kept.gone)
    del device
    assert gone() is None
    with pytest.raises(PowerLost):
        supply.cut()
    assert heard == ["kept"]
