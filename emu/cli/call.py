"""`brownout call`: one RPC method of a device, over any link.

Neighbours: `emu.ota.mongoose` does it. The result goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import json

import click

from emu.cli.port_options import DONE, LOST, NO, baud_option, caller_of, caller_options, port_option, refusal
from emu.errors import UsageError
from emu.ota.mongoose.client import Answered, Refused, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from emu.words import printable


@click.command("call")
@port_option
@baud_option
@caller_options
@click.argument("method")
@click.argument("params", metavar="[JSON]", default="")
def command(port: str, baud: int, creds: str, timeout_s: float, method: str, params: str) -> int:
    """Call METHOD of a device, with JSON as its params, and print its result as JSON.

    The device may be an emulated one (`brownout serve`) or a real one. Exit codes: 0 it answered, 1 it refused, 3 no
    answer came.
    """
    params = _checked(params)
    link, caller = Port(port, caller_of(creds), baud).link()
    with Session(link, RpcClient(caller)) as session:
        outcome = session.call(method, params, timeout_s)
        if isinstance(outcome, Answered):
            if outcome.message:
                click.echo(f"brownout: {printable(outcome.message)}", err=True)
            click.echo(shown(outcome.result))
            return DONE
        if isinstance(outcome, Refused):
            click.echo(f"brownout: {printable(refusal(f'{method}: {outcome.text}', outcome.code, caller))}", err=True)
            return NO
        click.echo(f"brownout: {printable(f'{method}: {session.explained(outcome)}')}", err=True)
        return LOST


def _checked(params: str) -> str:
    """On one line, because a serial link ends a frame at a line end; between tokens JSON has any space."""
    if not params:
        return ""
    try:
        json.loads(params)
    except (ValueError, RecursionError) as wrong:
        raise UsageError(f'the params are no JSON: {wrong}; write them like \'{{"name": "value"}}\'') from None
    return params.replace("\r", " ").replace("\n", " ")


def shown(result: str) -> str:
    """JSON with an indent, what is above 7 bits as it is; as it came where it is no JSON."""
    try:
        return json.dumps(json.loads(result), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return printable(result)
