"""What an ELF's campaign can come to, each told apart from the others as a user meets it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cli.command import Brownout
from tests.emu.elf.boards import ELF, board

CLEAN = ("--tears", "none", "--depth", "1")


def written(
    folder: Path, loader: str, staged: str, *replaced: tuple[str, str], chip: str = "stm32f1", more: str = ""
) -> str:
    path = board(folder, chip, loader, staged, more=more)
    text = path.read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return str(path)


def section(text: str, check: str) -> list[str]:
    """The lines of a page about the findings of one check."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith(f"{check}: ")), len(lines))
    end = next((n for n in range(start, len(lines)) if not lines[n]), len(lines))
    return lines[start:end]


def test_as_shipped_it_does_not_boot(brownout: Brownout, tmp_path: Path) -> None:
    old = f'[[file]]\npath = "{ELF / "stm32f1-app-old-a.elf"}"\n'
    ran = brownout("run", "--board", written(tmp_path, "copy-right", "new", (old, "")), *CLEAN)
    assert (ran.code, ran.out) == (2, "")
    assert "stm32f1-copy-right-new.toml: the device as shipped does not run: bricked: no image runs; the " in ran.err
    assert ran.err.count("\n") == 1


RESETS_AT_ONCE = struct.pack("<4I", 0x2000_5000, 0x0800_0011, 0, 0) + struct.pack(
    "<4H2I", 0x4801, 0x4902, 0x6001, 0xE7FE, 0xE000_ED0C, 0x05FA_0004
)
"""Vectors; ldr r0, =AIRCR; ldr r1, =SYSRESETREQ; str r1, [r0]; b ."""

ERASES_THE_UPDATE = bytes.fromhex(
    "0d4b0e4a5a6002f188325a6002221a610b4a5a6142221a61da68d207fcd480221a614ff0e022074bc2f8083d1a685b68"
    "82f30888184700bf00200240230167450030000800200008"
)
"""Unlocks the flash, erases the page at 0x0800_3000, and enters the image at 0x0800_2000."""


REFUSING = """
chip = "STM32F103xB"
accept = ["old", "new"]
file = [{ path = "boot.bin", address = 0x0800_0000 }, { path = "old.bin", address = 0x0800_2000 }]
slot = [{ name = "a", address = 0x0800_2000, size = 0x800 }]
image = [{ name = "old", path = "old.bin" }, { name = "new", path = "new.bin" }]
staged = [{ path = "new.bin", address = 0x0800_3000 }]
alive = { stays_s = 0.01 }
"""


def test_as_shipped_it_resets_for_ever(brownout: Brownout, tmp_path: Path) -> None:
    """As one whose watchdog bites while it stands still with nothing to run."""
    (tmp_path / "boot.bin").write_bytes(RESETS_AT_ONCE)
    loader = f'path = "{ELF / "stm32f1-copy-right.elf"}"'
    path = written(tmp_path, "copy-right", "new", (loader, 'path = "boot.bin"\naddress = 0x0800_0000'))
    ran = brownout("run", "--board", path, *CLEAN)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(
        "the device as shipped does not run: no image is entered, and it resets again and again, by software; it said "
        "nothing on any port\n"
    )


def test_an_update_that_was_refused_leaves_the_old_image(brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / "boot.bin").write_bytes(struct.pack("<4I", 0x2000_5000, 0x0800_0011, 0, 0) + ERASES_THE_UPDATE)
    for name in ("old", "new"):
        stays = struct.pack("<4IH", 0x2000_5000, 0x0800_2011, 0, 0, 0xE7FE) + name.encode()
        (tmp_path / f"{name}.bin").write_bytes(stays)
    (tmp_path / "board.toml").write_text(REFUSING)
    ran = brownout("run", "--board", tmp_path / "board.toml", *CLEAN)
    assert ran.code == 1
    assert "the old image runs; it was refused after 1 operation on flash: is it signed for this bootloader" in ran.out


def test_the_uncut_update_fails(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout(
        "run", "--board", written(tmp_path, "ab-right", "sick", ("accept = ['old']", "accept = ['new']")), *CLEAN
    )
    assert ran.code == 1
    assert "\nuncut      the update fails when nothing comes in its way: accepts\n" in ran.out
    assert section(ran.out, "accepts")[1] == "  the device settles with the old image [uncut]"


def test_an_operation_was_refused(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", written(tmp_path, "ab-bug6", "new"), *CLEAN)
    assert ran.code == 1
    told = ran.out.partition("\nuncut ")[2].partition("\n\n")[0]
    assert told.strip() == "the update is installed; what it breaks when nothing comes in its way: legal-flash"
    assert section(ran.out, "legal-flash")[1].endswith("the half-word is not erased (PGERR) [uncut]")


def test_an_update_that_is_not_to_stay_wears_too_much(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", written(tmp_path, "ab-right", "sick", more="[checks]\nmax_erases = 1"), *CLEAN)
    assert ran.code == 1
    expected = "the update leaves the old image, as it should; what it breaks when nothing comes in its way: wear\n\n"
    assert f"\nuncut      {expected}" in ran.out


@pytest.mark.parametrize(("loader", "staged"), [("ab-bug4", "damaged"), ("copy-bug5", "older")])
def test_a_damaged_or_older_image_is_accepted(brownout: Brownout, tmp_path: Path, loader: str, staged: str) -> None:
    ran = brownout("run", "--board", written(tmp_path, loader, staged), *CLEAN)
    assert ran.code == 1
    assert section(ran.out, "accepts")[1] == f"  the {staged} image runs [uncut]"


def test_an_older_image_is_accepted_besides_the_new_one(brownout: Brownout, tmp_path: Path) -> None:
    older = f'[[image]]\nname = "older"\npath = "{ELF / "stm32f1-app-older-a.elf"}"'
    path = written(tmp_path, "copy-bug5", "new", more=older)
    ran = brownout("run", "--board", path, "--faults", "downgrade", "--only", "downgrade.shipped.older", *CLEAN)
    assert ran.code == 1
    line, token = section(ran.out, "no-older")[1:3]
    assert line.startswith("  the older image is entered in slot a, and accept does not name it [downgrade.shipped")
    assert "when nothing comes in its way" not in ran.out
    again = brownout("replay", token.split()[2], "--board", path)
    assert again.code == 1
    assert "the device is as shipped, and an older image waits instead of the update" in again.out


def test_it_boots_and_does_not_stay_up(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", written(tmp_path, "ab-bug7", "sick"), *CLEAN)
    assert ran.code == 1
    assert section(ran.out, "stays-up")[1].startswith("  hangs: the new image in slot 'b' was entered and spins at ")
    assert not section(ran.out, "boots"), "something runs"


@pytest.mark.slow
def test_right_bytes_with_broken_error_correction(brownout: Brownout, tmp_path: Path) -> None:
    """The tear it depends on is named, and no clean cut leads there."""
    path = written(tmp_path, "copy-bug8", "new", chip="stm32l4")
    assert brownout("run", "--board", path, *CLEAN).code == 0
    ran = brownout("run", "--board", path, "--tears", "T1-coarse", "--depth", "1")
    assert ran.code == 1
    assert section(ran.out, "sound")[1] == (
        "  the bytes are those of the new image; error correction gives up under them [ecc-fault; 1 edge]"
    )
    assert "sound" not in brownout("run", "--board", written(tmp_path, "ab-right", "new"), *CLEAN).out


def test_an_update_without_a_flash_operation_is_no_pass(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", written(tmp_path, "copy-right", "older"), *CLEAN)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == "brownout: the uncut update makes no flash operation: there is nothing to cut\n"


def test_the_shortest_clean_path_comes_first(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", "--board", written(tmp_path, "ab-bug1", "new"), "--tears", "T1-coarse", "--depth", "1")
    assert ran.code == 1
    told = [line for line in section(ran.out, "boots") if line.endswith(("edge]", "edges]"))]
    assert [line.rpartition("[")[2] for line in told] == ["cut; 1 edge]", "stopped-us; 2 edges]"]
    tokens = [line.split()[2] for line in section(ran.out, "boots") if "brownout replay" in line]
    assert [token.rpartition(":")[2] for token in tokens] == ["0.2.cut", "0.1.stopped-us-0"], "clean before earlier"
    assert "*** POWER CUT here" in ran.out.partition("the mildest path, step by step")[2]


@pytest.mark.slow
def test_only_a_reset_shows_it(brownout: Brownout, tmp_path: Path) -> None:
    old, new = "stm32f1-copy-right.elf", "stm32f1-keep-bug9.elf"
    path = written(tmp_path, "copy-right", "new", (old, new))
    ran = brownout("run", "--board", path, "--events", "reset", *CLEAN)
    assert ran.code == 1
    token = next(line for line in section(ran.out, "boots") if "1.1.reset" in line).split()[2]
    again = brownout("replay", token, "--board", path)
    assert again.code == 1
    assert "*** RESET LINE PULLED here" in again.out
    assert "it last said 'still copying'" in again.out
    assert re.search(r"^session 2 is interrupted at 0x\w+, flash_", again.out, re.M)


@pytest.mark.slow
def test_workers_audit_and_certificate_know_resets(brownout: Brownout, tmp_path: Path) -> None:
    """The same digest from two workers; dropped states run for real agree; the certificate is derived again."""
    path, certificate = written(tmp_path, "ab-right", "new"), tmp_path / "certificate.json"
    base = ("run", "--board", path, "--tears", "none", "--events", "all")
    alone = brownout(*base, "--audit", "2%", "--certificate", str(certificate))
    both = brownout(*base, "--engine", "workers", "--jobs", "2")
    assert (alone.code, both.code, alone.err, both.err) == (0, 0, "", "")
    digests = [re.search(r"^digest +(\w{64})$", ran.out, re.M) for ran in (alone, both)]
    assert digests[0] and digests[1] and digests[0][1] == digests[1][1]
    assert "dropped states run for real: every one agreed" in alone.out
    verified = brownout("verify", str(certificate), "--board", path)
    assert (verified.code, verified.err) == (0, "")


def test_an_update_that_ends_the_device_by_itself_is_told_before_anything_is_cut(
    brownout: Brownout, tmp_path: Path
) -> None:
    board = written(tmp_path, "copy-right", "sick")
    ran = brownout("run", "--board", board, *CLEAN)
    assert ran.code == 1
    assert "nothing was cut: the update ends the device by itself (--keep-going cuts it all the same)" in ran.out
    assert "\nedges      0 in " in ran.out
    assert not [line for line in ran.out.splitlines() if line and not line.strip()], "no line of blanks"
    assert "[uncut]" in section(ran.out, "stays-up")[1]
    cut = brownout("run", "--board", board, *CLEAN, "--keep-going")
    assert cut.code == 1
    assert "nothing was cut" not in cut.out
    assert "\nedges      0 in " not in cut.out


def test_an_update_that_ends_the_device_in_its_first_session_is_no_wrong_board(
    brownout: Brownout, tmp_path: Path
) -> None:
    """The request stands beside the image, so the first boot installs it; without both the device runs."""
    (tmp_path / "request.bin").write_bytes(b"PEND\xaf\xba\xb1\xbb")
    request = '[[staged]]\npath = "request.bin"\naddress = 0x0800_1000\n[alive]'
    ran = brownout("run", "--board", written(tmp_path, "copy-right", "sick", ("[alive]", request)), *CLEAN)
    assert (ran.code, ran.err) == (1, "")
    assert "when nothing comes in its way: stays-up\n" in ran.out
