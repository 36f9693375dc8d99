"""`brownout doctor`: whether this installation is sound, and what to do where it is not.

Neighbours: `emu.doctor` looks. Loads no room that needs a third-party library besides click: what is broken must not
keep it from saying so.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from emu.doctor.item import Item
from emu.doctor.names import check_names
from emu.doctor.packages import check_crcmod, check_extras, check_needed, check_python
from emu.doctor.requirements import HOME, Project, project
from emu.doctor.tools import check_tools
from emu.words import counted, printable

SCHEMA = "brownout/doctor/1"
GROUPS = {"core": "what brownout needs", "names": "names it is imported by", "extras": "extras", "tools": "programs"}
WORDS = {"ok": "ok", "missing": "-", "warning": "WARNING", "broken": "BROKEN"}


@click.command("doctor")
@click.option("--json", "json_file", is_flag=False, flag_value="-", metavar="[FILE|-]",
              help="The same as JSON, to stdout unless a file is named.")  # fmt: skip
def command(json_file: str | None) -> int:
    """Say whether this installation is sound: versions, extras, crcmod's C code, name clashes, programs.

    Exits 0 when everything brownout needs works, 1 when something does not, and says what to do. Extras and programs
    that are not there are listed and are no problem.
    """
    found = project()
    items = look(found)
    document = to_document(found, items)
    if json_file is None:
        click.echo(to_text(document, items))
    elif json_file == "-":
        click.echo(json.dumps(document, indent=2))
    else:
        _write(Path(json_file), document)
    return int(not document["sound"])


def look(found: Project | None) -> list[Item]:
    """Everything, in the order it is told."""
    if found is None:
        lost = f"{HOME} is neither a clone nor installed by pip: nobody knows what it needs"
        return [Item("core", "brownout", "broken", lost, "pip install it"), check_crcmod(), *check_names(Path.cwd())]
    return [
        check_python(found),
        *check_needed(found),
        check_crcmod(),
        *check_names(Path.cwd()),
        *check_extras(found),
        *check_tools(),
    ]


def to_document(found: Project | None, items: Sequence[Item]) -> dict[str, Any]:
    said: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for item in items:
        said[item.group][item.name] = {"status": item.status, "said": item.said, "do": item.do}
    return {
        "schema": SCHEMA,
        "sound": not any(item.status == "broken" for item in items),
        "version": None if found is None else found.version,
        "from": str(HOME),
        "clone": found is not None and found.clone,
        "platform": platform.platform(),
        **said,
    }


def to_text(document: dict[str, Any], items: Sequence[Item]) -> str:
    how = "a clone" if document["clone"] else "installed"
    lines = [f"brownout {document['version'] or 'of no known version'} ({how}), {printable(document['from'])}"]
    lines.append(document["platform"])
    width = max(len(item.name) for item in items)
    for group, title in GROUPS.items():
        members = [item for item in items if item.group == group]
        if members:
            lines += ["", title]
        lines += [f"  {WORDS[item.status]:<8}{item.name:<{width}}  {printable(item.said)}" for item in members]
    lines += ["", *_to_do(items)]
    return "\n".join(lines)


def _to_do(items: Sequence[Item]) -> list[str]:
    """What is wrong first, each with what to do; then what could be added."""
    broken, warnings, missing = ([i for i in items if i.status == s] for s in ("broken", "warning", "missing"))
    lines = [f"NOT SOUND: {counted(len(broken), 'problem')}" if broken else "SOUND: everything brownout needs works"]
    for item in (*broken, *warnings):
        lines += [f"  {item.name}: {printable(item.said)}", f"    {item.do}"]
    if missing:
        lines += ["", "not there, and only needed for what they are for:"]
        lines += [f"  {item.name}: {item.do}" for item in missing]
    return lines


def _write(target: Path, document: dict[str, Any]) -> None:
    from emu.cli.output import check_writable, write_text  # needs flash, hence numpy: stdout does not

    check_writable(target)
    write_text(target, json.dumps(document, indent=2))
