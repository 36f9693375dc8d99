"""What a page of the docs asks its reader to do, taken out of the Markdown.

    <!-- file: NAME -->     the block that follows is a file
    ```sh                   is run, in order; <!-- exits: 1 --> before it says how it ends, if not with 0
    ```text                 after a command: what it prints, line by line; `...` stands for any lines
    ```python               without a file marker: is executed, all of a page in one namespace
    <!-- not run: WHY -->   the block that follows is not tried, and why
    <!-- needs: PROGRAM --> the block that follows is tried where PROGRAM is installed; elsewhere the page is skipped,
                            after all its other blocks have been tried
    <!-- page needs: MODULE -->  once, anywhere: without that module of Python nothing of the page is tried

Neighbours: `test_docs` does all of it in an empty folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<word>file|exits|not run|needs): (?P<value>.*?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
_CHANGING = re.compile(r"\d+(\.\d+)? (s|ms|us|min)\b|\b\d+(\.\d+)+\b|[0-9,]+(?= sessions| edges/s)|\bin \d[\d.]*s\b")


@dataclass(frozen=True)
class Block:
    """``exits``: the exit code of a command. ``file``: where the text goes. ``skipped``: why it is not tried.
    ``needs``: a program without which it cannot be."""

    language: str
    text: str
    line: int
    file: str = ""
    exits: int = 0
    skipped: str = ""
    needs: str = ""


def pages() -> list[Path]:
    return sorted(DOCS.glob("*.md"))


def blocks_of(page: Path) -> Iterator[Block]:
    source = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(source):
        word, value = found["word"], found["value"]
        yield Block(
            found["language"],
            found["text"],
            source.count("\n", 0, found.start()) + 1,
            file=value if word == "file" else "",
            exits=int(value) if word == "exits" else 0,
            skipped=value if word == "not run" else "",
            needs=value if word == "needs" else "",
        )


def module_needed(page: Path) -> str:
    """The module without which nothing of a page can be tried; "" for none."""
    found = re.search(r"^<!-- page needs: (\w+) -->$", page.read_text(encoding="utf-8"), re.M)
    return found[1] if found else ""


def first_difference(shown: str, printed: str) -> str:
    """The first line of ``shown`` that was not printed in its place; "" where all were. What changes from one machine
    or day to the next (times, versions) counts as equal."""
    lines = iter([_settled(line) for line in printed.splitlines()])
    anywhere = True
    for line in shown.splitlines():
        if line.strip() == "...":
            anywhere = True
            continue
        if not line.strip():
            continue
        wanted = _settled(line)
        for there in lines:
            if there == wanted:
                break
            if there and not anywhere:
                return f"{line!r}; printed: {there!r}"
        else:
            return f"{line!r}; printed nothing like it"
        anywhere = False
    return ""


def _settled(line: str) -> str:
    return " ".join(_CHANGING.sub("#", line).split())
