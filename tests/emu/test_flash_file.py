"""Editing, comparing and checking images, against a dictionary of bytes: the model every edit must agree with."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.flash_file.compare import differences
from emu.flash_file.edit import Overlap, cut, fill, merge, patch, uncovered
from emu.flash_file.reach import check
from emu.inspection.hexdump import hexdump, image_dump
from flash.errors import ImageError
from flash.images import MAX_FILE_SIZE, Image, Region, Segment, image_from_segments
from flash.part import bundled_part
from tests.emu.helpers import OLD_APP

Bytes = dict[int, int]


def image_of(content: Bytes, source: str = "image", entry: int | None = None) -> Image:
    return image_from_segments(source, [Segment(at, bytes([value])) for at, value in content.items()], entry)


def bytes_of(image: Image) -> Bytes:
    return {segment.address + i: byte for segment in image.segments for i, byte in enumerate(segment.data)}


contents = st.dictionaries(st.integers(0, 40), st.integers(0, 3), max_size=30)
some = contents.filter(bool)
regions = st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda r: Region(r[0], r[0] + r[1]))


@given(st.lists(some, min_size=1, max_size=4), st.sampled_from(["error", "first", "last"]))
def test_a_merge_is_the_union_and_overlaps_are_settled_as_asked(parts: list[Bytes], overlap: Overlap) -> None:
    images = [image_of(part, f"file{n}") for n, part in enumerate(parts)]
    union: Bytes = {}
    for part in parts if overlap == "last" else reversed(parts):
        union |= part
    if overlap == "error" and len(union) < sum(len(part) for part in parts):
        with pytest.raises(ImageError, match=r"file\d and file\d both have 0x"):
            merge(images, overlap)
    else:
        assert bytes_of(merge(images, overlap)) == union


@given(some, regions, st.integers(0, 255), st.booleans())
def test_a_fill_leaves_no_gap_in_the_region_and_touches_nothing_else(
    content: Bytes, region: Region, value: int, overwrite: bool
) -> None:
    filled = bytes_of(fill(image_of(content), region, value, overwrite=overwrite))
    block = dict.fromkeys(range(region.start, region.end), value)
    assert filled == (content | block if overwrite else block | content)


@given(contents, st.integers(0, 50), st.binary(min_size=1, max_size=9))
def test_a_patch_is_there_afterwards_and_all_else_as_before(content: Bytes, address: int, data: bytes) -> None:
    written = {address + i: byte for i, byte in enumerate(data)}
    assert bytes_of(patch(image_of(content), address, data)) == content | written


@given(some, regions)
def test_a_cut_keeps_the_region_or_refuses_an_empty_one(content: Bytes, region: Region) -> None:
    inside = {at: value for at, value in content.items() if region.start <= at < region.end}
    if inside:
        assert bytes_of(cut(image_of(content), region)) == inside
    else:
        with pytest.raises(ImageError, match="nothing lies in --region"):
            cut(image_of(content), region)


@given(contents, contents)
def test_what_is_uncovered_is_the_difference_of_the_addresses(content: Bytes, covers: Bytes) -> None:
    left = uncovered(image_of(content).segments, image_of(covers).segments)
    assert {s.address + i for s in left for i in range(len(s.data))} == set(content) - set(covers)


@given(contents, contents, st.sampled_from([None, 0, 0xFF]))
def test_differences_are_exactly_the_bytes_that_differ(first: Bytes, second: Bytes, gap: int | None) -> None:
    found = differences(image_of(first), image_of(second), fill=gap)
    differing = {at for one in found for at in range(one.address, one.end)}
    union = set(first) | set(second)
    assert differing == {at for at in union if first.get(at, gap) != second.get(at, gap)}
    assert all(one.end <= other.address for one, other in pairwise(found))
    for one in found:
        for side, content in ((one.first, first), (one.second, second)):
            held = bytes(content.get(at, gap or 0) for at in range(one.address, one.end))
            assert side in (b"", held)


def test_a_merge_keeps_the_first_entry_there_is_and_the_last_where_the_last_wins() -> None:
    images = [image_of({0: 1}), image_of({1: 1}, entry=5), image_of({2: 1}, entry=7)]
    assert (merge(images).entry, merge(images, "first").entry, merge(images, "last").entry) == (5, 5, 7)


def test_a_fill_larger_than_any_image_is_refused_before_it_is_made() -> None:
    with pytest.raises(ImageError, match="more than the"):
        fill(image_of({0: 1}), Region(0, MAX_FILE_SIZE + 1), 0)


# -- reach -----------------------------------------------------------------------------------------------------


def flat(address: int, data: bytes, source: str = "image") -> Image:
    return image_from_segments(source, [Segment(address, data)])


def test_edges_that_are_no_whole_granule_are_padded_and_the_content_reads_back() -> None:
    found = check([flat(0x0800_8003, OLD_APP[:10])], bundled_part("STM32L476"))
    assert (found.erases, found.programs, found.padded_bytes, found.losses) == (1, 1, 6, ())


def test_segments_that_meet_in_a_granule_are_one_program_and_are_named() -> None:
    pieces = [Segment(0x0800_8000, b"abc"), Segment(0x0800_8005, b"de"), Segment(0x0800_8010, b"f")]
    found = check([image_from_segments("two", pieces)], bundled_part("STM32L476"))
    assert [(one.grain, one.address, one.size) for one in found.sharings] == [
        ("unit", 0x0800_8000, 8), ("sector", 0x0800_8000, 2048),
    ]  # fmt: skip
    assert (found.programs, found.padded_bytes) == (2, 3 + 7)


def test_segments_in_different_sectors_share_nothing() -> None:
    pieces = [Segment(0x7FF, b"a"), Segment(0x1000, b"b")]
    assert check([image_from_segments("apart", pieces)], bundled_part("W25Q128JV")).sharings == ()


def test_a_file_that_is_written_later_destroys_what_shares_its_sectors() -> None:
    first, second = flat(0x1000, b"first", "a.hex"), flat(0x1800, b"second", "b.hex")
    part = bundled_part("W25Q128JV")
    (loss,) = check([first, second], part).losses
    assert (loss.source, loss.segment.address, loss.culprit) == ("a.hex", 0x1000, "b.hex")
    assert check([merge([first, second])], part).losses == ()
    assert check([first, flat(0x2000, b"second", "b.hex")], part).losses == ()


@pytest.mark.parametrize("name", ["STM32F103", "STM32F405", "STM32L072", "STM32L476", "nRF52840", "MX25R8035F"])
def test_a_whole_application_is_reachable_on_every_kind_of_part(name: str) -> None:
    part = bundled_part(name)
    image = flat(part.base + part.size // 2 + 1, OLD_APP)
    assert check([image], part).losses == ()


def test_what_lies_outside_the_part_is_refused_with_both_ranges() -> None:
    with pytest.raises(ImageError, match=r"image: 0xffe:0x1002 lies outside the STM32F103, 0x8000000:0x8020000"):
        check([flat(0xFFE, b"abcd")], bundled_part("STM32F103"))


# -- hexdumps --------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.integers(0, 64))
def test_a_hexdump_has_every_byte_at_its_address(data: bytes, address: int) -> None:
    found: Bytes = {}
    previous: list[str] = []
    at = address - address % 16
    for line in hexdump(data, address):
        if line == "*":
            continue
        start = int(line[:8], 16)
        while at < start:  # what a star stands for
            found |= {at + i: int(text, 16) for i, text in enumerate(previous)}
            at += 16
        previous = [line[10 + 3 * i + (i > 7) :][:2] for i in range(16)]
        found |= {start + i: int(text, 16) for i, text in enumerate(previous) if text.strip()}
        at = start + 16
    assert found == {address + i: byte for i, byte in enumerate(data)}


def test_equal_lines_are_one_and_a_star_and_gaps_are_said() -> None:
    assert list(hexdump(bytes(64)))[1] == "*"
    image = image_from_segments("gap", [Segment(0, b"ab"), Segment(0x100, b"\x1b")])
    lines = list(image_dump(image))
    assert lines[0].endswith("|ab|")
    assert lines[1] == "-- 254 bytes say nothing"
    assert lines[2].endswith("|.|")
