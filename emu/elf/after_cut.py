"""An oracle asked about what a boot finds: flash as the cut, or the reset, has left it, before the firmware repairs or
writes anything. What is owed is what was owed then.

Neighbours: `storage` makes one of an `Oracle`, and sees that what it looks at is in the footprint.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.oracle import Ended, Oracle


@dataclass(frozen=True)
class AfterCut:
    """An `AnyOracle`."""

    oracle: Oracle

    @property
    def name(self) -> str:
        return name_of(self.oracle.name)

    @property
    def promise(self) -> str:
        return f"{self.oracle.promise}, already when a boot finds it"

    def of_session(self, ended: Ended) -> str:
        """As `AnyOracle.of_session`."""
        return self.oracle.verdict(ended.parts, ended.start, ended.before)


def name_of(oracle: str) -> str:
    """The name of the check that an oracle makes here."""
    return f"{oracle}-after-cut"
