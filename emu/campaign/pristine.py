"""Sessions repeated as if nothing had run before them, where no other interpreter can make the rig.

A process that is forked before the first session keeps the memory of that moment. Asked to repeat a session, it forks
once more, so each starts from there: what a firmware has left in a module since is not in it. So the body of a
test, a closure and a lambda can be held to what `fresh` holds a file to.

Neighbours: `fresh` does the same in an interpreter of its own and has the records; `audit` asks either. Knows the
rig's contract. Where a system cannot fork, nothing is repeated, and the audit counts none.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from emu.campaign.engines.child import forked
from emu.campaign.fresh import Record, answer_all
from emu.errors import ScenarioError
from emu.rig import DeviceState, Rig

CAN_FORK = hasattr(os, "fork")


class Pristine:
    """The process that has seen nothing; ``asks`` and ``hears`` lead to it and back."""

    def __init__(self, asks: BinaryIO, hears: BinaryIO) -> None:
        self._asks = asks
        self._hears = hears

    def records(self, states: Sequence[DeviceState]) -> list[Record]:
        """The session of each state, run there. Raises ScenarioError with its last words where it cannot be."""
        if not states:
            return []
        pickle.dump(list(states), self._asks)
        self._asks.flush()
        try:
            answer = pickle.load(self._hears)
        except EOFError:
            raise ScenarioError("sessions cannot be repeated: the process that was to repeat them has died") from None
        if isinstance(answer, str):
            raise ScenarioError(f"sessions cannot be repeated: {answer}")
        records: list[Record] = answer
        return records


@contextmanager
def pristine(rig: Rig) -> Iterator[Pristine | None]:
    """Fork now, before anything has run on ``rig``. None where that cannot be done."""
    if not CAN_FORK:
        yield None
        return
    there, asks = os.pipe()
    hears, back = os.pipe()
    child = forked()
    if not child:
        os.close(asks)
        os.close(hears)
        _serve(rig, there, back)
    os.close(there)
    os.close(back)
    with os.fdopen(asks, "wb") as question, os.fdopen(hears, "rb") as answer:
        try:
            yield Pristine(question, answer)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _serve(rig: Rig, there: int, back: int) -> NoReturn:
    """The child: answer until nobody asks any more. What it prints is nobody's business."""
    try:
        _hush()
        with os.fdopen(there, "rb") as questions, os.fdopen(back, "wb") as answers:
            answer_all(rig, questions, answers)
    finally:
        os._exit(0)


def _hush() -> None:
    silence = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silence, number)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
