"""Globs of Mongoose: a registered method, or a rule, and a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.mongoose.globs import MAX_NAME, matches


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("Sys.Reboot", "Sys.Reboot", True),
        ("Sys.Reboot", "SyS.rEBOOT", True),
        ("Sys.Reboot", "Sys.Reboot2", False),
        ("Sys.Reboot", "Sys.Reboo", False),
        ("Sys.Reboot", "SysXReboot", False),
        ("OTA.*", "OTA.Begin", True),
        ("OTA.*", "OTA.", True),
        ("OTA.*", "OTA", False),
        ("*", "a/b", False),
        ("**", "a/b", True),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/b/c", False),
        ("a/**/c", "a/b/b/c", True),
        ("*ab", "abab", True),
        ("OTA.????", "OTA.List", True),
        ("OTA.????", "OTA.Lis", False),
        ("A|B", "b", True),
        ("A,B|C", "c", True),
        ("OTA.*$", "OTA.End", True),
        ("a$|b", "b", True),
        ("", "a", False),
        ("*", "", False),
    ],
)
def test_patterns(pattern: str, name: str, does: bool) -> None:
    assert matches(pattern, name) is does


def test_an_alternative_that_matches_a_beginning_ends_the_search() -> None:
    assert not matches("OTA|OTA.Status", "OTA.Status")
    assert matches("OTA.Status|OTA", "OTA.Status")
    assert matches("OTA$|OTA.Status", "OTA.Status"), "anchored, the first alternative does not match a beginning"


def test_a_name_too_long_matches_nothing() -> None:
    assert matches("**", "x" * MAX_NAME)
    assert not matches("**", "x" * (MAX_NAME + 1))


@given(st.text(st.characters(exclude_characters="*?|,$", codec="ascii"), min_size=1, max_size=20))
def test_a_pattern_without_special_characters_matches_itself_in_either_case(name: str) -> None:
    assert matches(name, name) and matches(name, name.swapcase())
    assert not matches(name, name + "x")


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_pattern_raises(pattern: str, name: str) -> None:
    matches(pattern, name)
