"""What a campaign was asked for, as far as its verdict does not know: names of files, the workload, the command.

Neighbours: the CLI makes one, `summary` and `document` print it beside a verdict. Knows no option and no file.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from emu.campaign.token import token_for
from emu.campaign.verdict import CutPath
from emu.rig import Input


@dataclass(frozen=True)
class Asked:
    """``inputs``: per role of a token, with labels in words. ``files``: per image, the path as it was given; None: it
    is bundled. ``versions``: old, new. ``arguments``: the input options `brownout replay` has to be given.
    ``link``: who brings the update, and over what; "": it is handed to the device. ``updates``: whether there is one;
    otherwise values are stored."""

    inputs: Mapping[str, Input]
    files: Mapping[str, str | None]
    app: str
    timing: str
    seed: int
    resolution: str
    versions: tuple[str, str]
    arguments: tuple[str, ...] = ()
    link: str = ""
    updates: bool = True

    def token(self, attempts: int, path: CutPath, readings: tuple[str, ...] = (), fault: str = "") -> str:
        return str(token_for(attempts, self.inputs, path, readings, fault))

    def replay_command(self, attempts: int, path: CutPath, readings: tuple[str, ...] = (), fault: str = "") -> str:
        """One line for a shell that replays ``path``. Attempts are in the token."""
        words = ("brownout", "replay", self.token(attempts, path, readings, fault), *self.arguments)
        return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """``word`` for a shell, printable: a path with a control character or a byte that is not UTF-8 is written $'...',
    which sh (POSIX 2024), bash, zsh and ksh read. So the command survives XML, strict streams and a terminal."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
