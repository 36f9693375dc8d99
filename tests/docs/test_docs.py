"""Every page of the docs, done as written in an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks_of, first_difference, module_needed, pages

LIMIT_S = 120


def run(command: Block, folder: Path) -> tuple[int, str]:
    """Exit code and output of a block of commands, as a user's shell would run them; the venv's commands are found."""
    bin_folder = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))},
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
    environment.pop("GITHUB_STEP_SUMMARY", None)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.text],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout.decode(errors="replace")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_works_as_written(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if module_needed(page):
        pytest.importorskip(module_needed(page), reason=f"{module_needed(page)} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    namespace: dict[str, object] = {"__name__": "__page__"}
    printed, tried, missing = "", 0, set[str]()
    for block in blocks_of(page):
        where = f"{page.name}:{block.line}"
        if block.skipped:
            continue
        if block.needs and shutil.which(block.needs) is None:
            missing.add(block.needs)
            continue
        if block.file:
            target = tmp_path / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            code, printed = run(block, tmp_path)
            assert code == block.exits, f"{where}: exit code {code}\n{printed}"
        elif block.language == "text":
            difference = first_difference(block.text, printed)
            assert not difference, f"{where}: shown is {difference}\n{printed}"
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), namespace)
        else:
            continue
        tried += 1
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]  # the files of one page are not those of another
    assert tried, f"{page.name} has nothing to try"
    if missing:
        pytest.skip(f"no {', '.join(sorted(missing))} is installed: .ci/run installs it")


def test_there_are_pages_for_what_the_readme_promises() -> None:
    named = {page.stem for page in pages()}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = {line.split(")")[0].removesuffix(".md") for line in text.split("(docs/")[1:]}
    assert linked == named, f"README links {sorted(linked)}; docs/ has {sorted(named)}"


@pytest.mark.parametrize(
    ("shown", "printed", "difference"),
    [
        ("a\nb", "a\nb\n", ""),
        ("a\n...\nc", "a\nb\nc", ""),
        ("took 3.1 s", "took 0.2 s", ""),
        ("b", "a\nb", ""),
        ("a\nc", "a\nb\nc", "'c'; printed: 'b'"),
        ("a\nx", "a", "'x'; printed nothing like it"),
        ("3 findings", "4 findings", "'3 findings'; printed nothing like it"),
    ],
)
def test_output_is_compared_line_by_line(shown: str, printed: str, difference: str) -> None:
    assert first_difference(shown, printed) == difference
