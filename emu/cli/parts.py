"""`brownout parts`: list the flash parts, or explain one with its sources, or a chip's SFDP dump.

Neighbours: `report.parts` and `report.part_text` show them, `parts_sfdp` reads dumps. Runs nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from emu.cli.output import check_apart, check_writable, owns_stdout, write_text
from emu.cli.parts_sfdp import explain
from emu.errors import UsageError
from emu.report.part_text import page, table
from emu.report.parts import boards_with, matching, parts_document
from flash.part import Part, bundled_part, eeprom_names, load_part, part_names

_FILE = click.Path(path_type=Path)


@click.command("parts")
@click.argument("name", required=False)
@click.option(
    "--filter",
    "words",
    metavar="TEXT",
    help="List only parts in whose name, vendor, kind, trust, JEDEC id or sizes (64KiB) every word occurs.",
)
@click.option(
    "--file", "part_file", type=_FILE, metavar="FILE", help="Explain a part file of your own, or say why it is refused."
)
@click.option(
    "--from-sfdp",
    "dump",
    type=_FILE,
    metavar="FILE",
    help="Explain a real chip's SFDP dump: binary, or hex (`xxd -p`).",
)
@click.option("--name", "part_name", metavar="NAME", help="Name of the part made of the dump; else the file's.")
@click.option("--jedec-id", metavar="XXXXXX", help="What the chip answers to 9Fh; no SFDP table says it.")
@click.option("--out", type=_FILE, metavar="FILE|-", help="Write the part file made of the dump.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE|-", help="Write the parts as JSON.")
def command(
    name: str | None,
    words: str | None,
    part_file: Path | None,
    dump: Path | None,
    part_name: str | None,
    jedec_id: str | None,
    out: Path | None,
    json_file: Path | None,
) -> int:
    """List the flash parts, or explain one with its sources.

    NAME is a part of the list, or another name of one (stm32f407). Its page has every figure with its source, says
    which values are borrowed from another part, what it says of itself in its SFDP table, and lists the tears that
    apply to it.

    --from-sfdp makes a part file of a chip's own table: `brownout parts --from-sfdp sfdp.bin --out mine.toml`.
    """
    if sum(given is not None for given in (name, words, part_file, dump)) > 1:
        raise UsageError("NAME, --filter, --file and --from-sfdp each choose parts; give one of them")
    check_writable(json_file, (part_file, dump))
    if dump is not None:
        return _from_dump(dump, part_name, jedec_id, out, json_file)
    for option, given in (("--name", part_name), ("--jedec-id", jedec_id), ("--out", out)):
        if given is not None:
            raise UsageError(f"{option} belongs to --from-sfdp FILE, which is missing")
    if part_file is not None:
        parts = [load_part(part_file)]
    elif name is not None:
        parts = [_named(name)]
    else:
        parts = _listed(words)
    if json_file is not None:
        write_text(json_file, json.dumps(parts_document(parts, bundled=part_file is None), indent=2))
    if json_file is None or str(json_file) != "-":
        click.echo(table(parts) if name is None and part_file is None else _page(parts[0], part_file))
    return 0


def _from_dump(
    dump: Path, part_name: str | None, jedec_id: str | None, out: Path | None, json_file: Path | None
) -> int:
    check_apart(("--out", out), ("--json", json_file))
    check_writable(out, (dump,))
    found = explain(dump, part_name, jedec_id)
    if out is not None:
        write_text(out, found.toml)
    if json_file is not None:
        write_text(json_file, json.dumps(parts_document([found.part], bundled=False), indent=2))
    if not owns_stdout(out, json_file):
        click.echo(found.text)
        click.echo("\n" + ("--out FILE writes a part file of it" if out is None else f"written: {out}"))
    return 0


def _named(name: str) -> Part:
    if Path(name).suffix == ".toml":
        raise UsageError(f"{name}: a part file is given with --file")
    return bundled_part(name)


def _page(part: Part, part_file: Path | None) -> str:
    """A part file of the user's is on no bundled board, whatever name it has."""
    return page(part, boards_with(part) if part_file is None else [])


def _listed(words: str | None) -> list[Part]:
    parts = sorted(
        (bundled_part(name) for name in (*part_names(), *eeprom_names())), key=lambda part: part.name.lower()
    )
    if words is None:
        return parts
    found = matching(parts, words)
    if not found:
        raise UsageError(f"--filter {words!r}: no part has it; `brownout parts` lists all {len(parts)}")
    return found
