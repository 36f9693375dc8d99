"""ExternalRig: a device behind a console and a power switch, as a `TimedRig`.

Everything it does is one loop: send what is due, read what is said, switch off when the time has come. The loop sleeps
in `select` alone, so a cut strikes when it is due, not when a device deigns to read.

Neighbours: `rig_file` describes it; `links`, `relays` and `programs` act; `settling` says when a stay is over. Knows no
check.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import msgspec

from emu.clock import Stopwatch
from emu.errors import RigFileError, RigLost
from emu.hil.console import Lines, Meanings
from emu.hil.lacks import lacks_of, notes_of
from emu.hil.links import make_link
from emu.hil.programs import Program, filled, how_it_ended, run_program
from emu.hil.relays import make_relay
from emu.hil.rig_file import PLACEHOLDER, TIMED_CHECKS, RigFile, StepEntry
from emu.hil.script import Script
from emu.hil.settling import Settling
from emu.rig import Capabilities, Input, Outcome
from emu.timed_rig import Said, Stay
from emu.wire import Wire, WireClosed, pause

TICK_S = 0.02
"""How often a stay looks at the clock when nothing is said: the grain of settling, never of a cut."""
GRACE_S = 0.1
"""How long what was said before a cut may take to arrive, at least."""
ENDING_S = 5.0
"""How long a process that has closed its terminal may take to end."""


class ExternalRig:
    """Use as a context manager: whatever happens, the power is off at the end and no process is left.

    Raises RigFileError for a program that is not there, MissingExtra, and RigLost from every method.
    """

    capabilities = Capabilities(snapshot=False, tears=False, deterministic=False, virtual_time=False)

    def __init__(self, rig: RigFile) -> None:
        document = rig.document
        _check_programs(rig)
        self._rig = rig
        self._limits = document.limits
        self._meanings = Meanings(document.console)
        self._ask = document.console.ask.encode("latin-1")
        self._link = make_link(document.link, default=document.relay.driver == "process")
        self._work = Path(tempfile.mkdtemp(prefix="brownout-rig-"))
        self._places = {
            "python": sys.executable, "work": str(self._work), "file": str(rig.update_path),
            "hex": rig.update.hex(), "size": str(len(rig.update)),
        }  # fmt: skip
        try:
            self._relay = make_relay(rig, self._places)
        except BaseException:
            self._work.rmdir()
            raise
        self._wire: Wire | None = None
        self._lines = Lines()
        self._updater: Program | None = None
        self._off_for: Stopwatch | None = None
        self.name = document.name
        self.inputs = {
            "rig": Input(str(rig.path), rig.digest),
            "update": Input(f"{document.update.file}, {len(rig.update):,} bytes",
                            hashlib.sha256(rig.update).hexdigest()),
        }  # fmt: skip
        self.lacks = lacks_of(document)
        self.checks = tuple(name for name in TIMED_CHECKS if name not in self.lacks)
        self.notes = notes_of(document)

    def __enter__(self) -> ExternalRig:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Power off; a relay that does not obey any more must not hide what went wrong before."""
        try:
            with contextlib.nullcontext() if error is None else contextlib.suppress(RigLost):
                self.power_off()
        finally:
            self._relay.close()
            self._close_wire()
            shutil.rmtree(self._work, ignore_errors=True)

    # -- the contract --------------------------------------------------------------------------------------

    def restore(self) -> None:
        entry = self._rig.document.restore
        self.power_off()
        if entry.power == "on":
            self._switch_on()
        run_program(filled(entry.command, self._places), self._rig.folder, self._limits.relay_s, "restore")
        self.power_off()

    def power_on(self) -> Stay:
        self._switch_on()
        return self._stay(Settling(self._rig.document, is_update=False), Script(()), cut_ms=None)

    def update(self, cut_ms: float | None) -> Stay:
        entry = self._rig.document.update
        steps = [msgspec.structs.replace(step, send=self._filled(step)) for step in entry.step]
        if entry.command is not None:
            self._updater = Program(filled(entry.command, self._places), self._rig.folder)
        try:
            return self._stay(Settling(self._rig.document, is_update=True), Script(steps), cut_ms=cut_ms)
        finally:
            if self._updater is not None:
                updater, self._updater = self._updater, None
                updater.kill()

    def power_off(self) -> None:
        """Off, and `_switch_on` sees to it that it stays off for `off_ms` at least."""
        if self._off_for is None:
            self._relay.off()
            self._off_for = Stopwatch()
        if self._link.goes_with_power:
            self._close_wire()

    # -- power ---------------------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        self.power_off()  # what it was before this rig began, nobody knows
        assert self._off_for is not None
        self._read_until(self._off_for, self._off_s)
        pause(self._off_s - self._off_for.seconds)
        if self._wire is not None:
            self._wire.drain()  # what was said before belongs to nobody
        self._lines = Lines()
        terminal = self._link.prepare()
        if not self._link.goes_with_power:
            self._wire = self._wire or self._link.open()
        self._off_for = None
        self._relay.on(terminal)
        self._wire = self._wire or self._link.open()

    @property
    def _off_s(self) -> float:
        return self._rig.document.relay.off_ms / 1000

    def _read_until(self, watch: Stopwatch, end_s: float) -> bytes:
        """What comes until ``watch`` shows ``end_s``, or the console is gone; power is off, so it was said before."""
        data = b""
        while self._wire is not None and watch.seconds < end_s:
            data += self._exchange(min(TICK_S, end_s - watch.seconds))
        return data

    # -- one stay ------------------------------------------------------------------------------------------

    def _stay(self, settling: Settling, script: Script, *, cut_ms: float | None) -> Stay:
        watch, said, asked_ms = Stopwatch(), list[Said](), 0.0
        sent_ms = 0.0
        while True:
            now_ms = watch.seconds * 1000
            if cut_ms is not None and now_ms >= cut_ms:
                return self._stay_cut(settling, said, watch)
            if cut_ms is None:
                outcome = settling.outcome(now_ms) or self._failed(script, now_ms - sent_ms)
                if outcome is not None:
                    return Stay(tuple(said), outcome, tail=tuple(self._lines.tail))
            if self._wire is not None:
                due = script.due()
                if due:
                    self._lines.ask()
                    self._wire.send(due)
                if self._wire.is_sending:
                    sent_ms = now_ms
                elif self._ask and script.is_done and now_ms - asked_ms >= self._ask_ms:
                    self._wire.send(self._ask)
                    asked_ms = now_ms
            wait_s = TICK_S if cut_ms is None else min(TICK_S, (cut_ms - now_ms) / 1000)
            for line in self._lines.feed(self._exchange(wait_s)):
                script.hear(line)
                self._hear(settling, said, line, watch.seconds * 1000)
            script.hear(self._lines.rest)
            if self._wire is None and cut_ms is None:
                gone = self._gone()
                if gone:
                    return Stay(tuple(said), Outcome("halted", detail=gone), tail=tuple(self._lines.tail))

    @property
    def _ask_ms(self) -> int:
        return self._rig.document.console.ask_every_ms

    def _stay_cut(self, settling: Settling, said: list[Said], watch: Stopwatch) -> Stay:
        """The cut. What still comes out of the console was said before it."""
        self._relay.off()
        cut_ms = watch.seconds * 1000
        self._off_for = Stopwatch()
        data = self._read_until(self._off_for, max(self._off_s, GRACE_S))
        for line in self._lines.feed(data):
            self._hear(settling, said, line, cut_ms)
        if self._link.goes_with_power:
            self._close_wire()
        return Stay(tuple(said), Outcome("cut"), cut_ms, tuple(self._lines.tail))

    def _hear(self, settling: Settling, said: list[Said], line: str, now_ms: float) -> None:
        for kind in self._meanings.of(line):
            if settling.hear(kind, line, now_ms):
                said.append(Said(kind, line.strip(), now_ms))

    def _exchange(self, wait_s: float) -> bytes:
        """What has come. A console that is not there, or goes away, is looked for again while the power is on."""
        if self._wire is None and self._off_for is None:
            self._wire = self._link.open()
        if self._wire is None:
            pause(wait_s)
            return b""
        try:
            return self._wire.exchange(wait_s)
        except WireClosed:
            self._lost_wire()
            return b""

    def _gone(self) -> str:
        """In words, what took away the device whose console is gone; "": it may come back."""
        has_terminal = self._rig.document.link.kind == "pty"
        gone = self._relay.gone(ENDING_S if has_terminal else 0)
        return gone or ("its process has closed the terminal" if has_terminal else "")

    def _lost_wire(self) -> None:
        """A console that goes with the power, or with a restart, may come back; any other is the rig's."""
        self._close_wire()
        if not self._link.goes_with_power:
            raise RigLost(f"the link: {self._link.label} has closed the line")

    def _close_wire(self) -> None:
        if self._wire is not None:
            wire, self._wire = self._wire, None
            wire.close()

    def _failed(self, script: Script, waited_ms: float) -> Outcome | None:
        """An update that cannot come to anything: no answer, or its command has failed."""
        limit_s = self._limits.answer_s
        if script.awaits and waited_ms >= limit_s * 1000:
            return Outcome("hung", detail=f"the update is not answered with {script.awaits!r} within {limit_s:g} s")
        code = None if self._updater is None else self._updater.wait(0)
        if code:
            assert self._updater is not None
            how = how_it_ended(code, self._updater.last_line)
            return Outcome("hung", detail=f"the update command failed with {how}")
        return None

    def _filled(self, step: StepEntry) -> str:
        return PLACEHOLDER.sub(lambda found: self._places[found[1]], step.send)


def _check_programs(rig: RigFile) -> None:
    """Raise RigFileError for a program that cannot be found, before anything is switched."""
    document, places = rig.document, {"python": sys.executable, "work": "."}
    commands = {
        "relay: command": document.relay.command,
        "relay: on": document.relay.on,
        "relay: off": document.relay.off,
        "restore: command": document.restore.command,
        "update: command": document.update.command,
    }
    for name, words in commands.items():
        if not isinstance(words, tuple):
            continue
        program = filled(words[:1], places | {"file": str(rig.update_path), "hex": "", "size": ""})[0]
        found = rig.folder / program if os.sep in program else Path(program)
        if shutil.which(found) is None:
            raise RigFileError(f"{rig.path}: {name}: there is no program {program!r}; give its path")
