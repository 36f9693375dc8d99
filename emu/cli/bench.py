"""`brownout bench`: chunk throughput of an update on a board, and which limit binds.

Neighbours: `throughput` measures. Device figures repeat exactly; host figures are this machine's.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from bootloader.image import HEADER_SIZE
from emu.board import load_board
from emu.cli.inputs import Inputs, check_together, device_options, input_files, make_rig
from emu.cli.naming import file_name
from emu.cli.output import check_writable, owns_stdout, write_text
from emu.throughput import CHUNK_SIZES, Throughput, measure
from emu.update_rig import ImagePair, UpdateRig
from flash.draws import uniforms

SCHEMA = "brownout/bench/2"
DEFAULT_SIZE = 512 * 1024
INCLUDES = ("link", "erase", "program", "read-back", "finish")


@click.command("bench")
@device_options
@click.option(
    "--link",
    type=click.IntRange(min=0),
    metavar="BYTES/S",
    help="Speed of the link; 0: not the limit. Default: the board's.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE|-",
    help="Write the table as JSON; -: to stdout, without the table.",
)
def command(inputs: Inputs, link: int | None, json_file: Path | None) -> int:
    """Chunk throughput of an update on a board, and which limit binds.

    Without --from and --to the update is 512 KiB of bytes that are never blank, or as much as both slots take beside
    the image header.
    """
    check_together(inputs)
    rig = _full_rig(inputs) if inputs.new is None else make_rig(inputs)
    check_writable(json_file, input_files(inputs, rig))
    speed = rig.board.document.link.bytes_per_s if link is None else link
    rows = [measure(rig, size, speed) for size in CHUNK_SIZES]
    if json_file is not None:
        write_text(json_file, json.dumps(_document(rig, inputs, speed, rows), indent=2))
    if not owns_stdout(json_file):
        click.echo(_table(rig, inputs, speed, rows))
    return 0


def _full_rig(inputs: Inputs) -> UpdateRig:
    board = load_board(inputs.board)
    layout = board.document.layout
    slot_size = min(p.size for p in board.document.partition if p.name in layout.slots)
    size = min(DEFAULT_SIZE, slot_size - layout.fs_size - HEADER_SIZE)
    old, new = ((uniforms(seed, 0, size) * 254 + 1).astype("uint8").tobytes() for seed in (1, 2))
    return UpdateRig(board, ImagePair(old, new), timing=inputs.timing, seed=inputs.seed, traced=False)


def _document(rig: UpdateRig, inputs: Inputs, speed: int, rows: list[Throughput]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "board": rig.board.name,
        "timing": inputs.timing,
        "seed": inputs.seed,
        "file": None if inputs.new is None else str(inputs.new),
        "size": rows[0].size,
        "link_bytes_per_s": speed,
        "device_time_includes": list(INCLUDES),
        "rows": [
            {
                "chunk_size": row.chunk_size,
                "device_kib_per_s": round(row.device_kib_per_s, 3),
                "host_mb_per_s": round(row.host_mb_per_s, 3),
                "share_of_cheapest": round(row.share, 4),
                "limit": row.limit,
                "total_us": row.total_us,
                "link_us": row.link_us,
                "erase_us": row.erase_us,
                "program_us": row.program_us,
                "read_us": row.read_us,
                "finish_us": row.finish_us,
                "cheapest_us": row.cheapest_us,
            }
            for row in rows
        ],
    }


def _table(rig: UpdateRig, inputs: Inputs, speed: int, rows: list[Throughput]) -> str:
    link = f"{speed:,} bytes/s" if speed else "not the limit"
    content = "never blank" if inputs.new is None else file_name(inputs, 1)
    timing = f"{inputs.timing} (seed {inputs.seed})" if inputs.timing == "sampled" else inputs.timing
    lines = [
        f"board {rig.board.name}, update of {rows[0].size:,} bytes ({content}), timing {timing}, link {link}",
        "",
        "   chunk   device      of cheapest   link     erase    program  read-back  finish   limit       host",
        "   bytes    KiB/s                       ms       ms         ms         ms      ms                MB/s",
    ]
    lines += [
        f"{row.chunk_size:>8}{row.device_kib_per_s:>9.1f}{row.share:>16.1%}{row.link_us / 1000:>9.0f}"
        f"{row.erase_us / 1000:>9.0f}{row.program_us / 1000:>11.0f}{row.read_us / 1000:>11.0f}"
        f"{row.finish_us / 1000:>8.0f}   {row.limit:<10}{row.host_mb_per_s:>6.1f}"
        for row in rows
    ]
    lines += [
        "",
        f"device KiB/s counts {', '.join(INCLUDES)}; finish writes image header and boot config",
        "of cheapest: the cheapest legal erases, programs and read-backs by this timing, over those of the update",
        f"limit at the largest chunk: {rows[-1].limit}",
    ]
    return "\n".join(lines)
