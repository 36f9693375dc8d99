"""A serial part behind its pins: opcodes in, BUSY and bytes out; and a driver that knows nothing but the opcodes.

`serial_flash` clocks the bytes, `commands` is the table of what a part answers to, `array`, `register_commands` and
`service` are what the commands do, `chip` is the part between two frames, `state` what it forgets without power;
`registers`, `register_file` and `protection` are its registers; `driver` is a host. Neighbours: `flash.device` has the
array and its operations, `flash.command_set` the data. This room does not know who sits on the other side of the bus.
"""

from flash.spi.driver import SpiNorFlash
from flash.spi.serial_flash import SerialFlash

__all__ = ["SerialFlash", "SpiNorFlash"]
