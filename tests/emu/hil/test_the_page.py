"""docs/real-boards.md describes the rig file there is: every key, every default, and an example that is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from emu.errors import RigFileError
from emu.hil.links import LINKS
from emu.hil.relays import RELAYS
from emu.hil.rig_file import (
    TIMED_CHECKS,
    UPDATE_PLACES,
    ChecksEntry,
    ConsoleEntry,
    LimitEntry,
    LinkEntry,
    RelayEntry,
    RestoreEntry,
    RigDocument,
    StepEntry,
    UpdateEntry,
    load_rig,
)

PAGE = (Path(__file__).parents[3] / "docs" / "real-boards.md").read_text(encoding="utf-8")
TOML = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
ENTRIES = [LinkEntry, RelayEntry, RestoreEntry, UpdateEntry, StepEntry, ConsoleEntry, LimitEntry, ChecksEntry]


def test_the_example_is_a_rig_file(tmp_path: Path) -> None:
    (tmp_path / "new.bin").write_bytes(b"new")
    (tmp_path / "rig.toml").write_text(TOML[0], encoding="utf-8")
    rig = load_rig(tmp_path / "rig.toml")
    assert (rig.document.name, rig.update) == ("bench-3", b"new")
    steps = re.sub(r"^command = \[\"mcumgr.*\n", "", TOML[0], flags=re.M).replace("[console]", TOML[1] + "[console]", 1)
    (tmp_path / "rig.toml").write_text(steps, encoding="utf-8")
    assert [step.expect for step in load_rig(tmp_path / "rig.toml").document.update.step] == ["^ready$", ""]
    (tmp_path / "rig.toml").write_text(TOML[0].replace("dead =", "daed ="), encoding="utf-8")
    with pytest.raises(RigFileError, match="unknown field `daed`"):
        load_rig(tmp_path / "rig.toml")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_key_is_on_the_page(entry: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(entry):
        assert f"`{field.name}`" in PAGE or f"{field.name} = " in "".join(TOML), field.name


def test_every_default_of_a_number_is_on_the_page() -> None:
    for entry in (LimitEntry, RelayEntry, ConsoleEntry, ChecksEntry):
        for field in msgspec.structs.fields(entry):
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                assert re.search(rf"`{field.name}`[^`]*\({field.default:g}[,)]", PAGE), field.name


def test_every_word_is_on_the_page() -> None:
    for word in (*LINKS, *RELAYS, *TIMED_CHECKS, *(f"{{{place}}}" for place in UPDATE_PLACES)):
        assert f"`{word}`" in PAGE or f"| {word} |" in PAGE, word
    assert set(get_args(get_type_hints(RelayEntry)["driver"])) == set(RELAYS)
    assert set(get_args(get_type_hints(LinkEntry)["kind"])) == set(LINKS)
    assert {field.name for field in msgspec.structs.fields(RigDocument)} >= {"name", "summary", "checks"}
