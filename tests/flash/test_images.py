"""Images in and out of files: every file here is built by hand, byte by byte or by an independent writer."""

from __future__ import annotations

import struct
import tempfile
from io import StringIO
from pathlib import Path

import intelhex
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import (
    MAX_GAPS,
    Image,
    Region,
    Segment,
    image_from_segments,
    load_image,
    save_bin,
    save_hex,
    universal_board_ids,
)

PT_LOAD, PT_NOTE = 1, 4
END = ":00000001FF"


def record(kind: int, offset: int = 0, data: bytes = b"") -> str:
    body = struct.pack(">BHB", len(data), offset, kind) + data
    return ":" + (body + bytes([-sum(body) & 0xFF])).hex().upper()


def base(upper: int) -> str:
    return record(4, 0, upper.to_bytes(2, "big"))


def block_start(board_id: int) -> str:
    return record(0x0A, 0, board_id.to_bytes(2, "big") + b"\xc0\xde")


def written(tmp_path: Path, *lines: str, name: str = "fw.hex", newline: str = "\n") -> Path:
    path = tmp_path / name
    path.write_bytes("".join(line + newline for line in lines).encode("ascii"))
    return path


def elf32(*segments: tuple[int, int, int, bytes, int], entry: int = 0) -> bytes:
    """An ARM executable of (p_type, p_vaddr, p_paddr, data, p_memsz); file offsets follow the headers."""
    offset = 52 + 32 * len(segments)
    headers, body = b"", b""
    for p_type, vaddr, paddr, data, memory_size in segments:
        headers += struct.pack("<8I", p_type, offset + len(body), vaddr, paddr, len(data), memory_size, 5, 4)
        body += data
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    count = len(segments)
    return ident + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, entry, 52, 0, 0, 52, 32, count, 40, 0, 0) + headers + body


def refused(path: Path, *words: str, board_id: int | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load_image(path, board_id=board_id)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    for word in words:
        assert word in message, message
    return caught.value


@st.composite
def sparse_segments(draw: st.DrawFn) -> list[Segment]:
    """Disjoint, not adjacent, in order, often next to a 64 KiB boundary."""
    address = draw(st.sampled_from([0, 1, 0xFFF0, 0xFFFF, 0x10000, 0x1000_1000, 0xFFFE_FFF8]))
    segments = []
    for data, gap in draw(
        st.lists(st.tuples(st.binary(min_size=1, max_size=70), st.integers(1, 90)), min_size=1, max_size=6)
    ):
        segments.append(Segment(address, data))
        address += len(data) + gap
    return segments


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


def test_an_image_without_data_has_no_span_and_no_file(tmp_path: Path) -> None:
    empty = Image("x", ())
    assert empty.size == 0
    assert empty.flatten(Region(4, 6)) == b"\xff\xff"
    for attempt in (empty.span, empty.flatten, lambda: save_hex(empty, tmp_path / "x.hex")):
        with pytest.raises(ImageError, match="no data"):
            attempt()
    assert not (tmp_path / "x.hex").exists()


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


# -- files in general ------------------------------------------------------------------------------------


def test_missing_directory_empty_and_unwritable_files_are_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "none.hex", "No such file")
    refused(tmp_path, "directory")
    (tmp_path / "empty.bin").touch()
    refused(tmp_path / "empty.bin", "empty")
    with pytest.raises(ImageError, match="cannot be written"):
        save_bin(Image("x", (Segment(0, b"a"),)), tmp_path / "no" / "x.bin")


@pytest.mark.parametrize("name", ["fw.bin", "fw.img", "fw"])
@pytest.mark.parametrize("data", [b"\x00\x40\x00\x20", b": not hex", b"\x7fEL"])
def test_a_raw_binary_goes_to_the_base_address(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert load_image(tmp_path / name, base_address=0x8000) == Image(name, (Segment(0x8000, data),))


def test_a_binary_below_address_zero_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fw.bin").write_bytes(b"ab")
    with pytest.raises(ImageError, match="below address 0"):
        load_image(tmp_path / "fw.bin", base_address=-4)


def test_content_decides_before_the_name(tmp_path: Path) -> None:
    hex_named_bin = written(tmp_path, "", record(0, 4, b"hi"), END, name="fw.bin")
    assert load_image(hex_named_bin, base_address=0x99).segments == (Segment(4, b"hi"),)
    (tmp_path / "x.hex").write_bytes(elf32((PT_LOAD, 0, 0x100, b"code", 4)))
    assert load_image(tmp_path / "x.hex").segments == (Segment(0x100, b"code"),)


@pytest.mark.parametrize("name", ["fw.hex", "fw.IHX", "fw.elf", "fw.axf"])
def test_a_name_that_promises_more_than_the_content_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\x01\x02\x03")
    refused(tmp_path / name, "named as")


def test_bin_round_trip_keeps_the_bytes_and_the_fill(tmp_path: Path) -> None:
    image = image_from_segments("x", [Segment(0x100, b"ab"), Segment(0x104, b"c")])
    save_bin(image, tmp_path / "fw.bin", fill=0)
    assert load_image(tmp_path / "fw.bin", base_address=0x100).segments == (Segment(0x100, b"ab\0\0c"),)


# -- ELF -------------------------------------------------------------------------------------------------


def test_elf_content_lies_at_its_load_address(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(
        elf32(
            (PT_LOAD, 0x8000, 0x8000, b"text", 4),
            (PT_LOAD, 0x2000_0000, 0x8010, b"data", 64),  # .data: runs in RAM, kept in flash
            (PT_LOAD, 0x2000_0100, 0x2000_0100, b"", 256),  # .bss
            (PT_NOTE, 0, 0x9000, b"note", 4),
            entry=0x8001,
        )
    )
    assert load_image(path) == Image("fw.elf", (Segment(0x8000, b"text"), Segment(0x8010, b"data")), 0x8001)


def test_an_elf_without_entry_states_none(tmp_path: Path) -> None:
    (tmp_path / "fw.elf").write_bytes(elf32((PT_LOAD, 0, 0, b"x", 1)))
    assert load_image(tmp_path / "fw.elf").entry is None


def test_elf_segments_that_overlap_in_flash_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(elf32((PT_LOAD, 0, 0x10, b"abcd", 4), (PT_LOAD, 0x2000, 0x12, b"ef", 2)))
    refused(path, "0x10:0x14 and 0x12:0x14 overlap")


def test_an_elf_that_loads_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(elf32((PT_LOAD, 0x2000_0000, 0x2000_0000, b"", 256), (PT_NOTE, 0, 0, b"note", 4)))
    refused(path, "loads nothing")
    refused(path, "--board-id", board_id=0x9900)


def test_an_elf_cut_anywhere_is_one_line_of_error(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    whole = elf32((PT_LOAD, 0x8000, 0x8000, b"text", 4), (PT_LOAD, 0x9000, 0x9000, b"more", 4))
    for length in range(4, len(whole)):
        path.write_bytes(whole[:length])
        refused(path, "download it again")
    path.write_bytes(whole[:-1])
    refused(path, "cut short, 3 of 4 bytes for 0x9000")


@given(st.integers(4, 115), st.integers(0, 255))
def test_a_damaged_elf_loads_or_is_an_image_error(position: int, value: int) -> None:
    damaged = bytearray(elf32((PT_LOAD, 0, 0x8000, b"text", 4), (PT_LOAD, 0, 0x9000, b"more", 4)))
    damaged[position] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.elf"
        path.write_bytes(damaged)
        try:
            image = load_image(path)
        except ImageError as error:
            assert str(error).startswith("fw.elf: ")
            assert "\n" not in str(error)
        else:
            assert image.size > 0


# -- Intel HEX -------------------------------------------------------------------------------------------


@given(sparse_segments(), st.none() | st.integers(0, 0xFFFF_FFFF))
def test_hex_round_trip(segments: list[Segment], entry: int | None) -> None:
    image = image_from_segments("fw.hex", segments, entry)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.hex"
        save_hex(image, path)
        assert load_image(path) == image
        independent = intelhex.IntelHex(str(path))
    expected: dict[int | str, object] = {
        one.address + index: byte for one in segments for index, byte in enumerate(one.data)
    }
    if entry is not None:
        expected["start_addr"] = {"EIP": entry}
    assert independent.todict() == expected


@given(sparse_segments(), st.integers(1, 255))
def test_hex_from_another_writer_loads(segments: list[Segment], byte_count: int) -> None:
    writer = intelhex.IntelHex()
    for one in segments:
        writer.puts(one.address, one.data)
    text = StringIO()
    writer.write_hex_file(text, byte_count=byte_count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.hex"
        path.write_text(text.getvalue())
        assert load_image(path).segments == tuple(segments)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "  \r\n\r\n"])
def test_hex_with_any_line_ending_and_lowercase_loads(tmp_path: Path, newline: str) -> None:
    lines = (base(0x0800), record(0, 0xFFFE, b"\xab\xcd"), record(5, 0, b"\x08\0\xff\xff"), END)
    path = written(tmp_path, *(line.lower() for line in lines), newline=newline)
    assert load_image(path) == Image("fw.hex", (Segment(0x0800_FFFE, b"\xab\xcd"),), 0x0800_FFFF)


def test_hex_of_segments_places_data_and_entry(tmp_path: Path) -> None:
    path = written(
        tmp_path, record(2, 0, b"\x10\x00"), record(0, 0xFFFE, b"ab"), record(3, 0, b"\x10\x00\x00\x05"), END
    )
    assert load_image(path) == Image("fw.hex", (Segment(0x1_FFFE, b"ab"),), 0x1_0005)


def test_hex_that_would_wrap_inside_its_segment_is_refused(tmp_path: Path) -> None:
    crossing = record(0, 0xFFFE, b"abcd")
    refused(written(tmp_path, record(2, 0, b"\x10\x00"), crossing, END), "line 2", "64 KiB")
    linear = written(tmp_path, record(2, 0, b"\x10\x00"), base(1), crossing, END)
    assert load_image(linear).segments == (Segment(0x1_FFFE, b"abcd"),)
    refused(written(tmp_path, base(0xFFFF), crossing, END), "0xffffffff")


DATA = record(0, 0, b"abcd")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((DATA, DATA[:-2] + "00", END), ("line 2", "checksum")),
        ((DATA, DATA[:-4]), ("line 2", "as long as it says")),
        ((DATA, DATA[:-1]), ("line 2", "not an Intel HEX record")),
        ((DATA, ":00"), ("line 2", "not an Intel HEX record")),
        ((DATA, "hello", END), ("line 2", "not an Intel HEX record")),
        ((DATA, "", record(0, 8, b"x")), ("line 3", "not an end of file")),
        ((DATA, record(6), END), ("line 2", "unknown record type")),
        ((DATA, record(0x0C), END), ("line 2", "unknown record type")),
        ((DATA, record(4, 0, b"\0"), END), ("line 2", "malformed extended address")),
        ((DATA, record(5, 0, b"\0"), END), ("line 2", "malformed start address")),
        ((record(5, 0, bytes(4)), record(5, 0, bytes(4)), END), ("line 2", "second start address")),
        ((DATA, record(1, 0, b"\0")), ("line 2", "malformed end-of-file")),
        ((DATA, END, DATA, END), ("line 3", "after the end of file")),
        ((END,), ("no data",)),
        ((base(1), record(0, 0), END), ("no data",)),
    ],
)
def test_a_faulty_hex_names_file_and_line(tmp_path: Path, lines: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(written(tmp_path, *lines), *words)


@pytest.mark.parametrize("second", [b"x", b"d"])
def test_hex_records_that_overlap_name_the_address_even_when_they_agree(tmp_path: Path, second: bytes) -> None:
    error = refused(written(tmp_path, base(1), DATA, record(0, 3, second), END), "line 3", "0x10003")
    assert (error.address, error.length) == (0x10003, 1)


def test_project_records_after_the_end_do_not_matter(tmp_path: Path) -> None:
    assert load_image(written(tmp_path, DATA, END, record(0x0E, 0, b"src"))).segments == (Segment(0, b"abcd"),)


def test_hex_cannot_hold_addresses_beyond_32_bits(tmp_path: Path) -> None:
    save_hex(Image("x", (Segment(0xFFFF_FFFF, b"a"),)), tmp_path / "x.hex")
    assert load_image(tmp_path / "x.hex").segments == (Segment(0xFFFF_FFFF, b"a"),)
    for image in (Image("x", (Segment(0xFFFF_FFFF, b"ab"),)), Image("x", (Segment(0, b"a"),), 1 << 32)):
        with pytest.raises(ImageError, match="0xffffffff"):
            save_hex(image, tmp_path / "y.hex")


# -- Universal Hex ---------------------------------------------------------------------------------------

SECTIONS = (
    *(base(0), block_start(0x9900), record(0, 0, b"one"), base(0x1000), record(0, 0x10C0, b"uicr1")),
    *(record(0x0C, 0, b"\xff" * 16), record(0x0B, 0, b"\xff")),
    *(base(0), block_start(0x9903), record(0x0D, 0, b"two!"), base(1), record(0x0D, 8, b"far")),
    *(record(0x0E, 0, b"other"), record(0x0C), record(0x0B), END),
)
V1 = (Segment(0, b"one"), Segment(0x1000_10C0, b"uicr1"))
V2 = (Segment(0, b"two!"), Segment(0x1_0008, b"far"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_board_of_a_universal_hex_gets_its_own_image(tmp_path: Path, newline: str) -> None:
    path = written(tmp_path, *SECTIONS, newline=newline)
    assert universal_board_ids(path) == (0x9900, 0x9903)
    assert load_image(path, board_id=0x9900) == Image("fw.hex", V1)
    assert load_image(path, board_id=0x9903) == Image("fw.hex", V2)


def test_a_section_without_its_end_record_is_closed_by_the_next(tmp_path: Path) -> None:
    path = written(tmp_path, *(line for line in SECTIONS if line[7:9] not in ("0B", "0C")))
    assert load_image(path, board_id=0x9900).segments == V1
    assert load_image(path, board_id=0x9903).segments == V2


def test_self_contained_blocks_in_any_order_each_keep_their_address(tmp_path: Path) -> None:
    def block(upper: int, board_id: int, kind: int, offset: int, data: bytes) -> tuple[str, ...]:
        return base(upper), block_start(board_id), record(kind, offset, data), record(0x0B, 0, b"\xde\xad")

    path = written(
        tmp_path,
        *block(2, 0x9903, 0x0D, 0, b"v2 high"),
        *block(1, 0x9901, 0x00, 4, b"v1"),
        *block(0, 0x9903, 0x00, 4, b"v2 low"),  # plain data inside a block belongs to its board too
        *block(1, 0x9901, 0x00, 0, b"more"),
        END,
    )
    assert universal_board_ids(path) == (0x9903, 0x9901)
    assert load_image(path, board_id=0x9901).segments == (Segment(0x1_0000, b"morev1"),)
    assert load_image(path, board_id=0x9903).segments == (
        Segment(4, b"v2 low"),
        Segment(0x2_0000, b"v2 high"),
    )


def test_a_universal_hex_asks_which_board(tmp_path: Path) -> None:
    path = written(tmp_path, *SECTIONS)
    refused(path, "--board-id", "0x9900, 0x9903")
    refused(path, "no board 0x9901", "--board-id", "0x9900, 0x9903", board_id=0x9901)


def test_only_a_universal_hex_takes_a_board_id(tmp_path: Path) -> None:
    refused(written(tmp_path, DATA, END), "leave out --board-id", board_id=0x9900)
    (tmp_path / "fw.bin").write_bytes(b"raw")
    refused(tmp_path / "fw.bin", "leave out --board-id", board_id=0x9900)


def test_board_ids_of_text_of_plain_hex_and_of_a_binary(tmp_path: Path) -> None:
    assert universal_board_ids("\n".join(SECTIONS)) == (0x9900, 0x9903)
    assert universal_board_ids("\n".join((DATA, END, *SECTIONS))) == ()
    (tmp_path / "fw.bin").write_bytes(b"raw")
    assert universal_board_ids(tmp_path / "fw.bin") == ()
    with pytest.raises(ImageError, match="pass a Path"):
        universal_board_ids("fw.hex")


@pytest.mark.parametrize(
    ("position", "line", "words"),
    [
        (1, record(0, 0, b"x"), ("line 2", "for no board")),
        (7, record(0x0D, 0, b"x"), ("line 8", "for no board")),
        (8, record(0x0C), ("line 10", "without an extended address")),
        (2, block_start(0x9901), ("line 3", "without an extended address")),
        (2, record(7), ("line 3", "unknown record type 0x07")),
        (9, "junk", ("line 10", "not an Intel HEX record")),
        (9, ":0400000D00", ("line 10", "as long as it says")),
        (9, ":00000C00", ("line 10", "not an Intel HEX record")),
        (5, record(0x0C)[:-2] + "00", ("line 6", "checksum")),
        (15, record(1), ("line 17", "after the end of file")),
        (3, record(0, 2, b"e"), ("line 4", "0x2")),
    ],
)
def test_a_faulty_universal_hex_names_the_line_whichever_board_is_asked_for(
    tmp_path: Path, position: int, line: str, words: tuple[str, ...]
) -> None:
    path = written(tmp_path, *SECTIONS[:position], line, *SECTIONS[position:])
    refused(path, *words, board_id=0x9900)


def test_a_universal_hex_cut_short_or_without_a_board_id_in_its_block_is_refused(tmp_path: Path) -> None:
    refused(written(tmp_path, *SECTIONS[:-1]), "line 15", "not an end of file", board_id=0x9903)
    refused(written(tmp_path, base(0), record(0x0A, 0, b"\x99"), END), "line 2", "without a board id", board_id=1)
