"""Motorola S-records: what is read, what is written, and which line is at fault."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import Image, Segment, image_from_segments, load_image, save_image
from tests.flash.image_files import refused, s_record, sparse_segments, written

HEADER, DATA, END = s_record(0, 0, b"HDR"), s_record(1, 0, b"abcd"), s_record(9, 0)
ABCD = (Segment(0, b"abcd"),)


def srec(tmp_path: Path, *lines: str, newline: str = "\n") -> Path:
    return written(tmp_path, *lines, name="fw.srec", newline=newline)


# -- reading ---------------------------------------------------------------------------------------------


def test_records_known_from_the_literature_load(tmp_path: Path) -> None:
    """The example of Wikipedia's "SREC (file format)" and the man page srec(5): code, and "Hello world."."""
    path = srec(
        tmp_path,
        "S00F000068656C6C6F202020202000003C",
        "S11F00007C0802A6900100049421FFF07C6C1B787C8C23783C6000003863000026",
        "S11F001C4BFFFFE5398000007D83637880010014382100107C0803A64E800020E9",
        "S111003848656C6C6F20776F726C642E0A0042",
        "S5030003F9",
        "S9030000FC",
    )
    image = load_image(path)
    assert image.entry is None
    assert [str(one) for one in image.segments] == ["0x0:0x46"]
    assert image.flatten()[0x38:] == b"Hello world.\n\0"
    assert image.flatten()[:4] == bytes.fromhex("7C0802A6")


def test_each_width_of_address_places_data_and_states_an_entry(tmp_path: Path) -> None:
    for kind, address, end, entry in ((1, 0xFFF0, 9, 0xFFF1), (2, 0xFF_FFF0, 8, 0x10_0001), (3, 0xFFFF_FFF0, 7, 5)):
        path = srec(tmp_path, HEADER, s_record(kind, address, b"data"), s_record(end, entry))
        assert load_image(path) == Image("fw.srec", (Segment(address, b"data"),), entry)


def test_widths_may_be_mixed_and_records_come_in_any_order(tmp_path: Path) -> None:
    path = srec(tmp_path, s_record(3, 0x1_0000, b"high"), s_record(1, 2, b"cd"), s_record(2, 0, b"ab"), END)
    assert load_image(path).segments == (Segment(0, b"abcd"), Segment(0x1_0000, b"high"))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", " \r\n\r\n"])
def test_any_line_ending_lowercase_digits_and_an_old_end_of_text_load(tmp_path: Path, newline: str) -> None:
    data = s_record(1, 0, b"\xab\xcd")
    path = srec(tmp_path, "S1" + data[2:].lower(), END, newline=newline)
    path.write_bytes(path.read_bytes() + b"\x1a")
    assert load_image(path).segments == (Segment(0, b"\xab\xcd"),)


@pytest.mark.parametrize(
    "lines",
    [
        (DATA, END),
        (DATA, s_record(5, 1)),  # a count alone shows that nothing is missing
        (DATA, s_record(6, 1)),
        (HEADER, DATA, s_record(5, 1), END),
        (DATA, s_record(5, 1), s_record(1, 8), s_record(5, 2), END),  # counted since the start
        (DATA, s_record(5, 1), s_record(1, 8), s_record(5, 1), END),  # counted since the last count
        (HEADER, HEADER, DATA, s_record(1, 0x50), END),  # a record may be empty
    ],
)
def test_counts_and_ends_that_agree_load(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert load_image(srec(tmp_path, *lines)) == Image("fw.srec", ABCD)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((DATA, DATA[:-2] + "00", END), ("line 2", "checksum")),
        ((HEADER[:-2] + "00", DATA, END), ("line 1", "checksum")),
        ((DATA, END[:-2] + "00"), ("line 2", "checksum")),
        ((DATA, DATA[:-2]), ("line 2", "as long as it says")),
        ((DATA, DATA + "00", END), ("line 2", "as long as it says")),
        ((DATA, "S1020000FD", END), ("line 2", "as long as it says")),
        ((DATA, DATA[:-1]), ("line 2", "not an S-record")),
        ((DATA, "hello", END), ("line 2", "not an S-record")),
        ((DATA, "S1", END), ("line 2", "not an S-record")),
        ((DATA, DATA[:6] + " " + DATA[6:], END), ("line 2", "not an S-record")),
        ((DATA, "S4030000FC", END), ("line 2", "unknown record type S4")),
        ((DATA, "SA030000FC", END), ("line 2", "unknown record type SA")),
        ((DATA, "S" + END[1:2], END), ("line 2", "not an S-record")),
        ((DATA, s_record(9, 0, b"x")), ("line 2", "S9 record with data in it")),
        ((DATA, s_record(5, 1, b"x"), END), ("line 2", "S5 record with data in it")),
        ((DATA, s_record(5, 2), END), ("line 2", "counts 2 data records where 1 are")),
        ((HEADER, s_record(6, 1), DATA, END), ("line 2", "counts 1 data records where 0 are")),
        ((DATA, "", DATA[:2] + s_record(1, 4, b"e")[2:]), ("line 3", "neither an end")),
        ((DATA, END, s_record(1, 8, b"x"), END), ("line 3", "after the end (S9)")),
        ((DATA, END, END), ("line 3", "after the end (S9)")),
        ((HEADER, END), ("no data",)),
        ((s_record(1, 0), END), ("no data",)),
        ((DATA, "", s_record(2, 3, b"x"), END), ("line 1 and line 3", "0x0:0x4 and 0x3:0x4 overlap")),
        ((DATA, DATA, END), ("line 1 and line 2", "overlap")),
        ((s_record(3, 0xFFFF_FFFE, b"abc"), s_record(7, 0)), ("line 1", "past address 0xffffffff")),
    ],
)
def test_a_faulty_file_names_file_and_line(tmp_path: Path, lines: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(srec(tmp_path, *lines), *words)


@pytest.mark.parametrize("start", ["S4030000FC", "S1", "S", "Some text"])
def test_a_file_named_so_is_refused_with_its_line_when_its_first_record_is_bad(tmp_path: Path, start: str) -> None:
    refused(srec(tmp_path, start, DATA, END), "line 1")


@pytest.mark.parametrize("content", [b"S", b"S1 is a signal", b"S4030000FC", b"SET 1", b"\x53\x31\x13\x00"])
def test_a_binary_that_begins_with_an_s_stays_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fw.bin").write_bytes(content)
    assert load_image(tmp_path / "fw.bin", base_address=8).segments == (Segment(8, content),)


# -- writing ---------------------------------------------------------------------------------------------


@given(sparse_segments(), st.none() | st.integers(1, 0xFFFF_FFFF), st.sampled_from([".srec", ".s37", ".mot"]))
def test_round_trip(segments: list[Segment], entry: int | None, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fw{suffix}"
        image = image_from_segments(path.name, segments, entry)
        save_image(image, path)
        assert load_image(path) == image
        for line in path.read_text("ascii").splitlines():
            assert sum(bytes.fromhex(line[2:])) % 256 == 0xFF
            assert int(line[2:4], 16) == len(line) // 2 - 2


@given(sparse_segments(), st.integers(1, 0xFFFF))
def test_each_fixed_width_holds_what_fits_and_names_what_does_not(segments: list[Segment], entry: int) -> None:
    image = image_from_segments("fw", segments, entry)
    with tempfile.TemporaryDirectory() as folder:
        for suffix, bits, kinds in ((".s19", 16, "01569"), (".s28", 24, "02568"), (".s37", 32, "03567")):
            path = Path(folder) / f"fw{suffix}"
            if segments[-1].end <= 1 << bits:
                save_image(image, path)
                again = load_image(path)
                assert (again.segments, again.entry) == (image.segments, entry)
                assert {line[1] for line in path.read_text("ascii").splitlines()} <= set(kinds)
            else:
                with pytest.raises(ImageError, match=f"end at {(1 << bits) - 1:#x}; name the file .srec"):
                    save_image(image, path)


@pytest.mark.parametrize(
    ("address", "entry", "kinds"),
    [
        (0xFFFC, None, "0159"),
        (0xFFFC, 0xFFFF, "0159"),
        (0xFFFC, 0x1_0000, "0258"),
        (0xFFFD, None, "0258"),
        (0xFF_FFFC, 5, "0258"),
        (0xFF_FFFD, None, "0357"),
        (0, 0x100_0000, "0357"),
    ],
)
def test_an_unspecific_suffix_takes_the_smallest_width(
    tmp_path: Path, address: int, entry: int | None, kinds: str
) -> None:
    save_image(Image("x", (Segment(address, b"abcd"),), entry), tmp_path / "fw.srec")
    assert "".join(line[1] for line in (tmp_path / "fw.srec").read_text().splitlines()) == kinds


def test_an_entry_that_does_not_fit_is_refused_and_0_means_none(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="an S9 record states no entry beyond 0xffff, this is 0x10000"):
        save_image(Image("x", ABCD, 0x1_0000), tmp_path / "fw.s19")
    save_image(Image("x", ABCD, 0), tmp_path / "fw.s19")
    assert load_image(tmp_path / "fw.s19").entry is None


def test_more_than_65535_records_are_counted_in_24_bits(tmp_path: Path) -> None:
    save_image(Image("x", (Segment(0, bytes(range(32)) * 0x1_0000),)), tmp_path / "fw.srec")
    assert (tmp_path / "fw.srec").read_text().splitlines()[-2] == s_record(6, 0x1_0000)
    assert load_image(tmp_path / "fw.srec").size == 32 * 0x1_0000
