"""Strings in firmware that look like something it would say to a person over a wire.

Neighbours: `draft` proposes them as comments where nothing was heard. Knows bytes only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TEXT = re.compile(rb"[\x20-\x7e]{4,80}(?=[\r\n\0])")
_WORDS = re.compile(r"[A-Za-z]{3,}")
MAX_LINES = 6


def spoken_lines(contents: Iterable[bytes]) -> list[str]:
    """In the order they stand; a line has two words, or ends as a line does."""
    found: dict[str, None] = {}
    for content in contents:
        for match in _TEXT.finditer(content):
            text = match[0].decode("ascii").strip()
            ends_line = content[match.end() : match.end() + 1] in (b"\r", b"\n")
            words = _WORDS.findall(text)
            if words and (ends_line or len(words) > 1) and len("".join(words)) * 2 > len(text):
                found.setdefault(text)
    return list(found)[:MAX_LINES]
