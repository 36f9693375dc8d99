"""UF2: blocks in any order, families, what is no flash content, digests, and which block is at fault."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.formats.uf2 import write_uf2
from flash.images import Image, Segment, firmware_ids, image_from_segments, load_image, save_image
from tests.flash.image_files import RP2040, SAMD21, md5_part, refused, sparse_segments, uf2, uf2_block

A, B, C = bytes([1]) * 256, bytes([2]) * 256, bytes([3]) * 256
ABC = uf2((0x1000, A), (0x1100, B), (0x2000, C))
SEGMENTS = (Segment(0x1000, A + B), Segment(0x2000, C))


def saved(tmp_path: Path, *blocks: bytes, name: str = "fw.uf2") -> Path:
    (tmp_path / name).write_bytes(b"".join(blocks))
    return tmp_path / name


# -- reading ---------------------------------------------------------------------------------------------


def test_blocks_of_another_writer_load(tmp_path: Path) -> None:
    assert load_image(saved(tmp_path, *ABC)) == Image("fw.uf2", SEGMENTS)
    assert load_image(saved(tmp_path, *ABC, name="fw.bin")).segments == SEGMENTS


@given(st.data())
def test_blocks_come_in_any_order_and_more_than_once(data: st.DataObject) -> None:
    blocks = data.draw(st.permutations(ABC + data.draw(st.lists(st.sampled_from(ABC), max_size=4))))
    with tempfile.TemporaryDirectory() as folder:
        assert load_image(saved(Path(folder), *blocks)).segments == SEGMENTS


@given(sparse_segments(), st.integers(1, 476), st.randoms(use_true_random=False))
def test_any_payload_size_loads(segments: list[Segment], size: int, shuffled: object) -> None:
    pieces = [
        (one.address + start, one.data[start : start + size])
        for one in segments
        for start in range(0, len(one.data), size)
    ]
    blocks = uf2(*pieces)
    shuffled.shuffle(blocks)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        assert load_image(saved(Path(folder), *blocks)).segments == tuple(segments)


def test_of_several_families_one_is_chosen_and_the_others_are_ignored_entirely(tmp_path: Path) -> None:
    other = uf2_block(0x1000, C, 77, 5, family=SAMD21, size=99999)  # its numbers are nobody's business
    path = saved(tmp_path, other, *uf2((0x1000, A), (0x1100, B), family=RP2040))
    assert firmware_ids(path) == (SAMD21, RP2040)
    assert load_image(path, board_id=RP2040).segments == (Segment(0x1000, A + B),)
    refused(path, "several families", "--board-id", "0x68ED2B88, 0xE48BFF56")
    refused(path, "no family 0x00000001", "0x68ED2B88, 0xE48BFF56", board_id=1)
    refused(path, "offset 0x0", "99999", board_id=SAMD21)


def test_one_family_needs_no_choice_and_may_be_named(tmp_path: Path) -> None:
    path = saved(tmp_path, *uf2((0, A), family=RP2040))
    assert firmware_ids(path) == (RP2040,)
    assert load_image(path) == load_image(path, board_id=RP2040) == Image("fw.uf2", (Segment(0, A),))
    refused(path, "no family 0x68ED2B88", board_id=SAMD21)


def test_blocks_without_a_family_are_for_every_family(tmp_path: Path) -> None:
    everyone = uf2((0x5000, C))
    path = saved(tmp_path, *everyone, *uf2((0, A), family=RP2040), *uf2((0, B), (0x100, B), family=SAMD21))
    assert load_image(path, board_id=RP2040).segments == (Segment(0, A), Segment(0x5000, C))
    assert load_image(path, board_id=SAMD21).segments == (Segment(0, B + B), Segment(0x5000, C))
    plain = saved(tmp_path, *everyone)
    assert firmware_ids(plain) == ()
    refused(plain, "names no family", "leave out --board-id", board_id=RP2040)


def test_comments_and_files_are_no_flash_content_but_count_as_blocks(tmp_path: Path) -> None:
    comment = uf2_block(0x1000, b"source", 1, 3, flags=0x0001)
    part_of_a_file = uf2_block(0, b"print(1)code.py\0", 2, 3, flags=0x1000, size=8, field=8)
    path = saved(tmp_path, uf2_block(0x1000, A, 0, 3), comment, part_of_a_file)
    assert load_image(path).segments == (Segment(0x1000, A),)
    refused(saved(tmp_path, uf2_block(0x1000, A, 0, 3), part_of_a_file), "block 1 of 3 is missing")
    for flags in (0x0001, 0x1000, 0x1001):
        refused(saved(tmp_path, uf2_block(0, A, flags=flags)), "no block", "main flash")


def test_the_files_that_esptool_merges_are_each_numbered_from_0(tmp_path: Path) -> None:
    loader, app = uf2((0x1000, A), (0x1100, B), family=SAMD21), uf2((0x8000, C), (0x8100, A), family=SAMD21)
    whole = (Segment(0x1000, A + B), Segment(0x8000, C + A))
    assert load_image(saved(tmp_path, *loader, *app)).segments == whole
    third = uf2((0xF000, C), family=SAMD21)
    assert load_image(saved(tmp_path, *loader, *third, *app)).segments == (*whole, Segment(0xF000, C))
    refused(saved(tmp_path, *loader, app[0]), "block 0 of 2 stands for 2", "block 1 for 1")
    refused(saved(tmp_path, *loader, app[1]), "block 1 of 2 stands for 2", "block 0 for 1")


def test_extension_tags_do_not_matter(tmp_path: Path) -> None:
    """The tags are the format's own example."""
    tags = bytes.fromhex(
        "09bcc79f302e312e32000000" "149d0d6541434d4520546f6173746572206d6b33" "ffffffff"
    )  # fmt: skip
    block = uf2_block(0x1000, A + tags, flags=0x8000, size=256)
    assert load_image(saved(tmp_path, block)).segments == (Segment(0x1000, A),)


# -- MD5 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "region",
    [
        (0x1000, A + B),
        (0x1080, A[:128] + B),
        (0x1100, B),
        (0x1000, A + B + b"\xff" * (0x10000 - 512)),  # an erase block, of which the file holds the beginning
    ],
)
def test_the_md5_of_a_region_is_checked_over_several_blocks(tmp_path: Path, region: tuple[int, bytes]) -> None:
    def path(part: bytes) -> Path:
        blocks = (uf2_block(0x1000, A, 0, 2, flags=0x4000, tail=part), uf2_block(0x1100, B, 1, 2))
        return saved(tmp_path, *reversed(blocks))

    right = md5_part(*region)
    assert load_image(path(right)).segments == (Segment(0x1000, A + B),)
    refused(path(right[:-1] + bytes([right[-1] ^ 1])), "offset 0x200", "MD5")
    start, length = struct.unpack_from("<2I", right)
    for wrong in ((start + 1, length), (start, length - 1), (start, 0xFFFF_FFFF), (0xFFFF_FFFF, length)):
        refused(path(struct.pack("<2I", *wrong) + right[8:]), "offset 0x200", "MD5")
    refused(path(bytes(24)), "MD5")


@pytest.mark.parametrize("size", [1, 100, 256, 430, 451, 452])
def test_an_md5_right_after_a_short_payload_is_found(tmp_path: Path, size: int) -> None:
    """esptool puts it there, with zeros after it."""
    payload = bytes(index % 251 + 1 for index in range(size))
    block = uf2_block(0x1000, payload + md5_part(0x1000, payload), size=size, flags=0x4000)
    assert load_image(saved(tmp_path, block)).segments == (Segment(0x1000, payload),)
    refused(saved(tmp_path, block[:32] + b"\0" + block[33:]), "MD5")


def test_a_payload_that_leaves_no_room_for_its_md5_is_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path, uf2_block(0, bytes(453), flags=0x4000)), "453", "no room for the MD5")


# -- faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ((ABC[0], ABC[1], ABC[2][:-1]), ("offset 0x400", "511 of 512")),
        ((ABC[0], ABC[1][:1]), ("offset 0x200", "1 of 512")),
        ((ABC[0], ABC[2]), ("block 1 of 3 is missing",)),
        ((ABC[1], ABC[2]), ("block 0 of 3 is missing",)),
        ((ABC[0], bytes(512)), ("offset 0x200", "magic number 0x00000000 is not 0x0a324655")),
        ((ABC[0], ABC[1][:4] + bytes(508)), ("offset 0x200", "magic number 0x00000000 is not 0x9e5d5157")),
        ((ABC[0][:-4] + bytes(4),), ("offset 0x0", "magic number 0x00000000 is not 0x0ab16f30")),
        ((uf2_block(0, A, size=477),), ("offset 0x0", "477", "at most 476")),
        ((uf2_block(0, A, size=0xFFFF_FFFF),), ("offset 0x0", "at most 476")),
        ((uf2_block(0, A, 0, 0),), ("offset 0x0", "block 0 of 0")),
        ((ABC[0], uf2_block(0, A, 3, 3)), ("offset 0x200", "block 3 of 3")),
        ((uf2_block(0, A, 0, 0xFFFF_FFFF),), ("block 1 of 4294967295 is missing",)),
        ((uf2_block(0, b""),), ("no block", "main flash")),
        ((uf2_block(0xFFFF_FF01, A),), ("offset 0x0", "past address 0xffffffff")),
        ((*uf2((0x1000, A), (0x1080, A)),), ("offset 0x0 and block at offset 0x200", "overlap")),
        ((uf2_block(0, A), uf2_block(0, B)), ("offset 0x0 and block at offset 0x200", "overlap")),
    ],
)
def test_a_faulty_file_names_the_block(tmp_path: Path, blocks: tuple[bytes, ...], words: tuple[str, ...]) -> None:
    refused(saved(tmp_path, *blocks), *words)


# -- writing ---------------------------------------------------------------------------------------------


def whole_pages(segments: list[Segment], fill: int) -> dict[int, bytes]:
    pages: dict[int, bytearray] = {}
    for one in segments:
        for index, byte in enumerate(one.data, start=one.address):
            pages.setdefault(index // 256 * 256, bytearray([fill]) * 256)[index % 256] = byte
    return {address: bytes(page) for address, page in pages.items()}


@given(sparse_segments(), st.none() | st.integers(0, 0xFFFF_FFFF), st.integers(0, 255))
def test_pages_of_256_bytes_are_written_whole(segments: list[Segment], family: int | None, fill: int) -> None:
    """The boot ROM of the RP2040 takes only blocks of 256 bytes at addresses that 256 divides."""
    pages = whole_pages(segments, fill)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.uf2"
        save_image(image_from_segments("x", segments, 0x1234), path, fill=fill, family_id=family)
        assert path.read_bytes() == b"".join(uf2(*sorted(pages.items()), family=family))
        again = load_image(path, board_id=family)
    assert again == image_from_segments("fw.uf2", [Segment(*page) for page in pages.items()])


@given(
    st.lists(st.tuples(st.integers(0, 0xFF_FFFE), st.integers(1, 3)), min_size=1, max_size=5, unique_by=lambda p: p[0])
)
def test_round_trip_of_whole_pages(runs: list[tuple[int, int]]) -> None:
    pages = {number + index for number, count in runs for index in range(count) if number + index <= 0xFF_FFFF}
    image = image_from_segments("fw.uf2", [Segment(page * 256, struct.pack("<I", page) * 64) for page in pages])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.uf2"
        save_image(image, path, family_id=RP2040)
        assert load_image(path) == image


class Visited(tuple[Segment, ...]):
    """Segments that count how often one of them is looked at."""

    visits = 0

    def __iter__(self) -> Iterator[Segment]:
        for segment in super().__iter__():
            Visited.visits += 1
            yield segment


def test_writing_looks_at_every_segment_a_few_times_however_many_there_are() -> None:
    """One byte in every 64 KiB: as many runs of pages as segments."""
    image = Image("fw.uf2", Visited(Segment(number << 16, b"\1") for number in range(2500)))
    Visited.visits = 0
    assert len(write_uf2(image, family_id=None, fill=0xFF)) == 2500 * 512
    assert 2500 <= Visited.visits <= 4 * 2500


def test_the_format_s_own_converter_makes_the_same_bytes(tmp_path: Path) -> None:
    """Of the same Intel HEX, `uf2conv.py -c -f 0xE48BFF56` (adafruit-uf2 1.0.0) makes a file of this SHA-256."""
    image = image_from_segments(
        "x", [Segment(0x1000_0000, bytes(range(256)) * 5), Segment(0x1000_0600, bytes(512))], 0x1000_0000
    )
    save_image(image, tmp_path / "fw.uf2", family_id=RP2040)
    digest = hashlib.sha256((tmp_path / "fw.uf2").read_bytes()).hexdigest()
    assert digest == "64c34d0b12a7a2a59600674e557fb208f3987fdb3166dc851d7fd69482502c4a"


def test_a_family_that_is_no_32_bit_number_is_refused(tmp_path: Path) -> None:
    for family in (-1, 1 << 32):
        with pytest.raises(ImageError, match="no 32-bit number"):
            save_image(Image("x", SEGMENTS), tmp_path / "fw.uf2", family_id=family)
    assert not (tmp_path / "fw.uf2").exists()
