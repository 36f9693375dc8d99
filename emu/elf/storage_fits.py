"""Whether what a board says of a storage can be right: it says enough for something to be compared, and an oracle has
flash to look at.

Neighbours: `fits` asks, for a board with [storage]. Reads no file.
"""

from __future__ import annotations

from emu.elf.document import ORACLES, ElfBoardFile, StorageEntry, texts
from emu.elf.phrases import KINDS, Phrases
from emu.errors import BoardError
from emu.events import NEW, OLD


def check_storage(document: ElfBoardFile, where: str) -> None:
    """Raises BoardError: one line with the key and what to do."""
    names = [window.name for window in document.window]
    if names and len({*names, *(slot.name for slot in document.slot)}) != len(names) + len(document.slot):
        raise BoardError(f"{where}: two [[window]] or [[slot]] share a name; give each one of its own")
    storage = document.storage
    if storage is None:
        if names:
            raise BoardError(f"{where}: [[window]] {names[0]!r}: nobody looks at it; add [storage], with an oracle")
        return
    try:
        Phrases(storage)
    except BoardError as wrong:
        raise BoardError(f"{where}: {wrong}") from None
    _check_enough(storage, where)
    asked = next((key for key in ORACLES if texts(getattr(storage, key))), "")
    if asked and not names:
        raise BoardError(
            f"{where}: storage.{asked} has nothing to look at; add a [[window]] with the flash the storage stands in"
        )


def check_nothing_updated(document: ElfBoardFile, where: str) -> None:
    """A board without images has nothing that only an update needs. Raises BoardError."""
    if document.storage is None:
        raise BoardError(
            f"{where}: what is to be tried? For an update [[slot]], [[image]] and [[staged]] are missing; for firmware "
            "that keeps values, [storage]"
        )
    alone = {
        "[[slot]]": document.slot,
        "[[staged]]": document.staged,
        "[commit]": document.commit,
        "[update]": document.update,
    }
    for key, given in alone.items():
        if given:
            raise BoardError(
                f"{where}: {key} belongs to an update, and there is no [[image]]; add one, or leave it out"
            )
    if document.accept != (OLD, NEW):
        raise BoardError(f"{where}: accept is about images, and there is no [[image]]; leave it out")


def _check_enough(storage: StorageEntry, where: str) -> None:
    said = {kind for kind in KINDS if texts(getattr(storage, kind))}
    has_oracle = any(texts(getattr(storage, key)) for key in ORACLES)
    if not said and not has_oracle:
        raise BoardError(
            f"{where}: [storage] says nothing: give storing, stored and read, as the firmware says it, or an oracle"
        )
    if said and "storing" not in said:
        raise BoardError(
            f"{where}: storage.{sorted(said)[0]} without storing: cut while it is written, a value may be the old or "
            "the new one, and nobody would know of the new one; give what the firmware says before it writes"
        )
    if said and "read" not in said and not has_oracle:
        raise BoardError(
            f"{where}: storage: nothing is compared: give read, what the firmware says when it reads back, or an "
            "oracle that looks at flash"
        )
    if said == {"storing"}:
        raise BoardError(f"{where}: storage.storing alone owes nothing: give stored or read as well")
