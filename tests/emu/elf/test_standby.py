"""A device that goes to Standby, as a board: for ever is a finding, and a watchdog begins a session without RAM."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig

BOOT = bytes.fromhex("00500020090000080048004701200008")
"""Vectors, and a jump to slot A."""
SLEEPS = bytes.fromhex("03480221016003480421016030bffee70070004010ed00e0")
"""PWR_CR.PDDS, SCR.SLEEPDEEP, WFI."""
GUARDED = bytes.fromhex("024a 034b 1360 00bf 04e0 00bf 00300040 cccc0000") + SLEEPS
"""The same, after IWDG_KR := CCCC."""


def rig(folder: Path, image: bytes, more: str = "") -> ElfRig:
    (folder / "boot.bin").write_bytes(BOOT)
    (folder / "old.bin").write_bytes(image + b"old!")
    (folder / "new.bin").write_bytes(image + b"new!")
    (folder / "board.toml").write_text(
        'chip = "STM32F103xB"\n[[file]]\npath = "boot.bin"\naddress = 0x8000000\n'
        '[[file]]\npath = "old.bin"\naddress = 0x8002000\n'
        '[[image]]\nname = "old"\npath = "old.bin"\n[[image]]\nname = "new"\npath = "new.bin"\n'
        '[[staged]]\npath = "new.bin"\naddress = 0x8003000\n[[slot]]\nname = "a"\naddress = 0x8002000\nsize = 0x400\n'
        "[checks]\nmax_resets = 2\n" + more
    )
    return ElfRig(load_elf_board(folder / "board.toml"))


def test_a_device_that_sleeps_for_ever_does_not_stay_up(tmp_path: Path) -> None:
    one = rig(tmp_path, SLEEPS)
    run = one.run(one.initial(1))
    assert run.outcome.kind == "hung"
    assert "it sleeps" in str(run.outcome)
    assert "Standby, and no watchdog, alarm or wake-up timer will end it" in str(run.outcome)


def test_a_watchdog_wakes_it_into_a_session_without_ram(tmp_path: Path) -> None:
    one = rig(tmp_path, GUARDED)
    run = one.run(one.initial(1))
    assert (str(run.outcome), run.end.cause) == ("reset by iwdg", "iwdg")
    assert not [name for name, _ in run.end.ram if name.startswith("RAM")]
    assert ("PWR.0", 1 << 1) in run.end.ram, "SBF"
    second = one.run(run.end)
    again = one.run(second.end)
    assert again.end.key == second.end.key


def test_somebody_outside_wakes_it_in_time(tmp_path: Path) -> None:
    one = rig(tmp_path, SLEEPS, "[sleep]\nwakes_after_s = 0.2\n")
    run = one.run(one.initial(1))
    assert (str(run.outcome), run.end.cause) == ("reset by standby", "standby")
    assert 200_000 < run.end_us < 201_000
    assert ("PWR.0", 3) in run.end.ram, "SBF and WUF"


def test_a_watchdog_may_come_first(tmp_path: Path) -> None:
    one = rig(tmp_path, GUARDED, "[sleep]\nwakes_after_s = 2\n")
    run = one.run(one.initial(1))
    assert (str(run.outcome), run.end.cause) == ("reset by iwdg", "iwdg")
    assert ("PWR.0", 1 << 1) in run.end.ram, "SBF, and not WUF"
