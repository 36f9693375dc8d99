"""An ELF from the command line: `boot` shows what it does, `run` cuts it, `replay` follows a token, `verify` a
certificate."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cli.boot import _flash, _said
from emu.cpu.elf import Firmware, Place
from emu.elf.rig import ElfRig
from emu.rig import Run
from flash.images import load_image
from flash.journal import Operation
from tests.emu.cli.command import Brownout
from tests.emu.cpu.chips import PROGRAMS
from tests.emu.elf.boards import board

RIGHT, WRONG = ("stm32f1", "ab-right", "new"), ("stm32f1", "ab-bug1", "new")


def test_boot_shows_what_the_firmware_does(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("boot", str(board(tmp_path, "stm32f1", "copy-right", "new")))
    assert (ran.code, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == "stm32f1-copy-right-new on STM32F103xB"
    assert "USART1 old runs" in lines
    assert "ends reset by software" in lines
    assert re.search(r"^boot 2, reset by software: [0-9.]+ ms of device time$", ran.out, re.M)
    assert re.search(
        r"149 programs of flash \[0x8002000, 0x800212a\) by 0x\w+, flash_program \(port_stm32f1\.c:\d+\)", ran.out
    )
    assert any(line.startswith("image new is entered in slot a after") for line in lines)
    assert lines[-1] == "ends new image runs, committed"
    assert "unknown" not in ran.out


def seen(**more: object) -> ElfRig:
    """A rig as far as `boot` looks at one."""
    names = {0x100: "write", 0x104: "write", 0x200: "", 0x204: ""}
    flash = SimpleNamespace(address=0x0800_0000)
    found = SimpleNamespace(
        board=SimpleNamespace(chip=SimpleNamespace(flash=flash)), chip_names=["flash"],
        place_of=lambda at: Place(names[at]), **more,
    )  # fmt: skip
    return cast(ElfRig, found)


def test_a_function_that_writes_at_two_of_its_lines_is_one_line() -> None:
    """Half-words: 0x100 writes the first of each word, 0x104 the second; without symbols nobody knows."""
    halves = [Operation("program", "flash", 2 * n, 2, b"ab", n, n + 1) for n in range(4)]
    run = cast(Run, SimpleNamespace(entries=halves))
    assert _flash(seen(stores={0: 0x100, 1: 0x104, 2: 0x100, 3: 0x104}), run) == [
        "flash    4 programs of flash [0x8000000, 0x8000008) by 0x00000100, write"
    ]
    assert len(_flash(seen(stores={0: 0x200, 1: 0x204, 2: 0x200, 3: 0x204}), run)) == 4
    assert len(_flash(seen(stores={0: 0x100, 1: 0x200, 3: 0x104}), run)) == 3


def test_empty_lines_are_not_shown() -> None:
    sent = [(0, "USART1", b"\n\r====\n\r\n\rready\n\r")]
    assert _said(seen(machine=SimpleNamespace(sent=sent))) == ["USART1   ====", "USART1   ready"]
    assert _said(seen(machine=SimpleNamespace(sent=[(0, "USART1", b"\r\n")])))[0].endswith("nothing on any serial port")


def test_boot_says_which_code_wrote_a_row_beside_the_array(brownout: Brownout, tmp_path: Path) -> None:
    """Start-up code of an nRF52840 writes UICR and resets; tables of registers nobody has are one line."""
    program = PROGRAMS / "uicr.elf"
    image = load_image(program).flatten(fill=0xFF)
    entry = int.from_bytes(image[4:8], "little") & 0xFFFF
    (tmp_path / "image.bin").write_bytes(image)
    (tmp_path / "loader.bin").write_bytes(struct.pack("<II", 0x2000_1000, 0x1000 + entry))
    (tmp_path / "board.toml").write_text(
        """
        chip = "nRF52840"
        file = [{ path = "loader.bin", address = 0 }, { path = "image.bin", address = 0x1000 }]
        slot = [{ name = "a", address = 0x1000, size = 0x1000 }]
        image = [{ name = "new", path = "image.bin" }, { name = "old", path = "loader.bin" }]
        staged = [{ path = "image.bin", address = 0x2000 }]
        """
    )
    lines = [" ".join(line.split()) for line in brownout("boot", str(tmp_path / "board.toml")).out.splitlines()]
    second = 0x1000 + Firmware(program).symbol("second") - 0x0800_0000
    assert f"flash 1 program of flash-uicr [0x204, 0x208) by {second:#010x}" in lines
    assert any(line.startswith("flash 1 program of flash-uicr [0x200, 0x204) by 0x0000") for line in lines)
    assert (
        "unknown 0x4003c520 to 0x4003c530, 5 registers: 0 read, 5 written: not modelled, they read as last written"
    ) in lines
    assert "ends reset by software" in lines


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('uart = "committed"', 'uart = "hello"', "still runs after 15.0 s at 0x0800"),
        ('uart = "committed"', 'uart = "hello"', "it never said 'hello', which alive.uart waits for"),
        ('chip = "STM32F103xB"', 'chip = "STM32L476xG"', "unknown 0x40010804: 2 read, 2 written: not modelled"),
        ('chip = "STM32F103xB"', 'chip = "STM32L476xG"', "it polls 0x40013800 for ever, and nothing will change it"),
        ('chip = "STM32F103xB"', 'chip = "STM32L476xG"', "it says nothing on any serial port"),
        ('chip = "STM32F103xB"', 'chip = "STM32G071xB"', "spins at 0x08000310 in HardFault: an empty loop, and no "
         "interrupt will come; its last fault: undefined at 0x8000250"),
        ("stays_s = 0.3", "stays_s = 0.3\nword = [0x2000_0000, 1]", "and the word at 0x20000000 is 0x"),
        ("stays_s = 0.3", "stays_s = 0.3\nword = [0x1000_0000, 1]", "alive.word: there is no memory at "
         "0x10000000; give an address in RAM"),
    ],
)  # fmt: skip
def test_boot_says_why_it_does_not_come_to_life(
    brownout: Brownout, tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = board(tmp_path, *RIGHT)
    path.write_text(path.read_text().replace(old, new, 1))
    ran = brownout("boot", str(path))
    assert (ran.code, ran.err) == (1, "")
    assert says in " ".join(ran.out.split())


def test_boot_needs_a_board_for_an_elf(brownout: Brownout, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('name = "demo"\n')
    ran = brownout("boot", str(other))
    assert (ran.code, ran.out) == (2, "")
    assert "no board for an ELF: it has no key `chip`" in ran.err
    other.write_text('chip = "STM32F103xB"\n[limits]\n[limits]\n')
    ran = brownout("boot", str(other))
    assert (ran.code, ran.out) == (2, "")
    assert "other.toml: not valid TOML: Cannot declare ('limits',) twice" in ran.err
    ran = brownout("boot", str(tmp_path / "none.toml"))
    assert (ran.code, ran.out) == (2, "")
    assert "none.toml: cannot be read: no such file" in ran.err


def test_a_finding_names_the_line_that_was_cut_and_replays(brownout: Brownout, tmp_path: Path) -> None:
    path = str(board(tmp_path, *WRONG))
    ran = brownout("run", "--board", path, "--tears", "none", "--json", str(tmp_path / "found.json"))
    assert (ran.code, ran.err) == (1, "")
    assert re.search(r"^session 1 is cut at 0x\w+, flash_program \(port_stm32f1\.c:\d+\)$", ran.out, re.M)
    assert "; it last said 'no config'" in ran.out
    token = json.loads((tmp_path / "found.json").read_text())["findings"][0]["token"]
    again = brownout("replay", token, "--board", path)
    assert (again.code, again.err) == (1, "")
    assert "BROKEN boots: bricked: no image runs; the bootloader spins at" in again.out
    assert "session 1 is cut at 0x" in again.out


def test_a_token_of_another_build_is_refused(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", str(board(tmp_path, *WRONG)), "--tears", "none", "--json", "-")
    token = json.loads(ran.out)["findings"][0]["token"]
    again = brownout("replay", token, "--board", str(board(tmp_path, *RIGHT)))
    assert again.code == 2


def test_workers_find_what_one_process_finds_and_a_certificate_is_derived_again(
    brownout: Brownout, tmp_path: Path
) -> None:
    path = str(board(tmp_path, *RIGHT))
    certificate, html = tmp_path / "certificate.json", tmp_path / "page.html"
    alone = brownout("run", "--board", path, "--tears", "T1-coarse", "--certificate", str(certificate))
    assert (alone.code, alone.err) == (0, "")
    assert re.search(r"^live cuts  \d\d all over the uncut update", alone.out, re.M)
    both = brownout(
        "run", "--board", path, "--tears", "T1-coarse", "--engine", "workers", "--jobs", "2", "--html", str(html)
    )
    assert (both.code, both.err) == (0, "")
    digests = [re.search(r"^digest +(\w{64})$", ran.out, re.M) for ran in (alone, both)]
    assert digests[0] is not None
    assert digests[1] is not None
    assert digests[0][1] == digests[1][1]
    assert "stm32f1-ab-right-new" in html.read_text()
    assert brownout("verify", str(certificate), "--board", path).code == 0


@pytest.mark.slow
def test_an_audit_agrees(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", str(board(tmp_path, *RIGHT)), "--tears", "T1-coarse", "--audit", "1%")
    assert ran.code == 0
    assert "dropped states run for real: every one agreed" in ran.out
    assert "sessions repeated in a fresh interpreter: no difference" in ran.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--mutants",), "the mutants are of brownout's own firmware"),
        (("--from", "a.elf", "--to", "b.elf"), "--from is for brownout's own device"),
        (("--region", "0:1"), "--region is for brownout's own device"),
        (("--app", "healthy"), "--app is for brownout's own device"),
        (("--firmware", "x.py:y"), "--firmware runs on another board"),
        (("--ota", "mongoose"), "--ota runs on another board"),
        (("--tears", "T4"), "tears T3 and T4 are not for an ELF: use T2 at most"),
    ],
)
def test_what_an_elf_cannot_be_asked(brownout: Brownout, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    ran = brownout("run", "--board", str(board(tmp_path, *RIGHT)), *options)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_an_update_that_writes_nothing_is_no_pass(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", str(board(tmp_path, "stm32f1", "ab-right", "damaged")))
    assert (ran.code, ran.out) == (5, "")
    assert "the uncut update makes no flash operation: there is nothing to cut" in ran.err


@pytest.mark.parametrize("asked", [("inspect",), ("bench",)])
def test_what_takes_no_elf_says_what_does(brownout: Brownout, tmp_path: Path, asked: tuple[str, ...]) -> None:
    path = board(tmp_path, *RIGHT)
    ran = brownout(*asked, "--board", str(path), *([str(path)] if asked == ("inspect",) else []))
    assert ran.code == 2
    assert "a board for an ELF, with the key `chip`: `boot`, `run`, `replay` and `serve` take it" in ran.err
