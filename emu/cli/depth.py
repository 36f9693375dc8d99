"""The options that say how deep a campaign goes, and what may end it early.

Neighbours: `run` takes them; `campaign` runs what they ask for. At any depth two attempts are the default, because the
second is what meets the leftovers of the first; at depth 1 and 2 it is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from emu.campaign.options import ANY, Options
from emu.cli.engine import seconds
from emu.cli.inputs import Inputs
from emu.errors import UsageError
from emu.memory import allowance_mb
from flash.weak import RESOLUTIONS

F = TypeVar("F", bound=Callable[..., Any])
ATTEMPTS_AT_ANY_DEPTH, MAX_ATTEMPTS = 2, 8
OWN_AUDIT = 0.01


@dataclass(frozen=True)
class DepthChoice:
    """What was asked for, checked. ``number``: `ANY`, 1 or 2. ``audit`` None: none; else the share of what is dropped,
    0 to 1. ``all_readings``: weak cells read in every way, one after the other."""

    number: int
    attempts: int
    exhaustive: bool
    keep_going: bool
    audit: float | None
    budget_s: float
    memory_mb: int
    all_readings: bool

    @property
    def word(self) -> str:
        return "any" if self.number == ANY else str(self.number)

    def audit_of(self, inputs: Inputs) -> float | None:
        """The share to audit: what was asked for; without that, firmware of the user's is audited, because nobody
        knows what it keeps between resets."""
        if self.audit is None and inputs.firmware is not None and self.number == ANY:
            return OWN_AUDIT
        return self.audit

    def applied(self, options: Options, inputs: Inputs) -> Options:
        """``options`` with what was chosen here. Raises UsageError for what contradicts itself."""
        if self.number == ANY and not options.cache:
            raise UsageError("--no-cache is for --depth 1 and 2; at any depth --exhaustive executes every state")
        every: tuple[str | None, ...] = tuple(RESOLUTIONS)
        return replace(
            options,
            depth=self.number,
            attempts=self.attempts,
            exhaustive=self.exhaustive,
            keep_going=self.keep_going,
            budget_s=self.budget_s,
            memory_mb=self.memory_mb,
            resolutions=(every if self.all_readings else (inputs.resolution,)) if self.number == ANY else (None,),
        )


def depth_options(function: F) -> F:
    """Adds the options; the command receives one ``depth`` argument."""

    def command(**given: Any) -> Any:
        names = ("depth", "attempts", "exhaustive", "keep_going", "audit", "budget", "memory")
        return function(depth=_choice(**{name: given.pop(name) for name in names}), **given)

    command.__doc__ = function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(
        [
            click.option("--depth", type=click.Choice(["any", "1", "2"]), default="any", show_default=True,
                         help="How many interruptions in a row; 1 and 2: every edge by brute force, which takes longer "
                              "than any where there are thousands."),
            click.option("--attempts", type=click.IntRange(1, MAX_ATTEMPTS),
                         help=f"How many update attempts the workload has. [default: {ATTEMPTS_AT_ANY_DEPTH} at any "
                              "depth, else 1]"),
            click.option("--audit", metavar="SHARE", default="",
                         help="At any depth: run this share of the states that others stand for, at least 1,000, and "
                              "insist that they behave alike; e.g. 1%, as for any --firmware."),
            click.option("--exhaustive", is_flag=True,
                         help="At any depth: run every state that differs in anything, recognise none by what its "
                              "future looks at. For small boards."),
            click.option("--keep-going", is_flag=True,
                         help="Do not stop at the depth of the first finding, nor at an update that fails uncut."),
            click.option("--budget", default="", metavar="TIME",
                         help="Stop after this long, e.g. 60s or 5m, and say what was not reached."),
            click.option("--memory", type=click.IntRange(1), metavar="MB",
                         help="At any depth: stop when this process takes more, and say what was not reached. "
                              "[default: three quarters of what is free]"),
        ]
    ):  # fmt: skip
        option(command)
    return cast(F, command)


def share(text: str) -> float:
    """A share of what was dropped, from words like 5% or 0.05. Raises UsageError."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"--audit: {text!r} is no share; write 1%, 100% or 0.05")
    return value


def _choice(
    depth: str, attempts: int | None, exhaustive: bool, keep_going: bool, audit: str, budget: str, memory: int | None
) -> DepthChoice:
    number = ANY if depth == "any" else int(depth)
    if number != ANY:
        asked = {"--exhaustive": exhaustive, "--audit": audit, "--memory": memory}
        for option, given in asked.items():
            if given:
                raise UsageError(f"{option} is for --depth any; at depth {depth} every edge is tried as it is")
    source = click.get_current_context().get_parameter_source("resolution")
    return DepthChoice(
        number,
        attempts or (ATTEMPTS_AT_ANY_DEPTH if number == ANY else 1),
        exhaustive,
        keep_going,
        share(audit) if audit else None,
        seconds("--budget", budget),
        memory or (allowance_mb() if number == ANY else 0),
        all_readings=source in (None, ParameterSource.DEFAULT),
    )
