"""A finding of a sweep as one line: what it was found with, and when power was cut.

    bt1:3f2a91c0:77aa0012:412305
    |   |        |        microseconds after the start of the update; "end": when it was over
    |   rig      update
    version

A time is not a place: the same token may lead elsewhere next time. That is why these tokens are of another kind than
those of `token`. Neighbours: `sweep_verdict` has findings. Knows no rig.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from emu.errors import TokenError
from emu.rig import Input

VERSION = "bt1"
ROLES = ("rig", "update")
_TOKEN = re.compile(rf"{VERSION}:([0-9a-f]{{8}}):([0-9a-f]{{8}}):([0-9]{{1,15}}|end)")


def time_token(inputs: Mapping[str, Input], at_ms: float | None) -> str:
    when = "end" if at_ms is None else str(round(at_ms * 1000))
    return ":".join([VERSION, *(inputs[role].digest[:8] for role in ROLES), when])


def time_of(token: str, inputs: Mapping[str, Input]) -> float | None:
    """The time a token names, in ms; None: when the update is over. Raises TokenError for a malformed one, or one of
    other inputs."""
    found = _TOKEN.fullmatch(token.strip())
    if found is None:
        raise TokenError(
            f"{token!r} is no token of brownout sweep: {VERSION}, two digests and a time, as it prints them"
        )
    for role, theirs in zip(ROLES, found.groups(), strict=False):
        ours = inputs[role].digest[:8]
        if theirs != ours:
            raise TokenError(
                f"the token was made with another {role} (token {theirs}, given {ours}: {inputs[role].label})"
            )
    return None if found[3] == "end" else int(found[3]) / 1000
