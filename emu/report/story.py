"""A replayed token, told step by step: what each boot decided, what was written, where it was cut, what was torn.

Neighbours: `campaign.replay` has the facts; `stretches` puts operations into lines. Plain text. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bootloader.config import Configs, CopyReading
from emu.campaign.replay import Session, Story, Torn
from emu.campaign.verdict import Step
from emu.events import (
    APPLIED,
    ARMED,
    CLAIMED,
    DECIDED,
    FILES,
    FRAME,
    HANDOVER,
    MERGE_FAILED,
    MERGED,
    NOTE,
    OFFERED,
    OUTSIDE,
    REFUSED,
    RETAINED,
    SAID,
    TOLD,
)  # fmt: skip
from emu.ledger import shown
from emu.report.stretches import stretches_of
from emu.words import counted
from flash.journal import Entry, Event, Misuse, Operation

ROW = 16
CONTEXT_ROWS = 3


def tell(story: Story) -> str:
    """The whole story as text."""
    lines = [f"fault {story.fault}", f"  {story.told}", ""] if story.fault else []
    told: list[list[str]] = [_session(session) for session in story.sessions]
    number = 0
    while number < len(told):
        same = number + 1
        while same < len(told) and told[same] == told[number]:
            same += 1
        lines.append(f"session {number + 1}: reset by {story.sessions[number].state.cause}")
        lines += told[number]
        if same > number + 1:
            lines.append(f"  ... and the same again in sessions {number + 2} to {same}")
        lines.append("")
        number = same
    if story.breaches:
        lines += [f"BROKEN {check}: {message}" for check, message in broken(story)]
    else:
        lines.append("every check held on this path")
    return "\n".join(lines)


def broken(story: Story) -> list[tuple[str, str]]:
    """(check, message) of what the path breaks, each once, however often it does."""
    return list(dict.fromkeys((breach.check, breach.message) for breach in story.breaches))


def _session(session: Session) -> list[str]:
    """What it read, what it did, how it ended."""
    end = len(session.run.entries) if session.step is None else session.step.entry
    lines = [f"         {line}" for line in readings_of(session.configs)]
    is_cut = session.step is not None
    lines += [f"  {line.entry:>5}  {line.text}" for line in lines_of(session.run.entries[:end], is_cut=is_cut)]
    if session.step is None:
        return [*lines, f"  => {session.run.outcome}"]
    return [*lines, *(f"  {line}" for line in _interruption(session, session.step))]


def readings_of(configs: Configs | None) -> list[str]:
    """What the boot found on flash: every config copy in words, and which one counts; nothing where there are none."""
    if configs is None:
        return []
    return [
        f"reads config {copy}: {reading_words(reading)}{'  <- counts' if copy == configs.newest else ''}"
        for copy, reading in enumerate(configs.copies)
    ]


def reading_words(reading: CopyReading) -> str:
    """One copy in words. What cannot be read for sure has no content that anything may rely on."""
    config = reading.config
    if config is None:
        unsure = "not readable for sure (error correction refuses it, or bits of it are weak)"
        return unsure if reading.reason == "uncorrectable" else reading.reason
    revert = "none" if config.revert_slot is None else f"slot {config.revert_slot}"
    state = "committed" if config.committed else "first boot pending" if config.first_boot else "entered, not committed"
    return f"sequencer {config.sequencer:#010x}, active slot {config.active_slot}, revert {revert}, {state}"


def hexdump(before: bytes, after: bytes, address: int, weak: bytes = b"") -> Iterator[str]:
    """Rows where ``after`` differs from ``before``, with a few around them; changed bytes are in [brackets].

    ``weak``: a mask of bits that may read differently; bytes with one are in {braces}.
    """
    weak = weak or bytes(len(after))
    rows = range(0, len(after), ROW)
    changed = {row for row in rows if before[row : row + ROW] != after[row : row + ROW] or any(weak[row : row + ROW])}
    near = {row + delta * ROW for row in changed for delta in (-1, 0, 1)} & set(rows)
    shown = sorted(near)[: 2 * CONTEXT_ROWS] + sorted(near)[-2 * CONTEXT_ROWS :]
    last = None
    for row in sorted(set(shown)):
        if last is not None and row != last + ROW:
            yield "    ..."
        last = row
        cells = [
            f"{{{new:02x}}}" if bits else f"[{new:02x}]" if new != old else f" {new:02x} "
            for old, new, bits in zip(
                before[row : row + ROW], after[row : row + ROW], weak[row : row + ROW], strict=True
            )
        ]
        yield f"    {address + row:08x} {''.join(cells).rstrip()}"
    if not changed:
        yield "    (no byte changed)"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a session: the first journal entry it tells, when that began, and what happened."""

    entry: int
    start_us: int
    text: str


def lines_of(entries: list[Entry], *, is_cut: bool) -> Iterator[Line]:
    """Journal entries as lines; operations that carry on where the last were are one line, see `report.stretches`. What
    is known outside the device is left out: frames say it. ``is_cut``: something strikes behind the last one."""
    index = 0
    while index < len(entries):
        entry = entries[index]
        if isinstance(entry, Operation):
            done = _operations(entries, index)
            for stretch in stretches_of(done, is_cut=is_cut and index + len(done) == len(entries)):
                yield Line(index, stretch.done[0].start_us, stretch.words)
                index += len(stretch.done)
            continue
        if not (isinstance(entry, Event) and entry.name == OUTSIDE):
            text = event_words(entry.name, entry.facts) if isinstance(entry, Event) else f"MISUSE {_misuse(entry)}"
            yield Line(index, entry.time_us, text)
        index += 1


def _operations(entries: list[Entry], first: int) -> list[Operation]:
    """Entry ``first``, and those behind it up to the next that is none."""
    done: list[Operation] = []
    for entry in islice(entries, first, None):
        if not isinstance(entry, Operation):
            break
        done.append(entry)
    return done


_DISTURBED = {
    "frame-lost": "IT IS LOST",
    "frame-doubled": "IT ARRIVES TWICE",
    "frame-late": "IT IS 25 s LATE",
    "link-stalled": "THE LINK CARRIES NOTHING FOR 700 s",
    "link-broken": "THE LINK BREAKS",
}


def disturbances(entries: list[Entry]) -> list[str]:
    """What the network did to frames, in few words each."""
    frames = [entry.facts for entry in entries if isinstance(entry, Event) and entry.name == FRAME]
    return [f"{_DISTURBED[how].lower()}: {name}" for _, name, how in frames if how]


def event_words(name: str, facts: tuple[Any, ...]) -> str:
    """An event of `emu.events` as a person says it."""
    match name:
        case _ if name == DECIDED:
            return f"bootloader: {facts[0]}, slot {facts[1] if facts[1] >= 0 else 'none'} ({facts[2]})"
        case _ if name == HANDOVER:
            where = facts[3] if len(facts) > 3 else f"slot {facts[0]}"  # a window has a name, a slot of ours a number
            return f"hand-over to {where}: the {facts[1]} image{', on trial' if facts[2] else ''}"
        case _ if name == ARMED:
            return f"commit timer armed, {facts[0]} s"
        case _ if name == REFUSED:
            return f"update refused: {facts[0]}"
        case _ if name == MERGED:
            return f"the user's files are carried over: {facts[0]}"
        case _ if name == MERGE_FAILED:
            return f"the user's files cannot be carried over: {facts[0]}"
        case _ if name == FILES:
            return f"files of slot {facts[0]}: {facts[3] or ', '.join(path for path, _ in facts[2]) or 'none'}"
        case _ if name == RETAINED:
            return f"retained RAM: {facts[0]} = {facts[1]}"
        case _ if name == FRAME:
            return f"{facts[0]} sends {facts[1]}{f'  *** {_DISTURBED[facts[2]]}' if facts[2] else ''}"
        case _ if name == CLAIMED:
            unsaid = ", which flash did not say then" if facts[0] == APPLIED and not facts[1] else ""
            return f"the peer takes the update for {facts[0]}{unsaid}"
        case _ if name == OUTSIDE:
            return "what the peer knows, or what is on its way"
        case _ if name == NOTE:
            return str(facts[0])
        case _ if name == OFFERED:
            return f"asked to keep {facts[0]} = {shown(facts[1])}"
        case _ if name == TOLD:
            return f"told: {facts[0]} = {shown(facts[1])}"
        case _ if name == SAID:
            return f"{facts[0]} says {facts[1]!r}"
        case _:
            return name


def _misuse(entry: Entry) -> str:
    assert isinstance(entry, Misuse), "journals hold operations, events and misuses: please report"
    return entry.message


def _interruption(session: Session, step: Step) -> Iterator[str]:
    yield f"{step.entry:>5}  *** {interruption_words(session, step)}"
    if session.torn is not None:
        yield from _torn(session.torn)
    if session.run.outcome.kind != "cut":
        yield f"  => {session.run.outcome}"


def interruption_words(session: Session, step: Step) -> str:
    """What interrupted a session, and where."""
    if session.torn is None:
        what = {
            "cut": "POWER CUT",
            "reset": "RESET LINE PULLED",
            "hang": "FIRMWARE HANGS",
            "timer": "COMMIT TIMER FIRES",
        }
        return f"{what[step.how]} here"
    operation = session.torn.operation
    return (
        f"POWER CUT inside {operation.kind} of {operation.length} bytes "
        f"at {operation.device} {operation.address:#x}: {step.how}"
    )


def _torn(torn: Torn) -> Iterator[str]:
    if any(torn.weak):
        yield f"    {counted(sum(bits.bit_count() for bits in torn.weak), 'weak bit')}, in {{braces}}"
    yield from hexdump(torn.before, torn.after, torn.address, torn.weak)
