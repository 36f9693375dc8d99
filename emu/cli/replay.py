"""`brownout replay TOKEN`: one finding, reproduced and told step by step.

Takes the same input options as `run`. Exit codes: 1 it reproduces, 3 it does not, 2 an input differs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.replay import follow
from emu.campaign.token import parse_token
from emu.cli.code import code_lines
from emu.cli.depth import MAX_ATTEMPTS
from emu.cli.faults import retraced
from emu.cli.inputs import Inputs, input_files, input_options, make_subject
from emu.cli.mutants import mutant_named, on_model, with_firmware
from emu.cli.naming import asked
from emu.cli.output import check_apart, check_writable, owns_stdout
from emu.cli.resets import replayable
from emu.cli.traces import trace_options, write_traces
from emu.errors import TokenError
from emu.report.story import tell

EXIT_REPRODUCED, EXIT_NOT_REPRODUCED = 1, 3


@click.command("replay")
@click.argument("token")
@click.option("--mutant", "name", metavar="NAME", help="Replay on this mutant, as run --mutants named it.")
@trace_options
@input_options
def command(inputs: Inputs, token: str, name: str | None, vcd_file: Path | None, perfetto_file: Path | None) -> int:
    """Reproduce one finding, step by step.

    Give the same --from, --to, --board and other input options as the run that printed TOKEN. Exits 1 when the
    finding reproduces, 3 when every check holds, 2 when an input differs (and says which).
    """
    parsed = parse_token(token)
    if not 1 <= parsed.attempts <= MAX_ATTEMPTS:
        raise TokenError(f"the token is altered: {parsed.attempts} attempts, 1 to {MAX_ATTEMPTS} are possible")
    outputs = (("--vcd", vcd_file), ("--perfetto", perfetto_file))
    check_apart(*outputs)
    rig = make_subject(inputs)
    for _, target in outputs:
        check_writable(target, input_files(inputs, rig))
    if name is not None:
        rig = with_firmware(on_model("--mutant", rig), mutant_named(name))
    rig = replayable(rig, parsed.path)
    parsed.check_inputs(asked(rig, inputs).inputs)
    if parsed.fault:
        story = retraced(rig, parsed, inputs.seed)
    else:
        options = replace(Options(), attempts=parsed.attempts, keeps_new=rig.keeps_new)
        story = follow(rig, Explorer(rig, rig.bounds, options).judge, parsed, inputs.seed)
    if not owns_stdout(vcd_file, perfetto_file):
        click.echo(tell(story))
        for line in code_lines(rig, story):
            click.echo(line)
    write_traces(story, rig, token.strip(), vcd_file, perfetto_file)
    return EXIT_REPRODUCED if story.breaches else EXIT_NOT_REPRODUCED
