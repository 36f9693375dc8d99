"""Text in columns: labels, wrapped paragraphs, sizes, durations with their source.

Neighbours: `part_text` and `part_commands` build a page of these. Knows nothing of what it shows.
"""

from __future__ import annotations

import textwrap

from flash.figure import Figure

WIDTH = 100


def wrapped(text: str, *, first: str, rest: str) -> list[str]:
    """``text`` in lines of at most 100 columns."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def labelled(label: str, text: str, indent: int = 2, width: int = 11) -> list[str]:
    """``label  text``, with what does not fit indented under the text."""
    return wrapped(text, first=f"{' ' * indent}{label:<{width}}", rest=" " * (indent + width))


def size_text(size: int) -> str:
    """Bytes as a person says them: ``64 KiB``, ``16 MiB``, ``128 B``."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def figure_lines(label: str, figure: Figure) -> list[str]:
    """A duration with both sides, its source, and below it whose value stands in."""
    typical, longest = (
        duration(value) + ("*" if side in figure.unknown else " ")
        for side, value in (("typ", figure.typ), ("max", figure.max))
    )
    return [f"  {label:<34}{typical:>12}{longest:>12}".rstrip(), *source_lines(figure.source, figure.stand_in)]


def source_lines(source: str, stand_in: str) -> list[str]:
    lines = wrapped(f"source: {source}", first="      ", rest="        ")
    return lines + (wrapped(f"* stand-in: {stand_in}", first="      ", rest="        ") if stand_in else [])


def duration(microseconds: float) -> str:
    """``45 ms``, ``52.5 us``, ``200 s``: four digits at most."""
    for scale, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= scale:
            return f"{microseconds / scale:.4g} {unit}"
    return f"{microseconds:.4g} us"
