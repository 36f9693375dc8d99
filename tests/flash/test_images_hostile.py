"""Damaged and made-up files: load_image returns an image or raises ImageError in one line, and is quick about it.

Quick is hypothesis' deadline for each example, a second here, since other work shares the machine.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import Image, firmware_ids, load_image
from tests.flash.image_files import (
    END,
    PT_LOAD,
    RP2040,
    SAMD21,
    base,
    dfu_suffix,
    dfuse,
    dfuse_target,
    elf32,
    md5_part,
    record,
    s_record,
    uf2_block,
)

PAGE = bytes(range(256))
UNIVERSAL = (record(4, 0, b"\0\0"), record(0x0A, 0, b"\x99\0\xc0\xde"), record(0, 0, b"one"), record(0x0B), END)
VALID = {
    "elf": elf32((PT_LOAD, 0, 0x8000, b"text", 4), (PT_LOAD, 0x2000_0000, 0x9000, b"data", 64), entry=0x8001),
    "uf2": uf2_block(0, PAGE, 0, 2, family=RP2040)
    + uf2_block(256, PAGE, 1, 2, family=RP2040, flags=0xC000, tail=md5_part(256, PAGE))
    + uf2_block(0, PAGE, family=SAMD21),
    "dfu": dfuse(dfuse_target(0, (0x100, b"abcd"), (0x200, b"x")), dfuse_target(1, (0x102, b"yz"))),
    "hex": "\n".join((record(2, 0, b"\x10\0"), record(0, 0xFFFE, b"abcd"), base(1), record(0, 16, b"x"), END)).encode(),
    "universal": "\n".join(UNIVERSAL).encode(),
    "srec": "\n".join((s_record(0, 0), s_record(1, 0, b"abcd"), s_record(5, 1), s_record(9, 4))).encode(),
}
NAMES = {"universal": "fw.hex"}
IDS = (None, 0, 1, 0x9900, RP2040)


def loads_or_is_refused(content: bytes, name: str) -> str:
    """ "" when the file loads under some id, else the last message."""
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        loads = [partial(load_image, path, board_id=chosen) for chosen in IDS]
        loaded = False
        for attempt in (partial(firmware_ids, path), *loads):
            try:
                loaded = isinstance(attempt(), Image) or loaded
            except ImageError as error:
                said = str(error)
                assert said.startswith(name), said
                assert "\n" not in said
    return "" if loaded else said


@pytest.mark.parametrize("kind", VALID)
def test_the_files_that_are_damaged_below_are_sound(kind: str) -> None:
    assert loads_or_is_refused(VALID[kind], NAMES.get(kind, f"fw.{kind}")) == ""


@pytest.mark.parametrize("kind", VALID)
def test_no_byte_of_a_valid_file_can_be_changed_into_a_crash(kind: str) -> None:
    @settings(deadline=1000, max_examples=300)
    @given(st.integers(0, len(VALID[kind]) - 1), st.integers(1, 255))
    def one_byte(position: int, change: int) -> None:
        damaged = bytearray(VALID[kind])
        damaged[position] ^= change
        loads_or_is_refused(bytes(damaged), NAMES.get(kind, f"fw.{kind}"))
        if kind == "dfu":  # behind a CRC that is right again, the structure itself is judged
            loads_or_is_refused(dfu_suffix(bytes(damaged[:-16])), "fw.dfu")

    one_byte()


@pytest.mark.parametrize("kind", VALID)
def test_no_length_of_a_valid_file_is_a_crash_or_passes_for_whole(kind: str) -> None:
    name, whole = NAMES.get(kind, f"fw.{kind}"), VALID[kind]
    for length in range(1, len(whole)):
        said = loads_or_is_refused(whole[:length], name)
        whole_enough = (
            (kind == "uf2" and length == 1024)  # the whole of one family
            or (kind == "srec" and whole[:length].endswith(s_record(5, 1).encode()))
            or (kind == "srec" and whole[length:].strip() == s_record(9, 4).encode())
        )
        assert (said == "") == whole_enough, (length, said)


STARTS = {
    "elf": [b"\x7fELF", b"\x7fELF\x01\x01\x01", VALID["elf"][:52], VALID["elf"][:84]],
    "uf2": [b"UF2\n", VALID["uf2"][:8], VALID["uf2"][:32], VALID["uf2"][:512]],
    "dfu": [b"DfuSe", b"DfuSe\x01", VALID["dfu"][:11], VALID["dfu"][:285]],
    "hex": [b":", b":00000001", b":02000002", END.encode() + b"\n"],
    "srec": [b"S", b"S1130000", b"S5030001", b"S9030000FC\n"],
}


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("index", range(4))
def test_anything_may_follow_a_valid_beginning(kind: str, index: int) -> None:
    start = STARTS[kind][index]
    alphabet = st.sampled_from(b":S0123456789ABCDEFabcdef\r\n \x1a")
    tails = st.binary(max_size=700) | st.lists(alphabet, max_size=120).map(bytes)

    @settings(deadline=1000)
    @given(tails)
    @example(b"")
    @example(b"\xff" * 600)
    @example(b"\0" * 600)
    def tail(content: bytes) -> None:
        loads_or_is_refused(start + content, f"fw.{kind}")
        if kind == "dfu":
            loads_or_is_refused(dfu_suffix(start + content), "fw.dfu")
        if kind == "uf2":  # whole blocks with the right magic around anything
            body = (content + bytes(500))[:500]
            loads_or_is_refused(VALID["uf2"][:8] + body + VALID["uf2"][508:512], "fw.uf2")

    tail()


def test_an_elf_that_names_the_same_bytes_in_every_header_is_refused_before_it_fills_the_memory(
    tmp_path: Path,
) -> None:
    count = 20_000
    content = bytearray(elf32(*[(PT_LOAD, 0, 0x8000, b"", 4)] * count))
    for header in range(52, 52 + 32 * count, 32):
        content[header + 4 : header + 8] = bytes(4)
        content[header + 16 : header + 20] = len(content).to_bytes(4, "little")
    (tmp_path / "fw.elf").write_bytes(content)
    with pytest.raises(ImageError, match="over and over"):
        load_image(tmp_path / "fw.elf")
