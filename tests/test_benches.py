"""`pytest benches/ --benchmark-compare` works before anything was saved, and with runs of any machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = "bench_sfdp.py"


def pytest_benches(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run in ``folder``, where runs are saved: the plugin trips over a storage outside of where it is called."""
    fixed = ("-q", "-p", "no:cacheprovider", "-k", "decode", "--benchmark-max-time=0.01")
    return subprocess.run(
        [sys.executable, "-m", "pytest", ROOT / "benches" / BENCH, "-c", ROOT / "pyproject.toml", *fixed, *options],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_comparing_works_with_no_saved_run_with_one_and_with_one_of_another_machine(tmp_path: Path) -> None:
    first = pytest_benches(tmp_path, "--benchmark-compare", "--benchmark-autosave")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Can't compare. No benchmark files" in first.stdout + first.stderr
    (saved,) = tmp_path.rglob("0001_*.json")

    second = pytest_benches(tmp_path, "--benchmark-compare")
    assert second.returncode == 0, second.stdout + second.stderr
    assert (
        f"Comparing against benchmarks from: {saved.relative_to(tmp_path / '.benchmarks')}"
        in second.stdout + second.stderr
    )
    assert "test_decode[W25Q512JV] (NOW)" in second.stdout
    assert "test_decode[W25Q512JV] (0001_" in second.stdout

    document = json.loads(saved.read_text(encoding="utf-8"))
    document["machine_info"]["python_version"] = "3.0.0"
    saved.write_text(json.dumps(document), encoding="utf-8")
    third = pytest_benches(tmp_path, "--benchmark-compare")
    assert third.returncode == 0, third.stdout + third.stderr
    assert "Benchmark machine_info is different" in third.stdout + third.stderr


def test_a_run_that_is_too_slow_fails_when_that_is_asked_for(tmp_path: Path) -> None:
    assert pytest_benches(tmp_path, "--benchmark-autosave").returncode == 0
    (saved,) = tmp_path.rglob("0001_*.json")
    document = json.loads(saved.read_text(encoding="utf-8"))
    for bench in document["benchmarks"]:
        bench["stats"]["min"] /= 1000
    saved.write_text(json.dumps(document), encoding="utf-8")
    ran = pytest_benches(tmp_path, "--benchmark-compare", "--benchmark-compare-fail=min:50%")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Performance has regressed" in ran.stdout + ran.stderr
