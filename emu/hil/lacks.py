"""What a console cannot tell: the checks that are left out on a rig, and what a reader of its verdict has to know.

Neighbours: `external_rig` declares both. Pure.
"""

from __future__ import annotations

from emu.hil.rig_file import TIMED_CHECKS, RigDocument

_UNSEEN = {
    "keeps-files": "a console does not show the files of a device",
    "in-place": "a console does not show flash operations",
    "legal-flash": "a console does not show flash operations",
    "steady": "how weak cells read cannot be chosen on real flash",
    "wear": "a console does not show erases",
}


def lacks_of(document: RigDocument) -> dict[str, str]:
    """The checks that mean nothing on this rig, each with the reason."""
    console = document.console
    lacks = {
        name: "the rig does not claim it: checks.apply leaves it out"
        for name in TIMED_CHECKS
        if name not in document.checks.apply
    }
    if not console.image:
        lacks.setdefault("whole", "console.image is not given: an image that is neither old nor new cannot be told")
    if not console.committed:
        for name in ("durable", "reverts"):
            lacks.setdefault(name, "console.committed is not given: whether an image has committed cannot be told")
    return lacks | _UNSEEN


def notes_of(document: RigDocument) -> tuple[str, ...]:
    """What is judged in part."""
    console, lacks = document.console, lacks_of(document)
    notes = []
    if "whole" not in lacks:
        notes.append("whole is judged by what an image says about itself, not by its bytes")
    if "reverts" not in lacks and not console.trial:
        notes.append(
            "reverts is judged in part: without console.trial an image that is entered twice before it commits "
            "cannot be told from one that has committed; one that stays can"
        )
    if console.ask and "boots" not in lacks:
        notes.append(
            "boots is judged in part: a device that has to be asked can restart the same image again and again unseen"
        )
    return tuple(notes)
