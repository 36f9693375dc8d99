"""Where a console is: one row per kind of link.

A link that goes with the power is opened anew after each power-on, any other once. Neighbours: `wire` is what an open
link is; `external_rig` and `relays` ask. pyserial, an extra, is imported here alone.
"""

from __future__ import annotations

import errno
import os
import socket
import tty
from collections.abc import Callable
from typing import Protocol

from emu.errors import RigLost
from emu.hil.rig_file import BAUD, LinkEntry
from emu.serial_port import serial_opener
from emu.wire import Wire, connect_tcp

CONNECT_S = 1.0
"""How long one attempt to connect may take."""


class Link(Protocol):
    """A way to a console."""

    label: str
    goes_with_power: bool

    def prepare(self) -> int | None:
        """Before the power comes: make what the device will find. Returns the terminal a process is to have."""
        ...

    def open(self) -> Wire | None:
        """The wire; None: it is not there yet. Raises RigLost when it never will be."""
        ...


class PtyLink:
    """The terminal of the process that is the device: a new one at every power-on, so that nothing of the session
    before is left in it."""

    label = "the terminal of the process"
    goes_with_power = True

    def __init__(self, entry: LinkEntry, goes_with_power: bool) -> None:
        self._ends: tuple[int, int] | None = None

    def prepare(self) -> int | None:
        self._ends = os.openpty()
        tty.setraw(self._ends[1])  # no echo, no lines of 4 KiB at most, no signals from control characters
        return self._ends[1]

    def open(self) -> Wire | None:
        if self._ends is None:
            return None
        (ours, theirs), self._ends = self._ends, None
        os.close(theirs)  # the process has its own; when that is closed too, reading ends
        return Wire(ours, lambda: os.close(ours))


class TcpLink:
    def __init__(self, entry: LinkEntry, goes_with_power: bool) -> None:
        assert entry.port is not None, "a tcp link without port: please report"
        self._address = (entry.host, entry.port)
        self.label = f"{entry.host}:{entry.port}"
        self.goes_with_power = goes_with_power

    def prepare(self) -> int | None:
        return None

    def open(self) -> Wire | None:
        try:
            return connect_tcp(self._address, CONNECT_S)
        except OSError as wrong:
            if self.goes_with_power and not isinstance(wrong, socket.gaierror):
                return None
            raise RigLost(f"the link: cannot connect to {self.label}: {_reason(wrong)}") from None


class SerialLink:
    """A serial port, or any terminal that has a path. It is ours alone while it is open."""

    def __init__(self, entry: LinkEntry, goes_with_power: bool) -> None:
        self.label = entry.device
        self.goes_with_power = goes_with_power
        self._baud = entry.baud or BAUD
        self._open = serial_opener("a serial link")

    def prepare(self) -> int | None:
        return None

    def open(self) -> Wire | None:
        try:
            return self._open(self.label, self._baud)
        except (OSError, ValueError) as wrong:  # SerialException is an OSError
            if self.goes_with_power and getattr(wrong, "errno", None) in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
                return None
            raise RigLost(f"the link: {self.label} cannot be opened: {_reason(wrong)}") from None


LINKS: dict[str, Callable[[LinkEntry, bool], Link]] = {"pty": PtyLink, "tcp": TcpLink, "serial": SerialLink}


def make_link(entry: LinkEntry, *, default: bool = False) -> Link:
    """``default``: whether it goes with the power where the entry does not say."""
    return LINKS[entry.kind](entry, default if entry.goes_with_power is None else entry.goes_with_power)


def _reason(wrong: Exception) -> str:
    number = getattr(wrong, "errno", None)
    return os.strerror(number) if number and number > 0 else str(wrong)
