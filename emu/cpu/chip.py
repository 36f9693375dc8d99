"""A chip, described in TOML: core, clock, memories, flash controller, peripherals.

Neighbours: `machine` builds it; chips of our own are in `chips/`. Unknown keys are refused with the nearest match.
What a peripheral model wants of its entry it checks itself. Knows no firmware.
"""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from emu.errors import BoardError
from flash.tomlfile import decode_toml, nearest, read_toml

U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
Positive = Annotated[int, msgspec.Meta(gt=0)]
Page = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF, multiple_of=0x1000)]
Bit = Annotated[int, msgspec.Meta(ge=0, le=31)]
CoreName = Literal["cortex-m0", "cortex-m0+", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"]


class FlashEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The array the core runs from: a bundled ``part``, behind the ``controller`` of that name at ``registers``, which
    takes ``registers_size`` bytes.

    ``aliases``: other addresses it appears at, each different from ``address`` in bits that no offset has.
    """

    part: str
    address: Page
    controller: str
    registers: U32
    registers_size: Positive = 0x400
    aliases: tuple[Page, ...] = ()


class RamEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``name`` in messages; ``size`` to the byte, in whole pages of 4 KiB. ``aliases``: the same bytes elsewhere."""

    name: str
    address: Page
    size: Annotated[int, msgspec.Meta(gt=0, multiple_of=0x1000)]
    aliases: tuple[Page, ...] = ()


class Follow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``width`` bits at bit ``to`` of register ``in_`` always show those at bit ``bit`` of ``register``."""

    register: U32
    bit: Bit
    to: Bit
    width: Positive = 1
    in_: int = msgspec.field(name="in", default=-1)


class ResetFlags(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The register that says why the last reset happened: ``flags`` by cause, as bits; ``clear`` is the bit that clears
    them when it is written as 1."""

    register: U32
    clear: Bit
    flags: dict[str, tuple[Bit, ...]]


class BackupDomain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Registers that resets leave alone and the loss of power clears: ``registers`` are spans of offsets, first and
    last. ``gate``: [peripheral, offset, bit] without which writes are dropped; a dropped one in ``noted`` is put on
    record. ``clears``: [offset, bit] here which, while it is 1, clears this domain in every peripheral."""

    registers: tuple[tuple[int, int], ...] = ()
    gate: tuple[str, int, Bit] | None = None
    noted: tuple[tuple[int, int], ...] = ()
    clears: tuple[int, Bit] | None = None


class LowPowerMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mode a core that goes to deep sleep enters when the bits of ``mask`` of ``register`` are ``value``, and that
    ends in a reset. ``flag``: the bit of the status register that says so afterwards. ``watchdog``: whether the
    independent one runs on in it."""

    name: str
    register: U32
    mask: U32
    value: U32
    flag: Bit | None = None
    watchdog: bool = True


class LowPower(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a power controller: its ``modes``, the first that fits counts. ``status``: where their flags stand, and
    ``woken`` the bit for a wake-up by a clock. ``clears``: [offset, bit, flags]: a 1 written there clears those.
    ``wakers``: [peripheral, offset, mask]: all of those bits set, and the clock wakes the chip. ``pins``: [offset,
    mask]: one of those bits set, and a pin would. ``keeps``: [offset, bit, RAM]: that RAM is not lost."""

    modes: tuple[LowPowerMode, ...]
    status: U32
    clears: tuple[tuple[U32, Bit, U32], ...]
    wakers: tuple[tuple[str, U32, U32], ...] = ()
    pins: tuple[tuple[U32, U32], ...] = ()
    keeps: tuple[tuple[U32, Bit, str], ...] = ()
    woken: Bit | None = None


class PeripheralEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``model`` is one of `emu.cpu.peripherals.MODELS`. ``registers``: [offset, value after a reset] of those it keeps
    as storage. ``hse_hz``: the crystal, for a clock controller. ``lsi_hz``: the slow oscillator, for a watchdog."""

    name: str
    model: str
    address: U32
    size: Positive = 0x400
    irq: Annotated[int, msgspec.Meta(ge=0)] | None = None
    registers: tuple[tuple[int, int], ...] = ()
    follows: tuple[Follow, ...] = ()
    always: tuple[tuple[int, int, int], ...] = ()
    """[offset, mask, value]: bits that read so whatever was written."""
    reset_flags: ResetFlags | None = None
    backup: BackupDomain | None = None
    low_power: LowPower | None = None
    hse_hz: Positive = 8_000_000
    lsi_hz: Positive = 32_000
    requests: tuple[tuple[int, int, str], ...] = ()
    """[channel or stream (-1: any), selection, who asks]: of a DMA, the port and _TX or _RX."""
    lines: tuple[int, ...] = ()
    """The interrupts of its channels, in order."""
    mux: str = ""
    """The peripheral that selects requests for it."""


class Chip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``clock_hz``: the core's clock out of reset. ``boot``: where it reads its first two vectors. ``bit_band``: RAM
    and peripherals have an alias of words for bits. ``words``: [address, value] that read so, in no peripheral (sizes,
    identity codes). ``source``: of all of it. ``unique_id``: where the words of the unique id stand.
    ``locks_up_for_good`` False: a lockup is a reset, of the cause "lockup"."""

    name: str
    core: CoreName
    clock_hz: Positive
    interrupts: Annotated[int, msgspec.Meta(gt=0, le=240)]
    priority_bits: Annotated[int, msgspec.Meta(ge=2, le=8)]
    boot: Page
    flash: FlashEntry
    ram: tuple[RamEntry, ...]
    peripheral: tuple[PeripheralEntry, ...] = ()
    bit_band: bool = False
    words: tuple[tuple[U32, U32], ...] = ()
    unique_id: tuple[U32, ...] = ()
    locks_up_for_good: bool = True
    source: str = ""
    aliases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def chip_names() -> tuple[str, ...]:
    """Names of the bundled chips, sorted."""
    files = resources.files("emu.cpu").joinpath("chips").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def bundled_chip(name: str) -> Chip:
    """A chip of `chips/`, by name or alias (case does not matter). Raises BoardError with the nearest name."""
    match = {known.lower(): known for known in chip_names()}.get(name.lower())
    if match is None:
        named = {alias.lower(): known for known in chip_names() for alias in _chip_file(known).aliases}
        match = named.get(name.lower())
    if match is None:
        raise BoardError(f"no chip named {name!r}{nearest(name, chip_names())}")
    return _chip_file(match)


def load_chip(path: Path) -> Chip:
    """A chip from a user's own file."""
    return checked_chip(read_toml(path, Chip, error=BoardError), str(path))


def chip_from_text(text: str, where: str) -> Chip:
    """A chip from the text of a chip file; ``where`` names it in what a BoardError says."""
    return checked_chip(decode_toml(text, Chip, where=where, error=BoardError), where)


def _chip_file(name: str) -> Chip:
    text = resources.files("emu.cpu").joinpath("chips", f"{name}.toml").read_text(encoding="utf-8")
    return chip_from_text(text, f"chips/{name}.toml")


def checked_chip(chip: Chip, where: str) -> Chip:
    """``chip``, when it is one that can be; ``where`` names it in what a BoardError says."""
    if not chip.ram:
        raise BoardError(f"{where}: a chip needs at least one [[ram]]")
    spans = [("flash", at, 0x1000) for at in (chip.flash.address, *chip.flash.aliases)]
    spans += [(ram.name, at, ram.size) for ram in chip.ram for at in (ram.address, *ram.aliases)]
    spans += [(each.name, each.address, each.size) for each in chip.peripheral]
    spans.sort(key=lambda each: each[1])
    for (first, at, size), (second, start, _) in pairwise(spans):
        if at + size > start:
            raise BoardError(f"{where}: {first} at {at:#x} and {second} at {start:#x} overlap")
    names = [each.name for each in chip.peripheral]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BoardError(f"{where}: two peripherals are called {twice!r}; give each a name of its own")
    for each in chip.peripheral:
        if each.irq is not None and each.irq >= chip.interrupts:
            raise BoardError(
                f"{where}: {each.name} has interrupt {each.irq}; the chip has {chip.interrupts}, from 0 on"
            )
    _check_names(chip, names, where)
    return chip


def _check_names(chip: Chip, peripherals: list[str], where: str) -> None:
    """What a peripheral says of another one, and of RAM."""
    rams = [ram.name for ram in chip.ram]
    for each in chip.peripheral:
        said = [] if each.backup is None or each.backup.gate is None else [("backup.gate", each.backup.gate[0])]
        sleep = each.low_power
        said += [] if sleep is None else [("low_power.wakers", name) for name, _, _ in sleep.wakers]
        kept = [] if sleep is None else [("low_power.keeps", name) for _, _, name in sleep.keeps]
        for known, named in ((peripherals, said), (rams, kept)):
            for key, name in named:
                if name not in known:
                    raise BoardError(f"{where}: {each.name}: {key} names {name!r}{nearest(name, known)}")
