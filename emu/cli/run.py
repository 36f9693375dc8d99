"""`brownout run`: the main job.

Neighbours: `inputs` makes the rig, `campaign.explore` does the work, `report` shows it. Progress on stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from emu.campaign.edges import EVENT_NAMES, EventName
from emu.campaign.faults.campaign import with_faults
from emu.campaign.live_cuts import check_live_cuts
from emu.campaign.options import ANY, Options, Progress
from emu.campaign.verdict import Coverage, Verdict
from emu.cli.campaign import Campaign, campaign_on
from emu.cli.code import code_lines, is_elf
from emu.cli.depth import DepthChoice, depth_options
from emu.cli.engine import EngineChoice, engine_options
from emu.cli.exposure import cut_times, exposure_file
from emu.cli.faults import FaultChoice, fault_options, faultable, power_campaign, run_faults
from emu.cli.html import html_page
from emu.cli.inputs import Inputs, input_files, input_options, make_subject
from emu.cli.mutants import Trials, check_depth, on_model
from emu.cli.naming import asked
from emu.cli.ndjson import narrated
from emu.cli.output import check_apart, check_writable, owns_stdout, result_option, write_text
from emu.cli.resets import Resettable, resettable, with_all_that_is_kept
from emu.cli.step_summary import append_summary, wants_summary
from emu.cli.store import StoreChoice, opened, store_options
from emu.cli.stories import Teller, tellable
from emu.cli.uncut import uncut_lines
from emu.errors import UsageError
from emu.report.asked import Asked
from emu.report.document import to_document, to_junit
from emu.report.exposure import exposure_text
from emu.report.markdown import to_markdown
from emu.report.mutants import NOT_TRIED, Tried, mutants_text, why_no_proof
from emu.report.story import tell
from emu.report.summary import summary
from emu.words import printable
from flash.tears import TEAR_SETS

EXIT_NOTHING_SHOWN, EXIT_INTERRUPTED = 3, 130
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
@depth_options
@click.option(
    "--events",
    default="",
    metavar="LIST",
    help="Besides power cuts, place at every point: reset, hang, timer, or all (comma separated).",
)
@result_option("json", "Write the result as JSON; -: to stdout, without the page.")
@result_option("junit", "Write the result as JUnit XML; -: to stdout, without the page.")
@result_option("html", "Write the result as one offline HTML page; -: to stdout, without the text page.")
@result_option("ndjson", "Write what happens as it happens, one JSON object per line; -: to stdout, without the page.")
@result_option("certificate", "Write a certificate if everything held; `brownout verify FILE` derives it again.")
@click.option(
    "--mutants", is_flag=True, help="At any depth, when everything held: try wrong firmware too, and see it caught."
)
@click.option(
    "--exposure",
    "exposed_to",
    metavar="uniform|FILE",
    help="At any depth: how likely each finding is, when power goes at any moment alike, or at the times in FILE: one "
    "cut per line, in microseconds of device time, or FROM,TO,COUNT.",
)
@click.option("--no-cache", is_flag=True, help="Execute every edge, recognise none: slow, for measuring.")
@fault_options
@engine_options
@store_options
def command(inputs: Inputs, tears: str, depth: DepthChoice, events: str, json_file: Path | None,
            junit_file: Path | None, html_file: Path | None, ndjson_file: Path | None, certificate_file: Path | None,
            mutants: bool, exposed_to: str | None, no_cache: bool, faults: FaultChoice, engine: EngineChoice,
            store: StoreChoice) -> int:  # fmt: skip
    """Cut the power at every flash write of an update, and judge what survives.

    Makes every state that any number of power cuts can leave (before, inside and after each flash operation, torn
    states cut again), boots each of them or one that stands for it, and holds the result against the board's checks.
    Without --from and --to, a bundled pair of firmware images is used.
    """
    outputs = (
        ("--json", json_file),
        ("--junit", junit_file),
        ("--html", html_file),
        ("--ndjson", ndjson_file),
        ("--certificate", certificate_file),
    )
    check_apart(*outputs)
    _check_depth(depth, certificate_file, mutants)
    _check_faults(faults, certificate_file, mutants, exposed_to)
    times = cut_times(exposed_to, depth.number)
    rig = make_subject(inputs)
    if _events(events):
        rig = resettable(rig)
    if faults.kinds:
        faultable(rig, faults.kinds)
    for _, target in outputs:
        check_writable(target, (*input_files(inputs, rig), store.file, exposure_file(exposed_to)))
    chosen = replace(TEAR_SETS[tears], seed=inputs.seed)
    wanted = Options(tears=chosen, events=_events(events), cache=not no_cache, keeps_new=rig.keeps_new)
    options = depth.applied(wanted, inputs)
    trials = None
    if mutants:
        trials = Trials(on_model("--mutants", rig), options, engine, lambda n: _progress(f"{depth.word}, mutant {n}"))
    request = asked(rig, inputs)
    narrator = click.get_current_context().with_resource(narrated(ndjson_file))
    narrator.begun(request, options)
    with opened(store) as keeper:
        if faults.cuts_power:
            keeper.replay_past(rig, options)
        told = narrator.following(_progress(depth.word))

        def explored(rig: Resettable) -> tuple[Campaign, Verdict, bool]:
            """Power, events and faults on ``rig``; whether somebody has stopped it."""
            with power_campaign(
                faults, rig, options, lambda: campaign_on(engine, rig, options, told, depth.audit_of(inputs))
            ) as campaign:
                verdict = campaign.explore()
            _clear_progress()
            if not faults.kinds or campaign.interrupted:
                return campaign, verdict, campaign.interrupted
            report, is_stopped = run_faults(faults, rig, options, verdict.seconds)
            _clear_progress()
            return campaign, with_faults(verdict, report), is_stopped

        rig, (campaign, verdict, is_stopped) = with_all_that_is_kept(rig, explored)
        document = to_document(verdict, request, None if exposed_to is None else campaign.exposure(times))
        narrator.ended(document)
        keeper.record(verdict, request, options, document)
    tried = trials.tried(verdict) if trials is not None and verdict.word == "held" else None
    _clear_progress()
    if not owns_stdout(*(target for _, target in outputs)):
        _show(verdict, request, campaign, document, trials is not None, tried)
        for number, line in enumerate(uncut_lines(rig, verdict, Path(inputs.board))):
            click.echo(line if number else f"\n{line}")
        if is_elf(rig) and not is_stopped:
            count = check_live_cuts(rig, chosen, options.attempts, rig.bounds.max_resets, options.events)
            click.echo(f"\nlive cuts  {count} all over the uncut update: each leaves what replaying its journal leaves")
        for finding in tellable(verdict)[:1]:
            story = Teller(rig, campaign.checks, verdict, inputs.seed).story(finding)
            click.echo(f"\nthe mildest path, step by step\n\n{tell(story)}")
            for line in code_lines(rig, story):
                click.echo(line)
    _write_documents(json_file, junit_file, verdict, request, document)
    why_not = _why_no_certificate(verdict, tried)
    certifies = depth.number == ANY and not why_not and not faults.kinds
    certificate = campaign.certificate(request, tried) if certifies else None
    if html_file is not None:
        write_text(html_file, html_page(rig, campaign, verdict, request, document, certificate))
    if certificate_file is not None:
        _write_certificate(certificate_file, certificate, why_not)
    elif tried is not None and why_not:
        click.echo(f"brownout: mutants: {why_not}", err=True)
    if is_stopped or (trials is not None and trials.interrupted):
        return EXIT_INTERRUPTED
    return EXIT_NOTHING_SHOWN if tried is not None and why_not else verdict.exit_code


def _show(
    verdict: Verdict, request: Asked, campaign: Campaign, document: dict[str, Any], tried_mutants: bool,
    tried: Sequence[Tried] | None,
) -> None:  # fmt: skip
    """The page, up to the story."""
    click.echo(summary(verdict, request, campaign.audit))
    if "exposure" in document:
        click.echo(f"\n{exposure_text(document['exposure'])}")
    if tried_mutants:
        click.echo(f"\n{NOT_TRIED if tried is None else mutants_text(tried)}")


def _check_depth(depth: DepthChoice, certificate: Path | None, mutants: bool) -> None:
    """Raises UsageError for what speaks of any depth, asked for at another."""
    if certificate is not None and depth.number != ANY:
        raise UsageError("--certificate is for --depth any: what is tried at depth 1 or 2 certifies nothing deeper")
    check_depth(mutants, depth.number)


def _write_documents(
    json_file: Path | None, junit_file: Path | None, verdict: Verdict, request: Asked, document: dict[str, Any]
) -> None:
    """For machines, and where a job has a page, for it."""
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    if junit_file is not None:
        write_text(junit_file, to_junit(verdict, request))
    if wants_summary():
        append_summary(to_markdown(verdict, request, document))


def _check_faults(faults: FaultChoice, certificate: Path | None, mutants: bool, exposed_to: str | None) -> None:
    """Raises UsageError for what speaks of power cuts alone, asked for with other faults."""
    of_power = {"--certificate": certificate is not None, "--mutants": mutants, "--exposure": exposed_to is not None}
    for option, given in of_power.items():
        if given and faults.kinds:
            raise UsageError(f"{option} speaks of power cuts; run --faults {','.join(faults.kinds)} on its own")


def _why_no_certificate(verdict: Verdict, tried: Sequence[Tried] | None) -> str:
    """Why ``verdict`` is not to be certified; "" where it is."""
    if verdict.word != "held":
        return f"the campaign ends with {verdict.word}, and only what held is certified"
    return why_no_proof(tried) if tried is not None else ""


def _write_certificate(target: Path, certificate: dict[str, Any] | None, why_not: str) -> None:
    if certificate is None:
        where = "" if str(target) == "-" else f"; nothing is written to {printable(str(target))}"
        click.echo(f"no certificate: {why_not}{where}", err=True)
        return
    write_text(target, json.dumps(certificate, indent=2))


def _events(text: str) -> tuple[EventName, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if "all" in names:
        return EVENT_NAMES
    for name in names:
        if name not in EVENT_NAMES:
            raise UsageError(f"--events: {name!r} is none of {', '.join(EVENT_NAMES)}, all")
    return tuple(name for name in EVENT_NAMES if name in names)


def _progress(depth: str) -> Progress:
    """A line that rewrites itself on a terminal; nothing where stderr is a file."""
    if not sys.stderr.isatty():
        return lambda coverage, layer, where: None
    from rich.console import Console

    console: Any = Console(stderr=True)
    bound = "" if depth == "any" else f" of {depth}"
    shown = 0

    def show(coverage: Coverage, layer: int, where: str) -> None:
        nonlocal shown
        if coverage.boots >= shown + _SHOW_EVERY:  # sessions come one by one, or by the shard
            shown = coverage.boots
            console.print(f"depth {layer}{bound}, {where}: {coverage.boots:,} sessions", end="\r", highlight=False)

    return show


def _clear_progress() -> None:
    if sys.stderr.isatty():
        click.echo("\x1b[2K\r", nl=False, err=True)
