"""Every way a first board file goes wrong says what was seen and what to change, through the command."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import chip_names
from flash.images import Segment, image_from_segments, load_image, save_image
from tests.emu.cli.command import Brownout
from tests.emu.cpu.elf_bench import CHIPS, TOLD_APART
from tests.emu.elf.boards import ELF, board

BOOT, OLD, NEW = (str(ELF / f"stm32f1-{name}.elf") for name in ("copy-right", "app-old-a", "app-new-a"))
A, B = "address = 0x8002000", "address = 0x8003000"
AS_GOOD = {"STM32F405xG": ("STM32F411xE",)}
"""Chips the test firmware cannot tell apart."""
Edit = Callable[[str, Path], str]


def edited(folder: Path, edit: Edit) -> Path:
    path = board(folder, "stm32f1", "copy-right", "new")
    text = path.read_text()
    changed = edit(text, folder)
    assert changed != text
    path.write_text(changed)
    return path


def put(old: str, new: str) -> Edit:
    return lambda text, folder: text.replace(old, new)


def factory_bin(address: str) -> Edit:
    """The factory's application as a raw binary."""

    def edit(text: str, folder: Path) -> str:
        save_image(load_image(Path(OLD)), folder / "old.bin")
        return text.replace(f'[[file]]\npath = "{OLD}"', f'[[file]]\npath = "old.bin"{address}')

    return edit


def bootloader(content: bytes, address: int = 0x0800_0000) -> Edit:
    def edit(text: str, folder: Path) -> str:
        (folder / "boot.bin").write_bytes(content)
        return text.replace(f'path = "{BOOT}"', f'path = "boot.bin"\naddress = {address:#x}')

    return edit


def vectors(entry: int, code: bytes = b"") -> bytes:
    """Vectors, every exception an endless loop, then ``code`` at 0x44."""
    table = [0x2000_4000, entry, *[0x0800_0041] * 14]
    return b"".join(word.to_bytes(4, "little") for word in table) + bytes.fromhex("fee7fee7") + code


def patched_image(text: str, folder: Path) -> str:
    """What the board calls old is not what stands in flash: firmware writes a few bytes of its own slot."""
    content = bytearray(load_image(Path(OLD)).segments[0].data)
    content[0x405] ^= 1
    (folder / "patched.bin").write_bytes(content)
    return text.replace(f'name = "old"\npath = "{OLD}"', 'name = "old"\npath = "patched.bin"')


def with_options(text: str, folder: Path) -> str:
    pieces = [*load_image(Path(BOOT)).segments, Segment(0x1FFF_F810, b"\xa5\x5a")]
    save_image(image_from_segments("boot", pieces), folder / "boot.hex")
    return text.replace(f'path = "{BOOT}"', 'path = "boot.hex"')


def image_with_options(text: str, folder: Path) -> str:
    with_options(text, folder)
    return text.replace(f'name = "new"\npath = "{NEW}"', 'name = "new"\npath = "boot.hex"')


REFUSALS: dict[str, tuple[Edit, str]] = {
    "no bootloader": (
        put(f'[[file]]\npath = "{BOOT}"\n', ""),
        "no vector table: STM32F103xB boots from 0x8000000 and no "
        "[[file]] has bytes there (the lowest are at 0x8002000, of stm32f1-app-old-a.elf); add the bootloader's file",
    ),
    "erased vectors": (
        bootloader(b"\xff" * 64),
        "boot.bin is no vector table of STM32F103xB at 0x8000000: its first word, "
        "the stack pointer, is 0xffffffff, and no multiple of 4 in RAM",
    ),
    "no Thumb bit": (
        bootloader(vectors(0x0800_0044)),
        "its second word, the entry, is 0x08000044, which is even: vectors "
        "have bit 0 set, because a Cortex-M runs Thumb code alone; build with -mthumb",
    ),
    "slot begins inside": (
        put(A, "address = 0x8002100"),
        "slot 'a' begins at 0x8002100, inside an erase unit of "
        "STM32F103xB, [0x8002000, 0x8002400); let it begin at one of these",
    ),
    "slot ends inside": (
        put("size = 0x800", "size = 0x900"),
        "slot 'a' ends at 0x8002900, inside an erase unit of "
        "STM32F103xB, [0x8002800, 0x8002c00); let it end at one of these",
    ),
    "image too large": (
        put("size = 0x800", "size = 0x400"),
        "[[image]] 'old' has 1,040 bytes and the largest slot, 'a', "
        "1,024; give the slot its real size, or an image that fits",
    ),
    "staged too large": (
        put(B, "address = 0x8002400"),
        "1,040 bytes at 0x8002400 leave slot 'a', where 1,024 are left; "
        "give the slot its real size, or an image that fits",
    ),
    "staged over the bootloader": (
        put(B, "address = 0x8000000"),
        "lies over stm32f1-copy-right.elf, the bootloader, "
        "[0x8000000, 0x80003a8); give the address where the update waits",
    ),
    "staged outside": (
        put(B, "address = 0x9000000"),
        "is not in the flash of STM32F103xB, [0x8000000, 0x8020000); name the "
        "chip it is linked for, or its right address",
    ),
    "raw without address": (
        factory_bin(""),
        "[[file]] old.bin is a raw binary: it does not say where it lies; add address",
    ),
    "raw over another": (
        factory_bin("\naddress = 0x8000000"),
        "stm32f1-copy-right.elf and old.bin both have bytes at "
        "0x8000000; leave out the one that the other holds already",
    ),
    "ELF with address": (
        put(f'[[file]]\npath = "{OLD}"', f'[[file]]\npath = "{OLD}"\n{A}'),
        "stm32f1-app-old-a.elf has addresses of its own; leave out address = 0x8002000",
    ),
    "not for ARM": (put(f'path = "{BOOT}"', 'path = "/bin/true"'), "not for a 32-bit ARM core; link it for the chip"),
    "option bytes": (
        with_options,
        "[0x1ffff810, 0x1ffff812) is beside the flash of STM32F103xB, [0x8000000, 0x8020000), and in no row of option "
        "bytes or UICR that it has; keep the rest with `brownout flash cut`",
    ),
    "image with option bytes": (
        image_with_options,
        "[[image]] 'new': boot.hex has bytes from 0x8000000 to 0x1ffff812, more "
        "than the 131,072 of the flash of STM32F103xB; keep the application alone",
    ),
    "blank": (
        put(f'path = "{NEW}"', 'path = "?"'),
        "the path of [[image]] 'new' is still '?'; fill in the application",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("command", [("boot",), ("run", "--board")], ids=["boot", "run"])
def test_a_board_that_cannot_be_right_is_refused(
    brownout: Brownout, tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    edit, says = REFUSALS[name]
    path = edited(tmp_path, edit)
    line = brownout.refused(*command, path)
    assert line.startswith(str(path))
    assert says in line
    assert "better than" not in line  # the chip is right


COMES_TO_NOTHING: dict[str, tuple[Edit, str]] = {
    "unmapped access": (
        bootloader(vectors(0x0800_0045, bytes.fromhex("004b1b68") + (0x6000_0000).to_bytes(4, "little"))),
        "in HardFault: an empty loop, and no interrupt will come; its last fault: read of 0x60000000 at 0x8000046",
    ),
    "silent": (put('uart = "committed"', 'uart = "hello"'), "it never said 'hello', which alive.uart waits for"),
    "no image where it looks": (
        factory_bin("\naddress = 0x8002800"),
        "no image runs; the bootloader spins at 0x08000146: an "
        "empty loop, and no interrupt will come; it last said 'no image'",
    ),
    "too little time": (
        lambda text, folder: f"{text}[limits]\nsession_s = 0.35\ntimes_uncut = 1\nconfirm_times = 1\n",
        "the new image in slot 'a' runs, and its session is over after 0.35 s, before it has run on for "
        "alive.stays_s, 0.3 s: give [limits] a longer session_s",
    ),
    "nothing on any port": (bootloader(vectors(0x0800_0041)), "it said nothing on any port"),
}


@pytest.mark.parametrize("name", COMES_TO_NOTHING)
def test_what_does_not_come_to_life_says_why(brownout: Brownout, tmp_path: Path, name: str) -> None:
    edit, says = COMES_TO_NOTHING[name]
    ran = brownout("boot", edited(tmp_path, edit))
    assert (ran.code, ran.err) == (1, "")
    assert says in ran.out
    assert "is it the right chip?" not in ran.out


@pytest.mark.parametrize("chip", TOLD_APART)
@pytest.mark.parametrize("named", chip_names())
def test_another_chip_is_told_from_the_right_one(brownout: Brownout, tmp_path: Path, chip: str, named: str) -> None:
    path = board(tmp_path, chip, "copy-right", "new")
    path.write_text(re.sub(r"^chip = .*$", f'chip = "{named}"', path.read_text(), flags=re.M))
    ran = brownout("boot", path)
    right = CHIPS[chip]
    if named in (right, *AS_GOOD.get(right, ())):
        assert ran.code == 0
        return
    told = f"its files fit {right} better than {named}: "
    assert (ran.code in (1, 2), told in ran.out + ran.err) == (True, True), ran.out + ran.err


def test_a_campaign_on_another_chip_says_so(brownout: Brownout, tmp_path: Path) -> None:
    line = brownout.refused("run", "--board", edited(tmp_path, put("STM32F103xB", "STM32L476xG")))
    assert "the device as shipped does not run: hangs: the old image in slot 'a' was entered and waits at" in line
    assert "its files fit STM32F103xB better than STM32L476xG: " in line


def test_a_shipped_image_that_is_no_image_of_the_board(brownout: Brownout, tmp_path: Path) -> None:
    path = edited(tmp_path, patched_image)
    difference = (
        "1 of the 1,040 bytes of the old image differ, the first at +0x405: 0x75 stands there, 0x74 is in the file"
    )
    line = brownout.refused("run", "--board", path)
    assert "what the factory ships is no [[image]]: slot 'a' is entered, not with the bytes of one" in line
    assert difference in line
    assert re.search(
        rf"image +unknown is entered in slot a after [0-9.]+ ms\n +{re.escape(difference)}", brownout("boot", path).out
    )


def test_addresses_of_the_alias_at_0_are_those_of_flash(brownout: Brownout, tmp_path: Path) -> None:
    path = edited(tmp_path, lambda text, folder: text.replace(A, "address = 0x2000").replace(B, "address = 0x3000"))
    assert brownout("boot", path).code == 0
    path.write_text(path.read_text().replace("address = 0x3000", "address = 0x8002400"))
    assert "1,040 bytes at 0x8002400 leave slot 'a', where 1,024 are left" in brownout.refused("boot", path)
