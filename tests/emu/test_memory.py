"""How much memory a campaign may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu import memory


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8,000 MB free and no limits, of which this process holds 100 MB."""
    (tmp_path / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable: 7812500 kB\nHugePages_Total: 0\n")
    (tmp_path / "own").write_text("0::/\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "own")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "resident_mb", lambda: 100.0)
    return tmp_path


def limit(group: Path, name: str, most: str, held: str) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / name).write_text(f"{most}\n")
    (group / "memory.stat").write_text(f"file 900000000\n{held} 200000000\n")


def test_three_quarters_of_what_is_free(machine: Path) -> None:
    assert memory.allowance_mb() == 100 + 6000


@pytest.mark.parametrize("own", ["/", "/user/job", "/user/job/step"])
def test_what_is_left_in_the_group_counts_where_it_is_less(machine: Path, own: str) -> None:
    (machine / "own").write_text(f"1:name=systemd:/elsewhere\n0::{own}\n")
    limit(machine / "groups", "memory.max", "max", "anon")
    limit(machine / "groups" / own.lstrip("/"), "memory.max", "1000000000", "anon")
    assert memory.allowance_mb() == 100 + 600


def test_the_smallest_of_all_groups_above_counts(machine: Path) -> None:
    (machine / "own").write_text("0::/user/job\n")
    limit(machine / "groups" / "user", "memory.max", "600000000", "anon")
    limit(machine / "groups" / "user" / "job", "memory.max", "5000000000", "anon")
    assert memory.allowance_mb() == 100 + 300


def test_groups_of_the_older_kind(machine: Path) -> None:
    (machine / "own").write_text("4:cpu,memory:/docker/7\n3:pids:/docker/7\n0::/\n")
    limit(machine / "groups" / "memory", "memory.limit_in_bytes", "9223372036854771712", "total_rss")
    limit(machine / "groups" / "memory" / "docker" / "7", "memory.limit_in_bytes", "1000000000", "total_rss")
    assert memory.allowance_mb() == 100 + 600


def test_a_group_that_is_full_leaves_what_is_held(machine: Path) -> None:
    limit(machine / "groups", "memory.max", "100000000", "anon")
    assert memory.allowance_mb() == 100


@pytest.mark.parametrize("said", ["", "nonsense\n", "MemAvailable: much\n"])
def test_where_nobody_says_what_is_free_there_is_no_limit(machine: Path, said: str) -> None:
    (machine / "meminfo").write_text(said)
    (machine / "own").unlink()
    assert memory.allowance_mb() == 0


def test_this_machine_has_more_than_this_process_holds() -> None:
    allowed = memory.allowance_mb()
    assert allowed == 0 or allowed > memory.resident_mb()
