"""The frequency of the core, from what firmware wrote into the clock controller of an STM32.

SysTick and everything firmware computes from its clock would be wrong by the factor of the PLL otherwise. The AHB
prescaler is in it. Switches and locks take no time. A switch to a source that is off, or a PLL set to something no
formula has, leaves the clock as it is.

Sources: RM0008, RM0090, RM0351, RM0444, RM0377, RM0481 by way of the vendor's headers (bits) and recalled (factors).
Neighbours: `storage` keeps the registers; the table at the end is by the name of a model.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.storage import Storage

MHZ = 1_000_000
_AHB = {8: 2, 9: 4, 10: 8, 11: 16, 12: 64, 13: 128, 14: 256, 15: 512}


class Clocks(Storage):
    """``system_hz(self)`` gives the present system clock before the AHB prescaler; None: not to be said."""

    def __init__(
        self,
        world: Surroundings,
        entry: PeripheralEntry,
        system_hz: Callable[[Clocks], int | None],
        prescaler: tuple[int, int],
    ) -> None:
        self._system_hz = system_hz
        self._prescaler = prescaler
        self.hse_hz = entry.hse_hz
        super().__init__(world, entry)

    def settled(self) -> None:
        hz = self._system_hz(self)
        if hz:
            register, bit = self._prescaler
            self.world.set_clock(max(1, hz // _AHB.get(self.field(register, bit, 4), 1)))


def _f1(clocks: Clocks) -> int | None:
    """CR at 0, CFGR at 4: HSI 8 MHz, PLL from HSI / 2 or HSE, times 2 to 16."""
    source = clocks.field(0x04, 0, 2)
    if source == 2:
        halved = 2 if clocks.has(0x04, 17) else 1
        base = clocks.hse_hz // halved if clocks.has(0x04, 16) else 4 * MHZ
        return base * min(16, clocks.field(0x04, 18, 4) + 2)
    return {0: 8 * MHZ, 1: clocks.hse_hz}.get(source)


def _f4(clocks: Clocks) -> int | None:
    """PLLCFGR at 4, CFGR at 8: HSI 16 MHz."""
    source = clocks.field(0x08, 0, 2)
    if source in (2, 3):
        base = clocks.hse_hz if clocks.has(0x04, 22) else 16 * MHZ
        divisor = clocks.field(0x04, 28, 3) if source == 3 else 2 * (clocks.field(0x04, 16, 2) + 1)
        return _pll(base, clocks.field(0x04, 0, 6), clocks.field(0x04, 6, 9), divisor)
    return {0: 16 * MHZ, 1: clocks.hse_hz}.get(source)


_MSI = [each * 1000 for each in (100, 200, 400, 800, 1000, 2000, 4000, 8000, 16000, 24000, 32000, 48000)]


def _l4(clocks: Clocks) -> int | None:
    """CR at 0 with the range of MSI, CFGR at 8, PLLCFGR at C."""
    ranged = clocks.field(0x00, 4, 4) if clocks.has(0x00, 3) else 6
    msi = _MSI[min(ranged, len(_MSI) - 1)]
    source = clocks.field(0x08, 0, 2)
    if source == 3:
        base = {1: msi, 2: 16 * MHZ, 3: clocks.hse_hz}.get(clocks.field(0x0C, 0, 2))
        if base is None:
            return None
        return _pll(base, clocks.field(0x0C, 4, 3) + 1, clocks.field(0x0C, 8, 7), 2 * (clocks.field(0x0C, 25, 2) + 1))
    return {0: msi, 1: 16 * MHZ, 2: clocks.hse_hz}.get(source)


def _g0(clocks: Clocks) -> int | None:
    """CR at 0 with the divisor of HSI, CFGR at 8, PLLCFGR at C."""
    source = clocks.field(0x08, 0, 3)
    if source == 2:
        base = {2: 16 * MHZ, 3: clocks.hse_hz}.get(clocks.field(0x0C, 0, 2))
        if base is None:
            return None
        return _pll(base, clocks.field(0x0C, 4, 3) + 1, clocks.field(0x0C, 8, 7), clocks.field(0x0C, 29, 3) + 1)
    return {0: 16 * MHZ >> clocks.field(0x00, 11, 3), 1: clocks.hse_hz, 3: 32_000, 4: 32_768}.get(source)


_L0_MULTIPLIERS = (3, 4, 6, 8, 12, 16, 24, 32, 48)


def _l0(clocks: Clocks) -> int | None:
    """ICSCR at 4 with the range of MSI, CFGR at C."""
    source = clocks.field(0x0C, 0, 2)
    hsi = 4 * MHZ if clocks.has(0x00, 3) else 16 * MHZ
    if source == 3:
        multiplier, divisor = clocks.field(0x0C, 18, 4), clocks.field(0x0C, 22, 2) + 1
        if multiplier >= len(_L0_MULTIPLIERS) or divisor == 1:
            return None
        return (clocks.hse_hz if clocks.has(0x0C, 16) else hsi) * _L0_MULTIPLIERS[multiplier] // divisor
    msi = 65_536 << min(6, clocks.field(0x04, 13, 3))
    return {0: msi, 1: hsi, 2: clocks.hse_hz}.get(source)


def _h5(clocks: Clocks) -> int | None:
    """CR at 0 with the divisor of HSI, CFGR1 at 1C, PLL1CFGR at 28, PLL1DIVR at 34. The fraction of the PLL is left
    out."""
    hsi = 64 * MHZ >> clocks.field(0x00, 3, 2)
    source = clocks.field(0x1C, 0, 2)
    if source == 3:
        base = {1: hsi, 2: 4 * MHZ, 3: clocks.hse_hz}.get(clocks.field(0x28, 0, 2))
        if base is None:
            return None
        return _pll(base, clocks.field(0x28, 8, 6), clocks.field(0x34, 0, 9) + 1, clocks.field(0x34, 9, 7) + 1)
    return {0: hsi, 1: 4 * MHZ, 2: clocks.hse_hz}.get(source)


def _pll(base: int, divisor: int, multiplier: int, output: int) -> int | None:
    return base * multiplier // divisor // output if divisor and multiplier and output else None


Maker = Callable[[Surroundings, PeripheralEntry], Clocks]


def _model(system_hz: Callable[[Clocks], int | None], register: int, bit: int) -> Maker:
    """``register``, ``bit``: where the four bits of the AHB prescaler stand."""
    return lambda world, entry: Clocks(world, entry, system_hz, (register, bit))


CLOCK_MODELS = {
    "rcc-f1": _model(_f1, 0x04, 4),
    "rcc-f4": _model(_f4, 0x08, 4),
    "rcc-l4": _model(_l4, 0x08, 4),
    "rcc-g0": _model(_g0, 0x08, 8),
    "rcc-l0": _model(_l0, 0x0C, 4),
    "rcc-h5": _model(_h5, 0x20, 0),
}
