"""A run as one offline HTML page: verdict, coverage, flash map, timeline, findings with their paths, tables.

`to_html` takes what is known and shows what it is given: the map, the cases, the certificate and the layers are each
left out when there are none.

Neighbours: `report.document` has the facts, `shell` is what stands around every page, `case`, `flash_map`, `timeline`
and `tables` are parts of this one. The CLI follows the tokens of cases: a report runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emu.campaign.update_map import Layer, UpdateMap
from emu.report.exposure import remarks
from emu.report.html import tables
from emu.report.html.case import Case, case_section
from emu.report.html.flash_map import flash_map
from emu.report.html.markup import Markup, element, section
from emu.report.html.shell import in_shell
from emu.report.html.timeline import timeline
from emu.report.summary import headline
from emu.words import counted, lives_with_faults

SIGNS = {"held": "✓", "findings": "✕", "inconclusive": "?"}


def to_html(
    document: Mapping[str, Any],
    update: UpdateMap | None = None,
    cases: Sequence[Case] = (),
    certificate: Mapping[str, Any] | None = None,
    layers: Sequence[Layer] = (),
) -> str:
    """The page. ``document``: that of `report.document`. ``update``: of the same campaign. ``cases``: findings to tell
    at length. ``layers``: states by number of interruptions."""
    parts = [
        section("coverage", "What was tried", _tiles(document), _asked(document)),
        section("checks", "What was checked", tables.checks_table(document)),
        *_findings(document, update, cases),
        *_faults(document),
        *_map(update),
        *_outcomes(document),
        *_exposure(document),
        *_proof(certificate, layers),
        *_operations(update),
        section("inputs", "Inputs", tables.inputs_table(document), _digest(document)),
    ]
    title = f"{document['verdict']}: {_versions(document)} on {document['board']}"
    return in_shell("power-cut report", title, _header(document), parts)


# -- at a glance -----------------------------------------------------------------------------------------


def _header(document: Mapping[str, Any]) -> Markup:
    word = document["verdict"]
    sentence = headline(word, updates=document.get("updates", True)).partition(": ")[2]
    return element(
        "div",
        element("p", f"{document['board']} · {_versions(document)}", class_="what"),
        element(
            "h1",
            element("span", SIGNS[word], class_="sign", aria_hidden="true"),
            element("span", word, class_="word"),
            element("span", sentence, class_="headline"),
        ),
        element("p", _sentence(document)),
        *(element("p", f"Note: {note}.", class_="note") for note in document["notes"]),
        class_=f"verdict {word}",
    )


def _versions(document: Mapping[str, Any]) -> str:
    images = (document["inputs"][role]["label"].split(", ")[0] for role in ("from", "to"))
    versions = (document["versions"][role] for role in ("from", "to"))
    return " → ".join(f"{image} {version}" for image, version in zip(images, versions, strict=True))


def _sentence(document: Mapping[str, Any]) -> str:
    """What the verdict rests on, in one sentence."""
    findings, edges = len(document["findings"]), document["edges"]
    tried = f"{counted(edges, 'edge')} tried, each one way to interrupt {_attempts(document) or 'the firmware'}"
    tried += f" (tears {document['tears']}, {_events(document)}, {_depth(document)})"
    if "faults" in document:
        faults, cuts = _faults_tried(document)
        besides = f"{counted(faults, 'fault')} tried, and {counted(cuts, 'interruption')} of lives with one"
        tried = f"{besides}; {tried}" if document["cuts_power"] else besides
    if document["verdict"] == "inconclusive":
        return f"{tried}. Nothing was found so far, and the campaign is not complete: it proves nothing."
    if findings:
        checks = list(dict.fromkeys(finding["check"] for finding in document["findings"]))
        unfinished = "" if document["complete"] else " The campaign did not finish: there may be more."
        return f"{tried}. {counted(findings, 'finding')}, breaking {', '.join(checks)}.{unfinished}"
    return f"{tried}. Every check that had something to judge held on all of them."


def _faults_tried(document: Mapping[str, Any]) -> tuple[int, int]:
    """How many faults besides power, and how many interruptions of lives with one."""
    counts = document["faults"]
    return sum(count["tried"] for count in counts), sum(count["edges"] for count in counts)


def _events(document: Mapping[str, Any]) -> str:
    return f"power cuts and {', '.join(document['events'])}" if document["events"] else "power cuts only"


def _depth(document: Mapping[str, Any]) -> str:
    depth, done = document["depth"], document["depth_done"]
    if document["complete"]:
        if depth == "any":
            return "any number of interruptions in a row"
        return "one interruption" if depth == 1 else f"up to {depth} interruptions in a row"
    return f"depth {done} of {depth} complete"


def _tiles(document: Mapping[str, Any]) -> Markup:
    boots = document["boots"]
    share = _share(document["recognised"], boots)
    kinds = ", ".join(counted(count, kind) for kind, count in document["operation_kinds"].items())
    edges, depth, faults = [], [], []
    if document.get("cuts_power", True):
        how = f"{document['edges_executed']:,} executed + {document['edges_inherited']:,} inherited"
        edges = [_tile("Edges", f"{document['edges']:,}", how)]
        depth = [_tile("Depth", *_depth_tile(document))]
    if "faults" in document:
        tried, cuts = _faults_tried(document)
        faults = [_tile("Other faults", f"{tried:,}", f"{counted(cuts, 'interruption')} of lives with one")]
    return element(
        "dl",
        *edges,
        _tile("Sessions judged", f"{boots:,}",
              f"{document['runs']:,} run + {document['recognised']:,} recognised ({share})"),
        _tile("Operations", f"{document['operations']:,}", f"{kinds}, uncut"),
        *depth,
        *faults,
        _tile("Findings", f"{len(document['findings']):,}", _lead(document)),
        _tile("Took", f"{document['seconds']:,.1f} s", f"seed {document['seed']}"),
        class_="tiles",
    )  # fmt: skip


def _lead(document: Mapping[str, Any]) -> str:
    """How many ways lead to findings."""
    edges = sum(result["edges"] for result in document["results"])
    lives = sum(finding["count"] for finding in document["findings"] if "fault" in finding)
    ways = [*([counted(edges, "edge")] if edges else []), *([lives_with_faults(lives)] if lives else [])]
    if not ways:
        return "no edge leads to one" if document.get("cuts_power", True) else "no life leads to one"
    return f"{' and '.join(ways)} {'leads' if edges + lives == 1 else 'lead'} to one"


def _inherited(document: Mapping[str, Any]) -> str:
    if document["depth"] == "any":
        return (
            "Inherited ones lead to a state that agrees with one already run on everything that any future of it looks "
            "at, so whatever is done to it, by any number of further cuts, ends the same way."
        )
    return (
        "Inherited ones lead to a state that agrees with one already run on every block that run looked at, so they "
        "end the same way."
    )


def _depth_tile(document: Mapping[str, Any]) -> tuple[str, str]:
    attempts = _attempts(document)
    behind = f"; {attempts}" if attempts else ""
    if document["depth"] != "any":
        return f"{document['depth_done']} of {document['depth']}", f"complete{behind}"
    states = counted(document["states"], "state")
    if document["complete"]:
        after = counted(document["depth_closed"], "interruption")
        return "any", f"{states}, none new after {after}{behind}"
    return f"{document['depth_done']} of any", f"complete; {states} so far{behind}"


def _attempts(document: Mapping[str, Any]) -> str:
    """ "" where nothing is updated."""
    return counted(document["attempts"], "update attempt") if document.get("updates", True) else ""


def _share(part: int, whole: int) -> str:
    """Per cent with one decimal; not all is never rounded up to 100."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    return f"{share if part == whole else min(share, 99.9):.1f} %"


def _tile(name: str, value: str, more: str) -> Markup:
    return element(
        "div", element("dt", name), element("dd", value, class_="value"), element("dd", more, class_="aside")
    )


def _asked(document: Mapping[str, Any]) -> Markup:
    edges = (
        "An edge is one interruption: between two entries of the journal, or inside one operation, which then leaves "
        f"one of the states its tears name. Executed edges ran the firmware. {_inherited(document)} "
    )
    return element(
        "p",
        edges if document.get("cuts_power", True) else "",
        f"Workload: application {document['app']}, timing {document['timing']}, seed {document['seed']}, weak bits "
        f"read {', '.join(document['resolutions'])}.",
        class_="aside prose",
    )


# -- sections --------------------------------------------------------------------------------------------


def _findings(document: Mapping[str, Any], update: UpdateMap | None, cases: Sequence[Case]) -> list[Markup]:
    findings = document["findings"]
    if not findings:
        return []
    uncut = () if update is None else update.sessions
    told = [case_section(case, findings[case.index], uncut, number) for number, case in enumerate(cases, 1)]
    stand_for = len(cases) + sum(len(case.others) for case in cases)
    words = (
        f"{counted(len(cases), 'case')} told below, each the mildest of its kind, standing for {stand_for:,} of "
        f"{counted(len(findings), 'finding')}."
    )
    return [
        section(
            "findings",
            "What was found",
            element("p", words) if cases else "",
            *told,
            element("h3", "All findings, the mildest first"),
            tables.findings_table(document),
        )
    ]


def _faults(document: Mapping[str, Any]) -> list[Markup]:
    if not document.get("faults"):
        return []
    words = (
        "What went wrong besides power: damaged updates, bits that flipped between two boots, sectors that did not "
        "follow, older updates. Each was run to its settled end; where cuts are counted, lives with one were cut at "
        "every operation as well."
    )
    notes = element("ul", *(element("li", note) for note in document["fault_notes"]), class_="aside prose")
    said = element("p", words, class_="aside prose")
    return [section("faults", "Other faults", said, tables.faults_table(document), notes)]


def _map(update: UpdateMap | None) -> list[Markup]:
    if update is None or not update.spots:
        return []
    words = (
        f"The {counted(len(update.spots), 'flash operation')} of the uncut update from left to right, addresses from "
        "top to bottom, every partition to its own scale, long runs of equal operations "
        "narrow. Erases are frames, programs are solid. Colour and letter "
        "say what the device does after it was interrupted right before the operation or inside it; between "
        "operations, the timeline below says it."
    )
    return [
        section("map", "Flash map", element("p", words, class_="aside prose"), flash_map(update)),
        section("timeline", "Timeline of the uncut update", timeline(update)),
    ]


def _outcomes(document: Mapping[str, Any]) -> list[Markup]:
    if not document["edges"]:
        return []
    both = element("div", tables.outcomes_table(document), tables.kinds_table(document), class_="pair")
    return [section("outcomes", "Outcomes", both)]


def _exposure(document: Mapping[str, Any]) -> list[Markup]:
    entry = document.get("exposure")
    if entry is None:
        return []
    said = element("ul", *(element("li", remark) for remark in remarks(entry)), class_="aside prose")
    return [section("exposure", "Findings per million updates", tables.exposure_table(document), said)]


def _proof(certificate: Mapping[str, Any] | None, layers: Sequence[Layer]) -> list[Markup]:
    parts = []
    if layers:
        parts.append(section("states", "States", tables.layers_table(layers)))
    if certificate is not None:
        parts.append(section("certificate", "Certificate", tables.certificate_table(certificate)))
    return parts


def _operations(update: UpdateMap | None) -> list[Markup]:
    if update is None or not update.spots:
        return []
    shown = element("summary", counted(len(update.spots), "operation"))
    table = element("details", shown, tables.operations_table(update), open=True, class_="long")
    return [section("operations", "Operations", table)]


def _digest(document: Mapping[str, Any]) -> Markup:
    return element(
        "p", "Digest of verdict, findings, outcomes and coverage: ", element("code", document["digest"]),
        f". Schema {document['schema']}.", class_="digest",
    )  # fmt: skip
