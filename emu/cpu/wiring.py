"""Which memory hangs on which bus of a chip: what a board says of it, whether it can be, and the wires.

Neighbours: `external` has the memories and the buses, `machine` asks to have them connected, boards check their entries
here. Knows no register.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emu.cpu.chip import Chip
from emu.cpu.contract import Peripheral
from emu.cpu.external import ExternalEeprom, ExternalMemory, ExternalNor, Host, SpiBus, TwoWireBus
from emu.cpu.faces import HasPins, SpiHost, TwoWireHost
from emu.errors import BoardError
from flash.contract import Clock
from flash.device import FlashDevice
from flash.part import Part
from flash.tomlfile import nearest


@dataclass(frozen=True)
class MemoryEntry:
    """A memory on a bus. ``bus``: the peripheral that drives it. ``select``: the pin of the port that selects a chip on
    an SPI. ``address``: on an I2C, its lowest one; 0: as the part has it. ``write_protect``: its WP pin forbids
    writes."""

    name: str
    part: Part
    bus: str
    select: str = ""
    address: int = 0
    write_protect: bool = False

    @property
    def is_serial(self) -> bool:
        return self.part.serial is not None

    @property
    def addresses(self) -> Sequence[int]:
        """On an I2C: those it answers to."""
        table = self.part.two_wire
        if table is None:
            return ()
        lowest = self.address or table.device
        return range(lowest, lowest + (1 << table.block_bits))


def make_memory(chip: Chip, entry: MemoryEntry, device: FlashDevice, host: Host) -> ExternalMemory:
    """Raises BoardError for a memory that cannot hang on ``chip``."""
    check_memory(chip, entry)
    if not entry.is_serial:
        return ExternalEeprom(device, host, entry.address or None, write_protect=entry.write_protect)
    return ExternalNor(device, host, write_protect=entry.write_protect)


def connect(
    chip: Chip, memories: Sequence[ExternalMemory], entries: Sequence[MemoryEntry],
    peripherals: Mapping[str, Peripheral], clock: Clock, passed: Callable[[], None],
) -> None:  # fmt: skip
    """Hang each memory on its bus. ``passed``: time has gone by in the middle of a block of code."""
    for memory, entry in zip(memories, entries, strict=True):
        host = peripherals[buses(chip, serial=entry.is_serial)[entry.bus]]
        if isinstance(memory, ExternalNor):
            assert isinstance(host, SpiHost), f"{entry.bus} of {chip.name} drives no SPI: please report"
            if not isinstance(host.wire, SpiBus):
                host.wire = SpiBus(clock, passed)
            host.wire.chips.append(memory)
            port, pin = pin_of(entry.select) or ("", 0)
            pins = peripherals[port]
            assert isinstance(pins, HasPins), f"{port} of {chip.name} has no pins: please report"
            pins.watch(pin, memory.select_pin)
        elif isinstance(memory, ExternalEeprom):
            assert isinstance(host, TwoWireHost), f"{entry.bus} of {chip.name} drives no I2C: please report"
            if not isinstance(host.two_wire, TwoWireBus):
                host.two_wire = TwoWireBus(clock, passed)
            host.two_wire.chips.append(memory)


# -- the board's side ---------------------------------------------------------------------------------------

_PIN = re.compile(r"P([A-K])(\d+)|P([01])\.(\d+)")
_SPI = {"spi-v1": "", "spi-v2": "", "nrf-spi-twi": "SPIM"}
_TWO_WIRE = {"i2c-v1": "", "i2c-v2": "", "i2c-v2-joint": "", "nrf-spi-twi": "TWIM"}
"""Models that drive each kind of bus, and how those of their names begin that are for it."""


def buses(chip: Chip, *, serial: bool) -> dict[str, str]:
    """Peripherals of ``chip`` that drive an SPI, or an I2C, by what the bus is called. One that can be either has both
    names in its own."""
    models = _SPI if serial else _TWO_WIRE
    found = [(each.name, models.get(each.model)) for each in chip.peripheral]
    return {
        part: name
        for name, prefix in found
        if prefix is not None
        for part in (name.split("_") if prefix else [name])
        if part.startswith(prefix)
    }


def pin_of(name: str) -> tuple[str, int] | None:
    """Peripheral and number of a pin: "PA4" is pin 4 of GPIOA, "P0.17" pin 17 of P0. None: no such name."""
    found = _PIN.fullmatch(name)
    if found is None:
        return None
    return (f"GPIO{found[1]}", int(found[2])) if found[1] else (f"P{found[3]}", int(found[4]))


def check_pin(chip: Chip, name: str) -> None:
    """Raises BoardError, one line, for a pin that ``chip`` has not."""
    pin = pin_of(name)
    ports = {each.name for each in chip.peripheral if each.model in ("gpio-v1", "gpio-v2", "nrf-gpio")}
    if pin is None or pin[0] not in ports or pin[1] >= (32 if pin[0] == "P0" else 16):
        example = "P0.17" if "P0" in ports else "PA4"
        raise BoardError(
            f"{name!r} is no pin of {chip.name}; pins look like {example}, and its ports are {', '.join(sorted(ports))}"
        )


def check_memory(chip: Chip, entry: MemoryEntry) -> None:
    """Raises BoardError, one line, for a memory that cannot hang there."""
    fitting = list(buses(chip, serial=entry.is_serial))
    what = "an SPI" if entry.is_serial else "an I2C"
    if not entry.is_serial and entry.part.kind != "eeprom":
        raise BoardError(
            f"part {entry.part.name} is {entry.part.kind}, without a command set: a memory beside the chip is a serial "
            "NOR flash or an I2C EEPROM"
        )
    if entry.bus not in fitting:
        raise BoardError(
            f"bus {entry.bus!r}: {entry.part.name} hangs on {what}, and {chip.name} has "
            f"{', '.join(fitting) or 'none that is modelled'}{nearest(entry.bus, fitting)}"
        )
    if not entry.is_serial:
        if entry.select:
            raise BoardError(f"select is for a chip on an SPI; {entry.part.name} is found by its address")
        if entry.addresses[0] % len(entry.addresses):
            raise BoardError(
                f"address {entry.addresses[0]:#x}: {entry.part.name} answers to {len(entry.addresses)} addresses, the "
                f"lowest bits being part of the word address; give one that {len(entry.addresses)} divides"
            )
        return
    if entry.address:
        raise BoardError(f"address is for a chip on an I2C; {entry.part.name} is selected by a pin: give select")
    try:
        check_pin(chip, entry.select)
    except BoardError as wrong:
        raise BoardError(f"select {wrong}") from None
