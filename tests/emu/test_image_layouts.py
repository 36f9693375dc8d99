"""Images behind a header, and with ranges that the device writes itself: which is recognised as what."""

from __future__ import annotations

import pytest

from emu.errors import ScenarioError
from emu.events import UNKNOWN
from emu.known_images import KnownImages, Layout
from flash.device import FlashDevice
from flash.grid import Grid
from flash.part import bundled_part
from flash.partition import Partition
from flash.trace import Trace

HEADER = 0x20
OLD_IMAGE, NEW_IMAGE = b"old " * 40, b"new " * 40
BEHIND = {"old": Layout(HEADER), "new": Layout(HEADER)}


def window(content: bytes, part: str = "STM32F103xB") -> Partition:
    device = FlashDevice(bundled_part(part))
    device.load(0x2000, content.ljust(0x800, b"\xff"))
    return Partition("a", device, 0x2000, 0x800)


def test_what_stands_before_an_image_is_not_its_own() -> None:
    known = KnownImages({"old": OLD_IMAGE, "new": NEW_IMAGE}, 0x800, BEHIND)
    assert known.standing_in(window(b"any header".ljust(HEADER, b"\0") + NEW_IMAGE), None) == "new"
    assert known.standing_in(window(b"\xff" * HEADER + OLD_IMAGE), None) == "old"
    assert known.standing_in(window(NEW_IMAGE), None) == UNKNOWN


@pytest.mark.parametrize(("at", "image"), [(0x10, "new"), (0x17, "new"), (0x0F, UNKNOWN), (0x18, UNKNOWN)])
def test_a_range_the_device_writes_tells_nothing(at: int, image: str) -> None:
    known = KnownImages({"old": OLD_IMAGE, "new": NEW_IMAGE}, 0x800, {"new": Layout(0, ((0x10, 0x18),))})
    content = bytearray(NEW_IMAGE)
    content[at] ^= 0x40
    assert known.standing_in(window(bytes(content)), None) == image


@pytest.mark.parametrize(
    ("layout", "pieces"),
    [
        (Layout(), [(0, 160)]),
        (Layout(HEADER), [(0x20, 160)]),
        (Layout(HEADER, ((0, 0x20),)), [(0x20, 160)]),
        (Layout(HEADER, ((0x10, 0x30), (0x28, 0x40))), [(0x40, 128)]),
        (Layout(0, ((150, 400),)), [(0, 150)]),
        (Layout(0, ((16, 64), (32, 48))), [(0, 16), (64, 96)]),
        (Layout(0, ((20, 30), (10, 12))), [(0, 10), (12, 8), (30, 130)]),
        (Layout(0, ((0, 0x800),)), []),
    ],
)
def test_what_has_to_be_equal(layout: Layout, pieces: list[tuple[int, int]]) -> None:
    found = list(layout.pieces(NEW_IMAGE))
    assert [(at, len(piece)) for at, piece in found] == pieces
    assert all(NEW_IMAGE[at - layout.offset :].startswith(piece) for at, piece in found)


def test_what_is_compared_is_in_the_footprint_and_nothing_else() -> None:
    known = KnownImages({"old": OLD_IMAGE}, 0x800, {"old": Layout(HEADER, ((0x40, 0x60),))})
    slot = window(b"\xff" * HEADER + OLD_IMAGE)
    device = slot.flash
    assert isinstance(device, FlashDevice)
    trace = Trace({device.name: Grid(device.part, [(0x2000, 0x400)], 32)})
    assert known.standing_in(slot, trace) == "old"
    grid = Grid(device.part, [(0x2000, 0x400)], 32)
    places = sorted(grid.extent(unit)[0] for _, unit in trace.consulted_units)
    assert places == [0x2020, 0x2060, 0x2080, 0x20A0]


def test_images_nobody_could_tell_apart_are_refused() -> None:
    other = bytearray(OLD_IMAGE)
    other[5] = 0
    ignoring = {"old": Layout(0, ((4, 8),)), "new": Layout(0, ((4, 8),))}
    with pytest.raises(ScenarioError, match="nobody could tell them apart"):
        KnownImages({"old": OLD_IMAGE, "new": bytes(other)}, 0x800, ignoring)
    KnownImages({"old": OLD_IMAGE, "new": bytes(other)}, 0x800)
    with pytest.raises(ScenarioError, match="nothing of the new image is compared"):
        KnownImages({"old": OLD_IMAGE, "new": NEW_IMAGE}, 0x800, {"new": Layout(0, ((0, 0x800),))})
    with pytest.raises(ScenarioError, match="1 to 200 fit a window of this rig"):
        KnownImages({"old": OLD_IMAGE * 2}, 200, BEHIND)


def test_broken_cells_count_under_what_is_compared() -> None:
    known = KnownImages({"old": OLD_IMAGE}, 0x800, {"old": Layout(0, ((0x10, 0x20),))})
    slot = window(OLD_IMAGE, "STM32L476")
    assert isinstance(slot.flash, FlashDevice)
    slot.flash.cells.mark_broken(0x2010, 8)
    assert (known.standing_in(slot, None), known.unreliable_in(slot)) == ("old", "")
    slot.flash.cells.mark_broken(0x2000, 8)
    assert (known.standing_in(slot, None), known.unreliable_in(slot)) == (UNKNOWN, "old")
