"""Hypothesis strategies for what a bootloader and an updater live with: for property tests of your own code.

| strategy | draws |
|---|---|
| `parts` | made-up chips of every kind, a few hundred bytes to 8 KiB |
| `operations`, `journals` | programs and erases that are legal for a part and what it holds |
| `cuts`, `cut_journals` | where power goes in a row of operations, and what it leaves of the one it tears |
| `boot_configs`, `stale_boot_configs`, `torn_boot_configs` | records that count, that are outdated, that are torn |
| `config_pairs` | both copies after any row of writes, each completed or cut |
| `chunkings` | ways to cut a file into pieces |
| `boards` | boards that fit a bundled part, small enough for a campaign in a test |

`restart` and `copies_on` do to a `FlashDevice` what a test of these needs. docs/hypothesis.md shows each at work.

Neighbours: takes parts, tears and records from the floors below, boards from `emu.board`; nothing here is imported by
another room, and hypothesis by no other. Decides nothing about firmware.
"""

from __future__ import annotations

from emu.errors import MissingExtra

try:
    import hypothesis as _hypothesis  # noqa: F401
except ImportError as missing:
    raise MissingExtra(
        f"emu.strategies needs a package that is not installed ({missing.name}): pip install 'brownout[hypothesis]'"
    ) from None

from emu.strategies.boards import board_parts, boards
from emu.strategies.chunkings import chunkings
from emu.strategies.configs import boot_configs, stale_boot_configs
from emu.strategies.cuts import cuts, restart
from emu.strategies.journals import CutJournal, cut_journals, journals
from emu.strategies.operations import operations
from emu.strategies.pairs import ConfigPair, ConfigWrite, config_pairs, copies_on, torn_boot_configs
from emu.strategies.parts import KINDS, parts

__all__ = [
    "KINDS",
    "ConfigPair",
    "ConfigWrite",
    "CutJournal",
    "board_parts",
    "boards",
    "boot_configs",
    "chunkings",
    "config_pairs",
    "copies_on",
    "cut_journals",
    "cuts",
    "journals",
    "operations",
    "parts",
    "restart",
    "stale_boot_configs",
    "torn_boot_configs",
]
