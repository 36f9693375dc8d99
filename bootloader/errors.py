"""How a caller can be wrong about the boot configuration, as one tree.

    FlashError
    └── BootError
        ├── SequencerExhausted     no smaller sequencer is left; nothing was written
        ├── ConfigNotWritten       the record did not read back; the other copy is untouched
        └── LayoutError            slots or config copies that are too small for what they hold

A bad record, a corrupt image, a missing slot are not errors: they are values (`CopyReading`, `Verification`).
"""

from __future__ import annotations

from flash.errors import FlashError


class BootError(FlashError):
    """A contract of the bootloader floor was broken."""


class SequencerExhausted(BootError):
    """The newest record already carries sequencer 0."""


class ConfigNotWritten(BootError):
    """A config record was written but does not read back."""


class LayoutError(BootError):
    """A slot or a config copy is too small for what it has to hold, or misaligned inside."""
