"""`brownout boot BOARD`: an ELF on its board, nothing cut, and what it does.

The first thing to try with a new board file: every line of it is seen here before a campaign stands on it.
Neighbours: `inputs` makes the rig, `code` names places in the firmware.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.board_kind import is_elf_board
from emu.cli.boot_storage import StorageWatch
from emu.cli.chip_hint import better_chip
from emu.cli.code import code_at
from emu.cli.inputs import DEFAULT_APP, MAX_SEED, Inputs, make_elf_rig
from emu.cpu.unknown import extents
from emu.errors import UsageError
from emu.events import HANDOVER, UNKNOWN
from emu.rig import Run
from emu.words import counted, printable
from flash.journal import Event, Misuse, Operation
from flash.tomlfile import read_table

if TYPE_CHECKING:
    from emu.elf.rig import ElfRig

EXIT_SETTLED, EXIT_NOT_SETTLED = 0, 1
_SHOWN = 12
"""Lines of one kind in one session."""


@click.command("boot")
@click.argument("board", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Of RAM at power-on.")
def command(board: Path, seed: int) -> int:
    """Boot an ELF on BOARD, a board file with the key chip, until it settles; print what it does.

    Shows what it says on its ports, resets, flash operations, time, and registers nobody has modelled. Exits 0 when an
    image shows that it works, 1 when it does not. With [storage], boots once more when it has settled, and shows what
    the firmware owes and what the oracles say: 1 when one objects.
    """
    if not board.is_file():
        raise UsageError(f"{board}: cannot be read: no such file; give the path of a board file")
    if not is_elf_board(board):
        read_table(board, error=UsageError)  # one that is no TOML has no kind
        raise UsageError(f"{board}: no board for an ELF: it has no key `chip`; `brownout new --help` has other boards")
    rig = make_elf_rig(Inputs(str(board), None, None, None, None, DEFAULT_APP, "typ", seed))
    rig.notes_stores = True
    click.echo(f"{printable(rig.name)} on {rig.board.chip.name}")
    state = rig.initial(1)
    storage = StorageWatch(rig)
    more = storage.has_more
    for number in range(1, rig.bounds.max_resets + 2):
        run = rig.run(state)
        click.echo(f"\nboot {number}, reset by {state.cause}: {run.end_us / 1000:,.1f} ms of device time")
        for line in _lines(rig, run):
            click.echo(f"  {line}")
        for line in storage.lines(state, run):
            click.echo(f"  {line}")
        if run.outcome.kind == "settled" and more:
            more = False
        elif run.outcome.kind != "reset":
            break
        state = run.end
    else:
        click.echo(f"\nit resets for ever: {number} boots in a row without settling")
    if run.outcome.kind == "settled":
        return EXIT_NOT_SETTLED if storage.is_broken else EXIT_SETTLED
    hint = better_chip(board)
    if hint:
        click.echo(f"\nis it the right chip? {printable(hint)}")
    return EXIT_NOT_SETTLED


def _lines(rig: ElfRig, run: Run) -> Iterator[str]:
    yield from _cut_short(_said(rig))
    if rig.attempt is not None and rig.attempt.words:
        yield f"host     {printable(rig.attempt.words)}"
    yield from _cut_short(_flash(rig, run))
    for refused in (entry for entry in run.entries if isinstance(entry, Misuse)):
        yield f"refused  {refused.message}"
    differences = iter(rig.differences)
    for event in (entry for entry in run.entries if isinstance(entry, Event) and entry.name == HANDOVER):
        yield f"image    {event.facts[1]} is entered in slot {event.facts[3]} after {event.time_us / 1000:,.1f} ms"
        told = next(differences, "") if event.facts[1] == UNKNOWN else ""
        if told:
            yield f"         {told}"
    for extent in extents(rig.machine.unknown):
        reads = "it reads as last written" if extent.count == 1 else "they read as last written"
        yield f"unknown  {extent}: not modelled, {reads}"
    yield f"ends     {run.outcome}"


def _said(rig: ElfRig) -> list[str]:
    """Lines of text, port by port; empty ones tell nothing."""
    found = []
    for port in dict.fromkeys(name for _, name, _ in rig.machine.sent):
        text = b"".join(data for _, name, data in rig.machine.sent if name == port).decode("latin-1")
        found += [f"{port:<8} {printable(line)}" for line in text.splitlines() if line.strip()]
    return found or ["         it says nothing on any serial port"]


def _flash(rig: ElfRig, run: Run) -> list[str]:
    """Operations; those of one kind by one function that carry on where the last ended are one line."""
    found: list[str] = []
    group: list[Operation] = []
    maker = counter = -1
    for number, entry in enumerate(run.entries):
        if not isinstance(entry, Operation):
            continue
        counter = rig.stores.get(number, counter)
        last = group[-1] if group else None
        if (
            last is None
            or (entry.kind, entry.device, entry.address) != (last.kind, last.device, last.address + last.length)
            or not _is_one_piece(rig, maker, counter)
        ):
            found += [_group(rig, group, maker)] if group else []
            group, maker = [], counter
        group.append(entry)
    found += [_group(rig, group, maker)] if group else []
    return found or ["flash    no operation"]


def _is_one_piece(rig: ElfRig, one: int, other: int) -> bool:
    """Whether two instructions are of one function; without symbols only an instruction is one with itself."""
    if one == other:
        return True
    function = rig.place_of(one).function
    return bool(function) and function == rig.place_of(other).function


def _group(rig: ElfRig, group: list[Operation], counter: int) -> str:
    first, last = group[0], group[-1]
    base = rig.board.chip.flash.address if first.device == rig.chip_names[0] else 0
    extent = f"[{base + first.address:#x}, {base + last.address + last.length:#x})"
    return f"flash    {counted(len(group), first.kind)} of {first.device} {extent} by {code_at(rig, counter)}"


def _cut_short(lines: list[str]) -> list[str]:
    left = len(lines) - _SHOWN
    return lines if left <= 0 else [*lines[:_SHOWN], f"         ... and {counted(left, 'line')} more like these"]
