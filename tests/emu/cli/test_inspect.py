"""`brownout inspect`: what it says of images and flash content, as text and as JSON, and its exit codes."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from emu.board import load_board
from emu.inspection.page import WIDTH
from flash.images import Segment, image_from_segments, save_image
from tests.emu.cli.command import ROOT, STUCK_BOARD, Brownout, process, stuck_board
from tests.emu.cli.inspected import archive, document, page
from tests.emu.helpers import OLD_APP

DEMO_ELF = ROOT / "emu" / "demo" / "demo-1.elf"


# -- images ----------------------------------------------------------------------------------------------------


def test_an_elf_is_shown_with_its_segments_entry_and_what_looks_like_a_vector_table(brownout: Brownout) -> None:
    found = document(brownout, DEMO_ELF)["image"]
    assert found["span"]["sha256"] == found["segments"][0]["sha256"]
    assert found["vector_table"] == {"address": 0x0801_0000, "initial_sp": 0x2000_2000, "reset_handler": found["entry"]}
    text = page(brownout, DEMO_ELF, "--board", "demo")
    for said in (
        "format ELF", "looks like one at 0x08010000: initial SP 0x20002000", "slot-a nor 0x10100 3,340 65,280 yes",
        "slot-b nor 0x20100 3,340 65,280 yes", "fits board demo", found["span"]["sha256"],
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize(
    ("first", "second"),
    [(0x2000_2001, 0x11), (0x5000_0000, 0x11), (0, 0x11), (0x2000_2000, 0x10), (0x2000_2000, 0x4001)],
)
def test_what_is_no_vector_table_is_not_said_to_look_like_one(
    brownout: Brownout, tmp_path: Path, first: int, second: int
) -> None:
    path = tmp_path / "raw.bin"
    path.write_bytes(struct.pack("<II", first, second) + bytes(range(64)))
    assert document(brownout, path)["image"]["vector_table"] is None
    assert "does not look like one" in page(brownout, path)


@pytest.mark.parametrize(
    ("suffix", "said"), [(".hex", "Intel HEX"), (".srec", "Motorola S-records"), (".uf2", "UF2"), (".dfu", "DfuSe")]
)
def test_every_format_is_named_and_its_segments_are_shown(
    brownout: Brownout, tmp_path: Path, suffix: str, said: str
) -> None:
    path = tmp_path / f"app{suffix}"
    save_image(image_from_segments("app", [Segment(0x0801_0000, bytes(range(256)))]), path)
    found = document(brownout, path)
    assert found["files"][0]["format"] == said
    assert [(s["address"], s["size"]) for s in found["image"]["segments"]] == [(0x0801_0000, 256)]


def test_the_firmwares_of_a_file_with_several_are_listed(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "app.uf2"
    save_image(image_from_segments("app", [Segment(0x1000_0000, bytes(256))]), path, family_id=0xE48B_FF56)
    assert document(brownout, path)["files"][0]["firmware_ids"] == [0xE48B_FF56]
    assert "firmwares 0xe48bff56" in page(brownout, path)


def test_an_image_that_does_not_fit_a_slot_or_a_part_is_a_finding_with_both_ranges(
    brownout: Brownout, tmp_path: Path
) -> None:
    text = page(brownout, DEMO_ELF, "--board", "nrf52840", code=1)
    assert "does not fit board nrf52840" in text
    assert "0x8010000:0x8010d0c lies outside what the slot takes, 0x26000:" in text
    assert "lies outside the nRF52840, 0x0:0x100000" in page(brownout, DEMO_ELF, "--part", "nRF52840", code=1)
    assert "fits, in 4 of 128 sectors" in page(brownout, DEMO_ELF, "--part", "STM32F103")
    path = tmp_path / "app.bin"
    path.write_bytes(OLD_APP)
    assert document(brownout, path, "--board", "demo")["placement"]["slots"][0]["needed"] == len(OLD_APP)


def test_a_region_is_taken_alone_and_the_rest_is_listed(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "two.hex"
    pieces = [Segment(0x0801_0000, OLD_APP), Segment(0x1000_1000, b"configuration")]
    save_image(image_from_segments("two", pieces), path)
    whole = document(brownout, path)["image"]["span"]
    assert (whole["sha256"], whole["gap_bytes"]) == (None, 0x1000_1000 - 0x0801_0000 - len(OLD_APP))
    assert "choose one region with --region" in whole["note"]
    found = document(brownout, path, "--board", "demo", "--region", "0x8010000:0x8020000")
    assert found["image"]["left_out"] == [{"address": 0x1000_1000, "end": 0x1000_100D, "size": 13}]
    assert found["placement"]["fits"]
    assert "nothing lies in --region 0x0:0x10" in brownout.refused("inspect", path, "--region", "0x0:0x10")


# -- flash content ---------------------------------------------------------------------------------------------


@pytest.fixture
def flash_bin(brownout: Brownout, tmp_path: Path) -> Path:
    """What a device of the stuck board leaves the factory with."""
    app, path = tmp_path / "app.bin", tmp_path / "flash.bin"
    app.write_bytes(OLD_APP)
    assert brownout("flash", "factory", path, "--board", stuck_board(tmp_path), "--from", app).code == 0
    return path


def test_a_flash_is_told_from_the_boot_down_to_every_field(brownout: Brownout, tmp_path: Path, flash_bin: Path) -> None:
    board = tmp_path / "stuck.toml"
    ran = brownout("inspect", flash_bin, "--board", board)
    assert ran.code == 0
    assert ran.out.startswith("OK: boots slot 0 (slot-a), normal: committed\n")
    text = page(brownout, flash_bin, "--board", board)
    for said in (
        "rule normal: the active image is committed and good",
        "boot config: copy 0 counts: the only valid copy",
        "config copy 0 (config-0): valid",
        "config copy 1 (config-1): not valid: erased",
        "8 sequencer 0xfffffffe smaller is newer; 4,294,967,294 more can be written",
        "14 flags 0x0001 committed",
        f"20 slots[0].app_length {len(OLD_APP)} {len(OLD_APP)} bytes",
        "slot 0 (slot-a): image header valid",
        "slot 1 (slot-b): image header not valid: erased",
        "by its own header no image: erased",
        f"24 app_sha256 {hashlib.sha256(OLD_APP).hexdigest()}",
    ):
        assert said in text
    assert "|BRBC" not in text


def test_everything_the_page_says_of_a_flash_is_in_the_document(
    brownout: Brownout, tmp_path: Path, flash_bin: Path
) -> None:
    found = document(brownout, flash_bin, "--board", tmp_path / "stuck.toml")
    values = json.dumps(found)
    for copy in found["flash"]["configs"]:
        assert len(bytes.fromhex(copy["stored"])) == 128
    text = page(brownout, flash_bin, "--board", tmp_path / "stuck.toml")
    for field in found["flash"]["configs"][0]["fields"]:
        if len(field["shown"]) < 16:
            assert f"{field['name']} {field['shown']} {field['meaning']}".strip() in text
    assert hashlib.sha256(OLD_APP).hexdigest() in values


def test_hexdumps_of_records_and_headers_come_when_asked_for(
    brownout: Brownout, tmp_path: Path, flash_bin: Path
) -> None:
    text = brownout("inspect", "-x", flash_bin, "--board", tmp_path / "stuck.toml").out
    assert "  00000000  42 52 42 43 01 00 ff ff  fe ff ff ff 00 ff 01 00  |BRBC............|" in text
    assert "  00000000  42 52 49 4d 01 00 00 01" in text


def test_the_same_flash_as_hex_and_with_its_erased_end_cut_off_reads_the_same(
    brownout: Brownout, tmp_path: Path, flash_bin: Path
) -> None:
    board = tmp_path / "stuck.toml"
    as_hex = tmp_path / "flash.hex"
    base = load_board("stm32f103").parts["flash"].base
    assert brownout("flash", "convert", flash_bin, as_hex, "--base-address", hex(base)).code == 0
    short = tmp_path / "short.bin"
    short.write_bytes(flash_bin.read_bytes()[:0x8000])
    whole = document(brownout, flash_bin, "--board", board)["flash"]
    assert document(brownout, as_hex, "--board", board)["flash"] == whole
    assert document(brownout, short, "--board", board)["flash"] == whole
    assert document(brownout, f"flash={short}", "--board", board)["flash"] == whole


def test_a_flash_that_boots_nothing_is_a_finding_with_every_reason(
    brownout: Brownout, tmp_path: Path, flash_bin: Path
) -> None:
    raw = bytearray(flash_bin.read_bytes())
    raw[0x4040:0x4080] = b"\xff" * 64  # the record, half written
    raw[0x5080:0x5100] = b"\xff" * 128  # the header, half written
    flash_bin.write_bytes(bytes(raw))
    text = page(brownout, flash_bin, "--board", tmp_path / "stuck.toml", code=1)
    for said in (
        "FINDING: nothing boots: config 0: CRC mismatch",
        "boots nothing, the bootloader halts",
        "rule nothing-to-boot",
        "boot config: neither counts: no copy is valid",
        "config copy 0 (config-0): not valid: CRC mismatch (stored ",
        "124 crc 0x",
        "does not match: computed 0x",
        "slot 0 (slot-a): image header not valid: header CRC mismatch",
        "as the config says no config counts",
    ):
        assert said in text
    found = document(brownout, flash_bin, "--board", tmp_path / "stuck.toml", code=1)
    assert found["flash"]["boot"]["slot"] is None


def test_no_inspection_changes_a_file(brownout: Brownout, tmp_path: Path, flash_bin: Path) -> None:
    raw = bytearray(flash_bin.read_bytes())
    raw[0x4000:0x4080] = b"\xff" * 128  # a boot would write a fresh record
    flash_bin.write_bytes(bytes(raw))
    assert "no-config" in page(brownout, flash_bin, "--board", tmp_path / "stuck.toml")
    assert flash_bin.read_bytes() == bytes(raw)


TWO_CHIPS = (
    STUCK_BOARD.replace('part = "STM32F103"', 'part = "STM32F103"\n\n[[flash]]\nname = "nor"\npart = "W25Q128JV"')
    .replace('name = "slot-b"\nflash = "flash"', 'name = "slot-b"\nflash = "nor"')
)  # fmt: skip


def test_a_board_with_two_chips_takes_a_file_for_each_and_a_missing_one_is_erased(
    brownout: Brownout, tmp_path: Path
) -> None:
    board, app = tmp_path / "two.toml", tmp_path / "app.bin"
    board.write_text(TWO_CHIPS, encoding="utf-8")
    app.write_bytes(OLD_APP)
    made = brownout("flash", "factory", tmp_path / "f.bin", "--board", board, "--from", app, "--slot-b", app)
    assert made.code == 0, made.err
    mcu, nor = tmp_path / "f-flash.bin", tmp_path / "f-nor.bin"
    assert not (tmp_path / "f.bin").exists()
    found = document(brownout, f"flash={mcu}", f"nor={nor}", "--board", board)["flash"]
    assert [chip["given"] for chip in found["chips"]] == [True, True]
    assert all(slot["by_header"]["ok"] for slot in found["slots"])
    assert brownout("flash", "factory", tmp_path / "f.hex", "--board", board, "--from", app).code == 0
    as_hex = document(brownout, f"flash={tmp_path / 'f-flash.hex'}", f"nor={tmp_path / 'f-nor.hex'}", "--board", board)
    assert [slot["by_header"]["reason"] for slot in as_hex["flash"]["slots"]] == ["ok", "no image"]
    alone = document(brownout, f"nor={nor}", "--board", board)["flash"]
    assert [chip["given"] for chip in alone["chips"]] == [False, True]
    assert (alone["boot"]["rule"], alone["boot"]["slot"]) == ("no-config", 1)
    assert "STM32F103, no file given: taken as erased" in page(brownout, f"nor={nor}", "--board", board)
    assert "several files are inspected together only as CHIP=FILE" in brownout.refused(
        "inspect", mcu, nor, "--board", board
    )
    assert "chip nor is given twice" in brownout.refused("inspect", f"nor={nor}", f"nor={nor}", "--board", board)
    assert "has no chip 'rom'; its chips are flash, nor" in brownout.refused("inspect", f"rom={nor}", "--board", board)
    assert "CHIP=FILE needs the board" in brownout.refused("inspect", f"nor={nor}")


# -- what cannot be inspected ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "photo.jpg: a JPEG picture, not firmware; give a firmware .zip"),
        ("notes.md", "# Notes, äöü\n".encode(), "notes.md: a text, not firmware"),
        ("app.tar", bytes(257) + b"ustar\0" + bytes(300), "app.tar: a tar archive, not firmware"),
        ("app.bin.gz", b"\x1f\x8b\x08\0rest", "app.bin.gz: a gzip file, not firmware"),
        ("fw.zip", b"\xff\xd8\xff\xe0", "fw.zip: named as a .zip but is not a firmware archive"),
        ("app.elf", b"no elf", "app.elf: named as ELF but is not"),
        ("empty.bin", b"", "empty.bin: the file is empty"),
        ("end.hex", b":00000001FF\n", "end.hex: "),
    ],
)
def test_a_file_that_is_no_firmware_gets_one_line(
    brownout: Brownout, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert said in brownout.refused("inspect", path)


def test_a_raw_binary_is_taken_at_its_word_whatever_it_begins_with(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "boot.bin"
    path.write_bytes(b"MZ and a text")
    assert document(brownout, path)["files"][0]["format"] == "raw binary"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("gone.bin",), "gone.bin: cannot be read"),
        ((ROOT,), "cannot be read (Is a directory)"),
        ((DEMO_ELF, "--board", "dmeo"), "no board named 'dmeo' (did you mean `demo`?)"),
        ((DEMO_ELF, "--part", "W25Q128"), "no part named 'W25Q128' (did you mean `W25Q128JV`?)"),
        ((DEMO_ELF, "--part", "gone.toml"), "gone.toml: cannot be read"),
        ((DEMO_ELF, "--part", "nRF52840", "--board", "demo"), "--board has its parts: leave out --part"),
        ((DEMO_ELF, "-x"), "--hexdump is for config records and image headers"),
        ((DEMO_ELF, "--region", "junk"), "'junk' is not a region"),
        ((DEMO_ELF, "--json", "no/such/folder.json"), "there is no folder"),
        ((), "Missing argument"),
    ],
)
def test_a_wrong_argument_is_one_line_with_code_2(brownout: Brownout, options: tuple[str, ...], said: str) -> None:
    assert said in brownout.refused("inspect", *options)


def test_options_of_images_are_refused_for_an_archive(brownout: Brownout, tmp_path: Path) -> None:
    path = archive(tmp_path)
    for option in (("--region", "0x0:0x10"), ("--board-id", "1"), ("--part", "nRF52840")):
        assert "a firmware .zip is read as it is" in brownout.refused("inspect", path, *option)
    assert "is no content of a chip" in brownout.refused("inspect", f"nor={path}", "--board", "demo")


def test_json_goes_to_a_file_beside_the_text_and_the_help_names_the_codes(brownout: Brownout, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    ran = brownout("inspect", DEMO_ELF, "--json", target)
    assert ran.out.startswith("OK: an image of 3,340 bytes")
    assert json.loads(target.read_text(encoding="utf-8"))["kind"] == "image"
    assert max(len(line) for line in ran.out.splitlines()) <= WIDTH
    assert "nothing boots" in brownout("inspect", "--help").out


def test_as_a_process_a_jpeg_is_code_2_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "x.jpeg"
    path.write_bytes(b"\xff\xd8\xff\xe1 picture")
    ran = process("inspect", path)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_dump_that_ends_early_is_said_to_be_one(tmp_path: Path, brownout: Brownout) -> None:
    whole, half = tmp_path / "whole.bin", tmp_path / "half.bin"
    assert brownout("flash", "factory", whole, "--board", "demo", "--from", DEMO_ELF).code == 0
    half.write_bytes(whole.read_bytes()[:100_000])
    told = f"{half}: 100,000 of the 16,777,216 bytes of nor; all others are taken as erased"
    assert told in brownout("inspect", half, "--board", "demo").err
    assert "taken as erased" not in brownout("inspect", whole, "--board", "demo").err
