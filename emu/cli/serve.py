"""`brownout serve`: an emulated device on real links, until somebody ends it.

Neighbours: `emu.ota.mongoose.device` is the device, `emu.ota.serving` keeps it in time, `keys` are the user's hand.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emu.board_kind import is_elf_board
from emu.cli.hand import serve_by_hand, show, warn
from emu.cli.serve_elf import ElfLinks, serve_elf
from emu.errors import UsageError
from emu.words import printable

if TYPE_CHECKING:
    from emu.ota.links.link import Link
    from emu.ota.mongoose.device import MongooseDevice
    from emu.ota.mongoose.guard import Guard
    from emu.ota.mongoose.talks import Served

MAX_RULES_SIZE = 1 << 20
FILE = click.Path(path_type=Path)
PORT = click.IntRange(0, 65535)


@dataclass(frozen=True)
class _Links:
    serial: bool
    tcp: int | None
    http: int | None
    mqtt: str | None
    bind: str
    hostile: int | None


@click.command("serve")
@click.option("--board", "board_name", default="demo", show_default=True, metavar="B",
              help="A bundled board, or the path of a board file.")  # fmt: skip
@click.option("--from", "source", type=FILE, metavar="FILE", help="What runs on it: an image, or a firmware .zip.")
@click.option("--serial", is_flag=True, help="A serial port: a pseudo-terminal.")
@click.option("--tcp", type=PORT, metavar="PORT", help="RPC over TCP; 0: any free port.")
@click.option("--http", type=PORT, metavar="PORT", help="HTTP and WebSocket; 0: any free port.")
@click.option("--mqtt", metavar="URL", help="Through the broker at mqtt://[USER:PASSWORD@]HOST[:PORT].")
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where TCP and HTTP listen.")
@click.option("--hostile", type=click.IntRange(0, (1 << 63) - 1), metavar="SEED",
              help="Put a hostile network in front of TCP and HTTP: connections are cut, stalled, late, in pieces. "
                   "Which of them, and where, is drawn from SEED.")  # fmt: skip
@click.option("--device-id", metavar="ID", help="What the device is called; it is part of its MQTT topics.")
@click.option("--auth", "auth_file", type=FILE, metavar="FILE",
              help="Who may call: a file of passwords, as htdigest writes it.")  # fmt: skip
@click.option("--acl", "acl_file", type=FILE, metavar="FILE",
              help="Who may call what: a JSON array of rules, as the config key rpc.acl. With --auth alone: "
                   "everybody in it may call everything.")  # fmt: skip
@click.option("--state", "state_file", type=FILE, metavar="FILE",
              help="Keep the content of the flash: read at the start if it is there, written whenever it has changed "
                   "(at most once a second) and at the end.")  # fmt: skip
@click.option("--uart", default="", metavar="NAME",
              help="Which UART of an ELF's board is joined (default: that of its [update]).")  # fmt: skip
@click.option("--fast", is_flag=True, help="Do not wait for the time that flash operations take.")
def command(board_name: str, source: Path | None, serial: bool, tcp: int | None, http: int | None, mqtt: str | None,
            bind: str, hostile: int | None, device_id: str | None, auth_file: Path | None, acl_file: Path | None,
            state_file: Path | None, uart: str, fast: bool) -> int:  # fmt: skip
    """Serve an emulated Mongoose OS device on real links, all of them at once if you like.

    Prints each address with command lines that use it, then the device's log. The device's time follows the wall
    clock: timers run out when they would, and an answer waits for the flash. On a terminal, keys are the hand at the
    device: p cuts the power and restores it, r presses reset, q quits (elsewhere: the first letters of lines).

    With a board for an ELF, --serial and --tcp are one of its UARTs, byte by byte, for a flashing tool of your own.
    """
    links = _Links(serial, tcp, http, mqtt, bind, hostile)
    if is_elf_board(Path(board_name)):
        for option, value in (
            ("--from", source), ("--http", http), ("--mqtt", mqtt), ("--hostile", hostile), ("--device-id", device_id),
            ("--auth", auth_file), ("--acl", acl_file),
        ):  # fmt: skip
            if value is not None:
                raise UsageError(f"{option} is for brownout's own device; {board_name} is a board for an ELF")
        if not serial and tcp is None:
            raise UsageError("no link was asked for: give --serial or --tcp PORT")
        return serve_elf(Path(board_name), ElfLinks(serial, tcp, bind, uart), state_file, fast=fast)
    if uart:
        raise UsageError(f"--uart is for a board for an ELF; {board_name} is none")
    if not serial and tcp is None and http is None and mqtt is None:
        raise UsageError("no link was asked for: give --serial, --tcp PORT, --http PORT or --mqtt URL")
    if hostile is not None and tcp is None and http is None:
        raise UsageError("--hostile has nothing to stand in front of: give --tcp PORT or --http PORT")
    device = _device(board_name, source, device_id, _guard(auth_file, acl_file), state_file)
    try:
        return asyncio.run(_serve(device, links, fast, state_file))
    finally:
        if state_file is not None:
            from emu.ota.state_file import save_state

            save_state(state_file, device.device, device.beside)


def _device(board_name: str, source: Path | None, device_id: str | None, guard: Guard,
            state_file: Path | None) -> MongooseDevice:  # fmt: skip
    """The device as it leaves the factory, or as the last run left it."""
    from emu.board import board_files, load_board
    from emu.cli.inputs import read_factory
    from emu.cli.output import check_writable
    from emu.device import EmulatedDevice
    from emu.factory import make_factory_device
    from emu.inspection.archive import open_archive
    from emu.inspection.files import is_archive, read_whole
    from emu.ota.mongoose.device import MongooseDevice
    from emu.ota.mongoose.identity import Identity
    from emu.ota.mongoose.settings import SettingsError
    from emu.ota.state_file import load_state

    board = load_board(board_name)
    check_writable(state_file, (source, *board_files(board_name, board)))
    is_kept = state_file is not None and state_file.exists()
    if is_kept and source is not None:
        raise UsageError(f"{state_file}: holds what runs on the device already: leave --from out, or remove the file")
    if is_kept and state_file is not None:
        kept = EmulatedDevice(board)
        beside = load_state(state_file, kept)
        device = MongooseDevice(kept, guard=guard)
        device.take(beside)
    else:
        image = read_factory(board, source)
        device = MongooseDevice(make_factory_device(board, (image, None)), guard=guard)
        if source is not None and is_archive(source, raw := read_whole(source)):
            manifest, _ = open_archive(source, raw, platform=board.document.platform)
            own = Identity(manifest.name, manifest.version, manifest.build_id)
            device.identities.knows(image.header.app_sha256, own)
    if device_id is not None:
        if not device_id or set(device_id) & set("+#/") or not device_id.isprintable():
            raise UsageError(f"--device-id: {printable(device_id)!r} cannot stand in a topic: no +, # or /")
        try:
            device.settings.merge({"device": {"id": device_id}})
        except SettingsError as wrong:
            raise UsageError(f"--device-id: {wrong}") from None
    return device


def _guard(auth_file: Path | None, acl_file: Path | None) -> Guard:
    """Access rules and passwords, both read once, before anything is opened."""
    from emu.ota.mongoose.acl import Acl
    from emu.ota.mongoose.digest import Algorithm, Passwords
    from emu.ota.mongoose.guard import Guard

    if auth_file is None and acl_file is None:
        return Guard()
    acl = Acl.parse(EVERYBODY_IN_THE_FILE if acl_file is None else _read(acl_file))
    if auth_file is None:
        return Guard(acl)
    text = _read(auth_file)
    fields = [line.strip().split(":") for line in text.splitlines() if line.strip()]
    realms = sorted({line[1] for line in fields if len(line) == 3})
    algorithm = Algorithm.SHA256 if fields and len(fields[0][-1]) == Algorithm.SHA256.digits else Algorithm.MD5
    passwords = Passwords.parse(text, str(auth_file), algorithm)
    if len(realms) != 1:
        raise UsageError(f"{auth_file}: names {len(realms)} realms, a device has one: give lines of one realm")
    return Guard(acl, lambda: passwords, realms[0], algorithm)


EVERYBODY_IN_THE_FILE = '[{"method": "**", "acl": "?**"}]'
"""Any user who can prove to be one."""


def _read(path: Path) -> str:
    from flash.files import read_bounded

    try:
        return read_bounded(path, MAX_RULES_SIZE).decode()
    except OSError as wrong:
        raise UsageError(f"{path}: cannot be read ({wrong.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text: give a text file") from None


async def _serve(device: MongooseDevice, asked: _Links, fast: bool, state_file: Path | None) -> int:
    from emu.cli.event_loop import tell_in_one_line
    from emu.ota.keeping import Keeping

    serving = device.serving(fast=fast, said=show)
    tell_in_one_line(warn)
    links, tell = _made(device, serving, asked)
    if state_file is not None:
        keeping = Keeping(state_file, device.device, lambda: device.beside, serving, said=warn)
        links.insert(0, keeping)
        serving.on_rest = keeping.rested
    if asked.http is not None or asked.mqtt is not None:
        links.append(device.servers())  # a device on a network reaches servers
    return await serve_by_hand(serving, links, tell)


def _made(device: MongooseDevice, serving: Served, asked: _Links) -> tuple[list[Link], list[Callable[[], list[str]]]]:
    """The links that were asked for, and what is said of each once it is open. Behind a hostile network a port of the
    device is one of this machine alone, and the network has the one that was asked for."""
    from emu.ota.links.hostile import HostileRelay

    links: list[Link] = []
    tell: list[Callable[[], list[str]]] = []
    hidden = ("127.0.0.1", 0)

    def add(link: Any, lines: Callable[[], list[str]]) -> None:
        links.append(link)
        tell.append(lines)

    def port(name: str, number: int, make: Callable[[str, int], Any]) -> Any:
        """What a peer reaches."""
        if asked.hostile is None:
            return make(asked.bind, number)
        link = make(*hidden)
        links.append(link)
        return HostileRelay(
            asked.bind, number, lambda: link.address, asked.hostile, serving, name=name, said=serving.tell
        )

    if asked.hostile is not None:
        tell.append(lambda: [f"hostile    a network of seed {asked.hostile} stands in front of TCP and HTTP"])
    if asked.serial:
        serial = device.serial()
        add(serial, lambda: _lines("serial", serial.path))
    if asked.tcp is not None:
        tcp = port("TCP", asked.tcp, device.tcp)
        add(tcp, lambda: _lines("TCP", "tcp://{}:{}".format(*tcp.address)))
    if asked.http is not None:
        http = port("HTTP", asked.http, device.http)

        def web() -> list[str]:
            where = "{}:{}".format(*http.address)
            return [
                *_lines("WebSocket", f"ws://{where}/rpc"),
                *_lines("HTTP", f"http://{where}/rpc"),
                f"           curl -F file=@FILE http://{where}/update",
            ]

        add(http, web)
    if asked.mqtt is not None:
        mqtt = device.mqtt(asked.mqtt)
        add(mqtt, lambda: _lines("MQTT", f"{mqtt.broker}/{device.device_id}"))
    return links, tell


def _lines(kind: str, address: str) -> list[str]:
    port = shlex.quote(address)
    return [
        f"{kind:<10} {address}",
        f"           brownout ota --port {port} FILE",
        f"           mos ota --port {port} FILE",
    ]
