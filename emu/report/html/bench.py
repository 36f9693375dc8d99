"""A bench as one offline HTML page: the named figures, throughput, where the time goes, stalls, wear, gates.

Neighbours: `cli.bench_document` made the document, `chart` draws, `shell` is what stands around. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emu.report.bench_text import heading_text, link_text, of_chunk
from emu.report.columns import duration
from emu.report.html.chart import Curve, bars, curves
from emu.report.html.markup import Column, Markup, Row, element, joined, section, table
from emu.report.html.shell import in_shell
from emu.report.html.tables import bar
from emu.words import counted

Document = Mapping[str, Any]
PARTS = (("link", "link_us", "X"), ("erase", "erase_us", "U"), ("program", "program_us", "O"),
         ("read-back", "read_us", "N"), ("finish", "finish_us", "E"))  # fmt: skip
"""What the time of an update is made of, each with the pattern it has on a page."""
TILES = ("device_kib_per_s", "update_ms", "longest_erase_stall_ms", "worst_chunk_ms", "boot_ms", "time_to_commit_ms",
         "worst_sector_erases")  # fmt: skip
MAX_SECTORS = 2000


def bench_page(document: Document) -> str:
    """The page. ``document``: that of `cli.bench_document`."""
    gates = document["gates"]
    parts = [
        section("figures", "At a glance", _tiles(document)),
        *([section("gates", "Gates", _gates_table(document))] if gates else []),
        section("throughput", "Throughput", *_throughput(document)),
        section("time", "Where the time goes", *_time(document)),
        section("stalls", "Stalls, chunk by chunk", *_stalls(document)),
        section("wear", "Wear of one update", *_wear(document)),
        section("measurements", "Measurements", *_measurements(document)),
        section("rows", "Every chunk size by every link", _rows_table(document)),
    ]
    return in_shell("bench", f"bench of {document['board']}", _header(document), parts)


def _header(document: Document) -> Markup:
    row = next(row for row in of_chunk(document) if row["link_bytes_per_s"] == document["link_bytes_per_s"])
    failed, gates = sum(gate["failed"] for gate in document["gates"]), len(document["gates"])
    style, sign, word = ("findings", "✕", "failed") if failed else ("held", "✓", "passed" if gates else "measured")
    said = f"{row['device_kib_per_s']:,.1f} KiB/s, bound by {row['limit']}"
    if gates:
        said = f"{failed} of {counted(gates, 'gate')} failed" if failed else f"all of {counted(gates, 'gate')}"
    sentence = (
        f"{row['device_kib_per_s']:,.1f} KiB/s of device time; the largest part of that time is {row['limit']}. "
        f"Device figures repeat exactly; host figures are those of the machine that ran this."
    )
    return element(
        "div",
        element("p", heading_text(document), class_="what"),
        element(
            "h1",
            element("span", sign, class_="sign", aria_hidden="true"),
            element("span", word, class_="word"),
            element("span", said, class_="headline"),
        ),
        element("p", sentence),
        class_=f"verdict {style}",
    )


def _tiles(document: Document) -> Markup:
    tiles = []
    for name in TILES:
        taken = document["measurements"][name]
        tiles.append(
            element(
                "div",
                element("dt", name),
                element("dd", _number(taken["value"]), class_="value"),
                element("dd", taken["meaning"], class_="aside"),
            )
        )
    return element("dl", *tiles, class_="tiles")


def _gates_table(document: Document) -> Markup:
    rows: list[Row] = [
        (
            element(
                "span",
                "✕ failed" if gate["failed"] else "✓ passed",
                class_=f"result {'broken' if gate['failed'] else 'held'}",
            ),
            element("code", gate["fail_if"]),
            _number(gate["value"]),
        )
        for gate in document["gates"]
    ]
    columns = (Column("result"), Column("fails if", "w"), Column("measured", "n"))
    return table("gates-table", "Gates", columns, rows)


def _throughput(document: Document) -> list[Markup]:
    chunks = sorted({row["chunk_size"] for row in document["rows"]})
    links = list(dict.fromkeys(row["link_bytes_per_s"] for row in document["rows"]))
    drawn = []
    for link in reversed(links):
        rows = [row for row in document["rows"] if row["link_bytes_per_s"] == link]
        name = f"{link:,} B/s" if link else "no limit"
        for named, time in ((name, "total_us"), ("", "two_buffers_us")):
            drawn.append(Curve(named, [document["size"] / 1024 / (row[time] / 1e6) for row in rows]))
    words = (
        "Device throughput by chunk size, a curve for each speed of the link. Solid: a chunk arrives, then the updater "
        "works on it. Dashed: two buffers, one of which fills while the updater works on the other."
    )
    labels = [_short(size) for size in chunks]
    return [element("p", words, class_="aside prose"), curves(labels, drawn, "KiB/s by bytes in a chunk")]


def _short(size: int) -> str:
    return f"{size // 1024}k" if size % 1024 == 0 else f"{size}"


def _time(document: Document) -> list[Markup]:
    lines: list[Markup] = []
    for row in of_chunk(document):
        pieces = [
            element("i", class_=style, style=f"width:{100 * row[key] / row['total_us']:.3f}%", title=name)
            for name, key, style in PARTS
            if row[key]
        ]
        lines += [
            element("span", link_text(row["link_bytes_per_s"])),
            element("span", *pieces, class_="whole", aria_hidden="true"),
            element("span", duration(row["total_us"])),
        ]
    legend = [element("li", element("i", class_=f"swatch {style}"), name) for name, _, style in PARTS]
    words = (
        f"The whole update by the speed of the link, in chunks of {counted(document['chunk_size'], 'byte')}: what its "
        "time is made of."
    )
    return [
        element("p", words, class_="aside prose"),
        element("div", *lines, class_="split"),
        element("ul", *legend, class_="legend"),
    ]


def _stalls(document: Document) -> list[Markup]:
    chunks: Sequence[int] = document["chunks_us"]
    count, longest, total = (
        document["measurements"][name]["value"]
        for name in ("erase_stalls", "longest_erase_stall_ms", "total_erase_stall_ms")
    )
    words = (
        f"How long the updater works on each of {counted(len(chunks), 'chunk')} of "
        f"{counted(document['chunk_size'], 'byte')}: for so long it takes nothing from the link, and what arrives "
        f"meanwhile must wait in a buffer. Erases stall the whole update {counted(count, 'time')}, "
        f"{duration(longest * 1000)} at the longest and {duration(total * 1000)} together."
    )
    return [element("p", words, class_="aside prose"), bars([us / 1000 for us in chunks], "ms by chunk")]


def _wear(document: Document) -> list[Markup]:
    partitions, sectors = document["wear"]["partitions"], document["wear"]["sectors"]
    most = max(each["worst_sector_erases"] for each in partitions)
    rows: list[Row] = [
        (
            element("b", each["name"]), each["chip"], f"{each['of_sectors']:,}", f"{each['sectors']:,}",
            f"{each['erases']:,}", f"{each['worst_sector_erases']:,}", bar(each["worst_sector_erases"] / most),
            f"{each['rated_cycles']:,}",
        )
        for each in partitions
    ]  # fmt: skip
    columns = (
        Column("partition"), Column("chip"), Column("sectors", "n"), Column("of them erased", "n"),
        Column("erases", "n"), Column("worst sector", "n"), Column("", "w"), Column("rated cycles", "n"),
    )  # fmt: skip
    listed: list[Row] = [
        (each["chip"], each["partition"] or "no partition", f"{each['address']:#x}", f"{each['size']:,}",
         f"{each['erases']:,}")
        for each in sectors[:MAX_SECTORS]
    ]  # fmt: skip
    rest = len(sectors) - MAX_SECTORS
    more = element("p", f"And {counted(rest, 'more sector')}: the JSON document lists them all.") if rest > 0 else ""
    heads = (Column("chip"), Column("partition"), Column("address", "n"), Column("bytes", "n"), Column("erases", "n"))
    return [
        table("wear-table", "Wear by partition", columns, rows),
        element(
            "details",
            element("summary", counted(len(sectors), "sector")),
            table("sectors-table", "Wear by sector", heads, listed, sortable=True),
            more,
            class_="long",
        ),
    ]


def _measurements(document: Document) -> list[Markup]:
    rows: list[Row] = [
        (element("code", name), _number(taken["value"]), taken["meaning"], taken["group"])
        for name, taken in document["measurements"].items()
    ]
    columns = (Column("name", "c"), Column("value", "n"), Column("what it is", "w"), Column("group"))
    words = joined(
        [
            "Each can be a gate: ",
            element("code", "brownout bench --fail-if 'boot_ms > 400'"),
            " ends with exit code 1 when that is true.",
        ]
    )
    return [
        element("p", words, class_="aside prose"),
        table("measurements-table", "Measurements", columns, rows, sortable=True),
    ]


def _rows_table(document: Document) -> Markup:
    columns = (
        Column("bytes in a chunk", "n"), Column("link, bytes/s", "n"), Column("KiB/s", "n"), Column("2 buffers", "n"),
        Column("of cheapest, %", "n"), Column("link, ms", "n"), Column("erase", "n"), Column("program", "n"),
        Column("read-back", "n"), Column("finish", "n"), Column("worst chunk", "n"), Column("longest stall", "n"),
        Column("limit"), Column("host MB/s", "n"),
    )  # fmt: skip
    rows: list[Row] = [
        (
            f"{row['chunk_size']:,}", f"{row['link_bytes_per_s']:,}", f"{row['device_kib_per_s']:,.1f}",
            f"{row['two_buffers_kib_per_s']:,.1f}", f"{100 * row['share_of_cheapest']:.1f}", _ms(row["link_us"]),
            _ms(row["erase_us"]), _ms(row["program_us"]), _ms(row["read_us"]), _ms(row["finish_us"]),
            _ms(row["worst_chunk_us"]), _ms(row["stalls"]["longest_us"]), row["limit"], f"{row['host_mb_per_s']:.1f}",
        )
        for row in document["rows"]
    ]  # fmt: skip
    return table("rows-table", "Every chunk size by every link", columns, rows, sortable=True)


def _ms(microseconds: int) -> str:
    return f"{microseconds / 1000:,.1f}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
