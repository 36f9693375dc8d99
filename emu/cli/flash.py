"""`brownout flash`: image files converted, merged, cut, filled, patched, compared, shown, checked and made.

Every command reads whole files and writes whole files, so IN and OUT may be the same. Neighbours: `emu.flash_file` does
the work; `flash_reports` has the commands that write no image, `flash_factory` the one that makes one of a board.
"""

from __future__ import annotations

from pathlib import Path

import click

from emu.cli.flash_factory import factory
from emu.cli.flash_options import (
    ADDRESS,
    BYTE,
    FILE,
    Output,
    fill_option,
    read_image,
    read_images,
    reading_options,
)  # fmt: skip
from emu.cli.flash_reports import check, diff, show
from emu.cli.inputs import Number
from emu.errors import UsageError
from emu.flash_file import edit
from flash.files import MAX_FILE_SIZE, read_bounded
from flash.images import Region


@click.group("flash")
def command() -> None:
    """Convert and edit flash images.

    Inputs are .elf, .hex, .uf2, .srec, .dfu or raw files, told apart by their content. The suffix of OUT names its
    format. OUT may be IN: it is replaced whole, or not at all.
    """


@command.command("convert")
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
@click.option("--region", metavar="START:END", help="Take only these addresses.")
@click.option("--family-id", type=Number("families look like 0xE48BFF56"), metavar="ID", help="What a .uf2 OUT states.")
@fill_option
@reading_options
def convert(source: Path, target: Path, region: str | None, family_id: int | None, fill: int, base_address: int | None,
            board_id: int | None) -> int:  # fmt: skip
    """Write IN in the format of OUT."""
    output = Output(target, fill, family_id)
    image = read_image(source, base_address=base_address, board_id=board_id)
    output.save(image if region is None else edit.cut(image, Region.parse(region)))
    return 0


@command.command("merge")
@click.argument("target", type=FILE, metavar="OUT")
@click.argument("sources", type=FILE, nargs=-1, required=True, metavar="IN...")
@click.option("--overlap", type=click.Choice(["error", "first", "last"]), default="error", show_default=True,
              help="Where two files have one address: refuse, or keep the byte of the first or the last.")  # fmt: skip
@fill_option
@reading_options
def merge(target: Path, sources: tuple[Path, ...], overlap: edit.Overlap, fill: int, base_address: int | None,
          board_id: int | None) -> int:  # fmt: skip
    """Put every IN into one OUT. Two files that overlap are an error that names both."""
    output = Output(target, fill)
    output.save(edit.merge(read_images(sources, base_address=base_address, board_id=board_id), overlap))
    return 0


@command.command("cut")
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
@click.option("--region", required=True, metavar="START:END", help="What to keep.")
@fill_option
@reading_options
def cut(source: Path, target: Path, region: str, fill: int, base_address: int | None, board_id: int | None) -> int:
    """Keep one region of IN, drop the rest."""
    output = Output(target, fill)
    image = read_image(source, base_address=base_address, board_id=board_id)
    output.save(edit.cut(image, Region.parse(region)))
    return 0


@command.command("fill")
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
@click.option("--region", required=True, metavar="START:END", help="Where; it may reach beyond the content of IN.")
@click.option("--value", type=BYTE, default=0xFF, metavar="BYTE", help="With what; 0xFF unless given.")
@click.option("--overwrite", is_flag=True, help="Fill all of the region, not only what IN leaves open.")
@reading_options
def fill(source: Path, target: Path, region: str, value: int, overwrite: bool, base_address: int | None,
         board_id: int | None) -> int:  # fmt: skip
    """Fill the gaps of IN in a region. Gaps outside it become the same byte in a format without gaps."""
    output = Output(target, value)
    image = read_image(source, base_address=base_address, board_id=board_id)
    output.save(edit.fill(image, Region.parse(region), value, overwrite=overwrite))
    return 0


@command.command("patch")
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
@click.option("--at", "address", type=ADDRESS, required=True, metavar="ADDRESS", help="Where.")
@click.option("--hex", "digits", metavar="BYTES", help="What, as hex digits; blanks between bytes are ignored.")
@click.option("--file", "content", type=FILE, metavar="FILE", help="What, as the raw bytes of a file.")
@fill_option
@reading_options
def patch(source: Path, target: Path, address: int, digits: str | None, content: Path | None, fill: int,
          base_address: int | None, board_id: int | None) -> int:  # fmt: skip
    """Write bytes at an address of IN, over whatever is there."""
    output = Output(target, fill)
    data = _patch_data(digits, content)
    image = read_image(source, base_address=base_address, board_id=board_id)
    output.save(edit.patch(image, address, data))
    return 0


def _patch_data(digits: str | None, content: Path | None) -> bytes:
    if (digits is None) == (content is None):
        raise UsageError("what to write is given by --hex or by --file, one of them")
    if digits is None:
        assert content is not None
        data = read_bounded(content, MAX_FILE_SIZE)
        if not data:
            raise UsageError(f"{content}: the file is empty; there is nothing to write")
        return data
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise UsageError(f"--hex: {digits!r} is not hex digits, two for each byte") from None
    if not data:
        raise UsageError("--hex: there is nothing to write; give at least one byte")
    return data


for member in (diff, show, check, factory):
    command.add_command(member)
