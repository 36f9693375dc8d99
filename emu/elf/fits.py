"""Whether a board for an ELF can be right: everything lies in flash, slots stand on erase boundaries, the core finds a
vector table. Each refusal says what was seen and what to change.

Neighbours: `board` asks before it hands a board on. Reads no file.
"""

from __future__ import annotations

from itertools import combinations

from emu.cpu.chip import Chip
from emu.elf.document import ElfBoardFile
from emu.elf.placed import Placed
from emu.errors import BoardError
from emu.events import OLD
from flash.errors import FlashError
from flash.part import bundled_part

MAX_SP_ALIGNMENT = 4


def check_document(document: ElfBoardFile, images: dict[str, bytes], where: str) -> None:
    if OLD not in images:
        raise BoardError(f"{where}: [[image]]: one has to be called {OLD!r}: the image the factory shipped")
    for name in document.accept:
        if name not in images:
            raise BoardError(f"{where}: accept: {name!r} is no [[image]]; known: {', '.join(images)}")
    if not document.staged:
        raise BoardError(f"{where}: no [[staged]]: without an update that waits in flash there is nothing to cut")
    if not document.running_slots:
        raise BoardError(f"{where}: every [[slot]] is in a memory beside the chip; one has to be where the core runs")
    names = [slot.name for slot in document.slot]
    if len(set(names)) != len(names):
        raise BoardError(f"{where}: two [[slot]] share a name; give each one of its own")
    largest = max(document.running_slots, key=lambda slot: slot.size)
    for name, data in images.items():
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


def check_places(
    document: ElfBoardFile, chip: Chip, files: tuple[Placed, ...], staged: tuple[Placed, ...],
    images: dict[str, bytes], where: str,
) -> None:  # fmt: skip
    """Everything has to lie in the flash of the chip, and the factory has to leave a vector table."""
    part = bundled_part(chip.flash.part)
    bases = (chip.flash.address, *chip.flash.aliases)

    def offset(what: str, address: int, size: int) -> int:
        for base in bases:
            if base <= address and address + size <= base + part.size:
                return address - base
        raise BoardError(
            f"{where}: {what}: [{address:#x}, {address + size:#x}) is not in the flash of {chip.name}, "
            f"[{bases[0]:#x}, {bases[0] + part.size:#x}); name the chip it is linked for, or its right address"
        )

    for slot in document.running_slots:
        try:
            part.geometry.window(offset(f"slot {slot.name!r}", slot.address, slot.size), slot.size)
        except FlashError as wrong:
            raise BoardError(
                f"{where}: slot {slot.name!r}: {wrong} on {chip.name}; is it the right chip? Slots stand on erase "
                "boundaries"
            ) from None
    content = {offset(f"file {each.source}", each.address, len(each.data)): each for each in files}
    for each in staged:
        offset(f"staged {each.source}", each.address, len(each.data))
        for slot in document.running_slots:
            room = slot.address + slot.size - each.address
            if slot.address <= each.address < slot.address + slot.size and len(each.data) > room:
                raise BoardError(
                    f"{where}: staged {each.source}: {len(each.data):,} bytes at {each.address:#x} leave slot "
                    f"{slot.name!r}, where {room:,} are left; give the slot its real size, or an image that fits"
                )
    _check_vectors(content, chip, bases, where)


def _check_vectors(content: dict[int, Placed], chip: Chip, bases: tuple[int, ...], where: str) -> None:
    boot = next((chip.boot - base for base in bases if base <= chip.boot), 0)
    holder = next((each for at, each in content.items() if at <= boot and boot + 8 <= at + len(each.data)), None)
    lowest = min(each.address for each in content.values())
    if holder is None:
        raise BoardError(
            f"{where}: no vector table: {chip.name} boots from {chip.boot:#x} and no [[file]] has bytes there (the "
            f"lowest are at {lowest:#x}); add the bootloader's file, or link it for {chip.boot:#x}"
        )
    start = next(at for at, each in content.items() if each is holder)
    stack, entry = (int.from_bytes(holder.data[at : at + 4], "little") for at in (boot - start, boot - start + 4))
    in_ram = (
        any(base < stack <= base + ram.size for ram in chip.ram for base in (ram.address, *ram.aliases))
        and not stack % MAX_SP_ALIGNMENT
    )
    if not in_ram or not entry & 1:
        rams = ", ".join(f"[{ram.address:#x}, {ram.address + ram.size:#x})" for ram in chip.ram)
        why = f"a stack pointer {stack:#010x} outside RAM, {rams}" if not in_ram else f"an even entry {entry:#010x}"
        raise BoardError(
            f"{where}: {holder.source} is no vector table of {chip.name} at {chip.boot:#x}: {why}; name the chip it is "
            "linked for"
        )
