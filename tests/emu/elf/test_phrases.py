"""Lines of a firmware, and what they mean to the ledger."""

from __future__ import annotations

import pytest

from emu.elf.document import StorageEntry
from emu.elf.phrases import Lines, Meaning, Phrases
from emu.errors import BoardError, ScenarioError
from emu.events import OFFERED, TOLD

USUAL = StorageEntry(
    storing=("storing {key}={value}", "* nvs: writing {key} := {value} (*)"),
    stored="stored {key}={value}",
    read=("read {key}={value}", "no {key}", "count {value}"),
)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("storing volume=3", Meaning("storing", "volume", "3")),
        ("[0.1] <inf> nvs: writing mode := a b c (12)", Meaning("storing", "mode", "a b c")),
        ("stored url=http://a/?b=c", Meaning("stored", "url", "http://a/?b=c")),
        ("read volume=3", Meaning("read", "volume", "3")),
        ("no volume", Meaning("read", "volume", "")),
        ("count 17", Meaning("read", "value", "17")),
        ("restored volume=3", None),
        ("stored volume=", None),
        ("stored two words=3", None),
        ("stored volume=3 of 4", Meaning("stored", "volume", "3 of 4")),
        ("", None),
    ],
)
def test_what_a_line_means(line: str, meant: Meaning | None) -> None:
    assert Phrases(USUAL).meaning(line) == meant


def test_what_is_written_is_offered_and_what_was_written_or_read_is_told() -> None:
    phrases = Phrases(USUAL)
    assert phrases.kinds == ("storing", "stored", "read")
    lines = ("storing a=1", "stored a=1", "read a=1")
    meant = [phrases.meaning(line) for line in lines]
    assert [each.event for each in meant if each is not None] == [OFFERED, TOLD, TOLD]


def test_a_line_that_may_mean_two_things_is_refused() -> None:
    phrases = Phrases(StorageEntry(storing="* {key}={value}", stored="stored {key}={value}"))
    with pytest.raises(ScenarioError, match="the line 'stored a=1' fits both storing and stored; make the patterns"):
        phrases.meaning("stored a=1")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("stored {keys}={value}", "storage.stored: {keys} in 'stored {keys}={value}' stands for nothing; {key} and"),
        ("stored {key}={value", "{value in"),
        ("stored {key} {key}", "has {key} twice; put * where the other one is"),
        ("stored", "'stored' has neither {key} nor {value}: which value is it about?"),
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(BoardError) as wrong:
        Phrases(StorageEntry(stored=pattern))
    assert says in str(wrong.value)


def test_bytes_become_lines_port_by_port() -> None:
    lines = Lines()
    said = [(port, line) for port, byte in zip("abababab", b"xy1\n\r2\nz", strict=True) for line in
            lines.ended_by(port, bytes([byte]))]  # fmt: skip
    assert said == [("b", "y"), ("a", "x1")]
    assert list(lines.ended_by("a", b"")) == []
    assert list(lines.ended_by("b", b" \r\n\xe9t\xe9\r\nrest")) == ["2z", "\xe9t\xe9"]
