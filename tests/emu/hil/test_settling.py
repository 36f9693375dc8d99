"""Lines, what they mean, what is sent, and when a device has settled: all of it without a device."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.hil.console import LONGEST_LINE, Lines, Meanings
from emu.hil.rig_file import RigDocument, StepEntry, load_rig
from emu.hil.script import Script
from emu.hil.settling import Settling
from emu.rig import Outcome
from tests.emu.hil.lab import CONSOLE, process_rig

LIMITS = "[limits]\nboot_s = 10\nupdate_s = 20\ncommit_s = 5\nsettle_ms = 100\n"
ASKED = CONSOLE + 'ask = "version\\n"\n'
OLD, NEW = "running version 1, crc 38f3d8bd", "running version 2, crc bf5180c4"


def document(folder: Path, console: str = CONSOLE, more: str = "") -> RigDocument:
    return load_rig(process_rig(folder, console=console, limits=LIMITS, more=more)).document


class Stage:
    """A settling that is told lines at times."""

    def __init__(self, document: RigDocument, *, is_update: bool = False) -> None:
        self.settling = Settling(document, is_update=is_update)
        self.meanings = Meanings(document.console)

    def says(self, at_ms: float, line: str) -> list[bool]:
        return [self.settling.hear(kind, line, at_ms) for kind in self.meanings.of(line)]

    def at(self, now_ms: float) -> Outcome | None:
        return self.settling.outcome(now_ms)


@given(st.lists(st.sampled_from(["running", " ", "\r\n", "\n", "x\r", "é"]), max_size=20), st.data())
def test_lines_do_not_depend_on_how_bytes_come(pieces: list[str], data: st.DataObject) -> None:
    raw = "".join(pieces).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    whole, parts = Lines(), Lines()
    expected = whole.feed(raw)
    found = [line for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) for line in parts.feed(raw[a:b])]
    assert found == expected
    assert parts.tail == whole.tail


def test_a_line_that_never_ends_is_cut_and_the_tail_is_printable() -> None:
    lines = Lines()
    assert lines.feed(b"a" * (LONGEST_LINE + 1)) == ["a" * (LONGEST_LINE + 1)]
    lines.feed(b"\x1b[31mred\n")
    assert lines.tail[-1] == "\\x1b[31mred"
    assert len(lines.tail[0]) < 200


def test_a_line_may_mean_two_things(tmp_path: Path) -> None:
    meanings = Meanings(document(tmp_path).console)
    assert meanings.of(f"{NEW}, on trial") == ["new", "trial"]
    assert meanings.of(f"{OLD}, committed") == ["old", "committed"]
    assert meanings.of("running version 2, crc 00000000, committed") == ["unknown", "committed"]
    assert meanings.of("dead: no image") == ["dead"]
    assert meanings.of("update begins") == []


def test_a_script_waits_for_answers() -> None:
    script = Script([StepEntry("a\n"), StepEntry("b\n", "> $"), StepEntry("\xff", "done")])
    assert script.due() == b"a\nb\n"
    assert (script.due(), script.awaits, script.is_done) == (b"", "> $", False)
    script.hear("working")
    assert script.due() == b""
    script.hear("> ")
    assert script.due() == b"\xff"
    script.hear("done")
    assert script.is_done


def test_a_prompt_that_was_there_before_is_no_answer() -> None:
    lines = Lines()
    lines.feed(b"hello\n> ")
    assert lines.rest == "> "
    lines.ask()
    assert lines.rest == ""
    lines.feed(b"done\n> ")
    assert lines.rest == "> "


def test_the_old_image_settles_when_it_is_quiet(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path))
    assert stage.at(9_999) is None
    stage.says(50, f"{OLD}, committed")
    assert stage.at(149) is None
    assert stage.at(150) == Outcome("settled", image="old", committed=True)


def test_silence_has_a_limit_of_its_own_in_an_update(tmp_path: Path) -> None:
    assert Stage(document(tmp_path)).at(10_000) == Outcome("hung", detail="no image says that it runs within 10 s")
    update = Stage(document(tmp_path), is_update=True)
    assert update.at(19_999) is None
    assert str(update.at(20_000)) == "hangs: no image says that it runs within 20 s"


def test_an_image_on_trial_is_waited_for(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path))
    stage.says(0, f"{NEW}, on trial")
    assert stage.at(4_999) is None
    assert stage.at(5_000) == Outcome("settled", image="new", committed=False)
    stage.says(4_000, "committed")
    assert stage.at(4_100) == Outcome("settled", image="new", committed=True)


def test_an_image_that_is_left_is_not_the_one_that_runs(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path), is_update=True)
    stage.says(0, f"{NEW}, on trial")
    stage.says(500, f"{OLD}, committed")
    assert stage.at(600) == Outcome("settled", image="old", committed=True)


def test_dead_is_final_unless_something_starts_after_all(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path))
    stage.says(0, "dead: no image")
    assert stage.at(99) is None
    assert str(stage.at(100)) == "bricked: dead: no image"
    stage.says(50, f"{OLD}, committed")
    assert stage.at(150) == Outcome("settled", image="old", committed=True)


def test_an_unknown_image_settles_without_commit(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path))
    stage.says(0, "running version 2, crc 00000000, on trial")
    assert stage.at(100) == Outcome("settled", image="unknown")


def test_restarts_without_end_are_a_loop(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path, more="[checks]\nmax_resets = 3\n"))
    for start in range(4):
        stage.says(start, f"{NEW}, on trial")
        assert stage.at(start) is None
    stage.says(4, f"{NEW}, on trial")
    assert str(stage.at(4)) == "hangs: it restarts again and again, 5 times so far"


def test_what_is_asked_for_is_news_only_when_it_changes(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path, ASKED))
    assert stage.says(0, f"{OLD}, committed") == [True, False]  # an old image is committed as it is
    assert stage.says(90, f"{OLD}, committed") == [False, False]
    assert stage.at(100) == Outcome("settled", image="old", committed=True)


def test_the_old_image_may_answer_while_an_update_goes_on(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path, ASKED), is_update=True)
    stage.says(0, f"{OLD}, committed")
    assert stage.at(19_999) is None
    assert stage.at(20_000) == Outcome("settled", image="old", committed=True)
    stage.says(19_000, f"{NEW}, committed")
    assert stage.at(19_100) == Outcome("settled", image="new", committed=True)


def test_a_device_that_never_settles_has_a_limit(tmp_path: Path) -> None:
    stage = Stage(document(tmp_path, ASKED, "[checks]\nmax_resets = 1000\n"))
    for at_ms in range(0, 15_000, 50):
        stage.says(at_ms, f"{OLD}, committed" if at_ms % 100 else "dead: for now")
        assert stage.at(at_ms) is None
    assert str(stage.at(15_000)) == "hangs: it does not settle within 15 s"


@pytest.mark.parametrize("console", ['[console]\nold = "one"\nnew = "two"\n'])
def test_without_a_word_for_commit_an_image_is_there_to_stay(tmp_path: Path, console: str) -> None:
    stage = Stage(document(tmp_path, console))
    stage.says(0, "two")
    assert stage.at(100) == Outcome("settled", image="new", committed=True)
