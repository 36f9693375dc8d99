"""The published designs by name: what each is, and the scenario it makes.

Neighbours: `own_firmware` looks names up here, the command line lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from emu.designs import cc3200, mos1_boards
from emu.scenario import Scenario
from emu.source import Bundled


@dataclass(frozen=True, slots=True)
class Design:
    """``make`` is called with a name for reports and a model of `emu.app`."""

    name: str
    help: str
    make: Callable[[str, str], Scenario]


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        Design(
            "mos1-stm32",
            "Mongoose OS on an STM32: MOS1 records, one slot that runs, images swapped through a third",
            lambda name, app: mos1_boards.scenario(name, mos1_boards.STM32, app),
        ),
        Design(
            "mos1-stm32-one-log",
            "the same, with an application that finds its boot config on the first device alone",
            lambda name, app: mos1_boards.scenario(name, mos1_boards.STM32, app, knows_second_log=False),
        ),
        Design(
            "mos1-rs14100",
            "Mongoose OS on the RS14100: MOS1 records, two slots that run where they stand",
            lambda name, app: mos1_boards.scenario(name, mos1_boards.RS14100, app),
        ),
        Design(
            "cc3200",
            "Mongoose OS on the CC3200: two config files without a checksum, and a tombstone",
            cc3200.scenario,
        ),
        Design(
            "cc3200-sealed",
            "the same on a file store where a file that was not closed cannot be read",
            partial(cc3200.scenario, sealed=True),
        ),
        Design(
            "cc3200-in-place",
            "the same without CC3200_SAFE_CODE_UPDATE: an update overwrites the image that runs",
            partial(cc3200.scenario, safe_code_update=False),
        ),
    )
}


def scenario_of(source: Bundled) -> Scenario:
    """The scenario that ``source`` names; both names must be known."""
    return replace(DESIGNS[source.name].make(source.name, source.app), source=source)
