"""Firmware files: what stands where, what an address is called, and which line of source it comes from.

Content is read by `flash.images` (ELF, HEX, UF2, S-records, raw binary). Symbols and lines come from an ELF alone,
through pyelftools, and only when they are asked for. Neighbours: `session` loads images, reports name places. Knows no
core.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from flash.errors import ImageError
from flash.files import read_file
from flash.images import Image, format_name, load_image

_MACHINE = "EM_ARM"


@dataclass(frozen=True, slots=True)
class Function:
    """``size`` 0: the file does not say."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an address: "" and 0 where nothing is."""

    function: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.file else ""
        return f"{self.function} ({where})" if self.function and where else self.function or where


class Code:
    """What a file says of its code. ``content`` of an ELF; anything else says nothing."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._content = content
        self.is_elf = format_name(content) == "ELF"

    def symbol(self, name: str) -> int:
        """The address of a symbol, without the Thumb bit. Raises ImageError where there is none."""
        address = self._symbols.get(name)
        if address is None:
            raise ImageError(f"{self.name}: no symbol {name!r}; give an ELF that is not stripped, or an address")
        return address

    def place(self, address: int) -> Place:
        """The function and the line ``address`` belongs to."""
        function = self.function(address)
        file, line = self._line(address)
        return Place(function.name if function is not None else "", file, line)

    def function(self, address: int) -> Function | None:
        """The function ``address`` lies in."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        found = self._functions[index]
        return found if not found.size or address < found.address + found.size else None

    # -- symbols --------------------------------------------------------------------------------------------

    @cached_property
    def _table(self) -> list[Any]:
        if not self.is_elf:
            return []
        try:
            section: Any = ELFFile(BytesIO(self._content)).get_section_by_name(".symtab")
            return [] if section is None else list(section.iter_symbols())
        except Exception as wrong:  # corrupt tables escape pyelftools as whatever they ran into
            raise ImageError(f"{self.name}: its symbols cannot be read ({_one_line(wrong)}); link it again") from None

    @cached_property
    def _symbols(self) -> dict[str, int]:
        found = {}
        for symbol in self._table:
            if symbol.name and not symbol.name.startswith("$") and symbol["st_shndx"] != "SHN_UNDEF":
                is_code = symbol["st_info"]["type"] == "STT_FUNC"
                found[symbol.name] = symbol["st_value"] & ~1 if is_code else symbol["st_value"]
        return found

    @cached_property
    def _functions(self) -> list[Function]:
        functions = [
            Function(symbol.name, symbol["st_value"] & ~1, symbol["st_size"])
            for symbol in self._table
            if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF"
        ]
        return sorted(functions, key=lambda each: (each.address, each.size))

    @cached_property
    def _starts(self) -> list[int]:
        return [each.address for each in self._functions]

    # -- lines ------------------------------------------------------------------------------------------------

    def _line(self, address: int) -> tuple[str, int]:
        index = bisect_right(self._line_starts, address) - 1
        return self._lines[index][1:] if index >= 0 else ("", 0)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [each[0] for each in self._lines]

    @cached_property
    def _lines(self) -> list[tuple[int, str, int]]:
        """(address, file, line) in the order of addresses; the end of a sequence has no file."""
        if not self.is_elf:
            return []
        try:
            elf = ELFFile(BytesIO(self._content))
            if not elf.has_dwarf_info():
                return []
            dwarf = elf.get_dwarf_info()
            found: dict[int, tuple[str, int]] = {}
            for unit in dwarf.iter_CUs():
                program = dwarf.line_program_for_CU(unit)
                if program is not None:
                    _add_lines(program, found)
            return [(address, *found[address]) for address in sorted(found)]
        except Exception as wrong:  # as above
            raise ImageError(
                f"{self.name}: its line table cannot be read ({_one_line(wrong)}); build it with -g, or strip it"
            ) from None


class Firmware(Code):
    """One file. ``base_address`` places a raw binary. Raises ImageError for what is no image or not for an ARM core."""

    def __init__(self, path: Path, *, base_address: int = 0) -> None:
        self.path = path
        super().__init__(path.name, read_file(path))
        self.image: Image = load_image(path, base_address=base_address)
        if self.is_elf:
            check_machine(self.path.name, self._content)

    @property
    def entry(self) -> int | None:
        """Where the file says it starts, without the Thumb bit."""
        return None if self.image.entry is None else self.image.entry & ~1


def check_machine(name: str, content: bytes) -> None:
    """Raises ImageError for an ELF that is not for a 32-bit ARM core."""
    header = ELFFile(BytesIO(content)).header
    machine, word = header["e_machine"], header["e_ident"]["EI_CLASS"]
    if machine != _MACHINE or word != "ELFCLASS32":
        raise ImageError(f"{name}: an ELF for {machine} ({word}), not for a 32-bit ARM core; link it for the chip")


def _add_lines(program: Any, found: dict[int, tuple[str, int]]) -> None:
    """A sequence that begins at 0 belongs to code the linker has thrown away."""
    header = program.header
    first = 0 if header["version"] >= 5 else 1
    in_sequence = False
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if not in_sequence:
            in_sequence, dropped = True, state.address == 0
        if not dropped:
            if state.end_sequence:
                found.setdefault(state.address, ("", 0))
            else:
                index = state.file - first
                files = header["file_entry"]
                name = files[index].name if 0 <= index < len(files) else b""
                found[state.address] = (name.decode("utf-8", "replace"), state.line)
        if state.end_sequence:
            in_sequence = False


def _one_line(wrong: Exception) -> str:
    return " ".join(str(wrong).split()) or type(wrong).__name__
