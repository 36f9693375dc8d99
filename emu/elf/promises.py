"""What the firmware of a board promises: checks of its own, and those of everybody that mean nothing there.

Neighbours: `rig` hands them on. An oracle looks at a session; nothing here asks the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from emu.board import ALL_CHECKS, CheckEntry
from emu.elf.board import ElfBoard
from emu.elf.document import ElfBoardFile
from emu.elf.life import UNRELIABLE
from emu.errors import BoardError
from emu.events import HANDOVER, NEW, NOTE, OLD, UNKNOWN
from emu.oracle import SessionOracle
from emu.rig import NOBODY_IS_TOLD, NOT_CLAIMED, Run
from flash.journal import Event
from flash.part import Part

ALWAYS = "accepts"
"""What the key `accept` promises; it also says that an update fails when nothing comes in its way."""


def lacks_of(board: ElfBoard, own: Sequence[str], *, hears_values: bool) -> Mapping[str, str]:
    """The checks that mean nothing on ``board``, each with the reason, and those of its ``own`` that it does not claim.
    ``hears_values``: lines say what is stored."""
    applied = board.document.checks.apply
    reasons = {name: NOT_CLAIMED for name in own if applied and name not in (*applied, ALWAYS)}
    reasons |= {
        "keeps-files": "nobody knows a filesystem of the firmware",
    }
    if board.update is None:
        reasons["truthful"] = NOBODY_IS_TOLD
        reasons["retries"] = "the update stands in flash when the device leaves the factory: nobody brings it again"
    elif not board.update.tells:
        reasons["truthful"] = "nobody asks the device whether it has the update: update.done is not given"
    document = board.document
    if document.commit is None:
        never = "the board has no [commit]: nobody knows when an image is there to stay"
        reasons |= {"reverts": never, "durable": never}
    if not document.image:
        reasons |= dict.fromkeys(("whole", "reverts", "retries"), "the board has no [[image]]: nothing is updated")
        reasons["durable"] = "[storage] has no patterns: nobody knows when a value is there to stay"
    if hears_values:
        reasons.pop("durable", None)
    return reasons


def bounds_of(board: ElfBoard, own: Sequence[str]) -> CheckEntry:
    """The checks of everybody that the board claims, and their bounds. ``own``: names of its own checks.

    Raises BoardError for a name that is neither, or there twice."""
    entry, where = board.document.checks, board.paths[0]
    known = (*ALL_CHECKS, *own)
    for at, name in enumerate(entry.apply):
        if name not in known:
            raise BoardError(f"{where}: {name!r} is none of {', '.join(known)}, at $.checks.apply[{at}]")
    if len(set(entry.apply)) != len(entry.apply):
        raise BoardError(f"{where}: checks: apply names a check twice")
    applied = tuple(name for name in ALL_CHECKS if name in (entry.apply or ALL_CHECKS))
    return CheckEntry(applied, entry.max_resets, entry.max_erases)


def oracles_of_images(document: ElfBoardFile, parts: Sequence[Part]) -> Sequence[SessionOracle]:
    """What is asked of the images a board knows; nothing where it knows none."""
    accepted = document.accept
    if not document.image:
        return ()
    promise = "error correction has nothing to say about an image that is entered"
    has_ecc = any(part.kind == "mcu-ecc" for part in parts)
    return (
        SessionOracle(
            "accepts", f"the device settles with an image the board accepts: {' or '.join(accepted)}",
            partial(_not_accepted, accepted),
        ),
        SessionOracle("stays-up", "an image that was entered stays up, or resets", _falls),
        *([SessionOracle("sound", promise, _unreliable)] if has_ecc else []),
    )  # fmt: skip


def _not_accepted(accepted: Sequence[str], run: Run) -> str:
    """What a session breaks of what the board accepts, or ""."""
    for entry in run.entries:
        if isinstance(entry, Event) and entry.name == HANDOVER and entry.facts[1] not in (OLD, NEW, UNKNOWN, *accepted):
            return f"the {entry.facts[1]} image runs"
    if run.outcome.kind == "settled" and run.outcome.image not in (UNKNOWN, "", *accepted):
        return f"the device settles with the {run.outcome.image} image"
    return ""


def _unreliable(run: Run) -> str:
    """Right bytes over cells that error correction gives up on."""
    known = UNRELIABLE.partition("{}")[0]
    notes = [entry.facts[0] for entry in run.entries if isinstance(entry, Event) and entry.name == NOTE]
    return next((str(note) for note in notes if note.startswith(known)), "")


def _falls(run: Run) -> str:
    return str(run.outcome) if run.outcome.kind == "hung" else ""
