"""`brownout bench`: the table, its JSON, the gate, and the options that mean something here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emu.board import load_board
from emu.cli.bench_document import INCLUDES
from emu.measurements import names_on
from emu.throughput import CHUNK_SIZES, LINK_SPEEDS
from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.helpers import NEW_APP


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
    rows = [line.split() for line in lines if re.match(r" +\d", line)][: len(CHUNK_SIZES)]
    assert [int(row[0]) for row in rows] == list(CHUNK_SIZES)
    assert all(0 < float(row[3].rstrip("%")) <= 100 for row in rows)


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
    assert document["schema"] == "brownout/bench/3"
    assert (document["timing"], document["seed"], document["link_bytes_per_s"]) == ("max", 3, 10000)
    assert (document["file"], document["size"]) == (str(tmp_path / "new.bin"), len(NEW_APP))
    assert [row["chunk_size"] for row in document["rows"]] == list(CHUNK_SIZES)
    assert {row["link_bytes_per_s"] for row in document["rows"]} == {10000}
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


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_full_disk_costs_the_file_not_the_table(brownout: Brownout, tmp_path: Path, option: str) -> None:
    ran = brownout("bench", *pair(tmp_path), "--chunk", "4096", "--link", "0", option, "/dev/full")
    assert ran.code == 2
    assert ran.out.startswith("board demo, ")
    assert "No space left on device" in ran.err


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


# -- what is measured -------------------------------------------------------------------------------------


def test_every_chunk_size_is_measured_by_every_link_and_the_boards_own_is_what_is_named(
    brownout: Brownout, tmp_path: Path
) -> None:
    board = stuck_board(tmp_path)
    own = board.read_text(encoding="utf-8") + "\n[link]\nbytes_per_s = 5000\nchunk_size = 300\n"
    board.write_text(own, encoding="utf-8")
    document = json.loads(brownout("bench", "--board", board, "--json", "-").out)
    asked = {(row["chunk_size"], row["link_bytes_per_s"]) for row in document["rows"]}
    assert asked == {(size, link) for size in (*CHUNK_SIZES, 300) for link in (*LINK_SPEEDS, 5000)}
    assert len(document["rows"]) == len(asked)
    assert (document["chunk_size"], document["link_bytes_per_s"]) == (300, 5000)
    (row,) = (r for r in document["rows"] if (r["chunk_size"], r["link_bytes_per_s"]) == (300, 5000))
    values = {name: each["value"] for name, each in document["measurements"].items()}
    assert values["update_ms"] == row["total_us"] / 1000
    assert values["device_kib_per_s"] == row["device_kib_per_s"]
    assert values["worst_chunk_ms"] == row["worst_chunk_us"] / 1000 == max(document["chunks_us"]) / 1000
    assert values["longest_erase_stall_ms"] == row["stalls"]["longest_us"] / 1000


def test_the_first_chunk_and_link_that_are_given_are_what_is_named(brownout: Brownout, tmp_path: Path) -> None:
    options = ("--chunk", "2000", "--chunk", "100", "--link", "9000", "--link", "0")
    document = json.loads(brownout("bench", *pair(tmp_path), *options, "--json", "-").out)
    assert (document["chunk_size"], document["link_bytes_per_s"]) == (2000, 9000)
    found = [(row["chunk_size"], row["link_bytes_per_s"]) for row in document["rows"]]
    assert found == [(100, 9000), (100, 0), (2000, 9000), (2000, 0)]


def test_all_rows_of_a_chunk_size_have_one_host_figure(brownout: Brownout, tmp_path: Path) -> None:
    rows = json.loads(brownout("bench", *pair(tmp_path), "--json", "-").out)["rows"]
    assert len({(row["chunk_size"], row["host_mb_per_s"]) for row in rows}) == len(CHUNK_SIZES)


def test_the_list_names_every_measurement_of_the_board_and_measures_nothing(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emu.cli.bench.measure", None)
    listed = [line.split()[0] for line in brownout("bench", "--list").out.splitlines()]
    partitions = [entry.name for entry in load_board("demo").document.partition]
    assert listed == [measurement.name for measurement in names_on(partitions)]
    assert "worst_sector_erases[slot-b]" in listed
    monkeypatch.undo()
    document = json.loads(brownout("bench", *pair(tmp_path), "--json", "-").out)
    assert list(document["measurements"]) == listed
    assert "--list measures nothing" in brownout.refused("bench", "--list", "--fail-if", "boot_ms > 1")


def test_the_text_has_the_links_the_named_figures_and_the_wear(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("bench", *pair(tmp_path))
    lines = [line.split() for line in ran.out.splitlines()]
    links = lines[next(n for n, line in enumerate(lines) if line[:2] == ["by", "link,"]) :]
    assert [line[0] for line in links[3:8]] == ["960", "11,520", "100,000", "1,000,000", "not"]
    named = {line[0]: line[1] for line in lines if line and line[0].endswith("_ms")}
    assert {"boot_ms", "time_to_commit_ms", "longest_erase_stall_ms", "worst_chunk_ms"} <= set(named)
    wear = {line[0]: line[1:] for line in lines if line and line[0] in ("config-0", "config-1", "slot-a", "slot-b")}
    assert [sum(int(wear[name][2]) for name in names) for names in (("config-0", "config-1"), ("slot-a",))] == [3, 0]


def test_an_update_that_does_not_stay_is_refused_with_the_reason(brownout: Brownout, tmp_path: Path) -> None:
    """The application tests itself for longer than the commit timer runs."""
    board = tmp_path / "slow.toml"
    text = Path("emu/boards/demo.toml").read_text(encoding="utf-8")
    board.write_text(text + "\n[app]\nself_test_ms = 90000\n", encoding="utf-8")
    said = brownout.refused("bench", "--board", board, *pair(tmp_path))
    assert said.startswith("the update does not end with the new image committed: old image runs, committed; ")


# -- the gate ---------------------------------------------------------------------------------------------


def test_a_gate_that_is_true_fails_with_code_1_and_says_the_value(brownout: Brownout, tmp_path: Path) -> None:
    options = ("--fail-if", "boot_ms > 0", "--fail-if", "erase_stalls<1", "--json", tmp_path / "out.json")
    ran = brownout("bench", *pair(tmp_path), *options)
    assert ran.code == 1
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    boot = document["measurements"]["boot_ms"]["value"]
    assert ran.out.splitlines()[-2:] == [
        f"FAILED  boot_ms > 0       boot_ms is {boot}",
        f"passed  erase_stalls < 1  erase_stalls is {document['measurements']['erase_stalls']['value']}",
    ]
    assert document["failed"] is True
    assert document["gates"] == [
        {"fail_if": "boot_ms > 0", "name": "boot_ms", "operator": ">", "bound": 0, "value": boot, "failed": True},
        {"fail_if": "erase_stalls < 1", "name": "erase_stalls", "operator": "<", "bound": 1,
         "value": document["measurements"]["erase_stalls"]["value"], "failed": False},
    ]  # fmt: skip


def test_gates_that_are_false_pass(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("bench", *pair(tmp_path), "--fail-if", "boot_ms > 400", "--fail-if", "worst_sector_erases[slot-a]>0")
    assert (ran.code, ran.err) == (0, "")
    assert "FAILED" not in ran.out


def test_a_gate_fails_aloud_where_the_document_has_stdout(brownout: Brownout, tmp_path: Path) -> None:
    options = ("--fail-if", "boot_ms > 0", "--fail-if", "boot_ms > 400", "--json", "-")
    ran = brownout("bench", *pair(tmp_path), *options)
    assert ran.code == 1
    assert json.loads(ran.out)["failed"] is True
    assert ran.err.startswith("FAILED  boot_ms > 0  boot_ms is ")
    assert len(ran.err.splitlines()) == 1


def test_a_name_that_is_not_there_is_refused_before_anything_is_measured(
    brownout: Brownout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emu.cli.bench.run_uncut", None)
    said = brownout.refused("bench", "--fail-if", "bot_ms > 400")
    assert said == "--fail-if 'bot_ms > 400': nothing is named 'bot_ms' (did you mean `boot_ms`?); --list has them all"
    assert "sector_erases[slot-b], share_of_cheapest_percent" in brownout.refused("bench", "--fail-if", "xyzzy > 1")
