"""`brownout bench`: what an update costs on a board, and a gate on any of it.

Neighbours: `throughput` and `uncut` measure, `measurements` names the figures, `gate` compares them, `report` shows
them. Device figures repeat exactly; host figures are this machine's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import click

from bootloader.image import HEADER_SIZE
from emu.board import Board, load_board
from emu.cli.bench_document import Bench, to_document
from emu.cli.inputs import Inputs, check_together, device_options, input_files, make_rig
from emu.cli.output import check_apart, check_writable, owns_stdout, result_option, write_text
from emu.errors import UsageError
from emu.gate import Gate, parse_gate
from emu.measurements import Figures, names_on
from emu.report.bench_text import bench_text, gate_lines
from emu.throughput import CHUNK_SIZES, LINK_SPEEDS, Throughput, measure
from emu.uncut import run_uncut
from emu.update_rig import ImagePair, UpdateRig
from flash.draws import uniforms

DEFAULT_SIZE = 512 * 1024
MAX_CHUNK_SIZE = 1 << 24
MAX_LINK = 1 << 40
_FILE = click.Path(path_type=Path)


@click.command("bench")
@device_options
@click.option(
    "--chunk",
    "chunks",
    type=click.IntRange(1, MAX_CHUNK_SIZE),
    multiple=True,
    metavar="BYTES",
    help="Size of a chunk; may be repeated: the first is what the named measurements are about. Default: the "
    "board's, and seven more.",
)
@click.option(
    "--link",
    "links",
    type=click.IntRange(0, MAX_LINK),
    multiple=True,
    metavar="BYTES/S",
    help="Speed of the link; 0: not the limit. May be repeated, as --chunk. Default: the board's, and five more.",
)
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="'NAME > NUMBER'",
    help="Exit with code 1 when it is true; < <= > >= == !=. May be repeated. --list has the names.",
)
@click.option("--list", "lists", is_flag=True, help="List the measurements of the board, and measure nothing.")
@result_option("json", "Write the result as JSON; -: to stdout, without the table.")
@result_option("html", "Write the result as one offline page, with plots.")
def command(
    inputs: Inputs,
    chunks: tuple[int, ...],
    links: tuple[int, ...],
    conditions: tuple[str, ...],
    lists: bool,
    json_file: Path | None,
    html_file: Path | None,
) -> int:
    """What an update costs on a board: throughput, erase stalls, boot, commit, wear.

    Without --from and --to the update is 512 KiB of bytes that are never blank, or as much as both slots take beside
    the image header.

    A gate fails a build: brownout bench --fail-if "boot_ms > 400" --fail-if "worst_chunk_ms > 250"
    """
    check_together(inputs)
    if lists:
        return _list(inputs, json_file or html_file or conditions)
    check_apart(("--json", json_file), ("--html", html_file))
    rig = _full_rig(inputs) if inputs.new is None else make_rig(inputs)
    for target in (json_file, html_file):
        check_writable(target, input_files(inputs, rig))
    gates = _gates(rig.board, conditions)
    bench = _measured(rig, inputs, gates, _sweep(rig.board, chunks, links))
    document = to_document(bench)
    if not owns_stdout(json_file, html_file):
        click.echo(bench_text(document))
    elif document["failed"]:
        click.echo("\n".join(gate_lines(document, only_failed=True)), err=True)
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=2))
    if html_file is not None:
        from emu.report.html.bench import bench_page

        write_text(html_file, bench_page(document))
    return int(document["failed"])


def _list(inputs: Inputs, others: object) -> int:
    if others:
        raise UsageError("--list measures nothing: --fail-if, --json and --html mean nothing with it")
    names = names_on(_partitions(load_board(inputs.board)))
    width = max(len(measurement.name) for measurement in names)
    click.echo("\n".join(f"{measurement.name:<{width}}  {measurement.meaning}" for measurement in names))
    return 0


def _gates(board: Board, conditions: Sequence[str]) -> list[Gate]:
    names = [measurement.name for measurement in names_on(_partitions(board))]
    return [parse_gate(condition, names, "--fail-if") for condition in conditions]


def _partitions(board: Board) -> list[str]:
    return [entry.name for entry in board.document.partition]


@dataclass(frozen=True)
class _Sweep:
    """Every chunk size and link to measure. The named figures are about ``chunk`` and ``link``."""

    chunk: int
    link: int
    chunks: Sequence[int]
    links: Sequence[int]


def _sweep(board: Board, chunks: Sequence[int], links: Sequence[int]) -> _Sweep:
    own = board.document.link
    chunk, link = (*chunks, own.chunk_size)[0], (*links, own.bytes_per_s)[0]
    return _Sweep(
        chunk,
        link,
        sorted({*(chunks or CHUNK_SIZES), chunk}),
        sorted({*(links or LINK_SPEEDS), link}, key=lambda speed: speed or MAX_LINK + 1),
    )


def _measured(rig: UpdateRig, inputs: Inputs, gates: Sequence[Gate], sweep: _Sweep) -> Bench:
    """The uncut update comes first: what it refuses is said before anything is swept, and what it loads is loaded."""
    uncut = run_uncut(rig)
    rows: list[Throughput] = []
    for chunk in sweep.chunks:
        of_chunk = [measure(rig, chunk, link) for link in sweep.links]
        host_s = median(row.host_s for row in of_chunk)  # a link takes no host time
        rows += [replace(row, host_s=host_s) for row in of_chunk]
    row = next(row for row in rows if (row.chunk_size, row.link_bytes_per_s) == (sweep.chunk, sweep.link))
    return Bench(rig.board.name, inputs, rows, Figures(row, uncut), gates)


def _full_rig(inputs: Inputs) -> UpdateRig:
    board = load_board(inputs.board)
    layout = board.document.layout
    slot_size = min(p.size for p in board.document.partition if p.name in layout.slots)
    size = min(DEFAULT_SIZE, slot_size - layout.fs_size - HEADER_SIZE)
    old, new = ((uniforms(seed, 0, size) * 254 + 1).astype("uint8").tobytes() for seed in (1, 2))
    return UpdateRig(board, ImagePair(old, new), timing=inputs.timing, seed=inputs.seed, traced=False)
