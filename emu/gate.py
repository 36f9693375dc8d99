"""A gate: a comparison on a named measurement that fails a build when it is true.

``NAME OPERATOR NUMBER``, as in ``boot_ms > 400``. Neighbours: `measurements` has the names and the values, `cli.bench`
the option. Knows neither.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emu.errors import UsageError
from flash.tomlfile import nearest

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SHAPE = re.compile(r"\s*([^\s<>=!]+)\s*([<>=!]+)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """``name`` is one of the names it was parsed with."""

    name: str
    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.bound:.15g}"

    def fails(self, values: Mapping[str, float]) -> bool:
        return OPERATORS[self.operator](values[self.name], self.bound)


def parse_gate(text: str, names: Sequence[str], where: str) -> Gate:
    """Raises UsageError, in one line that begins with ``where`` and the text. ``names``: what can be compared."""
    said = f"{where} {text!r}"
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise UsageError(f"{said}: a gate is a name, an operator and a number, as in `boot_ms > 400`")
    name, sign, number = shape.groups()
    if sign not in OPERATORS:
        raise UsageError(f"{said}: {sign} is no operator; there are {' '.join(OPERATORS)}")
    if name not in names:
        raise UsageError(f"{said}: nothing is named {name!r}{nearest(name, list(names))}; --list has them all")
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise UsageError(f"{said}: {number!r} is no number; the unit is in the name, the number stands alone")
    return Gate(name, sign, bound)
