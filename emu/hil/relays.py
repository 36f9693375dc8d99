"""What switches power: one row per driver.

A real relay board is one more row: something with `on`, `off` and `gone`. Neighbours: `programs` runs commands, `links`
reach a relay board; `external_rig` switches. Knows no console of a device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from emu.clock import Stopwatch
from emu.errors import RigLost
from emu.hil.links import make_link
from emu.hil.programs import Program, filled, how_it_ended, run_program
from emu.hil.rig_file import RigFile
from emu.wire import Wire, WireClosed

_POLL_S = 0.2


class Relay(Protocol):
    """A switch. Every method raises RigLost when it does not obey."""

    def on(self, terminal: int | None) -> None:
        """Power comes. ``terminal``: the one a process is to have, if any."""
        ...

    def off(self) -> None:
        """Power is gone when this returns. It may be gone already."""
        ...

    def gone(self, wait_s: float) -> str:
        """In words, what took the device away while its power was on, if that shows within ``wait_s``; "": nothing that
        can be known here."""
        ...

    def close(self) -> None:
        """Give back what it holds. What it switched stays as it is, unless it is a process of ours."""
        ...


class ProcessRelay:
    """The device is a process: power is its life, and a cut is SIGKILL to all of its group."""

    def __init__(self, rig: RigFile, places: Mapping[str, str]) -> None:
        assert rig.document.relay.command is not None, "a process without command: please report"
        self._words = filled(rig.document.relay.command, places)
        self._folder = rig.folder
        self._program: Program | None = None

    def on(self, terminal: int | None) -> None:
        assert self._program is None, "power comes twice: please report"
        self._program = Program(self._words, self._folder, terminal)

    def off(self) -> None:
        if self._program is not None:
            program, self._program = self._program, None
            program.kill()

    def gone(self, wait_s: float) -> str:
        code = None if self._program is None else self._program.wait(wait_s)
        if self._program is None or code is None:
            return ""
        return f"its process ended by itself with {how_it_ended(code, self._program.last_line)}"

    def close(self) -> None:
        self.off()


class LineRelay:
    """A relay board that is told by text, and may have to answer."""

    def __init__(self, rig: RigFile, places: Mapping[str, str]) -> None:
        entry = rig.document.relay
        assert entry.line is not None and isinstance(entry.on, str) and isinstance(entry.off, str), "please report"
        self._link = make_link(entry.line)
        self._texts = {"on": entry.on, "off": entry.off}
        self._answer = re.compile(entry.answer) if entry.answer else None
        self._limit_s = rig.document.limits.relay_s
        self._wire: Wire | None = None

    def on(self, terminal: int | None) -> None:
        self._tell("on")

    def off(self) -> None:
        self._tell("off")

    def gone(self, wait_s: float) -> str:
        return ""

    def close(self) -> None:
        if self._wire is not None:
            wire, self._wire = self._wire, None
            wire.close()

    def _tell(self, which: str) -> None:
        """Say it and wait for the answer; what the board said before is no answer."""
        watch = Stopwatch()
        try:
            if self._wire is None:
                self._wire = self._link.open()
            wire = self._wire
            assert wire is not None, "a relay board that goes with its own power: please report"
            wire.drain()
            wire.send(self._texts[which].encode("latin-1"))
            heard = ""
            while wire.is_sending or (self._answer is not None and not self._answer.search(heard)):
                if watch.seconds > self._limit_s:
                    raise RigLost(f"the relay at {self._link.label} {self._missing(wire)} within {self._limit_s:g} s")
                heard += wire.exchange(_POLL_S).decode("latin-1")
        except WireClosed:
            self.close()
            raise RigLost(f"the relay at {self._link.label} has closed the line") from None

    def _missing(self, wire: Wire) -> str:
        return "does not take what it is told" if wire.is_sending else "gives no answer"


class CommandRelay:
    """Programs switch the power."""

    def __init__(self, rig: RigFile, places: Mapping[str, str]) -> None:
        entry = rig.document.relay
        assert isinstance(entry.on, tuple) and isinstance(entry.off, tuple), "please report"
        self._on, self._off = filled(entry.on, places), filled(entry.off, places)
        self._folder, self._limit_s = rig.folder, rig.document.limits.relay_s

    def on(self, terminal: int | None) -> None:
        run_program(self._on, self._folder, self._limit_s, "relay on")

    def off(self) -> None:
        run_program(self._off, self._folder, self._limit_s, "relay off")

    def gone(self, wait_s: float) -> str:
        return ""

    def close(self) -> None:
        pass


RELAYS: dict[str, Callable[[RigFile, Mapping[str, str]], Relay]] = {
    "process": ProcessRelay,
    "line": LineRelay,
    "command": CommandRelay,
}


def make_relay(rig: RigFile, places: Mapping[str, str]) -> Relay:
    return RELAYS[rig.document.relay.driver](rig, places)
