"""That nothing is lost without a word: a value that was told is read back when the device starts, before it changes.

Neighbours: `rig` carries it for a board whose [storage] says what the firmware reads back; `campaign.checks` makes a
check of it. `durable` judges what is read; this one, that it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.events import OFFERED, TOLD
from emu.ledger import NOTHING, shown
from emu.oracle import Ended
from flash.journal import Event


@dataclass(frozen=True)
class ReadsBack:
    """An `AnyOracle`."""

    name: str = "reads-back"
    promise: str = "what was told is read back in every session that settles, before it is stored anew"

    def of_session(self, ended: Ended) -> str:
        """As `AnyOracle.of_session`."""
        run, before = ended.run, ended.before
        if run.outcome.kind != "settled":
            return ""
        first: dict[str, str] = {}
        for entry in run.entries:
            if isinstance(entry, Event) and entry.name in (OFFERED, TOLD):
                first.setdefault(entry.facts[0], entry.name)
        for key in before.keys:
            allowed = before.allowed(key)
            if first.get(key) != TOLD and NOTHING not in allowed:
                what = "is stored anew and was not read back" if key in first else "is not read back"
                return f"{key} {what}; it was told or asked to be {' or '.join(map(shown, allowed))}"
        return ""
