"""Pins that a board has driven: levels the firmware reads, when, and what may be wrong with a [[pin]]."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.cache import RunCache
from emu.elf.board import load_elf_board
from emu.elf.node import ElfNode
from emu.elf.rig import ElfRig
from emu.errors import BoardError
from flash.journal import Interruption
from tests.emu.elf.beside import beside
from tests.emu.elf.uart_boards import rig, uart_board, uncut

GPIOA_IDR = 0x4001_0808
HELD = '[[pin]]\nname = "PA1"\nlevel = "high"\nwhen = "update"\n'
STRAP = '[[pin]]\nname = "PA2"\nlevel = "high"\n'


def pins_of(one: ElfRig | ElfNode) -> int:
    """What PA0 to PA2 read now; nobody has set them up, so they float."""
    machine = one.machine if isinstance(one, ElfRig) else one._machine
    return machine.bus.read(GPIOA_IDR, 4) & 7


def test_a_pin_is_driven_always_or_while_the_update_is_brought(tmp_path: Path) -> None:
    one = rig(tmp_path, more=HELD + STRAP)
    alone, brought = one.initial(1), uncut(one)[1][0]
    cut = one.run(brought, Interruption(300)).end
    levels = []
    for state in (alone, brought, cut, brought, replace(brought, outside=None)):
        one.run(state)
        levels.append(pins_of(one))
    assert levels == [0b100, 0b110, 0b100, 0b110, 0b100]


def test_a_hand_is_stronger_than_a_resistor(tmp_path: Path) -> None:
    low = STRAP.replace("high", "low") + 'when = "update"\n'
    for more in (STRAP + low, low + STRAP):
        one = rig(tmp_path, more=more)
        levels = []
        for state, _ in uncut(one):
            one.run(state)
            levels.append(pins_of(one))
        assert levels == [0b100, 0b000]


def test_a_served_device_has_its_straps_and_nobody_presses_its_buttons(tmp_path: Path) -> None:
    node = ElfNode(load_elf_board(uart_board(tmp_path, more=HELD + STRAP)), baud=115_200)
    node.switch_on()
    node.elapse(1000)
    assert pins_of(node) == 0b100


def test_pins_are_part_of_what_a_result_depends_on(tmp_path: Path) -> None:
    ways = ("", HELD, HELD.replace("high", "low"), HELD.replace("update", "always"), HELD.replace("PA1", "PA2"))
    assert len({rig(tmp_path, more=more).inputs["board"].digest for more in ways}) == len(ways)


def test_a_session_with_a_pin_held_is_not_recognised_as_one_without(tmp_path: Path) -> None:
    """From the same flash and the same reset: who stands at the device is asked first."""
    one = rig(tmp_path, more=HELD)
    brought = uncut(one)[1][0]
    cache = RunCache(one)
    cache.session(brought)
    cache.session(replace(brought, outside=None))
    assert cache.misses == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            STRAP.replace("PA2", "PA16"),
            "[[pin]]: name 'PA16' is no pin of STM32F103xB; pins look like PA4, and its ports are GPIOA, GPIOB,",
        ),
        (STRAP.replace("PA2", "P0.02"), "[[pin]]: name 'P0.02' is no pin of STM32F103xB; pins look like PA4"),
        (STRAP.replace("PA2", "2"), "[[pin]]: name '2' is no pin of STM32F103xB"),
        (STRAP.replace("high", "up"), "pin[0].level"),
        (STRAP + 'when = "boot"\n', "pin[0].when"),
        ('[[pin]]\nname = "PA2"\n', "level"),
        (STRAP + STRAP, "[[pin]] 'PA2' is there twice with when = \"always\"; give a pin one level,"),
        (STRAP + STRAP.replace("PA2", "PA02"), "[[pin]] 'PA02' is there twice"),
        (HELD + HELD, "[[pin]] 'PA1' is there twice with when = \"update\""),
    ],
)
def test_a_wrong_pin_is_one_line(tmp_path: Path, more: str, message: str) -> None:
    path = uart_board(tmp_path, more=more)
    with pytest.raises(BoardError) as caught:
        load_elf_board(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_pin_that_the_chip_drives_or_that_nobody_holds_is_refused(tmp_path: Path) -> None:
    """On boards with a memory beside the chip, and without an [update]."""
    for more, message in (
        (STRAP.replace("PA2", "PA4"), "[[pin]] 'PA4': the chip drives it, it selects memory 'nor'; leave it out"),
        (HELD, "[[pin]] 'PA1': when = \"update\" is for as long as somebody brings the update over a UART, and there"),
    ):
        with pytest.raises(BoardError) as caught:
            load_elf_board(beside(tmp_path, "stm32f1", "nor-right", more=more))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
