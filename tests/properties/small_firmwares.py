"""Random small firmwares, as data: for properties that hold explorers against each other.

A firmware is a list of steps, drawn from a seed and interpreted by one function, so it can be pickled, printed and
compared. It branches on what it reads, programs what it did not erase, erases some, restarts; some count in retained
RAM, take updates and hand over to images, tell values. Many are wrong, for one cut or for more: both is wanted.

Each has at least one block that is written and read by nobody: states that differ there only are what an explorer may
merge.

Neighbours: `test_small_firmwares` measures them. The part has sectors of 16 bytes, so that every state can be run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from emu.board import ALL_CHECKS, CheckEntry
from emu.campaign.engines import WorkSpec
from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Scenario
from flash.part import Erase, Program, Runs
from tests.field.bug import sectors
from tests.flash.small_parts import SERIAL, figure

BLOCK = 16
MAX_BLOCKS = 5
BOUNDS = CheckEntry(apply=ALL_CHECKS, max_resets=6, max_erases=12)
PART = msgspec.structs.replace(
    SERIAL,
    name="TINY",
    size=MAX_BLOCKS * BLOCK,
    sectors=(Runs(MAX_BLOCKS, BLOCK),),
    program=Program(1, figure(160), page_size=8),
    erase=(Erase(BLOCK, figure(1600)),),
)
OLD, NEW = b"\xfe\xfd", b"\xfb\xf7"
TICK = b"\xfe"
"""One bit: it is there or it is not."""

Step = tuple[Any, ...]
"""Name of the step, then what it needs; bodies are tuples of steps.

    ("erase", block)                              ("program", block, offset, data)
    ("if", block, offset, mask, want, then, otherwise)    branch on a byte: byte & mask == want
    ("once", block, offset, body)                 if the byte is blank: tick it off, then the body
    ("if-ram", key, want, then, otherwise)        ("count", key, limit)     retained RAM, counted round
    ("attempt", body)                             ("reset",)                ("halt", why)
    ("handover", block)                           ("offer", value)          ("tell", block, offset)
"""


@dataclass(frozen=True)
class SmallFirmware:
    """``blocks``: how many there are. ``shipped``: what the factory put into each. ``has_images``: whether it hands
    over to images. ``attempts``: update attempts a campaign should give it."""

    seed: int
    blocks: int
    body: tuple[Step, ...]
    shipped: tuple[bytes, ...]
    has_images: bool
    attempts: int

    @property
    def spec(self) -> WorkSpec:
        """How any process makes its rig."""
        return WorkSpec("tests.properties.small_firmwares:rig_of", (self,))


def rig_of(firmware: SmallFirmware) -> PlainRig:
    """A rig that runs ``firmware``."""
    names = [f"b{block}" for block in range(firmware.blocks)]
    scenario = Scenario(
        partial(interpret, firmware.body),
        PART,
        windows=sectors(*names, size=BLOCK),
        factory=dict(zip(names, firmware.shipped, strict=True)),
        images={"old": OLD, "new": NEW} if firmware.has_images else {},
        work=NEW,
        name=f"small-{firmware.seed}",
    )
    return PlainRig(scenario)


# -- the interpreter -------------------------------------------------------------------------------------


def interpret(body: tuple[Step, ...], reset: Reset) -> str | None:
    """The firmware: why it halts, or None."""
    for name, *given in body:
        why = _STEPS[name](reset, *given)
        if why is not None:
            return why
    return None


def _read(reset: Reset, block: int, offset: int) -> int:
    return reset.flash[f"b{block}"].read(offset, 1)[0]


def _erase(reset: Reset, block: int) -> None:
    reset.flash[f"b{block}"].erase(0, BLOCK)


def _program(reset: Reset, block: int, offset: int, data: bytes) -> None:
    reset.flash[f"b{block}"].program(offset, data)


def _if(
    reset: Reset, block: int, offset: int, mask: int, want: int, then: tuple[Step, ...], otherwise: tuple[Step, ...]
) -> str | None:
    return interpret(then if _read(reset, block, offset) & mask == want else otherwise, reset)


def _once(reset: Reset, block: int, offset: int, body: tuple[Step, ...]) -> str | None:
    if _read(reset, block, offset) != 0xFF:
        return None
    _program(reset, block, offset, TICK)
    return interpret(body, reset)


def _if_ram(reset: Reset, key: str, want: int, then: tuple[Step, ...], otherwise: tuple[Step, ...]) -> str | None:
    return interpret(then if reset.recall(key) == want else otherwise, reset)


def _count(reset: Reset, key: str, limit: int) -> None:
    reset.retain(key, (reset.recall(key) + 1) % limit)


def _attempt(reset: Reset, body: tuple[Step, ...]) -> str | None:
    return None if reset.attempt() is None else interpret(body, reset)


def _handover(reset: Reset, block: int) -> None:
    reset.handover(f"b{block}")


def _tell(reset: Reset, block: int, offset: int) -> None:
    reset.tell("value", _read(reset, block, offset))


_STEPS: dict[str, Any] = {
    "erase": _erase,
    "program": _program,
    "if": _if,
    "once": _once,
    "if-ram": _if_ram,
    "count": _count,
    "attempt": _attempt,
    "reset": lambda reset: reset.restart(),
    "halt": lambda reset, why: why,
    "handover": _handover,
    "offer": lambda reset, value: reset.offer("value", value),
    "tell": _tell,
}


# -- drawing one -----------------------------------------------------------------------------------------


def small_firmware(seed: int) -> SmallFirmware:
    """The firmware of ``seed``; always the same."""
    return _Drawing(random.Random(seed)).firmware(seed)


@dataclass
class _Drawing:
    """Draws one firmware. ``marks``: where the next tick stands; every one is used once. ``blank``: blocks that the
    factory must leave blank, or the device would not run as shipped."""

    rng: random.Random
    marks: int = 0
    blank: set[int] = field(default_factory=set)

    def firmware(self, seed: int) -> SmallFirmware:
        has_images = self.rng.random() < 0.35
        blocks = self.rng.randint(4 if has_images else 2, MAX_BLOCKS)
        record, blind = blocks - 1, blocks - 2
        extra = [self._branch_stage, self._ram_stage] + ([] if has_images else [self._told_stage, self._told_stage])
        stages = [self._blind_stage(record, blind)]
        if self.rng.random() < (0.15 if has_images else 0.9):
            stages.append(self.rng.choice(extra)(record, blind))
        self.rng.shuffle(stages)
        body = tuple(step for stage in stages for step in stage)
        if has_images:
            body = (*body, *self._images(record))
        residue = [b"" if block in self.blank else self._residue() for block in range(blocks - 1)]
        shipped = (OLD if has_images else residue[0], *residue[1:], b"")
        return SmallFirmware(seed, blocks, body, shipped, has_images, int(has_images))

    def _mark(self) -> int:
        self.marks += 1
        return self.marks

    def _residue(self) -> bytes:
        """What an earlier life left in a block: mostly nothing."""
        return bytes(self.rng.randrange(0xFF) for _ in range(8)) if self.rng.random() < 0.3 else b""

    def _data(self, longest: int = 2) -> bytes:
        """A few programmed bits: each moves a bit or two, so that there are not too many ways to tear it."""
        return bytes(0xFF & ~(1 << self.rng.randrange(8)) for _ in range(self.rng.randint(1, longest)))

    def _blind_stage(self, record: int, blind: int) -> tuple[Step, ...]:
        """Writes that nobody reads, until a mark says that they were made; perhaps a restart between."""
        steps: list[Step] = [("program", blind, 8 * self.rng.randrange(2), self._data())]
        if self.rng.random() < 0.15:
            return tuple(steps)  # at every boot, over and over
        if self.rng.random() < 0.7:
            steps.insert(0, ("erase", blind))
        if self.rng.random() < 0.4:
            steps.append(("reset",))
        return (("once", record, self._mark(), tuple(steps)),)

    def _ram_stage(self, record: int, blind: int) -> tuple[Step, ...]:
        """Something that is done after a warm reset only."""
        then: tuple[Step, ...] = (("program", blind, self.rng.randrange(4, 7), b"\x0f"),)
        return (("if-ram", "warm", 1, then, ()), ("count", "warm", 2))

    def _told_stage(self, record: int, blind: int) -> tuple[Step, ...]:
        """A value that is replaced in place, and told before or after it is there."""
        at, value = self._mark(), self.rng.choice((0xFE, 0x7E, 0x3C))
        write: tuple[Step, ...] = (("offer", value), ("program", record, at, bytes((value,))))
        early = self.rng.random() < 0.2
        return (
            ("tell", record, at),
            ("if", record, at, 0xFF, value, (), write),
            *(() if early else (("tell", record, at),)),
        )

    def _branch_stage(self, record: int, blind: int) -> tuple[Step, ...]:
        """What a block holds decides what becomes of another one; the block is programmed without an erase."""
        data, at, block = self._data(), self._mark(), max(blind - 1, 0)
        done: tuple[Step, ...] = (("erase", blind),) if self.rng.random() < 0.5 else ()
        write: Step = ("program", block, 0, data)
        gives_up: Step = ("if", block, 0, 0xFF, 0xFF, (write,), (("halt", "neither blank nor done"),))
        other = self.rng.choice(((write,), (gives_up,), (gives_up,), (("erase", block), write)))
        if other == (gives_up,):
            self.blank.add(block)
            if block == blind:
                other = (write,)
        return (("if", block, 0, 0xFF, data[0], (("once", record, at, done),), other),)

    def _images(self, record: int) -> tuple[Step, ...]:
        """The record says which of two slots runs; the old image takes an update, in an order that may be wrong."""
        flag = 0
        mask = self.rng.choice((0xFF, 0xFF, 0x01))
        boot: Step = ("if", record, flag, mask, 0, (("handover", 1),), (("handover", 0),))
        steps: list[Step] = [("erase", 1), ("program", 1, 0, NEW), ("program", record, flag, b"\x00")]
        if self.rng.random() < 0.25:
            first, second = self.rng.sample(range(3), 2)
            steps[first], steps[second] = steps[second], steps[first]
        if self.rng.random() < 0.2:
            steps.insert(0, ("erase", record))
        return boot, ("attempt", (*steps, ("reset",)))
