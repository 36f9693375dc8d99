"""What a device owes its user: values it was asked to keep, and values it has said it keeps.

A store without images is judged by it. Asked to keep a value, and cut before it answered, a device may hold the old
value or the new one; once it has told one of them, that one. Keys and values are whatever the firmware names.

Neighbours: `campaign.monitor` carries one across resets, `oracle` shows it to a user's own check. It is moved by
`events.OFFERED` and `events.TOLD` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Value = str | int | bytes

NOTHING = ""
"""As a value: the key holds none."""


def shown(value: Value) -> str:
    """A value in a message."""
    return "nothing" if value == NOTHING else repr(value)


@dataclass(frozen=True, slots=True)
class Ledger:
    """``told`` and ``offered`` are sorted, so that equal debts are equal ledgers."""

    told: tuple[tuple[str, Value], ...] = ()
    offered: tuple[tuple[str, Value], ...] = ()

    def with_offer(self, key: str, value: Value) -> Ledger:
        return replace(self, offered=_sorted({*self.offered, (key, value)}))

    def with_told(self, key: str, value: Value) -> Ledger:
        told = {name: held for name, held in self.told if name != key}
        return Ledger(_sorted({*told.items(), (key, value)}), tuple(offer for offer in self.offered if offer[0] != key))

    def knows(self, key: str) -> bool:
        """Whether a value of ``key`` was ever told."""
        return any(name == key for name, _ in self.told)

    @property
    def keys(self) -> tuple[str, ...]:
        """Those a value of which was ever told."""
        return tuple(name for name, _ in self.told)

    def allowed(self, key: str) -> tuple[Value, ...]:
        """What ``key`` may hold: the value told last, and those offered since."""
        return tuple(value for name, value in (*self.told, *self.offered) if name == key)


NOTHING_OWED = Ledger()


def _sorted(pairs: set[tuple[str, Value]]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(pairs, key=repr))
