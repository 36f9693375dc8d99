"""What a review of the commands found wrong: each test says what should hold, its docstring what happens instead."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from emu.cli import group
from flash.formats.intel_hex import encode_record
from tests.emu.cli.command import ROOT, Brownout, Ran, pair, process, stuck_board
from tests.emu.helpers import NEW_APP, OLD_APP

PLATFORM, LOAD_ADDRESS = "demo", 0x0801_0000
MEMORY = 2 << 30
ZIP_END = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


def entry(name: str, content: bytes, *, crc32: int | None = None) -> bytes:
    """A stored entry of a .zip, with a true CRC unless another is given."""
    raw = name.encode()
    crc32 = zlib.crc32(content) if crc32 is None else crc32
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, crc32, len(content), len(content), len(raw), 0)
    return head + raw + content


def manifest(app: bytes, **changes: Any) -> bytes:
    part = {
        "type": "app", "src": "app.bin", "size": len(app), "addr": LOAD_ADDRESS,
        "cs_sha256": hashlib.sha256(app).hexdigest(),
    } | changes.pop("part", {})  # fmt: skip
    document = {"name": "node", "platform": PLATFORM, "version": "1.0.0", "build_id": "b1", "parts": {"app": part}}
    return json.dumps(document | changes).encode()


def archive(folder: Path, *entries: bytes, name: str = "fw.zip") -> Path:
    path = folder / name
    path.write_bytes(b"".join(entries) + ZIP_END)
    return path


def confined(*arguments: str | Path) -> Ran:
    """The command in a process that may have MEMORY bytes of address space."""
    ran = subprocess.run(
        [sys.executable, "-m", "emu", *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def high_hex(folder: Path) -> Path:
    """Sixteen bytes at 0xffffff00."""
    path = folder / "high.hex"
    lines = [encode_record(4, 0, b"\xff\xff"), encode_record(0, 0xFF00, bytes(range(16))), ":00000001FF"]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


# -- archives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entries",
    [
        (entry("manifest.json", manifest(OLD_APP)), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP, part={"size": 1})), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", OLD_APP), entry("x/app.bin", NEW_APP)),
        (
            entry("manifest.json", manifest(OLD_APP)),
            entry("app.bin", NEW_APP),
            entry("manifest.json", manifest(NEW_APP, version="250.0.0")),
        ),
    ],
    ids=["digest", "size", "app twice", "manifest twice"],
)
def test_no_factory_content_is_made_of_an_archive_every_device_refuses(
    tmp_path: Path, brownout: Brownout, entries: tuple[bytes, ...]
) -> None:
    """`open_bundle` compares neither digest nor size, and lets the last of two entries count; `flash factory` exits 0
    with a committed, valid image that is not the one the (first, perhaps signed) manifest describes."""
    path, target = archive(tmp_path, *entries), tmp_path / "f.bin"
    assert brownout("inspect", path, "--board", "demo").code == 1, "a device refuses it"
    assert brownout("flash", "factory", target, "--board", "demo", "--from", path).code == 2
    assert not target.exists()


def test_the_manifest_that_counts_is_the_first_as_on_a_device(tmp_path: Path, brownout: Brownout) -> None:
    """`run`, `bench` and `flash factory` take version, load address and header signature from a second manifest.json
    behind the first; a device skips that, and the update's signature does not cover it."""
    path = archive(
        tmp_path,
        entry("manifest.json", manifest(NEW_APP)),
        entry("app.bin", NEW_APP),
        entry("manifest.json", manifest(NEW_APP, version="250.0.0")),
    )
    target = tmp_path / "f.hex"
    ran = brownout("flash", "factory", target, "--board", "demo", "--from", path)
    if ran.code == 0:  # refusing a second manifest would be as good
        found = json.loads(brownout("inspect", f"nor={target}", "--board", "demo", "--json", "-").out)
        fields = {field["name"]: field["value"] for field in found["flash"]["slots"][0]["header"]["fields"]}
        assert fields["app_version"] == 0x01000000


@pytest.mark.parametrize(
    "entries",
    [
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", NEW_APP), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", OLD_APP), entry("x/app.bin", NEW_APP)),
        (
            entry("manifest.json", manifest(NEW_APP)), entry("app.bin", NEW_APP),
            *(entry(f"f{number}", b"x") for number in range(64)),
        ),
        (entry("manifest.json", manifest(NEW_APP, pad="x" * 20000)), entry("app.bin", NEW_APP)),
    ],
    ids=["same part twice", "another part first", "65 entries", "large manifest"],
)  # fmt: skip
def test_without_a_board_too_an_archive_that_every_device_refuses_is_a_finding(
    tmp_path: Path, brownout: Brownout, entries: tuple[bytes, ...]
) -> None:
    """`inspect` without --board says OK to what the updater refuses on any board."""
    path = archive(tmp_path, *entries)
    assert brownout("inspect", path, "--board", "demo").code == 1
    assert brownout("inspect", path).code == 1


def test_a_name_in_an_archive_adds_no_line_and_no_escape_to_an_error(tmp_path: Path, brownout: Brownout) -> None:
    """Names out of an archive go to stderr as they are: newlines forge lines, and on a terminal ESC reaches it."""
    path = archive(
        tmp_path, entry("manifest.json", manifest(NEW_APP, part={"src": "\x1b[2Jx\nbrownout: all held"})),
        entry("app.bin", NEW_APP),
    )  # fmt: skip
    brownout.refused("flash", "factory", tmp_path / "f.bin", "--board", "demo", "--from", path)


# -- what is no firmware -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(64), b"\x1f\x8b\x08" + bytes(64), b"# Read me\n" * 9],
    ids=["picture", "gzip", "text"],
)
@pytest.mark.parametrize("command", ["pack", "factory", "run"])
def test_a_picture_or_a_text_is_no_application(
    tmp_path: Path, brownout: Brownout, content: bytes, command: str
) -> None:
    """`inspect` and `flash convert` refuse it; `pack`, `flash factory`, `run` and `bench` take it for raw code."""
    path, app = tmp_path / "thing.dat", tmp_path / "app.bin"
    path.write_bytes(content)
    app.write_bytes(NEW_APP)
    arguments: dict[str, tuple[str | Path, ...]] = {
        "pack": ("pack", path, "--board", "demo", "--version", "1", "--out", tmp_path / "o.zip"),
        "factory": ("flash", "factory", tmp_path / "o.bin", "--board", "demo", "--from", path),
        "run": ("run", "--from", app, "--to", path, "--tears", "none"),
    }
    assert "not firmware" in brownout.refused(*arguments[command])


# -- memory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("pack", "HIGH", "--platform", "p", "--load-address", "0", "--version", "1", "--out", "OUT.zip"),
        ("pack", "HIGH", "--board", "demo", "--region", "0:0xffffffff", "--version", "1", "--out", "OUT.zip"),
        ("run", "--from", "HIGH", "--to", "HIGH", "--region", "0:0xffffffff", "--tears", "none"),
        ("flash", "factory", "OUT.bin", "--board", "demo", "--from", "HIGH", "--region", "0:0xffffffff"),
    ],
    ids=["pack without board", "pack", "run", "factory"],
)
def test_sixteen_bytes_at_the_end_of_the_addresses_do_not_take_4_gib(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """`read_application` flattens from the start of the window without MAX_GAPS: MemoryError, exit 70."""
    given = [
        str(high_hex(tmp_path)) if word == "HIGH" else str(tmp_path / word) if word.startswith("OUT") else word
        for word in arguments
    ]
    ran = confined(*given)
    assert ran.code == 2, ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("flash", "patch", "APP", "OUT.bin", "--at", "0", "--file", "VAST"),
        ("flash", "patch", "APP", "OUT.bin", "--at", "0", "--file", "/dev/zero"),
        ("pack", "APP", "--board", "demo", "--version", "1", "--out", "OUT.zip", "--sign", "0=VAST"),
        ("pack", "APP", "--board", "demo", "--version", "1", "--out", "OUT.zip", "--sign", "0=/dev/zero"),
        ("run", "--from", "VAST", "--to", "APP"),
        ("run", "--board", "VAST"),
        ("parts", "--file", "VAST"),
    ],
    ids=["patch", "patch device", "key", "key device", "run", "board", "part"],
)
def test_an_endless_or_vast_input_is_refused_before_it_is_read(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Read without a limit and without asking for a regular file: MemoryError, exit 70 (or a machine that swaps)."""
    app, vast = tmp_path / "app.bin", tmp_path / "vast.bin"
    app.write_bytes(NEW_APP)
    with vast.open("wb") as file:
        file.truncate(3 << 30)  # a hole: takes no room on disk
    places = {"APP": str(app), "VAST": str(vast)}
    given = [places.get(word, word).replace("=VAST", f"={vast}") for word in arguments]
    ran = confined(*(str(tmp_path / word) if word.startswith("OUT") else word for word in given))
    assert ran.code == 2, ran.err


# -- outputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "APP", "--json", "APP"),
        ("flash", "diff", "APP", "APP", "--json", "APP"),
        ("flash", "check", "APP", "--part", "W25Q128JV", "--json", "APP"),
        ("parts", "--file", "PART", "--json", "PART"),
        ("bench", "--board", "BOARD", "--json", "BOARD"),
        ("run", "--board", "BOARD", "--tears", "none", "--json", "BOARD"),
        ("flash", "factory", "APP", "--board", "demo", "--from", "APP"),
    ],
    ids=["inspect", "diff", "check", "parts", "bench", "run", "factory"],
)
def test_a_report_never_replaces_what_it_is_about(
    tmp_path: Path, brownout: Brownout, arguments: tuple[str, ...]
) -> None:
    """Exit 0 and the firmware, board or part file is JSON now (for factory: a 16 MiB dump). `pack` checks for it."""
    places = {"APP": tmp_path / "app.bin", "PART": tmp_path / "part.toml", "BOARD": tmp_path / "board.toml"}
    places["APP"].write_bytes(NEW_APP)
    shutil.copy(ROOT / "flash" / "parts" / "W25Q128JV.toml", places["PART"])
    shutil.copy(ROOT / "emu" / "boards" / "demo.toml", places["BOARD"])
    before = {name: path.read_bytes() for name, path in places.items()}
    ran = brownout(*(places.get(word, word) for word in arguments))
    assert {name: path.read_bytes() for name, path in places.items()} == before
    assert ran.code == 2


def test_a_report_keeps_the_permissions_of_the_file_it_replaces(tmp_path: Path, brownout: Brownout) -> None:
    """`write_text` makes 0600 a 0644; `flash.files.write_file`, which does the same for images, keeps it."""
    path = tmp_path / "r.json"
    path.touch()
    path.chmod(0o600)
    assert brownout("parts", "W25Q128JV", "--json", path).code == 0
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("option", [("parts", "--json"), ("pack", "APP", "--board", "demo", "--version", "1", "--out")])
def test_links_in_a_circle_are_no_internal_error(tmp_path: Path, brownout: Brownout, option: tuple[str, ...]) -> None:
    """`check_writable` resolves the path outside its try: RuntimeError, exit 70."""
    (tmp_path / "app.bin").write_bytes(NEW_APP)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    brownout.refused(*(tmp_path / "app.bin" if word == "APP" else word for word in option), loop)


def test_a_factory_set_of_several_chips_is_written_whole_or_not_at_all(tmp_path: Path, brownout: Brownout) -> None:
    """The second chip's content has no S19 address; the first chip's file stays behind although the exit code is 2."""
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    text = text.replace('name = "nor"', 'name = "a"', 1).replace(
        "[[partition]]", '[[flash]]\nname = "b"\npart = "W25Q128JV"\n\n[[partition]]', 1
    )
    head, *partitions = text.split("[[partition]]")
    partitions = [p.replace('flash = "nor"', f'flash = "{"b" if "slot-" in p[:30] else "a"}"') for p in partitions]
    board, app = tmp_path / "two.toml", tmp_path / "app.bin"
    board.write_text("[[partition]]".join([head, *partitions]), encoding="utf-8")
    app.write_bytes(NEW_APP)
    brownout.refused("flash", "factory", tmp_path / "t.s19", "--board", board, "--from", app, code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.bin", "two.toml"]


# -- names -------------------------------------------------------------------------------------------------------


def test_a_name_that_is_not_utf8_costs_no_campaign(tmp_path: Path) -> None:
    """Exit 70 after the work is done: stdout is strict in most locales, and a JUnit file is always UTF-8."""
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    options = (*pair(folder), "--board", str(stuck_board(tmp_path)), "--app", "hangs", "--tears", "none")
    page = process("run", *options, PYTHONIOENCODING="utf-8:strict")
    assert page.code == 1, page.err
    report = process("run", *options, "--junit", str(tmp_path / "r.xml"), PYTHONIOENCODING="utf-8:surrogateescape")
    assert report.code == 1, report.err
    assert ElementTree.parse(tmp_path / "r.xml").getroot().tag == "testsuite"


def test_a_junit_file_is_xml_whatever_the_files_are_called(tmp_path: Path, brownout: Brownout) -> None:
    """A control character in a file name goes into the replay command in <failure>: not well-formed."""
    folder = tmp_path / "bell\x07"
    folder.mkdir()
    report = tmp_path / "r.xml"
    board = stuck_board(tmp_path)
    ran = brownout("run", *pair(folder), "--board", board, "--app", "hangs", "--tears", "none", "--junit", report)
    assert ran.code == 1
    assert ElementTree.parse(report).getroot().tag == "testsuite"


def test_files_of_one_name_are_told_apart(tmp_path: Path, brownout: Brownout) -> None:
    """ "x.bin and x.bin both have ...", and `lost[].file` of --json is none of `files`."""
    paths = [tmp_path / name / "x.bin" for name in "ab"]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(bytes([number]) * 64)
    said = brownout.refused("flash", "merge", tmp_path / "o.bin", *paths)
    assert str(paths[0]) in said
    assert str(paths[1]) in said
    found = json.loads(brownout("flash", "check", *paths, "--part", "W25Q128JV", "--json", "-").out)
    assert found["lost"]
    assert {loss[key] for loss in found["lost"] for key in ("file", "by")} <= set(found["files"])


# -- what is said ------------------------------------------------------------------------------------------------


def test_a_diff_of_a_region_where_neither_image_has_anything_is_not_no_difference(
    tmp_path: Path, brownout: Brownout
) -> None:
    """A mistyped --region compares nothing with nothing and exits 0; `cut` and `show` refuse the same region."""
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for path, content in zip(paths, (OLD_APP, NEW_APP), strict=True):
        path.write_bytes(content)
    brownout.refused("flash", "diff", *paths, "--region", "0xf0000000+4")


@pytest.mark.parametrize("arguments", [(), ("flash",)], ids=["brownout", "brownout flash"])
def test_the_bare_command_shows_its_help_in_lines(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole help page comes as one line of a thousand characters behind "brownout: "."""
    group.run_command(list(arguments))
    said = "".join(capsys.readouterr())
    assert len(said.splitlines()) > 10
    assert not said.startswith("brownout: Usage")
