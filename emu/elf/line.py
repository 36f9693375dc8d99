"""The line between a UART of a machine and a host, for one session.

It lives on the machine's agenda: a byte of the host arrives at its moment of virtual time, whatever the core does then,
so firmware that is late (an erase stalls the core) loses bytes as it would.

Neighbours: `conversation` says what happens when; `life` makes a line after a reset. Knows no campaign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from emu.cpu.contract import Surroundings
from emu.cpu.faces import Receives
from emu.elf.conversation import Conversation, Talk

_LINE = "line"


class Line:
    """``talk``: what the conversation was when the session began. ``told`` is called when the device has said that it
    has the update, ``failed`` with why the host gives up."""

    def __init__(
        self, world: Surroundings, port: Receives, conversation: Conversation, talk: Talk, told: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.conversation = conversation
        self.lost: Counter[str] = Counter()
        """How many bytes of the host the device has lost in this session, by why."""
        self._world = world
        self._port = port
        self._since_us = talk.now_us
        self._told, self._failed = told, failed
        self._was_over = False
        self._look()
        self._plan()

    @property
    def is_engaged(self) -> bool:
        """Whether the host still wants something, or something is on its way to the device."""
        return not self.conversation.is_quiet

    @property
    def talk(self) -> Talk | None:
        """What a reset leaves of it now; None: nothing."""
        return self.conversation.talk(self._now_us) if self.is_engaged else None

    def hears(self, data: bytes) -> None:
        """The device sends."""
        if not self.conversation.is_over:
            self.conversation.hears(data, self._now_us)
            self._plan()

    @property
    def _now_us(self) -> int:
        return self._since_us + self._world.clock.now_us

    def _happens(self) -> None:
        """All that is due."""
        conversation = self.conversation
        while (due := conversation.next_us) is not None and due <= self._now_us:
            what, byte = conversation.step()
            if what == "byte":
                lost = self._port.arrives(byte)
                if lost:
                    self.lost[lost] += 1
            elif what == "idle":
                self._port.falls_idle()
            self._look()
        self._plan()

    def _look(self) -> None:
        """Whether the host has come to its end; what a reset came between is told now."""
        host = self.conversation.host
        if self.conversation.is_over and not self._was_over:
            self._was_over = True
            if host.is_told:
                self._told()
            elif host.failure:
                self._failed(host.failure)

    def _plan(self) -> None:
        due = self.conversation.next_us
        if due is None:
            self._world.cancel(_LINE)
        else:
            self._world.at(_LINE, max(0, due - self._since_us), self._happens)
