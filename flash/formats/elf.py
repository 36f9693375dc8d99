"""ELF executables: what the program headers load, at the addresses it is stored at.

Reading goes through pyelftools; whatever that raises leaves here as one line of ImageError. Never written: an image
has no sections and no symbols. Neighbours: images.py calls this. Knows bytes only: no files.
"""

from __future__ import annotations

from io import BytesIO

from elftools.elf.elffile import ELFFile

from flash.errors import ImageError
from flash.formats.segments import Image, Segment, image_from_segments

ELF_MAGIC = b"\x7fELF"
_PROGRAM_HEADER_SIZES = (32, 56)  # ELF32, ELF64


def read_elf(source: str, content: bytes) -> Image:
    """PT_LOAD content at p_paddr: initialised data lies in flash there, p_vaddr is where it will run."""
    try:
        elf = ELFFile(BytesIO(content))
        entry = elf.header["e_entry"] or None  # the ABI writes "no entry point" as 0
        size = elf.header["e_phentsize"]
        if elf.header["e_phnum"] and size not in _PROGRAM_HEADER_SIZES:
            raise ValueError(f"program headers of {size} bytes")
        found = [segment for segment in elf.iter_segments("PT_LOAD") if segment["p_filesz"] > 0]
        # Sizes are judged before any is read: thousands of headers may all name the whole file.
        for segment in found:
            offset, size = segment["p_offset"], segment["p_filesz"]
            if offset + size > len(content):
                there, address = max(0, len(content) - offset), segment["p_paddr"]
                raise ImageError(
                    f"{source}: cut short, {there} of {size} bytes for {address:#x}; download it again",
                    address=address,
                    length=size,
                )
        if sum(segment["p_filesz"] for segment in found) > 2 * len(content):
            raise ValueError("its segments hold the same bytes over and over")
        segments = [Segment(segment["p_paddr"], segment.data()) for segment in found]
    except ImageError:
        raise
    except Exception as exc:  # corrupt headers escape pyelftools as KeyError, OverflowError and others too
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise ImageError(f"{source}: not a readable ELF file ({reason}); link or download it again") from exc
    if not segments:
        raise ImageError(f"{source}: this ELF file loads nothing; give a linked program")
    return image_from_segments(source, segments, entry)
