"""A replayed token, told step by step: what each boot decided, what was written, where it was cut, what was torn.

Neighbours: `campaign.replay` has the facts. Plain text. Runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from emu.campaign.replay import Session, Story, Torn
from emu.campaign.verdict import Step
from emu.events import ARMED, DECIDED, FILES, HANDOVER, MERGE_FAILED, MERGED, REFUSED, RETAINED
from emu.words import counted
from flash.journal import Entry, Event, Misuse, Operation

ROW = 16
CONTEXT_ROWS = 3
NEAR = 4096


def tell(story: Story) -> str:
    """The whole story as text."""
    lines: list[str] = []
    for number, session in enumerate(story.sessions, 1):
        lines.append(f"session {number}: reset by {session.state.cause}")
        end = len(session.run.entries) if session.step is None else session.step.entry
        lines += [f"  {line}" for line in _entries(session.run.entries[:end])]
        if session.step is None:
            lines.append(f"  => {session.run.outcome}")
        else:
            lines += [f"  {line}" for line in _interruption(session, session.step)]
        lines.append("")
    if story.breaches:
        lines += [f"BROKEN {breach.check}: {breach.message}" for breach in story.breaches]
    else:
        lines.append("every check held on this path")
    return "\n".join(lines)


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


def _entries(entries: list[Entry]) -> Iterator[str]:
    """Journal entries as lines; operations that carry on where the last were are one line."""
    index = 0
    while index < len(entries):
        entry = entries[index]
        if isinstance(entry, Operation):
            stop = index
            done: list[Operation] = []
            while stop < len(entries) and _continues(entries[stop], done):
                stop += 1
            yield _operations(index, done)
            index = stop
            continue
        yield f"{index:>5}  {_event(entry)}" if isinstance(entry, Event) else f"{index:>5}  MISUSE {_misuse(entry)}"
        index += 1


def _continues(entry: Entry, done: list[Operation]) -> bool:
    """Whether an operation carries on where the last ones were; then it joins ``done``."""
    if not isinstance(entry, Operation):
        return False
    if done:
        low, high = min(o.address for o in done), max(o.address + o.length for o in done)
        if entry.device != done[0].device or not low - NEAR <= entry.address <= high + NEAR:
            return False
    done.append(entry)
    return True


def _operations(index: int, done: list[Operation]) -> str:
    kinds = Counter(operation.kind for operation in done)
    counted = ", ".join(f"{count} {kind}s" if count > 1 else kind for kind, count in sorted(kinds.items()))
    span = f"{min(o.address for o in done):#x}..{max(o.address + o.length for o in done):#x}"
    took = (done[-1].end_us - done[0].start_us) / 1000
    return f"{index:>5}  {counted} in {done[0].device} {span}, {took:.1f} ms"


def _event(event: Event) -> str:
    facts = event.facts
    match event.name:
        case _ if event.name == DECIDED:
            return f"bootloader: {facts[0]}, slot {facts[1] if facts[1] >= 0 else 'none'} ({facts[2]})"
        case _ if event.name == HANDOVER:
            return f"hand-over to slot {facts[0]}: the {facts[1]} image{', on trial' if facts[2] else ''}"
        case _ if event.name == ARMED:
            return f"commit timer armed, {facts[0]} s"
        case _ if event.name == REFUSED:
            return f"update refused: {facts[0]}"
        case _ if event.name == MERGED:
            return f"the user's files are carried over: {facts[0]}"
        case _ if event.name == MERGE_FAILED:
            return f"the user's files cannot be carried over: {facts[0]}"
        case _ if event.name == FILES:
            return f"files of slot {facts[0]}: {facts[3] or ', '.join(path for path, _ in facts[2]) or 'none'}"
        case _ if event.name == RETAINED:
            return f"retained RAM: {facts[0]} = {facts[1]}"
        case _:
            return event.name


def _misuse(entry: Entry) -> str:
    assert isinstance(entry, Misuse), "journals hold operations, events and misuses: please report"
    return entry.message


def _interruption(session: Session, step: Step) -> Iterator[str]:
    if session.torn is None:
        what = {
            "cut": "POWER CUT",
            "reset": "RESET LINE PULLED",
            "hang": "FIRMWARE HANGS",
            "timer": "COMMIT TIMER FIRES",
        }
        yield f"{step.entry:>5}  *** {what[step.how]} here"
    else:
        yield from _torn(session.torn, step)
    if session.run.outcome.kind != "cut":
        yield f"  => {session.run.outcome}"


def _torn(torn: Torn, step: Step) -> Iterator[str]:
    operation = torn.operation
    yield (
        f"{step.entry:>5}  *** POWER CUT inside {operation.kind} of {operation.length} bytes "
        f"at {operation.device} {operation.address:#x}: {step.how}"
    )
    if any(torn.weak):
        yield f"    {counted(sum(bits.bit_count() for bits in torn.weak), 'weak bit')}, in {{braces}}"
    yield from hexdump(torn.before, torn.after, torn.address, torn.weak)
