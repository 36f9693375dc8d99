"""What a reset of the system begins from besides the cells of flash, as plain data: RAM, backup registers, the flags of
earlier resets, a watchdog that cannot be stopped.

Taken when a session has ended with a reset, given back before the next one begins; so a session is a function of data
wherever it runs. The loss of power leaves none of it. Neighbours: `machine` is where it stands. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emu.cpu.machine import Machine

Retained = tuple[tuple[str, int], ...]

PIECE = 64
"""Bytes of RAM in one entry. Those that are as after power-on have none."""
_ALARMS = ("wdt",)
"""Alarms that a reset of the system does not stop."""


def retained(machine: Machine) -> Retained:
    """What the machine holds."""
    found: list[tuple[str, int]] = []
    for address, content, pattern in machine.rams:
        pieces, fresh = content.reshape(-1, PIECE), pattern.reshape(-1, PIECE)
        for index in np.flatnonzero((pieces != fresh).any(axis=1)).tolist():
            found.append((f"RAM {address + index * PIECE:#010x}", int.from_bytes(pieces[index].tobytes(), "little")))
    for name, peripheral in machine.retaining:
        found += [(f"{name}.{at}", word) for at, word in enumerate(peripheral.retained())]
    if machine.keeping is not None:
        found += [(f"FLASH.{at}", word) for at, word in enumerate(machine.keeping.kept())]
    now_us, alarms = machine.clock.settings()
    found += [(f"alarm {name}", at_us - now_us) for name, at_us in alarms if name in _ALARMS]
    return tuple(found)


def retain(machine: Machine, state: Retained) -> None:
    """The machine becomes one that held ``state`` (b"" of everything: power has just come); a reset is to follow."""
    entries = dict(state)
    for address, content, pattern in machine.rams:
        content[:] = pattern
        for at in range(address, address + content.size, PIECE):
            piece = entries.get(f"RAM {at:#010x}")
            if piece is not None:
                content[at - address : at - address + PIECE] = np.frombuffer(piece.to_bytes(PIECE, "little"), np.uint8)
        machine.engine.forget(address, content.size)
    for ram in machine.chip.ram:
        for alias in ram.aliases:
            machine.engine.forget(alias, ram.size)
    for name, peripheral in machine.retaining:
        peripheral.retain(_words(entries, name))
    if machine.keeping is not None:
        machine.keeping.keep(_words(entries, "FLASH"))
    left = tuple((name, entries[f"alarm {name}"]) for name in _ALARMS if f"alarm {name}" in entries)
    machine.clock.set((0, left))


def _words(entries: Mapping[str, int], name: str) -> tuple[int, ...]:
    found: list[int] = []
    while f"{name}.{len(found)}" in entries:
        found.append(entries[f"{name}.{len(found)}"])
    return tuple(found)
