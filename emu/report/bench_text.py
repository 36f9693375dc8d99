"""A bench as text: throughput by chunk size, by link, the named measurements, wear, gates.

Neighbours: `cli.bench_document` made the document; `html.bench` draws the same. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emu.words import counted, printable

Document = Mapping[str, Any]


def bench_text(document: Document) -> str:
    blocks = (_heading(document), _by_chunk(document), _by_link(document), *_measurements(document), _wear(document))
    return "\n\n".join("\n".join(block) for block in (*blocks, gate_lines(document)) if block)


def link_text(bytes_per_s: int) -> str:
    return f"{bytes_per_s:,} bytes/s" if bytes_per_s else "not the limit"


def heading_text(document: Document) -> str:
    """What was measured, on one line."""
    content = "never blank" if document["file"] is None else printable(document["file"])
    timing = document["timing"] + (f" (seed {document['seed']})" if document["timing"] == "sampled" else "")
    return (
        f"board {document['board']}, update of {document['size']:,} bytes ({content}), timing {timing}, "
        f"link {link_text(document['link_bytes_per_s'])}, chunks of {counted(document['chunk_size'], 'byte')}"
    )


def of_link(document: Document) -> list[Document]:
    """The rows of the link that the named measurements are about."""
    return [row for row in document["rows"] if row["link_bytes_per_s"] == document["link_bytes_per_s"]]


def of_chunk(document: Document) -> list[Document]:
    """The rows of their chunk size."""
    return [row for row in document["rows"] if row["chunk_size"] == document["chunk_size"]]


def gate_lines(document: Document, *, only_failed: bool = False) -> list[str]:
    """One line each: what fails the build, and whether it does."""
    gates = [gate for gate in document["gates"] if gate["failed"] or not only_failed]
    width = max((len(gate["fail_if"]) for gate in gates), default=0)
    return [
        f"{'FAILED' if gate['failed'] else 'passed'}  {gate['fail_if']:<{width}}  {gate['name']} is {gate['value']:,}"
        for gate in gates
    ]


def _heading(document: Document) -> list[str]:
    return [heading_text(document)]


def _by_chunk(document: Document) -> list[str]:
    rows, includes = of_link(document), ", ".join(document["device_time_includes"])
    return [
        "   chunk   device  2 buffers  of cheapest     link    erase  program  read-back  finish  worst chunk  limit"
        "       host",
        "   bytes    KiB/s      KiB/s                    ms       ms       ms         ms      ms           ms       "
        "       MB/s",
        *(
            f"{row['chunk_size']:>8}{row['device_kib_per_s']:>9.1f}{row['two_buffers_kib_per_s']:>11.1f}"
            f"{row['share_of_cheapest']:>13.1%}{row['link_us'] / 1000:>9.0f}{row['erase_us'] / 1000:>9.0f}"
            f"{row['program_us'] / 1000:>9.0f}{row['read_us'] / 1000:>11.0f}{row['finish_us'] / 1000:>8.0f}"
            f"{row['worst_chunk_us'] / 1000:>13.1f}  {row['limit']:<10}{row['host_mb_per_s']:>6.1f}"
            for row in rows
        ),
        "",
        f"device KiB/s counts {includes}; finish writes image header and boot config",
        "2 buffers: one fills while the updater works on the other; worst chunk: the longest it works on one",
        "of cheapest: the cheapest legal erases, programs and read-backs by this timing, over those of the update",
        f"limit at the largest chunk: {rows[-1]['limit']}",
    ]


def _by_link(document: Document) -> list[str]:
    rows = of_chunk(document)
    if len(rows) == 1:
        return []
    return [
        f"by link, in chunks of {counted(document['chunk_size'], 'byte')}",
        "           bytes/s   device  2 buffers     update  limit",
        "                      KiB/s      KiB/s          s",
        *(
            f"  {_speed(row['link_bytes_per_s']):>16}{row['device_kib_per_s']:>9.1f}"
            f"{row['two_buffers_kib_per_s']:>11.1f}{row['total_us'] / 1e6:>11.2f}  {row['limit']}"
            for row in rows
        ),
    ]


def _speed(bytes_per_s: int) -> str:
    return f"{bytes_per_s:,}" if bytes_per_s else "not the limit"


def _measurements(document: Document) -> Iterator[list[str]]:
    """Those that no table above shows, by group. Per partition there is a table of its own."""
    groups = dict.fromkeys(each["group"] for each in document["measurements"].values())
    named = {name: each for name, each in document["measurements"].items() if "[" not in name}
    for group in [*groups][1:]:
        members = [(name, each) for name, each in named.items() if each["group"] == group]
        lines = [f"  {name:<26}{_number(each['value']):>12}  {each['meaning']}" for name, each in members]
        yield [group, *lines]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _wear(document: Document) -> list[str]:
    partitions: Sequence[Document] = document["wear"]["partitions"]
    width = max(9, *(len(partition["name"]) for partition in partitions))
    return [
        f"  {'partition':<{width}}    sectors  erased   erases  worst sector",
        *(
            f"  {each['name']:<{width}}{each['of_sectors']:>11,}{each['sectors']:>8,}{each['erases']:>9,}"
            f"{each['worst_sector_erases']:>14,}"
            for each in partitions
        ),
    ]
