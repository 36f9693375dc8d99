"""HTML that cannot be broken by what it shows: elements of text that is escaped unless it is HTML already.

Neighbours: every other module here builds its part of the page with `element`. Knows nothing of what it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from emu.words import printable

Attribute = str | int | float | bool | None
VOID = ("input", "br")


class Markup(str):
    """Text that is HTML. Made by `element` and `joined` from parts, and from the files of this package."""

    __slots__ = ()


Content = str | int
"""What an element may hold: `Markup` as it is, anything else as text."""


def text(content: Content) -> Markup:
    """``content`` as HTML text: control characters, bytes that are not UTF-8 and what turns the direction of writing as
    escapes a person can read; & < > and quotes as entities."""
    if isinstance(content, Markup):
        return content
    return Markup(escape(printable(str(content))))


def joined(parts: Iterable[Content], between: Content = "") -> Markup:
    return Markup(text(between).join(text(part) for part in parts))


def element(name: str, *content: Content, **attributes: Attribute) -> Markup:
    """``<name ...>content</name>``. Attributes: a trailing underscore is dropped, others become hyphens; None and False
    leave one out, True writes its name alone."""
    said = {key: value for key, value in attributes.items() if value is not None and value is not False}  # 0 is said
    written = "".join(_attribute(key, value) for key, value in said.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(content)}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(printable(_number(value)))}"'


def _number(value: Attribute) -> str:
    """Coordinates need no more than three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, with the style of its cells: "n" a number, right-aligned and sorted by value; "c" code; "w"
    prose that takes what room is left; "" words. One letter, since a table may have two thousand rows."""

    title: str
    style: Literal["", "n", "c", "w"] = ""


Row = Sequence[Content]


def table(name: str, caption: str, columns: Sequence[Column], rows: Iterable[Row], *, sortable: bool = False) -> Markup:
    """A table in a box of its own that scrolls sideways when it must. ``name``: its id, and that of what filters
    it; may be "". ``sortable``: the script adds a filter, and makes a button of every heading."""
    head = [element("th", column.title, scope="col", class_=column.style or None) for column in columns]
    body = [
        element(
            "tr", *(element("td", cell, class_=column.style or None) for cell, column in zip(row, columns, strict=True))
        )
        for row in rows
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption, class_="unseen"),
            element("thead", element("tr", *head)),
            element("tbody", joined(body, Markup("\n"))),
            id=name or None,
            class_="sortable" if sortable else None,
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def section(name: str, title: str, *content: Content) -> Markup:
    """A part of the page that the table of contents leads to."""
    return element("section", element("h2", title), *content, id=name)
