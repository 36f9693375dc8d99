"""`brownout pack`: a firmware .zip from an image file, and its signatures.

The application is read as `run` reads it (`inputs.read_application`), the archive is made by `updater.bundle` and read
back with the device's own parser. With --board nothing is packed that the board refuses for its size or signatures.
The same input gives the same bytes: no time and no random number goes into a package.

Neighbours: `inputs` reads images, `signing` keys, `updater.bundle` packs. Knows no rig and no campaign.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from cryptography.exceptions import UnsupportedAlgorithm

from bootloader.image import HEADER_SIZE
from emu.board import Board, board_files, load_board
from emu.cli.inputs import BOARD_ID, Number, Place, place_on, read_application
from emu.cli.output import check_apart, check_writable, result_option, write_text
from emu.cli.signing import check_taken, read_signers, sign_files, with_image_signature
from emu.errors import UsageError
from emu.inspection.files import is_archive, read_whole
from flash.files import read_file, write_file
from flash.images import Region
from updater.bundle import Firmware, make_bundle, open_bundle
from updater.manifest import PartInfo
from updater.signature import Signer, key_text

SCHEMA = "brownout/pack/1"
END_OF_ADDRESSES = 1 << 32
ADDRESS = Number("addresses look like 0x8010000")
_FILE = click.Path(path_type=Path)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}")
_BUILD_ID = re.compile(r"[!-~]{1,128}")
_PLAIN = "letters, digits and ._- only, beginning with a letter or digit, at most 64"


@dataclass(frozen=True)
class _Asked:
    """The options, as they were given."""

    image: Path
    out: Path
    board: str | None
    platform: str | None
    load_address: int | None
    version: str
    name: str | None
    build_id: str | None
    fs: Path | None
    region: str | None
    board_id: int | None
    sign: tuple[str, ...]
    image_key: Path | None


@click.command("pack")
@click.argument("image", type=_FILE)
@click.option("--out", type=_FILE, required=True, metavar="FILE.zip", help="Where it goes.")
@click.option("--board", metavar="B", help="The board it is for: a bundled one, or the path of a board file.")
@click.option("--platform", metavar="P", help="Without --board: the platform it is for; --load-address goes with it.")
@click.option("--load-address", type=ADDRESS, metavar="ADDR", help="Where the application begins, and a .bin lies.")
@click.option("--version", required=True, metavar="V", help="Its version, like 1.2.3.")
@click.option("--name", metavar="N", help="Its name.  [default: the name of IMAGE without its suffix]")
@click.option("--build-id", metavar="ID", help="Its build.  [default: app- and 12 digits of the content's SHA-256]")
@click.option("--fs", type=_FILE, metavar="FILE", help="A filesystem image to go with it.")
@click.option("--region", metavar="START:END", help="Take only these addresses; list the rest.")
@click.option("--board-id", type=BOARD_ID, metavar="ID", help="Which board's image of a universal hex.")
@click.option("--sign", multiple=True, metavar="N=KEY.pem", help="Sign the manifest for update.keyN. N is 0 to 7.")
@click.option("--image-key", type=_FILE, metavar="KEY.pem", help="Sign the image header for the board's verify.keys.")
@result_option("json", "Write the result as JSON; -: to stdout.")
def command(json_file: Path | None, **options: Any) -> int:
    """Make a firmware .zip from IMAGE (.elf .hex .uf2 .srec .dfu .bin), and sign it.

    --sign protects the transport: the updater checks it before it erases anything; may be repeated; takes ECDSA P-256
    keys. --image-key protects the slot: the bootloader checks it at every boot; takes an Ed25519 or ECDSA P-256 key.
    The same input gives the same bytes. With --board nothing is packed that the board refuses for size or signatures.
    """
    asked = _Asked(**options)
    target = _target(asked)
    key_files = sign_files(asked.sign)
    _check_outputs(asked.out, json_file, [asked.image, asked.fs, asked.image_key, *key_files.values(), *target.files])
    signers = read_signers(key_files, target.board)
    firmware = _firmware(asked, target)
    try:
        firmware = with_image_signature(firmware, target.board, asked.image_key)
        bundle = make_bundle(firmware, signers)
    except UnsupportedAlgorithm as wrong:
        raise UsageError(f"this OpenSSL cannot sign without random numbers; use 3.2 or newer ({wrong})") from None
    document = _document(asked.out, bundle, firmware, signers)
    if target.board is not None:
        check_taken(bundle, target.board)
    write_file(asked.out, bundle)
    if json_file is None or str(json_file) != "-":
        click.echo(_text(document))
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    return 0


@dataclass(frozen=True)
class _Target:
    """The device a package is for; ``board`` None: only its platform and load address are known."""

    platform: str
    place: Place
    board: Board | None = None
    files: tuple[Path, ...] = ()


def _target(asked: _Asked) -> _Target:
    if asked.board is not None:
        if asked.platform is not None or asked.load_address is not None:
            raise UsageError("--board says --platform and --load-address already; give the one or the other")
        board = load_board(asked.board)
        return _Target(board.document.platform, place_on(board), board, board_files(asked.board, board))
    if asked.platform is None or asked.load_address is None:
        raise UsageError("which device is it for? give --board, or --platform and --load-address")
    if not 0 <= asked.load_address < END_OF_ADDRESSES:
        raise UsageError(f"--load-address {asked.load_address:#x}: give one of 0x0 to {END_OF_ADDRESSES - 1:#x}")
    window = Region(asked.load_address, END_OF_ADDRESSES)
    place = Place(window, f"a device that loads at {asked.load_address:#x}")
    return _Target(_checked(asked.platform, _NAME, "--platform", _PLAIN), place)


def _checked(text: str, pattern: re.Pattern[str], option: str, allowed: str) -> str:
    if not pattern.fullmatch(text):
        raise UsageError(f"{option} {text!r}: give {allowed}")
    return text


def _check_outputs(out: Path, json_file: Path | None, inputs: Sequence[Path | None]) -> None:
    if str(out) == "-":
        raise UsageError("--out -: stdout is for what was packed; give the path of a file")
    check_apart(("--out", out), ("--json", json_file))
    check_writable(out, inputs)
    check_writable(json_file, inputs)


# -- what goes in ----------------------------------------------------------------------------------------


def _firmware(asked: _Asked, target: _Target) -> Firmware:
    address, app = _application(asked, target)
    fs = _filesystem(asked.fs, target.board)
    content = f"app-{hashlib.sha256(app + fs).hexdigest()[:12]}"  # a build is its content, on every machine and day
    return Firmware(
        name=_checked(asked.image.stem if asked.name is None else asked.name, _NAME, "--name", _PLAIN),
        platform=target.platform,
        version=_checked(asked.version, _VERSION, "--version", _PLAIN.replace("._-", "._+-").replace("64", "32")),
        build_id=_checked(
            content if asked.build_id is None else asked.build_id,
            _BUILD_ID, "--build-id", "1 to 128 ASCII characters without spaces",
        ),
        app=app,
        load_address=address,
        fs=fs,
    )  # fmt: skip


def _application(asked: _Asked, target: _Target) -> tuple[int, bytes]:
    """Load address and bytes, not larger than either slot of the board: an update may go to both."""
    path = asked.image
    if is_archive(path, read_whole(path)):
        raise UsageError(f"{path}: is a .zip already; give the image it is made of")
    address, app = read_application(path, target.place, region=asked.region, board_id=asked.board_id)
    if target.board is not None:
        document = target.board.document
        for entry in document.partition:
            room = entry.size - document.layout.fs_size - HEADER_SIZE
            if entry.name in document.layout.slots and len(app) > room:
                raise UsageError(
                    f"{path}: the application has {len(app)} bytes, {entry.name} of board {target.board.name} takes "
                    f"{room}; choose addresses with --region START:END, or another board"
                )
    return address, app


def _filesystem(path: Path | None, board: Board | None) -> bytes:
    content = b"" if path is None else read_file(path)
    if board is not None and len(content) > board.document.layout.fs_size:
        raise UsageError(
            f"{path}: the filesystem has {len(content)} bytes, the slots of board {board.name} have room for "
            f"{board.document.layout.fs_size} (layout.fs_size); give a smaller one, or another board"
        )
    return content


# -- what comes out --------------------------------------------------------------------------------------


def _document(out: Path, bundle: bytes, firmware: Firmware, signers: list[Signer]) -> dict[str, Any]:
    """What a device finds in ``bundle``, read back with its own parser; the keys are those of the signers."""
    manifest, _ = open_bundle(bundle, platform=firmware.platform)
    return {
        "schema": SCHEMA,
        "file": str(out),
        "size": len(bundle),
        "sha256": hashlib.sha256(bundle).hexdigest(),
        "name": manifest.name,
        "version": manifest.version,
        "version_number": manifest.app_version,
        "build_id": manifest.build_id,
        "platform": manifest.platform,
        "app": _part(manifest.app) | {"load_address": manifest.app.load_address},
        "fs": _part(manifest.fs) if manifest.fs else None,
        "image_signature": manifest.app.signature_scheme,
        "signatures": [{"index": index, "key": key_text(key.public_key())} for index, key in signers],
    }


def _part(part: PartInfo) -> dict[str, Any]:
    return {"size": part.size, "sha1": part.sha1, "sha256": part.sha256}


def _text(document: dict[str, Any]) -> str:
    app, fs, scheme = document["app"], document["fs"], document["image_signature"]
    number = document["version_number"]
    lines = [
        f"packed     {document['file']}, {document['size']} bytes",
        f"           sha256 {document['sha256']}",
        f"firmware   {document['name']} {document['version']} "
        f"({f'ordered as {number:#010x}' if number else 'a version without order'})",
        f"build      {document['build_id']}",
        f"platform   {document['platform']}",
        f"app        {app['size']} bytes at {app['load_address']:#x}",
        f"           sha1 {app['sha1']}",
        f"           sha256 {app['sha256']}",
    ]
    if fs is not None:
        lines += [
            f"fs         {fs['size']} bytes",
            f"           sha1 {fs['sha1']}",
            f"           sha256 {fs['sha256']}",
        ]
    lines.append(f"image      {'not signed' if scheme == 'none' else f'signed, {scheme}'}")
    lines += [f"sig{one['index']}       for update.key{one['index']} {one['key']}" for one in document["signatures"]]
    return "\n".join(lines if document["signatures"] else [*lines, "update     not signed"])
