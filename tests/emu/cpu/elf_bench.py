"""The test firmware on its chips: a device as shipped, an update that waits, a cut anywhere, and what comes of it.

Brute force on purpose: one cut, at every place or at those beside an erase, each followed by boots until it settles.
Neighbours: `firmware/README.md` declares what each mistake is found as.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emu.cpu.chip import bundled_chip
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.session import CpuSession, SessionReport
from flash.images import Image, load_image
from flash.journal import Entry, Interruption, Journal, Misuse, Operation
from flash.replay import replay
from flash.snapshot import Snapshot
from flash.tears import TEAR_SETS, Tear, tears_of

FIRMWARE = Path(__file__).parents[3] / "firmware"
MISTAKEN = ("stm32f1", "stm32f4", "stm32l4", "stm32h5", "nrf52840")
"""Chips with a build of every mistake; the others have right builds alone."""
CHIPS = {
    "stm32f1": "STM32F103xB", "stm32f4": "STM32F405xG", "stm32l4": "STM32L476xG", "stm32h5": "STM32H563xI",
    "nrf52840": "nRF52840", "stm32g0": "STM32G071xB", "stm32l0": "STM32L072xZ",
}  # fmt: skip
TOLD_APART = ("stm32f1", "stm32f4", "stm32l4", "nrf52840")
"""Chips whose firmware runs on no other of them; L4, G0 and H5 have most registers in one place."""
SLOT_A = {
    "stm32f1": 0x2000, "stm32f4": 0x2_0000, "stm32l4": 0x3000, "stm32h5": 0x8000, "nrf52840": 0x4000,
    "stm32g0": 0x3000, "stm32l0": 0x2000,
}  # fmt: skip
SLOT_B = {
    "stm32f1": 0x3000, "stm32f4": 0x4_0000, "stm32l4": 0x5000, "stm32h5": 0x10_0000, "nrf52840": 0x6000,
    "stm32g0": 0x5000, "stm32l0": 0x3000,
}  # fmt: skip
TAIL = {
    "stm32f1": 0x400, "stm32f4": 0x400, "stm32l4": 0x800, "stm32h5": 0x2000, "nrf52840": 0x1000,
    "stm32g0": 0x800, "stm32l0": 0x400,
}  # fmt: skip
ALLOWED = {"new": ("old", "new"), "sick": ("old",), "damaged": ("old",), "older": ("old",)}
LIMIT_US = 6_500_000
MAX_BOOTS = 12
NAMES = {"naw": "damaged"}
"""What a damaged image calls itself."""


@dataclass(frozen=True)
class Life:
    """All boots from some state to the end. ``entries``: of all of them."""

    reports: list[SessionReport]
    entries: list[Entry]

    @property
    def names(self) -> list[str]:
        """Of the images that ran, one per boot; "" where none did."""
        said = [report.output().decode().partition(" runs")[::2] for report in self.reports]
        return [NAMES.get(name, name) if rest else "" for name, rest in said]

    def findings(self, staged: str, *, had_committed: bool = False, is_uncut: bool = False) -> set[str]:
        found = {name for name in self.names if name in ("damaged", "older")}
        if any(report.notes for report in self.reports) or any(isinstance(each, Misuse) for each in self.entries):
            found.add("legal-flash")
        ending, name = self.reports[-1].ending, self.names[-1]
        if ending.kind == "reset" or not name:
            found.add("boots")
        elif ending.kind != "limit":
            found.add("stays-up")
        elif name not in (("new",) if had_committed or (is_uncut and staged == "new") else ALLOWED[staged]):
            found.add(f"runs {name}")
        return found


class Device:
    """``loader``: for instance "ab-bug1". ``staged``: a key of `ALLOWED`."""

    def __init__(self, chip: str, loader: str, staged: str) -> None:
        self.machine = Machine(bundled_chip(CHIPS[chip]), make_controller)
        self.session = CpuSession(self.machine)
        self.chip, self.staged, self.in_b = chip, staged, loader.startswith("ab")
        slot = "b" if self.in_b else "a"
        self.session.load([elf(f"{chip}-{loader}"), elf(f"{chip}-app-old-a")])
        waiting = elf(f"{chip}-app-{'new' if staged == 'damaged' else staged}-{slot}").segments[0].data
        if staged == "damaged":
            at = TAIL[chip] + 1
            waiting = waiting[:at] + bytes([waiting[at] ^ 4]) + waiting[at + 1 :]
        self.machine.flash.load(SLOT_B[chip], waiting)
        self.factory = self.state()

    def state(self) -> list[Snapshot]:
        return [device.snapshot() for device in self.machine.devices]

    def become(self, state: list[Snapshot]) -> None:
        """Power is back, flash holds ``state``, and nothing else is left of what was."""
        self.machine.supply.restore()
        self.machine.reset("power")
        for device, snapshot in zip(self.machine.devices, state, strict=True):
            device.restore(snapshot)

    def live(self) -> Life:
        """Boot, and go on until it settles."""
        reports: list[SessionReport] = []
        entries: list[Entry] = []
        cause = "power"
        while len(reports) < MAX_BOOTS:
            journal = Journal()
            reports.append(self.session.run(cause, LIMIT_US, journal=journal))
            entries += journal.entries
            if reports[-1].ending.kind != "reset":
                break
            cause = reports[-1].ending.reason
        return Life(reports, entries)

    def cut_lives(self, *, tears: str = "none", everywhere: bool = True) -> Iterator[tuple[str, set[str]]]:
        """(where it was cut, what was found) for one cut at each place of the uncut update, in each of its sessions."""
        before, cause, committed = self.factory, "power", False
        while True:
            self.become(before)
            journal = Journal()
            report = self.session.run(cause, LIMIT_US, journal=journal)
            after = self.state()
            for index in places(journal.entries, everywhere=everywhere):
                for tear in (None, *self._tears(before, journal.entries, index, tears)):
                    yield self._cut(before, cause, committed, Interruption(index, tear=tear))
            committed |= _has_committed(report)
            if report.ending.kind != "reset":
                return
            before, cause = after, report.ending.reason

    def _cut(self, before: list[Snapshot], cause: str, committed: bool, cut: Interruption) -> tuple[str, set[str]]:
        self.become(before)
        report = self.session.run(cause, LIMIT_US, journal=Journal(cut))
        assert report.ending.kind == "power-lost", report.ending
        self.become(self.state())
        life = self.live()
        found = life.findings(self.staged, had_committed=committed or _has_committed(report))
        if self.is_broken_under(life.names[-1]):
            found.add("broken-ecc")
        return f"{cause} boot, entry {cut.entry}, {cut.tear}", found

    def is_broken_under(self, name: str) -> bool:
        """Whether error correction has given up somewhere under the image that runs, right bytes or not."""
        if not name:
            return False
        in_b = self.in_b and name != "old"
        at = SLOT_B[self.chip] if in_b else SLOT_A[self.chip]
        size = len(elf(f"{self.chip}-app-old-a").segments[0].data)
        return self.machine.flash.cells.first_broken(at, size) is not None

    def _tears(self, before: list[Snapshot], entries: list[Entry], index: int, tears: str) -> list[Tear]:
        entry = entries[index]
        if not isinstance(entry, Operation):
            return []
        self.become(before)
        cells = {device.name: device.cells for device in self.machine.devices}
        for earlier in entries[:index]:
            if isinstance(earlier, Operation):
                replay(cells[earlier.device], earlier)
        part = next(device.part for device in self.machine.devices if device.name == entry.device)
        return list(tears_of(part, cells[entry.device], entry, TEAR_SETS[tears]))


def places(entries: list[Entry], *, everywhere: bool) -> list[int]:
    """Entries to cut at: all, or those beside an erase."""
    if everywhere:
        return list(range(len(entries)))
    erases = {i for i, entry in enumerate(entries) if isinstance(entry, Operation) and entry.kind == "erase"}
    return sorted({i + step for i in erases for step in (-1, 0, 1, 2)} & set(range(len(entries))))


def _has_committed(report: SessionReport) -> bool:
    return b"new runs\r\ncommitted" in report.output()


@cache
def elf(name: str) -> Image:
    return load_image(FIRMWARE / "elf" / f"{name}.elf")
