"""Memories beside the chip, as a board for an ELF names them: which part, on which bus, and what lies in them.

Neighbours: `document` has the keys, `board` reads them here, `emu.cpu.external` says whether one can hang there. What
lies in such a memory is placed by its own addresses, from 0 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from emu.cpu.chip import Chip
from emu.cpu.wiring import MemoryEntry, check_memory
from emu.elf.document import ElfBoardFile, MemoryTable
from emu.elf.placed import Placed
from emu.errors import BoardError
from flash.errors import PartError
from flash.part import Part, bundled_part, load_part
from flash.tomlfile import nearest

_RESERVED = ("flash",)
"""What reports call the chip's own: a memory of that name could not be told from it."""


def memories_of(document: ElfBoardFile, folder: Path, chip: Chip, where: str) -> tuple[MemoryEntry, ...]:
    """Raises BoardError, one line, for one that cannot be."""
    made: list[MemoryEntry] = []
    for table in document.memory:
        what = f"{where}: [[memory]] {table.name!r}"
        if table.name in [each.name for each in made] or table.name.startswith(_RESERVED):
            raise BoardError(
                f"{what}: each needs a name of its own, and none that begins with {_RESERVED[0]!r}, as the chip's own "
                "does"
            )
        entry = MemoryEntry(
            table.name, _part(table, folder, what), table.bus, table.select, table.address, table.write_protect
        )
        try:
            check_memory(chip, entry)
        except BoardError as wrong:
            raise BoardError(f"{what}: {wrong}") from None
        twin = next((each for each in made if _collide(each, entry)), None)
        if twin is not None:
            raise BoardError(f"{what}: {twin.name!r} answers there already; give each a pin or an address of its own")
        made.append(entry)
    for label, name in _named(document):
        if name and name not in [each.name for each in made]:
            known = [each.name for each in made]
            raise BoardError(
                f"{where}: {label}: memory {name!r} is no [[memory]] of this board; it has "
                f"{', '.join(known) or 'none'}{nearest(name, known)}"
            )
    return tuple(made)


def _part(table: MemoryTable, folder: Path, what: str) -> Part:
    if bool(table.part) == bool(table.part_file):
        raise BoardError(f"{what}: give part or part_file, one of them")
    try:
        return bundled_part(table.part) if table.part else load_part(folder / table.part_file)
    except PartError as wrong:
        raise BoardError(f"{what}: {wrong}") from None


def _collide(one: MemoryEntry, other: MemoryEntry) -> bool:
    if one.is_serial != other.is_serial or (one.bus != other.bus and not one.is_serial):
        return False
    if one.is_serial:
        return one.select == other.select
    return not set(one.addresses).isdisjoint(other.addresses)


def _named(document: ElfBoardFile) -> Iterable[tuple[str, str]]:
    yield from ((f"[[file]] {each.path}", each.memory) for each in document.file)
    yield from ((f"[[staged]] {each.path}", each.memory) for each in document.staged)
    yield from ((f"[[slot]] {each.name!r}", each.memory) for each in document.slot)
    yield from ((f"[[window]] {each.name!r}", each.memory) for each in document.window)
    yield from ((f"[[counter]] at {each.address:#x}", each.memory) for each in document.counter)


def check_memories(
    document: ElfBoardFile, memories: Sequence[MemoryEntry], placed: Sequence[Placed], where: str
) -> None:
    """Everything has to lie in the memory it names. Raises BoardError."""
    sizes = {each.name: each.part.size for each in memories}
    spans = [(f"file {each.source}", each.memory, each.address, len(each.data)) for each in placed]
    spans += [(f"slot {each.name!r}", each.memory, each.address, each.size) for each in document.slot]
    spans += [(f"window {each.name!r}", each.memory, each.address, each.size) for each in document.window]
    spans += [(what, each.memory, at, size) for each in document.counter for what, at, size in each.pieces]
    for what, name, address, size in spans:
        if name and address + size > sizes[name]:
            raise BoardError(
                f"{where}: {what}: [{address:#x}, {address + size:#x}) is not in memory {name!r}, "
                f"[0x0, {sizes[name]:#x}); its addresses count from 0"
            )
