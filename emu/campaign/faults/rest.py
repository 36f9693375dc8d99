"""Bit errors at rest: between two boots a bit of a boot config, of an image header or of an image has changed.

Every bit of both config copies and of every image header, drawn ones of the images, before each boot of the uncut
update and after all of it. On a part with error correction a granule that is corrected, or that cannot be.

One damaged place is what the design answers to: a copy or an image that does not check is not used. So some whole image
runs wherever one is left, and none that is not whole ever does: `boots` and `whole`. What a record said is lost with
the record: after a bit error in the newest one the device goes back to what the other one says, which may be the image
before. `durable` and `reverts` are therefore not claimed. Filesystems are left alone: nothing covers a file's bytes.

Neighbours: `kind` has the judge. A damaged state is an ordinary state of the plain rig.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from emu.campaign.faults.fault import Fault, no_such
from emu.campaign.faults.kind import COARSE, FaultJudge, FaultKind, Ground
from emu.campaign.faults.specimen import Held, VariedRig
from emu.campaign.faults.staged import is_entered
from emu.campaign.judge import Chain, State
from emu.campaign.monitor import Monitor
from emu.events import HANDOVER, UNKNOWN
from emu.rig import DeviceState, Place
from flash.cells import ECC_CORRECTED, ECC_FAULT, Cells
from flash.draws import mix
from flash.journal import Event

FLIPS = 64
"""Bits of an image that are drawn, besides its first and its last one."""
REST_SEED = 0x52455354
CORRECTED, UNCORRECTABLE = "ecc-corrected", "ecc-fault"
_CODES = {CORRECTED: ECC_CORRECTED, UNCORRECTABLE: ECC_FAULT}
_TOLD = {CORRECTED: "corrected at every read", UNCORRECTABLE: "beyond correction"}
NOTHING_RUNS = "nothing runs"
NOTHING_LEFT = "nothing runs, and no whole image is left"


@dataclass(frozen=True, slots=True)
class Area:
    """What is ``held`` before boot ``boot``. Where it is small, every bit is tried."""

    boot: int
    held: Held

    @property
    def name(self) -> str:
        return self.held.name

    @property
    def place(self) -> Place:
        return self.held.place


class RestFaults(FaultKind):
    name = "rest"
    help = "bits of boot configs and images that flip between two boots"
    check = "stands"
    promise = "after a bit error at rest whatever runs is whole, and something runs while a whole image is left"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._whole: dict[bytes, bool] = {}

    # -- the faults ----------------------------------------------------------------------------------------

    def faults(self) -> Iterator[Fault]:
        for area in self._areas:
            part = self.specimen.rig.parts[area.place.chip]
            place = f"{area.boot}.{area.name}"
            if part.kind == "mcu-ecc":
                unit = part.program.unit
                hows = [CORRECTED, UNCORRECTABLE] if part.ecc is None or part.ecc.corrects else [UNCORRECTABLE]
                for granule in sorted({bit // 8 // unit for bit in self._bits(area)}):
                    for how in hows:
                        yield Fault(self.name, place, how, granule * unit)
                continue
            for bit in self._bits(area):
                yield Fault(self.name, place, f"xor{1 << bit % 8:02x}", bit // 8)

    def is_cut(self, fault: Fault) -> bool:
        return fault in self._cut

    @cached_property
    def _cut(self) -> frozenset[Fault]:
        """One fault of each place, from the middle of it: what follows it stands for what follows the others there.
        None that correction mends."""
        of_place: dict[str, list[Fault]] = {}
        for fault in self.faults():
            if fault.how != CORRECTED:
                of_place.setdefault(fault.place, []).append(fault)
        return frozenset(faults[len(faults) // 2] for faults in of_place.values())

    @property
    def notes(self) -> tuple[str, ...]:
        last = len(self.ground.golden.sessions)
        tried = f"every bit of records and headers, up to {FLIPS + 2} bits of each image"
        if not any(area.held.is_small for area in self._areas):
            tried = f"up to {FLIPS + 2} bits of each record window and each image"
        if any(part.kind == "mcu-ecc" for part in self.specimen.rig.parts):
            tried = (
                f"corrected or beyond correction: every granule of records and headers, up to {FLIPS + 2} of each image"
            )
        return (
            f"rest: {tried}; before boot 0, the first one, up to boot {last}, the first after the whole update",
            f"rest: one life of each place was cut as well, once, with tears {COARSE.name}",
        )

    def _bits(self, area: Area) -> list[int]:
        """Bits of an area that are tried, counted from the beginning of its partition."""
        first, count = 8 * area.held.start, 8 * area.held.size
        if area.held.is_small:
            return list(range(first, first + count))
        seed = self.ground.options.tears.seed
        drawn = {mix(REST_SEED, seed, area.boot, area.place.address, n) % count for n in range(FLIPS)}
        return sorted(first + bit for bit in drawn | {0, count - 1})

    @cached_property
    def _areas(self) -> list[Area]:
        boots = range(len(self.ground.golden.sessions) + 1)
        return [Area(boot, held) for boot in boots for held in self.specimen.held_in(self.ground.resting(boot))]

    def told(self, fault: Fault) -> str:
        boot, _, partition = fault.place.partition(".")
        where = f"{fault.offset or 0:#x} of {partition}"
        if fault.mask.bit_count() == 1:
            return f"before boot {boot}, bit {fault.mask.bit_length() - 1} of the byte at {where} has flipped"
        if fault.mask:
            return f"before boot {boot}, the byte at {where} has other bits, by {fault.mask:#04x}"
        return f"before boot {boot}, the granule at {where} is {_TOLD[fault.how]}"

    # -- the rig -------------------------------------------------------------------------------------------

    def rig(self, fault: Fault) -> VariedRig:
        return self.specimen.varied(start=self._damaged(fault))

    def _damaged(self, fault: Fault) -> DeviceState:
        """The device before its boot, with the bit error. Raises TokenError where there is no such place."""
        boot, _, name = fault.place.partition(".")
        area = next((a for a in self._areas if (str(a.boot), a.name) == (boot, name)), None)
        if area is None or fault.offset is None or fault.offset >= area.place.size:
            places = dict.fromkeys(f"{a.boot}.{a.name} ({a.place.size:,} bytes)" for a in self._areas)
            raise no_such(fault, f"there are {', '.join(places)}")
        at = area.place.address + fault.offset
        unit = self.specimen.rig.parts[area.place.chip].program.unit
        has_ecc = self.specimen.rig.parts[area.place.chip].kind == "mcu-ecc"
        if has_ecc != (fault.how in _CODES) or not (fault.mask or fault.how in _CODES):
            raise no_such(fault, f"on this part it is {' or '.join(_CODES) if has_ecc else 'xor01 to xorff'}")

        def flip(cells: Cells) -> None:
            if fault.how in _CODES:
                cells.mark_broken(at - at % unit, unit, _CODES[fault.how])
            else:
                cells.shift(at, bytes([cells.read(at, 1)[0] ^ fault.mask]))

        return self.ground.changed(self.ground.resting(area.boot), area.place.chip, flip)

    # -- what follows --------------------------------------------------------------------------------------

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        gone = "a record with a bit error is no record: the device goes by the one before"
        return {"durable": gone, "reverts": gone, "accepts": gone}

    @cached_property
    def _plain(self) -> FaultJudge:
        """One judge for all of them: they differ in where the same rig starts."""
        some = Fault(self.name, "", "")
        return FaultJudge(
            self.specimen.rig, self.ground, self.checks(some), lambda state, chain: self.amended(some, state, chain)
        )

    def chain(self, fault: Fault) -> Chain:
        state = replace(self._damaged(fault), attempts_left=self.attempts)
        return self._plain.chain(State(state, Monitor()))

    def amended(self, fault: Fault, state: State, chain: Chain) -> Chain:
        """Where no slot holds a whole image any more, nothing need run: the bootloader stops, or its watchdog has it
        look again and again. What does run is whole, brought from elsewhere."""
        if self._has_whole(state.device):
            return self.broken(chain)
        rest = [breach for breach in chain.breaches if breach.check != "boots"]
        is_repaired = chain.outcome.kind == "settled" and chain.outcome.image != UNKNOWN
        is_over = chain.outcome.kind == "halted" or (chain.outcome.kind == "reset" and not is_entered(chain))
        if is_over or is_repaired:
            return self.broken(replace(chain, breaches=rest))
        return self.broken(replace(chain, breaches=rest), f"no whole image is left, and still: {chain.outcome}")

    def word(self, chain: Chain) -> str:
        """What runs first; the update that comes next may change that."""
        entries = (entry for judged in chain.sessions for entry in judged.run.entries)
        ran = [entry.facts[1] for entry in entries if isinstance(entry, Event) and entry.name == HANDOVER]
        if ran:
            return f"the {ran[0]} image boots"
        return NOTHING_RUNS if any(breach.check == "boots" for breach in chain.breaches) else NOTHING_LEFT

    def _has_whole(self, state: DeviceState) -> bool:
        if state.key not in self._whole:
            self._whole[state.key] = any(image != UNKNOWN for image in self.specimen.images_in(state))
        return self._whole[state.key]
