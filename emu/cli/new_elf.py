"""`brownout new --elf`: a board file for firmware that is there, and what is to be said of it.

Neighbours: `new` is the command and writes files; `emu.elf.survey` infers and tries.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from emu.elf.survey.request import Request
from emu.errors import UsageError
from emu.inspection.files import read_whole, refuse_foreign
from emu.words import printable

Write = Callable[[Path, Sequence[tuple[Path, bytes]]], None]


def new_elf(request: Request, folder: Path, write: Write) -> None:
    """Write the board into ``folder``, all of it or nothing. Raises UsageError or ImageError."""
    from emu.elf.survey.survey import BOARD_FILE, survey

    if (folder / BOARD_FILE).exists() or (folder / BOARD_FILE).is_symlink():
        raise UsageError(f"{folder}: has {BOARD_FILE} already, and nothing was written; give another folder")
    for path in (*request.files, *filter(None, (request.old, request.new))):
        refuse_foreign(path, read_whole(path))
    proposal = survey(request, folder)
    write(folder, proposal.contents)
    board = proposal.contents[0][0]
    click.echo(f"{printable(str(board))}  a board for {proposal.choice.name}; every line says where it comes from")
    for path, content in proposal.contents[1:]:
        click.echo(f"{printable(str(path))}  {len(content):,} bytes, the application inside the factory's file")
    click.echo("")
    for label, words in _findings(proposal.choice.notes(), proposal.missing, proposal.guesses):
        click.echo(f"{label:<11}{printable(words)}")
    if proposal.booted:
        click.echo(f"{'booted':<11}{printable(proposal.booted)}")
    if proposal.missing and not request.keeps_values:
        click.echo(f"{'or':<11}if it updates nothing and only keeps values: write the board with --storage")
    click.echo("\nnext")
    if proposal.missing:
        what = "[storage]" if request.keeps_values else 'each "?"'
        click.echo(f"  fill in {what} of {printable(str(board))}")
    depth = ["--depth", "1"] if request.keeps_values else []  # few logs come round, so that any depth would end
    for command in (["boot", str(board)], ["run", "--board", str(board), *depth]):
        click.echo(f"  {shlex.join(['brownout', *command])}")


def _findings(notes: Sequence[str], missing: Sequence[str], guesses: Sequence[str]) -> Iterator[tuple[str, str]]:
    for note in notes:
        yield "chip", note
    for each in missing:
        yield "to fill in", each
    if guesses:
        yield "guessed", "; ".join(guesses)
