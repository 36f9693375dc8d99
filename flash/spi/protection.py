"""Which addresses a serial part refuses to program and erase, from the bits of its registers.

Pure: named bits and a size in, ranges [start, end) out. One row of ``SCHEMES`` per register layout. Behind them all
lies one rule (flashrom writeprotect_ranges.c): BP = n protects ``2 ** (n - 1)`` blocks from the top, or from the
bottom where TB is set; a block is 64 KiB, or more on an array so large that the largest but one n must reach one half.

Parts with locks of their own for every sector or block keep one byte per *lock region*; `lock_regions` says which
addresses each stands for. Neighbours: `registers` names the bits, `register_file` asks. Knows no time and no command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Bits = Mapping[str, int]
Range = tuple[int, int]

KIB = 1024
BLOCK = 64 * KIB
READ_LOCK, WRITE_LOCK = 2, 1


def block_range(size: int, level: int, top_level: int, *, bottom: bool) -> Range:
    """What BP = ``level`` of 0 to ``top_level`` protects; (0, 0): nothing. All ones: everything."""
    if level == 0:
        return (0, 0)
    if level == top_level:
        return (0, size)
    steps = 1 << (top_level - 2)
    block = max(BLOCK, size // 2 // steps)
    return _placed(size, min(size, block << (level - 1)), bottom)


def sector_range(size: int, level: int, *, bottom: bool) -> Range:
    """The same with SEC set: 4, 8, 16, then 32 KiB; BP = 7 is everything."""
    if level in (0, 7):
        return (0, size if level else 0)
    return _placed(size, min(4 * KIB << (level - 1), 32 * KIB), bottom)


def complement(size: int, protected: Range) -> Range:
    """What CMP = 1 makes of a range that touches one end of the array, of all of it, or of nothing."""
    start, end = protected
    if start == end:
        return (0, size)
    if start:
        return (0, start)
    return (end, size) if end < size else (0, 0)


def _placed(size: int, length: int, bottom: bool) -> Range:
    return (0, length) if bottom else (size - length, size)


def _level(bits: Bits, *names: str) -> int:
    """BP0, BP1 ... as a number."""
    return sum(bits[name] << place for place, name in enumerate(names))


def _winbond(bits: Bits, size: int) -> Range:
    level, bottom = _level(bits, "BP0", "BP1", "BP2"), bool(bits["TB"])
    protected = sector_range(size, level, bottom=bottom) if bits["SEC"] else block_range(size, level, 7, bottom=bottom)
    return complement(size, protected) if bits.get("CMP") else protected


def _winbond_bp4(bits: Bits, size: int) -> Range:
    protected = block_range(size, _level(bits, "BP0", "BP1", "BP2", "BP3"), 15, bottom=bool(bits["TB"]))
    return complement(size, protected) if bits["CMP"] else protected


def _gigadevice(bits: Bits, size: int) -> Range:
    return _winbond({**bits, "SEC": bits["BP4"], "TB": bits["BP3"]}, size)


def _four_bits(bits: Bits, size: int) -> Range:
    """Macronix (TB is one-time, in the configuration register), ISSI (in the function register), Micron."""
    return block_range(size, _level(bits, "BP0", "BP1", "BP2", "BP3"), 15, bottom=bool(bits["TB"]))


def _spansion(bits: Bits, size: int) -> Range:
    return block_range(size, _level(bits, "BP0", "BP1", "BP2"), 7, bottom=bool(bits["TB"]))


def _none(bits: Bits, size: int) -> Range:
    """Locks of their own only."""
    return (0, 0)


SCHEMES: dict[str, Callable[[Bits, int], Range]] = {
    "winbond": _winbond,
    "winbond-bp4": _winbond_bp4,
    "gigadevice": _gigadevice,
    "macronix": _four_bits,
    "macronix-r": _four_bits,
    "issi": _four_bits,
    "micron": _four_bits,
    "spansion": _spansion,
    "sst26": _none,
    "at25df": _none,
    "at25ff": _winbond,
}
"""Layout to protected range. Winbond and flashrom's generic rule are sourced; TB of ISSI, Micron and AT25FF, and that
GigaDevice keeps to Winbond's table on every size, are recalled."""


def lock_regions(layout: str, size: int) -> tuple[Range, ...]:
    """One range per individual lock, in the order the part numbers them.

    SST26: the order of the block-protection register from its top bit down: 8 KiB blocks from the top end, those from
    the bottom end downwards, two 32 KiB blocks, then 64 KiB blocks downwards (organisation: Linux spi-nor sst.c; bit
    order recalled). AT25DF: 64 KiB sectors (a design choice: the smaller ones at the top of some parts are not known).
    Others: 4 KiB sectors in the first and the last 64 KiB, 64 KiB blocks between (Winbond).
    """
    if layout == "sst26":
        small = 8 * KIB
        top = [(size - n * small, size - (n - 1) * small) for n in range(1, 5)]
        low = [(n * small, (n + 1) * small) for n in (3, 2, 1, 0)]
        half = [(size - BLOCK, size - BLOCK // 2), (BLOCK // 2, BLOCK)]
        return (*top, *low, *half, *((at, at + BLOCK) for at in range(size - 2 * BLOCK, 0, -BLOCK)))
    if layout == "at25df":
        return tuple((at, at + BLOCK) for at in range(0, size, BLOCK))
    step = 4 * KIB
    first = [(at, at + step) for at in range(0, BLOCK, step)]
    last = [(at, at + step) for at in range(size - BLOCK, size, step)]
    return (*first, *((at, at + BLOCK) for at in range(BLOCK, size - BLOCK, BLOCK)), *last)


def is_locked(regions: tuple[Range, ...], locks: bytes, address: int, length: int, kind: int = WRITE_LOCK) -> bool:
    """Whether any lock of that kind stands on [address, address + length)."""
    if not any(value & kind and value in locks for value in range(READ_LOCK | WRITE_LOCK, 0, -1)):
        return False  # no region has such a lock: most parts, most of the time
    end = address + length
    return any(lock & kind and low < end and address < high for (low, high), lock in zip(regions, locks, strict=True))


def is_protected(protected: Range, address: int, length: int) -> bool:
    start, end = protected
    return start < address + length and address < end


def pack_locks(locks: bytes) -> bytes:
    """The block-protection register of an SST26 part, as 72h sends it: most significant byte first.

    The eight 8 KiB blocks have a read lock and a write lock each, the others a write lock.
    """
    bits = [flag for lock in locks[:8] for flag in (lock >> 1 & 1, lock & 1)] + [lock & 1 for lock in locks[8:]]
    number = int("".join(map(str, bits)), 2)
    length = -(-len(bits) // 8)
    return (number << (length * 8 - len(bits))).to_bytes(length, "big")


def unpack_locks(packed: bytes, count: int) -> bytes:
    """The locks of ``count`` regions from a block-protection register."""
    bits = f"{int.from_bytes(packed, 'big'):0{len(packed) * 8}b}"
    small = [int(bits[at : at + 2], 2) for at in range(0, 16, 2)]
    return bytes(small + [int(flag) for flag in bits[16 : 16 + count - 8]])
