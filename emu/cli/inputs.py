"""The options every command shares, and how files become a rig.

Neighbours: `run`, `replay` and `bench` take their inputs here, so that a token is replayed with the flags it was found
with; `pack` reads its application here, so that it packs what `run` would flash. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from bootloader.image import HEADER_SIZE, ImageHeader, header_for, version_number
from emu.app import APP_MODELS
from emu.board import Board, board_files, board_names, load_board
from emu.board_kind import is_elf_board
from emu.designs.table import DESIGNS
from emu.errors import ScenarioError, UsageError
from emu.factory import SlotImage
from emu.firmware import ModelFirmware
from emu.inspection.archive import open_archive
from emu.inspection.files import is_archive, read_whole, refuse_foreign
from emu.link_choice import LINK_KINDS, MAX_DISTURBED, SYSTEM_NAMES, LinkChoice
from emu.own_firmware import load_own, split
from emu.plain_rig import PlainRig
from emu.scenario import Scenario
from emu.source import Bundled
from emu.update_rig import ImagePair, UpdateRig
from flash.errors import ImageError
from flash.images import MAX_GAPS, Image, Region, Segment, firmware_ids, load_image
from flash.timing import TimingMode
from flash.weak import DEFAULT_RESOLUTION, RESOLUTIONS

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_BOARD, DEFAULT_APP = "demo", "healthy"
MAX_SEED = (1 << 63) - 1
BUNDLED_PAIR = ("demo-1.elf", "demo-2.elf")


@dataclass(frozen=True)
class Inputs:
    """What was asked for. ``old`` and ``new`` None: the bundled pair (`bench` makes a pair of its own). ``given``: what
    the user has said, be it the default. ``link``: how the update comes, where it is not handed to the device."""

    board: str
    old: Path | None
    new: Path | None
    region: str | None
    board_id: int | None
    app: str
    timing: TimingMode
    seed: int
    resolution: str = DEFAULT_RESOLUTION
    firmware: str | None = None
    link: LinkChoice | None = None
    given: frozenset[str] = frozenset()


def input_options(function: F) -> F:
    """Adds the options of whatever runs the new application: those of `device_options`, --app and --firmware."""
    models = click.Choice(list(APP_MODELS))
    app = click.option("--app", type=models, default=DEFAULT_APP, show_default=True,
                       help="What the new application does when it is entered.")  # fmt: skip
    own = click.option("--firmware", cls=_FirmwareOption, metavar="FILE.py:NAME|DESIGN")
    system = click.option("--ota", type=click.Choice(SYSTEM_NAMES),
                          help="The update is not handed to the device: a client of this update system brings it, "
                               "over a link that is part of the campaign.")  # fmt: skip
    link = click.option("--link", type=click.Choice(LINK_KINDS), default=LINK_KINDS[0], show_default=True,
                        help="With --ota: a connection breaks when the device is reset; a wire loses what it "
                             "cannot hear.")  # fmt: skip
    frames = click.IntRange(0, MAX_DISTURBED)
    disturb = click.option("--disturb", type=frames, default=0, show_default=True, metavar="N",
                           help="With --ota: up to N frames of every path are lost, doubled, 25 s late, or break or "
                                "stall the link, besides all power cuts.")  # fmt: skip
    return device_options(app(own(system(link(disturb(function))))))


def device_options(function: F) -> F:
    """Adds the options that choose a device and its update; the command receives one ``inputs`` argument."""

    def command(**given: Any) -> Any:
        names = ("board", "old", "new", "region", "board_id", "timing", "seed", "resolution")
        app, firmware = given.pop("app", DEFAULT_APP), given.pop("firmware", None)
        system, kind, disturbed = (given.pop(name, None) for name in ("ota", "link", "disturb"))
        link = None if system is None else LinkChoice(system, kind, disturbed)
        chosen = {name: given.pop(name) for name in names}
        source = click.get_current_context().get_parameter_source
        known = (*names, "app", "link", "disturb")
        said = frozenset(name for name in known if source(name) not in (None, ParameterSource.DEFAULT))
        return function(inputs=Inputs(app=app, firmware=firmware, link=link, given=said, **chosen), **given)

    command.__doc__ = function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    file = click.Path(path_type=Path)
    for option in reversed(
        [
            click.option("--from", "old", type=file, metavar="FILE",
                         help="What runs now: .elf .hex .srec .uf2 .dfu .bin or .zip."),
            click.option("--to", "new", type=file, metavar="FILE", help="What it is updated to."),
            click.option("--board", cls=_BoardOption, default=DEFAULT_BOARD, show_default=True, metavar="B"),
            click.option("--region", metavar="START:END",
                         help="Take only these addresses (a .bin lies at the board's load_address); list the rest."),
            click.option("--board-id", type=BOARD_ID, metavar="ID",
                         help="Which firmware of a file: board (Universal Hex), family (UF2), alt setting (DfuSe)."),
            click.option("--timing", type=click.Choice(["typ", "max", "sampled"]), default="typ", show_default=True,
                         help="Which figure of the part an operation takes."),
            click.option("--resolution", type=click.Choice(list(RESOLUTIONS)), default=DEFAULT_RESOLUTION,
                         show_default=True,
                         help="What weak bits read as, for tears T3 and T4; `run` at any depth tries all of them "
                              "unless one is given."),
            click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True,
                         help="For everything that is drawn."),
        ]
    ):  # fmt: skip
        option(command)
    return cast(F, command)


class _BoardOption(click.Option):
    """Its help lists the bundled boards, which are looked up only when help is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = f"A bundled board ({', '.join(board_names())}), or the path of a board file."
        return super().get_help_record(ctx)


class _FirmwareOption(click.Option):
    """Its help lists the published designs, which are looked up only when help is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = (
            "Firmware of your own: a Scenario, which brings its flash and images, or a class derived from "
            "ModelFirmware, which runs on --board. Or a published design with a device and images of its own: "
            f"{'; '.join(f'{design.name}: {design.help}' for design in DESIGNS.values())}."
        )
        return super().get_help_record(ctx)


class Number(click.ParamType[int]):
    """A number, decimal or 0x hexadecimal; ``hint`` says what one looks like."""

    name = "number"

    def __init__(self, hint: str) -> None:
        self._hint = hint

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is no number; {self._hint}", param, ctx)


BOARD_ID = Number("board ids look like 0x9900")


def make_subject(inputs: Inputs) -> UpdateRig | PlainRig | ElfRig:
    """What is to be tried: firmware of the user's, an ELF with its board, or brownout's own on a board."""
    if is_elf_board(Path(inputs.board)):
        from emu.elf.uncut import check_uncut  # as the rig, it needs an extra

        rig = make_elf_rig(inputs)
        with _chip_named(Path(inputs.board)):
            check_uncut(rig)
        return rig
    own = None if inputs.firmware is None else load_own(inputs.firmware, inputs.app)
    if own is None or not isinstance(own, Scenario):
        return make_rig(inputs, own)
    is_design = isinstance(own.source, Bundled)
    if inputs.link is not None:
        raise UsageError(f"--ota is for brownout's own device; {inputs.firmware} brings its update itself")
    for option, name in (
        ("--from", "old"), ("--to", "new"), ("--board", "board"), ("--region", "region"), ("--board-id", "board_id"),
        ("--app", "app"),
    ):  # fmt: skip
        if name in inputs.given and not (is_design and option == "--app"):
            raise UsageError(f"{option} is for brownout's own device; {inputs.firmware} brings its flash and images")
    return PlainRig(own, timing=inputs.timing, seed=inputs.seed, resolution=inputs.resolution)


def make_elf_rig(inputs: Inputs) -> ElfRig:
    """The board names everything that runs on it."""
    from emu.elf.board import load_elf_board
    from emu.elf.rig import ElfRig  # an extra is needed for it

    for option, name in (
        ("--from", "old"), ("--to", "new"), ("--region", "region"), ("--board-id", "board_id"), ("--app", "app"),
        ("--link", "link"), ("--disturb", "disturb"),
    ):  # fmt: skip
        if name in inputs.given:
            raise UsageError(f"{option} is for brownout's own device; {inputs.board} names the files of its ELF itself")
    if inputs.firmware is not None or inputs.link is not None:
        option = "--ota" if inputs.firmware is None else "--firmware"
        raise UsageError(f"{option} runs on another board; {inputs.board} is one for an ELF")
    with _chip_named(Path(inputs.board)):
        board = load_elf_board(Path(inputs.board))
    return ElfRig(board, timing=inputs.timing, seed=inputs.seed, resolution=inputs.resolution)


@contextmanager
def _chip_named(board: Path) -> Iterator[None]:
    """Where a board for an ELF is refused, and its files are for another chip, the refusal says for which."""
    try:
        yield
    except UsageError as wrong:
        from emu.cli.chip_hint import better_chip

        hint = better_chip(board)
        raise type(wrong)(f"{wrong}{f' ({hint})' if hint else ''}") from None


def make_rig(inputs: Inputs, firmware: type[ModelFirmware] | None = None) -> UpdateRig:
    """Board, images and model as one rig. What is left out of a file is listed on stderr, never dropped silently."""
    board = load_board(inputs.board)
    check_together(inputs)
    old, new = (
        _firmware(given or _demo(bundled), board, inputs)
        for given, bundled in zip((inputs.old, inputs.new), BUNDLED_PAIR, strict=True)
    )
    images = ImagePair(
        old.app,
        new.app,
        old.version or "1.0.0",
        new.version or "2.0.0",
        new.bundle,
        new.fs,
        old.header,
        old.fs,
        old.bundle,
    )
    own = None if firmware is None else firmware()
    if inputs.link is not None:
        from emu.linked_rig import LinkedRig

        return LinkedRig(
            board, images, inputs.link, firmware=own, timing=inputs.timing, seed=inputs.seed,
            resolution=inputs.resolution,
        )  # fmt: skip
    return UpdateRig(
        board, images, firmware=own, app=APP_MODELS[inputs.app], timing=inputs.timing, seed=inputs.seed,
        resolution=inputs.resolution,
    )  # fmt: skip


def check_together(inputs: Inputs) -> None:
    """Raises ScenarioError for options that mean nothing without others."""
    if (inputs.old is None) != (inputs.new is None):
        raise ScenarioError("--from and --to go together: give both or neither")
    if inputs.link is None:
        for name in ("link", "disturb"):
            if name in inputs.given:
                raise UsageError(f"--{name} is for updates that come over a link: give --ota as well")
    elif inputs.app != DEFAULT_APP:
        raise UsageError(f"--app {inputs.app}: with --ota the application is the update system's; leave --app out")
    if inputs.old is None and (inputs.region is not None or inputs.board_id is not None):
        raise ScenarioError("--region and --board-id choose from files: give --from and --to as well")


def input_files(inputs: Inputs, rig: UpdateRig | PlainRig | ElfRig) -> tuple[Path | None, ...]:
    """Everything of the user's that is read for ``inputs``: no result may go there."""
    if not isinstance(rig, UpdateRig | PlainRig):
        return tuple(map(Path, rig.board.paths))
    is_design = isinstance(rig, PlainRig) and isinstance(rig.scenario.source, Bundled)
    own = None if inputs.firmware is None or is_design else Path(split(inputs.firmware)[0])
    boards = board_files(inputs.board, rig.board) if isinstance(rig, UpdateRig) else ()
    return (inputs.old, inputs.new, own, *boards)


def read_factory(board: Board, source: Path | None) -> SlotImage:
    """What a device of ``board`` leaves the factory with: an image or a firmware .zip, or the bundled one."""
    path = source or _demo(BUNDLED_PAIR[0])
    found = _firmware(path, board, Inputs(board.name, source, None, None, None, DEFAULT_APP, "typ", 0))
    document = board.document
    header = found.header or header_for(
        found.app, load_address=document.load_address, app_version=version_number("1.0.0"), crc=document.verify.crc
    )
    return SlotImage(header, found.app, found.fs)


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
    raw = read_whole(path)
    if not is_archive(path, raw):
        return _Firmware(_application(path, board, inputs))
    if inputs.region is not None:
        raise ScenarioError(f"{path}: a firmware .zip is sent as it is; --region does not apply to it")
    manifest, entries = open_archive(path, raw, platform=board.document.platform)
    app, part = entries[manifest.app.src], manifest.app
    if part.load_address not in (0, board.document.load_address):  # 0: the manifest names none
        click.echo(
            f"{path.name}: made for load address {part.load_address:#x}, board {board.name} loads at "
            f"{board.document.load_address:#x}; it is sent as it is, but its code would not run there",
            err=True,
        )
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


@dataclass(frozen=True)
class Place:
    """Where applications are linked to: ``window`` in the words of ``taker``; ``fill`` is what erased flash reads."""

    window: Region
    taker: str
    fill: int = 0xFF


def place_on(board: Board) -> Place:
    """The load address of ``board``, and as long as a slot takes."""
    document = board.document
    slot = next(p for p in document.partition if p.name == document.layout.slots[0])
    start = document.load_address
    window = Region(start, start + slot.size - document.layout.fs_size - HEADER_SIZE)
    return Place(window, f"a slot of board {board.name}", next(iter(board.parts.values())).erased)


def read_application(path: Path, place: Place, *, region: str | None, board_id: int | None) -> tuple[int, bytes]:
    """Address and bytes of the application in an image file: from the start of ``place``, or of ``region``, to the
    last byte of the file. What a region leaves out is listed on stderr. Raises ImageError, and UsageError for what is
    plainly no firmware."""
    refuse_foreign(path, read_whole(path))
    image, start = load_image(path, base_address=place.window.start, board_id=board_id), place.window.start
    if region is not None:
        chosen = Region.parse(region)
        whole = image
        image, outside = whole.select(chosen)
        if not image.segments:
            raise ImageError(f"{path}: nothing lies in --region {chosen}; {_whereabouts(path, whole, place)}")
        for segment in outside:
            click.echo(f"{path.name}: left out {segment}, outside --region {chosen}", err=True)
        start = chosen.start
    for segment in image.segments:
        if region is None and (segment.address < start or segment.end > place.window.end):
            raise ImageError(
                f"{path}: {_misfit(path, image, segment, place)}; choose addresses with --region START:END, or another "
                "board"
            )
    taken = Region(start, image.span().end)
    gaps = taken.size - sum(len(segment.data) for segment in image.segments)
    if gaps > MAX_GAPS:
        raise ImageError(
            f"{path}: {taken} has {gaps:,} bytes without content; choose addresses with --region START:END, from where "
            "the application begins"
        )
    lead = image.span().start - start
    if lead:
        click.echo(
            f"{path.name}: begins at {image.span().start:#x}, {lead:,} bytes behind {start:#x}, where {place.taker} is "
            "linked: what lies before is taken as erased",
            err=True,
        )
    return start, image.flatten(taken, fill=place.fill)


def _is_raw(path: Path, image: Image) -> bool:
    """Whether every byte of the file is content: formats with addresses have something around it."""
    return len(image.segments) == 1 and image.size == path.stat().st_size


def _whereabouts(path: Path, image: Image, place: Place) -> str:
    if _is_raw(path, image):
        return f"a raw binary lies at {place.window.start:#x} (the load address), this one at {image.span()}"
    return f"the file has {', '.join(map(str, image.segments[:4]))}{', ...' if len(image.segments) > 4 else ''}"


def _misfit(path: Path, image: Image, segment: Segment, place: Place) -> str:
    """Why ``segment`` is not what ``place`` takes."""
    if _is_raw(path, image):
        return (
            f"{image.size:,} bytes are more than the {place.window.size:,} {place.taker} takes (a raw binary lies at "
            f"the load address, {place.window.start:#x})"
        )
    return f"{segment} lies outside what {place.taker} takes, {place.window}"


def _application(path: Path, board: Board, inputs: Inputs) -> bytes:
    """The bytes that go into a slot. The bundled pair is taken from where it begins, whatever board it is tried on."""
    place = place_on(board)
    if inputs.old is None:
        return load_image(path).flatten(fill=place.fill)
    return read_application(path, place, region=inputs.region, board_id=_board_id(path, inputs))[1]


def _board_id(path: Path, inputs: Inputs) -> int | None:
    """The --board-id, for a file that has several; the other file of the pair may be a plain one."""
    if inputs.board_id is None or inputs.old is None or inputs.new is None:
        return None
    if not any(firmware_ids(other) for other in (inputs.old, inputs.new)):
        return inputs.board_id
    return inputs.board_id if firmware_ids(path) else None
