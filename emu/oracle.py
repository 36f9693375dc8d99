"""Oracle: a user's own promise about what stands on flash, judged by the host at the end of every session.

The firmware is not asked and does not know: the judge is given the bytes, and the ledger of what the device owes.

    def newest_is_whole(contents: Contents) -> str:
        raw = contents.read("settings")
        return "" if any(decode(record) in contents.allowed("volume") for record in records(raw)) else "volume is lost"

    Oracle("keeps", "a setting once told is never lost", newest_is_whole)

Neighbours: a rig carries oracles and puts what they look at into its footprints; `campaign.checks` makes a check of
each. Knows no firmware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from emu.board import ALL_CHECKS
from emu.crash_place import place_of
from emu.errors import ScenarioError
from emu.events import SAID
from emu.ledger import Ledger, Value
from flash.errors import EccFault, UnsteadyRead
from flash.journal import Event
from flash.part import Part
from flash.peek import read_snapshot
from flash.snapshot import Snapshot

if TYPE_CHECKING:
    from emu.rig import Place, Run


@dataclass(frozen=True)
class Contents:
    """Flash as a session has left it, and what is owed. ``said``: the lines of text that left the device in this
    session, where the rig hears any."""

    _places: Mapping[str, Place]
    _parts: Sequence[Part]
    _memory: Sequence[Snapshot]
    _ledger: Ledger
    said: tuple[str, ...] = ()

    def read(self, window: str, offset: int = 0, length: int | None = None, *, broken: int | None = None) -> bytes:
        """Bytes of a window that the oracle watches; all of it from ``offset`` on, unless ``length`` says less.
        ``broken``: the byte that stands for those of a granule that error correction gives up on; None: it raises.

        Raises UnsteadyRead where a bit may read either way, EccFault where correction fails: what holds such bytes
        is nothing to rely on. A judge that does not catch them has found a breach.
        """
        place = self._places.get(window)
        if place is None:
            raise ScenarioError(
                f"the oracle reads window {window!r}; it watches {', '.join(self._places) or 'none'}: add it there"
            )
        length = place.size - offset if length is None else length
        if offset < 0 or length < 0 or offset + length > place.size:
            raise ScenarioError(
                f"the oracle reads [{offset:#x}, {offset + length:#x}) of window {window!r}, which has {place.size:#x} "
                "bytes"
            )
        return self._bytes(place.chip, place.address + offset, length, broken)

    def _bytes(self, chip: int, address: int, length: int, broken: int | None) -> bytes:
        part = self._parts[chip]
        try:
            return read_snapshot(part, self._memory[chip], address, length)
        except EccFault:
            if broken is None:
                raise
        unit = part.geometry.unit
        middle = (address // unit + max(1, length // unit // 2)) * unit
        if middle >= address + length:
            return bytes([broken]) * length
        ahead = self._bytes(chip, address, middle - address, broken)
        return ahead + self._bytes(chip, middle, address + length - middle, broken)

    def knows(self, key: str) -> bool:
        """Whether the firmware has ever told a value of ``key``."""
        return self._ledger.knows(key)

    @property
    def keys(self) -> tuple[str, ...]:
        """Those a value of which was ever told."""
        return self._ledger.keys

    def allowed(self, key: str) -> tuple[Value, ...]:
        """What ``key`` may hold: the value told last, then those offered since and not answered yet. `ledger.NOTHING`,
        "": it may hold none."""
        return self._ledger.allowed(key)


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that has ended. ``start``: memory as it found it. ``before``, ``after``: what was owed when it began,
    and what is now."""

    start: Sequence[Snapshot]
    run: Run
    parts: Sequence[Part]
    before: Ledger
    after: Ledger


class AnyOracle(Protocol):
    """A check that comes with a rig, asked when a session has ended."""

    @property
    def name(self) -> str: ...
    @property
    def promise(self) -> str: ...

    def of_session(self, ended: Ended) -> str:
        """What is wrong with a session, or ""."""
        ...


@dataclass(frozen=True)
class Oracle:
    """``judge`` says what is wrong, or "". ``watches``: the windows it reads; none named: all of them.

    ``places`` is filled in by the rig, which knows where its windows are.
    """

    name: str
    promise: str
    judge: Callable[[Contents], str]
    watches: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)

    def bound_to(self, windows: Mapping[str, Place], names: Sequence[str], check: str = "") -> Oracle:
        """The same on a rig with these windows. ``names``: of all checks that oracles of the rig make, this one's among
        them: ``check``, or its own name.

        Raises ScenarioError for a name that another check has, and a window that is not there.
        """
        check = check or self.name
        if check in ALL_CHECKS or names.count(check) > 1:
            raise ScenarioError(f"there is another check called {check!r}: give the oracle a name of its own")
        for window in self.watches:
            if window not in windows:
                raise ScenarioError(
                    f"there is no window of oracle {self.name!r} {window!r}: {', '.join(windows) or 'none'}"
                )
        return replace(self, places={name: windows[name] for name in self.watches or windows})

    def of_session(self, ended: Ended) -> str:
        """As `AnyOracle.of_session`."""
        lines = tuple(str(e.facts[1]) for e in ended.run.entries if isinstance(e, Event) and e.name == SAID)
        return self.verdict(ended.parts, ended.run.end.memory, ended.after, lines)

    def verdict(
        self, parts: Sequence[Part], memory: Sequence[Snapshot], ledger: Ledger, lines: tuple[str, ...] = ()
    ) -> str:
        """What is wrong with a state, or "". Raises ScenarioError for a judge that fails."""
        try:
            said = self.judge(Contents(self.places, parts, memory, ledger, lines))
        except (EccFault, UnsteadyRead) as unreadable:
            return f"what {self.name} needs cannot be relied on: {unreadable}"
        except ScenarioError:
            raise
        except Exception as wrong:
            raise ScenarioError(
                f"oracle {self.name!r} failed: {type(wrong).__name__}: {wrong}{place_of(wrong)}"
            ) from wrong
        if not isinstance(said, str):
            raise ScenarioError(f"oracle {self.name!r} returned {said!r}: a message, or '' where all is well")
        return said


@dataclass(frozen=True)
class SessionOracle:
    """One that goes by what a session did, not by what it left: ``judge`` says what is wrong with a run, or ""."""

    name: str
    promise: str
    judge: Callable[[Run], str]

    def of_session(self, ended: Ended) -> str:
        """As `AnyOracle.of_session`."""
        return self.judge(ended.run)
