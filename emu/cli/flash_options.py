"""What the commands of `brownout flash` share: how inputs are read, and how an output is written.

Neighbours: `flash` and `flash_reports` take their options here, `inspect` reads with `read_image` too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click

from emu.cli.inputs import Number
from emu.cli.output import check_writable
from emu.errors import UsageError
from emu.inspection.files import is_archive, read_whole, refuse_foreign
from flash.errors import ImageError
from flash.files import write_files
from flash.images import WRITABLE_SUFFIXES, Image, firmware_ids, load_image, save_image
from flash.part import Part, bundled_part, load_part

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
ADDRESS = Number("addresses look like 0x8000")


class _Byte(Number):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = super().convert(value, param, ctx)
        if not 0 <= number <= 0xFF:
            self.fail(f"{value!r} is no byte; give 0 to 255", param, ctx)
        return number


BYTE = _Byte("bytes look like 0xFF")
board_id_option = click.option(
    "--board-id",
    type=Number("board ids look like 0x9900"),
    metavar="ID",
    help="Which firmware of a file with several: board of a universal hex, family of a .uf2, alt setting of a .dfu.",
)
base_address_option = click.option(
    "--base-address", type=ADDRESS, metavar="ADDRESS", help="Where a raw binary lies; 0 unless given."
)
fill_option = click.option(
    "--fill",
    type=BYTE,
    default=0xFF,
    metavar="BYTE",
    help="What gaps become in a format without any; 0xFF unless given.",
)


def reading_options(function: F) -> F:
    """Adds --base-address and --board-id."""
    return base_address_option(board_id_option(function))


def read_image(path: Path, *, base_address: int | None, board_id: int | None) -> Image:
    """One image file. Raises UsageError for what is plainly no image, ImageError for a bad one."""
    raw = read_whole(path)
    if is_archive(path, raw):
        raise UsageError(f"{path}: a firmware .zip, not an image; `brownout inspect` explains it")
    refuse_foreign(path, raw)
    image = load_image(path, base_address=base_address or 0, board_id=board_id)
    return replace(image, source=str(path))  # as it was given: several files may have one name


def read_images(paths: Sequence[Path], *, base_address: int | None, board_id: int | None) -> list[Image]:
    """Several files; a board id is for those among them that hold several boards."""
    several = [board_id is not None and bool(firmware_ids(path)) for path in paths]
    if board_id is not None and not any(several):
        raise ImageError("none of the files holds firmware for several boards or families; leave out --board-id")
    return [
        read_image(path, base_address=base_address, board_id=board_id if takes_id else None)
        for path, takes_id in zip(paths, several, strict=True)
    ]


def named_part(name: str) -> Part:
    """A bundled part by name, or a part file by path (anything with a suffix or a slash)."""
    path = Path(name)
    return load_part(path) if path.suffix or path.name != name else bundled_part(name)


@dataclass(frozen=True)
class Output:
    """Where an image goes, found to be writable before anything is read. ``fill``: what gaps become if they must.

    Raises UsageError for a place where no file can be made, ImageError for a suffix that no format has.
    """

    path: Path
    fill: int = 0xFF
    family_id: int | None = None

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in WRITABLE_SUFFIXES:
            known = " ".join(WRITABLE_SUFFIXES)
            raise ImageError(f"{self.path}: no image format to write is named so; use one of {known}")
        check_writable(self.path)

    def save(self, image: Image) -> None:
        """Write it, whole or not at all, and say so."""
        save_image(image, self.path, fill=self.fill, family_id=self.family_id)
        self.say(image)

    def say(self, image: Image) -> None:
        """That ``image`` was written here."""
        count = len(image.segments)
        click.echo(f"{self.path}: {image.span()}, {image.size:,} bytes, {count} segment{'s' if count > 1 else ''}")


def save_all(outputs: Sequence[Output], images: Sequence[Image]) -> None:
    """Write every image to its output, all of them or none, and say so."""
    contents: list[tuple[Path, bytes]] = []
    with TemporaryDirectory(prefix="brownout-") as folder:  # a format may refuse an image: then nothing is there yet
        for output, image in zip(outputs, images, strict=True):
            made = Path(folder) / f"image{output.path.suffix}"
            save_image(image, made, fill=output.fill, family_id=output.family_id)
            contents.append((output.path, made.read_bytes()))
    write_files(contents)
    for output, image in zip(outputs, images, strict=True):
        output.say(image)
