"""A bundled chip held against what files say: why it cannot be, or how well it fits and why.

Neighbours: `evidence` has what the files say; `tryout` adds what came of running them. Reads no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from emu.cpu.chip import Chip, bundled_chip, chip_names
from emu.elf.survey.attributes import CORES
from emu.elf.survey.evidence import Evidence
from emu.elf.survey.vectors import VectorTable, table_at
from flash.part import bundled_part

_KEY_REGISTERS = {
    "stm32f1": 0x04, "stm32f4": 0x04, "stm32h5": 0x04, "stm32l4": 0x08, "stm32g071": 0x08, "stm32g0b1": 0x08,
    "stm32l0": 0x0C, "nrf52840": 0x504,
}  # fmt: skip
"""Of a flash controller: where code begins that wants to write, as an offset."""
_BITS = range(0x4200_0000, 0x4400_0000)
"""Where a core with bit-banding has each bit of its first MiB of registers as a word (ARMv7-M, B3.1)."""
_SHOWN = 4


@dataclass(frozen=True)
class Candidate:
    """``refusal``: why it cannot be this chip; "" where it can. ``score`` adds up; ``reasons`` for it, ``doubts``
    against it, each a piece of a sentence. ``tried``: what came of running the files on it, "" if nobody did."""

    chip: Chip
    refusal: str = ""
    score: int = 0
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    tried: str = ""

    def with_reason(self, points: int, reason: str) -> Candidate:
        """``reason`` for or against, as ``points`` say."""
        if points > 0:
            return replace(self, score=self.score + points, reasons=(*self.reasons, reason))
        return replace(self, score=self.score + points, doubts=(*self.doubts, reason))


def candidates(evidence: Evidence) -> list[Candidate]:
    """Every bundled chip, the best first; those that cannot be last."""
    found = [_judged(bundled_chip(name), evidence) for name in chip_names()]
    return sorted(found, key=lambda each: (bool(each.refusal), -each.score))


def equal_best(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Those at the head of ``ranked`` that nothing tells apart."""
    return list(takewhile(lambda each: not each.refusal and each.score == ranked[0].score, ranked))


def boot_table(chip: Chip, evidence: Evidence) -> VectorTable | None:
    """The vectors this chip boots from, if a file has some there."""
    for segment in evidence.segments:
        for base in bases(chip):
            at = chip.boot - chip.flash.address + base - segment.address
            if 0 <= at < len(segment.data):
                return table_at(segment.data, at, segment.address)
    return None


def bases(chip: Chip) -> tuple[int, ...]:
    return (chip.flash.address, *chip.flash.aliases)


def named_chip(name: str, evidence: Evidence) -> Candidate:
    """The chip the user has named, held against the same evidence. Raises BoardError for one that is not bundled."""
    return _judged(bundled_chip(name), evidence)


def _judged(chip: Chip, evidence: Evidence) -> Candidate:
    refusal = _refusal(chip, evidence)
    if refusal:
        return Candidate(chip, refusal)
    table = boot_table(chip, evidence)
    assert table is not None, "a chip without its vectors was refused: please report"
    found = _memory(Candidate(chip), table)
    if evidence.core == chip.core:
        found = found.with_reason(3, evidence.core_words)
    elif evidence.core and CORES.index(chip.core) - CORES.index(evidence.core) > 1:
        found = found.with_reason(-1, f"{evidence.core_words}, and this is a {chip.core}")
    if evidence.interrupts == chip.interrupts:
        found = found.with_reason(3, f"its vector table has the {chip.interrupts} interrupts of the chip")
    elif evidence.interrupts > chip.interrupts:
        found = found.with_reason(
            -4, f"its vector table has {evidence.interrupts} interrupts, the chip {chip.interrupts}"
        )
    token = _short_name(chip)
    named = next((file.name for file in evidence.all if token in file.name.lower()), "")
    if named:
        found = found.with_reason(1, f"{named} is called so")
    return _registers(found, evidence)


def _short_name(chip: Chip) -> str:
    """What people call it in file names: f411, l476, nrf52840."""
    name = chip.name.lower()
    return name.removeprefix("stm32")[:4] if name.startswith("stm32") else name


def _refusal(chip: Chip, evidence: Evidence) -> str:
    size = bundled_part(chip.flash.part).size
    outside = [s for s in evidence.segments if not any(b <= s.address and s.end <= b + size for b in bases(chip))]
    if outside:
        flash = f"[{chip.flash.address:#x}, {chip.flash.address + size:#x})"
        return f"[{outside[0].address:#x}, {outside[0].end:#x}) is not in its flash, {flash}"
    table = boot_table(chip, evidence)
    if table is None:
        return f"no file has a vector table at {chip.boot:#x}, where it boots"
    if not any(b < table.stack <= b + ram.size for ram in chip.ram for b in (ram.address, *ram.aliases)):
        return f"the stack pointer {table.stack:#010x} is not in its RAM"
    needed = evidence.core
    if needed == "cortex-m33" and chip.core != needed:
        return f"{evidence.core_words}, and it is a {chip.core}"
    if needed and CORES.index(chip.core) < CORES.index(needed) and (chip.core, needed) != ("cortex-m0", "cortex-m0+"):
        return f"{evidence.core_words}, and it is a {chip.core}"
    if not needed and evidence.is_thumb2 and chip.core in ("cortex-m0", "cortex-m0+"):
        return f"the code has instructions that a {chip.core} has not"
    return ""


def _memory(found: Candidate, table: VectorTable) -> Candidate:
    for ram in found.chip.ram:
        if any(table.stack == base + ram.size for base in (ram.address, *ram.aliases)):
            return found.with_reason(3, f"the stack begins at the end of its {ram.name}, {table.stack:#010x}")
    return found.with_reason(1, f"the stack pointer {table.stack:#010x} is in its RAM")


def _registers(found: Candidate, evidence: Evidence) -> Candidate:
    """Registers that code touches: those of the flash controller tell most."""
    chip, entry = found.chip, found.chip.flash
    touched = {_register(chip, at) for at in evidence.touched}
    controller = [at for at in touched if entry.registers <= at < entry.registers + entry.registers_size]
    key = _KEY_REGISTERS.get(entry.controller)
    if key is not None and entry.registers + key in controller:
        found = found.with_reason(4, f"code touches its flash controller at {entry.registers + key:#010x}")
    elif controller and key is not None:
        found = found.with_reason(-3, f"code touches {min(controller):#010x}, and never unlocks flash where it does")
    elif touched and not controller:
        found = found.with_reason(-1, f"no code touches its flash controller at {entry.registers:#010x}")
    names, unknown = set(), []
    for at in sorted(touched.difference(controller)):
        name = next((each.name for each in chip.peripheral if each.address <= at < each.address + each.size), "")
        names.add(name)
        if not name:
            unknown.append(at)
    names.discard("")
    pages = [at >> 12 for at in unknown]
    unknown = [at for at in unknown if pages.count(at >> 12) > 1]  # a lone one is as likely data taken for code
    if names:
        found = found.with_reason(len(names), f"code touches its {', '.join(sorted(names))}")
    if unknown:
        shown = ", ".join(f"{at:#010x}" for at in unknown[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        found = found.with_reason(-min(6, len({at >> 10 for at in unknown})), f"it has nothing at {shown}{more}")
    return found


def _register(chip: Chip, at: int) -> int:
    """The register an address stands for on this chip: its own, or the one whose bit it is."""
    return 0x4000_0000 + (at - _BITS.start) // 32 // 4 * 4 if chip.bit_band and at in _BITS else at
