"""Who brings the update: for as long as attempts are left, somebody starts the host and then switches the device on.

An attempt belongs to a time with power. It goes on when the device resets itself; a cut ends it, because the tool is
started anew then, and so does the host's own end. What outlives a reset is in the device's state (`Talk`).

Neighbours: `rig` makes one for every session of a board with an update; `line` is what it starts. Knows no checks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from emu.cpu.faces import Receives
from emu.cpu.machine import Machine
from emu.elf.conversation import Conversation, Manner, Talk
from emu.elf.line import Line
from emu.events import APPLIED, ATTEMPT, CLAIMED, NOTE, OUTSIDE
from emu.rig import DeviceState
from emu.timers import EventLog

_BEGIN = "attempt"


class Attempt:
    """One session's. ``asked``: told when it counts whether an attempt is left."""

    def __init__(
        self, manner: Manner, machine: Machine, port: str, state: DeviceState, log: EventLog, asked: Callable[[], None]
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

    @property
    def outside(self) -> Talk | None:
        """What the next session finds when the device has reset itself."""
        return None if self.line is None else self.line.talk

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
        is_warm = self._state.cause != "power"
        talk = self._state.outside if is_warm else None
        if is_warm and isinstance(talk, Talk):
            self._log.note(OUTSIDE, None)  # from here on a cut leaves nobody who talks
            self.kept = None
            self._join(talk)
        elif not is_warm:
            self._asked()
            if self.attempts_left:
                self._log.note(ATTEMPT)
                self.attempts_left -= 1
                self._join(Talk())

    def _join(self, talk: Talk) -> None:
        port = self._machine.peripherals[self._port]
        assert isinstance(port, Receives), "a board has an update for something that is no UART: please report"
        self.line = Line(self._machine.world, port, Conversation(self._manner, talk), talk, self._told, self._failed)

    def _told(self) -> None:
        self._log.note(CLAIMED, APPLIED, False)

    def _failed(self, why: str) -> None:
        self._log.note(NOTE, f"the host gives up: {why}")
