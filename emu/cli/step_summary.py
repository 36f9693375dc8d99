"""The page a CI service shows beside the log: Markdown, appended to the file that GITHUB_STEP_SUMMARY names.

Other steps of a job write there too, so it is never made anew. That it cannot be written is said, and changes no exit
code: it is a copy of what was printed. Neighbours: `run` brings the text, `report.markdown` makes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from emu.words import printable

VARIABLE = "GITHUB_STEP_SUMMARY"


def wants_summary() -> bool:
    """Whether there is somebody to show it."""
    return bool(os.environ.get(VARIABLE))


def append_summary(text: str) -> None:
    """Append ``text`` where the service asks for it; there must be one that does."""
    target = os.environ[VARIABLE]
    try:
        with Path(target).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text.rstrip()}\n\n")
    except (OSError, ValueError) as wrong:
        why = getattr(wrong, "strerror", None) or wrong
        click.echo(f"note: {VARIABLE}: {printable(target)}: {why} (the summary is not written there)", err=True)
