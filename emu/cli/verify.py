"""`brownout verify CERTIFICATE`: run the certified campaign again and compare.

Exit codes: 0 everything is as certified, 1 something is not, 2 the certificate or an input cannot be used, 130 stopped
before there was an answer.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from emu.campaign.edges import EVENT_NAMES
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Verdict
from emu.cli.campaign import Campaign, campaign_on
from emu.cli.depth import MAX_ATTEMPTS
from emu.cli.engine import EngineChoice, engine_options
from emu.cli.inputs import Inputs, input_options, make_subject
from emu.cli.mutants import Trials, on_model
from emu.cli.naming import asked
from emu.cli.resets import Resettable, resettable, with_all_that_is_kept
from emu.errors import UsageError
from emu.report.certificate import NOT_RUN, SCHEMA, as_text, differences
from emu.report.mutants import mutants_text, why_no_proof
from emu.words import counted
from flash.files import read_bounded
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS

MAX_SIZE = 1 << 22
SHOWN = 20
EXIT_INTERRUPTED = 130


@click.command("verify", context_settings={"ignore_unknown_options": True})
@click.argument("certificate", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, metavar="[INPUT OPTIONS]")
@engine_options
def command(certificate: Path, overrides: tuple[str, ...], engine: EngineChoice) -> int:
    """Derive a certificate again: run the same campaign, and compare everything but time and versions.

    Inputs are taken from the paths in the certificate; give --from, --to or --board (as for `brownout run`) where files
    have moved: their content must be what was certified. Exits 0 when everything is as certified, 1 when something is
    not (and says what), 2 when the certificate cannot be used or an input is another one.
    """
    theirs = _read(certificate)
    inputs = _inputs([*theirs["arguments"], *overrides])
    rig = make_subject(inputs)
    request = asked(rig, inputs)
    _check_inputs(theirs, {role: item.digest for role, item in request.inputs.items()}, certificate)
    audit = theirs["audit"]
    share = None if audit == NOT_RUN else audit["audited"] / max(1, audit["dropped"])
    options = _options(theirs, inputs, rig.keeps_new)

    def explored(rig: Resettable) -> tuple[Campaign, Verdict]:
        with campaign_on(engine, rig, options, None, share) as campaign:
            return campaign, campaign.explore()

    ready = resettable(rig) if options.events else rig
    rig, (campaign, verdict) = with_all_that_is_kept(ready, explored)
    if campaign.interrupted:
        return _stopped()
    if verdict.word != "held":
        click.echo(f"NOT VERIFIED: the campaign, run again, ends with {verdict.word}")
        for finding in verdict.findings[:SHOWN]:
            click.echo(f"  {finding.key.check}: {finding.message}")
            click.echo(f"    {request.replay_command(verdict.attempts, finding.path, finding.readings)}")
        return 1
    tried = None
    if theirs["mutants"] != NOT_RUN:
        trials = Trials(on_model("the certificate has mutants", rig), options, engine)
        tried = trials.tried(verdict)
        if trials.interrupted:
            return _stopped()
    if tried is not None and why_no_proof(tried):
        click.echo(f"NOT VERIFIED: {why_no_proof(tried)}\n{mutants_text(tried)}")
        return 1
    ours = campaign.certificate(request, tried)
    found = list(differences(ours, theirs))
    if found:
        click.echo(f"NOT VERIFIED: {counted(len(found), 'line')} of the certificate cannot be derived again")
        click.echo("\n".join(f"  {line}" for line in found[:SHOWN]))
        if len(found) > SHOWN:
            click.echo(f"  and {len(found) - SHOWN:,} more")
        return 1
    click.echo(f"VERIFIED: the campaign, run again in {verdict.seconds:.1f} s, is as certified\n")
    click.echo(as_text(ours))
    return 0


def _stopped() -> int:
    click.echo("NOT VERIFIED: stopped by the user before there was an answer")
    return EXIT_INTERRUPTED


@click.command(add_help_option=False)  # a certificate that says --help is altered
@input_options
def _parse(inputs: Inputs) -> Inputs:
    return inputs


def _inputs(arguments: list[str]) -> Inputs:
    parsed = _parse.main(args=arguments, prog_name="brownout verify", standalone_mode=False)
    assert isinstance(parsed, Inputs), "input options make inputs: please report"
    return parsed


def _read(path: Path) -> dict[str, Any]:
    """A certificate. Raises UsageError for anything else."""
    try:
        document = json.loads(read_bounded(path, MAX_SIZE), object_pairs_hook=_said_once)
    except OSError as wrong:
        raise UsageError(f"{path}: cannot be read: {wrong.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(
            f"{path}: is no certificate, cut short or altered: it is not JSON, or says a thing twice; give what "
            "brownout run --certificate wrote"
        ) from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"{path}: schema {schema!r}, this version of brownout verifies {SCHEMA}")
    return _checked(document, path)


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object no key of which is there twice: a reader may believe the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _checked(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document, if it has what is needed to run the campaign again."""
    try:
        workload, tears, bound = document["workload"], document["tears"], document["depth"]["bound"]
        good = (
            _are_words(document["arguments"])
            and type(workload["attempts"]) is int
            and 1 <= workload["attempts"] <= MAX_ATTEMPTS
            and _are_words(workload["events"])
            and set(workload["events"]) <= set(EVENT_NAMES)
            and tears["set"] in TEAR_SETS
            and bound == "any"
            and _are_words(document["resolutions"])
            and len(document["resolutions"]) == len(set(document["resolutions"])) > 0
            and set(document["resolutions"]) <= set(RESOLUTIONS)
            and (document["mutants"] == NOT_RUN or isinstance(document["mutants"], dict))
            and (document["audit"] == NOT_RUN or _is_share(document["audit"]["audited"], document["audit"]["dropped"]))
            and _are_words([item["sha256"] for item in (document["board"], *document["inputs"].values())])
        )
    except (KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise UsageError(f"{path}: the certificate is cut short or altered; ask for a new one")
    return document


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _is_share(part: Any, whole: Any) -> bool:
    return isinstance(part, int) and isinstance(whole, int) and 0 <= part <= whole


def _check_inputs(theirs: dict[str, Any], ours: dict[str, str], path: Path) -> None:
    certified_for = {"board": theirs["board"]["sha256"]}
    certified_for |= {role: item["sha256"] for role, item in theirs["inputs"].items()}
    wrong = [role for role, digest in certified_for.items() if ours.get(role) != digest]
    if wrong:
        raise UsageError(
            f"{path}: was made for another {', another '.join(wrong)}; give the files it was made for with --from, "
            "--to and --board"
        )


def _options(theirs: dict[str, Any], inputs: Inputs, keeps_new: bool) -> Options:
    workload = theirs["workload"]
    return Options(
        tears=replace(TEAR_SETS[theirs["tears"]["set"]], seed=inputs.seed),
        depth=ANY,
        attempts=workload["attempts"],
        events=tuple(name for name in EVENT_NAMES if name in workload["events"]),
        resolutions=tuple(theirs["resolutions"]),
        keeps_new=keeps_new,
    )
