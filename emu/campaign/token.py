"""A finding as one line that can be replayed: what it was found with, and where power was cut.

    bo1:1:3f2a91c0:77aa0012:0badcafe:5d1e77aa:0.17.prefix-12+1.3.cut
    |   | |        |        |        |        |
    |   | board    from     to       workload the interruptions: session . journal entry . how
    |   attempts
    version

A path on which sessions meet weak cells may have one more field: what these read as, session by session
(`:as-old,seeded`). One that was found with a fault has its name as the last field (`:rest.0.config-0+0x10.xor80`); the
digests are those of the inputs without the fault. The four digests are cut to 32 bits: enough to notice the wrong file,
and short enough for a bug report. Sessions are counted from the last interruption (from the factory state for the
first). No character needs quoting in a shell.

Neighbours: `verdict` has the path, `replay` follows it. Knows no rig.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emu.campaign.edges import WHOLE, tears_in
from emu.campaign.faults.fault import parse_fault
from emu.campaign.verdict import CutPath, Step
from emu.errors import TokenError
from emu.rig import Input
from flash.errors import FlashError
from flash.weak import RESOLUTIONS

VERSION = "bo1"
ROLES = ("board", "from", "to", "workload")
UNCUT = "uncut"
_STEP = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})\.([a-z0-9_-]{1,120})")


@dataclass(frozen=True, slots=True)
class Token:
    """``digests`` in the order of ROLES. ``readings``: resolutions, one for each session on the path that meets weak
    cells, in order; none: all read as the rig was made. ``fault``: its name; "": there is none."""

    attempts: int
    digests: tuple[str, ...]
    path: CutPath
    readings: tuple[str, ...] = ()
    fault: str = ""

    def __str__(self) -> str:
        steps = "+".join(f"{step.run}.{step.entry}.{step.how}" for step in self.path) or UNCUT
        read = [",".join(self.readings)] if self.readings else []
        fault = [self.fault] if self.fault else []
        return ":".join([VERSION, str(self.attempts), *self.digests, steps, *read, *fault])

    def check_inputs(self, inputs: Mapping[str, Input]) -> None:
        """Raises TokenError naming every input that differs from the one the token was made with."""
        ours = _short(inputs)
        wrong = [
            f"{role} (token {theirs}, given {mine}: {inputs[role].label})"
            for role, theirs, mine in zip(ROLES, self.digests, ours, strict=True)
            if theirs != mine
        ]
        if wrong:
            raise TokenError(f"the token was made with other inputs: {'; '.join(wrong)}")


def token_for(
    attempts: int, inputs: Mapping[str, Input], path: CutPath, readings: tuple[str, ...] = (), fault: str = ""
) -> Token:
    return Token(attempts, _short(inputs), path, readings, fault)


def parse_token(text: str) -> Token:
    """Read a token. Raises TokenError for another version or a malformed one."""
    fields = text.strip().split(":")
    if fields[0] != VERSION:
        if re.fullmatch(r"bo[0-9]{1,9}", fields[0]):
            raise TokenError(f"this is a {fields[0]} token; this version of brownout reads {VERSION} tokens")
        raise TokenError(f"not a token: it should start with {VERSION}: and came out of brownout run")
    fault = parse_fault(fields.pop()).name if "." in fields[-1] and len(fields) > 3 + len(ROLES) else ""
    if len(fields) not in (3 + len(ROLES), 4 + len(ROLES)) or not re.fullmatch(r"[0-9]{1,15}", fields[1]):
        raise TokenError(
            f"the token is cut short or altered: {2 + len(ROLES)} fields, the first a number, should follow {VERSION}"
        )
    steps, *read = fields[2 + len(ROLES) :]
    for role, digest in zip(ROLES, fields[2:], strict=False):
        if not re.fullmatch(r"[0-9a-f]{8}", digest):
            raise TokenError(f"the token is altered: the {role} digest {digest!r} is not 8 hex digits")
    return Token(int(fields[1]), tuple(fields[2 : 2 + len(ROLES)]), _path(steps), _readings(*read), fault)


def _readings(text: str = "") -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else ()
    for name in names:
        if name not in RESOLUTIONS:
            raise TokenError(f"the token is altered, or of another version: weak cells cannot read {name!r}")
    return names


def _path(text: str) -> CutPath:
    if text == UNCUT:
        return ()
    steps = []
    for piece in text.split("+"):
        found = _STEP.fullmatch(piece)
        if found is None:
            raise TokenError(f"the token is altered: {piece!r} is no session.entry.how")
        how = found.group(3)
        if how not in WHOLE:
            try:
                tears_in(how)
            except FlashError as wrong:
                raise TokenError(f"the token is altered, or of another version: {wrong}") from None
        steps.append(Step(int(found.group(1)), int(found.group(2)), how))
    return tuple(steps)


def _short(inputs: Mapping[str, Input]) -> tuple[str, ...]:
    return tuple(inputs[role].digest[:8] for role in ROLES)
