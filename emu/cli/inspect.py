"""`brownout inspect FILE`: what a firmware .zip, an image or the content of a flash holds, and what would come of it.

Neighbours: `emu.inspection` makes the document and the text. No file is changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import click

from emu.board import Board, board_files, load_board
from emu.cli.flash_options import board_id_option, named_part
from emu.cli.output import check_writable, owns_stdout, result_option, write_text
from emu.errors import UsageError
from emu.inspection.content import chip_content, is_flash_image
from emu.inspection.document import Document, archive_document, flash_document, image_document
from emu.inspection.files import file_document, is_archive, read_whole, refuse_foreign
from emu.inspection.text import to_text
from flash.errors import ImageError
from flash.images import Image, Region, Segment, firmware_ids, load_image
from flash.part import Part

EXIT_OK, EXIT_FINDING = 0, 1


@dataclass(frozen=True)
class Choice:
    """What the options choose from a file. ``base_address``: where a raw binary lies."""

    region: Region | None
    board_id: int | None
    base_address: int = 0


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, metavar="FILE | CHIP=FILE...")
@click.option("--board", metavar="B", help="A bundled board, or the path of a board file.")
@click.option("--part", metavar="P", help="A bundled part, or the path of a part file: does the image fit it?")
@click.option("--region", metavar="START:END", help="Take only these addresses of an image; list the rest.")
@board_id_option
@click.option("-x", "--hexdump", "dumps", is_flag=True, help="Dump config records and image headers as well.")
@result_option("json", "Write the result as JSON.")
def command(files: tuple[str, ...], board: str | None, part: str | None, region: str | None, board_id: int | None,
            dumps: bool, json_file: Path | None) -> int:  # fmt: skip
    """Explain a firmware .zip, an image (.elf .hex .uf2 .srec .dfu .bin) or the content of a flash.

    With --board also: would a device take the .zip, would the image fit a slot, what would the flash boot. A file is
    taken for the content of the board's flash when it is exactly as large as the chip, when it holds a boot config or
    an image header where the board keeps them, or when it is given as CHIP=FILE, once per chip; then a chip that is
    not given, and what a file leaves open, is taken as erased.

    Exits 0; 1 when something in the file would not work (nothing boots, a device refuses the .zip, a digest is wrong,
    an image does not fit); 2 when a file or an option cannot be used.
    """
    if board is not None and part is not None:
        raise UsageError("--board has its parts: leave out --part")
    device = None if board is None else load_board(board)
    chip = None if part is None else named_part(part)
    choice = Choice(None if region is None else Region.parse(region), board_id)
    named = [_named(name, device) for name in files]
    described = () if board is None or device is None else board_files(board, device)
    check_writable(json_file, (*(path for _, path in named), *described, None if part is None else Path(part)))
    document = _inspect(named, device, chip, choice)
    if dumps and document["kind"] != "flash":
        raise UsageError("--hexdump is for config records and image headers: give the content of a flash, and --board")
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    if not owns_stdout(json_file):
        click.echo(to_text(document, dumps=dumps))
    return EXIT_OK if document["verdict"] == "ok" else EXIT_FINDING


def _named(argument: str, board: Board | None) -> tuple[str | None, Path]:
    """``CHIP=FILE`` as (chip, file); a file alone as (None, file)."""
    chip, equals, path = argument.partition("=")
    if not equals or Path(argument).exists():
        return None, Path(argument)
    if board is None:
        raise UsageError(f"{argument}: CHIP=FILE needs the board the chip is on: give --board")
    if chip not in board.parts:
        raise UsageError(f"{argument}: board {board.name} has no chip {chip!r}; its chips are {', '.join(board.parts)}")
    return chip, Path(path)


def _inspect(files: list[tuple[str | None, Path]], board: Board | None, part: Part | None, choice: Choice) -> Document:
    chips = [chip for chip, _ in files]
    if board is not None and all(chip is not None for chip in chips):
        return _flash(files, board, choice)
    if len(files) > 1:
        raise UsageError("several files are inspected together only as CHIP=FILE, once per chip of --board")
    path = files[0][1]
    raw = read_whole(path)
    if is_archive(path, raw):
        if part is not None or choice.region is not None or choice.board_id is not None:
            raise UsageError(f"{path}: a firmware .zip is read as it is; leave out --part, --region and --board-id")
        return archive_document([file_document(path, raw)], raw, board)
    refuse_foreign(path, raw)
    if board is not None and len(board.parts) == 1:
        ((name, only),) = board.parts.items()
        image, _ = _load(path, Choice(choice.region, choice.board_id, only.base))
        if is_flash_image(image, board):
            return _flash([(name, path)], board, choice)
    base_address = part.base if part is not None else 0 if board is None else board.document.load_address
    image, left_out = _load(path, Choice(choice.region, choice.board_id, base_address))
    start = base_address if choice.region is None else choice.region.start
    file = file_document(path, raw) | {"firmware_ids": list(firmware_ids(path))}
    return image_document([file], image, left_out, board, part, start)


def _flash(files: list[tuple[str | None, Path]], board: Board, choice: Choice) -> Document:
    contents: dict[str, bytes] = {}
    documents, short = [], []
    for chip, path in files:
        assert chip is not None
        if chip in contents:
            raise UsageError(f"{chip}={path}: chip {chip} is given twice")
        part = board.parts[chip]
        raw = read_whole(path)
        if is_archive(path, raw):
            raise UsageError(f"{path}: a firmware .zip is no content of a chip; inspect it without {chip}=")
        refuse_foreign(path, raw)
        image, left_out = _load(path, Choice(choice.region, choice.board_id, part.base))
        for segment in left_out:
            click.echo(f"{path}: left out {segment}, outside --region {choice.region}", err=True)
        contents[chip] = chip_content(image, part)
        held = sum(len(segment.data) for segment in image.segments)
        if held < part.size:
            short.append(f"{path}: {held:,} of the {part.size:,} bytes of {chip}; all others are taken as erased")
        documents.append(file_document(path, raw) | {"chip": chip})
    for line in short:
        click.echo(line, err=True)
    return flash_document(documents, contents, board)


def _load(path: Path, choice: Choice) -> tuple[Image, tuple[Segment, ...]]:
    image = load_image(path, base_address=choice.base_address, board_id=choice.board_id)
    image = replace(image, source=str(path))  # as it was given: several files may have one name
    if choice.region is None:
        return image, ()
    inside, outside = image.select(choice.region)
    if not inside.segments:
        raise ImageError(f"{path}: nothing lies in --region {choice.region}")
    return inside, outside
