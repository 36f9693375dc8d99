"""A board file with a comment on every line: what it says, and where that comes from.

Neighbours: `survey` fills a `Draft` in; `emu.elf.document` has the keys. Writes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emu.board import CheckEntry
from emu.elf.blanks import BLANK
from emu.elf.survey.lines import comment, line_of, quoted


@dataclass(frozen=True)
class FileLine:
    """``path`` None: nobody has given it. ``address``: of a raw binary, or where an update waits. ``padding``: [from,
    to) of an image, which is compared all the same unless ``ignores`` it."""

    path: Path | None
    why: str
    address: int | None = None
    address_why: str = ""
    name: str = ""
    padding: tuple[int, int] | None = None
    ignores: bool = False


@dataclass(frozen=True)
class SlotLine:
    name: str
    address: int
    size: int
    why: str


@dataclass(frozen=True)
class Draft:
    """All that a board file says. ``uart`` "": an image counts as alive when it is entered. ``head``, ``alive_notes``,
    ``commit``: lines of comment. ``erased``: how often one sector was, uncut, where that is more than the default
    bound; 0: it is not."""

    chip: str
    chip_why: str
    name: str
    accept: tuple[str, ...]
    files: tuple[FileLine, ...]
    slots: tuple[SlotLine, ...]
    images: tuple[FileLine, ...]
    staged: tuple[FileLine, ...]
    head: tuple[str, ...] = ()
    chip_notes: tuple[str, ...] = ()
    uart: str = ""
    uart_why: str = ""
    alive_notes: tuple[str, ...] = ()
    commit: str = ""
    stays_s: float = 0.5
    session_s: float = 5.0
    max_erases: int = CheckEntry().max_erases
    erased: int = 0

    def text(self, named: Callable[[Path], str]) -> str:
        """``named``: how the board file is to call a path."""
        return "\n".join(_lines(self, named)) + "\n"


def _lines(draft: Draft, named: Callable[[Path], str]) -> Iterator[str]:
    for line in draft.head:
        yield from comment(line)
    yield ""
    yield line_of(f"chip = {quoted(draft.chip)}", draft.chip_why)
    for line in draft.chip_notes:
        yield from comment(line)
    yield line_of(f"name = {quoted(draft.name)}", "what reports call it: yours to change")
    accepted = ", ".join(quoted(name) for name in draft.accept)
    yield line_of(f"accept = [{accepted}]", 'images it may settle with; drop "old" if no cut may cost the update')
    for file in draft.files:
        yield ""
        yield line_of("[[file]]", "what the factory programs")
        yield line_of(f"path = {_path(file, named)}", file.why)
        if file.address is not None:
            yield line_of(f"address = {file.address:#010x}", file.address_why)
    for slot in draft.slots:
        yield ""
        yield line_of("[[slot]]", "where applications run: code that runs in here is an image that was entered")
        yield line_of(f"name = {quoted(slot.name)}", "yours to change")
        yield line_of(f"address = {slot.address:#010x}", slot.why)
        yield line_of(f"size = {slot.size:#x}", "what the larger image needs, in erase units: give its real size")
    for image in draft.images:
        yield ""
        yield line_of("[[image]]", "what may stand at the beginning of a slot, byte for byte")
        yield line_of(f"name = {quoted(image.name)}", _IMAGE_WORDS[image.name])
        yield line_of(f"path = {_path(image, named)}", image.why)
        if image.ignores and image.padding is not None:
            start, end = image.padding
            yield line_of(
                f"ignore = [[{start:#x}, {end:#x}]]",
                "tried: blank flash and flags behind the image, which the device sets itself; not compared",
            )
    for staged in draft.staged:
        yield ""
        yield line_of("[[staged]]", "the update, as it waits in flash; one more for each flag or trailer it needs")
        yield line_of(f"path = {_path(staged, named)}", staged.why)
        assert staged.address is not None, "an update waits somewhere: please report"
        yield line_of(f"address = {staged.address:#010x}", staged.address_why)
    yield ""
    yield line_of("[alive]", "what shows that an image works")
    for line in draft.alive_notes:
        yield from comment(line)
    if draft.uart:
        yield line_of(f"uart = {quoted(draft.uart)}", draft.uart_why)
    yield line_of(f"stays_s = {draft.stays_s}", "seconds it has to go on for after that")
    if draft.commit:
        yield ""
        yield line_of("# [commit]", "take the # away here and below if a new image is on trial until it says so:")
        yield line_of(f"# uart = {quoted(draft.commit)}", "then `durable` and `reverts` are checked too")
    yield ""
    yield line_of("[limits]", "when a session counts as hanging")
    yield line_of(
        f"session_s = {draft.session_s}", "virtual seconds; more if the bootloader waits for a key or a host first"
    )
    if draft.erased:
        yield ""
        yield line_of("[checks]", "what the campaign holds against it")
        yield line_of(
            f"max_erases = {draft.max_erases}",
            f"of one sector, until it settles: {draft.erased} were seen; a cut may bring a rollback and another try",
        )


_IMAGE_WORDS = {"old": "what the factory shipped", "new": "the update"}


def _path(file: FileLine, named: Callable[[Path], str]) -> str:
    return quoted(BLANK if file.path is None else named(file.path))
