"""The mutants that are shipped: what was changed, the check that must catch it, and where it means nothing.

Rows of a table. Each is one place changed in a firmware that is correct, passes the uncut update (the canary alone does
not), and is caught with one clean cut, or one torn one, on every board where it applies: none depends on sizes, sectors
or timing. Between them they try every check that speaks of every board.

Neighbours: `loaders` and `writers` have the mistakes; the command line runs them. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.board import CheckName
from emu.firmware import ModelFirmware
from emu.mutants.loaders import (
    CommitDeferred,
    CommittedOnEntry,
    OneCopyInPlace,
    TimerAlwaysArmed,
    TriesAgain,
    TrustingLoader,
)
from emu.mutants.writers import ConfigBeforeData, LargerSequencerWins, OverwritesItself
from flash.tears import TearSet

TORN_RECORDS_TIER = 1
"""The tier whose tears leave a boot config that reads neither valid nor erased."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a mutant is tried under. ``keeps_new``: whether the uncut update ends with the new image, committed."""

    tears: TearSet
    keeps_new: bool


def _always(conditions: Conditions) -> str:
    return ""


def _where_it_commits(conditions: Conditions) -> str:
    return "" if conditions.keeps_new else "with this application model the new image never commits"


def _where_records_tear(conditions: Conditions) -> str:
    torn = TORN_RECORDS_TIER in conditions.tears.tiers
    return "" if torn else f"it takes a torn boot config, and tears {conditions.tears.name} need not leave one"


@dataclass(frozen=True, slots=True)
class Mutant:
    """``changed``: the place, against ``twin``, which is correct. ``applies``: why this mutant would break nothing
    there, "" where it does."""

    firmware: type[ModelFirmware]
    changed: str
    check: CheckName
    applies: Callable[[Conditions], str] = _always
    twin: type[ModelFirmware] = ModelFirmware

    @property
    def name(self) -> str:
        return self.firmware.name


MUTANTS: dict[str, Mutant] = {
    row.name: row
    for row in (
        # The canary: no cut is needed, and a campaign that lets it pass judges nothing at all.
        Mutant(OverwritesItself, "the updater takes the other slot for the running one", "in-place"),
        Mutant(TimerAlwaysArmed, "every boot arms the commit timer", "boots"),
        # The bootloader would refuse a slot that is not filled; its twin believes what the config names.
        Mutant(ConfigBeforeData, "the config names the slot before its data is there", "whole", twin=TrustingLoader),
        Mutant(CommitDeferred, "commit returns before its record is written", "durable", _where_it_commits),
        Mutant(CommittedOnEntry, "the entry of a trial is recorded as committed", "reverts"),
        Mutant(LargerSequencerWins, "the updater takes the larger sequencer for the newer", "retries"),
        Mutant(OneCopyInPlace, "the bootloader always writes config copy 0", "in-place"),
        Mutant(TriesAgain, "a trial is repeated where the other config copy is torn", "reverts", _where_records_tear),
    )
}
