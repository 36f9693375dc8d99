"""Which checks a board for an ELF claims: those of everybody and its own, by one list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.board import ALL_CHECKS
from emu.campaign.applicable import chosen_checks
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.errors import BoardError
from tests.emu.elf.boards import board
from tests.emu.elf.storage_boards import store_board

LEFT_OUT = "the board does not claim it: checks.apply leaves it out"


def chosen(rig: ElfRig) -> tuple[tuple[str, ...], dict[str, str]]:
    return chosen_checks(rig, rig.bounds, keeps_new=rig.keeps_new, unsteady="")


def make(folder: Path, checks: str, chip: str = "stm32l4") -> ElfRig:
    return ElfRig(load_elf_board(board(folder, chip, "ab-right", "new", more=f"[checks]\n{checks}")))


def test_all_of_both_without_a_list(tmp_path: Path) -> None:
    judged, left_out = chosen(make(tmp_path, "max_erases = 7"))
    assert judged[-3:] == ("accepts", "stays-up", "sound")
    assert set(judged) | left_out.keys() == {*ALL_CHECKS, "accepts", "stays-up", "sound"}
    assert LEFT_OUT not in left_out.values()


@pytest.mark.parametrize(
    ("applied", "expected"),
    [
        (["sound", "wear", "accepts", "boots"], ("boots", "wear", "accepts", "sound")),
        (["stays-up"], ("accepts", "stays-up")),
        (["boots"], ("boots", "accepts")),
    ],
)
def test_a_list_chooses_among_both(tmp_path: Path, applied: list[str], expected: tuple[str, ...]) -> None:
    """`accepts` says that an update fails uncut: it cannot be left out."""
    rig = make(tmp_path, f"apply = {applied}\nmax_resets = 3")
    judged, left_out = chosen(rig)
    assert judged == expected
    assert left_out == dict.fromkeys({*ALL_CHECKS, "stays-up", "sound"} - set(expected), LEFT_OUT)
    assert (rig.bounds.max_resets, rig.bounds.max_erases) == (3, 4)


def test_oracles_of_a_storage_are_chosen_by_name(tmp_path: Path) -> None:
    (tmp_path / "o.py").write_text("def records(contents):\n    return ''\n")
    path = store_board(tmp_path, "stm32l4", "right")
    text = path.read_text().replace("[storage]", '[storage]\noracle = "o.py:records"')
    path.write_text(f"{text}\n[checks]\napply = ['records', 'boots']\n")
    judged, left_out = chosen(ElfRig(load_elf_board(path)))
    assert (judged, left_out["reads-back"]) == (("boots", "records"), LEFT_OUT)


@pytest.mark.parametrize(
    ("chip", "applied", "message"),
    [
        ("stm32l4", "acepts", "'acepts' is none of boots, .*, wear, accepts, stays-up, sound, at $.checks.apply[1]"),
        ("stm32f1", "sound", "'sound' is none of boots, .*, wear, accepts, stays-up, at $.checks.apply[1]"),
        ("stm32f1", "boots", "checks: apply names a check twice"),
    ],
)
def test_a_check_that_the_board_has_not_is_refused(tmp_path: Path, chip: str, applied: str, message: str) -> None:
    """Error correction is a matter of the chip."""
    with pytest.raises(BoardError, match=re.escape(message).replace(r"\.\*", ".*") + "$"):
        make(tmp_path, f"apply = ['boots', '{applied}']", chip)
