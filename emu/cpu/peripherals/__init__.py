"""Peripherals enough for real code: by the name a chip's file gives to a model.

Neighbours: `machine` makes them. Each knows its registers and the `Surroundings` it is given, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Peripheral, Surroundings
from emu.cpu.peripherals.clocks import CLOCK_MODELS
from emu.cpu.peripherals.dma import Channels, Streams
from emu.cpu.peripherals.i2c import OldI2c
from emu.cpu.peripherals.i2c_counted import NewI2c
from emu.cpu.peripherals.nordic import ClockPower
from emu.cpu.peripherals.nordic_serial import SerialBox
from emu.cpu.peripherals.nordic_time import Rtc, Timer
from emu.cpu.peripherals.nordic_uart import Uart
from emu.cpu.peripherals.pins import NewGpio, NordicGpio, OldGpio
from emu.cpu.peripherals.power import Power
from emu.cpu.peripherals.serial import NewPort, OldPort
from emu.cpu.peripherals.small import Crc, NordicRandom, Random
from emu.cpu.peripherals.spi import NewSpi, OldSpi
from emu.cpu.peripherals.storage import Storage
from emu.cpu.peripherals.timers import Tim
from emu.cpu.peripherals.watchdogs import Independent, Nordic, Window

Maker = Callable[[Surroundings, PeripheralEntry], Peripheral]

MODELS: Mapping[str, Maker] = {
    "storage": Storage,
    **CLOCK_MODELS,
    "usart-v1": OldPort,
    "usart-v2": NewPort,
    "lpuart": NewPort,
    "spi-v1": OldSpi,
    "spi-v2": NewSpi,
    "i2c-v1": OldI2c,
    "i2c-v2": NewI2c,
    "i2c-v2-joint": partial(NewI2c, joint=True),
    "gpio-v1": OldGpio,
    "gpio-v2": NewGpio,
    "iwdg": Independent,
    "iwdg-h5": partial(Independent, longest=8),
    "wwdg": partial(Window, shift=7),
    "wwdg-v2": partial(Window, shift=11),
    "tim": partial(Tim, bits=16),
    "tim32": partial(Tim, bits=32),
    "crc": Crc,
    "dma-channels": Channels,
    "dma-streams": Streams,
    "rng": Random,
    "pwr": Power,
    "nrf-clock-power": ClockPower,
    "nrf-uart": Uart,
    "nrf-spi-twi": SerialBox,
    "nrf-gpio": NordicGpio,
    "nrf-rng": NordicRandom,
    "nrf-rtc": Rtc,
    "nrf-timer": Timer,
    "nrf-wdt": Nordic,
}
"""What ``model`` of a chip's ``[[peripheral]]`` may be."""

__all__ = ["MODELS", "Maker"]
