"""The tables of the page: checks, outcomes, findings, operations, layers of states, certificate, inputs.

Neighbours: `document` has the facts of most of them, `update_map` those of operations. `page.js` sorts and filters
those that say so; without it they are plain tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emu.campaign.update_map import Layer, UpdateMap
from emu.report.exposure import one_in, per_million
from emu.report.groups import outcome_kinds
from emu.report.html.leads import lead_of, outcome_counts
from emu.report.html.markup import Column, Markup, Row, element, joined, table
from emu.rig import Region
from emu.words import counted

MAX_FINDINGS = 1000
RESULTS = {
    "held": "✓ held",
    "broken": "✕ broken",
    "not exercised": "! not exercised",
    "not applicable": "– not applicable",
    "inconclusive": "? nothing so far",
}
"""Each with a sign, so that it reads without colour."""


def checks_table(document: Mapping[str, Any]) -> Markup:
    columns = (
        Column("check"), Column("result"), Column("exercised", "n"), Column("findings", "n"),
        Column("edges", "n"), Column("promise", "w"),
    )  # fmt: skip
    rows: list[Row] = []
    for result in document["results"]:
        word = result["result"]
        because = word in ("not exercised", "not applicable")
        promise: Markup | str = result["promise"]
        if because:
            promise = joined([promise, element("span", result["reason"], class_="because")])
        rows.append(
            (
                element("b", result["name"]),
                element("span", RESULTS[word], class_=f"result {word.replace(' ', '-')}"),
                f"{result['exercised']:,}", f"{result['findings']:,}", f"{result['edges']:,}", promise,
            )
        )  # fmt: skip
    return table("checks-table", "Checks", columns, rows, sortable=True)


def outcomes_table(document: Mapping[str, Any]) -> Markup:
    """What the edges lead to, with a bar for the share of each."""
    edges = max(1, document["edges"])
    ranked = sorted(outcome_kinds(document["outcomes"]), key=lambda item: (-item[1], item[0]))
    rows: list[Row] = [
        (outcome, f"{count:,}", f"{100 * count / edges:.2f} %", bar(count / edges)) for outcome, count in ranked
    ]
    columns = (Column("what an edge leads to", "w"), Column("edges", "n"), Column("share", "n"), Column("", "w"))
    return table("outcomes-table", "Outcomes", columns, rows)


def kinds_table(document: Mapping[str, Any]) -> Markup:
    """How many edges of each kind were tried."""
    ranked = sorted(document["edge_kinds"].items(), key=lambda item: (-item[1], item[0]))
    rows: list[Row] = [(kind, f"{count:,}") for kind, count in ranked]
    return table("kinds-table", "Edges by kind", (Column("kind of edge"), Column("edges", "n")), rows)


def bar(share: float) -> Markup:
    """A share of the width of its cell."""
    return element("span", element("i", style=f"width:{100 * share:.2f}%"), class_="bar", aria_hidden="true")


def findings_table(document: Mapping[str, Any]) -> Markup:
    """Every finding, up to a limit that is said."""
    ways = "edges or lives" if any("fault" in finding for finding in document["findings"]) else "edges"
    columns = (
        Column("no.", "n"), Column("check"), Column("what is broken", "w"), Column("ends with", "w"),
        Column("by"), Column("at"), Column(ways, "n"), Column("token", "c"),
    )  # fmt: skip
    findings = document["findings"]
    rows: list[Row] = [
        (
            number, finding["check"], finding["message"], finding["outcome"],
            " then ".join([*filter(None, [finding.get("fault", "")]), *finding["tears"]]) or "uncut",
            _place(finding["token"]), f"{finding['count']:,}", _token(finding["token"], number),
        )
        for number, finding in enumerate(findings[:MAX_FINDINGS], 1)
    ]  # fmt: skip
    rest = len(findings) - MAX_FINDINGS
    more = element("p", f"And {counted(rest, 'more finding')}: the JSON document lists them all.") if rest > 0 else ""
    return joined([table("findings-table", "Findings, the mildest first", columns, rows, sortable=True), more])


def exposure_table(document: Mapping[str, Any]) -> Markup:
    """How likely findings are: all of so many cuts together, then check by check, then one by one."""
    entry = document["exposure"]
    rows: list[Row] = [
        (item["cuts"], item.get("check", "any"), per_million(item["per_million"]), one_in(item["per_million"]), "", "")
        for item in (*entry["any"], *entry["checks"])
    ]
    for number, item in enumerate(entry["findings"][:MAX_FINDINGS]):
        chance, what = item["per_million"], document["findings"][number]["message"]
        place = f"{number + 1}, at {_place(item['token'])}"
        rows.append((item["cuts"], item["check"], per_million(chance), one_in(chance), place, what))
    columns = (
        Column("cuts", "n"), Column("check"), Column("per million updates", "n"), Column("updates"),
        Column("finding"), Column("what is broken", "w"),
    )  # fmt: skip
    return table("exposure-table", "How likely findings are", columns, rows, sortable=True)


def _place(token: str) -> str:
    """Where the interruptions of a token strike: session.entry of each."""
    steps = token.split(":")[6]
    return "+".join(step.rpartition(".")[0] or step for step in steps.split("+"))


def _token(token: str, number: int) -> Markup:
    name = f"token-{number}"
    button = element(
        "button", "Copy", type="button", class_="copy js", data_copies=name, aria_label=f"Copy token {number}"
    )
    return joined([button, " ", element("code", token, id=name)])


def faults_table(document: Mapping[str, Any]) -> Markup:
    """Every place of every kind of fault, with what became of those that were tried there."""
    columns = (
        Column("kind"), Column("place"), Column("tried", "n"), Column("cuts of their lives", "n"),
        Column("findings", "n"), Column("what became of them", "w"),
    )  # fmt: skip
    rows: list[Row] = [
        (
            count["kind"], count["place"], f"{count['tried']:,}", f"{count['edges']:,}", f"{count['findings']:,}",
            "; ".join(f"{number:,} {word}" for word, number in count["outcomes"].items()),
        )
        for count in document["faults"]
    ]  # fmt: skip
    return table("faults-table", "Other faults", columns, rows, sortable=True)


def operations_table(update: UpdateMap) -> Markup:
    """Every flash operation of the uncut update; the map's cursor reads its rows."""
    columns = (
        Column("no.", "n"), Column("session", "n"), Column("entry", "n"), Column("kind"), Column("partition"),
        Column("address", "n"), Column("bytes", "n"), Column("at, ms", "n"), Column("takes, ms", "n"),
        Column("a cut leads to"), Column("edges", "n"), Column("of these", "w"), Column("findings", "n"),
    )  # fmt: skip
    rows: list[Row] = []
    for number, spot in enumerate(update.spots, 1):
        lead = lead_of(spot.outcomes, spot.findings)
        rows.append(
            (
                number, spot.session + 1, spot.entry, spot.kind, _partition(spot.chip, spot.address, update.regions),
                f"{spot.address:#x}", f"{spot.length:,}", f"{spot.start_us / 1000:,.3f}",
                f"{(spot.end_us - spot.start_us) / 1000:,.3f}", f"{lead.letter} {lead.words}",
                f"{spot.outcomes.total():,}", outcome_counts(spot.outcomes), f"{spot.findings:,}",
            )
        )  # fmt: skip
    return table("operations-table", "Flash operations of the uncut update", columns, rows, sortable=True)


def _partition(chip: str, address: int, regions: Sequence[Region]) -> str:
    for region in regions:
        if region.chip == chip and region.address <= address < region.address + region.size:
            return region.name
    return f"{chip}, no partition"


def layers_table(layers: Sequence[Layer]) -> Markup:
    """How many states each number of interruptions reaches."""
    most = max((layer.states + layer.merged for layer in layers), default=1) or 1
    rows: list[Row] = [
        (layer.depth, f"{layer.states:,}", f"{layer.merged:,}", bar((layer.states + layer.merged) / most))
        for layer in layers
    ]
    columns = (Column("interruptions", "n"), Column("new states", "n"), Column("merged", "n"), Column("", "w"))
    return table("layers-table", "States by number of interruptions", columns, rows)


def certificate_table(certificate: Mapping[str, Any]) -> Markup:
    """A certificate as it is: one row per fact, names of nested ones joined by dots."""
    rows: list[Row] = [(name, value) for name, value in _flat(certificate, "")]
    return table("certificate-table", "Certificate", (Column("fact"), Column("value", "w")), rows)


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _flat(item, f"{name}.{key}" if name else str(key))]
    if isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        return [pair for number, item in enumerate(value) for pair in _flat(item, f"{name}.{number}")]
    return [(name, _said(value))]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_said, value)) or "none"
    return "none" if value is None else str(value)


def inputs_table(document: Mapping[str, Any]) -> Markup:
    rows: list[Row] = [
        (element("b", role), item["label"], element("code", item["sha256"]))
        for role, item in document["inputs"].items()
    ]
    columns = (Column("input"), Column("what", "w"), Column("SHA-256", "c"))
    return table("inputs-table", "What the verdict holds for", columns, rows)
