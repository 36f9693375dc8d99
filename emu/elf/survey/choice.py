"""Which chip: those that can be, tried where an engine is there, and what is said of the choice.

Neighbours: `candidate` and `tryout` judge, `survey` goes on with the choice. Reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.elf.survey.candidate import Candidate, candidates, equal_best, named_chip
from emu.elf.survey.evidence import Evidence
from emu.errors import MissingExtra, UsageError
from flash.part import bundled_part

_DOUBTFUL = 5
"""Points below which a chip is only the best of a bad lot."""


@dataclass(frozen=True)
class Choice:
    """``equal``: others that fit as well. ``is_named``: the user has said which. ``was_tried``: code ran on it."""

    best: Candidate
    equal: tuple[Candidate, ...] = ()
    is_named: bool = False
    was_tried: bool = False

    @property
    def name(self) -> str:
        return self.best.chip.name

    @property
    def why(self) -> str:
        """For the line that names it."""
        if self.is_named:
            return "as you named it"
        return "proposed, and doubtful: see below" if self.is_doubtful else "proposed: it fits best, see below"

    @property
    def is_doubtful(self) -> bool:
        return self.best.score < _DOUBTFUL or bool(self.best.tried and self.best.tried != "runs")

    def notes(self) -> list[str]:
        """Sentences for the board file and for the terminal: what speaks for it, what against, which others fit."""
        found = [f"for it: {'; '.join(self.best.reasons)}"] if self.best.reasons else []
        found += [f"against it: {'; '.join(self.best.doubts)}"] if self.best.doubts else []
        if self.equal:
            sizes = "; ".join(_sizes(each) for each in (self.best, *self.equal))
            names = " and ".join(each.chip.name for each in self.equal)
            found.append(
                f"{names} {'fits' if len(self.equal) == 1 else 'fit'} as well, and nothing in the files tells them "
                f"apart ({sizes}): the marking on your chip decides; --chip NAME writes the board for it"
            )
        if self.is_doubtful and not self.is_named:
            found.append("no bundled chip fits well: name yours with --chip, or describe it in a file (chip_file)")
        if not self.was_tried:
            found.append("nothing was run to find out: that needs pip install 'brownout[cpu]'")
        return found


def choose(evidence: Evidence, named: str = "") -> Choice:
    """Raises UsageError where no chip can be it, BoardError for a name nobody knows."""
    if named:
        found = named_chip(named, evidence)
        if found.refusal:
            raise UsageError(f"--chip {found.chip.name}: {found.refusal}; {_others(evidence)}")
        judged, was_tried = _tried([found], evidence)
        return Choice(judged[0], is_named=True, was_tried=was_tried)
    ranked = candidates(evidence)
    possible = [each for each in ranked if not each.refusal]
    if not possible:
        raise UsageError(
            f"{evidence.files[0].path}: no bundled chip can be it: {_refusals(ranked)}; {_advice(evidence)}"
        )
    judged, was_tried = _tried(possible, evidence)
    ranked = sorted(judged, key=lambda each: -each.score)
    return Choice(ranked[0], tuple(equal_best(ranked)[1:]), was_tried=was_tried)


def _tried(possible: list[Candidate], evidence: Evidence) -> tuple[list[Candidate], bool]:
    try:
        from emu.elf.survey.tryout import tried

        return [tried(each, evidence) for each in possible], True
    except MissingExtra:
        return possible, False


def _others(evidence: Evidence) -> str:
    fitting = [each.chip.name for each in candidates(evidence) if not each.refusal]
    return f"it can be {', '.join(fitting)}" if fitting else "no other bundled chip can be it either"


def _sizes(candidate: Candidate) -> str:
    chip = candidate.chip
    flash, ram = bundled_part(chip.flash.part).size, sum(ram.size for ram in chip.ram)
    return f"{chip.name}: {flash >> 10} KiB of flash, {ram >> 10} KiB of RAM, {chip.interrupts} interrupts"


def _refusals(ranked: list[Candidate]) -> str:
    """Why none can be it; chips with one reason together."""
    names: dict[str, list[str]] = {}
    for each in ranked:
        names.setdefault(each.refusal, []).append(each.chip.name)
    return "; ".join(f"{reason} ({', '.join(chips)})" for reason, chips in names.items())


def _advice(evidence: Evidence) -> str:
    lost = next((file for file in evidence.files if file.table is not None), None)
    if lost is not None:
        at = lost.lead.address + lost.table.offset  # type: ignore[union-attr]
        return (
            f"{lost.name} has a vector table at {at:#x}: if it is an application, give it with --old and the "
            "bootloader with --elf; if the chip boots there, describe it in a file (chip_file)"
        )
    start, end = evidence.extent
    return (
        f"nothing like a vector table (a stack pointer in RAM, odd handlers) begins the bytes at [{start:#x}, "
        f"{end:#x}): give the bootloader's linked file, or describe your chip in a file (chip_file)"
    )
