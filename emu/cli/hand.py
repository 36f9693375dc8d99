"""The user's hand at a device that is served: keys for its power and its reset, Ctrl-C for the end.

Neighbours: `serve` and `serve_elf` have the devices, `keys` the terminal. Knows no update system.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from emu.cli.keys import keys
from emu.words import printable

if TYPE_CHECKING:
    from emu.ota.links.link import Link
    from emu.ota.serving import Serving

EXIT_INTERRUPTED = 130
KEYS = "p: cut the power, or restore it; r: press reset; q: quit"


async def serve_by_hand(serving: Serving[Any], links: Sequence[Link], tell: Sequence[Callable[[], list[str]]]) -> int:
    """Until somebody ends it; ``tell`` says what is to be said of each link once it is open. Returns the exit code."""
    until, code, loop = asyncio.Event(), 0, asyncio.get_running_loop()

    def stop() -> None:
        nonlocal code
        code = EXIT_INTERRUPTED
        until.set()

    waiting: set[asyncio.Task[None]] = set()

    def pressed(key: str) -> None:
        if key == "p":
            (serving.restore_power if serving.node.state == "off" else serving.cut_power)()
        elif key == "r":
            task = loop.create_task(serving.press_reset())
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        elif key == "q":
            until.set()
        else:
            click.echo(KEYS, err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    with keys(pressed):
        await serving.run(links, lambda: click.echo("\n".join(line for each in tell for line in each()) + "\n"), until)
    return code


def warn(text: str) -> None:
    """A line about the serving itself."""
    click.echo(f"brownout: {printable(text)}", err=True)


def show(at_us: int, text: str) -> None:
    """A line of the device's log."""
    click.echo(f"[{at_us / 1_000_000:12.3f}] {text}")
