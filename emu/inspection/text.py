"""A document as a page of text. Everything it says stands in the document.

Neighbours: `page` aligns, `archive`, `image` and `content` make the documents. Runs nothing, reads no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from emu.inspection.hexdump import hexdump
from emu.inspection.page import heading, labelled, sentence, table

Document = dict[str, Any]


def to_text(document: Document, *, dumps: bool = False) -> str:
    """The page of an inspection. ``dumps``: with hexdumps of config records and image headers."""
    lines = sentence(f"{document['verdict'].upper()}: {document['summary']}", 0)
    for file in document["files"]:
        lines += heading(f"{file['path']}")
        pairs = [("format", file["format"]), ("size", f"{file['size']:,} bytes"), ("sha256", file["sha256"])]
        if file.get("firmware_ids"):
            pairs.append(("firmwares", ", ".join(f"{number:#x}" for number in file["firmware_ids"])))
        lines += labelled(pairs)
    if "archive" in document:
        lines += _archive(document["archive"], document.get("acceptance"))
    if "image" in document:
        lines += _image(document["image"], document.get("placement"), document.get("part"))
    if "flash" in document:
        lines += _flash(document["flash"], dumps)
    return "\n".join(lines)


# -- archives --------------------------------------------------------------------------------------------------


def _archive(archive: Document, acceptance: Document | None) -> list[str]:
    lines = heading("entries")
    lines += table(
        ("offset", "data", "size", "CRC-32", "use", "name"),
        [
            (f"{e['offset']:#x}", f"{e['data_offset']:#x}", f"{e['size']:,}", _crc(e), e["use"], e["path"])
            for e in archive["entries"]
        ],
        "rrr",
    )
    if archive["problem"] is not None:
        problem = archive["problem"]
        said = f"{problem['message']}: " if problem["message"] else ""
        lines += sentence(f"at byte {problem['offset']:#x} every device stops: {said}{problem['detail']}")
    if archive["manifest"] is not None:
        lines += heading("manifest")
        lines += labelled(_flattened(archive["manifest"], ""))
        if archive["app_version"] is not None:
            version = f"{archive['app_version']:#010x}, {archive['app_version_meaning']}"
            lines += labelled([("as a number", version)])
    for part in archive["parts"]:
        lines += heading(f"part {part['part']}: {part['src']}: {part['state']}")
        stated = "not stated" if part["size"] is None else f"{part['size']:,} bytes in the manifest"
        found = "" if part["size_found"] is None else f", {part['size_found']:,} bytes found"
        pairs = [("size", stated + found), ("load address", f"{part['load_address']:#x}")]
        pairs += [(digest["digest"], _digest(digest)) for digest in part["digests"]]
        pairs.append(("header signature", f"{part['signature_scheme']} {part['signature']}".strip()))
        lines += labelled(pairs)
    if archive["signatures"]:
        lines += heading("attributes of the manifest (extra field 0x293a; sigN is a signature over it)")
        lines += labelled([(s["name"], _plain(s["value"])) for s in archive["signatures"]])
    elif archive["entries"]:
        lines += heading("signatures over the manifest: none")
    return lines + ([] if acceptance is None else _acceptance(acceptance))


def _crc(entry: Document) -> str:
    if entry["crc_state"] == "mismatch":
        return f"{entry['crc32']:08x} MISMATCH, is {entry['crc32_computed']:08x}"
    return f"{entry['crc32']:08x} {entry['crc_state']}"


def _digest(digest: Document) -> str:
    if digest["state"] == "mismatch":
        return f"MISMATCH: the manifest says {digest['claimed']}, the content has {digest['computed']}"
    return f"{digest['claimed'] or digest['computed']} {digest['state']}"


def _acceptance(offer: Document) -> list[str]:
    lines = heading(f"a device of board {offer['board']} {'takes it' if offer['taken'] else 'does not take it'}")
    fs = f", {offer['fs_room']:,} for a filesystem" if offer["fs_room"] else ", no room for a filesystem"
    signed = "must be by a key of the board" if offer["signed_images_only"] else "not asked for"
    received, verified, load = offer["received"], offer["verified"], offer["load_address"]
    said = ": ".join(part for part in (received["message"], received["detail"]) if part)
    pairs = [
        ("platform", offer["platform"]),
        ("room", f"{offer['app_room']:,} bytes in {offer['slot']}{fs}"),
        ("manifest signatures", _signature_words(offer)),
        ("header signature", signed),
        ("received", f"{'ok' if received['ok'] else 'REFUSED'}, result {received['code']}, {said}"),
    ]
    if verified is not None:
        words = verified["reason"] + (f": {verified['detail']}" if verified["detail"] else "")
        pairs.append(("verified", words if verified["ok"] else f"REFUSED: {words}"))
    if load is not None:
        match = "as the board's" if load["found"] == load["board"] else f"NOT the board's {load['board']:#x}"
        stated = "not stated" if load["ok"] and load["found"] != load["board"] else f"{load['found']:#x}, {match}"
        pairs.append(("load address", stated))
    lines += labelled([*pairs, ("so", offer["reason"])])
    return lines + [line for note in offer["notes"] for line in sentence(note)]


def _signature_words(offer: Document) -> str:
    mask = offer["sig_req_mask"]
    asked = {-1: "none is required", 0: "no update is taken at all"}.get(mask, f"required: {_bits(mask)}")
    keys = ", ".join(f"key{number}" for number in offer["key_numbers"]) or "no key"
    return f"{asked}; the board has {keys}; verified: {_bits(offer['sig_check_result']) or 'none'}"


def _bits(mask: int) -> str:
    return ", ".join(f"sig{number}" for number in range(8) if mask >> number & 1)


def _flattened(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every leaf of a JSON value with its path."""
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _flattened(member, f"{path}.{key}" if path else str(key))
    else:
        yield path or "(the whole)", _plain(value)


def _plain(value: Any) -> str:
    text: str = value if isinstance(value, str) else json.dumps(value)
    return text


# -- images ----------------------------------------------------------------------------------------------------


def _image(image: Document, placement: Document | None, part: Document | None) -> list[str]:
    span, vectors = image["span"], image["vector_table"]
    lines = heading("segments")
    lines += table(
        ("start", "end", "size", "sha256"),
        [(f"{s['address']:#010x}", f"{s['end']:#010x}", f"{s['size']:,}", s["sha256"]) for s in image["segments"]],
        "rrr",
    )
    lines += heading("altogether")
    gaps = f", of which {span['gap_bytes']:,} say nothing" if span["gap_bytes"] else ""
    looks = "does not look like one"
    if vectors is not None:
        looks = (
            f"looks like one at {vectors['address']:#010x}: initial SP {vectors['initial_sp']:#010x}, "
            f"reset handler {vectors['reset_handler']:#010x}"
        )
    lines += labelled(
        [
            ("span", f"{span['start']:#010x} to {span['end']:#010x}, {span['size']:,} bytes{gaps}"),
            ("sha256", span["sha256"] or span["note"]),
            ("entry", "not stated" if image["entry"] is None else f"{image['entry']:#010x}"),
            ("Cortex-M vectors", looks),
        ]
    )
    for out in image["left_out"]:
        lines += sentence(f"left out: {out['address']:#x}:{out['end']:#x}, {out['size']:,} bytes outside --region")
    if placement is not None:
        lines += heading(f"on board {placement['board']}, where applications begin at {placement['load_address']:#x}")
        lines += sentence(f"taken as an application that begins at {placement['start']:#x}")
        lines += table(
            ("slot", "address", "needed", "room", "fits"),
            [
                (
                    s["slot"], f"{s['chip']} {s['address']:#x}", f"{s['needed']:,}", f"{s['room']:,}",
                    "yes" if s["fits"] else f"no: {s['reason']}",
                )
                for s in placement["slots"]
            ],
            "llrr",
        )  # fmt: skip
    if part is not None:
        window = part["window"]
        lines += heading(f"on part {part['part']}, {window['start']:#x} to {window['end']:#x}")
        lines += sentence(part["reason"] or f"fits, in {part['sectors']:,} of {part['sector_count']:,} sectors")
    return lines


# -- flash content ---------------------------------------------------------------------------------------------


def _flash(flash: Document, dumps: bool) -> list[str]:
    lines = heading("next power-up") + _boot(flash["boot"])
    if flash["if_not_committed"] is not None:
        lines += heading("and the one after, if the image does not commit") + _boot(flash["if_not_committed"])
    lines += heading("chips and partitions")
    lines += table(
        ("chip", "address", "size", "programmed", ""),
        [
            (
                chip["name"], f"{chip['base']:#x}", f"{chip['size']:,}", f"{chip['programmed_bytes']:,}",
                chip["part"] + ("" if chip["given"] else ", no file given: taken as erased"),
            )
            for chip in flash["chips"]
        ]
        + [
            (p["chip"], f"+{p['address']:#x}", f"{p['size']:,}", f"{p['programmed_bytes']:,}", p["name"])
            for p in flash["partitions"]
        ],
        "lrrr",
    )  # fmt: skip
    lines += [line for chip in flash["chips"] if chip["note"] for line in sentence(f"{chip['name']}: {chip['note']}")]
    newest = flash["newest"]
    counts = "neither counts" if newest["copy"] is None else f"copy {newest['copy']} counts"
    lines += heading(f"boot config: {counts}: {newest['meaning']}")
    for copy in flash["configs"]:
        state = "valid" if copy["valid"] else f"not valid: {copy['reason']}"
        stored = ", stored complemented" if copy["complemented"] else ""
        lines += heading(f"config copy {copy['copy']} ({copy['partition']}{stored}): {state}")
        lines += _record(copy, dumps)
    for slot in flash["slots"]:
        lines += _slot(slot, dumps)
    return lines


def _boot(boot: Document) -> list[str]:
    target = "nothing, the bootloader halts" if boot["slot"] is None else f"slot {boot['slot']} ({boot['partition']})"
    pairs = [("boots", target), ("rule", f"{boot['rule']}: {boot['meaning']}"), ("why", boot["why"])]
    if boot["trial"]:
        timer = f"commit timer {boot['timeout_s']} s" if boot["timeout_s"] else "no commit timer"
        pairs.append(("on trial", f"yes, {timer}"))
    if boot["record"] is not None:
        fields = {name: value for name, value in boot["record"].items() if name not in ("slots", "sequencer")}
        said = ", ".join(f"{name} {_plain(value)}" for name, value in fields.items())
        pairs.append(("writes", f"to copy {boot['written_to']}: sequencer {boot['record']['sequencer']:#010x}, {said}"))
    if boot["not_written"]:
        pairs.append(("not written", boot["not_written"]))
    return labelled(pairs)


def _record(record: Document, dumps: bool) -> list[str]:
    lines = []
    if record["fields"]:
        lines += table(
            ("at", "field", f"{'value':<12}meaning"),
            [(f["offset"], f["name"], f"{_short(f['shown']):<10}  {f['meaning']}") for f in record["fields"]],
            "r",
        )
    return lines + ([f"  {line}" for line in hexdump(bytes.fromhex(record["stored"]))] if dumps else [])


def _short(shown: str) -> str:
    """Long runs of one byte, which padding is, as one of it and a count."""
    size = len(shown) // 2
    if size > 8 and shown == shown[:2] * size:
        return f"{shown[:2]} x {size}"
    return shown if len(shown) <= 64 else f"{shown[:61]}..."


def _slot(slot: Document, dumps: bool) -> list[str]:
    header = slot["header"]
    state = "valid" if header["valid"] else f"not valid: {header['reason']}"
    lines = heading(f"slot {slot['slot']} ({slot['partition']}): image header {state}")
    lines += _record(header, dumps)
    named = "no config counts" if slot["as_configured"] is None else _verdict(slot["as_configured"])
    pairs = [
        ("as the config says", named),
        ("by its own header", _verdict(slot["by_header"])),
        ("room", f"{slot['app_room']:,} bytes for an application"),
    ]
    fs = slot["filesystem"]
    if fs is not None:
        pairs.append(("filesystem", f"{fs['room']:,} bytes of room at {fs['offset']:#x}"))
        if fs["check"] is not None:
            when = "checked at this boot" if fs["counts"] else "not checked any more: the application writes to it"
            pairs.append(("as delivered", f"{fs['delivered_bytes']:,} bytes, {_verdict(fs['check'])} ({when})"))
    return lines + labelled(pairs)


def _verdict(found: Document) -> str:
    return f"{found['reason']}: {found['detail']}" if found["detail"] else str(found["reason"])
