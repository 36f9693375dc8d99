"""Whether a board for an ELF can be right: everything lies in flash, slots stand on erase boundaries, the core finds a
vector table. Each refusal says what was seen and what to change.

Neighbours: `board` asks before it hands a board on. Reads no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from emu.cpu.chip import Chip
from emu.elf.document import WAITING, ElfBoardFile, SlotEntry
from emu.elf.placed import Placed
from emu.elf.storage_fits import check_nothing_updated, check_storage
from emu.errors import BoardError
from emu.events import OLD
from flash.part import Part, bundled_part

SP_ALIGNMENT = 4


def check_document(document: ElfBoardFile, images: dict[str, bytes], where: str) -> None:
    check_storage(document, where)
    _check_limits(document, where)
    if not document.image:
        check_nothing_updated(document, where)
        return
    if OLD not in images:
        raise BoardError(f"{where}: [[image]]: one has to be called {OLD!r}: the image the factory shipped")
    for name in document.accept:
        if name == WAITING and document.update is None:
            raise BoardError(f"{where}: accept: {WAITING!r}: without an [update] the bootloader waits for ever")
        if name not in (*images, WAITING):
            raise BoardError(f"{where}: accept: {name!r} is no [[image]]; known: {', '.join(images)}")
    if not document.staged and document.update is None:
        raise BoardError(
            f"{where}: no [[staged]] and no [update]: without an update that waits in flash, or comes over a UART, "
            "there is nothing to cut"
        )
    if not document.slot:
        raise BoardError(f"{where}: no [[slot]]: say where applications run")
    if not document.running_slots:
        raise BoardError(f"{where}: every [[slot]] is in a memory beside the chip; one has to be where the core runs")
    names = [slot.name for slot in document.slot]
    if len(set(names)) != len(names):
        raise BoardError(f"{where}: two [[slot]] share a name; give each one of its own")
    largest = max(document.running_slots, key=lambda slot: slot.size)
    for image in document.image:
        name, data, offset = image.name, images[image.name], image.offset
        for start, end in image.ignore:
            if not start < end <= largest.size:
                raise BoardError(
                    f"{where}: [[image]] {name!r}: ignore: [{start:#x}, {end:#x}] is no range of a slot; give offsets "
                    f"in the slot, the first below the second, up to {largest.size:#x}"
                )
        if offset and offset + len(data) > largest.size >= len(data):
            raise BoardError(
                f"{where}: [[image]] {name!r}: {len(data):,} bytes behind {offset:#x} end behind the largest slot, "
                f"{largest.name!r}, {largest.size:,} bytes; a file that has its header in it needs no offset"
            )
        if len(data) > largest.size:
            raise BoardError(
                f"{where}: [[image]] {name!r} has {len(data):,} bytes and the largest slot, {largest.name!r}, "
                f"{largest.size:,}; give the slot its real size, or an image that fits"
            )
    for one, other in combinations(document.slot, 2):
        if (
            one.memory == other.memory
            and one.address < other.address + other.size
            and other.address < one.address + one.size
        ):
            raise BoardError(f"{where}: slots {one.name!r} and {other.name!r} overlap; give each its own addresses")


def _check_limits(document: ElfBoardFile, where: str) -> None:
    """A session has to be long enough for an image to show that it stays up."""
    limits, stays_s = document.limits, document.alive.stays_s
    over_s = round(limits.confirm_times * limits.session_s, 6)
    if over_s <= stays_s:
        raise BoardError(
            f"{where}: [limits]: a session is over after {over_s:g} s, confirm_times "
            f"of session_s, and an image works when it has run on for alive.stays_s, {stays_s:g} s; give a longer "
            "session_s, with the time of a boot besides"
        )


def check_places(
    document: ElfBoardFile, chip: Chip, files: tuple[Placed, ...], staged: tuple[Placed, ...],
    images: dict[str, bytes], where: str,
) -> None:  # fmt: skip
    """Everything has to lie in the flash of the chip, and the factory has to leave a vector table."""
    part = bundled_part(chip.flash.part)
    bases = (chip.flash.address, *chip.flash.aliases)

    inside = {each.source for each in files if any(b <= each.address < b + part.size for b in bases)}

    def offset(what: str, address: int, size: int, source: str = "") -> int:
        for base in bases:
            if base <= address and address + size <= base + part.size:
                return address - base
        if source in inside:
            raise BoardError(
                f"{where}: {what}: [{address:#x}, {address + size:#x}) is beside the flash of {chip.name}, "
                f"[{bases[0]:#x}, {bases[0] + part.size:#x}), and in no row of option bytes or UICR that it has; keep "
                "the rest with `brownout flash cut`"
            )
        raise BoardError(
            f"{where}: {what}: [{address:#x}, {address + size:#x}) is not in the flash of {chip.name}, "
            f"[{bases[0]:#x}, {bases[0] + part.size:#x}); name the chip it is linked for, or its right address"
        )

    slots = []
    for slot in document.running_slots:
        at = offset(f"slot {slot.name!r}", slot.address, slot.size)
        _check_boundaries(slot, at, part, chip, where)
        slots.append((at, slot))
    content = [(offset(f"file {each.source}", each.address, len(each.data), each.source), each) for each in files]
    for (at, one), (then, other) in combinations(content, 2):
        if at < then + len(other.data) and then < at + len(one.data):
            raise BoardError(
                f"{where}: [[file]] {one.source} and {other.source} both have bytes at {bases[0] + max(at, then):#x}; "
                "leave out the one that the other holds already, or give a raw binary its own address"
            )
    loader = _check_vectors(content, chip, bases, where)
    _check_counters(document, offset, where)
    for window in (each for each in document.window if not each.memory):
        offset(f"window {window.name!r}", window.address, window.size)
    for each in staged:
        at = offset(f"staged {each.source}", each.address, len(each.data))
        _check_staged(each, at, slots, loader, where)


def _check_counters(document: ElfBoardFile, offset: Callable[[str, int, int], int], where: str) -> None:
    places: dict[str, str] = {}
    for counter in document.counter:
        if places.setdefault(counter.group, counter.memory) != counter.memory:
            raise BoardError(
                f"{where}: counter at {counter.address:#x}: numbers that are compared with each other are in one "
                "memory; give those of each a group of its own"
            )
        crc = counter.crc32
        if crc is not None and not crc.start <= counter.address < counter.address + counter.size <= crc.end:
            raise BoardError(
                f"{where}: counter at {counter.address:#x}: crc32 covers [{crc.start:#x}, {crc.end:#x}), where it does "
                "not stand; give the range that the checksum is made of"
            )
        for what, address, size in () if counter.memory else counter.pieces:
            offset(what, address, size)


def _check_boundaries(slot: SlotEntry, at: int, part: Part, chip: Chip, where: str) -> None:
    """A slot is erased: it begins and ends where erase units do."""
    base = slot.address - at
    for word, edge in (("begins", at), ("ends", at + slot.size)):
        if edge == part.size:
            continue
        sector = part.geometry.sector_at(edge)
        if sector.address != edge:
            raise BoardError(
                f"{where}: slot {slot.name!r} {word} at {base + edge:#x}, inside an erase unit of {chip.name}, "
                f"[{base + sector.address:#x}, {base + sector.end:#x}); let it {word.rstrip('s')} at one of these, or "
                "name the chip the firmware is for"
            )


def _check_staged(
    staged: Placed, at: int, slots: Sequence[tuple[int, SlotEntry]], loader: tuple[int, Placed], where: str
) -> None:
    for start, slot in slots:
        room = start + slot.size - at
        if start <= at < start + slot.size and len(staged.data) > room:
            raise BoardError(
                f"{where}: staged {staged.source}: {len(staged.data):,} bytes at {staged.address:#x} leave slot "
                f"{slot.name!r}, where {room:,} are left; give the slot its real size, or an image that fits"
            )
    start, boot = loader
    if at < start + len(boot.data) and start < at + len(staged.data):
        raise BoardError(
            f"{where}: staged {staged.source}: [{staged.address:#x}, {staged.address + len(staged.data):#x}) lies over "
            f"{boot.source}, the bootloader, [{boot.address:#x}, {boot.address + len(boot.data):#x}); give the address "
            "where the update waits"
        )


def _check_vectors(
    content: Sequence[tuple[int, Placed]], chip: Chip, bases: tuple[int, ...], where: str
) -> tuple[int, Placed]:
    """The piece that holds the vectors the chip boots from, and its offset."""
    boot = next((chip.boot - base for base in bases if base <= chip.boot), 0)
    found = next(((at, each) for at, each in content if at <= boot and boot + 8 <= at + len(each.data)), None)
    if found is None:
        lowest = min(content, key=lambda each: each[0])[1]
        raise BoardError(
            f"{where}: no vector table: {chip.name} boots from {chip.boot:#x} and no [[file]] has bytes there (the "
            f"lowest are at {lowest.address:#x}, of {lowest.source}); add the bootloader's file, or link it for "
            f"{chip.boot:#x}"
        )
    start, holder = found
    stack, entry = (int.from_bytes(holder.data[at : at + 4], "little") for at in (boot - start, boot - start + 4))
    here = f"{where}: {holder.source} is no vector table of {chip.name} at {chip.boot:#x}"
    in_ram = any(base < stack <= base + ram.size for ram in chip.ram for base in (ram.address, *ram.aliases))
    if not in_ram or stack % SP_ALIGNMENT:
        rams = ", ".join(f"[{ram.address:#x}, {ram.address + ram.size:#x})" for ram in chip.ram)
        raise BoardError(
            f"{here}: its first word, the stack pointer, is {stack:#010x}, and no multiple of {SP_ALIGNMENT} in "
            f"RAM, {rams}; name the chip it is linked for, or the file that has the vectors"
        )
    if not entry & 1:
        raise BoardError(
            f"{here}: its second word, the entry, is {entry:#010x}, which is even: vectors have bit 0 set, because a "
            "Cortex-M runs Thumb code alone; build with -mthumb, or declare the handler with .thumb_func"
        )
    return found
