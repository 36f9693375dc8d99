"""Who brings the update: somebody who finds the device with the old image, or waiting, while attempts are left.

After every cut the device first boots alone, as it does where nobody is. When it has settled without the new image, the
host is started and power is switched off and on: that is an attempt, and a session of its own. It goes on when the
device resets itself; a cut ends it, because the tool is started anew then. What outlives a reset is in the device's
state: a `Talk`, and an empty one where an attempt is about to begin.

Neighbours: `rig` makes one for every session of a board with an update; `line` is what it starts. Knows no checks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from emu.cpu.faces import Receives
from emu.cpu.machine import Machine
from emu.elf.conversation import Conversation, Manner, Talk
from emu.elf.line import Line
from emu.events import APPLIED, ATTEMPT, CLAIMED, NOTE, OUTSIDE
from emu.rig import DeviceState, Outcome
from emu.timers import EventLog

_BEGIN = "attempt"


def is_brought(state: DeviceState) -> bool:
    """Whether somebody stands at the device in the session from ``state``."""
    return isinstance(state.outside, Talk)


class Attempt:
    """One session's. ``asked``: told when it counts whether an attempt is left, with how many it has begun."""

    def __init__(
        self,
        manner: Manner,
        machine: Machine,
        port: str,
        state: DeviceState,
        log: EventLog,
        asked: Callable[[int], None],
    ) -> None:
        self.attempts_left = state.attempts_left
        self.kept: Hashable = state.outside
        """What a power cut leaves of the world outside, as the journal has it."""
        self.line: Line | None = None
        self._manner, self._machine, self._port, self._state = manner, machine, port, state
        self._log, self._asked = log, asked

    def prepare(self) -> None:
        """A reset is complete: before the first instruction the attempt begins, or goes on."""
        self._machine.world.at(_BEGIN, 0, self._begin)

    def says(self, port: str, data: bytes) -> None:
        """Bytes have left the chip."""
        if port == self._port and self.line is not None:
            self.line.hears(data)

    @property
    def is_engaged(self) -> bool:
        """Whether more may come from outside."""
        return self.line is not None and self.line.is_engaged

    def outside_after(self, outcome: Outcome) -> Hashable:
        """What the next session finds."""
        if outcome.kind != "reset":
            return self.kept
        if outcome.cause == "power":
            return Talk()
        return None if self.line is None else self.line.talk

    def follows(self, outcome: Outcome) -> Outcome:
        """What comes of a session that ended so: somebody may try again."""
        if not outcome.asks_retry:
            return outcome
        self._asked(self._state.attempts_left - self.attempts_left)
        if not self.attempts_left:
            return outcome
        return Outcome("reset", cause="power", detail=f"{outcome}; the host is started, power is switched off and on")

    @property
    def words(self) -> str:
        """What became of it in this session, for a reader; "" where nothing did."""
        if self.line is None:
            return ""
        conversation = self.line.conversation
        host = conversation.host
        end = "still talks" if self.is_engaged else "has sent everything"
        end = "is told that the update is there" if host.is_told else end
        end = f"gives up: {host.failure}" if host.failure else end
        lost = "".join(f", {count:,} lost ({why})" for why, count in sorted(self.line.lost.items()))
        return f"{conversation.sent_count:,} bytes sent{lost}; it {end}"

    def _begin(self) -> None:
        talk = self._state.outside
        if not isinstance(talk, Talk):
            return
        self._log.note(OUTSIDE, None)  # from here on a cut leaves nobody who talks
        self.kept = None
        if self._state.cause == "power":
            self._log.note(ATTEMPT)
            self.attempts_left -= 1
        self._join(talk)

    def _join(self, talk: Talk) -> None:
        port = self._machine.peripherals[self._port]
        assert isinstance(port, Receives), "a board has an update for something that is no UART: please report"
        self.line = Line(self._machine.world, port, Conversation(self._manner, talk), talk, self._told, self._failed)

    def _told(self) -> None:
        self._log.note(CLAIMED, APPLIED, False)

    def _failed(self, why: str) -> None:
        self._log.note(NOTE, f"the host gives up: {why}")
