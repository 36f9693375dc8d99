"""CFirmware: a shared library as a firmware, called at every reset in a process that really dies at the cut.

    device = Scenario(CFirmware("loader.so"), "w25q128jv", windows=..., images=..., factory=...)

Which library it is, is its content: its digest is in documents and certificates, and what was pickled loads the very
same bytes elsewhere or says that they have changed. A token does not hold it: it replays on what is built now.

Neighbours: `process` runs it, `calls` answers it, `plain_rig` calls it as it would any function. Knows no rig.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from pathlib import Path
from typing import BinaryIO, NoReturn

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from emu.errors import EngineLost, ScenarioError
from emu.native.calls import Desk, described
from emu.native.process import Message, Silence, Zygote, signal_name
from emu.native.zygote import ENDED, RETURNED
from emu.reset import Reset
from emu.rig import Input
from emu.timers import Hung
from flash.errors import HardwareFault
from flash.files import read_bounded

MAX_SIZE = 1 << 28
MAX_CALLS = 200_000
HANG_AFTER_S = 5.0


class LibraryFault(HardwareFault):
    """The library crashed, or ended its process: what a processor would trap on."""


class CFirmware:
    """The firmware in ``library``, which includes brownout.h and defines `brownout_firmware`.

    ``hang_after_s``: without a call for that long, in seconds of this computer, it hangs. ``max_calls``: with more
    calls in one session it is in an endless loop, and that is a hang, too. Raises ScenarioError for a library that
    cannot be used.
    """

    limits_itself = True
    """So that how fast this computer is decides nothing where calls are being made."""

    def __init__(self, library: str | Path, *, hang_after_s: float = HANG_AFTER_S, max_calls: int = MAX_CALLS) -> None:
        if hang_after_s <= 0 or max_calls < 1:
            raise ScenarioError(f"{library}: hang_after_s and max_calls leave no time for a session; give more than 0")
        self.library = Path(library).absolute()
        self.hang_after_s = hang_after_s
        self.max_calls = max_calls
        content = _content(self.library)
        _check_target(self.library, content)
        self.digest = hashlib.sha256(content).hexdigest()
        self._zygote: Zygote | None = None
        self._ready()

    @property
    def input(self) -> Input:
        """What reports and certificates call it: name and content."""
        return Input(self.library.name, self.digest)

    def close(self) -> None:
        """End the process that has the library loaded; the next session starts one."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (str(self.library), self.hang_after_s, self.max_calls, self.digest)

    # -- a session -----------------------------------------------------------------------------------------

    def __call__(self, reset: Reset) -> str | None:
        """One session. Returns what the firmware returns; raises what the world raises, and LibraryFault."""
        zygote = self._ready()
        try:
            zygote.begin()
            try:
                return self._session(zygote, reset)
            finally:
                zygote.end()
        except EngineLost:
            self.close()
            raise

    def _session(self, zygote: Zygote, reset: Reset) -> str | None:
        desk = Desk(reset, zygote.sent)
        last: Message | None = None
        for _ in range(self.max_calls):
            try:
                heard = zygote.hear(self.hang_after_s)
            except Silence:
                return self._hang(reset, f"no call for {self.hang_after_s:g} s of host time", last)
            if heard.what == RETURNED:
                return heard.text.decode(errors="backslashreplace") if heard.a else None
            if heard.what == ENDED:
                raise LibraryFault(f"{_how(heard)}{_after(last)}{_said(zygote.last_words())}")
            last = heard
            zygote.answer(*desk.answer(heard))
        return self._hang(reset, f"{self.max_calls:,} calls in one session", last)

    def _hang(self, reset: Reset, why: str, last: Message | None) -> NoReturn:
        """As firmware that says so itself; with the reason in the journal, and in the outcome if no timer ends it."""
        reason = f"{self.library.name}: {why}{_after(last)}"
        reset.note(reason)
        try:
            reset.hang()
        except Hung:
            raise Hung(f"{reason}, and no timer is running") from None

    def _ready(self) -> Zygote:
        """The zygote of this process. One that was forked away from it has none yet."""
        if self._zygote is None or self._zygote.owner != os.getpid():
            self._zygote = Zygote(self.library)
            if hashlib.sha256(_content(self.library)).hexdigest() != self.digest:
                self.close()
                raise ScenarioError(f"{self.library}: has changed since the campaign began; run it again")
        return self._zygote


def _again(library: str, hang_after_s: float, max_calls: int, digest: str) -> CFirmware:
    """What was pickled. Raises ScenarioError when the library is another one by now."""
    made = CFirmware(library, hang_after_s=hang_after_s, max_calls=max_calls)
    if made.digest != digest:
        raise ScenarioError(f"{library}: has changed since the campaign began; run it again")
    return made


def _content(library: Path) -> bytes:
    try:
        return read_bounded(library, MAX_SIZE)
    except OSError as wrong:
        raise ScenarioError(f"{library}: cannot be read: {wrong.strerror or wrong}; build it first") from None


def _check_target(library: Path, content: bytes) -> None:
    """Whether this computer can run it; the loader's own words for another processor are misleading."""
    theirs = _target(io.BytesIO(content))
    if theirs is None:
        raise ScenarioError(f"{library}: is no shared library (ELF); build one with cc -shared -fPIC")
    with Path(sys.executable).open("rb") as interpreter:
        ours = _target(interpreter)
    if ours is not None and theirs != ours:
        raise ScenarioError(f"{library}: is for {theirs}, and this computer runs {ours}; build it with the host's cc")


def _target(stream: BinaryIO) -> str | None:
    try:
        elf = ELFFile(stream)
        return f"{elf.get_machine_arch()} ({elf.elfclass} bit, {'little' if elf.little_endian else 'big'} endian)"
    except ELFError:
        return None


def _how(ended: Message) -> str:
    return f"{signal_name(ended.b)}" if ended.a else f"the library ended its process with exit code {ended.b}"


def _after(last: Message | None) -> str:
    return f" after {described(last)}" if last is not None else " before its first call"


def _said(words: str) -> str:
    return f": {words}" if words else ""
