"""An image: what lies where, what it looks like, and where it would lie on a board or a part.

Neighbours: `flash.images` reads the file, `text` shows the document. Knows nothing of archives and of flash content.
"""

from __future__ import annotations

import hashlib
from typing import Any

from bootloader.layout import Slot
from emu.board import Board
from emu.device import EmulatedDevice
from flash.errors import ImageError
from flash.images import Image, Region, Segment
from flash.part import Part
from flash.partition import Partition

_RAM = Region(0x1000_0000, 0x4000_0000)
"""Where a Cortex-M has its stack: code RAM below 0x20000000 (core-coupled memory) and the SRAM region."""


def inspect_image(image: Image, left_out: tuple[Segment, ...] = ()) -> dict[str, Any]:
    """The ``image`` document. ``left_out``: what a region excluded."""
    return {
        "entry": image.entry,
        "segments": [_segment(segment) for segment in image.segments],
        "span": _span(image),
        "vector_table": vector_table(image),
        "left_out": [{"address": s.address, "end": s.end, "size": len(s.data)} for s in left_out],
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "address": segment.address,
        "end": segment.end,
        "size": len(segment.data),
        "sha256": hashlib.sha256(segment.data).hexdigest(),
    }


def _span(image: Image) -> dict[str, Any]:
    """From the first byte to the last. The digest is over the gaps too, as FF."""
    span = image.span()
    gaps = span.size - sum(len(segment.data) for segment in image.segments)
    document: dict[str, Any] = {
        "start": span.start, "end": span.end, "size": span.size, "gap_bytes": gaps, "sha256": None, "note": "",
    }  # fmt: skip
    try:
        document["sha256"] = hashlib.sha256(image.flatten()).hexdigest()
    except ImageError:
        document["note"] = f"not flattened: {gaps:,} bytes say nothing; choose one region with --region"
    return document


def vector_table(image: Image) -> dict[str, Any] | None:
    """The first two words of the image, when they look like a Cortex-M vector table; None otherwise.

    They do when the first is a word-aligned address in RAM and the second the odd (Thumb) address of a byte the image
    holds.
    """
    first = image.segments[0].data[:8]
    if len(first) < 8:
        return None
    stack, reset = int.from_bytes(first[:4], "little"), int.from_bytes(first[4:], "little")
    if stack % 4 or not _RAM.start < stack <= _RAM.end or not reset % 2:
        return None
    handler = reset - 1
    if not any(segment.address <= handler < segment.end for segment in image.segments):
        return None
    return {"address": image.segments[0].address, "initial_sp": stack, "reset_handler": reset}


# -- on a board ------------------------------------------------------------------------------------------------


def place_on_board(image: Image, board: Board, start: int) -> dict[str, Any]:
    """Where the image would lie in the slots of ``board``, as an application that begins at address ``start``."""
    layout = EmulatedDevice(board).layout
    slots = [_in_slot(image, board, slot, start) for slot in layout.slots]
    return {
        "board": board.name,
        "start": start,
        "load_address": board.document.load_address,
        "slots": slots,
        "fits": all(slot["fits"] for slot in slots),
    }


def _in_slot(image: Image, board: Board, slot: Slot, start: int) -> dict[str, Any]:
    partition = slot.flash
    assert isinstance(partition, Partition), "slots of a board are partitions: please report"
    entry = next(one for one in board.document.partition if one.name == slot.name)
    window = Region(start, start + slot.app_capacity)
    span = image.span()
    reason = ""
    for segment in image.segments:
        if not window.start <= segment.address <= segment.end <= window.end:
            reason = f"{segment} lies outside what the slot takes, {window}"
            break
    return {
        "slot": slot.name,
        "chip": entry.flash,
        "address": entry.offset + board.parts[entry.flash].base + slot.app_offset,
        "room": slot.app_capacity,
        "window": {"start": window.start, "end": window.end},
        "needed": max(0, span.end - start),
        "fits": not reason,
        "reason": reason,
    }


# -- on a part -------------------------------------------------------------------------------------------------


def place_on_part(image: Image, part: Part) -> dict[str, Any]:
    """Which sectors of ``part`` the image takes, and whether it lies in its address window at all."""
    window = Region(part.base, part.base + part.size)
    inside, outside = image.select(window)
    geometry = part.geometry
    sectors = {
        sector.index
        for segment in inside.segments
        for sector in geometry.sectors_in(segment.address - part.base, len(segment.data))
    }
    return {
        "part": part.name,
        "window": {"start": window.start, "end": window.end},
        "sectors": len(sectors),
        "sector_count": geometry.sector_count,
        "fits": not outside,
        "reason": "" if not outside else f"{outside[0]} lies outside the {part.name}, {window}",
    }
