"""A device that keeps its settings as a file in littlefs: after a cut they are the old ones or the new ones.

    brownout run --firmware scenario.py:device
    brownout run --firmware scenario.py:careless

``careless`` is the same device with a mistake that is easily made: it empties the file before it writes it anew. The C
library runs on a partition of the emulated flash; `updater.filesystem` is the glue between the two.
"""

import hashlib
from functools import partial

from littlefs import LittleFS

from emu.reset import Reset
from emu.scenario import Scenario, Window
from updater.errors import FilesystemError
from updater.filesystem import Filesystem

BLOCK, BLOCKS = 4096, 8
FILE = "settings"
OLD = b"volume=3\n" * 100
NEW = b"volume=11\n" * 120


def shipped() -> bytes:
    """The partition as the factory leaves it."""
    made = LittleFS(block_size=BLOCK, block_count=BLOCKS, prog_size=16, read_size=16, cache_size=256, name_max=1022)
    with made.open(FILE, "wb") as file:
        file.write(OLD)
    return bytes(made.context.buffer)


def called(content: bytes) -> str:
    """What reports call a content: the old one, the new one, or neither."""
    names = {OLD: "the old ones", NEW: "the new ones"}
    return names.get(content, f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()[:8]}")


def read(mounted: Filesystem) -> bytes:
    with mounted.open(FILE.encode()) as file:
        return b"".join(iter(file.read, b""))


def write(mounted: Filesystem, content: bytes) -> None:
    with mounted.create(FILE.encode()) as file:  # littlefs shows the new content once the file is closed, not before
        file.write(content)


def firmware(reset: Reset, *, empties_first: bool) -> str | None:
    """Called at every reset: tell the user what the settings are, and change them when somebody asks.

    From `offer` on the new ones may be there; from `tell` on, what was told must be.
    """
    try:
        with Filesystem(reset.flash["files"], "files", writable=True) as mounted:
            reset.tell(FILE, called(read(mounted)))
            wanted = reset.attempt()
            if wanted is not None:
                reset.offer(FILE, called(wanted))
                if empties_first:
                    write(mounted, b"")
                write(mounted, wanted)
                reset.tell(FILE, called(wanted))
    except FilesystemError as wrong:
        return str(wrong)  # no filesystem, no file: nothing can run
    return None


def scenario(name: str, *, empties_first: bool) -> Scenario:
    return Scenario(
        partial(firmware, empties_first=empties_first),
        "w25q128jv",
        windows={"files": Window(0, BLOCK * BLOCKS)},
        factory={"files": shipped()},
        work=NEW,
        name=name,
    )


device = scenario("littlefs-files", empties_first=False)
careless = scenario("littlefs-careless", empties_first=True)
