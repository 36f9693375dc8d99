"""A duration with its source: the smallest piece of a part description.

Neighbours: `part` and `command_set` are made of these, `timing` picks a side. Knows nothing else.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A duration in microseconds: typical and maximum, where they come from, and what is not known.

    ``unknown`` lists the sides no document gives; their value is then the stand-in's, named in ``stand_in``.
    """

    typ: PositiveFloat
    max: PositiveFloat
    source: str
    unknown: tuple[Literal["typ", "max"], ...] = ()
    stand_in: str = ""
