"""`brownout run`: the main job.

Neighbours: `inputs` makes the rig, `campaign.explore` does the work, `report` shows it. Progress on stderr.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from emu.campaign.edges import EVENT_NAMES, EventName
from emu.campaign.options import Options, Progress
from emu.campaign.verdict import Coverage
from emu.cli.engine import EngineChoice, engine_options, explorer_on, seconds
from emu.cli.html import html_page
from emu.cli.inputs import Inputs, input_files, input_options, make_rig
from emu.cli.naming import asked
from emu.cli.output import check_apart, check_writable, owns_stdout, write_text
from emu.cli.store import StoreChoice, opened, store_options
from emu.errors import UsageError
from emu.report.document import to_document, to_junit
from emu.report.summary import summary
from flash.tears import TEAR_SETS

EXIT_INTERRUPTED = 130
_SHOW_EVERY = 500


@click.command("run")
@input_options
@click.option(
    "--tears",
    type=click.Choice(list(TEAR_SETS)),
    default="T1",
    show_default=True,
    help="; ".join(f"{s.name}: {s.help}" for s in TEAR_SETS.values()) + ".",
)
@click.option(
    "--depth", type=click.IntRange(1, 2), default=1, show_default=True, help="How many interruptions in a row."
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="How many update attempts the workload has.",
)
@click.option(
    "--events",
    default="",
    metavar="LIST",
    help="Besides power cuts, place at every point: reset, hang, timer, or all (comma separated).",
)
@click.option("--budget", default="", metavar="TIME", help="Stop after this long, e.g. 60s or 5m: inconclusive.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE|-",
    help="Write the result as JSON; -: to stdout, without the page.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(path_type=Path),
    metavar="FILE|-",
    help="Write the result as JUnit XML; -: to stdout, without the page.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path),
    metavar="FILE|-",
    help="Write the result as one offline HTML page; -: to stdout, without the text page.",
)
@click.option("--no-cache", is_flag=True, help="Execute every edge, recognise none: slow, for measuring.")
@engine_options
@store_options
def command(inputs: Inputs, tears: str, depth: int, attempts: int, events: str, budget: str, json_file: Path | None,
            junit_file: Path | None, html_file: Path | None, no_cache: bool, engine: EngineChoice,
            store: StoreChoice) -> int:  # fmt: skip
    """Cut the power at every flash write of an update, and judge what survives.

    Records what the update does to flash once, makes every state a power cut can leave (before, inside and after
    each operation), boots each of them, and holds the result against the board's checks. Without --from and --to,
    a bundled pair of firmware images is used.
    """
    check_apart(("--json", json_file), ("--junit", junit_file), ("--html", html_file))
    rig = make_rig(inputs)
    for target in (json_file, junit_file, html_file):
        check_writable(target, (*input_files(inputs, rig.board), store.file))
    options = Options(
        tears=replace(TEAR_SETS[tears], seed=inputs.seed),
        depth=depth,
        attempts=attempts,
        events=_events(events),
        budget_s=seconds("--budget", budget),
        cache=not no_cache,
        keeps_new=rig.keeps_new,
    )
    request = asked(rig, inputs)
    with opened(store) as keeper:
        keeper.replay_past(rig, options)
        with explorer_on(engine, rig, options, _progress(depth)) as explorer:
            verdict = explorer.explore()
        _clear_progress()
        document = to_document(verdict, request)
        keeper.record(verdict, request, options, document)
    if not owns_stdout(json_file, junit_file, html_file):
        click.echo(summary(verdict, request))
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    if junit_file is not None:
        write_text(junit_file, to_junit(verdict, request))
    if html_file is not None:
        write_text(html_file, html_page(rig, explorer, verdict, request))
    return EXIT_INTERRUPTED if explorer.interrupted else verdict.exit_code


def _events(text: str) -> tuple[EventName, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if "all" in names:
        return EVENT_NAMES
    for name in names:
        if name not in EVENT_NAMES:
            raise UsageError(f"--events: {name!r} is none of {', '.join(EVENT_NAMES)}, all")
    return tuple(name for name in EVENT_NAMES if name in names)


def _progress(depth: int) -> Progress:
    """A line that rewrites itself on a terminal; nothing where stderr is a file."""
    if not sys.stderr.isatty():
        return lambda coverage, layer, where: None
    from rich.console import Console

    console: Any = Console(stderr=True)
    shown = 0

    def show(coverage: Coverage, layer: int, where: str) -> None:
        nonlocal shown
        if coverage.edges >= shown + _SHOW_EVERY:  # edges come one by one, or by the shard
            shown = coverage.edges
            console.print(f"depth {layer} of {depth}, {where}: {coverage.edges:,} edges", end="\r", highlight=False)

    return show


def _clear_progress() -> None:
    if sys.stderr.isatty():
        click.echo("\x1b[2K\r", nl=False, err=True)
