"""A device that boots by the CC3200's `boot_cfg`: loader, application and update of Mongoose OS on that chip.

The loader loads the file that the boot config with the smaller sequencer names, and keeps no state. The application
buries its own config as soon as it starts (the tombstone), so that any reset boots the other one, and digs it out when
it commits. Models of ours: the file store (`slfs`), and the filesystem container, of which only the name counts; the
commit timeout is the scenario's; one watchdog of 30 s runs in the application, none in the loader.

Neighbours: `bootloader.published.cc3200` has the bytes, `table` lists the scenarios. Knows no campaign.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

from bootloader.published.cc3200 import (
    FILES,
    FIRST_BOOT,
    MERGE_SPIFFS,
    SIZE,
    Cc3200Config,
    chosen,
    initial_config,
    pack_cc3200,
    parse_cc3200,
)
from emu.app import APP_MODELS
from emu.board import CheckEntry, TimerEntry
from emu.designs.payload import content
from emu.designs.slfs import Slfs, SlfsError, shipped
from emu.designs.stream import pieces
from emu.designs.trial import Trial
from emu.events import UNKNOWN
from emu.reset import Reset
from emu.scenario import Scenario, Window

CHUNK = 512
LOAD_ADDRESS = 0x2000_0000
RAM_END = 0x2004_0000
APP, CONTAINER = b"demo.bin", b"spiffs.img.0"
APP_ROOM = 0x2000
"""``falloc`` of an image file: more than an extent for boot configs has."""
OLD, NEW = content("old application", 1_280), content("new application", 1_536)
"""Small, because an update looks at what an earlier one left of the file: every torn state of it is one to be run."""
MAX_RESETS, MAX_ERASES = 16, 8
WINDOWS = {f"entry-{number}": Window(0x1000 * number, 0x1000) for number in range(4)} | {
    "file-0": Window(0x4000, 0x1000),
    "file-1": Window(0x5000, 0x1000),
    "file-2": Window(0x8000, 0x4000),
    "file-3": Window(0xC000, 0x4000),
}
"""Two extents for boot configs and two for images; sizes and places are ours, as everything in `slfs` is."""
RECORDS = ("file-0", "file-1")


def boot(reset: Reset, app: str, *, safe_code_update: bool, sealed: bool) -> str | None:
    """One reset. ``safe_code_update``: an update goes into a file of its own, as CC3200_SAFE_CODE_UPDATE=1 has it;
    otherwise it overwrites the one that runs. ``sealed``: see `slfs`."""
    files = Slfs(reset.flash, sealed=sealed)
    configs = [parse_cc3200(files.read(name.encode())) for name in FILES]
    index = chosen(*configs)
    if index is None:
        return "X: there is no boot config"
    config = configs[index]
    assert config is not None, "a config that is not there was chosen: please report"
    file = files.find(config.app_image_file)
    if file is None:
        reset.note(f"{FILES[index]} names {config.app_image_file[:16]!r}")
        return f"X: {FILES[index]} names a file that is not there"
    if not LOAD_ADDRESS <= config.app_load_addr < RAM_END:
        reset.note(f"{FILES[index]} says load address {config.app_load_addr:#x}")
        return f"X: {FILES[index]} says a load address where no RAM is"
    image = reset.handover(f"file-{file.extent}", trial=config.is_first_boot)
    if image == UNKNOWN:
        reset.hang()
    _Application(reset, files, config, index, safe_code_update).run(app)
    return None


class _Application:
    """From the hand-over on. ``config``: the one it was entered by, number ``index``."""

    def __init__(self, reset: Reset, files: Slfs, config: Cc3200Config, index: int, safe_code_update: bool) -> None:
        self._reset = reset
        self._files = files
        self._config = config
        self._index = index
        self._safe = safe_code_update

    def run(self, app: str) -> None:
        reset, is_first = self._reset, self._config.is_first_boot
        if is_first:
            self._revert()
        if self._config.fs_container_prefix != CONTAINER:
            reset.note(f"init failed: there is no container {self._config.fs_container_prefix[:16]!r}")
            if is_first:
                self._revert()
            reset.restart()
        if is_first:
            Trial(reset, self._commit, self._revert).run(app)
        work = reset.attempt()
        if work is not None:
            self._take(work)

    def _revert(self) -> None:
        """Bury the config; what it really says stays in RAM."""
        self._write(self._index, self._config.tombstone)

    def _commit(self) -> None:
        self._config = replace(self._config, flags=self._config.flags & ~(FIRST_BOOT | MERGE_SPIFFS))
        self._write(self._index, self._config)

    def _write(self, index: int, config: Cc3200Config) -> None:
        self._store(FILES[index].encode(), pack_cc3200(config), SIZE)

    def _store(self, name: bytes, content: bytes, room: int) -> None:
        """Delete, create, write, close."""
        self._files.delete(name)
        file = self._files.create(name, room)
        for piece in pieces(content, CHUNK):
            file.write(piece)
        file.close()

    def _take(self, work: bytes) -> None:
        reset, other = self._reset, 1 - self._index
        base = self._config.app_image_file.rstrip(b"0123456789.")
        name = base + b".%d" % other if self._safe else self._config.app_image_file
        if not self._has(name, work):
            try:
                self._store(name, work, APP_ROOM)
            except SlfsError as wrong:
                reset.refuse(str(wrong))
                return
            if not self._has(name, work):
                reset.refuse("Checksum mismatch")
                return
        staged = replace(self._config, seq=self._config.seq - 1, flags=FIRST_BOOT, app_image_file=name)
        self._write(other, staged)
        reset.staged()
        reset.restart()

    def _has(self, name: bytes, work: bytes) -> bool:
        """Whether a file holds ``work``, by its SHA-1."""
        held = self._files.read(name)
        return held is not None and hashlib.sha1(held).digest() == hashlib.sha1(work).digest()


def scenario(name: str, app: str = "healthy", *, safe_code_update: bool = True, sealed: bool = False) -> Scenario:
    """The device with its workload."""
    first = initial_config(APP + b".0", LOAD_ADDRESS, CONTAINER)
    return Scenario(
        partial(boot, app=app, safe_code_update=safe_code_update, sealed=sealed),
        "W25Q80DL",  # our choice: the chip is the board's
        windows=WINDOWS,
        factory=shipped({"0": (FILES[0].encode(), pack_cc3200(first)), "2": (APP + b".0", OLD)}),
        images={"old": OLD, "new": NEW},
        commits=True,
        timers=TimerEntry(commit_timeout_s=60, watchdog_s=30),
        fine=RECORDS,
        checks=CheckEntry(max_resets=MAX_RESETS, max_erases=MAX_ERASES),
        keeps=APP_MODELS[app].keeps,
        name=name,
    )
