"""What an ELF says about the core it was compiled for: the section .ARM.attributes, read by pyelftools.

Neighbours: `evidence` asks; `candidate` holds chips against it. A stripped file, or one of another
format, says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from elftools.elf.elffile import ELFFile

from emu.cpu.elf import check_machine
from flash.errors import ImageError
from flash.images import format_name

CORES = ("cortex-m0", "cortex-m0+", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33")
"""In an order in which, up to the M7, each runs the code of those before it."""
_BY_ARCHITECTURE = {
    11: "cortex-m0",
    12: "cortex-m0",
    10: "cortex-m3",
    13: "cortex-m4",
    16: "cortex-m33",
    17: "cortex-m33",
}
_CORE_NAMES = {"6-m": "cortex-m0", "7-m": "cortex-m3", "7e-m": "cortex-m4"}


@dataclass(frozen=True, slots=True)
class CoreAttributes:
    """``core``: the smallest that runs the code, "" where the file does not say. ``has_fp``: it uses the FPU."""

    core: str = ""
    name: str = ""
    has_fp: bool = False

    def __str__(self) -> str:
        return f"{self.name or self.core}{' with FPU' if self.has_fp else ''}"


def core_attributes(source: str, content: bytes) -> CoreAttributes:
    """Raises ImageError for an ELF of another machine."""
    if format_name(content) != "ELF":
        return CoreAttributes()
    try:
        check_machine(source, content)
        found = _tags(ELFFile(BytesIO(content)))
    except ImageError:
        raise
    except Exception:  # corrupt sections escape pyelftools as whatever they ran into
        return CoreAttributes()
    name = str(found.get("TAG_CPU_NAME", "") or "").lower()
    core = _CORE_NAMES.get(name, name if name in CORES else "")
    core = core or _BY_ARCHITECTURE.get(found.get("TAG_CPU_ARCH", -1), "")
    return CoreAttributes(core, name if name in CORES else "", bool(found.get("TAG_FP_ARCH", 0)))


def _tags(elf: Any) -> dict[str, Any]:
    section = elf.get_section_by_name(".ARM.attributes")
    if section is None:
        return {}
    found: dict[str, Any] = {}
    for subsection in section.iter_subsections():
        for part in subsection.iter_subsubsections():
            for attribute in part.iter_attributes():
                found.setdefault(attribute.tag, attribute.value)
    return found
