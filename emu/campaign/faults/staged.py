"""Damaged updates that wait in flash: bits flipped, an end too early, blocks missing, doubled or left from the image
before.

The firmware finds the update where the board says it stands; nobody sends it. So a damaged one is another content of
those places, written as a programmer writes (error correction has nothing to say about it). The promise: no damaged
image is entered. The device goes on with the old one, or ends with the new one where the damage lies in nothing that
an image is made of.

A format without any checksum cannot keep that promise. That is a finding like any other, and a note says that (next
to) no damage of the body was refused.

Neighbours: `specimen` says what waits where; `image` is the same for an update that is sent as an archive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial

from emu.campaign.faults.fault import Fault, no_such
from emu.campaign.faults.kind import COARSE, FaultJudge, FaultKind, Ground, is_settled
from emu.campaign.faults.specimen import Delivered, StagedSpecimen, VariedRig
from emu.campaign.judge import Chain, Judge, State
from emu.campaign.monitor import Monitor
from emu.events import HANDOVER, NEW, OLD, UNKNOWN
from emu.rig import DeviceState
from emu.words import counted
from flash.cells import Cells
from flash.draws import mix
from flash.journal import Event

HEAD = 64
"""Bytes at the beginning of a piece of which every bit is flipped: headers and vectors stand there."""
FLIPS = 64
"""Bits of the rest that are drawn, besides its first and its last one."""
BLOCK, MAX_BLOCKS = 256, 64
"""Bytes of a block that goes wrong as a whole, and how many of one piece are tried, evenly."""
FEW = 20
"""One of so many damages may be refused by a look at a header alone."""
STAGED_SEED = 0x5354_4147
CUT, BLANK, TWICE, BEFORE = "cut", "blank", "twice", "before"
_TOLD = {
    CUT: "from {at:#x} of {name} on nothing was written",
    BLANK: "the {size} bytes at {at:#x} of {name} were not written",
    TWICE: "the {size} bytes at {at:#x} of {name} are those of the block before once more",
    BEFORE: "the {size} bytes at {at:#x} of {name} are those of the old image",
}


class StagedFaults(FaultKind):
    name = "image"
    help = "damaged updates: bits flipped, an end too early, blocks missing or from elsewhere"
    check = "refuses"
    promise = "no damaged update is entered: the old image runs on, or the new one, whole"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._body: list[str] = []

    @property
    def _specimen(self) -> StagedSpecimen:
        assert isinstance(self.specimen, StagedSpecimen), "an update that waits nowhere: please report"
        return self.specimen

    # -- the faults ----------------------------------------------------------------------------------------

    @property
    def not_here(self) -> str:
        if self.specimen.keeps_new:
            return ""
        return "the undamaged update is not taken either: name the new image in accept"

    def faults(self) -> Iterator[Fault]:
        for piece in self._specimen.staged:
            yield from self._flips(piece)
            for how in (CUT, BLANK, TWICE, BEFORE):
                for at in self._blocks(piece):
                    fault = Fault(self.name, piece.name, how, at)
                    if self._damaged(fault) != piece.data:
                        yield fault

    def _flips(self, piece: Delivered) -> Iterator[Fault]:
        head, size = min(HEAD, len(piece.data)), len(piece.data)
        bits = set(range(8 * head))
        if size > head:
            seed, rest = self.ground.options.tears.seed, 8 * (size - head)
            bits |= {8 * head, 8 * size - 1}
            bits |= {8 * head + mix(STAGED_SEED, seed, piece.place.address, n) % rest for n in range(FLIPS)}
        for bit in sorted(bits):
            yield Fault(self.name, piece.name, f"xor{1 << bit % 8:02x}", bit // 8)

    @staticmethod
    def _blocks(piece: Delivered) -> list[int]:
        """Where blocks begin that are tried."""
        starts = range(0, len(piece.data), BLOCK)
        last = len(starts) - 1
        return sorted({starts[n * last // (MAX_BLOCKS - 1)] for n in range(MAX_BLOCKS)})

    def is_cut(self, fault: Fault) -> bool:
        return fault in self._cut

    @cached_property
    def _cut(self) -> frozenset[Fault]:
        """Of each piece a flip and a block that is missing, from the middle of it."""
        chosen: set[Fault] = set()
        for piece in self._specimen.staged:
            flips, blocks = list(self._flips(piece)), self._blocks(piece)
            missing = Fault(self.name, piece.name, BLANK, blocks[len(blocks) // 2])
            chosen |= {flips[(len(flips) + 8 * HEAD) // 2 % len(flips)], missing}
        return frozenset(chosen)

    @property
    def notes(self) -> tuple[str, ...]:
        pieces = self._specimen.staged
        blocks = sum(len(self._blocks(piece)) for piece in pieces)
        return (
            f"image: of {counted(len(pieces), 'piece')} that wait: every bit of the first {HEAD} bytes, up to "
            f"{FLIPS + 2} of the rest, {counted(blocks, 'block')} of {BLOCK} bytes missing, doubled, or from the old "
            "image, an end before each",
            f"image: one flip and one missing block of each piece were cut as well, once, with tears {COARSE.name}",
        )

    @property
    def conclusions(self) -> tuple[str, ...]:
        tried, refused = len(self._body), sum(word.startswith("refused") for word in self._body)
        if "entered" not in self._body or refused * FEW > tried:
            return ()
        return (
            f"image: of {tried:,} damages behind the first {HEAD} bytes {refused or 'none'} were refused: what an "
            "update holds is hardly looked at before it runs. A format without a checksum cannot tell",
        )

    def _damaged(self, fault: Fault) -> bytes:
        """The piece with ``fault`` in it. Raises TokenError where there is no such place."""
        piece = self._piece(fault)
        data, at = piece.data, fault.offset or 0
        if fault.mask:
            return data[:at] + bytes([data[at] ^ fault.mask]) + data[at + 1 :]
        erased = bytes([self._specimen.rig.parts[piece.place.chip].erased])
        if fault.how == CUT:
            return data[:at] + erased * (len(data) - at)
        size = min(BLOCK, len(data) - at)
        if fault.how == BLANK:
            other = erased * size
        elif fault.how == TWICE:
            other = data[max(0, at - BLOCK) : max(0, at - BLOCK) + size].ljust(size, erased)
        elif fault.how == BEFORE:
            other = self.specimen.old_app[at : at + size].ljust(size, erased)
        else:
            raise no_such(fault, f"a byte is changed by xor01 to xorff, a block by {CUT}, {BLANK}, {TWICE} or {BEFORE}")
        return data[:at] + other + data[at + size :]

    def _piece(self, fault: Fault) -> Delivered:
        for piece in self._specimen.staged:
            if piece.name == fault.place and fault.offset is not None and fault.offset < len(piece.data):
                return piece
        pieces = ", ".join(f"{piece.name} ({len(piece.data):,} bytes)" for piece in self._specimen.staged)
        raise no_such(fault, f"what waits is {pieces}")

    def told(self, fault: Fault) -> str:
        piece, at = self._piece(fault), fault.offset or 0
        if fault.mask:
            byte = piece.data[at]
            return f"byte {at:#x} of {piece.name} is {byte ^ fault.mask:#04x}, not {byte:#04x}"
        return _TOLD[fault.how].format(at=at, name=piece.name, size=min(BLOCK, len(piece.data) - at))

    # -- the rig -------------------------------------------------------------------------------------------

    def rig(self, fault: Fault) -> VariedRig:
        return self.specimen.varied(start=self._start(fault))

    def _start(self, fault: Fault) -> DeviceState:
        place, damaged = self._piece(fault).place, self._damaged(fault)
        shipped = self.specimen.rig.initial(self.attempts)
        return self.ground.changed(shipped, place.chip, partial(_load, place.address, damaged))

    # -- what follows --------------------------------------------------------------------------------------

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        return {
            "accepts": "a damaged update is to be refused, whatever the board accepts",
            "whole": f"that a damaged image is entered is what `{self.check}` says",
        }

    def chain(self, fault: Fault) -> Chain:
        chain = self._plain.chain(State(self._start(fault), Monitor()))
        if (fault.offset or 0) >= HEAD and fault.how != BEFORE:
            self._body.append(self.word(chain))
        return chain

    @cached_property
    def _plain(self) -> FaultJudge:
        """One judge for all that are not cut: they differ in where the same rig starts."""
        checks = self.checks(Fault(self.name, "", ""))
        return FaultJudge(self.specimen.rig, self.ground, checks, lambda state, chain: self._uncut(chain))

    def judge(self, fault: Fault) -> Judge:
        start = self._start(fault).key
        return FaultJudge(
            self.rig(fault), self.ground, self.checks(fault),
            lambda state, chain: self._uncut(chain) if state.device.key == start else self._after_cut(chain),
        )  # fmt: skip

    def _uncut(self, chain: Chain) -> Chain:
        if is_entered(chain):
            return self.broken(chain, f"a damaged update is entered ({chain.outcome})")
        if is_settled(chain, OLD) or is_settled(chain, NEW):
            return self.broken(chain)
        ends = (
            f"it resets again and again, by {chain.outcome.cause}" if chain.outcome.kind == "reset" else chain.outcome
        )
        return self.broken(chain, f"a damaged update is taken, and no whole image runs: {ends}")

    def _after_cut(self, chain: Chain) -> Chain:
        """What a cut alone breaks is for the board's checks to say."""
        return self.broken(chain, *(["after a cut a damaged update is entered"] if is_entered(chain) else []))

    def word(self, chain: Chain) -> str:
        if is_entered(chain):
            return "entered"
        if is_settled(chain, NEW):
            return "harmless: the new image runs, whole"
        return "refused: the old image runs on" if is_settled(chain, OLD) else f"taken: {chain.outcome}"


def is_entered(chain: Chain) -> bool:
    """Whether something ran that is no known image."""
    entries = (entry for judged in chain.sessions for entry in judged.run.entries)
    return any(isinstance(e, Event) and e.name == HANDOVER and e.facts[1] == UNKNOWN for e in entries)


def delivered_to(ground: Ground, state: DeviceState, pieces: Iterable[Delivered]) -> DeviceState:
    """``state`` once ``pieces`` wait in it and power comes: their places hold them, and nothing else."""
    for piece in pieces:
        erased = bytes([ground.specimen.rig.parts[piece.place.chip].erased])
        content = piece.data.ljust(piece.place.size, erased)
        state = ground.changed(state, piece.place.chip, partial(_load, piece.place.address, content))
    return replace(state, cause="power", ram=())


def _load(address: int, content: bytes, cells: Cells) -> None:
    cells.load(address, content)
