"""Engines: where the work of a campaign is done. In this process, in processes of ours, or on a dask cluster.

An engine maps items to results, in order. A result is a function of its item alone, so which engine did the work, with
how many workers, and how many of them died meanwhile, changes the time and nothing else.

**Kin.** An item may say with a number, ``kin``, with which others it goes well: who has done one of them remembers
something that makes the others cheaper. It is a wish; it changes no result.

**Blame.** A worker can die of the item it works on (a crash in native code, a call of exit, memory), or of something
that has nothing to do with it (the machine is short of memory, somebody kills processes). An item is blamed only when
it was alone with its worker and took it along, and then again. Its result is `Died`; everybody else's are kept.

An exception is no death: work that raises is our own fault, and the exception goes on in the coordinator.

Neighbours: `inline`, `workers` (over `process` and `child`) and `dask` are the engines; `mapped` makes a stream of a
map; `shards` and `runner` hand items to one. A new process makes what it works with from a `WorkSpec`, so this room
knows no rig. Imports no engine until it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol, cast

from emu.errors import UsageError

EngineName = Literal["inline", "workers", "dask"]
ALONE_DEATHS = 2
"""How often an item has to take the worker along it was alone with."""


@dataclass(frozen=True, slots=True)
class WorkSpec:
    """How to make something in another process: "module:function", and plain data to call it with."""

    function: str
    arguments: tuple[Any, ...] = ()

    def resolve(self) -> Any:
        """What the function returns. For an engine that is a callable, item -> result."""
        return self.find()(*self.arguments)

    def find(self) -> Callable[..., Any]:
        """The function. Raises ImportError, AttributeError or ValueError where there is none of that name."""
        module, _, name = self.function.partition(":")
        found: Any = importlib.import_module(module)
        for piece in name.split("."):
            found = getattr(found, piece)
        return cast(Callable[..., Any], found)


@dataclass(frozen=True, slots=True)
class Died:
    """In place of the result of ``item``, by its index: it takes its worker along, by ``how``."""

    item: int
    how: str


class WorkRaised(Exception):
    """The cause of an exception that came from a worker: its traceback there, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True, slots=True)
class Raised:
    """In place of a result, in a stream: what the work has raised. Whoever wants the result has to raise it."""

    wrong: BaseException
    traceback: str

    def again(self) -> NoReturn:
        raise self.wrong from WorkRaised(self.traceback)


class Listener:
    """Told in the coordinator, while `Engine.map` is at work. What either method raises ends the map, and the workers
    that are busy with it; what was told until then is known."""

    def result(self, index: int, result: Any) -> None:
        """The result of one item, in the order in which they are made."""

    def tick(self) -> None:
        """Time passes: called a few times a second at least, while an engine waits for workers."""


class Stream(Protocol):
    """Items that are given one by one, by somebody who has other things to do meanwhile.

    Results come in any order, each once; where the work raised, it is a `Raised`, if the engine can tell whose it is.
    Whatever `collect` raises ends the stream, as it ends a map.
    """

    def put(self, item: Any, *, is_urgent: bool = False) -> int:
        """Have ``item`` worked on; urgent ones before all others. Returns its number, which its result has as well."""
        ...

    def collect(self, listener: Listener | None = None) -> list[tuple[int, Any | Died | Raised]]:
        """What has come since the last time. With a ``listener``, who is told time but no result, waits until there is
        something; without one never waits. Raises as `Engine.map` does."""
        ...

    def close(self) -> None:
        """Nobody asks for results any more."""
        ...


class Engine(Protocol):
    """Does the work of campaigns."""

    @property
    def name(self) -> EngineName: ...

    @property
    def jobs(self) -> int:
        """How many items are worked on at a time."""
        ...

    def map(self, items: Sequence[Any], listener: Listener | None = None) -> list[Any | Died]:
        """The result of each item, in the order of ``items``. Raises what the work raises, and EngineLost when there
        is nobody left to do it."""
        ...

    def stream(self) -> Stream:
        """For items that come one by one."""
        ...

    def close(self) -> None:
        """End every worker. An engine that is closed maps nothing any more; closing it twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class EngineRow:
    """An engine by name. ``make`` is called with spec, jobs, scheduler and time limit."""

    name: EngineName
    help: str
    make: Callable[[WorkSpec, int, str, float], Engine]


def _inline(spec: WorkSpec, jobs: int, scheduler: str, limit_s: float) -> Engine:
    from emu.campaign.engines.inline import InlineEngine

    return InlineEngine(spec)


def _workers(spec: WorkSpec, jobs: int, scheduler: str, limit_s: float) -> Engine:
    from emu.campaign.engines.workers import WorkersEngine

    return WorkersEngine(spec, jobs, limit_s)


def _dask(spec: WorkSpec, jobs: int, scheduler: str, limit_s: float) -> Engine:
    from emu.campaign.engines.dask import DaskEngine

    return DaskEngine(spec, jobs, scheduler, limit_s)


ENGINES: dict[EngineName, EngineRow] = {
    row.name: row
    for row in (
        EngineRow("inline", "in this process", _inline),
        EngineRow("workers", "in --jobs processes of this machine", _workers),
        EngineRow("dask", "on the dask cluster of --scheduler, or one of --jobs processes", _dask),
    )
}


def make_engine(
    name: EngineName, spec: WorkSpec, jobs: int = 1, scheduler: str = "", time_limit_s: float = 0.0
) -> Engine:
    """The engine of that name.

    ``jobs``: processes, at least 1. ``scheduler``: address of a dask scheduler. ``time_limit_s``: an item that takes
    longer takes its worker along; 0: no limit. An item in this process has none. Raises UsageError, and MissingExtra
    for an engine that is not installed.
    """
    if name not in ENGINES:
        raise UsageError(f"no engine is named {name!r}; engines are {', '.join(ENGINES)}")
    if jobs < 1:
        raise UsageError(f"{jobs} jobs do no work; give 1 or more")
    if time_limit_s < 0:
        raise UsageError(f"a time limit of {time_limit_s} s leaves no time to work; 0 is no limit")
    return ENGINES[name].make(spec, jobs, scheduler, time_limit_s)
