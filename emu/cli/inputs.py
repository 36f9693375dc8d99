"""The options every command shares, and how files become a rig.

Neighbours: `run`, `replay` and `bench` take their inputs here, so that a token is replayed with the flags it was found
with. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from bootloader.image import HEADER_SIZE, ImageHeader, header_for
from emu.app import APP_MODELS
from emu.board import Board, load_board
from emu.errors import ScenarioError
from emu.update_rig import ImagePair, UpdateRig
from flash.errors import ImageError
from flash.images import Image, Region, load_image, universal_board_ids
from flash.timing import TimingMode
from updater.bundle import open_bundle
from updater.errors import UpdateRefused

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_BOARD = "demo"
ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class Inputs:
    """What was asked for. ``old`` and ``new`` None: the bundled pair."""

    board: str
    old: Path | None
    new: Path | None
    region: str | None
    board_id: int | None
    app: str
    timing: TimingMode
    seed: int


def input_options(function: F) -> F:
    """Adds the shared options; the command receives one ``inputs`` argument."""

    def command(**given: Any) -> Any:
        names = ("board", "old", "new", "region", "board_id", "app", "timing", "seed")
        return function(inputs=Inputs(**{name: given.pop(name) for name in names}), **given)

    command.__doc__ = function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    file = click.Path(path_type=Path)
    for option in reversed(
        [
            click.option("--from", "old", type=file, metavar="FILE", help="What runs now: .elf .hex .bin or .zip."),
            click.option("--to", "new", type=file, metavar="FILE", help="What it is updated to."),
            click.option("--board", default=DEFAULT_BOARD, show_default=True, metavar="B",
                         help="A bundled board, or the path of a board file."),
            click.option("--region", metavar="START:END", help="Take only these addresses; list the rest."),
            click.option("--board-id", type=_BoardId(), metavar="ID", help="Which board's image of a universal hex."),
            click.option("--app", type=click.Choice(list(APP_MODELS)), default="healthy", show_default=True,
                         help="What the new application does when it is entered."),
            click.option("--timing", type=click.Choice(["typ", "max", "sampled"]), default="typ", show_default=True,
                         help="Which figure of the part an operation takes."),
            click.option("--seed", type=int, default=0, show_default=True, help="For everything that is drawn."),
        ]
    ):  # fmt: skip
        option(command)
    return cast(F, command)


class _BoardId(click.ParamType[int]):
    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is no number; board ids look like 0x9900", param, ctx)


def make_rig(inputs: Inputs) -> UpdateRig:
    """Board, images and model as one rig. What is left out of a file is listed on stderr, never dropped silently."""
    board = load_board(inputs.board)
    if (inputs.old is None) != (inputs.new is None):
        raise ScenarioError("--from and --to go together: give both, or neither for the bundled pair")
    if inputs.old is None and (inputs.region is not None or inputs.board_id is not None):
        raise ScenarioError("--region and --board-id choose from files: give --from and --to as well")
    old = _firmware(inputs.old or _demo("demo-1.elf"), board, inputs)
    new = _firmware(inputs.new or _demo("demo-2.elf"), board, inputs)
    images = ImagePair(old.app, new.app, old.version or "1.0.0", new.version or "2.0.0", new.bundle, new.fs, old.header)
    return UpdateRig(board, images, app=APP_MODELS[inputs.app], timing=inputs.timing, seed=inputs.seed)


def _demo(name: str) -> Path:
    return Path(str(resources.files("emu").joinpath("demo", name)))


@dataclass(frozen=True)
class _Firmware:
    """One file: the application in it; for a firmware .zip also its version and the archive itself."""

    app: bytes
    version: str = ""
    bundle: bytes = b""
    fs: bytes = b""
    header: ImageHeader | None = None


def _firmware(path: Path, board: Board, inputs: Inputs) -> _Firmware:
    raw = path.read_bytes() if path.is_file() else b""
    if raw[:4] != ZIP_MAGIC:
        if path.suffix.lower() == ".zip":
            raise ScenarioError(f"{path}: named as a .zip but is not a firmware archive; download it again")
        return _Firmware(_application(path, board, inputs))
    if inputs.region is not None:
        raise ScenarioError(f"{path}: a firmware .zip is sent as it is; --region does not apply to it")
    try:
        manifest, entries = open_bundle(raw, platform=board.document.platform)
    except UpdateRefused as refused:
        said = f"{refused.message}: " if refused.message else ""
        raise ScenarioError(f"{path}: {said}{refused.detail}") from None
    app, part = entries[manifest.app.src], manifest.app
    header = replace(
        header_for(
            app,
            load_address=part.load_address,
            app_version=manifest.app_version,
            crc=board.document.verify.crc,
        ),
        signature_scheme=part.signature_scheme,
        signature=part.signature,
    )
    fs = b"" if manifest.fs is None else entries[manifest.fs.src]
    return _Firmware(app, manifest.version, raw, fs, header)


def _application(path: Path, board: Board, inputs: Inputs) -> bytes:
    """The bytes that go into a slot: from the load address (or the region's start) to the last byte of the file."""
    window = _window(board)
    image = load_image(path, base_address=window.start, board_id=_board_id(path, inputs))
    if inputs.old is None:
        start = image.span().start
    elif inputs.region is not None:
        region = Region.parse(inputs.region)
        image, outside = image.select(region)
        if not image.segments:
            raise ImageError(f"{path}: nothing lies in --region {region}")
        for segment in outside:
            click.echo(f"{path.name}: left out {segment}, outside --region {region}", err=True)
        start = region.start
    else:
        _check_window(path, image, window, board)
        start = window.start
    fill = next(iter(board.parts.values())).erased
    return image.flatten(Region(start, image.span().end), fill=fill)


def _board_id(path: Path, inputs: Inputs) -> int | None:
    """The --board-id, for a file that has several; the other file of the pair may be a plain one."""
    if inputs.board_id is None or inputs.old is None or inputs.new is None:
        return None
    if not any(universal_board_ids(other) for other in (inputs.old, inputs.new)):
        return inputs.board_id
    return inputs.board_id if universal_board_ids(path) else None


def _window(board: Board) -> Region:
    """Where an application for this board is linked to: the load address, as long as a slot takes."""
    document = board.document
    slot = next(p for p in document.partition if p.name == document.layout.slots[0])
    start = document.load_address
    return Region(start, start + slot.size - document.layout.fs_size - HEADER_SIZE)


def _check_window(path: Path, image: Image, window: Region, board: Board) -> None:
    for segment in image.segments:
        if segment.address < window.start or segment.end > window.end:
            raise ImageError(
                f"{path}: {segment} lies outside what a slot of board {board.name} takes, {window}; "
                "choose addresses with --region START:END, or another board"
            )
