"""Every way a caller can be wrong about flash, as one tree.

    Exception
    ├── FlashError                    a contract was broken by the caller; says what, where, what to do
    │   ├── FlashMisuse               strict mode: silicon would have ignored this silently
    │   ├── OutOfBounds               an access that leaves its partition or its device
    │   ├── PartError                 a part description that cannot be used
    │   ├── SfdpError                 SFDP bytes that are no table, or a figure that no table can say
    │   └── ImageError                an image file that cannot be read, placed or told apart
    ├── HardwareFault                 what the silicon itself reports to the firmware
    │   └── EccFault                  a read met a granule that error correction cannot repair
    ├── UnsteadyRead                  a range holds bits that may read differently each time (the bench asked)
    BaseException
    └── Interrupted                   the processor stopped; nothing may catch this but the world outside
        ├── PowerLost                 the supply is off
        └── ResetAsserted             a hardware timer pulled the reset line

Neighbours: everything above may raise or catch these. This module knows no device and no part.
What the *world* does (a torn page, a misuse seen in a campaign) is a value, never one of these.
"""

from __future__ import annotations


class FlashError(Exception):
    """A caller broke a contract. ``address`` and ``length`` (bytes) are set where they make sense."""

    def __init__(self, message: str, *, address: int | None = None, length: int | None = None) -> None:
        super().__init__(message)
        self.address = address
        self.length = length


class FlashMisuse(FlashError):
    """In strict mode: an operation that real silicon ignores, wraps or truncates without an error."""


class OutOfBounds(FlashError):
    """An access outside its partition or device; the message gives both ranges."""


class PartError(FlashError):
    """A part description that is missing, malformed or contradicts itself."""


class SfdpError(FlashError):
    """SFDP bytes that cannot be a table, or a figure of a part that a table cannot say."""


class ImageError(FlashError):
    """An image file that cannot be read, does not fit, or contradicts itself."""


class HardwareFault(Exception):
    """The silicon signals a fault (NMI, bus fault). Firmware may handle it; nobody is to blame."""


class EccFault(HardwareFault):
    """A read met an uncorrectable granule. ``address`` is the granule's, on the device or partition read.

    ``signal``: how the part shows it: "nmi" or "bus-fault".
    """

    def __init__(self, address: int, length: int, signal: str = "nmi") -> None:
        super().__init__(f"uncorrectable ECC error in the {length}-byte granule at {address:#x} ({signal})")
        self.address = address
        self.length = length
        self.signal = signal


class UnsteadyRead(Exception):
    """The bench looked at cells that hold no steady value. Firmware never meets this: it just reads something."""

    def __init__(self, address: int, length: int) -> None:
        super().__init__(f"[{address:#x}, {address + length:#x}) holds bits that read differently each time")
        self.address = address
        self.length = length


class Interrupted(BaseException):
    """The processor is no longer executing.

    Derives from BaseException so that firmware under test which catches ``Exception`` cannot survive it:
    only the world outside (a rig) may catch it.
    """


class PowerLost(Interrupted):
    """The supply latch is off. Raised by every access until power returns."""


class ResetAsserted(Interrupted):
    """A hardware timer pulled reset while the firmware was running. ``cause`` names the timer."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"reset asserted by {cause}")
        self.cause = cause
