"""A draft tried until it is the best that files alone can give: where the update waits, and what images say.

Neighbours: `rehearsal` boots a draft, `survey` calls. Knows no chip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product, takewhile
from pathlib import Path

from emu.elf.survey.draft import Draft
from emu.elf.survey.layout import Spot
from emu.elf.survey.rehearsal import Rehearsal, rehearse
from emu.errors import BoardError
from emu.events import NEW, OLD
from emu.words import counted

_MAX_SAID = 60
_MIN_SHARED = 4
_COMMITS = ("commit", "confirm")


@dataclass(frozen=True)
class Trial:
    """``arrives``: the update was made of the staged bytes, without a cut. ``boots``: the device settled. ``words``:
    both, as a sentence."""

    arrives: bool
    boots: bool
    words: str


def tried_out(draft: Draft, places: Sequence[Spot], write: Callable[[Draft], Path]) -> tuple[Draft, Trial]:
    """``draft`` with the place and the text that work, and what its last boot came to."""
    try:
        alone = rehearse(write(draft), with_update=False)
    except BoardError as wrong:
        return draft, Trial(False, False, f"not yet: {_reason(wrong)}")
    if not alone.settles:
        return draft, Trial(False, False, f"what the factory ships does not come to life: {alone.outcome}.")
    seen, draft = _with_place(draft, places, write)
    if seen is None or not seen.arrives:
        return replace(draft, alive_notes=(*draft.alive_notes, *_heard(alone))), Trial(
            False, True, _not_installed(draft, places, seen)
        )  # fmt: skip
    draft = _with_text(draft, alone, seen)
    last = rehearse(write(draft))
    if not last.arrives:  # never listen for what does not come
        draft = replace(draft, uart="", commit="")
        last = rehearse(write(draft))
    if last.most_erased > draft.max_erases:
        draft = replace(draft, max_erases=3 * last.most_erased, erased=last.most_erased)
    return draft, Trial(last.arrives, last.settles, _arrived(last))


def _arrived(last: Rehearsal) -> str:
    after = f"after {counted(last.sessions, 'session')} and {counted(last.operations, 'operation')} on flash"
    if not last.takes_back:
        return f"{after} the new image runs in a slot."
    return (
        f"{after} the old image runs again: the new one was entered, and is taken back. If that is what it is there "
        f'for, as an update that never confirms itself, let the board say accept = ["{OLD}"].'
    )


def _not_installed(draft: Draft, places: Sequence[Spot], seen: Rehearsal | None) -> str:
    if seen is not None:
        at = draft.staged[0].address
        return (
            f"with the update at {at:#x} an image runs that is neither the old nor the new one, byte for byte; "
            "`brownout boot` says where it differs. Is the file of [[image]] the very build that waits, signed once? "
            "Bytes that the device sets itself belong into `ignore`."
        )
    shown = ", ".join(f"{spot.address:#x}" for spot in places)
    return (
        f"the old image runs; but with the update at {shown} the device does not install it. A flag or trailer may "
        "belong to it, or it waits elsewhere, or it comes over a UART: then [update] in its place (docs/elf-uart.md)."
    )


def _with_place(draft: Draft, places: Sequence[Spot], write: Callable[[Draft], Path]) -> tuple[Rehearsal | None, Draft]:
    """The first place the update is installed from, the end of a padded image not compared if the device writes there.
    None where nothing came of any; a rehearsal that does not install where some image ran that nobody knows."""
    strange: tuple[Rehearsal | None, Draft] = None, draft
    for spot in places:
        line = replace(
            draft.staged[0], address=spot.address, address_why=f"tried: the device installs it from there; {spot.why}"
        )
        tried = replace(draft, staged=(line,))
        written_to: tuple[Rehearsal, Draft] | None = None
        for variant in (tried, *_without_padding(tried)):
            try:
                seen = rehearse(write(variant))
            except BoardError:
                break
            if seen.arrives and not seen.meets_a_stranger:
                return seen, variant
            if seen.arrives:
                written_to = written_to or (seen, variant)
            elif not seen.meets_a_stranger:
                break
            else:
                strange = strange if strange[0] is not None else (seen, _called_a_guess(tried, spot))
        if written_to is not None:
            return written_to
    return strange


def _called_a_guess(tried: Draft, spot: Spot) -> Draft:
    why = f"tried: an image of unknown bytes runs when the update is there; {spot.why}"
    return replace(tried, staged=(replace(tried.staged[0], address_why=why),))


def _without_padding(draft: Draft) -> list[Draft]:
    """``draft`` with the end of a padded image not compared, if one is padded."""
    images = tuple(replace(line, ignores=line.padding is not None) for line in draft.images)
    return [replace(draft, images=images)] if any(line.ignores for line in images) else []


def _with_text(draft: Draft, alone: Rehearsal, seen: Rehearsal) -> Draft:
    """What both images say, when nothing is in their way: the last line of it, or what their lines begin with."""
    new_lines, old_lines = seen.said.get(NEW, ()), alone.said.get(OLD, ())
    common = [line for line in old_lines if line in new_lines and line.isascii() and line.isprintable()]
    if not common:
        common = [text for text in (_beginning(old_lines, new_lines),) if text]
    if not common:
        return replace(draft, alive_notes=(*draft.alive_notes, *_heard(alone), *_heard(seen, NEW)))
    text = common[-1][:_MAX_SAID]
    notes = (f"heard: old: {_quoted(old_lines)}; new: {_quoted(new_lines)}",)
    commits = [line[:_MAX_SAID] for line in common if any(word in line.lower() for word in _COMMITS)]
    return replace(
        draft, uart=text, uart_why="tried: both images say it; see what was heard", alive_notes=notes,
        commit=commits[-1] if commits else "",
    )  # fmt: skip


def _beginning(old_lines: Sequence[str], new_lines: Sequence[str]) -> str:
    """The longest that a line of each begins with."""
    pairs = product(set(old_lines), set(new_lines))
    shared = (
        "".join(a for a, _ in takewhile(lambda two: two[0] == two[1], zip(*pair, strict=False))) for pair in pairs
    )
    fit = [text.strip() for text in shared if text.isascii() and text.isprintable()]
    return max((text for text in fit if len(text) >= _MIN_SHARED), key=lambda text: (len(text), text), default="")


def _heard(rehearsal: Rehearsal, image: str = OLD) -> tuple[str, ...]:
    lines = rehearsal.said.get(image, ())
    return (
        f"the {image} image says {_quoted(lines)}" if lines else f"the {image} image says nothing on any serial port",
    )


def _quoted(lines: Sequence[str]) -> str:
    return ", ".join(repr(line[:_MAX_SAID]) for line in lines[-4:])


def _reason(wrong: BoardError) -> str:
    """Without the path of a file that is gone by the time anybody reads this."""
    return str(wrong).partition(".toml: ")[2] or str(wrong)
