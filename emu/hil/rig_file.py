"""A rig, described in TOML: console, power switch, how an update is started, what the device says, time limits.

Neighbours: `external_rig` is built from it; `links` and `relays` have the drivers it names. Unknown keys are refused
with the nearest match, as in a board. Runs nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from emu.board import Name, NonNegative, Positive
from emu.errors import RigFileError
from flash.files import read_bounded
from flash.tomlfile import nearest, read_toml

Words = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
TimedCheck = Literal["boots", "whole", "durable", "reverts", "retries"]
TIMED_CHECKS: tuple[TimedCheck, ...] = ("boots", "whole", "durable", "reverts", "retries")
MAX_UPDATE_SIZE = 64 << 20
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
PLACES = ("python", "work")
UPDATE_PLACES = (*PLACES, "file", "hex", "size")
BAUD = 115_200


class LinkEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a console, or a relay board, is. ``pty``: the terminal of the command that is the device. ``tcp``: a port.
    ``serial``: a serial port or a terminal by its path. ``goes_with_power``: it is the device's own and vanishes with
    its power (so it is where the device is a process, unless this says no); else it is there all the time, and its loss
    is the rig's. ``baud``: BAUD where it is not given."""

    kind: Literal["pty", "tcp", "serial"]
    host: str = ""
    port: Port | None = None
    device: str = ""
    baud: Positive | None = None
    goes_with_power: bool | None = None


class RelayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What switches power. ``process``: the device is a command, started and killed. ``line``: text to a relay board,
    and the ``answer`` it must give. ``command``: programs that switch, each of which must succeed. ``off_ms``: how long
    the power stays away at least."""

    driver: Literal["process", "line", "command"]
    command: Words | None = None
    line: LinkEntry | None = None
    on: str | Words = ""
    off: str | Words = ""
    answer: str = ""
    off_ms: NonNegative = 500


class StepEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Text for the console, one byte per character, and what the device must answer before the next."""

    send: str
    expect: str = ""


class RestoreEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the old image comes back: a ``command``, run with the power ``off`` or ``on``."""

    command: Words
    power: Literal["off", "on"] = "off"


class UpdateEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an update is started: steps on the console, or a ``command`` that runs beside it. ``file``: the update."""

    file: str
    step: tuple[StepEntry, ...] = ()
    command: Words | None = None


class ConsoleEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lines mean: regular expressions, searched for in each. ``image``: an image says that it runs; one that is
    neither ``old`` nor ``new`` is none of the known ones. ``ask``: text that makes the device say it again."""

    old: str
    new: str
    image: str = ""
    trial: str = ""
    committed: str = ""
    dead: str = ""
    ask: str = ""
    ask_every_ms: Positive = 500


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``boot_s``: from power-on until an image says that it runs. ``answer_s``: until a step is answered. ``update_s``:
    from the start of an update until the device has settled. ``commit_s``: until an image that runs has committed or
    is left. ``settle_ms``: nothing changed for so long. ``relay_s``: what a relay or a restore may take."""

    boot_s: Seconds = 20.0
    answer_s: Seconds = 20.0
    update_s: Seconds = 300.0
    commit_s: Seconds = 90.0
    relay_s: Seconds = 120.0
    settle_ms: Positive = 2000


class ChecksEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    apply: Annotated[tuple[TimedCheck, ...], msgspec.Meta(min_length=1)] = TIMED_CHECKS
    max_resets: Positive = 8


class RigDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document."""

    name: Name
    link: LinkEntry
    relay: RelayEntry
    restore: RestoreEntry
    update: UpdateEntry
    console: ConsoleEntry
    summary: str = ""
    limits: LimitEntry = LimitEntry()
    checks: ChecksEntry = ChecksEntry()


@dataclass(frozen=True)
class RigFile:
    """A checked rig: the document, where it is, and the update it names. ``digest`` covers the document alone."""

    document: RigDocument
    path: Path
    update: bytes

    @property
    def folder(self) -> Path:
        """Where its commands run, and its files are looked for."""
        return self.path.resolve().parent

    @property
    def update_path(self) -> Path:
        return self.folder / self.document.update.file

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.document)).hexdigest()


def load_rig(path: Path) -> RigFile:
    """Read and check a rig file, and the update beside it. Raises RigFileError."""
    document = read_toml(path, RigDocument, error=RigFileError)
    where = str(path)
    _check_link(document.link, "link", where)
    _check_relay(document, where)
    _check_update(document.update, where)
    _check_console(document, where)
    _check_words(document.restore.command, PLACES, "restore: command", where)
    if len(set(document.checks.apply)) != len(document.checks.apply):
        raise RigFileError(f"{where}: checks: apply names a check twice")
    file = path.parent / document.update.file
    try:
        update = read_bounded(file, MAX_UPDATE_SIZE)
    except OSError as wrong:
        raise RigFileError(f"{where}: update: file {file}: cannot be read: {wrong.strerror}") from None
    if not update:
        raise RigFileError(f"{where}: update: file {file}: is empty; there is nothing to send")
    return RigFile(document, path, update)


_LINK_KEYS = {"pty": ((), ()), "tcp": (("host", "port"), ("goes_with_power",)),
              "serial": (("device",), ("baud", "goes_with_power"))}  # fmt: skip
_RELAY_KEYS = {"process": (("command",), ()), "line": (("line", "on", "off"), ("answer",)),
               "command": (("on", "off"), ())}  # fmt: skip


def _check_keys(entry: msgspec.Struct, kind: str, keys: tuple[tuple[str, ...], tuple[str, ...]], where: str) -> None:
    """``keys``: those that must be given for ``kind``, and those that may."""
    needed, allowed = keys
    default = {field.name: field.default for field in msgspec.structs.fields(entry) if not field.required}
    given = [name for name, value in default.items() if getattr(entry, name) != value]
    for name in needed:
        if name not in given:
            raise RigFileError(f"{where}: {kind!r} needs the key `{name}`")
    for name in given:
        if name not in (*needed, *allowed, "off_ms"):
            raise RigFileError(f"{where}: the key `{name}` is not for {kind!r}; leave it out")


def _check_link(entry: LinkEntry, name: str, where: str) -> None:
    _check_keys(entry, entry.kind, _LINK_KEYS[entry.kind], f"{where}: {name}")


def _check_relay(document: RigDocument, where: str) -> None:
    relay, at = document.relay, f"{where}: relay"
    _check_keys(relay, relay.driver, _RELAY_KEYS[relay.driver], at)
    if document.link.kind == "pty" and relay.driver != "process":
        raise RigFileError(f"{where}: link: a pty is the terminal of a process; relay driver {relay.driver!r} has none")
    if relay.command is not None:
        _check_words(relay.command, PLACES, "relay: command", where)
    kinds, form = (str, "text in quotes") if relay.driver == "line" else (tuple, "a list of words")
    for name, value in (("on", relay.on), ("off", relay.off)) if relay.driver != "process" else ():
        if not isinstance(value, kinds):
            raise RigFileError(f"{at}: {name}: {relay.driver!r} needs {form}")
        if isinstance(value, tuple):
            _check_words(value, PLACES, f"relay: {name}", where)
        else:
            _check_bytes(value, f"relay: {name}", where)
    if relay.line is not None:
        if relay.line.kind == "pty":
            raise RigFileError(f"{at}: line: a relay board is at a tcp port or a serial device, not at a pty of ours")
        _check_link(relay.line, "relay: line", where)
        if relay.line.goes_with_power:
            raise RigFileError(f"{at}: line: a relay board does not go with the power it switches")
    _check_pattern(relay.answer, "relay: answer", where)


def _check_update(entry: UpdateEntry, where: str) -> None:
    if bool(entry.step) == (entry.command is not None):
        raise RigFileError(f"{where}: update: give `[[update.step]]` or `command`, one of them")
    for number, step in enumerate(entry.step, 1):
        at = f"update: step {number}"
        _check_bytes(step.send, f"{at}: send", where)
        _check_words((step.send,), UPDATE_PLACES, f"{at}: send", where)
        _check_pattern(step.expect, f"{at}: expect", where)
        if not (step.send or step.expect):
            raise RigFileError(f"{where}: {at}: sends nothing and expects nothing")
    if entry.command is not None:
        _check_words(entry.command, UPDATE_PLACES, "update: command", where)


def _check_console(document: RigDocument, where: str) -> None:
    console = document.console
    for name in ("old", "new", "image", "trial", "committed", "dead"):
        _check_pattern(getattr(console, name), f"console: {name}", where, is_needed=name in ("old", "new"))
    _check_bytes(console.ask, "console: ask", where)
    if console.old == console.new:
        raise RigFileError(f"{where}: console: old and new are the same expression: no update could be told")


def _check_pattern(text: str, name: str, where: str, *, is_needed: bool = False) -> None:
    if is_needed and not text:
        raise RigFileError(f"{where}: {name}: an expression is needed, not ''")
    try:
        found = re.compile(text).search("") if text else None
    except re.error as wrong:
        raise RigFileError(f"{where}: {name}: {text!r} is no regular expression: {wrong}") from None
    if found is not None:
        raise RigFileError(f"{where}: {name}: {text!r} is found in an empty line: it says nothing")


def _check_bytes(text: str, name: str, where: str) -> None:
    """One character is one byte on the wire."""
    for character in text:
        if ord(character) > 0xFF:
            raise RigFileError(f"{where}: {name}: {character!r} is no byte; write characters up to \\u00ff")


def _check_words(words: tuple[str, ...], known: tuple[str, ...], name: str, where: str) -> None:
    for word in words:
        for place in PLACEHOLDER.findall(word):
            if place not in known:
                raise RigFileError(f"{where}: {name}: nothing stands for {{{place}}}{nearest(place, known)}")
