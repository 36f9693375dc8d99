"""What the factory programs: segments that begin anywhere, option bytes, UICR."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from flash.images import Segment, image_from_segments, load_image, save_image
from flash.journal import Misuse
from tests.emu.elf.boards import ELF, board


def rig_with(folder: Path, chip: str, loader: list[Segment]) -> ElfRig:
    """The board of a right copying bootloader, whose file is a HEX of these segments."""
    path = board(folder, chip, "copy-right", "new")
    save_image(image_from_segments("boot", loader), folder / "boot.hex")
    path.write_text(path.read_text().replace(str(ELF / f"{chip}-copy-right.elf"), "boot.hex"))
    return ElfRig(load_elf_board(path))


def bootloader(chip: str) -> tuple[int, bytes]:
    image = load_image(ELF / f"{chip}-copy-right.elf")
    return image.segments[0].address, image.flatten(fill=0xFF)


def test_a_segment_may_begin_and_end_inside_a_double_word(tmp_path: Path) -> None:
    """Data behind code begins at a multiple of 4; this flash is programmed 8 bytes at a time."""
    base, content = bootloader("stm32l4")
    holes = [Segment(base, content[:0x104]), Segment(base + 0x104, b""), Segment(base + 0x104, content[0x104:])]
    whole = rig_with(tmp_path, "stm32l4", [each for each in holes if each.data])
    assert bytes(whole.machine.flash.cells.data[: len(content)]) == content
    gap = [Segment(base, content[:0x104]), Segment(base + 0x10C, content[0x10C:])]
    holed = rig_with(tmp_path, "stm32l4", gap)
    cells = holed.machine.flash.cells
    assert bytes(cells.data[0x100:0x110]) == content[0x100:0x104] + bytes([cells.erased]) * 8 + content[0x10C:0x110]
    assert cells.uses is not None
    assert list(cells.uses[0x100 // 8 : 0x110 // 8]) == [1, 1]


def test_two_segments_share_a_double_word(tmp_path: Path) -> None:
    base, content = bootloader("stm32l4")
    parts = [Segment(base, content[:0x101]), Segment(base + 0x103, content[0x103:])]
    cells = rig_with(tmp_path, "stm32l4", parts).machine.flash.cells
    assert bytes(cells.data[0x100:0x108]) == content[0x100:0x101] + bytes([cells.erased] * 2) + content[0x103:0x108]


def test_words_of_uicr_are_programmed_and_survive_in_every_state(tmp_path: Path) -> None:
    base, content = bootloader("nrf52840")
    words = Segment(0x1000_1014, bytes.fromhex("00E00F00"))
    rig = rig_with(tmp_path, "nrf52840", [Segment(base, content), words])
    run = rig.run(rig.initial(1))
    assert run.outcome.kind == "reset"
    assert rig.machine.bus.read(0x1000_1014, 4) == 0x000F_E000
    assert rig.machine.bus.read(0x1000_1018, 4) == 0xFFFF_FFFF
    names = [device.name for device in rig.machine.devices]
    assert run.end.memory[names.index("flash-uicr")].key == rig.initial(1).memory[names.index("flash-uicr")].key


def test_option_bytes_are_in_effect_when_power_comes(tmp_path: Path) -> None:
    """The pages of the slot are write-protected by the factory, and the update cannot be copied."""
    base, content = bootloader("stm32f1")
    protected = bytes.fromhex("A55AFF00FF00FF00") + bytes([0x00, 0xFF] * 4)
    rig = rig_with(tmp_path, "stm32f1", [Segment(base, content), Segment(0x1FFF_F800, protected)])
    run = rig.run(rig.initial(1))
    assert rig.machine.bus.read(0x4002_2020, 4) == 0
    refused = [entry.message for entry in rig.run(run.end).entries if isinstance(entry, Misuse)]
    assert len(refused) == len({message.split(":")[-1] for message in refused}), "the first of a kind stands for all"
    assert "WRPRTERR" in " ".join(refused)


def test_an_image_of_flash_and_rows_alike_leaves_the_slots_alone(tmp_path: Path) -> None:
    base, content = bootloader("nrf52840")
    plain = rig_with(tmp_path, "nrf52840", [Segment(base, content)])
    rowed = rig_with(tmp_path, "nrf52840", [Segment(base, content), Segment(0x1000_1080, b"\x01\x02\x03\x04")])
    assert plain.initial(1).memory[0].key == rowed.initial(1).memory[0].key
    assert plain.initial(1).memory[1].key != rowed.initial(1).memory[1].key
