"""What a reset of the system begins from besides the cells of flash, as plain data: RAM, backup registers, the flags of
earlier resets, a watchdog that cannot be stopped, the modes of memories beside the chip and what they are doing.

Taken when a session has ended with a reset, given back before the next one begins; so a session is a function of data
wherever it runs. The loss of power leaves none of it. Neighbours: `machine` is where it stands. Knows no campaign.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from emu.cpu.machine import Machine

Retained = tuple[tuple[str, int], ...]

PIECE = 64
"""Bytes of RAM in one entry. Those that are as after power-on have none."""
_ALARMS = ("wdt",)
"""Alarms that a reset of the system does not stop."""


def retained(machine: Machine, live: Sequence[int] | None = None, *, stops_alarms: bool = False) -> Retained:
    """What the machine holds. ``live``: the words of RAM, by address, that anybody looks at before they are written;
    the others are left out, as if power had just come. None: all of it. ``stops_alarms``: the reset that follows stops
    the alarms that another one would leave running."""
    found: list[tuple[str, int]] = []
    for address, content, pattern in machine.rams:
        if live is not None:
            found += _live(address, content, pattern, live)
            continue
        pieces, fresh = content.reshape(-1, PIECE), pattern.reshape(-1, PIECE)
        for index in np.flatnonzero((pieces != fresh).any(axis=1)).tolist():
            found.append((f"RAM {address + index * PIECE:#010x}", int.from_bytes(pieces[index].tobytes(), "little")))
    for name, peripheral in machine.retaining:
        found += [(f"{name}.{at}", word) for at, word in enumerate(peripheral.retained())]
    if machine.keeping is not None:
        found += [(f"FLASH.{at}", word) for at, word in enumerate(machine.keeping.kept())]
    for memory in machine.externals:
        found.append((f"memory {memory.name}", int.from_bytes(repr(memory.hold()).encode(), "little")))
    now_us, alarms = machine.clock.settings()
    if not stops_alarms:
        found += [(f"alarm {name}", at_us - now_us) for name, at_us in alarms if name in _ALARMS]
    return tuple(found)


def _live(
    address: int, content: NDArray[np.uint8], pattern: NDArray[np.uint8], live: Sequence[int]
) -> list[tuple[str, int]]:
    """The pieces of one RAM in which words of ``live`` are not as after power-on."""
    pieces: dict[int, NDArray[np.uint8]] = {}
    for at in (word - address for word in live if address <= word < address + content.size):
        if (content[at : at + 4] != pattern[at : at + 4]).any():
            start = at // PIECE * PIECE
            piece = pieces.setdefault(start, pattern[start : start + PIECE].copy())
            piece[at - start : at - start + 4] = content[at : at + 4]
    return [
        (f"RAM {address + start:#010x}", int.from_bytes(piece.tobytes(), "little"))
        for start, piece in sorted(pieces.items())
    ]


def retain(machine: Machine, state: Retained) -> None:
    """The machine becomes one that held ``state`` (b"" of everything: power has just come); a reset is to follow."""
    entries = dict(state)
    pieces = {int(name[4:], 16): held for name, held in state if name.startswith("RAM ")}
    for address, content, pattern in machine.rams:
        content[:] = pattern
        for at, held in pieces.items():
            if address <= at < address + content.size:
                content[at - address : at - address + PIECE] = np.frombuffer(held.to_bytes(PIECE, "little"), np.uint8)
        machine.engine.forget(address, content.size)
    for name, peripheral in machine.retaining:
        peripheral.retain(_words(entries, name))
    if machine.keeping is not None:
        machine.keeping.keep(_words(entries, "FLASH"))
    left = tuple((name, entries[f"alarm {name}"]) for name in _ALARMS if f"alarm {name}" in entries)
    machine.clock.set((0, left))
    for memory in machine.externals:
        held = entries[f"memory {memory.name}"]
        memory.resume(ast.literal_eval(held.to_bytes(-(-held.bit_length() // 8), "little").decode()))


def _words(entries: Mapping[str, int], name: str) -> tuple[int, ...]:
    found: list[int] = []
    while f"{name}.{len(found)}" in entries:
        found.append(entries[f"{name}.{len(found)}"])
    return tuple(found)
