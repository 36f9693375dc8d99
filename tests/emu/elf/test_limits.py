"""How long a session may go on: in time and in what it says; that who is slow is no hang, that a hang costs little, and
that none is run twice."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.engine import Engine
from emu.elf.board import load_elf_board
from emu.elf.document import LimitEntry
from emu.elf.life import ElfLife
from emu.elf.limits import LEAST_SAID, Limits, limits_of
from emu.elf.rig import ElfRig
from emu.elf.uncut import check_uncut
from emu.errors import ScenarioError
from tests.emu.elf.boards import board

NOP = 0xBF00
UART = [0x3800, 0x4001, 0x2008, 0x0000]
"""USART1, and CR1 with UE and TE."""
CODE = {
    # a register counts, and nobody looks at it
    "counts": [0x2000, 0x3001, 0xE7FD],
    # the same by way of a function: it is run, all of it
    "works": [0xF000, 0xF801, 0xE7FC, 0x3001, 0x4770],
    # 'x', and 'x', and 'x'
    "talks": [0x4803, 0x4904, 0x60C1, 0x2178, 0x6041, 0xE7FD, NOP, NOP, *UART],
    # 9 s of a delay at 8 MHz, two cycles a round, and then 'x'
    "late": [0x4806, 0x3801, 0xD1FD, 0x4806, 0x4906, 0x60C1, 0x2178, 0x6041, 0xE7FE, *[NOP] * 5,
             36_000_000 & 0xFFFF, 36_000_000 >> 16, *UART],
}  # fmt: skip


def rig(folder: Path, name: str, alive: str = "y", more: str = "") -> ElfRig:
    vectors = (0x2000_3000).to_bytes(4, "little") + (0x0800_0041).to_bytes(4, "little")
    code = b"".join(half.to_bytes(2, "little") for half in CODE[name])
    (folder / "code.bin").write_bytes(vectors.ljust(0x40, b"\xff") + code)
    board = folder / "board.toml"
    board.write_text(
        f'chip = "STM32F103xB"\n[[file]]\npath = "code.bin"\naddress = 0x0800_0000\n[alive]\nuart = "{alive}"\n'
        f'[storage]\nstoring = "w {{key}} {{value}}"\nread = "r {{key}} {{value}}"\n{more}'
    )
    return ElfRig(load_elf_board(board))


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each session ended that was run."""
    ended: list[str] = []
    live = ElfLife.live

    def counted(self: ElfLife, *given: object) -> object:
        outcome, is_over = live(self, *given)  # type: ignore[arg-type]
        ended.append(str(outcome))
        return outcome, is_over

    monkeypatch.setattr(ElfLife, "live", counted)
    return ended


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of it that ran."""
    executed: list[int] = []
    run = Engine.run

    def counted(self: Engine, limit: int) -> object:
        stop = run(self, limit)
        executed.append(self.executed)
        return stop

    monkeypatch.setattr(Engine, "run", counted)
    return executed


def test_limits_grow_with_the_uncut_update() -> None:
    assert limits_of(LimitEntry(), Limits(0, 0), 0) == Limits(15_000_000, 3 * LEAST_SAID)
    assert limits_of(LimitEntry(), Limits(1_000_000, 5_000), 0) == Limits(15_000_000, 60_000)
    assert limits_of(LimitEntry(), Limits(3_000_000, 10), 2_000_000) == Limits(36_000_000, 3 * LEAST_SAID)
    assert limits_of(LimitEntry(1.0, 2, 5), Limits(100_000, 9_000), 500_000) == Limits(7_500_000, 90_000)


def test_a_hang_that_counts_costs_nothing(tmp_path: Path, sessions: list[str], code: list[int]) -> None:
    one = rig(tmp_path, "counts")
    with pytest.raises(
        ScenarioError, match=r"as shipped does not run: hangs: the firmware still runs after 15\.0 s at"
    ):
        check_uncut(one)
    assert sum(code) < 1_000_000, "of 240 million"
    assert one.hung_uncut is not None


def test_the_empty_loop_of_a_fault_has_ended_though_a_tick_goes_on(tmp_path: Path) -> None:
    """SysTick with its interrupt, an undefined instruction, and a handler for both that goes nowhere."""
    rig(tmp_path, "counts")
    handler = 0x0800_004D
    vectors = [0x2000_3000, 0x0800_0041, 0, handler, *[0] * 11, handler]
    code = [0x4803, 0x2107, 0x22FF, 0x6042, 0x6001, 0xDE00, 0xE7FE, NOP, 0xE010, 0xE000]
    content = b"".join(word.to_bytes(4, "little") for word in vectors)
    (tmp_path / "code.bin").write_bytes(content + b"".join(half.to_bytes(2, "little") for half in code))
    run = (one := ElfRig(load_elf_board(tmp_path / "board.toml"))).run(one.initial(1))
    assert "spins at 0x0800004c in HardFault: an empty loop, and no interrupt will come" in run.outcome.detail
    assert run.end_us < 1_000


def test_a_hang_is_run_once_for_each_purpose(tmp_path: Path, sessions: list[str]) -> None:
    """Once to measure it, which leaves no footprint, and once."""
    one = rig(tmp_path, "works", more="[limits]\nsession_s = 0.5\n")
    with pytest.raises(ScenarioError, match=r"still runs after 1\.5 s"):
        check_uncut(one)
    first = one.run(one.initial(1))
    assert one.run(one.initial(1)) is first
    assert len(sessions) == 2
    assert one.varied(defects={}).run(one.initial(1)) is not first, "another one may go another way"


def test_who_is_slow_is_no_hang(tmp_path: Path, sessions: list[str], code: list[int]) -> None:
    """Nine seconds before it says anything: more than session_s, less than the longer limit."""
    one = rig(tmp_path, "late", alive="x")
    assert one.hung_uncut is None
    run = one.run(one.initial(1))
    assert (run.outcome.kind, run.end_us // 100_000) == ("settled", 95)
    assert sum(code) < 5_000_000, "of 288 million"


def test_the_patience_of_a_host_is_for_sessions_it_is_there_in(tmp_path: Path) -> None:
    rig(tmp_path, "counts")
    board = tmp_path / "board.toml"
    (tmp_path / "app.bin").write_bytes(bytes(8))
    kept = board.read_text().partition("[storage]")[0]
    board.write_text(
        f'{kept}[[file]]\npath = "app.bin"\naddress = 0x0800_2000\n[[slot]]\nname = "a"\naddress = 0x0800_2000\n'
        'size = 0x400\n[[image]]\nname = "old"\npath = "app.bin"\n[[image]]\nname = "new"\npath = "code.bin"\n'
        '[update]\nport = "USART1"\nsend = "app.bin"\nprotocol = "xmodem"\n'
    )
    one = ElfRig(load_elf_board(board))
    with pytest.raises(ScenarioError, match=r"still runs after 15\.0 s at"):
        check_uncut(one)


@pytest.mark.parametrize("name", ["works", "late"])
def test_it_is_limits_that_end_it(tmp_path: Path, name: str) -> None:
    one = rig(tmp_path, name, alive="x", more="[limits]\nsession_s = 1\ntimes_uncut = 1\nconfirm_times = 2\n")
    run = one.run(one.initial(1))
    assert (run.outcome.kind, run.end_us // 1000) == ("hung", 2_000)
    assert "still runs after 2.0 s at 0x0800004" in str(run.outcome)


def test_who_talks_on_without_showing_anything_hangs(tmp_path: Path) -> None:
    one = rig(tmp_path, "talks")
    run = one.run(one.initial(1))
    said = 3 * LEAST_SAID
    assert run.outcome.kind == "hung"
    assert run.outcome.detail.startswith(
        f"the firmware runs, and says more and more, {said + 1:,} bytes so far; it last"
    )
    assert run.end_us < 1_000_000
    assert one.run(one.initial(1)) is run


def test_who_works_may_talk_as_long_as_it_likes(tmp_path: Path) -> None:
    one = rig(tmp_path, "talks", alive='xxx"\nstays_s = 0.04 # "')
    run = one.run(one.initial(1))
    assert (run.outcome.kind, run.end_us // 1000) == ("settled", 40)
    assert len(one.machine.sent) > 3 * LEAST_SAID


@pytest.mark.parametrize("looks", [False, True])
def test_a_device_that_hangs_without_a_look_at_the_update_is_run_once(
    tmp_path: Path, sessions: list[str], looks: bool
) -> None:
    """It hangs as shipped, then; one that has looked at what waits is run without it."""
    code = [0x4803, 0x6800, *CODE["works"], NOP, 0x0000, 0x0801] if looks else CODE["works"]
    vectors = (0x2000_3000).to_bytes(4, "little") + (0x0800_0041).to_bytes(4, "little")
    raw = b"".join(half.to_bytes(2, "little") for half in code)
    (tmp_path / "code.bin").write_bytes(vectors.ljust(0x40, b"\xff") + raw)
    (tmp_path / "new.bin").write_bytes(b"another image")
    board = tmp_path / "board.toml"
    board.write_text(
        'chip = "STM32F103xB"\naccept = ["new"]\n'
        '[[file]]\npath = "code.bin"\naddress = 0x0800_0000\n'
        '[[slot]]\nname = "a"\naddress = 0x0800_8000\nsize = 0x4000\n'
        '[[image]]\nname = "old"\npath = "code.bin"\n[[image]]\nname = "new"\npath = "new.bin"\n'
        '[[staged]]\npath = "new.bin"\naddress = 0x0801_0000\n[limits]\nsession_s = 0.2\n'
    )
    one = ElfRig(load_elf_board(board))
    with pytest.raises(
        ScenarioError, match=r"as shipped does not run: bricked: no image runs; the bootloader still runs"
    ):
        check_uncut(one)
    assert len(sessions) == 1 + looks


def test_a_session_that_is_over_while_flash_is_at_work_needs_more_time(tmp_path: Path) -> None:
    """An STM32L0 programs a word in 3 ms; it waits for no key."""
    tight = "[limits]\nsession_s = 0.31\ntimes_uncut = 1\nconfirm_times = 1\n"
    with_limits = board(tmp_path, "stm32l0", "copy-right", "new", more=tight)
    slow = ElfRig(load_elf_board(with_limits))
    assert slow.hung_uncut is not None
    assert "most of that its flash was at work: give [limits] a longer session_s" in str(slow.hung_uncut[1].outcome)
