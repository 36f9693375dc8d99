"""Flash parts as one JSON document: their data, what in it is borrowed, the tears that apply, the boards they are on.

Neighbours: `part_text` shows the same to a person, `cli.parts` chooses the parts. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from emu.board import board_names, load_board
from emu.report.columns import size_text
from flash.figure import Figure
from flash.part import Part, Trust
from flash.tears import TEARS, TearRow

SCHEMA = "brownout/parts/1"

TRUST: dict[Trust, str] = {
    "": "not said",
    "datasheet": "read in the vendor's datasheet",
    "sfdp": "decoded from the SFDP table of a real chip, which rounds upward",
    "vendor-model": "read in the vendor's simulation model, which gives one side of most figures",
    "quoted": "a third party quotes the datasheet",
    "driver": "constants of a published driver",
    "mixed": "several kinds of document, some figures from memory",
    "family": "inferred from a sibling of the same family",
    "geometry-only": "geometry and commands were read, no time was",
    "recalled": "times and limits from memory, not verified",
}
"""Each value of ``Part.trust`` in words."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Something no document gives. ``where``: its key in the part file; ``sides``: of a duration; ``named``: whose
    value is used instead."""

    where: str
    sides: tuple[str, ...]
    named: str


def stand_ins(part: Part) -> list[StandIn]:
    """Everything in ``part`` whose value is another part's, in the order of the file."""
    return list(_stand_ins(part, ""))


def _stand_ins(value: Any, where: str) -> Iterator[StandIn]:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _stand_ins(item, f"{where}[{index}]")
    elif isinstance(value, msgspec.Struct):
        named = getattr(value, "stand_in", "")
        if named:
            yield StandIn(where, value.unknown if isinstance(value, Figure) else (), named)
        for name in value.__struct_fields__:
            yield from _stand_ins(getattr(value, name), f"{where}.{name}" if where else name)


def tear_rows(part: Part) -> list[TearRow]:
    """Rows of the tear table that apply to ``part``: by its kind, and to registers only where it has some."""
    has_writes = part.serial is not None or part.kind == "eeprom"
    return [row for row in TEARS if part.kind in row.kinds and (row.of != "write" or has_writes)]


def boards_with(part: Part) -> list[str]:
    """Names of the bundled boards that carry a bundled part."""
    boards = {name: load_board(name) for name in board_names()}
    return [name for name, board in boards.items() if any(other.name == part.name for other in board.parts.values())]


def matching(parts: Iterable[Part], text: str) -> list[Part]:
    """Parts in whose names, vendor, kind, trust, id or sizes (``64KiB``) every word of ``text`` occurs; case does not
    matter."""
    words = text.lower().split()
    return [part for part in parts if all(word in _described(part) for word in words)]


def _described(part: Part) -> str:
    sizes = [size_text(size).replace(" ", "") for size in (part.size, *part.geometry.erase_sizes)]
    said = (part.name, *part.aliases, part.vendor, part.kind, part.trust, part.jedec_id, *sizes)
    return " ".join(said).lower()


def parts_document(parts: Sequence[Part], *, bundled: bool = True) -> dict[str, Any]:
    """The `--json` document: one entry per part, whether one was asked for or all. SPEC.md describes every key."""
    return {"schema": SCHEMA, "parts": [_entry(part, bundled) for part in parts]}


def _entry(part: Part, bundled: bool) -> dict[str, Any]:
    return {
        "name": part.name,
        "trust": part.trust,
        "erase_sizes": list(part.geometry.erase_sizes),
        "file": msgspec.to_builtins(part),
        "stand_ins": [{"where": s.where, "sides": list(s.sides), "stand_in": s.named} for s in stand_ins(part)],
        "tears": [
            {"name": row.name, "tier": row.tier, "of": row.of, "physics": row.physics, "source": row.source}
            for row in tear_rows(part)
        ],
        "boards": boards_with(part) if bundled else [],
    }
