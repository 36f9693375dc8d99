"""The end of an update that is padded to its slot: blank flash, then a few bytes of flags. They are delivered with the
image, and belong to the bootloader: once the image is installed, they read otherwise.

Neighbours: `survey` looks, `trial` finds out whether the device agrees. Knows no bootloader by name.
"""

from __future__ import annotations

LEAST_BLANK = 256
"""Bytes: code and tables have shorter blank stretches."""
MOST_FLAGS = 256


def padding(data: bytes, erased: int) -> tuple[int, int] | None:
    """[from, to) of ``data``: its last blank stretch and what follows. None where nothing follows, or much does."""
    blank = bytes([erased])
    kept = data.rstrip(blank)
    at = kept.rfind(blank * LEAST_BLANK)
    if at < 0 or len(kept) - at - LEAST_BLANK > MOST_FLAGS:
        return None
    start = len(kept[:at].rstrip(blank))
    return (start, len(data)) if start else None
