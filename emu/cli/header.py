"""`brownout header`: where brownout.h is, as a compiler wants to be told.

Neighbours: `emu.native` has it. Prints the folder and nothing else, to stand in a command line.
"""

from __future__ import annotations

import click


@click.command("header")
def command() -> None:
    """Print the folder of brownout.h, which firmware in C includes: cc -shared -fPIC -I"$(brownout header)" ..."""
    from emu.native import HEADER

    click.echo(str(HEADER.parent))
