"""Opening a serial port, or any terminal that has a path: as a wire that is ours alone while it is open.

Neighbours: `wire` is what an open port is; a rig's console and a device's RPC link are opened here. pyserial, an extra,
is imported here alone.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.errors import MissingExtra
from emu.wire import Wire


def serial_opener(what: str) -> Callable[..., Wire]:
    """``open(path, baud, control_lines=None)`` opens a port. Raises MissingExtra, which names ``what`` needs pyserial.

    ``control_lines`` False: DTR and RTS are released before the port is opened, because on boards with an ESP they are
    wired to reset; None: left to the driver. Opening raises OSError or ValueError.
    """
    try:
        import serial
    except ImportError:
        raise MissingExtra(f"{what} needs pyserial: pip install 'brownout[serial]'") from None

    def opened(path: str, baud: int, control_lines: bool | None = None) -> Wire:
        port = serial.Serial(None, baud, timeout=0, exclusive=True)
        if control_lines is not None:
            port.dtr = port.rts = control_lines
        port.port = path
        port.open()
        return Wire(port.fileno(), port.close)

    return opened
