"""`brownout bench`: the table, its JSON, and the options that mean something here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emu.cli.bench import INCLUDES
from emu.throughput import CHUNK_SIZES
from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.helpers import NEW_APP


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "timing typ, link"),
        (("--timing", "max"), "timing max, link"),
        (("--timing", "sampled", "--seed", "7"), "timing sampled (seed 7), link"),
    ],
)
def test_the_table_names_the_timing_and_no_share_is_above_one(
    brownout: Brownout, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    ran = brownout("bench", "--board", stuck_board(tmp_path), *options)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("board stuck, update of 7,936 bytes (never blank), ")
    assert said in lines[0]
    rows = [line.split() for line in lines if re.match(r" +\d", line)]
    assert [int(row[0]) for row in rows] == list(CHUNK_SIZES)
    assert all(0 < float(row[2].rstrip("%")) <= 100 for row in rows)


def test_an_update_without_files_fills_the_slot_but_for_the_header(brownout: Brownout, tmp_path: Path) -> None:
    """The slots have 8192 bytes; the second is made smaller, and both images have to fit both."""
    board = stuck_board(tmp_path)
    ran = brownout("bench", "--board", board, "--json", "-")
    assert json.loads(ran.out)["size"] == 0x2000 - 256
    text = board.read_text(encoding="utf-8")
    board.write_text(text.replace("offset = 0x8000\nsize = 0x2000", "offset = 0x8000\nsize = 0x1000"), encoding="utf-8")
    assert json.loads(brownout("bench", "--board", board, "--json", "-").out)["size"] == 0x1000 - 256
    assert "beside the image header" in " ".join(brownout("bench", "--help").out.split())


def test_the_document_says_what_device_time_includes(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("bench", *pair(tmp_path), "--link", "10000", "--timing", "max", "--seed", "3", "--json", "-")
    document = json.loads(ran.out)
    assert document["schema"] == "brownout/bench/2"
    assert (document["timing"], document["seed"], document["link_bytes_per_s"]) == ("max", 3, 10000)
    assert (document["file"], document["size"]) == (str(tmp_path / "new.bin"), len(NEW_APP))
    assert document["device_time_includes"] == list(INCLUDES) == ["link", "erase", "program", "read-back", "finish"]
    for row in document["rows"]:
        times = [row[f"{name}_us"] for name in ("link", "erase", "program", "read", "finish")]
        assert all(time > 0 for time in times)
        assert row["total_us"] == sum(times)
        assert row["device_kib_per_s"] == pytest.approx(len(NEW_APP) / 1024 / (row["total_us"] / 1e6), abs=0.001)
        flash_us = row["erase_us"] + row["program_us"] + row["read_us"]
        assert row["share_of_cheapest"] == pytest.approx(row["cheapest_us"] / flash_us, abs=0.0001)


def test_the_table_says_what_device_time_includes_and_which_file(brownout: Brownout, tmp_path: Path) -> None:
    page = brownout("bench", *pair(tmp_path)).out
    assert "device KiB/s counts link, erase, program, read-back, finish;" in page
    assert f"update of {len(NEW_APP):,} bytes ({tmp_path / 'new.bin'}), timing typ" in page


def test_a_document_in_a_file_leaves_the_table_on_stdout(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("bench", *pair(tmp_path), "--json", tmp_path / "out.json")
    assert ran.out.startswith("board demo, ")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["board"] == "demo"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--app", "hangs"), "No such option"),
        (("--region", "0x0:0x100"), "--region and --board-id choose from files"),
        (("--board-id", "0x9900"), "--region and --board-id choose from files"),
        (("--from", "old.bin"), "--from and --to go together"),
        (("--to", "new.bin"), "--from and --to go together"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(brownout: Brownout, options: tuple[str, ...], said: str) -> None:
    assert said in brownout.refused("bench", *options)
