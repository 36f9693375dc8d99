"""Intel HEX and Universal Hex: every file here is built by hand, record by record, or by intelhex."""

from __future__ import annotations

import tempfile
from io import StringIO
from pathlib import Path

import intelhex
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import Image, Segment, firmware_ids, image_from_segments, load_image, save_image
from tests.flash.image_files import END, base, record, refused, sparse_segments, written


def block_start(board_id: int) -> str:
    return record(0x0A, 0, board_id.to_bytes(2, "big") + b"\xc0\xde")


# -- Intel HEX -------------------------------------------------------------------------------------------


@given(sparse_segments(), st.none() | st.integers(0, 0xFFFF_FFFF))
def test_hex_round_trip(segments: list[Segment], entry: int | None) -> None:
    image = image_from_segments("fw.hex", segments, entry)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.hex"
        save_image(image, path)
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


def test_hex_offsets_go_on_at_the_start_of_their_64_kib_segment(tmp_path: Path) -> None:
    crossing = record(0, 0xFFFE, b"abcd")
    wrapped = (Segment(0x1_0000, b"cd"), Segment(0x1_FFFE, b"ab"))
    path = written(tmp_path, record(2, 0, b"\x10\x00"), crossing, record(0, 2, b"ef"), END)
    assert load_image(path).segments == (Segment(0x1_0000, b"cdef"), wrapped[1])
    path = written(tmp_path, base(7), record(2, 0, b"\x10\x00").lower(), crossing.lower(), END)
    assert load_image(path).segments == wrapped
    linear = written(tmp_path, record(2, 0, b"\x10\x00"), base(1), crossing, END)
    assert load_image(linear).segments == (Segment(0x1_FFFE, b"abcd"),)


def test_hex_lines_keep_their_numbers_after_a_record_that_wraps(tmp_path: Path) -> None:
    start = (record(2, 0, b"\x10\x00"), record(0, 0xFFFE, b"abcd"))
    error = refused(written(tmp_path, *start, record(0, 1, b"x"), END), "line 3", "0x10001")
    assert error.address == 0x1_0001
    refused(written(tmp_path, *start, record(0, 8, b"x")[:-2] + "00", END), "line 3", "checksum")
    refused(written(tmp_path, start[0], record(0, 0, b"x"), start[1], END), "line 3", "0x10000")


@pytest.mark.parametrize("offset", [0xFFFD, 0xFFFF])
def test_hex_cannot_run_past_4_gib(tmp_path: Path, offset: int) -> None:
    crossing = record(0, offset, b"abcd")
    refused(written(tmp_path, base(0xFFFF), crossing, END), "line 2", "0xffffffff")
    path = written(tmp_path, base(0xFFFF), record(0, 0xFFFC, b"abcd"), END)
    assert load_image(path).segments == (Segment(0xFFFF_FFFC, b"abcd"),)


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


def test_hex_cannot_hold_addresses_or_an_entry_beyond_32_bits(tmp_path: Path) -> None:
    save_image(Image("x", (Segment(0xFFFF_FFFF, b"a"),), 0), tmp_path / "x.hex")
    assert load_image(tmp_path / "x.hex") == Image("x.hex", (Segment(0xFFFF_FFFF, b"a"),), 0)
    with pytest.raises(ImageError, match="states no entry beyond 0xffffffff, this is 0x100000000"):
        save_image(Image("x", (Segment(0, b"a"),), 1 << 32), tmp_path / "y.hex")
    assert not (tmp_path / "y.hex").exists()


def test_hex_known_from_the_literature_loads(tmp_path: Path) -> None:
    """The example of Wikipedia's "Intel HEX", which many readers are tested with."""
    path = written(
        tmp_path,
        ":10010000214601360121470136007EFE09D2190140",
        ":100110002146017E17C20001FF5F16002148011928",
        ":10012000194E79234623965778239EDA3F01B2CAA7",
        ":100130003F0156702B5E712B722B732146013421C7",
        END,
    )
    content = bytes.fromhex(
        "214601360121470136007EFE09D21901" "2146017E17C20001FF5F160021480119"
        "194E79234623965778239EDA3F01B2CA" "3F0156702B5E712B722B732146013421"
    )  # fmt: skip
    assert load_image(path) == Image("fw.hex", (Segment(0x100, content),))


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
    assert firmware_ids(path) == (0x9900, 0x9903)
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
    assert firmware_ids(path) == (0x9903, 0x9901)
    assert load_image(path, board_id=0x9901).segments == (Segment(0x1_0000, b"morev1"),)
    assert load_image(path, board_id=0x9903).segments == (
        Segment(4, b"v2 low"),
        Segment(0x2_0000, b"v2 high"),
    )


def test_a_universal_hex_asks_which_board(tmp_path: Path) -> None:
    path = written(tmp_path, *SECTIONS)
    refused(path, "--board-id", "0x9900, 0x9903")
    refused(path, "no board 0x9901", "--board-id", "0x9900, 0x9903", board_id=0x9901)


def test_plain_hex_takes_no_board_id(tmp_path: Path) -> None:
    path = written(tmp_path, DATA, END)
    assert firmware_ids(path) == ()
    refused(path, "leave out --board-id", board_id=0x9900)


def test_sections_after_the_end_of_file_make_no_universal_hex(tmp_path: Path) -> None:
    assert firmware_ids(written(tmp_path, DATA, END, *SECTIONS)) == ()


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
