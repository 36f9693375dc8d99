"""A board for an ELF: everything that can be wrong with it is one line that says what was seen and what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.board_kind import is_elf_board
from emu.elf.board import load_elf_board
from emu.elf.document import ElfBoardFile
from emu.errors import BoardError

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from flash.tomlfile import decode_toml
from tests.docs.pages import DOCS, blocks_of
from tests.emu.elf.boards import ELF, board


def altered(folder: Path, old: str, new: str, *, loader: str = "ab-right") -> Path:
    path = board(folder, "stm32f1", loader, "new")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_board_is_plain_data_with_everything_in_it(tmp_path: Path) -> None:
    path = board(tmp_path, "stm32f1", "ab-right", "new")
    found = load_elf_board(path)
    assert (found.chip.name, found.document.accept) == ("STM32F103xB", ("old", "new"))
    assert [(piece.address, len(piece.data)) for piece in found.staged] == [(0x0800_3000, 1040)]
    assert {name: len(data) for name, data in found.images.items()} == {"old": 1040, "new": 1040}
    assert found.paths[0] == str(path)
    assert str(ELF / "stm32f1-app-new-b.elf") in found.paths


def test_a_bin_lies_where_the_board_says(tmp_path: Path) -> None:
    (tmp_path / "boot.bin").write_bytes((0x2000_5000).to_bytes(4, "little") + (0x0800_0009).to_bytes(4, "little"))
    path = altered(tmp_path, f'path = "{ELF / "stm32f1-ab-right.elf"}"', 'path = "boot.bin"\naddress = 0x0800_0000')
    assert load_elf_board(path).files[0].address == 0x0800_0000


def test_the_digest_tells_boards_apart(tmp_path: Path) -> None:
    first = load_elf_board(board(tmp_path, "stm32f1", "ab-right", "new"))
    second = load_elf_board(altered(tmp_path, "stays_s = 0.3", "stays_s = 0.4"))
    assert first.digest != second.digest


def test_only_a_file_with_a_chip_is_one(tmp_path: Path) -> None:
    path = board(tmp_path, "stm32f1", "ab-right", "new")
    assert is_elf_board(path)
    path.write_text('name = "demo"\n')
    assert not is_elf_board(path)
    path.write_text("chip = ")
    assert not is_elf_board(path)
    assert not is_elf_board(tmp_path)
    assert not is_elf_board(tmp_path / "none.toml")


A, B = "address = 0x8002000", "address = 0x8003000"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('chip = "STM32F103xB"', 'chip = "STM32F104"', "chip: no chip named 'STM32F104' (did you mean `STM32F103xB`?)"),
        ('chip = "STM32F103xB"', 'chip_file = "x"\nchip = "x"', "give chip or chip_file, one of them"),
        ('chip = "STM32F103xB"', 'chip = "STM32F405"', "slot 'a' begins at 0x8002000, inside an erase unit of "
         "STM32F405xG, [0x8000000, 0x8004000); let it begin at one of these, or name the chip the firmware is for"),
        ('chip = "STM32F103xB"', 'chip = "nRF52840"', "slot 'a': [0x8002000, 0x8002800) is not in the flash of "
         "nRF52840, [0x0, 0x100000); name the chip it is linked for"),
        ("stm32f1-ab-right.elf", "stm32f1-app-new-b.elf", "no vector table: STM32F103xB boots from 0x8000000 and no "
         "[[file]] has bytes there (the lowest are at 0x8002000, of stm32f1-app-old-a.elf); add the bootloader's file"),
        ("size = 0x800", "size = 0x400", "[[image]] 'old' has 1,040 bytes and the largest slot, 'a', 1,024; give the "
         "slot its real size, or an image that fits"),
        (f"{B}\nsize = 0x800\n", f"{B}\nsize = 0x400\n", "staged "),
        (f'name = "b"\n{B}', f'name = "b"\n{A}', "slots 'a' and 'b' overlap"),
        (f'name = "b"\n{B}', f'name = "a"\n{B}', "two [[slot]] share a name"),
        ("accept = ['old', 'new']", "accept = ['newer']", "accept: 'newer' is no [[image]]; known: old, new"),
        ('name = "old"', 'name = "older"', "[[image]]: one has to be called 'old'"),
        ('name = "new"', 'name = "old"', "[[image]] 'old': each needs a name of its own"),
        ("[[staged]]", "[[unstaged]]", "unknown field `unstaged` (did you mean `staged`?)"),
        ('name = "new"\n', 'name = "new"\noffset = 0x400\n', "[[image]] 'new': 1,040 bytes behind 0x400 end behind the "
         "largest slot, 'a', 2,048 bytes; a file that has its header in it needs no offset"),
        ('name = "new"\n', 'name = "new"\nignore = [[8, 4]]\n', "[[image]] 'new': ignore: [0x8, 0x4] is no range of a "
         "slot; give offsets in the slot"),
        ('name = "new"\n', 'name = "new"\nignore = [[0, 0x801]]\n', "[0x0, 0x801] is no range of a slot"),
        ('name = "new"\n', 'name = "new"\ndelivered = "x.bin"\n', "[[image]] 'new': delivered is for 'older'; "
         "[[staged]] is the update"),
        (A, "adress = 1", "unknown field `adress`, at $.slot[0] ('a') (did you mean `address`?)"),
        ("stays_s = 0.3", "stays_s = 0", "at $.alive.stays_s"),
        ("stays_s = 0.3", "stays_s = 0.3\n[limits]\nsession_s = 0.1", "[limits]: a session is over after 0.3 s, "
         "confirm_times of session_s, and an image works when it has run on for alive.stays_s, 0.3 s; give a longer "
         "session_s, with the time of a boot besides"),
        ("stm32f1-app-old-a.elf", "none.elf", "none.elf"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = altered(tmp_path, old, new)
    with pytest.raises(BoardError) as wrong:
        load_elf_board(path)
    assert str(wrong.value).startswith(str(path))
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_an_image_behind_a_header_is_entered_and_named(tmp_path: Path) -> None:
    """The file of the board has its vectors cut off: what stands before it in the slot is not compared."""
    from emu.elf.rig import ElfRig
    from emu.events import HANDOVER
    from flash.images import load_image
    from flash.journal import Event

    for name in ("old-a", "new-b"):
        content = load_image(ELF / f"stm32f1-app-{name}.elf").flatten(fill=0xFF)
        (tmp_path / f"{name}.bin").write_bytes(content[0x50:])
    path = board(tmp_path, "stm32f1", "ab-right", "new")
    text = path.read_text()
    for image, name in (("old", "old-a"), ("new", "new-b")):
        file = ELF / f"stm32f1-app-{name}.elf"
        whole = f'[[image]]\nname = "{image}"\npath = "{file}"'
        assert whole in text
        text = text.replace(whole, f'[[image]]\nname = "{image}"\npath = "{name}.bin"\noffset = 0x50')
    path.write_text(text)
    rig, entered = ElfRig(load_elf_board(path)), []
    state = rig.initial(1)
    while True:
        run = rig.run(state)
        entered += [e.facts[1] for e in run.entries if isinstance(e, Event) and e.name == HANDOVER]
        if run.outcome.kind != "reset":
            break
        state = run.end
    assert (entered, str(run.outcome)) == (["old", "new"], "new image runs, committed")


def test_nothing_staged_is_nothing_to_cut(tmp_path: Path) -> None:
    path = board(tmp_path, "stm32f1", "ab-right", "new")
    text = path.read_text()
    start = text.index("[[staged]]")
    path.write_text(text[:start] + text[text.index("[alive]") :])
    with pytest.raises(BoardError, match=r"no \[\[staged\]\] and no \[update\]: without an update"):
        load_elf_board(path)


@pytest.mark.parametrize(
    ("stack", "entry", "says"),
    [
        (0x1000_0000, 0x0800_0009, "the stack pointer, is 0x10000000, and no multiple of 4 in RAM, [0x20000000, "
         "0x20005000); name the chip it is linked for"),
        (0x2000_5002, 0x0800_0009, "the stack pointer, is 0x20005002, and no multiple of 4 in RAM"),
        (0x2000_5000, 0x0800_0008, "the entry, is 0x08000008, which is even: vectors have bit 0 set"),
        (0xFFFF_FFFF, 0xFFFF_FFFF, "the stack pointer, is 0xffffffff, and no multiple of 4 in RAM"),
    ],
)  # fmt: skip
def test_a_bootloader_begins_with_vectors(tmp_path: Path, stack: int, entry: int, says: str) -> None:
    (tmp_path / "boot.bin").write_bytes(stack.to_bytes(4, "little") + entry.to_bytes(4, "little"))
    path = altered(tmp_path, f'path = "{ELF / "stm32f1-ab-right.elf"}"', 'path = "boot.bin"\naddress = 0x0800_0000')
    with pytest.raises(BoardError, match=r"boot\.bin is no vector table of STM32F103xB at 0x8000000: ") as wrong:
        load_elf_board(path)
    assert says in str(wrong.value)


def test_boards_shown_in_the_docs_have_keys_that_are_known() -> None:
    shown = [block.text for block in blocks_of(DOCS / "elf.md") if block.language == "toml"]
    assert len(shown) == 1
    document = decode_toml(shown[0], ElfBoardFile, where="elf.md", error=BoardError)
    slot, image, trailer = document.slot[0], *document.staged
    assert trailer.address + 16 == image.address + slot.size
