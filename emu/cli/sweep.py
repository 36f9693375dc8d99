"""`brownout sweep`: cut the power of a real board, or of any process, at times all over an update.

Neighbours: `hil` is the rig, `campaign.sweep` the campaign, `report.sweep` shows it. Progress on stderr.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from emu.campaign.sweep import Sweep, SweepOptions, SweepProgress
from emu.campaign.sweep_token import VERSION, time_of
from emu.cli.engine import seconds
from emu.cli.output import check_apart, check_writable, owns_stdout, result_option, write_text
from emu.errors import UsageError
from emu.hil.external_rig import ExternalRig
from emu.hil.rig_file import load_rig
from emu.report.sweep import sweep_text, to_sweep_document, to_sweep_junit

EXIT_INTERRUPTED = 130
MAX_CUTS = 1_000_000
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s)")


@click.command("sweep")
@click.argument("rig_file", metavar="RIG.toml", type=click.Path(path_type=Path))
@click.option(
    "--cuts",
    type=click.IntRange(1, MAX_CUTS),
    default=32,
    show_default=True,
    help="At how many times to cut, spread over the update.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 63) - 1),
    default=0,
    show_default=True,
    help="Where in its part of the update each cut falls.",
)
@click.option(
    "--budget", default="", metavar="TIME", help="Stop after this long, e.g. 60s or 2h; what is known is kept."
)
@click.option(
    "--at",
    "at",
    multiple=True,
    metavar="TIME|TOKEN",
    help="Cut at this time alone, e.g. 412.5ms, or at that of a finding; may be given more than once.",
)
@click.option(
    "--tries",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="How often a finding, or a time given with --at, is tried again.",
)
@result_option("json", "Write the result as JSON; -: to stdout, without the page.")
@result_option("junit", "Write the result as JUnit XML; -: to stdout, without the page.")
def command(rig_file: Path, cuts: int, seed: int, budget: str, at: tuple[str, ...], tries: int,
            json_file: Path | None, junit_file: Path | None) -> int:  # fmt: skip
    """Cut the power of a real board, or of any process, at times all over an update.

    RIG.toml says where the console is, what switches the power, how an update is started and what the device says.
    Nothing can be restored and nothing torn there, so this is a sample: where nothing is found the verdict is "sampled"
    (exit code 0), never "held". Findings: 1. The rig was lost, or --at did not reproduce anything: 3.
    """
    check_apart(("--json", json_file), ("--junit", junit_file))
    budget_s = seconds("--budget", budget)
    rig = load_rig(rig_file)
    for target in (json_file, junit_file):
        check_writable(target, (rig_file, rig.update_path))
    with ExternalRig(rig) as device:
        options = SweepOptions(
            cuts=cuts,
            seed=seed,
            tries=tries,
            budget_s=budget_s,
            at_ms=tuple(_time(text, device, rig.document.limits.update_s) for text in at),
        )
        try:
            verdict = Sweep(device, options, _progress()).explore()
        finally:
            _clear_progress()
    if not owns_stdout(json_file, junit_file):
        click.echo(sweep_text(verdict))
    if json_file is not None:
        write_text(json_file, json.dumps(to_sweep_document(verdict), indent=2))
    if junit_file is not None:
        write_text(junit_file, to_sweep_junit(verdict))
    return EXIT_INTERRUPTED if verdict.interrupted else verdict.exit_code


def _time(text: str, device: ExternalRig, limit_s: float) -> float | None:
    """When to cut, in ms; None: when the update is over."""
    if text.startswith(f"{VERSION}:"):
        at_ms = time_of(text, device.inputs)
    else:
        found = _TIME.fullmatch(text)
        if found is None:
            raise UsageError(f"--at: {text!r} is neither a time nor a token; write 412.5ms, 2s or {VERSION}:...")
        at_ms = float(found[1]) * (1000 if found[2] == "s" else 1)
    if at_ms is not None and at_ms > limit_s * 1000:
        raise UsageError(f"--at: {text!r} is later than an update may take, limits.update_s {limit_s:g}")
    return at_ms


def _progress() -> SweepProgress:
    """A line that rewrites itself on a terminal; nothing where stderr is a file."""
    if not sys.stderr.isatty():
        return lambda done, planned, what: None
    return lambda done, planned, what: click.echo(f"\x1b[2K\r{done:,} of {planned:,}: {what}", nl=False, err=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        click.echo("\x1b[2K\r", nl=False, err=True)
