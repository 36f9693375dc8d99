"""A board file with a comment on every line: what it says, and where that comes from.

Neighbours: `survey` fills a `Draft` in; `emu.elf.document` has the keys. Writes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emu.board import CheckEntry
from emu.elf.blanks import BLANK

_COLUMN = 40
_WIDTH = 118


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
        yield from _comment(line)
    yield ""
    yield _line(f"chip = {_text(draft.chip)}", draft.chip_why)
    for line in draft.chip_notes:
        yield from _comment(line)
    yield _line(f"name = {_text(draft.name)}", "what reports call it: yours to change")
    accepted = ", ".join(_text(name) for name in draft.accept)
    yield _line(f"accept = [{accepted}]", 'images it may settle with; drop "old" if no cut may cost the update')
    for file in draft.files:
        yield ""
        yield _line("[[file]]", "what the factory programs")
        yield _line(f"path = {_path(file, named)}", file.why)
        if file.address is not None:
            yield _line(f"address = {file.address:#010x}", file.address_why)
    for slot in draft.slots:
        yield ""
        yield _line("[[slot]]", "where applications run: code that runs in here is an image that was entered")
        yield _line(f"name = {_text(slot.name)}", "yours to change")
        yield _line(f"address = {slot.address:#010x}", slot.why)
        yield _line(f"size = {slot.size:#x}", "what the larger image needs, in erase units: give its real size")
    for image in draft.images:
        yield ""
        yield _line("[[image]]", "what may stand at the beginning of a slot, byte for byte")
        yield _line(f"name = {_text(image.name)}", _IMAGE_WORDS[image.name])
        yield _line(f"path = {_path(image, named)}", image.why)
        if image.ignores and image.padding is not None:
            start, end = image.padding
            yield _line(
                f"ignore = [[{start:#x}, {end:#x}]]",
                "tried: blank flash and flags behind the image, which the device sets itself; not compared",
            )
    for staged in draft.staged:
        yield ""
        yield _line("[[staged]]", "the update, as it waits in flash; one more for each flag or trailer it needs")
        yield _line(f"path = {_path(staged, named)}", staged.why)
        assert staged.address is not None, "an update waits somewhere: please report"
        yield _line(f"address = {staged.address:#010x}", staged.address_why)
    yield ""
    yield _line("[alive]", "what shows that an image works")
    for line in draft.alive_notes:
        yield from _comment(line)
    if draft.uart:
        yield _line(f"uart = {_text(draft.uart)}", draft.uart_why)
    yield _line(f"stays_s = {draft.stays_s}", "seconds it has to go on for after that")
    if draft.commit:
        yield ""
        yield _line("# [commit]", "take the # away here and below if a new image is on trial until it says so:")
        yield _line(f"# uart = {_text(draft.commit)}", "then `durable` and `reverts` are checked too")
    yield ""
    yield _line("[limits]", "when a session counts as hanging")
    yield _line(
        f"session_s = {draft.session_s}", "virtual seconds; more if the bootloader waits for a key or a host first"
    )
    if draft.erased:
        yield ""
        yield _line("[checks]", "what the campaign holds against it")
        yield _line(
            f"max_erases = {draft.max_erases}",
            f"of one sector, until it settles: {draft.erased} were seen; a cut may bring a rollback and another try",
        )


_IMAGE_WORDS = {"old": "what the factory shipped", "new": "the update"}


def _line(key: str, comment: str) -> str:
    """Longer comments go above, so that no line runs away; the line still has one."""
    line = f"{key:<{_COLUMN - 2}}  # {comment}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([*_comment(comment), f"{key:<{_COLUMN - 2}}  # see above"])


def _comment(text: str) -> Iterator[str]:
    """``text`` as lines of comment, broken between words."""
    line = "#"
    for word in text.split():
        if len(line) + len(word) + 1 > _WIDTH and line != "#":
            yield line
            line = "#  "
        line += f" {word}"
    yield line


def _path(file: FileLine, named: Callable[[Path], str]) -> str:
    return _text(BLANK if file.path is None else named(file.path))


def _text(value: str) -> str:
    """A TOML string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(c if c.isprintable() else _escape(c) for c in escaped)}"'


def _escape(character: str) -> str:
    return f"\\u{ord(character):04X}" if ord(character) < 0x1_0000 else f"\\U{ord(character):08X}"
