"""The update of a board that comes over a UART: what is sent, and who sends it.

Neighbours: `board` reads one, `attempt` has it brought. Content travels: an `Update` is plain data; a host of the
user's is named by its file, and the file must be the same wherever it is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emu.cpu.chip import Chip
from emu.elf.conversation import SECOND, Manner
from emu.elf.document import UpdateEntry
from emu.elf.host import Host
from emu.elf.raw import Raw
from emu.elf.xmodem import LONG, SHORT, XmodemHost, YmodemHost
from emu.errors import BoardError, ScenarioError
from emu.own_file import content_of, load_module
from emu.source import Source
from flash.tomlfile import nearest

_SERIAL_MODELS = ("usart-v1", "usart-v2", "lpuart", "nrf-uart")
_ADVICE = "give a file of Python"
_OF_RAW = ("chunk", "ack", "pause_ms", "done")


@dataclass(frozen=True)
class Update:
    """``data`` as `send` of the entry comes to it. ``source``: of a host of the user's; None: a protocol."""

    entry: UpdateEntry
    data: bytes
    source: Source | None = None

    @property
    def how(self) -> str:
        """For a reader."""
        by = str(self.source.name if self.source else self.entry.protocol)
        return f"{len(self.data):,} bytes over {self.entry.port} by {by}"

    @property
    def tells(self) -> bool:
        """Whether the host ever takes it that the device has the update."""
        return self.entry.protocol != "raw" or bool(self.entry.done)


def serial_ports(chip: Chip) -> list[str]:
    """The UARTs of a chip, by name."""
    return [each.name for each in chip.peripheral if each.model in _SERIAL_MODELS]


def check_update(entry: UpdateEntry, chip: Chip, where: str) -> None:
    """Raises BoardError for keys that cannot be right together, or on this chip."""
    ports = serial_ports(chip)
    if entry.port not in ports:
        raise BoardError(
            f"{where}: update.port: {chip.name} has no UART {entry.port!r}{nearest(entry.port, ports)}; it has "
            f"{', '.join(ports) or 'none'}"
        )
    if (entry.protocol is None) == (not entry.host):
        raise BoardError(
            f"{where}: update: give protocol (raw, xmodem, xmodem-1k, ymodem) or host (FILE.py:NAME), one of them"
        )
    if entry.protocol != "raw":
        given = [name for name in _OF_RAW if getattr(entry, name)]
        if given:
            raise BoardError(f'{where}: update.{given[0]}: is for protocol = "raw"; leave it out')
    if entry.ack and not entry.chunk:
        raise BoardError(f"{where}: update.ack: without update.chunk nothing is sent behind the answer; give chunk")
    for name in ("after", "greeting", "ack", "done"):
        try:
            getattr(entry, name).encode("latin-1")
        except UnicodeEncodeError:
            raise BoardError(
                f"{where}: update.{name}: {getattr(entry, name)!r} is no text of bytes: use characters up to \\u00ff"
            ) from None


def host_source(host: str, folder: Path, where: str) -> Source:
    """The class a board file names, found and looked at. Raises BoardError."""
    path, colon, name = host.rpartition(":")
    if not colon or not name.isidentifier():
        raise BoardError(f"{where}: update.host: {host!r} is not FILE.py:NAME, the name of a class in a file")
    try:
        source = Source(str(folder / path), name, hashlib.sha256(content_of(str(folder / path), _ADVICE)).hexdigest())
        _host_class(source)
    except ScenarioError as wrong:
        raise BoardError(f"{where}: update.host: {wrong}") from None
    return source


def manner_of(update: Update) -> Manner:
    """How an attempt to bring ``update`` goes. Raises ScenarioError where a host of the user's has changed."""
    entry = update.entry
    return Manner(
        _maker(update), entry.baud, entry.after.encode("latin-1"), entry.greeting.encode("latin-1"),
        round(entry.patience_s * SECOND),
    )  # fmt: skip


def _maker(update: Update) -> Callable[[], Host]:
    entry, name = update.entry, Path(update.entry.send).name
    if update.source is not None:
        return partial(_made, _host_class(update.source), update.data, name)
    if entry.protocol == "raw":
        return partial(
            Raw, update.data, name, chunk=entry.chunk, ack=entry.ack.encode("latin-1"),
            pause_us=1000 * entry.pause_ms, done=entry.done.encode("latin-1"),
        )  # fmt: skip
    if entry.protocol == "ymodem":
        return partial(YmodemHost, update.data, name)
    return partial(XmodemHost, update.data, name, block_size=LONG if entry.protocol == "xmodem-1k" else SHORT)


def _made(host: type[Host], data: bytes, name: str) -> Host:
    try:
        return host(data, name)
    except Exception as wrong:
        raise ScenarioError(f"host {host.__name__} cannot be made: {type(wrong).__name__}: {wrong}") from wrong


def _host_class(source: Source) -> type[Host]:
    raw = content_of(source.path, _ADVICE)
    if hashlib.sha256(raw).hexdigest() != source.digest:
        raise ScenarioError(f"{source.path}: has changed since the campaign began; run it again")
    found = vars(load_module(source.path, raw)).get(source.name)
    if not isinstance(found, type) or not issubclass(found, Host):
        what = "nothing is called" if found is None else "no class derived from emu.elf.host.Host is"
        raise ScenarioError(f"{source.path}: {what} {source.name!r}; write class {source.name}(emu.elf.host.Host)")
    return found
