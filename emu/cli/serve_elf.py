"""`brownout serve` on a board for an ELF: its UART on a terminal or a TCP port, for a flashing tool of the user's.

Neighbours: `serve` decides which of the two it is; `emu.elf.node` is the device, `emu.elf.cable` joins it, `keys` are
the user's hand.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emu.cli.hand import serve_by_hand, show, warn
from emu.errors import UsageError
from emu.words import printable
from flash.tomlfile import nearest

if TYPE_CHECKING:
    from emu.elf.node import ElfNode
    from emu.ota.links.link import Link

BAUD = 115_200
"""Where the board file does not say."""


@dataclass(frozen=True)
class ElfLinks:
    """What was asked for. ``uart`` "": the one of the board's [update], or the only one."""

    serial: bool
    tcp: int | None
    bind: str
    uart: str


def serve_elf(board_file: Path, asked: ElfLinks, state_file: Path | None, *, fast: bool) -> int:
    """Until somebody ends it."""
    from emu.cli.output import check_writable
    from emu.elf.board import load_elf_board
    from emu.elf.node import ElfNode
    from emu.ota.state_file import load_state, save_state

    board = load_elf_board(board_file)
    check_writable(state_file, tuple(map(Path, board.paths)))
    entry = board.document.update
    node = ElfNode(board, baud=BAUD if entry is None else entry.baud)
    port = _port(asked.uart or ("" if entry is None else entry.port), node, board.chip.name)
    if state_file is not None and state_file.exists():
        load_state(state_file, node)
    try:
        return asyncio.run(_serve(node, port, asked, state_file, fast=fast))
    finally:
        if state_file is not None:
            save_state(state_file, node, {})


def _port(name: str, node: ElfNode, chip: str) -> str:
    ports = list(node.ports)
    if not name and len(ports) != 1:
        raise UsageError(f"{chip} has {', '.join(ports) or 'no UART'}: say which one with --uart NAME")
    if name and name not in ports:
        raise UsageError(f"--uart {printable(name)}: {chip} has no such UART{nearest(name, ports)}; {', '.join(ports)}")
    return name or ports[0]


async def _serve(node: ElfNode, port: str, asked: ElfLinks, state_file: Path | None, *, fast: bool) -> int:
    from emu.cli.event_loop import tell_in_one_line
    from emu.elf.cable import Cable, Plug
    from emu.ota.keeping import Keeping
    from emu.ota.links.pty import PtyLink
    from emu.ota.links.tcp import TcpLink
    from emu.ota.serving import Serving

    serving: Serving[ElfNode] = Serving(node, fast=fast, said=show)
    tell_in_one_line(warn)
    plug = Plug(node, port, serving)
    links: list[Link] = []
    tell: list[Callable[[], list[str]]] = []
    if asked.serial:
        pty = PtyLink(serving, plug.meeting("serial"))
        plug.join("serial", pty.send)
        links.append(Cable(pty))
        tell.append(lambda: _terminal(port, pty.path))
    if asked.tcp is not None:
        tcp = TcpLink(asked.bind, asked.tcp, serving, plug.meeting("TCP"))
        links.append(Cable(tcp))
        tell.append(lambda: [f"{port:<10} tcp://{tcp.address[0]}:{tcp.address[1]}"])
    if state_file is not None:
        keeping = Keeping(state_file, node, dict, serving, said=warn)
        links.insert(0, keeping)
        serving.on_rest = keeping.rested
    return await serve_by_hand(serving, links, tell)


def _terminal(port: str, path: str) -> list[str]:
    name = shlex.quote(path)
    return [f"{port:<10} {path}", f"           sx -vv FILE < {name} > {name}"]
