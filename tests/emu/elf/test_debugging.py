"""A path to a cut with a debugger at its end: where it stands still, what it leaves, and that it is the campaign's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.replay import Approach, approach
from emu.campaign.token import token_for
from emu.campaign.verdict import Step
from emu.cpu.elf import Firmware
from emu.elf.board import load_elf_board
from emu.elf.debugging import Debugging
from emu.elf.rig import ElfRig
from emu.errors import TokenError
from emu.gdb.server import Left
from emu.gdb.target import Denied, Exited, Go, Stop, Target
from tests.emu.elf.boards import ELF, board

PC = 15


@dataclass
class Front:
    """Does what ``script`` says, stop by stop; the last of it for all that follow."""

    script: list[Callable[[Target], Go]]
    stops: list[int] = field(default_factory=list)
    said: bytes = b""
    end: Exited | None = None

    def serve(self, target: Target, stop: Stop) -> Go:
        self.stops.append(target.read_register(PC))
        return self.script[min(len(self.stops), len(self.script)) - 1](target)

    def interrupts(self) -> bool:
        return False

    def says(self, text: bytes) -> None:
        self.said += text

    def exited(self, end: Exited) -> None:
        self.end = end


def on(_target: Target) -> Go:
    return Go()


def cut(target: Target) -> Go:
    target.command("cut")
    return Go()


def way(rig: ElfRig, *path: Step, number: int | None = None) -> Approach:
    return approach(rig, token_for(1, rig.inputs, path), len(path) if number is None else number)


@pytest.fixture(scope="module", params=["stm32f1", "stm32h5"])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ElfRig:
    folder = tmp_path_factory.mktemp("debugged")
    return ElfRig(load_elf_board(board(folder, request.param, "copy-bug1", "new")))


def place(rig: ElfRig, address: int) -> str:
    return rig.place_of(address).function


def test_it_stands_still_before_the_store_that_is_cut(rig: ElfRig) -> None:
    """The flag's erase, an erase of the slot, a program: the entry is not made, and the next step makes it."""
    for entry, function in ((0, "flash_erase"), (1, "flash_erase"), (6, "flash_program")):
        made: list[int] = []

        def look(_target: Target, made: list[int] = made) -> Go:
            made.append(len(rig.machine.flash.journal.entries))
            return Go(step=True)

        front = Front([look, look, on])
        lines = list(Debugging(rig, way(rig, Step(1, entry, "cut")), front).run())
        assert place(rig, front.stops[0]) == function
        assert made == [entry, entry + 1]
        assert lines == ["session 2 ends: new image runs, committed"]
        assert front.end == Exited(0)


def test_power_goes_when_it_is_told_to_and_leaves_what_the_campaign_has_there(rig: ElfRig) -> None:
    front = Front([cut, on])
    lines = list(Debugging(rig, way(rig, Step(1, 4, "cut")), front).run())
    assert lines[0] == "session 2 ends: power lost"
    assert lines[1].startswith("session 3 ends: bricked: no image runs")
    assert place(rig, front.stops[1]) == "boot_main", "the next boot, at its first instruction"
    assert (len(front.stops), front.end) == (2, Exited(1))
    assert b"no image" in front.said, "what the firmware says"


def test_a_torn_operation_is_torn_as_the_token_has_it(tmp_path: Path) -> None:
    rig = ElfRig(load_elf_board(board(tmp_path, "stm32l4", "copy-right", "new")))
    there = way(rig, Step(1, 3, "ecc-fault-0"))
    debugging = Debugging(rig, there, Front([cut, on]))
    assert debugging.place.endswith("(the token tears it: ecc-fault-0)")
    assert list(debugging.run()) == ["session 2 ends: power lost", "session 3 ends: new image runs, committed"]


def test_a_reset_at_a_point_is_pulled_there_and_finds_what_the_campaign_has(tmp_path: Path) -> None:
    rig = ElfRig(load_elf_board(board(tmp_path, "stm32f1", "copy-right", "new"))).with_resets(None)
    front = Front([cut, on])
    lines = list(Debugging(rig, way(rig, Step(1, 2, "reset")), front).run())
    assert lines == ["session 2 ends: reset by pin", "session 3 ends: new image runs, committed"]
    assert place(rig, front.stops[1]) == "boot_main"


def test_what_somebody_has_changed_is_said(tmp_path: Path) -> None:
    """The erase that the token tears is made of another page."""
    rig = ElfRig(load_elf_board(board(tmp_path, "stm32f1", "copy-right", "new")))
    erase = Firmware(ELF / "stm32f1-copy-right.elf").symbol("flash_erase")

    def meddle(target: Target) -> Go:
        target.write_register(0, 0x0800_2400)
        target.write_register(PC, erase)
        return cut(target)

    ends = []
    for script in ([cut, on], [meddle, on]):
        debugging = Debugging(rig, way(rig, Step(1, 0, "stopped-us-50")), Front(script))
        ends.append(next(debugging.run()))
    assert ends == [
        "session 2 ends: power lost",
        "session 2 ends: power lost; what is left is not what the campaign has there, since somebody had a hand in it",
    ]


def test_beside_a_store_it_stands_still_where_the_entry_before_is_made(rig: ElfRig) -> None:
    whole = way(rig, Step(0, 0, "cut")).entries
    for entry in range(len(whole) + 1):
        made: list[int] = []

        def look(_target: Target, made: list[int] = made) -> Go:
            made.append(len(rig.machine.flash.journal.entries))
            return Go()

        debugging = Debugging(rig, way(rig, Step(0, entry, "cut")), Front([look]))
        assert list(debugging.run()) == ["session 1 ends: reset by software"]
        assert made == [entry]
        assert debugging.place.startswith(f"stops before entry {entry} of session 1, ")
    assert debugging.place.endswith("the end")


def test_it_stops_at_another_interruption_of_the_path_or_at_its_beginning(rig: ElfRig) -> None:
    steps = (Step(1, 0, "cut"), Step(0, 1, "cut"))
    assert way(rig, *steps).session == 3
    first = way(rig, *steps, number=1)
    assert (first.session, first.interruption and first.interruption.entry) == (2, 0)
    front = Front([on])
    beginning = Debugging(rig, way(rig, *steps, number=0), front)
    assert beginning.place == "stops at the reset of session 1; nothing interrupts this path"
    list(beginning.run())
    assert place(rig, front.stops[0]) == "boot_main"
    with pytest.raises(TokenError, match="the token has 2 interruptions, from 1 on; there is no number 3"):
        way(rig, *steps, number=3)
    with pytest.raises(TokenError, match="there is no session 7"):
        way(rig, Step(7, 0, "cut"))


def test_monitor_says_what_it_can_and_what_is_behind(rig: ElfRig) -> None:
    heard: list[str] = []

    def ask(target: Target) -> Go:
        heard.extend(target.command(text) for text in ("help", "nonsense", "journal"))
        return Go(step=True)

    def late(target: Target) -> Go:
        heard.append(target.command("journal"))
        with pytest.raises(Denied, match="entry 3 has been made, 4 are by now"):
            target.command("cut")
        return Go()

    list(Debugging(rig, way(rig, Step(1, 3, "cut")), Front([ask, late])).run())
    help_text, nonsense, journal, later = heard
    assert all(name in help_text for name in ("cut", "journal", "follow"))
    assert nonsense == f"there is no monitor command 'nonsense'\n{help_text}"
    lines = journal.splitlines()
    assert (lines[0], len(lines)) == ("session 2", 5)
    assert "flash_erase (port_" in lines[1]
    assert lines[-1] == "      3  *** the token cuts the power here"
    assert len(later.splitlines()) == 5
    assert "program of" in later.splitlines()[-1]


def test_it_follows_resets_when_it_is_told_to(rig: ElfRig) -> None:
    def follow(target: Target) -> Go:
        assert target.command("follow").startswith("a session that ends in a reset goes on")
        return Go()

    front = Front([follow, on])
    lines = list(Debugging(rig, way(rig, number=0), front).run())
    assert lines == ["session 1 ends: reset by software", "session 2 ends: new image runs, committed"]
    assert len(front.stops) == 2


def test_who_leaves_ends_it(rig: ElfRig) -> None:
    def leave(_target: Target) -> Go:
        raise Left

    assert list(Debugging(rig, way(rig, Step(1, 2, "cut")), Front([leave])).run()) == ["gdb has left"]
    assert str(rig.run(rig.initial(1)).outcome) == "reset by software", "the rig is as good as before"
