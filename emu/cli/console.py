"""`brownout console`: what a device prints, and what is typed to it.

Neighbours: `emu.ota.links.client.stream` opens the port. Bytes go through as they are, in both directions.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys

import click

from emu.cli.port_options import DONE, MAX_SECONDS, baud_option, port_option
from emu.clock import Stopwatch
from emu.ota.links.client.link import lost
from emu.ota.mongoose.client import Caller
from emu.ota.mongoose.ports import Port
from emu.wire import CHUNK, Wire, WireClosed

LOOK_S = 0.05


@click.command("console")
@port_option
@baud_option
@click.option("--for", "for_s", type=click.FloatRange(0, MAX_SECONDS), default=0.0, metavar="SECONDS",
              help="End after so long; 0: when the port is closed, on Ctrl-C, or on Ctrl-D at a terminal.")  # fmt: skip
def command(port: str, baud: int, for_s: float) -> int:
    """Show what the device at PORT prints, and send it what is typed.

    PORT is a serial port or tcp://HOST:PORT. Frames of RPC are shown as they are: a call typed as JSON on one line is
    answered in JSON. Exit codes: 0 it was ended, 3 the port was closed.
    """
    stream = Port(port, Caller(), baud).stream()
    wire = stream.open()
    try:
        _converse(wire, for_s)
    except WireClosed:
        raise lost(stream.label, "the other side is gone") from None
    finally:
        wire.close()
    return DONE


def _converse(wire: Wire, for_s: float) -> None:
    watch, keys = Stopwatch(), _keyboard()
    while not for_s or watch.seconds < for_s:
        data = wire.exchange(LOOK_S)
        if data:
            click.echo(data, nl=False)
        if keys is None or not select.select([keys], [], [], 0)[0]:
            continue
        typed = os.read(keys, CHUNK)
        if typed:
            wire.send(typed)
        elif os.isatty(keys):
            return
        else:
            keys = None  # a pipe that is empty says nothing about the device


def _keyboard() -> int | None:
    """The descriptor of stdin; None where there is none."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return sys.stdin.fileno()
    return None
