"""A device as a process: flash in a file, a console, a bootloader and an application. Standard library only.

    python device.py --flash flash.bin --factory firmware-1.txt    write a device as it leaves the factory
    python device.py --flash flash.bin                             power on; the console is stdin and stdout
    python device.py --flash flash.bin --port 4000                 power on; the console is a TCP port

Commands on the console: `version`, and `update HEX` with a firmware file in hex. The device writes it to the slot that
does not run, says so in its boot config, restarts, and enters the new image on trial; after a self-test the image
commits. An image that does not commit is left at the next reset.

Killing the process is a power cut: what was written stays, page by page; RAM is gone. `--one-config` is a mistake many
devices have made: the only boot config is erased before it is written anew.
"""

from __future__ import annotations

import argparse
import os
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

PAGE, SECTOR = 256, 1024
CONFIGS = (0, SECTOR)
SLOTS = (2 * SECTOR, 10 * SECTOR)
SLOT_SIZE = 8 * SECTOR
FLASH_SIZE = 18 * SECTOR
CONFIG = struct.Struct("<4sIBBH")  # magic, sequence, slot, state, zero; a CRC-32 follows
IMAGE = struct.Struct("<4sII")  # magic, size, CRC-32; the image follows
STAGED, ENTERED, COMMITTED = 1, 2, 3


class Restart(Exception):
    """The processor starts again: RAM is gone, flash is not."""


class Flash:
    """A file. A page is written in one call, so a kill leaves it old or new, never torn."""

    def __init__(self, path: Path, page_ms: float, erase_ms: float) -> None:
        self._file = os.open(path, os.O_RDWR)
        self._page_s, self._erase_s = page_ms / 1000, erase_ms / 1000

    def read(self, at: int, size: int) -> bytes:
        return os.pread(self._file, size, at)

    def erase(self, at: int, size: int) -> None:
        """Every sector from ``at`` that ``size`` bytes reach into."""
        for sector in range(at, at + size, SECTOR):
            for page in range(sector, sector + SECTOR, PAGE):
                os.pwrite(self._file, b"\xff" * PAGE, page)
            time.sleep(self._erase_s)

    def program(self, at: int, data: bytes) -> None:
        for offset in range(0, len(data), PAGE):
            os.pwrite(self._file, data[offset : offset + PAGE].ljust(PAGE, b"\xff"), at + offset)
            time.sleep(self._page_s)


class Console:
    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader, self._writer = reader, writer

    def say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")
        self._writer.flush()

    def lines(self) -> Iterator[str]:
        for line in self._reader:
            yield line.decode("ascii", "replace").strip()


class Device:
    def __init__(self, flash: Flash, console: Console, one_config: bool, self_test_ms: float) -> None:
        self.flash, self.console = flash, console
        self.configs = CONFIGS[:1] if one_config else CONFIGS
        self.self_test_s = self_test_ms / 1000

    # -- boot config: the newest valid copy counts, and the other one is written

    def config(self) -> tuple[int, int, int] | None:
        """Sequence, slot and state of the newest valid copy."""
        found = []
        for at in self.configs:
            record = self.flash.read(at, CONFIG.size)
            crc = struct.unpack("<I", self.flash.read(at + CONFIG.size, 4))[0]
            magic, sequence, slot, state, _ = CONFIG.unpack(record)
            if magic == b"conf" and crc == zlib.crc32(record):
                found.append((sequence, slot, state))
        return max(found, default=None)

    def write_config(self, slot: int, state: int) -> None:
        known = self.config()
        sequence = 1 if known is None else known[0] + 1
        record = CONFIG.pack(b"conf", sequence, slot, state, 0)
        at = self.configs[sequence % len(self.configs)]
        self.flash.erase(at, SECTOR)
        self.flash.program(at, record + struct.pack("<I", zlib.crc32(record)))

    # -- images

    def image(self, slot: int) -> bytes | None:
        """The image in a slot; None if it is not whole."""
        magic, size, crc = IMAGE.unpack(self.flash.read(SLOTS[slot], IMAGE.size))
        if magic != b"imag" or size > SLOT_SIZE - IMAGE.size:
            return None
        image = self.flash.read(SLOTS[slot] + IMAGE.size, size)
        return image if zlib.crc32(image) == crc else None

    def write_image(self, slot: int, image: bytes) -> None:
        content = IMAGE.pack(b"imag", len(image), zlib.crc32(image)) + image
        self.flash.erase(SLOTS[slot], len(content))
        self.flash.program(SLOTS[slot], content)

    # -- what runs at reset

    def boot(self) -> NoReturn:
        config = self.config()
        if config is None:
            self.halt("no boot config")
        _, slot, state = config
        if state == ENTERED or self.image(slot) is None:  # it was entered and has not committed, or is damaged
            slot, state = 1 - slot, COMMITTED
            self.write_config(slot, state)
        image = self.image(slot)
        if image is None:
            self.halt("no image")
        if state == STAGED:
            self.write_config(slot, ENTERED)
        self.run(slot, image, is_on_trial=state == STAGED)

    def halt(self, why: str) -> NoReturn:
        self.console.say(f"dead: {why}")
        for _ in self.console.lines():
            pass
        raise SystemExit  # nobody is at the console any more

    def run(self, slot: int, image: bytes, *, is_on_trial: bool) -> NoReturn:
        """The application."""
        version = image.split(b"\n", 1)[0].decode("ascii", "replace")
        identity = f"running {version}, crc {zlib.crc32(image):08x}"
        self.console.say(f"{identity}, {'on trial' if is_on_trial else 'committed'}")
        if is_on_trial:
            time.sleep(self.self_test_s)
            self.write_config(slot, COMMITTED)
            self.console.say("committed")
        for line in self.console.lines():
            word, _, rest = line.partition(" ")
            if word == "version":
                self.console.say(f"{identity}, committed")
            elif word == "update":
                self.update(1 - slot, rest)
            elif word:
                self.console.say(f"unknown command {word}; try version or update")
        raise SystemExit

    def update(self, slot: int, text: str) -> None:
        try:
            image = bytes.fromhex(text)
        except ValueError:
            return self.console.say("update refused: not hex")
        if not image.startswith(b"version ") or len(image) > SLOT_SIZE - IMAGE.size:
            return self.console.say("update refused: no firmware, or too large")
        self.console.say("update begins")
        self.write_image(slot, image)
        self.write_config(slot, STAGED)
        self.console.say("update written, restarting")
        raise Restart


def console_at(port: int) -> Console:
    """The device starts when somebody has the console, and ends with the call."""
    with socket.create_server(("127.0.0.1", port)) as server:
        caller, _ = server.accept()
    return Console(caller.makefile("rb"), caller.makefile("wb"))


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    words.add_argument("--flash", type=Path, required=True, help="the file that is the flash")
    words.add_argument("--factory", type=Path, metavar="FIRMWARE", help="write a device that runs this, and end")
    words.add_argument("--one-config", action="store_true", help="keep a single boot config: a mistake")
    words.add_argument("--port", type=int, help="console at this TCP port instead of stdin and stdout")
    words.add_argument("--page-ms", type=float, default=5, help="how long a page takes")
    words.add_argument("--erase-ms", type=float, default=25, help="how long a sector takes")
    words.add_argument("--self-test-ms", type=float, default=60, help="how long a new image tests itself")
    given = words.parse_args()
    if given.factory is not None:
        given.flash.write_bytes(b"\xff" * FLASH_SIZE)
        given.page_ms = given.erase_ms = 0
    flash = Flash(given.flash, given.page_ms, given.erase_ms)
    if given.factory is not None or given.port is None:
        console = Console(sys.stdin.buffer, sys.stdout.buffer)
    else:
        console = console_at(given.port)
    device = Device(flash, console, given.one_config, given.self_test_ms)
    if given.factory is not None:
        device.write_image(0, given.factory.read_bytes())
        device.write_config(0, COMMITTED)
        return
    while True:
        try:
            device.boot()
        except Restart:
            continue


if __name__ == "__main__":
    main()
