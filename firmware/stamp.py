"""Write the checksum of an image into its header, in the ELF file: `python stamp.py app.elf ...`."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

from elftools.elf.elffile import ELFFile

CRC_AT = 0x4C


def stamp(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    with path.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".image")
        start, size = section["sh_offset"], section["sh_size"]
    image = raw[start : start + size]
    crc = zlib.crc32(image[CRC_AT + 4 :], zlib.crc32(image[:CRC_AT]))
    raw[start + CRC_AT : start + CRC_AT + 4] = crc.to_bytes(4, "little")
    path.write_bytes(raw)


for name in sys.argv[1:]:
    stamp(Path(name))
