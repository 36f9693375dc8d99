"""`brownout flash factory`: the whole content of a board's flash as it leaves the factory.

Neighbours: `emu.factory` makes the device, `inputs` reads applications as `run` does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from bootloader.image import header_for, version_number
from emu.board import Board, board_files, load_board
from emu.cli.flash_options import FILE, Output, board_id_option, save_all
from emu.cli.inputs import place_on, read_application
from emu.cli.output import check_writable
from emu.errors import ScenarioError, UsageError
from emu.factory import SlotImage, make_factory_device
from emu.inspection.archive import open_archive
from emu.inspection.files import is_archive, read_whole
from flash.device import FlashDevice
from flash.images import Image, Segment, image_from_segments


@click.command("factory")
@click.argument("target", type=FILE, metavar="OUT")
@click.option("--board", "board_name", required=True, metavar="B", help="A bundled board, or the path of a board file.")
@click.option(
    "--from", "source", type=FILE, required=True, metavar="FILE", help="Slot 0: an image, or a firmware .zip."
)
@click.option("--slot-b", "other", type=FILE, metavar="FILE", help="Slot 1; it stays erased unless given.")
@click.option("--app-version", default="1.0.0", show_default=True, metavar="V", help="Of a FILE that is no .zip.")
@click.option("--region", metavar="START:END", help="Take only these addresses of an image; list the rest.")
@board_id_option
def factory(target: Path, board_name: str, source: Path, other: Path | None, app_version: str, region: str | None,
            board_id: int | None) -> int:  # fmt: skip
    """The whole content of a board's flash as it leaves the factory.

    A committed boot config, an image header and the application in slot 0; what is left is erased.
    `brownout inspect OUT --board B` explains the result. A board with several chips gets one file for each, with
    -CHIP before the suffix of OUT. Formats other than .bin leave erased sectors out (an erased chip keeps one).
    """
    board = load_board(board_name)
    if not version_number(app_version):
        raise UsageError(f"--app-version: {app_version!r} is no version; write 1.2.3")
    names = list(board.parts)
    paths = [target if len(names) == 1 else target.with_stem(f"{target.stem}-{name}") for name in names]
    for path in paths:
        check_writable(path, (source, other, *board_files(board_name, board)))
    outputs = [Output(path, board.parts[name].erased) for path, name in zip(paths, names, strict=True)]

    def read(path: Path) -> SlotImage:
        return _slot_image(path, board, app_version, region, board_id)

    device = make_factory_device(board, (read(source), None if other is None else read(other)))
    images = [
        _content(chip, with_blanks=output.path.suffix.lower() == ".bin")
        for chip, output in zip(device.chips, outputs, strict=True)
    ]
    save_all(outputs, images)
    return 0


def _slot_image(path: Path, board: Board, app_version: str, region: str | None, board_id: int | None) -> SlotImage:
    """The application in a file, and the header a device of ``board`` would seal it with."""
    raw = read_whole(path)
    crc = board.document.verify.crc
    if not is_archive(path, raw):
        _, app = read_application(path, place_on(board), region=region, board_id=board_id)
        load_address, number = board.document.load_address, version_number(app_version)
        return SlotImage(header_for(app, load_address=load_address, app_version=number, crc=crc), app)
    if region is not None or board_id is not None:
        raise ScenarioError(f"{path}: a firmware .zip is taken as it is; --region and --board-id do not apply to it")
    manifest, entries = open_archive(path, raw, platform=board.document.platform)
    if manifest.fs is not None:
        raise ScenarioError(f"{path}: has a filesystem part, which a factory config does not name; leave it out")
    part, app = manifest.app, entries[manifest.app.src]
    header = header_for(app, load_address=part.load_address, app_version=manifest.app_version, crc=crc)
    return SlotImage(replace(header, signature_scheme=part.signature_scheme, signature=part.signature), app)


def _content(chip: FlashDevice, *, with_blanks: bool) -> Image:
    """What the chip holds, at its addresses; without erased sectors, but for one, unless they are asked for."""
    base, blank = chip.part.base, chip.part.erased
    pieces: list[Segment] = []
    for sector in chip.geometry.sectors_in(0, chip.part.size):
        content = chip.cells.read(sector.address, sector.size)
        is_last = sector.end == chip.part.size
        if with_blanks or content.count(blank) < sector.size or (is_last and not pieces):
            pieces.append(Segment(base + sector.address, content))
    return image_from_segments(chip.name, pieces)
