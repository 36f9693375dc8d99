"""A recording as a value change dump (IEEE 1364), for GTKWave, Surfer, sigrok and other viewers of waveforms.

    brownout.rail           1: power is on
    brownout.session        number of the session, from 1; 0: power is off
    brownout.reset_cause    what began the session
    brownout.image          the image that runs; "none" while the bootloader does, or nothing
    brownout.slot           the slot it runs from
    brownout.commit_timer   1: armed
    <chip>.busy             1: an operation is on its way
    <chip>.operation        which kind; one that is cut short is its kind and "-torn"
    <chip>.address, <chip>.length

One unit of time is a microsecond. Neighbours: `recording` has the facts, the library pyvcd the format.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from vcd import VCDWriter

from emu.report.recording import Recording, Work

DEVICE, IDLE, NONE = "brownout", "idle", "none"
Change = tuple[int, str, str, Any]
"""When, the scope and name of a signal, and what it is from then on."""


def to_vcd(recording: Recording, token: str) -> str:
    """The whole file."""
    out = io.StringIO()
    with VCDWriter(out, timescale="1 us", date="", comment=f"brownout replay {token}", check_values=True) as writer:
        signals = {}
        for scope, name, kind, size, start in _signals(recording.chips):
            signals[scope, name] = writer.register_var(scope, name, kind, size=size, init=start)
        for when, scope, name, value in sorted(_changes(recording), key=lambda change: change[0]):
            writer.change(signals[scope, name], when, value)
        writer.close(recording.end_us)
    return out.getvalue()


def _signals(chips: Iterable[str]) -> Iterator[tuple[str, str, Any, int | None, Any]]:
    """Scope, name, type, width in bits and first value of every signal."""
    yield DEVICE, "rail", "wire", 1, 0
    yield DEVICE, "session", "wire", 16, 0
    yield DEVICE, "reset_cause", "string", None, NONE
    yield DEVICE, "image", "string", None, NONE
    yield DEVICE, "slot", "string", None, NONE
    yield DEVICE, "commit_timer", "wire", 1, 0
    for scope in _scopes(chips).values():
        yield scope, "busy", "wire", 1, 0
        yield scope, "operation", "string", None, IDLE
        yield scope, "address", "wire", 32, 0
        yield scope, "length", "wire", 32, 0


def _changes(recording: Recording) -> Iterator[Change]:
    """Every change; of those at one time the last one counts."""
    yield from _of_power(recording)
    for image in recording.images:
        yield image.start_us, DEVICE, "image", _word(image.image)
        yield image.start_us, DEVICE, "slot", _word(image.slot)
    for timer in recording.timers:
        yield timer.start_us, DEVICE, "commit_timer", 1
        yield timer.end_us, DEVICE, "commit_timer", 0
    for chip, scope in _scopes(recording.chips).items():
        yield from _of_chip(scope, [work for work in recording.works if work.chip == chip])


def _of_power(recording: Recording) -> Iterator[Change]:
    for power in recording.powers:
        yield power.start_us, DEVICE, "rail", 1
        yield power.start_us, DEVICE, "session", power.number
        yield power.start_us, DEVICE, "reset_cause", _word(power.cause)
        yield power.start_us, DEVICE, "image", NONE
        yield power.start_us, DEVICE, "slot", NONE
        if power.lost:
            yield power.end_us, DEVICE, "rail", 0
            yield power.end_us, DEVICE, "session", 0
            yield power.end_us, DEVICE, "reset_cause", NONE
            yield power.end_us, DEVICE, "image", NONE
            yield power.end_us, DEVICE, "slot", NONE


def _of_chip(scope: str, works: list[Work]) -> Iterator[Change]:
    """Of operations in flight together (one of them suspended), the one that began last is shown."""
    begins = deque(sorted((w for w in works if w.start_us < w.end_us), key=lambda work: work.start_us))
    here: list[Work] = []
    for when in sorted({time for work in works for time in (work.start_us, work.end_us)}):
        here = [work for work in here if when < work.end_us]
        while begins and begins[0].start_us <= when:
            here.append(begins.popleft())
        yield when, scope, "busy", int(bool(here))
        if not here:
            yield when, scope, "operation", IDLE
            continue
        work = max(here, key=lambda work: work.start_us)
        yield when, scope, "operation", _word(f"{work.kind}-torn" if work.tear else work.kind)
        yield when, scope, "address", work.address
        yield when, scope, "length", work.length


def _scopes(chips: Iterable[str]) -> dict[str, str]:
    """A scope for every chip: names a viewer takes, told apart."""
    found: dict[str, str] = {}
    for chip in chips:
        name = re.sub(r"[^A-Za-z0-9_]", "_", chip) or "chip"
        while name in (*found.values(), DEVICE):
            name += "_"
        found[chip] = name
    return found


def _word(text: str) -> str:
    """A string of the format has no white space, and its viewers read ASCII."""
    return re.sub(r"[^!-~]", "_", text) or NONE
