"""`brownout flash diff`, `show` and `check`: what images hold and how they fit, on stdout. They write no image.

Neighbours: `emu.flash_file` compares and checks, `emu.inspection` aligns and dumps.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from emu.cli.flash_options import BYTE, FILE, named_part, read_image, read_images, reading_options
from emu.cli.output import check_writable, owns_stdout, result_option, write_text
from emu.flash_file import edit, reach
from emu.flash_file.compare import Difference, differences
from emu.inspection.hexdump import image_dump
from emu.inspection.page import sentence, table
from flash.errors import ImageError
from flash.images import Region

DIFF_SCHEMA, CHECK_SCHEMA = "brownout/flash-diff/1", "brownout/flash-check/1"
EXIT_FINDING = 1
SHOWN_BYTES = 8
json_option = result_option("json", "Write the result as JSON.")


@click.command("diff")
@click.argument("first", type=FILE, metavar="A")
@click.argument("second", type=FILE, metavar="B")
@click.option("--region", metavar="START:END", help="Compare only these addresses.")
@click.option("--fill", type=BYTE, metavar="BYTE", help="What a gap reads; unless given, a gap differs from any byte.")
@json_option
@reading_options
def diff(first: Path, second: Path, region: str | None, fill: int | None, json_file: Path | None,
         base_address: int | None, board_id: int | None) -> int:  # fmt: skip
    """The ranges where two images differ. Exits 1 when there is one, 0 when there is none."""
    check_writable(json_file, (first, second))
    images = read_images((first, second), base_address=base_address, board_id=board_id)
    if region is not None:
        chosen = Region.parse(region)
        inside = [image.select(chosen)[0] for image in images]
        if not any(image.segments for image in inside):
            held = " and ".join(f"{image.source} has {image.span()}" for image in images)
            raise ImageError(f"nothing lies in --region {chosen} of either image: {held}")
        images = inside
    found = differences(images[0], images[1], fill=fill)
    document = {
        "schema": DIFF_SCHEMA,
        "files": [str(first), str(second)],
        "differing_bytes": sum(one.size for one in found),
        "ranges": [
            {
                "kind": one.kind, "start": one.address, "end": one.end,
                "first": one.first.hex(), "second": one.second.hex(),
            }
            for one in found
        ],
    }  # fmt: skip
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    if not owns_stdout(json_file):
        click.echo(_diff_text(document, found))
    return EXIT_FINDING if found else 0


def _diff_text(document: dict[str, Any], found: list[Difference]) -> str:
    if not found:
        return "no difference"
    rows = [
        (f"{one.address:#010x}", f"{one.end:#010x}", f"{one.size:,}", one.kind, _first(one.first), _first(one.second))
        for one in found
    ]
    ranges = "1 range" if len(found) == 1 else f"{len(found):,} ranges"
    lines = [f"{document['differing_bytes']:,} bytes differ, in {ranges}"]
    return "\n".join(lines + table(("start", "end", "size", "kind", "first", "second"), rows, "rrr"))


def _first(data: bytes) -> str:
    return data[:SHOWN_BYTES].hex(" ") + (" ..." if len(data) > SHOWN_BYTES else "")


@click.command("show")
@click.argument("source", type=FILE, metavar="IN")
@click.option("--region", metavar="START:END", help="Show only these addresses.")
@reading_options
def show(source: Path, region: str | None, base_address: int | None, board_id: int | None) -> int:
    """A hexdump of IN, at its addresses."""
    image = read_image(source, base_address=base_address, board_id=board_id)
    for line in image_dump(image if region is None else edit.cut(image, Region.parse(region))):
        click.echo(line)
    return 0


@click.command("check")
@click.argument("sources", type=FILE, nargs=-1, required=True, metavar="IN...")
@click.option("--part", "part_name", required=True, metavar="P", help="A bundled part, or the path of a part file.")
@json_option
@reading_options
def check(sources: tuple[Path, ...], part_name: str, json_file: Path | None, base_address: int | None,
          board_id: int | None) -> int:  # fmt: skip
    """Can the images be brought onto a part by erases and programs it accepts?

    Every IN in turn erases the sectors it touches and is programmed, in whole program units padded with erased bytes;
    then all is read back. Segments of one file that share a unit or a sector are listed, for they cannot be written
    apart. A raw binary lies at the start of the part unless --base-address is given. Exits 1 when a later file destroys
    an earlier one, 2 when something lies outside the part.
    """
    check_writable(json_file, (*sources, Path(part_name)))
    part = named_part(part_name)
    base_address = part.base if base_address is None else base_address
    images = read_images(sources, base_address=base_address, board_id=board_id)
    found = reach.check(images, part)
    document = _check_document([str(source) for source in sources], part.name, found)
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    if not owns_stdout(json_file):
        click.echo("\n".join(_check_text(document)))
    return EXIT_FINDING if found.losses else 0


def _check_document(files: list[str], part: str, found: reach.Reach) -> dict[str, Any]:
    return {
        "schema": CHECK_SCHEMA,
        "files": files,
        "part": part,
        "reachable": not found.losses,
        "erases": found.erases,
        "programs": found.programs,
        "padded_bytes": found.padded_bytes,
        "shared": [
            {
                "grain": one.grain, "address": one.address, "size": one.size,
                "first": {"start": one.first.address, "end": one.first.end},
                "second": {"start": one.second.address, "end": one.second.end},
            }
            for one in found.sharings
        ],
        "lost": [
            {"file": one.source, "start": one.segment.address, "end": one.segment.end, "by": one.culprit}
            for one in found.losses
        ],
    }  # fmt: skip


def _check_text(document: dict[str, Any]) -> list[str]:
    word = "reachable" if document["reachable"] else "NOT reachable"
    lines = [
        f"{word} on {document['part']}: {document['erases']:,} erases, {document['programs']:,} programs, "
        f"{document['padded_bytes']:,} bytes of padding"
    ]
    for one in document["lost"]:
        lines += sentence(
            f"{one['file']}: {one['start']:#x}:{one['end']:#x} is lost: {one['by']}, written later, is in its sectors; "
            "merge the files first"
        )
    for one in document["shared"]:
        ends = (f"{side['start']:#x}:{side['end']:#x}" for side in (one["first"], one["second"]))
        lines += sentence(f"{' and '.join(ends)} share the {one['size']}-byte {one['grain']} at {one['address']:#x}")
    return lines
