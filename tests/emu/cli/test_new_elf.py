"""`brownout new --elf`: a board for firmware that is there works as it is written, or says what is missing; whatever
else is given ends in one line, and nothing is written."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from flash.images import Segment, image_from_segments, load_image, save_image
from tests.emu.cli.command import ROOT, Brownout
from tests.emu.cpu.elf_bench import CHIPS, SLOT_A, SLOT_B
from tests.emu.elf.boards import BASE, ELF


def files(chip: str, design: str) -> tuple[str, ...]:
    side = "b" if design == "ab" else "a"
    return (
        "--elf", str(ELF / f"{chip}-{design}-right.elf"), "--old", str(ELF / f"{chip}-app-old-a.elf"),
        "--new", str(ELF / f"{chip}-app-new-{side}.elf"),
    )  # fmt: skip


def document(folder: Path) -> dict[str, list[dict[str, object]]]:
    return tomllib.loads((folder / "board.toml").read_text())


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("design", ["ab", "copy", "swap"])
def test_a_board_for_test_firmware_boots_as_it_is_written(
    brownout: Brownout, tmp_path: Path, chip: str, design: str
) -> None:
    made = brownout("new", tmp_path / "n", *files(chip, design))
    assert (made.code, made.err) == (0, "")
    assert re.search(
        r"^booted +after 2 sessions and \d+ operations on flash the new image runs in a slot\.$", made.out, re.M
    )
    board = document(tmp_path / "n")
    assert board["chip"] == CHIPS[chip]
    assert [slot["address"] for slot in board["slot"]] == [
        BASE[chip] + at for at in ([SLOT_A[chip], SLOT_B[chip]] if design == "ab" else [SLOT_A[chip]])
    ]
    assert board["staged"][0]["address"] == BASE[chip] + SLOT_B[chip]
    assert board["alive"] == {"uart": "committed", "stays_s": 0.5}
    booted = brownout("boot", tmp_path / "n" / "board.toml")
    assert (booted.code, booted.err) == (0, "")
    assert booted.out.splitlines()[-1].split() == ["ends", "new", "image", "runs,", "committed"]


def test_every_line_has_a_comment(brownout: Brownout, tmp_path: Path) -> None:
    brownout("new", tmp_path / "whole", *files("stm32f1", "copy"))
    brownout("new", tmp_path / "part", "--elf", ELF / "stm32f1-copy-right.elf")
    for folder in ("whole", "part"):
        lines = (tmp_path / folder / "board.toml").read_text().splitlines()
        assert len(lines) > 30
        assert all(re.search(r"#\s+\S", line) for line in lines if line)
        assert all(len(line) <= 120 for line in lines if not line.startswith("path = "))


@pytest.mark.parametrize(("design", "bounds"), [("stm32f1-swap", None), ("large-swap", {"max_erases": 15})])
def test_wear_is_bounded_by_what_the_uncut_update_erases(
    brownout: Brownout, tmp_path: Path, design: str, bounds: dict[str, int] | None
) -> None:
    """A scratch sector is erased once for every sector that is exchanged: here five times, which is no mistake."""
    prefix = design.removesuffix("-swap")
    brownout(
        "new", tmp_path, "--elf", ELF / f"{design}-right.elf", "--old", ELF / f"{prefix}-app-old-a.elf",
        "--new", ELF / f"{prefix}-app-new-a.elf",
    )  # fmt: skip
    assert document(tmp_path).get("checks") == bounds


def test_its_campaign_finds_the_mistake(brownout: Brownout, tmp_path: Path) -> None:
    _, _, *rest = files("stm32f1", "ab")
    assert brownout("new", tmp_path, "--elf", ELF / "stm32f1-ab-bug1.elf", *rest).code == 0
    ran = brownout("run", "--board", tmp_path / "board.toml", "--tears", "none", "--depth", "1")
    assert (ran.code, ran.err) == (1, "")
    assert "bricked: no image runs" in ran.out


@pytest.mark.parametrize("kind", [".bin", "both.hex", "both.bin"])
@pytest.mark.parametrize("chip", ["stm32f1", "nrf52840"])
def test_files_without_addresses_and_files_with_everything_in_them(
    brownout: Brownout, tmp_path: Path, chip: str, kind: str
) -> None:
    boot, old, new = (load_image(Path(path)) for path in files(chip, "copy")[1::2])
    save_image(boot, tmp_path / "boot.bin")
    save_image(old, tmp_path / "old-app.bin")
    save_image(new, tmp_path / "new-app.bin")
    save_image(image_from_segments("both", [*boot.segments, *old.segments]), tmp_path / f"x{kind}")
    given = (
        ["--elf", tmp_path / "boot.bin", "--old", tmp_path / "old-app.bin"]
        if kind == ".bin"
        else ["--elf", tmp_path / f"x{kind}"]
    )
    made = brownout("new", tmp_path / "n", *given, "--new", tmp_path / "new-app.bin")
    assert (made.code, made.err) == (0, "")
    assert brownout("boot", tmp_path / "n" / "board.toml").code == 0
    assert (tmp_path / "n" / "old.bin").exists() == (kind != ".bin")


def test_an_image_behind_a_header_is_placed_by_what_its_vectors_say(brownout: Brownout, tmp_path: Path) -> None:
    """The bootloader of the test firmware takes no header: it is placed, and that it does not run is said."""
    old = load_image(ELF / "stm32f1-app-old-a.elf").segments[0]
    content = b"HEAD".ljust(0x200, b"\xff") + old.data
    save_image(image_from_segments("x", [Segment(old.address - 0x200, content)]), tmp_path / "old.elf.bin")
    made = brownout(
        "new", tmp_path / "n", "--elf", ELF / "stm32f1-copy-right.elf", "--old", tmp_path / "old.elf.bin",
        "--new", ELF / "stm32f1-app-new-a.elf",
    )  # fmt: skip
    assert made.code == 0
    assert "booted     what the factory ships does not come to life: bricked: no image runs" in made.out
    assert document(tmp_path / "n")["slot"][0]["address"] == 0x0800_1C00


def test_what_is_missing_is_named_by_its_line(brownout: Brownout, tmp_path: Path) -> None:
    made = brownout("new", tmp_path, "--elf", ELF / "stm32l4-ab-right.elf")
    assert made.code == 0
    assert "to fill in the application the factory ships (--old), or a file that has it" in made.out
    assert "guessed    where the slot is; where the update waits; how large the slot is" in made.out
    line = brownout.refused("boot", tmp_path / "board.toml")
    number = next(
        n
        for n, text in enumerate((tmp_path / "board.toml").read_text().splitlines(), 1)
        if text.startswith('path = "?"')
    )
    assert f"line {number}: the path of [[file]] is still '?'; fill in the firmware the factory programs" in line
    text = (tmp_path / "board.toml").read_text().replace('path = "?"', f'path = "{ELF / "stm32l4-app-old-a.elf"}"', 2)
    (tmp_path / "board.toml").write_text(text)
    assert "the path of [[image]] 'new' is still '?'; fill in the application as ELF" in brownout.refused(
        "boot", tmp_path / "board.toml"
    )


def test_a_board_for_firmware_that_keeps_values_needs_its_words_alone(brownout: Brownout, tmp_path: Path) -> None:
    made = brownout("new", tmp_path, "--elf", ELF / "stm32l4-store-right.elf", "--storage")
    assert made.code == 0
    kept = r"operations, then 0 operations on flash; it keeps something in \[0x8001000, 0x8002000\)\.$"
    assert re.search(rf"^booted     \d+ {kept}", made.out, re.M)
    assert f"  fill in [storage] of {tmp_path / 'board.toml'}\n" in made.out
    assert made.out.endswith(f"  brownout run --board {tmp_path / 'board.toml'} --depth 1\n")
    assert "to fill in what it says of the values it keeps, or an oracle: [storage]\n" in made.out
    assert "updates nothing" not in made.out, "it was told so"
    board = tmp_path / "board.toml"
    assert document(tmp_path)["window"] == [{"name": "kept", "address": 0x0800_1000, "size": 0x1000}]
    assert '#   "storing volume=aaaaaaaa"\n' in board.read_text()
    assert "[storage] says nothing: give storing, stored and read" in brownout.refused("boot", board)
    board.write_text(re.sub("^# (storing|stored|read) =", r"\1 =", board.read_text(), flags=re.M))
    booted = brownout("boot", board)
    assert (booted.code, booted.err) == (0, "")
    assert "  check    reads-back: nothing is wrong" in booted.out.splitlines()
    assert document(tmp_path)["alive"] == {"uart": "ready", "stays_s": 0.5}


def test_what_keeps_nothing_or_never_rests_is_said_to(brownout: Brownout, tmp_path: Path) -> None:
    writes_nothing = brownout("new", tmp_path / "a", "--elf", ELF / "stm32l4-copy-right.elf", "--storage")
    assert "booted     it writes no flash, so nothing would be cut.\n" in writes_nothing.out
    assert "window" not in document(tmp_path / "a")
    assert "guessed" not in writes_nothing.out
    fixed = load_image(ELF / "stm32l4-store-right.elf")
    entry = int.from_bytes(fixed.segments[0].data[4:8], "little") - 1 - fixed.segments[0].address
    data = bytearray(fixed.segments[0].data)
    data[entry : entry + 2] = b"\x00\xde"  # udf
    save_image(image_from_segments("faults", [Segment(fixed.segments[0].address, bytes(data))]), tmp_path / "f.hex")
    faults = brownout("new", tmp_path / "b", "--elf", tmp_path / "f.hex", "--chip", "STM32L476xG", "--storage")
    assert re.search(r"^booted     it does not come to rest: (it stands in \w+|the core locks up); ", faults.out, re.M)


def test_values_in_a_data_eeprom_are_found(brownout: Brownout, tmp_path: Path) -> None:
    code = bytes.fromhex("04480549c1600549c160054a1160116130bffde700200240efcdab890504030200000808")
    # unlocks it, stores a word at its beginning and one 16 bytes on, sleeps
    base = 0x0800_0000
    table = b"".join(word.to_bytes(4, "little") for word in (0x2000_1000, *[base + 0x41] * 15))
    save_image(image_from_segments("x", [Segment(base, table + code)]), tmp_path / "x.hex")
    made = brownout("new", tmp_path, "--elf", tmp_path / "x.hex", "--storage", "--chip", "STM32L072xZ")
    assert "it keeps something in [0x8080000, 0x8080014).\n" in made.out
    assert document(tmp_path)["window"] == [{"name": "kept", "address": 0x0808_0000, "size": 0x14}]


def test_storage_goes_without_an_update_and_is_proposed(brownout: Brownout, tmp_path: Path) -> None:
    store, app = ELF / "stm32l4-store-right.elf", ELF / "stm32l4-app-old-a.elf"
    line = brownout.refused("new", tmp_path / "n", "--elf", store, "--new", app, "--storage")
    assert line.endswith("--storage is for firmware that updates nothing; leave --old and --new out")
    assert "--storage goes with --elf FILE" in brownout.refused("new", tmp_path / "n", "--storage")
    assert not (tmp_path / "n").exists()
    made = brownout("new", tmp_path, "--elf", store)
    assert "or         if it updates nothing and only keeps values: write the board with --storage\n" in made.out
    whole = brownout("new", tmp_path / "u", *files("stm32l4", "copy"))
    assert "--storage" not in whole.out


def test_chips_that_nothing_tells_apart_are_both_named(brownout: Brownout, tmp_path: Path) -> None:
    made = brownout("new", tmp_path / "n", *files("stm32f4", "ab"))
    told = "STM32F411xE fits as well, and nothing in the files tells them apart (STM32F405xG: 1024 KiB of flash"
    assert told in made.out
    assert "the marking on your chip decides; --chip NAME" in made.out
    flat = " ".join((tmp_path / "n" / "board.toml").read_text().replace("#", "").split())
    assert told in flat
    made = brownout("new", tmp_path / "m", *files("stm32f4", "ab"), "--chip", "stm32f411")
    assert made.code == 0
    assert document(tmp_path / "m")["chip"] == "STM32F411xE"
    assert "fits as well" not in made.out


def test_an_update_that_is_never_applied_is_said_to_be(brownout: Brownout, tmp_path: Path) -> None:
    made = brownout("new", tmp_path, *files("stm32f1", "copy")[:4], "--new", ELF / "stm32f1-app-older-a.elf")
    assert made.code == 0
    assert "the device does not install it. A flag or trailer may belong to it" in made.out
    assert "or it comes over a UART: then [update] in its place (docs/elf-uart.md)" in made.out
    assert "guessed    where the update waits" in made.out
    ran = brownout("run", "--board", tmp_path / "board.toml")
    assert ran.code == 1
    assert "it is not installed: after 1 session the old image runs, and nothing was ever written. Look at" in ran.out


def padded(path: Path) -> Path:
    """The update with blank flash and flags behind it, of which the bootloader copies none."""
    content = load_image(ELF / "stm32f1-app-new-a.elf").flatten(fill=0xFF)
    path.write_bytes(content.ljust(0x1000 - 16, b"\xff") + b"sixteen of flags")
    return path


def test_the_padding_of_an_update_is_not_part_of_the_image(brownout: Brownout, tmp_path: Path) -> None:
    made = brownout("new", tmp_path / "n", *files("stm32f1", "copy")[:4], "--new", padded(tmp_path / "new.bin"))
    assert (made.code, made.err) == (0, "")
    assert "on flash the new image runs in a slot." in made.out
    board = document(tmp_path / "n")
    content = len(load_image(ELF / "stm32f1-app-new-a.elf").flatten(fill=0xFF).rstrip(b"\xff"))
    assert [image.get("ignore") for image in board["image"]] == [None, [[content, 0x1000]]]
    assert "guessed    how large the slot is" in made.out
    assert brownout("boot", tmp_path / "n" / "board.toml").out.splitlines()[-1].endswith("new image runs, committed")


def test_an_image_that_is_neither_is_said_to_run(brownout: Brownout, tmp_path: Path) -> None:
    """As when the file given and the one that waits were signed one after the other."""
    content = load_image(ELF / "stm32f1-app-new-a.elf").flatten(fill=0xFF)
    (tmp_path / "new.bin").write_bytes(content.ljust(0x1000, b"\x01"))
    made = brownout("new", tmp_path / "n", *files("stm32f1", "copy")[:4], "--new", tmp_path / "new.bin")
    assert (made.code, made.err) == (0, "")
    assert "with the update at 0x8003000 an image runs that is neither the old nor the new one" in made.out
    assert "guessed    where the update waits; how large the slot is" in made.out
    assert document(tmp_path / "n")["staged"][0]["address"] == 0x0800_3000
    ran = brownout("run", "--board", tmp_path / "n" / "board.toml", "--tears", "none")
    assert ran.code == 1
    (told,) = re.findall(r"^session 2 enters an unknown image: (.*)$", ran.out, re.M)
    assert re.fullmatch(r"8 of the 1,040 bytes of the old image differ, the first at \+0x44: .* is in the file", told)
    assert told in brownout("boot", tmp_path / "n" / "board.toml").out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--elf", "none.elf"], "none.elf: cannot be read (No such file or directory)"),
        (["--elf", "."], "cannot be read (Is a directory)"),
        (["--elf", "empty.elf"], "empty.elf: the file is empty"),
        (["--elf", "cut.elf"], "cut.elf: cut short"),
        (["--elf", "garbage.hex"], "garbage.hex: line 1: not an Intel HEX record"),
        (["--elf", "x86.elf"], "an ELF for EM_X86_64 (ELFCLASS32), not for a 32-bit ARM core"),
        (["--elf", "large.bin"], "bytes of content, and the largest chips of this kind have 8,388,608"),
        (["--elf", "huge.bin"], "huge.bin: cannot be read (has 104857600 bytes, more than"),
        (["--elf", "text.txt"], "text.txt: a text, not firmware"),
        (["--elf", "erased.bin"], "nothing like a vector table (a stack pointer in RAM, odd handlers) begins"),
        (["--elf", ELF / "stm32f1-app-old-a.elf"], "has a vector table at 0x8002000: if it is an application, give it "
         "with --old"),
        (["--elf", ELF / "stm32f1-ab-right.elf", "--new", "x86.elf"], "an ELF for EM_X86_64"),
        (["--elf", ELF / "stm32f1-ab-right.elf", "--old", "none.elf"], "none.elf: cannot be read"),
        (["--elf", ELF / "nrf52840-ab-right.elf", "--new", ELF / "stm32f1-app-new-a.elf"], "linked for [0x8002000, "
         "0x8002410), which is not in the flash of nRF52840"),
        (["--elf", ELF / "stm32f1-ab-right.elf", "--chip", "STM32"], "no chip named 'STM32'"),
        (["--elf", ELF / "stm32f1-ab-right.elf", "--chip", "nrf52"], "--chip nRF52840: [0x8000000, "),
        (["--elf", ELF / "stm32f1-ab-right.elf", "--example", "c-bootloader"], "--example and --elf each write"),
        (["--old", "x"], "--old goes with --elf FILE, the firmware"),
        (["--chip", "x"], "--chip goes with --elf FILE, the firmware"),
    ],
)  # fmt: skip
def test_what_is_no_firmware_is_one_line_and_nothing_is_written(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str | Path], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    elf = (ELF / "stm32f1-ab-right.elf").read_bytes()
    for name, content in {
        "empty.elf": b"", "cut.elf": elf[:1000], "garbage.hex": b":garbage\n", "text.txt": b"hello\n" * 9,
        "x86.elf": elf[:18] + b"\x3e\0" + elf[20:], "erased.bin": b"\xff" * 4096, "large.bin": b"\xff" * (9 << 20),
    }.items():  # fmt: skip
        Path(name).write_bytes(content)
    with Path("huge.bin").open("wb") as huge:
        huge.truncate(100 << 20)
    assert says in brownout.refused("new", "out", *given)
    assert not Path("out").exists()


def test_without_an_engine_a_board_is_drafted_and_nothing_is_called_tried(tmp_path: Path) -> None:
    ran = without_engine("new", str(tmp_path / "n"), *files("nrf52840", "copy"))
    assert "nothing was run to find out: that needs pip install 'brownout[cpu]'" in ran.stdout
    assert "guessed    where the update waits; how large the slot is" in ran.stdout
    assert "booted" not in ran.stdout
    text = (tmp_path / "n" / "board.toml").read_text()
    assert "tried" not in text
    assert document(tmp_path / "n")["chip"] == "nRF52840"


def test_without_an_engine_nobody_knows_where_values_are_kept(tmp_path: Path) -> None:
    store = str(ELF / "nrf52840-store-right.elf")
    ran = without_engine("new", str(tmp_path), "--elf", store, "--storage", "--chip", "nRF52840")
    assert "booted" not in ran.stdout
    assert "to fill in what it says of the values it keeps" in ran.stdout
    assert "tried" not in (tmp_path / "board.toml").read_text()
    assert {"window", "uart"}.isdisjoint(document(tmp_path) | document(tmp_path)["alive"])


def without_engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules['unicorn'] = None\nfrom emu.cli import main; main({list(arguments)!r})"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran


def test_a_board_that_is_there_is_kept(brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text("mine")
    assert "has board.toml already, and nothing was written" in brownout.refused(
        "new", tmp_path, *files("stm32f1", "ab")
    )
    assert (tmp_path / "board.toml").read_text() == "mine"


def test_damaged_files_never_end_in_anything_else(brownout: Brownout, tmp_path: Path) -> None:
    draw = random.Random(3)
    whole = (ELF / "stm32f1-copy-right.elf").read_bytes()
    codes = set()
    for number in range(40):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.choice([1, 8, 60])):
            content[draw.randrange(min(len(content), draw.choice([120, 1000, len(content)])))] = draw.randrange(256)
        (tmp_path / "damaged.elf").write_bytes(content)
        ran = brownout("new", tmp_path / f"{number}", "--elf", tmp_path / "damaged.elf")
        codes.add(ran.code)
        assert ran.code in (0, 2)
        if ran.code == 2:
            assert (ran.out, ran.err.count("\n")) == ("", 1)
            assert not (tmp_path / f"{number}").exists()
    assert codes == {0, 2}
