"""An update that fails when nothing comes in its way: a finding wherever the device runs as it is shipped, and what it
comes to is told; exit code 2 only where the device does not."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cli.command import Brownout, Ran
from tests.emu.cli.test_elf_verdicts import section, written
from tests.emu.elf.boards import ELF

NOTHING_CUT = "nothing was cut: the update {} (--keep-going cuts it all the same)"
OLD_FILE = f'[[file]]\npath = "{ELF / "stm32f1-app-old-a.elf"}"\n'
ELSEWHERE = ("address = 0x8003000", "address = 0x8004000")
LOCKS_UP = b"\xff" * 0x40
"""Vectors of what is put into slot A: the jump there faults, and so does the handler."""


def cuts_nothing(brownout: Brownout, board: str, depth: str, *more: str) -> Ran:
    ran = brownout("run", "--board", board, "--tears", "none", "--depth", depth, *more)
    assert (ran.code, ran.err) == (1, "")
    return ran


@pytest.mark.parametrize("depth", ["1", "any"])
@pytest.mark.parametrize("accepted", ["['new']", "['old', 'new']"])
def test_one_that_is_not_installed(brownout: Brownout, tmp_path: Path, accepted: str, depth: str) -> None:
    """Nobody looks where it waits. That a cut may cost the update does not make it right."""
    board = written(tmp_path, "copy-right", "new", ELSEWHERE, ("accept = ['new']", f"accept = {accepted}"))
    ran = cuts_nothing(brownout, board, depth)
    message, token = section(ran.out, "accepts")[1:3]
    expected = "the device settles with the old image" if accepted == "['new']" else "the update is not installed: old "
    assert message.strip().startswith(expected)
    assert message.endswith("[uncut]")
    assert NOTHING_CUT.format("does not end with the new image") in ran.out
    assert "\nedges      0 in " in ran.out
    assert (
        "\nuncut      the update fails when nothing comes in its way: accepts\n           it is not installed: "
        in ran.out
    )
    assert (
        "after 1 session the old image runs, and nothing was ever written. Look at [[staged]]: the address" in ran.out
    )
    assert 'Where that is right, accept = ["old"]' in ran.out
    again = brownout("replay", token.split()[2], "--board", board)
    assert again.code == 1
    assert f"BROKEN accepts: {message.strip().removesuffix(' [uncut]')}" in again.out


def test_one_that_does_not_stay(brownout: Brownout, tmp_path: Path) -> None:
    board = written(tmp_path, "ab-right", "sick", ("accept = ['old']", "accept = ['old', 'new']"))
    ran = cuts_nothing(brownout, board, "1")
    assert section(ran.out, "accepts")[1].startswith("  the update does not stay: old image runs, committed; the new ")
    assert "it does not stay: the new image is entered, and after 3 sessions the old image runs: should" in ran.out


def test_one_that_ends_with_neither_image(brownout: Brownout, tmp_path: Path) -> None:
    """What waits there is installed, and is not what the board calls new."""
    other = f'name = "new"\npath = "{ELF / "stm32f1-app-older-a.elf"}"'
    board = written(tmp_path, "copy-right", "new", (f'name = "new"\npath = "{ELF / "stm32f1-app-new-a.elf"}"', other))
    ran = cuts_nothing(brownout, board, "1")
    assert section(ran.out, "whole")[1].endswith("is none of the known images [uncut]")
    assert "neither image runs in the end: what is entered is none of them: " in ran.out
    assert " bytes of the " in ran.out.partition("neither image runs")[2].splitlines()[0], "it says what differs"


def test_one_that_hangs(brownout: Brownout, tmp_path: Path) -> None:
    ran = cuts_nothing(brownout, written(tmp_path, "copy-right", "sick"), "1")
    assert NOTHING_CUT.format("ends the device by itself") in ran.out
    assert (
        "\n           it ends the device: hangs: the new image in slot 'a' was entered and spins at 0x0800" in ran.out
    )


@pytest.mark.parametrize("chip", ["stm32f1", "nrf52840"])
@pytest.mark.parametrize(("loader", "staged"), [("ab-bug3", "sick"), ("copy-bug3", "damaged"), ("swap-bug4", "sick")])
def test_one_that_resets_for_ever(brownout: Brownout, tmp_path: Path, chip: str, loader: str, staged: str) -> None:
    ran = cuts_nothing(brownout, written(tmp_path, loader, staged, chip=chip), "any")
    assert section(ran.out, "boots")[1].startswith("  boot loop: 8 resets in a row without settling")
    assert "\n           it never ends: boot loop: 8 resets in a row without settling, the last reset by " in ran.out
    assert NOTHING_CUT.format("ends the device by itself") in ran.out


def test_one_that_ends_the_device_before_anything_is_written(brownout: Brownout, tmp_path: Path) -> None:
    """As shipped, what waits in slot A is the application; the update is staged over it, and faults at its entry."""
    (tmp_path / "vectors.bin").write_bytes(LOCKS_UP)
    waits = f'path = "{ELF / "stm32f1-app-new-a.elf"}"\naddress = 0x8003000'
    over = 'path = "vectors.bin"\naddress = 0x8002000'
    board = written(tmp_path, "copy-right", "new", (waits, over))
    ran = cuts_nothing(brownout, board, "1")
    assert "\nupdate     no operation\n" in ran.out
    assert section(ran.out, "boots")[1].startswith("  bricked: no image runs; the bootloader spins at ")
    assert "\n           it ends the device: bricked: no image runs; the bootloader spins at " in ran.out


def test_a_check_that_is_left_out_lets_nothing_through(brownout: Brownout, tmp_path: Path) -> None:
    more = '[checks]\napply = ["legal-flash"]'
    ran = cuts_nothing(brownout, written(tmp_path, "ab-bug3", "sick", more=more), "1")
    assert section(ran.out, "accepts")[1].startswith("  the update fails: reset by iwdg; the old image should run")


def test_a_device_that_resets_for_ever_as_shipped_is_a_wrong_board(brownout: Brownout, tmp_path: Path) -> None:
    """What the mistake of the bootloader needs is there from the factory on."""
    shipped = '[[file]]\npath = "damaged.bin"\naddress = 0x0800_3000'
    line = brownout.refused("run", "--board", written(tmp_path, "copy-bug3", "damaged", ELSEWHERE, more=shipped))
    assert "does not run: no image is entered, and it resets again and again, by software; it last said" in line


def test_what_is_shipped_decides_and_not_what_waits(brownout: Brownout, tmp_path: Path) -> None:
    other = f'[[file]]\npath = "{ELF / "stm32f1-app-older-a.elf"}"\n'
    line = brownout.refused("run", "--board", written(tmp_path, "ab-right", "new", (OLD_FILE, other)))
    assert "what the factory ships is no [[image]]: slot 'a' is entered, not with the bytes of one: " in line
    line = brownout.refused("run", "--board", written(tmp_path, "copy-right", "new", (OLD_FILE, "")))
    assert "the device as shipped does not run: bricked: no image runs; the bootloader spins at " in line
