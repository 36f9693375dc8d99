"""What goes wrong in an event loop where nobody waits for it: one line, and no traceback.

Neighbours: commands that run a loop. What fails in a task of ours ends the command (`links.link.Host.failed`); what is
left are callbacks of libraries, of which a connection that breaks at the wrong moment makes errors without a reader.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any


def tell_in_one_line(said: Callable[[str], None]) -> None:
    """Of the loop that runs: ``said`` gets what asyncio would show as a traceback. BROWNOUT_TRACEBACK=1 shows it."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        wrong = context.get("exception")
        why = f": {type(wrong).__name__}: {wrong}" if wrong is not None else ""
        said(f"{str(context.get('message', 'a callback failed')).split('<')[0].strip()}{why}".rstrip(": "))

    if not os.environ.get("BROWNOUT_TRACEBACK"):
        asyncio.get_running_loop().set_exception_handler(handle)
