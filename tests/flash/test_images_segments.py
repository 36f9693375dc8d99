"""Regions, segments and images in memory: sorted, joined, flattened and cut, with no byte lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import MAX_GAPS, Image, Region, Segment, image_from_segments
from tests.flash.image_files import sparse_segments

# -- regions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("0x0:0x40000", 0, 0x40000),
        ("0x8000+0x1000", 0x8000, 0x9000),
        ("4096+512", 4096, 4608),
        (" 0X10:32 ", 16, 32),
        ("0010:0x1F", 10, 31),
    ],
)
def test_a_region_is_written_as_start_and_end_or_length(text: str, start: int, end: int) -> None:
    region = Region.parse(text)
    assert (region.start, region.end, region.size) == (start, end, end - start)
    assert Region.parse(str(region)) == region


@pytest.mark.parametrize("text", ["", "0x0", "1:2:3", "-1:4", "8:8", "9:8", "8+0", "a:b", "0x:1", "1-2", "0b1:0b10"])
def test_anything_else_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ImageError, match=r"start:end or start\+length"):
        Region.parse(text)


def test_a_backwards_region_cannot_be_made() -> None:
    with pytest.raises(ImageError, match="backwards"):
        Region(8, 4)


# -- images ----------------------------------------------------------------------------------------------


def test_segments_are_sorted_and_joined() -> None:
    image = image_from_segments("x", [Segment(8, b"cd"), Segment(0, b"ab"), Segment(2, b""), Segment(10, b"e")], 7)
    assert image == Image("x", (Segment(0, b"ab"), Segment(8, b"cde")), 7)
    assert (image.span(), image.size) == (Region(0, 11), 11)


def test_an_overlap_names_both_ranges() -> None:
    with pytest.raises(ImageError, match="0x0:0x4 and 0x3:0x5 overlap") as caught:
        image_from_segments("x", [Segment(3, b"xy"), Segment(0, b"abcd")])
    assert (caught.value.address, caught.value.length) == (3, 1)


@pytest.mark.parametrize(
    "segments",
    [
        (Segment(4, b"x"), Segment(0, b"y")),
        (Segment(0, b"x"), Segment(1, b"y")),
        (Segment(0, b""),),
        (Segment(-1, b"xy"),),
    ],
)
def test_an_image_cannot_hold_segments_out_of_order(segments: tuple[Segment, ...]) -> None:
    with pytest.raises(ImageError):
        Image("x", segments)


def test_flat_bytes_show_fill_in_every_gap() -> None:
    image = image_from_segments("x", [Segment(2, b"ab"), Segment(6, b"c")])
    assert image.flatten() == b"ab\xff\xffc"
    assert image.flatten(Region(0, 8), fill=0) == b"\0\0ab\0\0c\0"


@pytest.mark.parametrize("region", [Region(3, 9), Region(0, 6), Region(0, 2), Region(9, 12)])
def test_content_outside_the_region_is_never_cut_off_by_flatten(region: Region) -> None:
    with pytest.raises(ImageError, match="lies outside"):
        image_from_segments("x", [Segment(2, b"ab"), Segment(6, b"c")]).flatten(region)


def test_flatten_refuses_a_fill_that_is_no_byte_and_a_hole_too_large_to_be_meant() -> None:
    with pytest.raises(ImageError, match="0 to 255"):
        Image("x", (Segment(0, b"a"),)).flatten(fill=256)
    with pytest.raises(ImageError, match="select one region"):
        Image("x", (Segment(0, b"a"), Segment(MAX_GAPS + 2, b"b"))).flatten()


def test_an_image_without_data_has_no_span() -> None:
    empty = Image("x", ())
    assert empty.size == 0
    assert empty.flatten(Region(4, 6)) == b"\xff\xff"
    for attempt in (empty.span, empty.flatten):
        with pytest.raises(ImageError, match="no data"):
            attempt()


def test_select_cuts_a_segment_at_both_edges() -> None:
    image = image_from_segments("x", [Segment(0, b"abcdef"), Segment(9, b"z")], 3)
    inside, outside = image.select(Region(2, 4))
    assert inside == Image("x", (Segment(2, b"cd"),), 3)
    assert outside == (Segment(0, b"ab"), Segment(4, b"ef"), Segment(9, b"z"))


@given(sparse_segments(), st.integers(-20, 400), st.integers(0, 300))
def test_select_loses_no_byte(segments: list[Segment], shift: int, size: int) -> None:
    start = max(0, segments[0].address + shift)
    image = image_from_segments("x", segments)
    inside, outside = image.select(Region(start, start + size))
    assert all(start <= one.address and one.end <= start + size for one in inside.segments)
    assert all(one.end <= start or one.address >= start + size for one in outside)
    assert image_from_segments("x", [*inside.segments, *outside]).segments == image.segments
