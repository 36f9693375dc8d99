"""What a user does wrong is one line with code 2; what is our fault says so with code 70; neither shows a traceback."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from emu.board import board_names
from emu.campaign.closure import Closure
from emu.cli import group, main
from emu.cli import inputs as inputs_module
from emu.cli import run as run_module
from emu.cli.group import COMMANDS
from emu.errors import MissingExtra
from flash.errors import FlashError
from tests.emu.cli.command import ROOT, STUCK_BOARD, Brownout, pair, process
from tests.emu.helpers import OLD_APP

DEMO = ROOT / "emu" / "demo"
ELF_PAIR = ("--from", str(DEMO / "demo-1.elf"), "--to", str(DEMO / "demo-2.elf"))


# -- the user's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "is_board"),
    [
        (("run", "b.toml"), True),
        (("serve", "b.toml"), True),
        (("run", "b"), False),
        (("boot", "a.toml", "b.toml"), False),
    ],
)
def test_who_gives_a_board_without_its_option_is_told_of_it(
    brownout: Brownout, arguments: tuple[str, ...], is_board: bool
) -> None:
    said = f"Got unexpected extra argument ({arguments[-1]})"
    assert brownout.refused(*arguments) == said + ("; a board file is given as --board FILE" if is_board else "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--board", "dmeo"), "no board named 'dmeo' (did you mean `demo`?)"),
        (("--board", "gone.toml"), "gone.toml: cannot be read: No such file or directory"),
        (("--events", "rest"), "--events: 'rest' is none of reset, hang, timer, all"),
        (("--events", "reset,hung"), "--events: 'hung' is none of reset, hang, timer, all"),
        (("--budget", "soon"), "--budget: 'soon' is no time; write 60s, 5m or 1h"),
        (("--budget", "0s"), "--budget: '0s' leaves no time to try anything; leave --budget out for no limit"),
        (("--budget", "0.0m"), "--budget: '0.0m' leaves no time"),
        (("--budget", "-5s"), "--budget: '-5s' is no time"),
        (("--budget", "5 s"), "--budget: '5 s' is no time"),
        (("--from", str(DEMO / "demo-1.elf")), "--from and --to go together: give both"),
        (("--to", str(DEMO / "demo-2.elf")), "--from and --to go together: give both"),
        ((*ELF_PAIR, "--region", "junk"), "'junk' is not a region"),
        ((*ELF_PAIR, "--region", "0x2000:0x1000"), "'0x2000:0x1000' is not a region"),
        ((*ELF_PAIR, "--region", "0x0:0x10"), "nothing lies in --region 0x0:0x10; the file has 0x8010000:0x8010d0c"),
        ((*ELF_PAIR, "--board-id", "0x9900"), "only a Universal Hex holds several boards"),
        ((*ELF_PAIR, "--board", "nrf52840"), "lies outside what a slot of board nrf52840 takes"),
        (("--from", str(DEMO / "demo-1.elf"), "--to", str(DEMO / "demo-1.elf")), "the two images are the same"),
        (("--from", "gone.elf", "--to", str(DEMO / "demo-1.elf")), "gone.elf: cannot be read (No such file"),
        (("--from", str(DEMO), "--to", str(DEMO / "demo-1.elf")), "cannot be read (Is a directory"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_line_that_says_what_to_change(
    brownout: Brownout, options: tuple[str, ...], said: str
) -> None:
    assert said in brownout.refused("run", *options)


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--region", "junk"), "region"), (("--region", "0x0:0x10"), "region"), (("--board-id", "0x9900"), "board-id")],
)
def test_an_option_for_files_is_not_silently_ignored_without_files(
    brownout: Brownout, options: tuple[str, ...], said: str
) -> None:
    assert said in brownout.refused("run", *options, "--tears", "none")


@pytest.mark.parametrize(
    "options",
    [
        ("--board-id", "first"),
        ("--depth", "3"),
        ("--depth", "0"),
        ("--attempts", "0"),
        ("--tears", "T9"),
        ("--app", "sleepy"),
        ("--timing", "min"),
        ("--seed", "x"),
        ("--nonsense",),
        ("surplus",),
    ],
)
def test_an_option_click_refuses_is_told_by_click(brownout: Brownout, options: tuple[str, ...]) -> None:
    ran = brownout("run", *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("brownout: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


def board_file(folder: Path, old: str, new: str) -> Path:
    assert old in STUCK_BOARD
    path = folder / "board.toml"
    path.write_text(STUCK_BOARD.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"STM32F103"', '"STM32F130"', "no part named 'STM32F130' (did you mean `STM32F103`?)"),
        ("offset = 0x8000", "offset = 0x6000", "[0x5000, 0x7000) and 'slot-b' [0x6000, 0x8000) of 'flash' overlap"),
        ("commit_timeout_s", "comit_timeout_s", "unknown field `comit_timeout_s`"),
        ("[layout]", "[layout", "not valid TOML"),
        ("offset = 0x8000", "offset = -1", "a whole number of at least 0 is needed, not -1, at $.partition[3].offset"),
        ("offset = 0x8000", 'offset = "high"', "a whole number is needed, not 'high'"),
        ("offset = 0x8000", "", "the key `offset` is missing, at $.partition[3] ('slot-b')"),
    ],
)
def test_a_bad_board_file_is_one_line_that_names_it(
    brownout: Brownout, tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = board_file(tmp_path, old, new)
    message = brownout.refused("run", "--board", path)
    assert message.startswith(f"{path}: ")
    assert said in message


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "empty.bin", "empty.bin: the file is empty"),
        (b"\x7fELF\x01\x01", "short.elf", "short.elf: not a readable ELF file"),
        (b"not hex", "wrong.hex", "wrong.hex: named as Intel HEX but is not"),
        (b"not elf", "wrong.elf", "wrong.elf: named as ELF but is not"),
        (
            bytes(range(256)) * 300,
            "large.bin",
            "large.bin: 76,800 bytes are more than the 65,280 a slot of board demo takes "
            "(a raw binary lies at the load address, 0x8010000)",
        ),
        (b"PK\x03\x04 and no archive", "bad.zip", "bad.zip: "),
    ],
)
def test_a_bad_firmware_file_is_one_line_that_names_it(
    brownout: Brownout, tmp_path: Path, content: bytes, name: str, said: str
) -> None:
    bad, good = tmp_path / name, tmp_path / "good.bin"
    bad.write_bytes(content)
    good.write_bytes(OLD_APP)
    assert said in brownout.refused("run", "--from", good, "--to", bad)
    assert said in brownout.refused("run", "--from", bad, "--to", good)


def test_a_region_that_misses_a_raw_binary_is_told_where_it_lies(brownout: Brownout, tmp_path: Path) -> None:
    message = brownout.refused("run", *pair(tmp_path), "--region", "0x1000:0x2000")
    assert (
        "old.bin: nothing lies in --region 0x1000:0x2000; a raw binary lies at 0x8010000 (the load address)" in message
    )
    assert f"this one at 0x8010000:{0x8010000 + len(OLD_APP):#x}" in message


def test_an_update_that_is_refused_without_any_cut_is_one_line(brownout: Brownout, tmp_path: Path) -> None:
    """The second slot is smaller than the first: the factory image fits, the update does not."""
    path = board_file(tmp_path, "offset = 0x8000\nsize = 0x2000", "offset = 0x8000\nsize = 0x400")
    message = brownout.refused("run", *pair(tmp_path), "--board", path)
    assert "the uncut update is refused: " in message
    assert "slot-b has 768" in message


def test_a_factory_image_that_the_board_does_not_boot_is_told_with_the_bootloaders_reason(
    brownout: Brownout, tmp_path: Path
) -> None:
    """A bootloader that asks for a newer version than any image has boots nothing, cut or not."""
    path = tmp_path / "board.toml"
    path.write_text(STUCK_BOARD + "\n[verify]\nminimum_version = 0xffffffff\n", encoding="utf-8")
    ran = brownout("run", *pair(tmp_path), "--board", path, "--tears", "none")
    assert ran.code in (1, 2, 5)
    assert "older than allowed" in ran.out + ran.err


@pytest.mark.parametrize("arguments", [("header",), ("parts",), ("run", "--help")])
def test_a_stdout_that_is_full_is_named(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "emu", *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (2, "brownout: stdout: No space left on device\n")


def test_errors_of_a_process_are_one_line_too() -> None:
    ran = process("run", "--board", "dmeo")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("brownout: no board named 'dmeo'")


# -- ours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), KeyError("boom"), AssertionError("boom: please report"), RecursionError("boom")]
)
def test_an_internal_error_ends_with_70_and_asks_to_be_reported(
    brownout: Brownout, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def explore(self: Closure) -> None:
        raise error

    monkeypatch.delenv("BROWNOUT_TRACEBACK", raising=False)
    monkeypatch.setattr(Closure, "explore", explore)
    ran = brownout("run")
    assert (ran.code, ran.out) == (70, "")
    assert f"brownout: internal error: {type(error).__name__}: " in ran.err
    assert "boom" in ran.err
    assert "Please report it" in ran.err
    assert "BROWNOUT_TRACEBACK=1" in ran.err
    assert "Traceback" not in ran.err


def test_with_the_variable_set_the_traceback_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def explore(self: Closure) -> None:
        raise RuntimeError("boom")

    monkeypatch.setenv("BROWNOUT_TRACEBACK", "1")
    monkeypatch.setattr(Closure, "explore", explore)
    with pytest.raises(RuntimeError, match="boom"):
        main(["run"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MissingExtra("pip install 'brownout[all]'"), 4, "pip install 'brownout[all]'"),
        (FlashError("address 0x7 is odd"), 2, "address 0x7 is odd"),
        (PermissionError(13, "Permission denied", "fw.bin"), 2, "fw.bin: Permission denied"),
    ],
)
def test_errors_on_the_way_to_a_rig_keep_their_code(
    brownout: Brownout, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, said: str
) -> None:
    def make_subject(inputs: object) -> None:
        raise error

    monkeypatch.setattr(run_module, "make_subject", make_subject)
    assert brownout.refused("run", code=code) == said


def test_nothing_to_run_ends_with_five(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    from emu.update_rig import UpdateRig

    whole = UpdateRig.initial
    monkeypatch.setattr(UpdateRig, "initial", lambda self, attempts: whole(self, 0))
    assert "makes no flash operation" in brownout.refused("run", code=5)


def test_ctrl_c_before_the_campaign_ends_with_130(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_subject(inputs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "make_subject", make_subject)
    ran = brownout("run")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "interrupted")


# -- the group -------------------------------------------------------------------------------------------


def test_python_m_emu_is_the_command_and_knows_its_version() -> None:
    ran = process("--version")
    try:
        known = version("brownout")
    except PackageNotFoundError:
        known = "not installed"
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"brownout, version {known}\n"


@pytest.mark.parametrize("arguments", [(), ("flash",)], ids=["brownout", "brownout flash"])
def test_the_bare_command_shows_its_help_in_lines(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    group.run_command(list(arguments))
    said = "".join(capsys.readouterr())
    assert len(said.splitlines()) > 10
    assert not said.startswith("brownout: Usage")


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_lists_every_command(brownout: Brownout, arguments: tuple[str, ...]) -> None:
    ran = brownout(*arguments)
    assert (ran.code, ran.err) == (0, "")
    for name in COMMANDS:
        assert f"\n  {name} " in ran.out


@pytest.mark.parametrize("name", ["run", "replay", "bench"])
def test_every_command_on_a_board_has_help_with_the_shared_options(brownout: Brownout, name: str) -> None:
    ran = brownout(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    for option in ("--from", "--to", "--board", "--region", "--board-id", "--timing", "--seed"):
        assert option in ran.out
    assert ("--app" in ran.out) == (name != "bench"), "no new application runs in a bench"


@pytest.mark.parametrize("name", ["run", "replay", "bench"])
def test_help_lists_the_bundled_boards(brownout: Brownout, name: str) -> None:
    page = " ".join(brownout(name, "--help").out.split())
    assert f"A bundled board ({', '.join(board_names())}), or the path of a board file." in page


def test_boards_are_looked_up_only_for_help(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    def board_names() -> tuple[str, ...]:
        raise AssertionError("asked")

    monkeypatch.setattr(inputs_module, "board_names", board_names)
    assert brownout("run", "--tears", "none").code == 0
    monkeypatch.setattr(inputs_module, "board_names", lambda: ("one", "two"))
    assert "(one, two)" in brownout("run", "--help").out


def test_an_unknown_command_is_refused(brownout: Brownout) -> None:
    ran = brownout("rnu")
    assert (ran.code, ran.out) == (2, "")
    assert "rnu" in ran.err


def test_help_loads_no_room_it_does_not_need() -> None:
    """`--help` stays quick: the campaign, numpy and the file formats are loaded by the commands."""
    program = (
        "import sys\nfrom emu.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n"
        "    print([n for n in ('numpy', 'emu.campaign', 'elftools', 'rich') if n in sys.modules])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.splitlines()[-1] == "[]"
