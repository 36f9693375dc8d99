"""The options that choose where results are kept, and what a user is told of it.

A store that was named with --store must work, and is refused before the campaign begins. The one that is there by
default may not stop a campaign: what is wrong with it is a note. Once a campaign has a result nothing here changes its
exit code. Neighbours: `run`; `emu.campaign.store` is the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.past import replay_past
from emu.campaign.store import FILE_NAME, Store
from emu.campaign.verdict import Verdict
from emu.errors import StoreError, UsageError
from emu.report.asked import Asked
from emu.rig import Subject
from emu.words import printable

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_FOLDER = Path(".brownout")
SWITCH = "BROWNOUT_NO_STORE"


@dataclass(frozen=True)
class StoreChoice:
    """``folder`` None: nothing is kept. ``is_named``: the user asked for this one."""

    folder: Path | None
    is_named: bool

    @property
    def file(self) -> Path | None:
        """What no result may be written over."""
        return None if self.folder is None else self.folder / FILE_NAME


class Keeper:
    """A store as a campaign uses it; one that is not there (``store`` None) forgets everything."""

    def __init__(self, store: Store | None) -> None:
        self._store = store

    def replay_past(self, rig: Subject, options: Options) -> None:
        """Replay what earlier campaigns found, and say on stderr what became of it."""
        if self._store is None:
            return
        try:
            findings = self._store.past_findings(rig.inputs, options)
        except StoreError as wrong:
            _note(wrong, "past findings are not replayed")
            return
        judge = Explorer(rig, rig.bounds, options).judge
        past = replay_past(rig, judge, findings, seed=options.tears.seed, budget_s=options.budget_s)
        if past.line:
            click.echo(past.line, err=True)

    def record(self, verdict: Verdict, asked: Asked, options: Options, document: Mapping[str, Any]) -> None:
        """Keep a result; that it cannot be kept is said and changes nothing."""
        if self._store is None:
            return
        given = {
            "tears": options.tears.name, "depth": options.depth, "attempts": options.attempts,
            "events": list(options.events), "budget_s": options.budget_s, "cache": options.cache,
            "arguments": list(asked.arguments),
        }  # fmt: skip
        try:
            self._store.record(verdict, asked.inputs, given, document)
        except StoreError as wrong:
            _note(wrong, "this result is not kept there")


def store_options(function: F) -> F:
    """Adds the options that choose a store; the command receives one ``store`` argument."""

    def command(**given: Any) -> Any:
        return function(store=_choice(given.pop("store"), given.pop("no_store")), **given)

    command.__doc__ = function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    folder = click.Path(path_type=Path, file_okay=False)
    for option in (
        click.option("--no-store", is_flag=True, help=f"Keep no results ({SWITCH}=1 in the environment: never)."),
        click.option("--store", type=folder, metavar="DIR",
                     help=f"Where results are kept and past findings are replayed from; {DEFAULT_FOLDER} without it."),
    ):  # fmt: skip
        option(command)
    return cast(F, command)


@contextmanager
def opened(choice: StoreChoice) -> Iterator[Keeper]:
    """The chosen store, for as long as the campaign takes."""
    store = None
    try:
        store = None if choice.folder is None else Store.open(choice.folder)
    except StoreError as wrong:
        if choice.is_named:
            raise
        _note(wrong, "going on without past findings, and this result is not kept")
    try:
        yield Keeper(store)
    finally:
        if store is not None:
            store.close()


def _choice(folder: Path | None, no_store: bool) -> StoreChoice:
    if no_store and folder is not None:
        raise UsageError(f"--store {folder} and --no-store contradict each other; give one of them")
    if no_store or (folder is None and os.environ.get(SWITCH)):
        return StoreChoice(None, False)
    return StoreChoice(folder or DEFAULT_FOLDER, folder is not None)


def _note(wrong: StoreError, consequence: str) -> None:
    click.echo(f"note: {printable(str(wrong))} ({consequence})", err=True)
