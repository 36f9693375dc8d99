"""Worn sectors: from its N-th erase on, bits of one sector do not follow an erase, or do not follow a program.

Nothing reports it: an updater has to look at what it wrote. So an update is announced only when its slot holds it; the
old image survives; and where a boot config cannot be written any more, the device still runs one of the two images.

A sector that fails from its N-th erase on is one that fails from the boot in which the uncut update erases it for the
N-th time: the device starts there. (Two erases in one boot cannot be told apart like that: the later one is left out.)
The life on the worn sector is then cut at every operation, once, clean and with tears T1-coarse.

Neighbours: `flash.defects` is the sector; `explore` cuts. Sectors of a filesystem are left out: littlefs looks after
them itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from emu.campaign.config_watch import content_of
from emu.campaign.faults.fault import Fault, no_such
from emu.campaign.faults.kind import COARSE, FaultKind
from emu.campaign.faults.specimen import VariedRig
from emu.campaign.judge import Chain, State
from emu.events import NEW, STAGED
from emu.rig import Place
from emu.words import counted
from flash.defects import Defects, Stuck
from flash.draws import mix, uniforms
from flash.journal import Event, Operation

MAX_SECTORS = 6
"""Sectors of one partition that are tried: the first, the last, and what lies evenly between."""
WEAR_SEED = 0x57454152
MANY_SHARE = 1 / 64
"""Of the bits of a sector that are stuck where many are: a design choice, no source has a figure."""
_STUCK: Mapping[str, Stuck] = {"erase": "programmed", "program": "erased"}
_COUNTS = ("one", "many")


@dataclass(frozen=True, slots=True)
class WornSector:
    """A sector that the uncut update erases: for the ``nth`` time, in boot ``boot``."""

    name: str
    place: Place
    offset: int
    size: int
    nth: int
    boot: int


class WearFaults(FaultKind):
    name = "wear"
    help = "sectors that fail from an erase on: bits stay programmed, or stay erased"
    check = "notices"
    promise = "an update is announced only when its slot holds it, byte for byte"
    attempts = 2

    # -- the faults ----------------------------------------------------------------------------------------

    def faults(self) -> Iterator[Fault]:
        for sector in self._chosen:
            for fails in _STUCK:
                for count in _COUNTS:
                    how = f"from-{sector.nth}-{fails}-{count}"
                    fault = Fault(self.name, sector.name, how, sector.offset)
                    if self._bits(sector, fails, count):
                        yield fault

    @property
    def _named_places(self) -> list[tuple[str, Place, int]]:
        """The partitions whose sectors wear, by name, with the bytes of each that do."""
        specimen, places = self.specimen, self.specimen.rig.places
        configs = zip(specimen.config_names, places.configs, strict=True)
        slots = zip(specimen.slot_names, places.slots, strict=True)
        return [(name, place, place.size) for name, place in configs] + [
            (name, place, place.size - places.fs_size) for name, place in slots
        ]

    @cached_property
    def _sectors(self) -> list[WornSector]:
        """Every sector the uncut update erases, by erase, as far as it can be told apart from the one before."""
        rig, named = self.specimen.rig, self._named_places
        erased: dict[tuple[str, int], int] = {}
        found: dict[tuple[str, int, int], WornSector] = {}
        for boot, judged in enumerate(self.ground.golden.sessions):
            for entry in judged.run.entries:
                if not isinstance(entry, Operation) or entry.kind != "erase":
                    continue
                chip = rig.chip_names.index(entry.device)
                for sector in rig.parts[chip].geometry.sectors_in(entry.address, entry.length):
                    for name, place, used in named:
                        offset = sector.address - place.address
                        if place.chip != chip or not 0 <= offset < used:
                            continue
                        nth = erased[name, offset] = erased.get((name, offset), 0) + 1
                        found.setdefault((name, offset, boot), WornSector(name, place, offset, sector.size, nth, boot))
        return list(found.values())

    @cached_property
    def _chosen(self) -> list[WornSector]:
        chosen: list[WornSector] = []
        for name in dict.fromkeys(sector.name for sector in self._sectors):
            mine = [sector for sector in self._sectors if sector.name == name]
            offsets = sorted({sector.offset for sector in mine})
            last = len(offsets) - 1
            kept = {offsets[n * last // (MAX_SECTORS - 1)] for n in range(MAX_SECTORS)}
            chosen += [sector for sector in mine if sector.offset in kept]
        return chosen

    @property
    def notes(self) -> tuple[str, ...]:
        here, there = len({(s.name, s.offset) for s in self._chosen}), len({(s.name, s.offset) for s in self._sectors})
        cut = f"each life cut once, with tears {COARSE.name}"
        return (f"wear: {here} of the {there} sectors the update erases were worn, {cut}",)

    def is_cut(self, fault: Fault) -> bool:
        return True

    def _bits(self, sector: WornSector, fails: str, count: str) -> tuple[tuple[int, int], ...]:
        """The bits that are stuck: one that the update needs otherwise, or many of the sector."""
        seed = mix(WEAR_SEED, self.ground.options.tears.seed, sector.place.address + sector.offset, sector.nth)
        base = sector.place.address + sector.offset
        if count == "many":
            bits = [n for n, share in enumerate(uniforms(seed, 0, 8 * sector.size)) if share < MANY_SHARE]
        else:
            needed = self._needed(sector, fails)
            bits = [needed[seed % len(needed)]] if needed else []
        masks: dict[int, int] = {}
        for bit in bits:
            masks[base + bit // 8] = masks.get(base + bit // 8, 0) | 1 << bit % 8
        return tuple(sorted(masks.items()))

    def _needed(self, sector: WornSector, fails: str) -> list[int]:
        """Bits of the sector that matter: among the bytes that the boot programs, those it leaves erased where erases
        fail, those it programs where programs do."""
        rig, session = self.specimen.rig, self.ground.golden.sessions[sector.boot].session
        place = replace(sector.place, address=sector.place.address + sector.offset, size=sector.size)
        content, _ = content_of(session.end, rig, place, sector.size)
        erased = rig.parts[place.chip].erased
        used: set[int] = set()
        for entry in session.run.entries:
            if isinstance(entry, Operation) and entry.kind == "program" and entry.device == rig.chip_names[place.chip]:
                low, high = (
                    max(entry.address, place.address),
                    min(entry.address + entry.length, place.address + place.size),
                )
                used.update(range(low - place.address, high - place.address))
        wanted = 0 if fails == "erase" else 1
        return [8 * at + n for at in sorted(used) for n in range(8) if (content[at] ^ erased) >> n & 1 == wanted]

    def told(self, fault: Fault) -> str:
        sector, fails, count = self._named(fault)
        bits = sum(mask.bit_count() for _, mask in self._bits(sector, fails, count))
        where = f"in the sector at {sector.offset:#x} of {sector.name}, from its erase {sector.nth} on"
        deaf, left = ("erases", "programmed") if fails == "erase" else ("programs", "erased")
        return f"{where} (boot {sector.boot}), {deaf} leave {counted(bits, 'bit')} {left}"

    # -- the rig -------------------------------------------------------------------------------------------

    def rig(self, fault: Fault) -> VariedRig:
        sector, fails, count = self._named(fault)
        chip = self.specimen.rig.chip_names[sector.place.chip]
        defects = Defects(_STUCK[fails], self._bits(sector, fails, count))
        return self.specimen.varied(start=self.ground.resting(sector.boot), defects={chip: defects})

    def _named(self, fault: Fault) -> tuple[WornSector, str, str]:
        """What a name means. Raises TokenError where there is no such sector."""
        words = fault.how.split("-")
        for sector in self._sectors:
            is_here = (sector.name, sector.offset) == (fault.place, fault.offset)
            if not is_here or words[:2] != ["from", str(sector.nth)] or len(words) != 4:
                continue
            if words[2] in _STUCK and words[3] in _COUNTS:
                return sector, words[2], words[3]
        there = dict.fromkeys(f"{s.name}+{s.offset:#x}.from-{s.nth}" for s in self._sectors[:8])
        raise no_such(fault, f"the update wears {', '.join(there)}, each with erase or program, one or many")

    # -- what follows --------------------------------------------------------------------------------------

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        return {
            "retries": "on a worn sector no update may ever succeed again",
            "legal-flash": "what silicon ignores on a worn sector is the sector's doing",
        }

    def amended(self, fault: Fault, state: State, chain: Chain) -> Chain:
        for judged in chain.sessions:
            staged = any(isinstance(e, Event) and e.name == STAGED for e in judged.run.entries)
            if staged and NEW not in self.specimen.images_in(judged.session.end):
                return self.broken(chain, "the update is announced, and no slot holds it")
        return self.broken(chain)

    def word(self, chain: Chain) -> str:
        return str(chain.outcome)
