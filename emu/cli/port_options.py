"""The options of commands that talk to a device: where it is, who we are, how long to wait.

Neighbours: `ota`, `call` and `console` share them; `emu.ota.mongoose.ports` knows what a port can be.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from emu.errors import UsageError
from emu.ota.links.client.stream import BAUD
from emu.ota.mongoose.client import UNAUTHENTICATED, Caller
from emu.ota.mongoose.ports import FORMS

F = TypeVar("F", bound=Callable[..., Any])
DONE, NO, LOST = 0, 1, 3
"""Exit codes: it was done; the device refused; nobody knows, because no answer came."""
MAX_SECONDS = 86_400
MAX_CREDENTIALS = 4096


def port_option(function: F) -> F:
    return click.option("--port", required=True, metavar="PORT", help=f"Where the device is: {FORMS}.")(function)


def baud_option(function: F) -> F:
    return click.option("--baud", type=click.IntRange(50, 12_000_000), default=BAUD, show_default=True,
                        help="Of a serial port, at 8N1.")(function)  # fmt: skip


def caller_options(function: F) -> F:
    """--creds and --timeout."""
    creds = click.option("--creds", default="", metavar="USER:PASSWORD|@FILE",
                         help="Who calls, for a device that asks; @FILE: a file that holds it.")  # fmt: skip
    timeout = click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, MAX_SECONDS), default=20.0,
                           show_default=True, metavar="SECONDS", help="How long to wait for an answer.")  # fmt: skip
    return creds(timeout(function))


def caller_of(creds: str) -> Caller:
    """Who calls. Ids are drawn anew for each command, so that no late answer to another one is taken for ours."""
    username, password = _credentials(creds)
    return Caller(seed=int.from_bytes(os.urandom(8)), username=username, password=password)


def _credentials(creds: str) -> tuple[str, str]:
    if not creds:
        return "", ""
    text, where = creds, "--creds"
    if creds.startswith("@"):
        path = Path(creds[1:])
        where = str(path)
        with path.open("rb") as file:
            text = file.read(MAX_CREDENTIALS).decode("utf-8", "replace").strip()
    username, colon, password = text.partition(":")
    if not username or not colon or not text.isprintable():
        raise UsageError(f"{where}: not USER:PASSWORD, on one line")
    return username, password


def refusal(text: str, code: int, caller: Caller) -> str:
    """What a device that refused said, and what to do about it where that is known."""
    return f"{text}: give --creds USER:PASSWORD" if code == UNAUTHENTICATED and not caller.username else text
