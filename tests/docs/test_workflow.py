"""The workflow in docs/ci.md: a file GitHub takes, whose steps do what they say where the firmware of the page is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import DOCS, Block, blocks_of
from tests.docs.test_docs import run

FILES = {block.file: block for block in blocks_of(DOCS / "ci.md") if block.file}
(WORKFLOW,) = (name for name in FILES if name.startswith(".github/workflows/"))
INSTALL = "pip install brownout"


def steps() -> list[dict[str, Any]]:
    document = yaml.safe_load(FILES[WORKFLOW].text)
    assert document[True] == ["push", "pull_request"]  # YAML 1.1 reads `on` as a truth
    (job,) = document["jobs"].values()
    assert job["runs-on"] == "ubuntu-latest"
    found: list[dict[str, Any]] = job["steps"]
    return found


def test_every_step_is_one_that_the_service_knows() -> None:
    for step in steps():
        assert ("run" in step) != ("uses" in step)
        assert set(step) <= {"name", "run", "uses", "with", "if"}
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
        assert "${{" not in step.get("run", ""), "what a stranger can name must not reach a shell"
        assert step.get("if") in (None, "failure()", "always()")
    assert INSTALL in [step.get("run") for step in steps()]


def test_results_are_kept_whatever_the_verdict_is() -> None:
    (upload,) = [step for step in steps() if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    named = {path for step in steps() for path in re.findall(r"results/[\w.]+", step.get("run", ""))}
    assert all(path.startswith(upload["with"]["path"]) for path in named)
    assert len(named) == 6


@pytest.mark.parametrize("holds", [False, True])
def test_the_commands_do_what_the_steps_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holds: bool) -> None:
    """Run as the service does: a step with `if: failure()` only behind one that failed."""
    source = FILES["firmware.py"].text
    if holds:
        source = source.replace("wipe(record)", "pass").replace('b"\\x01"', 'b"\\xfe"')
        source = source.replace('b"\\x00")', 'b"\\xfc")').replace('"new": b"\\x00"', '"new": b"\\xfc"')
    (tmp_path / "firmware.py").write_text(source, encoding="utf-8")
    failed, codes = False, []
    for step in steps():
        if "run" not in step or step["run"] == INSTALL or (step.get("if") == "failure()" and not failed):
            continue
        code, printed = run(Block("sh", step["run"], 0), tmp_path)
        codes.append(code)
        failed = failed or code != 0
        assert code in (0, 1), printed
    assert codes == ([0] if holds else [1, 0])
    made = {path.name for path in (tmp_path / "results").iterdir()}
    always = {"junit.xml", "run.json", "report.html", "events.ndjson"}
    assert made == (always if holds else always | {"finding.vcd", "finding.trace.json"})
    assert json.loads((tmp_path / "results" / "run.json").read_text())["verdict"] == ("held" if holds else "findings")
