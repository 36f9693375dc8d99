"""`brownout parts --from-sfdp`: a real chip's SFDP dump explained, and a part file made of it.

A dump is a stranger's: binary as a chip sends it, or hex as tools print it, whole or only its basic table. The part
file is loaded before it is written, so what is written loads. Neighbours: `parts` is the command, `flash.sfdp` reads
tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from emu.errors import UsageError
from emu.report.columns import wrapped
from emu.report.part_sfdp import said
from flash.errors import FlashError
from flash.files import read_bounded
from flash.part import Part, part_from_text
from flash.sfdp import NO_ID, SfdpTable, decode, image_of, skeleton
from flash.sfdp_fields import SIGNATURE

MAX_DUMP_SIZE = 1 << 20
_OFFSET = re.compile(r"\s*(?:0x)?[0-9A-Fa-f]{2,}:\s|\s*[0-9A-Fa-f]{7,8}\s\s")
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")  # surrogates: a file name that is not UTF-8


@dataclass(frozen=True)
class Explained:
    """``text``: the table in words. ``toml``: the part file. ``part``: what that file loads as."""

    text: str
    toml: str
    part: Part


def explain(dump: Path, name: str | None, jedec_id: str | None) -> Explained:
    """Raises UsageError, one line that names the file, for a dump or an option that cannot be used."""
    part_name = name if name is not None else dump.stem
    if _NAME.fullmatch(part_name) is None or not part_name.strip():
        raise UsageError(f"--name {part_name!r}: a part's name is 1 to 64 printable characters")
    known_id = NO_ID if jedec_id is None else jedec_id.upper().removeprefix("0X")
    if re.fullmatch("[0-9A-F]{6}", known_id) is None:
        raise UsageError(f"--jedec-id {jedec_id!r}: six hex digits, as 9Fh reads them: C22814")
    raw = read_dump(dump)
    try:
        decoded = decode(raw if raw.startswith(SIGNATURE) or len(raw) > 92 else image_of(raw))
        toml = skeleton(decoded, part_name, jedec_id=known_id)
        part = part_from_text(toml, "the part made of it")
    except FlashError as wrong:
        raise UsageError(f"{dump}: {wrong}") from None
    return Explained(_text(part, decoded), toml, part)


def read_dump(path: Path) -> bytes:
    """The bytes of a dump, binary or hex text: as `xxd -p`, `xxd` and `hexdump -Cv` print it, or as a C array."""
    try:
        raw = read_bounded(path, MAX_DUMP_SIZE)
    except OSError as wrong:
        raise UsageError(
            f"{path}: cannot be read: {wrong.strerror}; give a dump of the chip's SFDP area, binary or hex"
        ) from None
    if not raw.strip():
        raise UsageError(f"{path}: is empty; dump at least the header and the basic table")
    if raw.startswith(SIGNATURE) or not raw.isascii():
        return raw
    return _from_hex(raw.decode("ascii"), path)


def _from_hex(text: str, path: Path) -> bytes:
    digits = ""
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("|")[0]
        if line.strip() == "*":
            raise UsageError(f"{path}: line {number}: `*` leaves lines out; dump with `hexdump -Cv` or `xxd`")
        if (offset := _OFFSET.match(content)) is not None:
            content = content[offset.end() :].strip()
            content = content if "|" in line else content.partition("  ")[0]  # behind two blanks: xxd's text
        found = re.sub(r"0[xX](?=[0-9A-Fa-f]{2}\b)|[\s,{};\[\]<>]", "", content)
        if re.fullmatch("([0-9A-Fa-f]{2})*", found) is None:
            raise UsageError(f"{path}: line {number}: not bytes in hex, and the file is no binary SFDP dump either")
        digits += found
    return bytes.fromhex(digits)


def _text(part: Part, decoded: SfdpTable) -> str:
    lines = [f"{part.name}: what its SFDP table says", "", *said(decoded), "", "not in an SFDP table"]
    missing = (
        "vendor, JEDEC id, register layout and protection, speed of the bus, endurance, time of a register write, "
        "power-up times, opcodes of the chip erase, security registers: stand-ins in the part file, each marked as one"
    )
    return "\n".join([*lines, *wrapped(missing, first="  ", rest="  ")])
