"""A gate: what it compares, and what is no gate."""

from __future__ import annotations

import pytest

from emu.errors import UsageError
from emu.gate import OPERATORS, parse_gate

NAMES = ("boot_ms", "erases[slot-b]")


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_every_operator_below_at_and_above_its_bound(sign: str, below: bool, at: bool, above: bool) -> None:
    gate = parse_gate(f"boot_ms {sign} 12.5", NAMES, "--fail-if")
    assert [gate.fails({"boot_ms": value}) for value in (12.499, 12.5, 12.501)] == [below, at, above]


def test_the_table_above_has_every_operator() -> None:
    assert set(OPERATORS) == {"<", "<=", ">", ">=", "==", "!="}


@pytest.mark.parametrize(
    ("text", "said"),
    [("boot_ms>400", "boot_ms > 400"), ("  erases[slot-b]  >=  -1e3 ", "erases[slot-b] >= -1000")],
)
def test_spaces_do_not_matter(text: str, said: str) -> None:
    assert str(parse_gate(text, NAMES, "--fail-if")) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a gate is a name, an operator and a number, as in `boot_ms > 400`"),
        ("boot_ms", "a gate is a name"),
        ("boot_ms >", "a gate is a name"),
        ("boot_ms > 400 ms", "a gate is a name"),
        ("boot_ms = 400", "= is no operator; there are < <= > >= == !="),
        ("boot_ms => 400", "=> is no operator"),
        ("boot_ms > 400ms", "'400ms' is no number; the unit is in the name"),
        ("boot_ms > nan", "'nan' is no number"),
        ("boot_ms > inf", "'inf' is no number"),
        ("boots_ms > 1", "nothing is named 'boots_ms' (did you mean `boot_ms`?)"),
        ("q > 1", "nothing is named 'q' (known: boot_ms, erases[slot-b])"),
    ],
)
def test_what_is_no_gate_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as wrong:
        parse_gate(text, NAMES, "--fail-if")
    assert said in str(wrong.value)
    assert str(wrong.value).startswith(f"--fail-if {text!r}: ")
