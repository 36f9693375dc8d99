"""`brownout replay TOKEN`: one finding, reproduced and told step by step; or, with --gdb, stopped where power goes.

Takes the same input options as `run`. Exit codes: 1 it reproduces, 3 it does not, 2 an input differs. With --gdb: 0
when gdb has left or the session is over, 2 when it cannot listen.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.replay import approach, follow
from emu.campaign.token import Token, parse_token
from emu.cli.code import code_lines
from emu.cli.depth import MAX_ATTEMPTS
from emu.cli.faults import retraced
from emu.cli.inputs import Inputs, input_files, input_options, make_subject
from emu.cli.mutants import mutant_named, on_model, with_firmware
from emu.cli.naming import asked
from emu.cli.output import check_apart, check_writable, owns_stdout
from emu.cli.resets import replayable
from emu.cli.traces import trace_options, write_traces
from emu.errors import TokenError, UsageError
from emu.gdb.server import HOST, Server
from emu.plain_rig import PlainRig
from emu.report.story import tell
from emu.update_rig import UpdateRig

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

EXIT_LEFT, EXIT_REPRODUCED, EXIT_NOT_REPRODUCED = 0, 1, 3


@click.command("replay")
@click.argument("token")
@click.option("--mutant", "name", metavar="NAME", help="Replay on this mutant, as run --mutants named it.")
@click.option(
    "--gdb",
    "port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="For an ELF: stop before the store that is cut, and serve gdb on this port of 127.0.0.1; 0: a free one.",
)
@click.option(
    "--gdb-cut",
    "number",
    type=click.IntRange(0),
    metavar="N",
    help="With --gdb: stop at the N-th interruption of TOKEN, from 1 on, instead of the last; 0: at the reset "
    "the path begins with.",
)
@trace_options
@input_options
def command(
    inputs: Inputs, token: str, name: str | None, port: int | None, number: int | None, vcd_file: Path | None,
    perfetto_file: Path | None,
) -> int:  # fmt: skip
    """Reproduce one finding, step by step.

    Give the same --from, --to, --board and other input options as the run that printed TOKEN. Exits 1 when the
    finding reproduces, 3 when every check holds, 2 when an input differs (and says which). With --gdb it exits 0 when
    gdb has left, or the session it stopped in is over.
    """
    parsed = parse_token(token)
    if not 1 <= parsed.attempts <= MAX_ATTEMPTS:
        raise TokenError(f"the token is altered: {parsed.attempts} attempts, 1 to {MAX_ATTEMPTS} are possible")
    if number is not None and port is None:
        raise UsageError("--gdb-cut says where --gdb stops: give --gdb as well")
    if port is not None and (vcd_file is not None or perfetto_file is not None):
        raise UsageError("--gdb stops in the middle: --vcd and --perfetto are for a replay that goes to its end")
    outputs = (("--vcd", vcd_file), ("--perfetto", perfetto_file))
    check_apart(*outputs)
    rig = make_subject(inputs)
    for _, target in outputs:
        check_writable(target, input_files(inputs, rig))
    if port is not None and isinstance(rig, UpdateRig | PlainRig):
        raise UsageError("--gdb is for an ELF on its emulated core; give its board file as --board")
    if port is not None and parsed.fault:
        raise UsageError("this token has a fault besides its cuts, and --gdb stops at cuts alone: replay it without")
    if name is not None:
        rig = with_firmware(on_model("--mutant", rig), mutant_named(name))
    rig = replayable(rig, parsed.path)
    parsed.check_inputs(asked(rig, inputs).inputs)
    if port is not None and not isinstance(rig, UpdateRig | PlainRig):
        return _debug(rig, parsed, inputs, port, number)
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


def _debug(rig: ElfRig, token: Token, inputs: Inputs, port: int, number: int | None) -> int:
    """Serve gdb at an interruption of ``token``."""
    from emu.elf.debugging import Debugging  # an extra is needed for it

    way = approach(rig, token, len(token.path) if number is None else number, inputs.seed)
    with closing(Server(port, lambda line: click.echo(line, err=True))) as server:
        debugging = Debugging(rig, way, server)
        click.echo(f"gdb       {debugging.place}")
        click.echo(f"          gdb-multiarch {_program(rig)} -ex 'target remote {HOST}:{server.port}'")
        sys.stdout.flush()
        for line in debugging.run():
            click.echo(line)
            sys.stdout.flush()
    return EXIT_LEFT


def _program(rig: ElfRig) -> str:
    """The file with the symbols of what boots."""
    return shlex.quote(str(rig.board.paths[1]))
