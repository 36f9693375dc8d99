"""Links that carry bytes: a serial port or any terminal with a path, and TCP.

Neighbours: `wire` is what an open one is, `serial_port` opens terminals. Knows no framing.
"""

from __future__ import annotations

import termios
from typing import Protocol

from emu.ota.links.client.link import CONNECT_S, lost
from emu.serial_port import serial_opener
from emu.wire import Wire, connect_tcp

BAUD = 115_200


class Stream(Protocol):
    label: str

    def open(self) -> Wire:
        """Raises LinkLost."""
        ...


class SerialStream:
    """``path`` of a port; it is ours alone while it is open. DTR and RTS are released: see `serial_port`.

    Errors: MissingExtra without pyserial.
    """

    def __init__(self, path: str, baud: int = BAUD) -> None:
        self.label = path
        self._baud = baud
        self._open = serial_opener("a serial port")

    def open(self) -> Wire:
        try:
            return self._open(self.label, self._baud, control_lines=False)
        except (OSError, ValueError) as wrong:  # SerialException is an OSError
            if isinstance(wrong.__context__, termios.error):
                raise lost(self.label, "is no serial port") from None
            raise lost(self.label, "cannot be opened", wrong) from None


class TcpStream:
    def __init__(self, host: str, port: int) -> None:
        self.label = f"tcp://{host}:{port}"
        self._address = (host, port)

    def open(self) -> Wire:
        try:
            return connect_tcp(self._address, CONNECT_S)
        except (OSError, UnicodeError) as wrong:
            raise lost(self.label, "cannot connect", wrong) from None
