"""From firmware files to a board file: a chip, slots, where the update waits, what shows that an image works.

What can be tried is tried: the files run on every chip that can be theirs, the update is put in every place it may wait
in, and what was heard is what the board listens for. What was not tried is called a guess.

Neighbours: `brownout new --elf` calls `survey` and writes what comes of it. Writes nothing but a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from emu.cpu.chip import Chip
from emu.elf.survey.candidate import bases
from emu.elf.survey.choice import Choice, choose
from emu.elf.survey.draft import Draft, FileLine, SlotLine
from emu.elf.survey.evidence import Evidence, FirmwareFile, read_firmware
from emu.elf.survey.keeping import MISSING, board_text, watched
from emu.elf.survey.layout import Application, Layout, Spot
from emu.elf.survey.padding import padding
from emu.elf.survey.request import Request
from emu.elf.survey.speech import spoken_lines
from emu.elf.survey.trial import Trial, tried_out
from emu.errors import UsageError
from emu.events import NEW, OLD
from flash.part import bundled_part

BOARD_FILE, OLD_FILE = "board.toml", "old.bin"


@dataclass(frozen=True)
class Proposal:
    """``contents``: files to write, the board first. ``choice``: of the chip. ``guesses``: what nothing has confirmed.
    ``missing``: what the user still has to give. ``booted``: what came of it; "" where nobody could."""

    contents: tuple[tuple[Path, bytes], ...]
    choice: Choice
    guesses: tuple[str, ...]
    missing: tuple[str, ...]
    booted: str


def survey(request: Request, folder: Path) -> Proposal:
    """A board file for ``folder``. Raises UsageError or ImageError, one line, for files that are no firmware."""
    factory = [read_firmware(path) for path in request.files]
    if request.keeps_values:
        return _of_values(Evidence(tuple(factory)), request, folder)
    old = None if request.old is None else read_firmware(request.old)
    new = None if request.new is None else read_firmware(request.new)
    factory += [old] if old is not None and old.path.resolve() not in {f.path.resolve() for f in factory} else []
    evidence = Evidence(tuple(factory), () if new is None else (new,))
    choice = choose(evidence, request.chip)
    _check_in_flash(choice.best.chip, [new] if new is not None else [])
    parts = _Parts(Layout(choice.best.chip, evidence), evidence, old, new, folder)
    draft = parts.draft(choice)
    trial = None
    if parts.is_complete and choice.was_tried:
        with tempfile.TemporaryDirectory(prefix="brownout-new-") as scratch:
            draft, trial = tried_out(draft, parts.places, _writer(Path(scratch), parts.extracted))
    guesses = parts.guesses(trial)
    draft = replace(draft, head=_head(evidence, guesses, parts.missing, trial))
    named = {path: path.name for path, _ in parts.extracted}
    text = draft.text(lambda path: named.get(path) or _relative(path, folder))
    contents = ((folder / BOARD_FILE, text.encode()), *parts.extracted)
    return Proposal(contents, choice, guesses, parts.missing, "" if trial is None else trial.words)


def _of_values(evidence: Evidence, request: Request, folder: Path) -> Proposal:
    """A board for firmware that updates nothing."""
    choice = choose(evidence, request.chip)
    kept = watched(choice.best.chip, evidence) if choice.was_tried else None
    text = board_text(choice, evidence, kept, lambda path: _relative(path, folder))
    guesses = ("how far it keeps values",) if kept is not None and kept.windows else ()
    contents = ((folder / BOARD_FILE, text.encode()),)
    return Proposal(contents, choice, guesses, (MISSING,), "" if kept is None else kept.words)


class _Parts:
    """What a board is made of, with the reasons."""

    def __init__(
        self, layout: Layout, evidence: Evidence, old: FirmwareFile | None, new: FirmwareFile | None, folder: Path
    ) -> None:
        self._layout = layout
        self._evidence = evidence
        self.extracted: tuple[tuple[Path, bytes], ...] = ()
        self.loader = layout.loader()
        self.old = layout.shipped() if old is None else layout.application(old)
        self.new = None if new is None else self._placed(layout.application(new))
        self._is_same_slot = True
        self.slots = self._slots()
        self.places = self._places()
        self._old_path = None if self.old is None else self.old.file.path
        if self.old is not None and self.old.inside:
            self._old_path = folder / OLD_FILE
            self.extracted = ((folder / OLD_FILE, self.old.data),)

    @property
    def is_complete(self) -> bool:
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        found = [] if self.old is not None else ["the application the factory ships (--old), or a file that has it"]
        return tuple(found if self.new is not None else [*found, "the update (--new)"])

    def guesses(self, trial: Trial | None) -> tuple[str, ...]:
        found = []
        if self.old is None:
            found.append("where the slot is")
        if trial is None or not trial.arrives:
            found.append("where the update waits")
        found.append("how large the slot is")
        return tuple(found)

    def _placed(self, new: Application) -> Application:
        """An update that does not say where it runs is taken to run where the old one does."""
        if new.why or self.old is None:
            return new
        return replace(new, address=self.old.address, why=self.old.why)

    def _slots(self) -> list[Spot]:
        layout, old, new = self._layout, self.old, self.new
        if old is None and new is None:
            return [layout.guessed_slot()]
        if old is None or new is None:
            known = old or new
            assert known is not None, "one of them is there: please report"
            return [layout.slot(known)]
        first = layout.slot(old, new)
        if first.address <= new.address < first.address + first.size:
            return [first]
        self._is_same_slot = False
        return [layout.slot(old), layout.slot(new)]

    def _places(self) -> list[Spot]:
        """Where the update may wait, the likeliest first."""
        if self.new is not None and not self._is_same_slot:
            return [Spot(self.new.address, 0, f"{self.new.file.name} is linked to run there: a slot of its own")]
        shape = self.new or self.old
        size = Application(self.loader, 0, b"\0", "") if shape is None else shape
        found = self._layout.waiting_places(size, self.slots)
        last = self.slots[-1]
        return found or [Spot(last.address + last.size, 0, "behind the slot; nothing says where, and little is free")]

    def draft(self, choice: Choice) -> Draft:
        files = [
            FileLine(
                file.path,
                self._file_words(file),
                self._raw_address(file),
                "where a raw binary lies: its vectors say so",
            )
            for file in self._evidence.files
        ]
        old_why = "among what the factory programs" if self.old is not None else "TO FILL IN: its application"
        if self.old is not None and self.old.inside:
            old_why = f"cut out of {self.old.file.name} from {self.old.address:#x} on: check where it ends"
        elif self.old is None:
            files.append(FileLine(None, "TO FILL IN: the application the device is shipped with"))
        new_path = None if self.new is None else self.new.file.path
        new_why = "as given with --new" if self.new is not None else "TO FILL IN: the application it is updated to"
        place = self.places[0]
        names = ("a", "b")
        spoken = spoken_lines(segment.data for file in self._evidence.all for segment in file.image.segments)
        notes = ['give uart = "...", text that every image sends when it works; without it, being entered is enough']
        notes += [f"strings in the files that look like it: {', '.join(map(repr, spoken))}"] if spoken else []
        return Draft(
            chip=choice.name,
            chip_why=choice.why,
            name=self.loader.path.stem,
            accept=(OLD, NEW),
            files=tuple(files),
            slots=tuple(SlotLine(n, s.address, s.size, s.why) for n, s in zip(names, self.slots, strict=False)),
            images=(
                FileLine(self._old_path, old_why, name=OLD),
                FileLine(new_path, new_why, name=NEW, padding=self._padding()),
            ),
            staged=(FileLine(new_path, new_why, place.address, f"a guess: {place.why}"),),
            chip_notes=tuple(choice.notes()),
            alive_notes=tuple(notes),
        )

    def _padding(self) -> tuple[int, int] | None:
        return None if self.new is None else padding(self.new.data, self._layout.erased)

    def _raw_address(self, file: FirmwareFile) -> int | None:
        if not file.is_raw:
            return None
        if self.old is not None and file is self.old.file and not self.old.inside:
            return self.old.address
        return file.lead.address

    def _file_words(self, file: FirmwareFile) -> str:
        moved = (self._raw_address(file) or file.lead.address) - file.lead.address
        extents = ", ".join(f"[{s.address + moved:#x}, {s.end + moved:#x})" for s in file.image.segments[:3])
        role = "the bootloader" if file is self.loader else "an application" if file.table is not None else "no vectors"
        if self.old is not None and self.old.inside and file is self.loader:
            role = "the bootloader and an application"
        table = file.table
        begins = "" if table is None else f"; it begins at {table.entry:#x}, its stack at {table.stack:#x}"
        return f"{role}: bytes at {extents}{begins}"


def _check_in_flash(chip: Chip, others: list[FirmwareFile]) -> None:
    """What the factory programs was looked at when the chip was chosen; the update was not."""
    size = bundled_part(chip.flash.part).size
    for file in others:
        for segment in [] if file.is_raw else file.image.segments:
            if not any(base <= segment.address and segment.end <= base + size for base in bases(chip)):
                raise UsageError(
                    f"{file.path}: linked for [{segment.address:#x}, {segment.end:#x}), which is not in the flash of "
                    f"{chip.name}, [{chip.flash.address:#x}, {chip.flash.address + size:#x}), the chip that fits the "
                    "bootloader; give the update for that chip"
                )


def _head(
    evidence: Evidence, guesses: tuple[str, ...], missing: tuple[str, ...], trial: Trial | None
) -> tuple[str, ...]:
    names = ", ".join(file.name for file in evidence.all)
    found = [f"A board drafted from {names} by `brownout new --elf`. Every line says where it comes from."]
    found += [f"TO FILL IN: {each}." for each in missing]
    if trial is not None:
        found.append(f"Booted as it is: {trial.words}")
    if guesses:
        found.append(f"Guessed, so look at it: {'; '.join(guesses)}.")
    return tuple(found)


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())


def _writer(scratch: Path, extracted: tuple[tuple[Path, bytes], ...]) -> Callable[[Draft], Path]:
    """Writes a draft where nobody looks, so that it can be loaded as a user's is."""
    for path, content in extracted:
        (scratch / path.name).write_bytes(content)
    inside = {path: str(scratch / path.name) for path, _ in extracted}

    def write(draft: Draft) -> Path:
        target = scratch / BOARD_FILE
        target.write_text(draft.text(lambda path: inside.get(path) or str(path.resolve())), encoding="utf-8")
        return target

    return write
