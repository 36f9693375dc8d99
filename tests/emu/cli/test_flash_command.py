"""`brownout flash`: image files in, image files out, by every subcommand; what is refused, and that nothing is torn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emu.board import load_board
from flash.images import Segment, image_from_segments, load_image, save_image
from tests.emu.cli.command import ROOT, Brownout, stuck_board
from tests.emu.helpers import BOARDS, NEW_APP, OLD_APP
from updater.bundle import Firmware, make_bundle

ELF = ROOT / "emu" / "demo" / "demo-1.elf"


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """An image with a gap, its entry stated."""
    path = tmp_path / "two.hex"
    save_image(image_from_segments("two", [Segment(0x100, b"first"), Segment(0x200, b"second")], 0x101), path)
    return path


def done(brownout: Brownout, *arguments: str | Path, code: int = 0) -> str:
    ran = brownout("flash", *arguments)
    assert (ran.code, ran.err) == (code, "")
    return ran.out


def segments(path: Path, **options: int) -> list[tuple[int, bytes]]:
    return [(segment.address, segment.data) for segment in load_image(path, **options).segments]


# -- convert -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".hex", ".srec", ".uf2", ".dfu", ".bin"])
def test_an_elf_becomes_any_format_with_the_same_bytes_at_the_same_addresses(
    brownout: Brownout, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"out{suffix}"
    assert "0x8010000:0x8010d0c, 3,340 bytes, 1 segment" in done(brownout, "convert", ELF, target)
    ((address, data),) = segments(target, base_address=0x0801_0000)
    assert address == 0x0801_0000
    assert data[:3340] == segments(ELF)[0][1]


def test_gaps_of_a_binary_are_filled_as_asked(brownout: Brownout, tmp_path: Path, two: Path) -> None:
    target = tmp_path / "out.bin"
    done(brownout, "convert", two, target)
    assert target.read_bytes() == b"first".ljust(0x100, b"\xff") + b"second"
    done(brownout, "convert", two, target, "--fill", "0")
    assert target.read_bytes() == b"first".ljust(0x100, b"\0") + b"second"


def test_a_binary_lies_where_it_is_put_and_a_region_is_cut_out_of_it(brownout: Brownout, tmp_path: Path) -> None:
    source, target = tmp_path / "in.bin", tmp_path / "out.hex"
    source.write_bytes(bytes(range(100)))
    done(brownout, "convert", source, target, "--base-address", "0x8000", "--region", "0x8010+16")
    assert segments(target) == [(0x8010, bytes(range(16, 32)))]


def test_the_family_of_a_uf2_is_stated_and_chosen_again(brownout: Brownout, tmp_path: Path) -> None:
    target, back = tmp_path / "out.uf2", tmp_path / "back.bin"
    done(brownout, "convert", ELF, target, "--family-id", "0xE48BFF56")
    done(brownout, "convert", target, back, "--board-id", "0xE48BFF56")
    assert back.read_bytes()[:3340] == segments(ELF)[0][1]


def test_a_file_may_be_its_own_output_and_a_failure_leaves_it_as_it_was(brownout: Brownout, two: Path) -> None:
    done(brownout, "convert", two, two)
    assert segments(two) == [(0x100, b"first"), (0x200, b"second")]
    before = two.read_bytes()
    assert "nothing lies in" in brownout.refused("flash", "cut", two, two, "--region", "0x0:0x10")
    assert two.read_bytes() == before
    assert [path.name for path in two.parent.iterdir()] == ["two.hex"]


# -- merge, cut, fill, patch ---------------------------------------------------------------------------------------


def test_files_are_merged_and_an_overlap_names_both(brownout: Brownout, tmp_path: Path, two: Path) -> None:
    other, target = tmp_path / "other.hex", tmp_path / "out.hex"
    save_image(image_from_segments("other", [Segment(0x105, b"middle"), Segment(0x300, b"third")]), other)
    done(brownout, "merge", target, two, other)
    assert segments(target) == [(0x100, b"firstmiddle"), (0x200, b"second"), (0x300, b"third")]
    save_image(image_from_segments("other", [Segment(0x104, b"T")]), other)
    message = brownout.refused("flash", "merge", target, two, other)
    assert message.startswith(f"{two} and {other} both have 0x104:0x105")
    for choice, byte in (("first", b"t"), ("last", b"T")):
        done(brownout, "merge", target, two, other, "--overlap", choice)
        assert segments(target)[0] == (0x100, b"firs" + byte)


def test_one_region_is_kept(brownout: Brownout, tmp_path: Path, two: Path) -> None:
    done(brownout, "cut", two, tmp_path / "out.hex", "--region", "0x102:0x202")
    assert segments(tmp_path / "out.hex") == [(0x102, b"rst"), (0x200, b"se")]


def test_gaps_in_a_region_are_filled_and_content_only_when_asked(brownout: Brownout, two: Path) -> None:
    done(brownout, "fill", two, two, "--region", "0xfe:0x108", "--value", "0xAA")
    assert segments(two) == [(0xFE, b"\xaa\xaafirst\xaa\xaa\xaa"), (0x200, b"second")]
    done(brownout, "fill", two, two, "--region", "0x200+3", "--value", "0", "--overwrite")
    assert segments(two)[1] == (0x200, b"\0\0\0ond")


def test_bytes_are_patched_from_the_command_line_or_from_a_file(brownout: Brownout, tmp_path: Path, two: Path) -> None:
    done(brownout, "patch", two, two, "--at", "0x101", "--hex", "41 42 43")
    done(brownout, "patch", two, two, "--at", "0x400", "--hex", "ff")
    assert segments(two) == [(0x100, b"fABCt"), (0x200, b"second"), (0x400, b"\xff")]
    content = tmp_path / "content"
    content.write_bytes(b"from a file")
    done(brownout, "patch", two, two, "--at", "0x200", "--file", content)
    assert segments(two)[1] == (0x200, b"from a file")


# -- diff, show, check -----------------------------------------------------------------------------------------------


def test_ranges_that_differ_are_listed_with_both_contents_and_code_1(
    brownout: Brownout, tmp_path: Path, two: Path
) -> None:
    other = tmp_path / "other.hex"
    save_image(image_from_segments("other", [Segment(0x100, b"fIRst"), Segment(0x200, b"second!")]), other)
    assert done(brownout, "diff", two, two) == "no difference\n"
    text = " ".join(done(brownout, "diff", two, other, code=1).split())
    assert text.startswith("3 bytes differ, in 2 ranges")
    assert "0x00000101 0x00000103 2 differs 69 72 49 52" in text
    assert "0x00000206 0x00000207 1 only in the second 21" in text
    found = json.loads(done(brownout, "diff", two, other, "--json", "-", code=1))
    assert found["schema"] == "brownout/flash-diff/1"
    assert (found["differing_bytes"], len(found["ranges"])) == (3, 2)
    assert found["ranges"][0] == {"kind": "differs", "start": 0x101, "end": 0x103, "first": "6972", "second": "4952"}
    assert done(brownout, "diff", two, other, "--region", "0x103:0x206") == "no difference\n"


def test_a_gap_equals_what_erased_flash_reads_when_that_is_asked_for(
    brownout: Brownout, tmp_path: Path, two: Path
) -> None:
    done(brownout, "convert", two, tmp_path / "flat.bin")
    arguments = ("diff", two, tmp_path / "flat.bin", "--base-address", "0x100")
    assert "only in the second" in done(brownout, *arguments, code=1)
    assert done(brownout, *arguments, "--fill", "0xff") == "no difference\n"
    assert "differs" in done(brownout, *arguments, "--fill", "0", code=1)


def test_content_is_shown_with_its_addresses_and_gaps(brownout: Brownout, two: Path) -> None:
    assert done(brownout, "show", two).splitlines() == [
        "00000100  66 69 72 73 74                                    |first|",
        "-- 251 bytes say nothing",
        "00000200  73 65 63 6f 6e 64                                 |second|",
    ]
    assert "|irst|" in done(brownout, "show", two, "--region", "0x101:0x200").replace(" ", "")


def test_an_image_is_tried_on_a_part(brownout: Brownout, tmp_path: Path, two: Path) -> None:
    text = done(brownout, "check", two, "--part", "W25Q128JV")
    assert text.startswith("reachable on W25Q128JV: 1 erases, 2 programs, 0 bytes of padding\n")
    assert "0x100:0x105 and 0x200:0x206 share the 4096-byte sector at 0x0" in text
    other = tmp_path / "other.bin"
    other.write_bytes(b"x")
    ran = " ".join(
        done(brownout, "check", two, other, "--part", "W25Q128JV", "--base-address", "0x800", code=1).split()
    )
    assert ran.startswith("NOT reachable on W25Q128JV")
    assert f"{two}: 0x200:0x206 is lost: {other}, written later, is in its sectors" in ran
    found = json.loads(
        done(brownout, "check", two, other, "--part", "W25Q128JV", "--base-address", "0x800", "--json", "-", code=1)
    )
    assert (found["schema"], found["reachable"], len(found["lost"])) == ("brownout/flash-check/1", False, 2)


def test_a_binary_is_checked_from_the_start_of_the_part_on(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "app.bin"
    path.write_bytes(OLD_APP[:701])
    text = done(brownout, "check", path, "--part", "STM32L476")
    assert text == "reachable on STM32L476: 1 erases, 3 programs, 3 bytes of padding\n"
    assert "lies outside the STM32L476" in brownout.refused(
        "flash", "check", path, "--part", "STM32L476", "--base-address", "0x0"
    )


# -- factory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_a_factory_flash_of_every_board_boots_when_it_is_inspected(
    brownout: Brownout, tmp_path: Path, name: str
) -> None:
    app, target = tmp_path / "app.bin", tmp_path / "flash.hex"
    app.write_bytes(OLD_APP)
    done(brownout, "factory", target, "--board", name, "--from", app, "--app-version", "3.4.5")
    ran = brownout("inspect", target, "--board", name)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("OK: boots slot 0 (slot-a), normal: committed")
    assert "version 3.4.5" in ran.out


def test_a_factory_binary_is_as_large_as_the_chip_and_slot_b_is_filled_when_given(
    brownout: Brownout, tmp_path: Path
) -> None:
    target, bundle = tmp_path / "flash.bin", tmp_path / "new.zip"
    document = load_board("stm32l072").document
    firmware = Firmware("x", document.platform, "9.8.7", "b", NEW_APP, load_address=document.load_address)
    bundle.write_bytes(make_bundle(firmware))
    app = tmp_path / "app.bin"
    app.write_bytes(OLD_APP)
    done(brownout, "factory", target, "--board", "stm32l072", "--from", app, "--slot-b", bundle)
    assert target.stat().st_size == 0x30000
    slot = next(p for p in document.partition if p.name == "slot-b")
    assert target.read_bytes()[slot.offset + 256 :].startswith(NEW_APP)
    out = brownout("inspect", target, "--board", "stm32l072").out
    assert "version 9.8.7" in out
    assert "slot 1 (slot-b): image header valid" in out


@pytest.mark.parametrize(
    ("app", "options", "said"),
    [
        (bytes(0x2000), (), "8,192 bytes are more than the 7,936 a slot of board stuck takes"),
        (OLD_APP, ("--app-version", "new"), "--app-version: 'new' is no version; write 1.2.3"),
        (OLD_APP, ("--region", "0x5000:0x6000"), "nothing lies in --region 0x5000:0x6000"),
    ],
)
def test_what_no_factory_can_make_is_refused(
    brownout: Brownout, tmp_path: Path, app: bytes, options: tuple[str, ...], said: str
) -> None:
    path, target = tmp_path / "app.bin", tmp_path / "out.bin"
    path.write_bytes(app)
    board = stuck_board(tmp_path)
    assert said in brownout.refused("flash", "factory", target, "--board", board, "--from", path, *options)
    assert not target.exists()


def test_an_image_the_boards_bootloader_would_not_run_is_refused_for_its_factory(
    brownout: Brownout, tmp_path: Path
) -> None:
    board, app = tmp_path / "new.toml", tmp_path / "app.bin"
    board.write_text(stuck_board(tmp_path).read_text("utf-8") + "\n[verify]\nminimum_version = 0x02000000\n", "utf-8")
    app.write_bytes(OLD_APP)
    message = brownout.refused("flash", "factory", tmp_path / "f.bin", "--board", board, "--from", app)
    assert "slot-a: a device of board stuck would not run this image: older than allowed" in message
    done(brownout, "factory", tmp_path / "f.bin", "--board", board, "--from", app, "--app-version", "2.0.0")


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("convert", "gone.hex", "OUT.bin"), "gone.hex: cannot be read"),
        (("convert", "IN", "OUT.elf"), "OUT.elf: no image format to write is named so"),
        (("convert", "IN", "OUT.bin", "--fill", "256"), "'256' is no byte"),
        (("convert", "IN", "OUT.bin", "--fill", "x"), "'x' is no number; bytes look like 0xFF"),
        (("convert", "IN", "OUT.bin", "--region", "5"), "'5' is not a region"),
        (("convert", "IN", "no/folder/OUT.bin"), "there is no folder"),
        (("convert", "IN", "OUT.bin", "--board-id", "1"), "--board-id"),
        (("merge", "OUT.hex", "IN", "IN", "--board-id", "1"), "--board-id"),
        (("patch", "IN", "OUT.bin", "--at", "0"), "by --hex or by --file, one of them"),
        (("patch", "IN", "OUT.bin", "--at", "0", "--hex", "abc"), "--hex: 'abc' is not hex digits"),
        (("patch", "IN", "OUT.bin", "--at", "0", "--hex", ""), "there is nothing to write"),
        (("patch", "IN", "OUT.bin", "--at", "-1", "--hex", "00"), "below address 0"),
        (("patch", "IN", "OUT.bin", "--at", "0", "--file", "gone"), "gone: No such file"),
        (("check", "IN", "--part", "W25"), "no part named 'W25'"),
        (("factory", "OUT.bin", "--board", "dmeo", "--from", "IN"), "no board named 'dmeo'"),
        (("nonsense",), "No such command 'nonsense'"),
    ],
)
def test_a_wrong_argument_is_one_line_and_writes_nothing(
    brownout: Brownout, tmp_path: Path, two: Path, arguments: tuple[str, ...], said: str
) -> None:
    places = {"IN": str(two), **{name: str(tmp_path / name) for name in ("OUT.bin", "OUT.hex", "OUT.elf")}}
    assert said in brownout.refused("flash", *(places.get(argument, argument) for argument in arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["two.hex"]


def test_an_archive_and_a_picture_are_no_images(brownout: Brownout, tmp_path: Path) -> None:
    bundle, picture = tmp_path / "fw.zip", tmp_path / "p.png"
    bundle.write_bytes(make_bundle(Firmware("x", "demo", "1.0.0", "b", OLD_APP)))
    picture.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    assert "a firmware .zip, not an image" in brownout.refused("flash", "show", bundle)
    assert "a PNG picture, not firmware" in brownout.refused("flash", "show", picture)


def test_help_lists_every_subcommand_and_says_when_it_exits_1(brownout: Brownout) -> None:
    text = brownout("flash", "--help").out
    for name in ("convert", "merge", "cut", "fill", "patch", "diff", "show", "check", "factory"):
        assert f"  {name} " in text
        assert brownout("flash", name, "--help").code == 0
    assert "Exits 1" in brownout("flash", "diff", "--help").out
    assert "Exits 1" in brownout("flash", "check", "--help").out
