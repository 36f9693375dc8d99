"""Sessions repeated where nothing has run before: a variable that survives a simulated reset is found here only.

What a firmware leaves in a module, in a class or in itself is still there after a simulated power cut, as nothing is on
a device. So a share of the sessions is repeated in a fresh interpreter, each in a process of its own that is forked
before any session has run there: journal, outcome and the state that is left have to be the same. A campaign asks more
than once, and one interpreter answers: to start it and to make the rig takes longer than most sessions.

Neighbours: an explorer hands over states it has run, or what became of them. Knows the rig's contract; which rig it is,
a `WorkSpec` says by name.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

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
    """The session of each state, run where nothing has run before. Raises as `FreshInterpreter.records` does."""
    with closing(FreshInterpreter(lambda: spec)) as other:
        return other.records(states)


class FreshInterpreter:
    """An interpreter that has made a rig, by a `WorkSpec`, and run no session on it. It is started by the first
    question, and there until `close`."""

    def __init__(self, spec: Callable[[], WorkSpec]) -> None:
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._said: BinaryIO = io.BytesIO()

    def records(self, states: Sequence[DeviceState]) -> list[Record]:
        """The session of each state, run there.

        Raises ScenarioError when the other interpreter cannot do it, with its own last words.
        """
        if not states:
            return []
        answer = self._asked(pickle.dumps(list(states)))
        if isinstance(answer, str):
            raise ScenarioError(f"a fresh interpreter cannot repeat sessions: {answer}")
        if answer is None:
            raise ScenarioError(f"a fresh interpreter did not repeat {len(states)} sessions in {TIMEOUT_S} s")
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def _asked(self, question: bytes) -> list[Record] | str | None:
        """The answer; words: why there is none. None: it takes too long."""
        if self._process is None:
            question = pickle.dumps(self._spec()) + question
            self._process = self._started()
        asks, hears = self._process.stdin, self._process.stdout
        assert asks is not None and hears is not None
        try:
            asks.write(question)
            asks.flush()
            with selectors.DefaultSelector() as patience:
                patience.register(hears, selectors.EVENT_READ)
                if not patience.select(TIMEOUT_S):
                    self._process.kill()
                    return None
            answer: list[Record] | str = pickle.load(hears)
        except (OSError, EOFError):
            self._process.kill()
            self._process.wait()
            self._said.seek(0)
            words = self._said.read().decode(errors="replace").strip().splitlines()
            return words[-1] if words else "it said nothing"
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the interpreter
        return subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
        )


# -- on the other side -----------------------------------------------------------------------------------


def answer_all(rig: Rig, questions: BinaryIO, answers: BinaryIO) -> None:
    """Repeat the sessions of one question after the other, each in a process that has run none, until nobody asks any
    more. An answer is the records, or words: why there are none."""
    while True:
        try:
            states: list[DeviceState] = pickle.load(questions)
        except EOFError:
            return
        records = [in_a_child(partial(rig.run, state)) for state in states]
        pickle.dump(next((record for record in records if isinstance(record, str)), records), answers)
        answers.flush()


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
    """Of the fresh interpreter: a pickled spec and questions on stdin, answers on stdout."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what a firmware prints is no answer
    with questions, answers:
        spec: WorkSpec = pickle.load(questions)
        try:
            rig = rig_of(spec)
        except Exception as wrong:
            pickle.dump(f"{type(wrong).__name__}: {wrong}", answers)
            return
        answer_all(rig, questions, answers)
