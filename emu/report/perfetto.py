"""A recording as a Chrome trace: JSON that ui.perfetto.dev and chrome://tracing open.

One process, the device; a track each for power, image, commit timer and every chip, a counter for the rail, and what
happened at once as instants. Times in microseconds, as the format wants them. Neighbours: `recording` has the facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from emu.report.recording import Recording
from emu.words import printable

DEVICE = 1
POWER, IMAGE, TIMER, EVENTS, FIRST_CHIP = 1, 2, 3, 4, 10


def to_perfetto(recording: Recording, board: str, token: str) -> str:
    """The whole file."""
    events = [*_names(recording, board), *sorted(_events(recording), key=lambda event: (event["ts"], -_lasts(event)))]
    document = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"board": board, "token": token}}
    return json.dumps(document, separators=(",", ":"))


def _lasts(event: dict[str, Any]) -> int:
    return int(event.get("dur", 0))


def _names(recording: Recording, board: str) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": DEVICE, "tid": 0, "name": "process_name", "args": {"name": printable(board)}}
    tracks = [(POWER, "power"), (IMAGE, "image"), (TIMER, "commit timer"), (EVENTS, "events")]
    tracks += [(FIRST_CHIP + number, f"flash {printable(chip)}") for number, chip in enumerate(recording.chips)]
    for track, name in tracks:
        yield {"ph": "M", "pid": DEVICE, "tid": track, "name": "thread_name", "args": {"name": name}}
        yield {"ph": "M", "pid": DEVICE, "tid": track, "name": "thread_sort_index", "args": {"sort_index": track}}


def _events(recording: Recording) -> Iterator[dict[str, Any]]:
    powers = recording.powers
    for power, following in zip(powers, [*powers[1:], None], strict=True):
        name = f"session {power.number}: reset by {power.cause}"
        yield _slice(POWER, name, power.start_us, power.end_us, outcome=power.outcome)
        yield _rail(power.start_us, 1)
        if power.lost:
            yield _rail(power.end_us, 0)
            if following is not None:
                yield _slice(POWER, "power off", power.end_us, following.start_us)
    for image in recording.images:
        name = f"{image.image} image, slot {image.slot}"
        yield _slice(IMAGE, name, image.start_us, image.end_us, slot=image.slot, image=image.image)
    for timer in recording.timers:
        yield _slice(TIMER, "armed", timer.start_us, timer.end_us)
    tracks = _tracks(recording.chips)
    for work in recording.works:
        torn = f" TORN: {work.tear}" if work.tear else ""
        yield _slice(
            tracks[work.chip], f"{work.kind} {work.address:#x}{torn}", work.start_us, work.end_us,
            address=f"{work.address:#x}", length=work.length, session=work.session, entry=work.entry,
            **({"tear": work.tear} if work.tear else {}),
        )  # fmt: skip
    for one in recording.happened:
        yield {
            "ph": "i", "s": "t", "pid": DEVICE, "tid": EVENTS, "ts": one.time_us, "name": printable(one.what),
            "cat": "event", "args": {"session": one.session},
        }  # fmt: skip


def _tracks(chips: Sequence[str]) -> dict[str, int]:
    return {chip: FIRST_CHIP + number for number, chip in enumerate(chips)}


def _slice(track: int, name: str, start_us: int, end_us: int, **facts: Any) -> dict[str, Any]:
    return {
        "ph": "X", "pid": DEVICE, "tid": track, "ts": start_us, "dur": end_us - start_us, "name": printable(name),
        "cat": "device", "args": facts,
    }  # fmt: skip


def _rail(time_us: int, level: int) -> dict[str, Any]:
    return {"ph": "C", "pid": DEVICE, "tid": 0, "ts": time_us, "name": "rail", "args": {"on": level}}
