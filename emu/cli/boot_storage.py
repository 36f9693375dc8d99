"""What `brownout boot` shows of a board's [storage]: what the firmware owes after a boot, and what the oracles say.

Neighbours: `boot` prints it; `campaign.monitor` says what is owed, as in a campaign.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.campaign.monitor import Monitor
from emu.ledger import Ledger, shown
from emu.oracle import Ended
from emu.rig import DeviceState, Run
from emu.words import printable
from flash.journal import Event

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig


class StorageWatch:
    """Boot after boot. ``is_broken``: an oracle has objected."""

    def __init__(self, rig: ElfRig) -> None:
        self._rig = rig
        self._monitor = Monitor()
        self.is_broken = False

    @property
    def has_more(self) -> bool:
        """Whether what is read back is worth another boot, with a loss of power before it."""
        return self._rig.storage.phrases is not None

    def lines(self, state: DeviceState, run: Run) -> Iterator[str]:
        """After the boot ``run`` from ``state``."""
        before = self._monitor.ledger
        for entry in run.entries:
            if isinstance(entry, Event):
                self._monitor = self._monitor.after(entry)
        after = self._monitor.ledger
        if self._rig.storage.hears_values:
            yield f"owed     {_owed(after)}"
        for oracle in self._rig.storage.oracles:
            said = oracle.of_session(Ended(state.memory, run, self._rig.parts, before, after))
            self.is_broken = self.is_broken or bool(said)
            yield f"check    {printable(oracle.name)}: {printable(said) or 'nothing is wrong'}"


def _owed(ledger: Ledger) -> str:
    keys = dict.fromkeys(key for key, _ in (*ledger.told, *ledger.offered))
    held = [f"{key} = {' or '.join(map(shown, ledger.allowed(key)))}" for key in keys]
    return printable("; ".join(held)) or "nothing: no line fits storing, stored or read"
