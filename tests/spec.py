"""SPEC.md, taken apart: its sections, and its named blocks as bytes. Every test that holds code to it reads here."""

from __future__ import annotations

import re
from pathlib import Path

SPEC = (Path(__file__).parents[1] / "SPEC.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+) name=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {(kind, name): text for kind, name, text in FENCE.findall(SPEC)}


def dump(name: str) -> bytes:
    """The bytes of a hexdump; its offset column must count them."""
    found = bytearray()
    for line in BLOCKS["hexdump", name].splitlines():
        offset, _, digits = line.partition("  ")
        assert int(offset, 16) == len(found), f"{name}: the line {line!r} is not at {len(found):04x}"
        found += bytes.fromhex(digits)
    return bytes(found)


def section(title: str) -> str:
    """The text under a "## title", up to the next one."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", SPEC, re.MULTILINE | re.DOTALL)
    assert found, f"SPEC.md has no section {title!r}"
    return found[1]
