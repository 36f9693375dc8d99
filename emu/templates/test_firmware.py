"""The firmware beside this file under power cuts. Run with `pytest`; the fixture and the marker come with brownout.

A test that fails prints the mildest path to the failure and a token; `pytest --brownout-replay TOKEN` replays it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from firmware import COMMITTED, CONFIGS, WINDOWS, device, newest, packed, store

from emu.reset import Reset


def test_no_power_cut_breaks_the_update(campaign: Callable[..., Any]) -> None:
    """Every state that any number of cuts can leave. `campaign` also takes depth, attempts, events, budget_s."""
    campaign(device, tears="T1")


@pytest.mark.power_cuts(
    part="w25q128jv",
    windows={name: WINDOWS[name] for name in CONFIGS},
    factory={"config-0": packed(1, 0, COMMITTED)},
)
def test_a_stored_config_is_never_lost(reset: Reset) -> None:
    """A piece on its own: the body of this test runs at every reset, and finds the flash as the last cut left it."""
    config = newest(reset.flash)
    assert config is not None, "no copy of the boot config is valid"
    reset.tell("slot", config.slot)  # from here on nothing else may be read, unless it was offered since
    if reset.attempt() is not None:
        reset.offer("slot", 1 - config.slot)
        stored = store(reset.flash, config, 1 - config.slot, COMMITTED)
        reset.tell("slot", stored.slot)
