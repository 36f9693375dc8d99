"""What surrounds loader.c: the chip, its windows, the two images, what the factory ships.

make
brownout run --firmware scenario.py:device
"""

import zlib
from pathlib import Path
from struct import pack

from emu.native import CFirmware
from emu.scenario import Scenario, Window

HERE = Path(__file__).parent
SLOT = 0x10000
OLD = bytes(n * 7 % 251 for n in range(20_000))
NEW = bytes(n * 11 % 253 for n in range(24_000))
FIRST = pack("<4sII", b"BTDR", 1, 0)  # sequence 1, slot-a
FIRST += pack("<I", zlib.crc32(FIRST))

device = Scenario(
    CFirmware(HERE / "loader.so"),
    "w25q128jv",
    windows={
        "record-0": Window(0x0000, 0x1000),
        "record-1": Window(0x1000, 0x1000),
        "slot-a": Window(0x10000, SLOT),
        "slot-b": Window(0x20000, SLOT),
    },
    images={"old": OLD, "new": NEW},
    factory={"record-0": FIRST, "slot-a": OLD},
    fine=["record-0", "record-1"],
    name="c-bootloader",
)
