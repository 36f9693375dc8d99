"""What a chip samples when the host drives another number of lines than it listens on.

Neighbours: `serial_flash` asks when a frame begins in the wrong width. Pure; knows no command. Lines nobody drives
are pulled high. This is why FFh on one line ends a continuous four-line read: eight clocks carry a whole address and
mode of ones.
"""

from __future__ import annotations


def as_seen(data: bytes, host_lines: int, chip_lines: int) -> tuple[bytes, int]:
    """``data`` as the chip shifts it in, and how many bits are left over behind the last whole byte."""
    shared = (1 << min(host_lines, chip_lines)) - 1
    floating = ((1 << chip_lines) - 1) & ~shared
    bits = 0
    count = 0
    for byte in data:
        for clock in range(8 // host_lines):
            driven = byte >> (8 - host_lines * (clock + 1))
            bits = bits << chip_lines | (driven & shared) | floating
            count += chip_lines
    stray = count % 8
    return (bits >> stray).to_bytes(count // 8, "big"), stray
