"""What a rehearsal of a draft decides: where the update waits, whether its end is compared, what is listened for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emu.elf.survey import trial
from emu.elf.survey.draft import Draft, FileLine, SlotLine
from emu.elf.survey.layout import Spot
from emu.elf.survey.rehearsal import Rehearsal
from emu.events import NEW, OLD, UNKNOWN
from emu.rig import Outcome

AT = 0x3000
SAID = {OLD: ("old runs", "confirmed", "up"), NEW: ("new runs", "confirmed", "up")}


def seen(*entered: str, stands: str = "") -> Rehearsal:
    """A device that settles with the image entered last. ``stands``: what its bytes are by then, the same unless
    given."""
    outcome = Outcome("settled", entered[-1])
    return Rehearsal(outcome, entered, (stands or entered[-1],), SAID, len(entered), 100, 1)


def tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compared: Rehearsal, ignored: Rehearsal) -> tuple[str, str]:
    """The board, and what is said of it, where the padding is ``compared`` and where it is ``ignored``."""

    def rehearse(path: Path, *, with_update: bool = True) -> Rehearsal:
        if not with_update:
            return seen(OLD)
        return ignored if "ignore" in path.read_text() else compared

    def write(draft: Draft) -> Path:
        path = tmp_path / "board.toml"
        path.write_text(draft.text(str))
        return path

    monkeypatch.setattr(trial, "rehearse", rehearse)
    padded = FileLine(Path("new.bin"), "", name=NEW, padding=(0x100, 0x1000))
    draft = Draft(
        chip="c", chip_why="", name="n", accept=(OLD, NEW), files=(), slots=(SlotLine("a", 0x1000, 0x1000, ""),),
        images=(FileLine(Path("old.bin"), "", name=OLD), padded), staged=(FileLine(Path("new.bin"), "", AT),),
    )  # fmt: skip
    draft, found = trial.tried_out(draft, [Spot(AT, 0x1000, "")], write)
    return draft.text(str), found.words


STAYS, BACK = "the new image runs in a slot", "the old image runs again"


@pytest.mark.parametrize(
    ("compared", "ignored", "is_ignored", "says"),
    [
        (seen(NEW), seen(NEW), False, STAYS),
        (seen(NEW, stands=UNKNOWN), seen(NEW), True, STAYS),  # flags are written once it runs
        (seen(NEW, stands=UNKNOWN), seen(NEW, stands=UNKNOWN), False, STAYS),  # more than flags
        (seen(UNKNOWN), seen(NEW), True, STAYS),
        (seen(NEW, OLD), seen(NEW, OLD), False, BACK),
        (seen(UNKNOWN, OLD), seen(NEW, OLD), True, BACK),
        (seen(UNKNOWN, OLD), seen(UNKNOWN, OLD), False, "neither the old nor the new one"),
        (seen(OLD), seen(OLD), False, "does not install it"),
    ],
)
def test_the_end_of_a_padded_image_is_compared_unless_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    compared: Rehearsal,
    ignored: Rehearsal,
    is_ignored: bool,
    says: str,
) -> None:
    board, words = tried(monkeypatch, tmp_path, compared, ignored)
    assert ("ignore = [[0x100, 0x1000]]" in board, says in words) == (is_ignored, True), words


def test_what_commits_need_not_be_said_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board, _ = tried(monkeypatch, tmp_path, seen(NEW), seen(NEW))
    assert tomllib.loads(board)["alive"]["uart"] == "up"
    assert tomllib.loads(board.replace("# [commit]", "[commit]").replace("# uart", "uart"))["commit"] == {
        "uart": "confirmed"
    }
