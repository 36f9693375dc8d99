"""`brownout replay TOKEN`: one finding, reproduced and told step by step.

Takes the same input options as `run`. Exit codes: 1 it reproduces, 3 it does not, 2 an input differs.
"""

from __future__ import annotations

from dataclasses import replace

import click

from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.replay import follow
from emu.campaign.token import parse_token
from emu.cli.depth import MAX_ATTEMPTS
from emu.cli.faults import retraced
from emu.cli.inputs import Inputs, input_options, make_subject
from emu.cli.mutants import mutant_named, on_model, with_firmware
from emu.cli.naming import asked
from emu.errors import TokenError
from emu.report.story import tell

EXIT_REPRODUCED, EXIT_NOT_REPRODUCED = 1, 3


@click.command("replay")
@click.argument("token")
@click.option("--mutant", "name", metavar="NAME", help="Replay on this mutant, as run --mutants named it.")
@input_options
def command(inputs: Inputs, token: str, name: str | None) -> int:
    """Reproduce one finding, step by step.

    Give the same --from, --to, --board and other input options as the run that printed TOKEN. Exits 1 when the
    finding reproduces, 3 when every check holds, 2 when an input differs (and says which).
    """
    parsed = parse_token(token)
    if not 1 <= parsed.attempts <= MAX_ATTEMPTS:
        raise TokenError(f"the token is altered: {parsed.attempts} attempts, 1 to {MAX_ATTEMPTS} are possible")
    rig = make_subject(inputs)
    if name is not None:
        rig = with_firmware(on_model("--mutant", rig), mutant_named(name))
    parsed.check_inputs(asked(rig, inputs).inputs)
    if parsed.fault:
        found = retraced(rig, parsed, inputs.seed)
        click.echo(f"fault {parsed.fault}\n  {found.told}\n\n{tell(found.story)}")
        return EXIT_REPRODUCED if found.story.breaches else EXIT_NOT_REPRODUCED
    options = replace(Options(), attempts=parsed.attempts, keeps_new=rig.keeps_new)
    explorer = Explorer(rig, rig.bounds, options)
    story = follow(rig, explorer.judge, parsed, inputs.seed)
    click.echo(tell(story))
    return EXIT_REPRODUCED if story.breaches else EXIT_NOT_REPRODUCED
