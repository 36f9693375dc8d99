"""A bench as one JSON document: what the table and the page are made of.

Neighbours: `bench` measures, `report.bench_text` and `report.html.bench` show it. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from emu.cli.inputs import Inputs
from emu.gate import Gate
from emu.measurements import Figures, readings
from emu.throughput import Throughput

SCHEMA = "brownout/bench/3"
INCLUDES = ("link", "erase", "program", "read-back", "finish")


@dataclass(frozen=True)
class Bench:
    """``rows``: every chunk size by every link. ``figures``: of the one that the named measurements are about."""

    board: str
    inputs: Inputs
    rows: Sequence[Throughput]
    figures: Figures
    gates: Sequence[Gate]


def to_document(bench: Bench) -> dict[str, Any]:
    row, inputs = bench.figures.row, bench.inputs
    taken = readings(bench.figures)
    values = {reading.name: reading.value for reading in taken}
    gates = [
        {"fail_if": str(gate), **asdict(gate), "value": values[gate.name], "failed": gate.fails(values)}
        for gate in bench.gates
    ]
    return {
        "schema": SCHEMA,
        "board": bench.board,
        "timing": inputs.timing,
        "seed": inputs.seed,
        "file": None if inputs.new is None else str(inputs.new),
        "size": row.size,
        "chunk_size": row.chunk_size,
        "link_bytes_per_s": row.link_bytes_per_s,
        "device_time_includes": list(INCLUDES),
        "measurements": {
            reading.name: {"value": reading.value, "group": reading.group, "meaning": reading.meaning}
            for reading in taken
        },
        "gates": gates,
        "failed": any(gate["failed"] for gate in gates),
        "rows": [_row(each) for each in bench.rows],
        "chunks_us": list(row.chunks_us),
        "wear": {
            "partitions": [asdict(partition) for partition in bench.figures.uncut.partitions],
            "sectors": [asdict(sector) for sector in bench.figures.uncut.sectors],
        },
    }


def _row(row: Throughput) -> dict[str, Any]:
    return {
        "chunk_size": row.chunk_size,
        "link_bytes_per_s": row.link_bytes_per_s,
        "device_kib_per_s": round(row.device_kib_per_s, 3),
        "two_buffers_kib_per_s": round(row.two_buffers_kib_per_s, 3),
        "host_mb_per_s": round(row.host_mb_per_s, 3),
        "share_of_cheapest": round(row.share, 4),
        "limit": row.limit,
        "total_us": row.total_us,
        "link_us": row.link_us,
        "erase_us": row.erase_us,
        "program_us": row.program_us,
        "read_us": row.read_us,
        "finish_us": row.finish_us,
        "two_buffers_us": row.two_buffers_us,
        "worst_chunk_us": row.worst_chunk_us,
        "stalls": asdict(row.stalls),
        "cheapest_us": row.cheapest_us,
    }
