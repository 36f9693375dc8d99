"""Sessions repeated where nothing has run before: a variable that survives a simulated reset is found here only.

What a firmware leaves in a module, in a class or in itself is still there after a simulated power cut, as nothing is on
a device. So a share of the sessions is repeated in a fresh interpreter, each in a process of its own that is forked
right after the imports: journal, outcome and the state that is left have to be the same.

Neighbours: an explorer hands over states it has run, or what became of them. Knows the rig's contract; which rig it is,
a `WorkSpec` says by name.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from emu.campaign.engines import WorkSpec
from emu.campaign.engines.child import forked
from emu.errors import ScenarioError
from emu.rig import DeviceState, Rig, Run
from flash.journal import Entry, Event, Misuse, Operation

TIMEOUT_S = 600


def rig_of(spec: WorkSpec) -> Rig:
    """The rig ``spec`` makes. ScenarioError: the factory is not there; what it raises itself is passed on."""
    try:
        make = spec.find()
    except (ImportError, AttributeError, ValueError) as missing:
        raise ScenarioError(f"no rig is made by {spec.function!r}: {missing}; give package.module:function") from None
    return cast(Rig, make(*spec.arguments))


@dataclass(frozen=True)
class Record:
    """A run as plain lines, to be compared between processes: one for every entry, and one for how it ended."""

    lines: tuple[str, ...]

    def differs_from(self, other: Record) -> str:
        """The first difference in words; "" where there is none."""
        for number, (mine, theirs) in enumerate(zip(self.lines, other.lines, strict=False)):
            if mine != theirs:
                return f"entry {number}: {mine}; where nothing has run before: {theirs}"
        if len(self.lines) != len(other.lines):
            return f"{len(self.lines)} lines; where nothing has run before: {len(other.lines)}"
        return ""


@dataclass(frozen=True)
class Difference:
    """``number``: which of the states. ``what``: where its session in a fresh interpreter first differs."""

    number: int
    what: str


def record_of(run: Run) -> Record:
    """What has to be the same, whoever runs it."""
    end = run.end
    left = f"{end.cause}, {end.attempts_left} attempts, RAM {end.ram}, memory {[s.key.hex() for s in end.memory]}"
    volatile = hashlib.sha256(end.volatile).hexdigest()
    left += f", {volatile}, outside {end.outside!r}"
    return Record((*map(_line, run.entries), f"{run.outcome!r} after {run.end_us} us; leaves {left}"))


def _line(entry: Entry) -> str:
    match entry:
        case Operation():
            torn = "" if entry.tear is None else f", torn: {entry.tear.name}"
            return (
                f"{entry.kind} {entry.device} {entry.address:#x}+{entry.length} {entry.data.hex()} "
                f"[{entry.start_us}, {entry.end_us}] us{torn}"
            )
        case Event():
            return f"{entry.name} {entry.facts!r} at {entry.time_us} us"
        case Misuse():
            return f"misuse: {entry.message} at {entry.time_us} us"


def repeat_in_fresh_interpreter(spec: WorkSpec, states: Sequence[DeviceState]) -> list[Difference]:
    """Run the session of each state here, after all that ran here before, and in a fresh interpreter."""
    rig = rig_of(spec)
    return differences([record_of(rig.run(state)) for state in states], fresh_records(spec, states))


def differences(records: Sequence[Record], fresh: Sequence[Record]) -> list[Difference]:
    """Where recorded runs and fresh ones are not the same."""
    pairs = enumerate(zip(records, fresh, strict=True))
    found = [(number, mine.differs_from(theirs)) for number, (mine, theirs) in pairs]
    return [Difference(number, what) for number, what in found if what]


def fresh_records(spec: WorkSpec, states: Sequence[DeviceState]) -> list[Record]:
    """The session of each state, run where nothing has run before.

    Raises ScenarioError when the other interpreter cannot do it, with its own last words.
    """
    if not states:
        return []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    try:
        answered = subprocess.run(
            [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
            input=pickle.dumps((spec, list(states))),
            capture_output=True,
            env=environment,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ScenarioError(f"a fresh interpreter did not repeat {len(states)} sessions in {TIMEOUT_S} s") from None
    if answered.returncode:
        words = answered.stderr.decode(errors="replace").strip().splitlines()
        raise ScenarioError(f"a fresh interpreter cannot repeat sessions: {words[-1] if words else 'it said nothing'}")
    records: list[Record] = pickle.loads(answered.stdout)
    return records


# -- on the other side -----------------------------------------------------------------------------------


def _answer(request: bytes) -> bytes:
    """Repeat every session of a request, each in a process that has done nothing else."""
    spec, states = pickle.loads(request)
    importlib.import_module(spec.function.partition(":")[0])
    return pickle.dumps([_told(in_a_child(partial(_fresh_run, spec, state))) for state in states])


def _fresh_run(spec: WorkSpec, state: DeviceState) -> Run:
    return rig_of(spec).run(state)


def _told(record: Record | str) -> Record:
    """The other side reads the last line of stderr."""
    if isinstance(record, str):
        print(record, file=sys.stderr, flush=True)
        raise SystemExit(1)
    return record


def in_a_child(session: Callable[[], Run]) -> Record | str:
    """A session in a child of this process: what it leaves behind dies with it. Words: why there is no record."""
    reading, writing = os.pipe()
    child = forked()
    if not child:
        os.close(reading)
        status = 1
        try:
            with os.fdopen(writing, "wb") as sink:
                try:
                    pickle.dump(record_of(session()), sink)
                except Exception as wrong:
                    pickle.dump(f"{type(wrong).__name__}: {wrong}", sink)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as source:
        said = source.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or not said:
        return "the firmware ends its process"
    record: Record | str = pickle.loads(said)
    return record


def main() -> None:
    """Of the fresh interpreter: a pickled request on stdin, the answer on stdout."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what a firmware prints is no answer
    with os.fdopen(answer, "wb") as sink:
        sink.write(_answer(sys.stdin.buffer.read()))
