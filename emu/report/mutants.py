"""What became of the mutants of a campaign, as lines of a summary and as entries of a certificate.

Neighbours: the command line tries them; `certificate` keeps the entries. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from emu.words import counted

TriedWord = Literal["caught", "NOT CAUGHT", "NOT FINISHED", "not applicable"]
NOT_TRIED = "mutants    not tried: only where the firmware itself holds is a finding the mutant's doing"


@dataclass(frozen=True, slots=True)
class Tried:
    """One mutant. ``check`` is to catch it. ``cuts``, ``token``: the mildest way it was caught; ``reason``: why it was
    not, or does not apply."""

    name: str
    changed: str
    check: str
    word: TriedWord
    cuts: int = 0
    token: str = ""
    reason: str = ""

    @property
    def entry(self) -> dict[str, Any]:
        """For a certificate."""
        if self.word == "caught":
            return {"check": self.check, "cuts": self.cuts, "token": self.token}
        return {self.word: self.reason}


def why_no_proof(tried: Sequence[Tried]) -> str:
    """Why ``tried`` do not show that the checks of a campaign can fail; "" where they do."""
    missed = [mutant for mutant in tried if mutant.word.isupper()]
    if missed:
        named = ", ".join(f"{mutant.name} by {mutant.check}" for mutant in missed)
        return f"{counted(len(missed), 'mutant')} not caught: {named}"
    if not any(mutant.word == "caught" for mutant in tried):
        return "no mutant applies"
    return ""


def mutants_text(tried: Sequence[Tried]) -> str:
    """One line per mutant, and one in capitals when they prove nothing."""
    width = max(len(mutant.name) for mutant in tried)
    wrong = why_no_proof(tried)
    return "\n".join(
        [
            "mutants",
            *(f"  {mutant.name:<{width}}  {_said(mutant)}" for mutant in tried),
            *([f"  NOTHING SHOWS THAT THIS CAMPAIGN CAN FAIL: {wrong}"] if wrong else []),
        ]
    )


def _said(mutant: Tried) -> str:
    if mutant.word == "not applicable":
        return f"not applicable: {mutant.reason}"
    if mutant.word != "caught":
        return f"{mutant.word} by {mutant.check}: {mutant.reason} ({mutant.changed})"
    when = f"after {counted(mutant.cuts, 'cut')}" if mutant.cuts else "uncut"
    return f"caught by {mutant.check} {when}: {mutant.changed}"
