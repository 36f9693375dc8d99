"""Pins that something outside the chip drives: a strap, a resistor on the board, a button held by who brings an update.

A level is one for a whole session, from before the first instruction on. Which one follows from the board and from
whether somebody stands at the device with the update, which is part of the state a session begins in: so nothing else
has to remember it.

Neighbours: `document` has the keys, `board` has them looked at, `rig` and `node` drive. Knows no register.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emu.cpu.chip import Chip
from emu.cpu.contract import Peripheral
from emu.cpu.faces import HasPins
from emu.cpu.wiring import check_pin, pin_of
from emu.elf.document import ElfBoardFile, PinEntry
from emu.errors import BoardError


def check_pins(document: ElfBoardFile, chip: Chip, where: str) -> None:
    """Raises BoardError, one line, for a pin that cannot be driven so."""
    selected = {pin_of(each.select): each.name for each in document.memory if each.select}
    seen: list[tuple[tuple[str, int] | None, str]] = []
    for entry in document.pin:
        what = f"{where}: [[pin]] {entry.name!r}"
        try:
            check_pin(chip, entry.name)
        except BoardError as wrong:
            raise BoardError(f"{where}: [[pin]]: name {wrong}") from None
        pin = pin_of(entry.name)
        if entry.when == "update" and document.update is None:
            raise BoardError(
                f'{what}: when = "update" is for as long as somebody brings the update over a UART, and there is no '
                "[update]; leave when out"
            )
        if (pin, entry.when) in seen:
            raise BoardError(
                f'{what} is there twice with when = "{entry.when}"; give a pin one level, and another one at most '
                "while the update is brought"
            )
        if pin in selected:
            raise BoardError(f"{what}: the chip drives it, it selects memory {selected[pin]!r}; leave it out")
        seen.append((pin, entry.when))


def drive(pins: Sequence[PinEntry], peripherals: Mapping[str, Peripheral], *, is_brought: bool) -> None:
    """For the session that comes. ``is_brought``: somebody stands at the device with the update."""
    driven: dict[str, dict[int, bool]] = {}
    for entry in sorted(pins, key=lambda each: each.when == "update"):  # a hand is stronger than a resistor
        pin = pin_of(entry.name)
        assert pin is not None, f"pin {entry.name!r} was not looked at: please report"
        levels = driven.setdefault(pin[0], {})
        if is_brought or entry.when == "always":
            levels[pin[1]] = entry.level == "high"
    for name, levels in driven.items():
        port = peripherals[name]
        assert isinstance(port, HasPins), f"{name} has no pins: please report"
        port.drive(levels)
