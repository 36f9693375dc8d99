"""An ELF that updates nothing, from the command line: the example, its tokens, other processes, certificates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from littlefs import LittleFS

from tests.docs.pages import DOCS, blocks_of
from tests.emu.cli.command import Brownout
from tests.emu.elf.storage_boards import EXAMPLE, store_board

SAID = "volume is told to be nothing; it was told or asked to be 'cccccccc'"


@pytest.fixture
def board(brownout: Brownout, tmp_path: Path) -> Path:
    """The example, as it is written."""
    folder = tmp_path / "made"
    ran = brownout("new", "--example", "elf-storage", str(folder))
    assert (ran.code, ran.err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in EXAMPLE.iterdir() if path.is_file()
    )
    return folder / "board.toml"


def fixed(board: Path) -> Path:
    board.write_text(board.read_text().replace("storage.elf", "storage-fixed.elf"))
    return board


def test_boot_shows_what_is_owed_and_boots_again(brownout: Brownout, board: Path) -> None:
    ran = brownout("boot", str(board))
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.split("\nboot 2, reset by power")
    owed = "  owed     mode = 'dddddddd'; volume = 'eeeeeeee'"
    for part in (first, second):
        assert owed in part.splitlines()
        assert "  check    records-after-cut: nothing is wrong" in part.splitlines()
    assert "  USART1   read volume=eeeeeeee" in second.splitlines()
    assert "  flash    no operation" in second.splitlines()
    assert "boot 3" not in ran.out


def test_boot_ends_with_1_where_an_oracle_objects(brownout: Brownout, board: Path) -> None:
    objects = "def records(contents):\n    return 'all is lost' if contents.keys else ''\n"
    (board.parent / "oracle.py").write_text(objects)
    ran = brownout("boot", str(board))
    assert (ran.code, ran.err) == (1, "")
    assert "  check    records-after-cut: nothing is wrong" in ran.out.splitlines(), "nothing was told yet"
    assert "  check    records-after-cut: all is lost" in ran.out.splitlines()


def test_what_breaks_with_nothing_in_its_way_is_no_failed_update(brownout: Brownout, board: Path) -> None:
    (board.parent / "oracle.py").write_text("def records(contents):\n    return 'all is lost'\n")
    ran = brownout("run", "--board", str(fixed(board)), "--tears", "none", "--depth", "1")
    assert ran.code == 1
    assert "\nuncut      what the firmware breaks when nothing comes in its way: records" in ran.out


def test_the_mistake_of_the_example_is_found_and_replays(
    brownout: Brownout, board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, page, summary = tmp_path / "found.json", tmp_path / "page.html", tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ran = brownout("run", "--board", str(board), "--tears", "none", "--json", str(found), "--html", str(page))
    assert (ran.code, ran.err) == (1, "")
    lines = ran.out.splitlines()
    assert lines[0] == "FINDINGS: the storage can be broken"
    assert not any(line.startswith(("to  ", "update")) for line in lines)
    assert "attempt" not in ran.out
    assert any(re.fullmatch(r"oracle     .*oracle\.py:records, SHA-256 \w{8}\.\.\.", line) for line in lines)
    assert re.search(r"^  records-after-cut 2 findings      every value that was told stands in a whole", ran.out, re.M)
    assert re.search(r"^  durable           2 findings      what was told .* a value once stored$", ran.out, re.M)
    assert re.search(r"^ {36}the board has no \[\[image\]\]", ran.out, re.M), "reasons stand below promises"
    assert re.search(r"USART1 says 'storing volume=aaaaaaaa'\n +\d+  asked to keep volume = 'aaaaaaaa'\n", ran.out)
    document = json.loads(found.read_text())
    assert document["updates"] is False
    assert {each["check"] for each in document["findings"]} == {"durable", "records-after-cut"}
    shown = page.read_text()
    assert "the storage can be broken" in shown
    assert "tried, each one way to interrupt the firmware (" in shown
    assert "comes to rest" in shown
    assert "update attempt" not in shown
    assert "**FINDINGS: the storage can be broken**" in summary.read_text()
    token = next(each["token"] for each in document["findings"] if each["message"] == SAID)
    (board.parent / "oracle.py").write_text((board.parent / "oracle.py").read_text() + "\n# a better one\n")
    again = brownout("replay", token, "--board", str(board))
    assert (again.code, again.err) == (1, "")
    assert f"BROKEN durable: {SAID}" in again.out.splitlines()
    assert brownout("replay", token, "--board", str(fixed(board))).code == 2


def test_what_holds_is_certified_and_derived_again_by_several_processes(
    brownout: Brownout, board: Path, tmp_path: Path
) -> None:
    fixed(board)
    certificate = tmp_path / "certificate.json"
    alone = brownout("run", "--board", str(board), "--tears", "none", "--certificate", str(certificate))
    assert (alone.code, alone.err) == (0, "")
    assert alone.out.splitlines()[0] == "HELD: no way to break the storage was found"
    both = brownout("run", "--board", str(board), "--tears", "none", "--engine", "workers", "--jobs", "2")
    assert (both.code, both.err) == (0, "")
    digests = [re.findall(r"^digest +(\w{64})$", ran.out, re.M) for ran in (alone, both)]
    assert digests[0] == digests[1] != []
    assert brownout("verify", str(certificate)).code == 0
    (board.parent / "oracle.py").write_text((board.parent / "oracle.py").read_text() + "\n# another one\n")
    assert "was made for another oracle" in brownout.refused("verify", str(certificate))


def test_what_cannot_be_asked_is_one_line(brownout: Brownout, board: Path) -> None:
    assert "has no [[image]], and faults are done to updates" in brownout.refused(
        "run", "--board", str(board), "--faults", "all"
    )
    (board.parent / "oracle.py").write_text("def record(contents):\n    return ''\n")
    said = brownout.refused("run", "--board", str(board))
    assert said.endswith("oracle.py: nothing is called 'records' (did you mean `record`?); it has record")
    board.write_text(board.read_text().replace("stored {key}={value}", "saved {key}={value}").replace("after_cut", "#"))
    said = brownout.refused("run", "--board", str(board))
    assert "storage.stored: no line of 9 boots fits 'saved {key}={value}'; it said 'formatted'" in said


def test_firmware_that_stores_nothing_is_no_pass(brownout: Brownout, tmp_path: Path) -> None:
    """As it would be if its log were full: nothing is cut."""
    path = store_board(tmp_path, "stm32l4", "right", says='oracle = "o.py:o"')
    path.write_text(path.read_text().replace('uart = "ready"', "").replace("stays_s = 0.05", "stays_s = 0.000001"))
    (tmp_path / "o.py").write_text("def o(contents):\n    return ''\n")
    ran = brownout("run", "--board", str(path))
    assert (ran.code, ran.out) == (5, "")
    assert "the uncut session makes no flash operation: there is nothing to cut" in ran.err


def test_nothing_is_written_over_the_oracle(brownout: Brownout, board: Path) -> None:
    before = (board.parent / "oracle.py").read_bytes()
    assert "oracle.py" in brownout.refused("run", "--board", str(board), "--json", str(board.parent / "oracle.py"))
    assert (board.parent / "oracle.py").read_bytes() == before


def test_the_oracle_of_the_page_reads_littlefs() -> None:
    text = next(block.text for block in blocks_of(DOCS / "elf-storage.md") if block.file == "files.py")
    namespace: dict[str, object] = {}
    exec(compile(text, "files.py", "exec"), namespace)
    settings = namespace["settings"]
    made = LittleFS(block_size=2048, block_count=8)
    with made.open("settings", "wb") as file:
        file.write(b"volume=3")

    def judged(raw: bytes, *allowed: str) -> str:
        contents = SimpleNamespace(
            keys=("settings",), allowed=lambda key: allowed, read=lambda window, broken: bytes(raw)
        )
        return settings(contents)  # type: ignore[operator, no-any-return]

    whole = bytes(made.context.buffer)
    assert judged(whole, "volume=3", "volume=4") == ""
    assert judged(whole, "volume=4") == "the settings are 'volume=3'; they were told or asked to be ('volume=4',)"
    assert judged(b"\xff" * len(whole), "volume=3").startswith("the settings cannot be read: LittleFSError -84")
    assert judged(whole.replace(b"settings", b"settingz"), "volume=3").startswith("the settings cannot be read: ")
