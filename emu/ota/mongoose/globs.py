"""Does a name match a glob of Mongoose? Registered methods and access rules are such globs.

    ?   one character                       |  ,   between alternatives
    *   any number of them up to a slash    $      at the end: nothing may follow
    **  any number of them                  other characters stand for themselves, in either case

The original matches prefixes and asks whether the prefix was the whole name. So an alternative that matches a
beginning of the name ends the search even if a later one would match all of it: `OTA|OTA.Status` does not match
`OTA.Status`. This is kept, because access rules mean what the device makes of them.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_NAME = 255
"""Longer names match nothing: a pattern with several stars takes time with a power of the length."""

_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]")


def matches(pattern: str, name: str) -> bool:
    """Whether ``pattern`` takes up the whole of a ``name`` that is not empty."""
    if not 0 < len(name) <= MAX_NAME:
        return False
    for alternative in _compiled(pattern):
        found = alternative.match(name)
        if found and found.end():
            return found.end() == len(name)
    return False


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_alternative(text) for text in re.split(r"[|,]", pattern))


def _alternative(text: str) -> re.Pattern[str]:
    end = ""
    if text.endswith("$"):
        text, end = text[:-1], r"\Z"
    special = {"**": ".*", "*": "[^/]*", "?": "."}
    body = "".join(special.get(token) or re.escape(token) for token in _TOKEN.findall(text))
    return re.compile(body + end, re.IGNORECASE | re.DOTALL | re.ASCII)
