"""Programs beside Python that parts of brownout and its tests use; none is needed for a campaign.

Rows of a table. Neighbours: `cli.doctor` prints what is found. Asks each program for its version, nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from emu.doctor.item import Item

PATIENCE_S = 20


@dataclass(frozen=True, slots=True)
class Tool:
    """``programs``: the first of them that is found. ``asks``: what makes it say its version."""

    name: str
    programs: tuple[str, ...]
    purpose: str
    package: str
    asks: str = "--version"


TOOLS = (
    Tool("C compiler", ("cc", "gcc", "clang"), "firmware of your own in C, on this machine", "build-essential"),
    Tool("cross compiler", ("arm-none-eabi-gcc",), "building the bundled demo images", "gcc-arm-none-eabi"),
    Tool("objcopy", ("objcopy", "arm-none-eabi-objcopy", "llvm-objcopy"), "making other files of an ELF", "binutils"),
    Tool("browser", ("chromium", "chromium-browser", "google-chrome"), "the tests of HTML pages", "chromium"),
    Tool("MQTT broker", ("mosquitto",), "updates over MQTT", "mosquitto", "-h"),
)


def check_tools() -> Iterator[Item]:
    for tool in TOOLS:
        path = next((found for found in map(shutil.which, tool.programs) if found), None)
        if path is None:
            said = f"no {' or '.join(tool.programs)}; for {tool.purpose}"
            yield Item("tools", tool.name, "missing", said, f"apt-get install {tool.package}")
        else:
            yield _found(tool, path)


def _found(tool: Tool, path: str) -> Item:
    try:
        ran = subprocess.run(
            [path, tool.asks], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Item("tools", tool.name, "warning", f"{path} {tool.asks} does not end", "call it by hand and see why")
    except OSError as wrong:
        return Item("tools", tool.name, "warning", f"{path} cannot be run: {wrong.strerror}", "install it again")
    said = (ran.stdout + b"\n" + ran.stderr).decode(errors="replace").split("\n")
    version = next((line.strip() for line in said if line.strip()), "says nothing of itself")
    return Item("tools", tool.name, "ok", f"{path}: {version}")
