"""The options that choose an engine, and a campaign on it.

Neighbours: `run` takes its engine here; `emu.campaign.engines` has the table. Knows no report.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import click

from emu.campaign.engines import ENGINES, Engine, EngineName, make_engine
from emu.campaign.explore import Explorer
from emu.campaign.options import Options, Progress
from emu.campaign.runner import runner_spec
from emu.campaign.sharded import ShardedExplorer
from emu.campaign.shards import shard_spec
from emu.errors import UsageError
from emu.rig import Subject
from emu.rig_spec import rig_spec

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class EngineChoice:
    """What was asked for, checked. ``jobs``: processes. ``limit_s`` 0: a shard may take as long as it takes."""

    name: EngineName = "inline"
    jobs: int = 1
    scheduler: str = ""
    limit_s: float = 0.0


def engine_options(function: F) -> F:
    """Adds the options that choose an engine; the command receives one ``engine`` argument."""

    def command(**given: Any) -> Any:
        names = ("engine", "jobs", "scheduler", "stuck_after")
        return function(engine=_choice(**{name: given.pop(name) for name in names}), **given)

    command.__doc__ = function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    engines = "; ".join(f"{row.name}: {row.help}" for row in ENGINES.values())
    for option in reversed(
        [
            click.option("--engine", type=click.Choice(list(ENGINES)),
                         help=f"Where the work is done. {engines}. Without it: what --jobs or --scheduler take."),
            click.option("--jobs", type=click.IntRange(1, 1024), metavar="N",
                         help="How many processes; without it, one for each processor."),
            click.option("--scheduler", default="", metavar="ADDRESS",
                         help="The dask scheduler to use, for instance tcp://host:8786."),
            click.option("--stuck-after", default="", metavar="TIME",
                         help="An edge whose shard takes a worker longer than this, e.g. 10m, is a finding."),
        ]
    ):  # fmt: skip
        option(command)
    return cast(F, command)


@contextmanager
def explorer_on(choice: EngineChoice, rig: Subject, options: Options, progress: Progress) -> Iterator[Explorer]:
    """A campaign that is about to begin, on an engine for as long as it is needed."""
    bounds = rig.bounds
    if choice.name == "inline":
        yield Explorer(rig, bounds, options, progress)
        return
    spec = shard_spec(rig_spec(rig), rig, bounds, options)
    with closing(make_engine(choice.name, spec, choice.jobs, choice.scheduler, choice.limit_s)) as engine:
        yield ShardedExplorer(rig, bounds, options, engine, progress)


@contextmanager
def engine_on(choice: EngineChoice, rig: Subject) -> Iterator[Engine | None]:
    """The engine of a campaign of any depth, for as long as it is needed; None: this process does the work."""
    if choice.name == "inline":
        yield None
        return
    spec = runner_spec(rig_spec(rig), rig)
    with closing(make_engine(choice.name, spec, choice.jobs, choice.scheduler, choice.limit_s)) as engine:
        yield engine


def seconds(option: str, text: str) -> float:
    """A time as it is given on the command line, in seconds; "" is 0. Raises UsageError."""
    if not text:
        return 0.0
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(s|m|h)?", text)
    if found is None:
        raise UsageError(f"{option}: {text!r} is no time; write 60s, 5m or 1h")
    if not float(found.group(1)):
        raise UsageError(f"{option}: {text!r} leaves no time to try anything; leave {option} out for no limit")
    return float(found.group(1)) * {"s": 1, "m": 60, "h": 3600, None: 1}[found.group(2)]


def _choice(engine: EngineName | None, jobs: int | None, scheduler: str, stuck_after: str) -> EngineChoice:
    name: EngineName = engine or ("dask" if scheduler else "workers" if jobs is not None else "inline")
    limit_s = seconds("--stuck-after", stuck_after)
    if name == "inline" and (jobs or 1) > 1:
        raise UsageError(f"--engine inline is one process; --jobs {jobs} takes --engine workers")
    if name == "inline" and limit_s:
        raise UsageError("--stuck-after ends a worker, and --engine inline has none; give --jobs")
    if scheduler and name != "dask":
        raise UsageError(f"--scheduler is a dask scheduler; --engine {name} has none")
    if scheduler and jobs is not None:
        raise UsageError("--jobs makes processes here, and the cluster of --scheduler has its own; give one of them")
    return EngineChoice(name, 1 if name == "inline" else jobs or len(os.sched_getaffinity(0)), scheduler, limit_s)
