"""The whole answer to "what is this file": one document with a verdict, whichever kind the file is.

Neighbours: `archive`, `acceptance`, `image` and `content` make its parts, `text` shows it, the command writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emu.board import Board
from emu.inspection.acceptance import offer
from emu.inspection.archive import inspect_archive
from emu.inspection.content import inspect_content
from emu.inspection.image import inspect_image, place_on_board, place_on_part
from flash.images import Image, Segment
from flash.part import Part

SCHEMA = "brownout/inspect/1"
Document = dict[str, Any]


def archive_document(files: Sequence[Document], raw: bytes, board: Board | None) -> Document:
    """A firmware .zip. A finding when a digest is wrong, or a device (of ``board``) refuses it."""
    archive = inspect_archive(raw)
    acceptance = None if board is None else offer(board, raw)
    is_ok, summary = archive["whole"], _archive_summary(archive)
    if acceptance is not None:
        is_ok = is_ok and acceptance["taken"] and acceptance["load_address"]["ok"]
        verb = "takes it" if acceptance["taken"] else "does not take it"
        summary = f"a device of board {acceptance['board']} {verb}: {acceptance['reason']}"
    return _document("archive", is_ok, summary, files, board) | {"archive": archive, "acceptance": acceptance}


def image_document(
    files: Sequence[Document],
    image: Image,
    left_out: tuple[Segment, ...],
    board: Board | None,
    part: Part | None,
    start: int = 0,
) -> Document:
    """An image. A finding when it does not fit ``board``, as an application from ``start`` on, or ``part``."""
    found = inspect_image(image, left_out)
    placement = None if board is None else place_on_board(image, board, start)
    on_part = None if part is None else place_on_part(image, part)
    span, count = found["span"], len(found["segments"])
    segments = "1 segment" if count == 1 else f"{count} segments"
    summary = f"an image of {span['size']:,} bytes in {segments}, {span['start']:#x} to {span['end']:#x}"
    is_ok = True
    for name, place in ((board and f"board {board.name}", placement), (part and f"part {part.name}", on_part)):
        if place is not None:
            is_ok = is_ok and place["fits"]
            summary += f"; {'fits' if place['fits'] else 'does not fit'} {name}"
    return _document("image", is_ok, summary, files, board) | {"image": found, "placement": placement, "part": on_part}


def flash_document(files: Sequence[Document], contents: Mapping[str, bytes], board: Board) -> Document:
    """The content of a board's chips. A finding when nothing would boot."""
    flash = inspect_content(board, contents)
    boot = flash["boot"]
    summary = (
        f"nothing boots: {boot['why']}"
        if boot["slot"] is None
        else f"boots slot {boot['slot']} ({boot['partition']}), {boot['rule']}: {boot['why']}"
    )
    return _document("flash", boot["slot"] is not None, summary, files, board) | {"flash": flash}


def _document(kind: str, is_ok: bool, summary: str, files: Sequence[Document], board: Board | None) -> Document:
    return {
        "schema": SCHEMA,
        "kind": kind,
        "verdict": "ok" if is_ok else "finding",
        "summary": summary,
        "files": list(files),
        "board": None if board is None else board.name,
    }


def _archive_summary(archive: Document) -> str:
    if archive["problem"] is not None:
        problem = archive["problem"]
        said = f"{problem['message']}: " if problem["message"] else ""
        return f"no device takes this archive: {said}{problem['detail']}"
    for entry in archive["entries"]:
        if entry["crc_state"] == "mismatch":
            return f"no device takes this archive: {entry['path']}: CRC-32 does not match its content"
    for part in archive["parts"]:
        if part["state"] != "ok":
            return f"no device takes this archive: part {part['part']}, {part['src']}: {part['state']}"
    claims = archive["manifest"]
    return f"firmware {claims['name']!r} {claims['version']} ({claims['build_id']}) for {claims['platform']}"
