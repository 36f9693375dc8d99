"""Which files stand in a slot, and which should: the ground truth of `keeps-files`.

The factory device has been in use: to the filesystem of the old image the rig adds what a user would have written, two
files of the user's own and a change to a file that the update ships. From then on the device's firmware is not
asked: the cells are mounted here, read-only, and that costs the device no time.

Neighbours: `update_rig` asks, `updater.filesystem` mounts. Loads the C library of littlefs, so it is imported only
where both images have a filesystem.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from littlefs import __LFS_VERSION__

from bootloader.layout import Slot
from emu.device import EmulatedDevice
from emu.errors import ScenarioError
from emu.events import NEW, OLD
from emu.factory import behind
from emu.rig import Files, KnownFiles
from flash.device import FlashDevice
from flash.errors import EccFault, UnsteadyRead
from flash.geometry import Geometry
from flash.partition import Partition
from updater.errors import FilesystemError
from updater.filesystem import Filesystem, shown
from updater.merge import mounted

USER_FILES: Mapping[bytes, bytes] = {
    b"brownout/settings.ini": b"[user]\nname = brownout\nvolume = 7\n",
    b"brownout/log.bin": bytes(range(256)) * 3,
}
"""What the user of the old image has written: a file that fits beside its name, and one that takes a block."""
CHANGED_IN_USE = b"changed by the user of the old image\n"
UNREADABLE = "unreadable"


class FileTruth:
    """The files of one pair of images on one board. ``in_use``: the old image's filesystem as the user has left it;
    ``library``: what decides which operations a merge is made of.

    ``device`` is one to try things on: nothing of it is kept. Raises ScenarioError for images that are no littlefs of
    this board, and for one without room for the user's files.
    """

    library = f"littlefs {'.'.join(map(str, __LFS_VERSION__))}"

    def __init__(self, device: EmulatedDevice, old_fs: bytes, new_fs: bytes) -> None:
        first, second = device.layout.slots
        for which, slot, image in ((OLD, first, old_fs), (NEW, second, new_fs)):
            if len(image) > slot.fs_size:
                raise ScenarioError(
                    f"the filesystem of the {which} image has {len(image)} bytes; {slot.name} of board "
                    f"{device.board.name} has room for {slot.fs_size} (layout.fs_size)"
                )
            chip, base = behind(slot)
            chip.load(base + slot.fs_offset, image)
        which = NEW
        try:
            with mounted(second) as shipping:
                entries = shipping.entries()
                self._shipped = _files(shipping)
            which = OLD
            with mounted(first, writable=True) as using:
                _use(using, [entry.path for entry in entries if not entry.is_folder])
            with mounted(first) as used:
                old = _files(used)
        except FilesystemError as wrong:
            raise ScenarioError(
                f"the {which} image: {wrong}; files are carried over between littlefs images: give another one, or "
                "leave the filesystem of the old image out"
            ) from None
        chip, base = behind(first)
        self.in_use = chip.cells.read(base + first.fs_offset, first.fs_size)
        folders = {shown(entry.path) for entry in entries if entry.is_folder}
        kept = {path: digest for path, digest in old.items() if path not in folders}
        self.known = KnownFiles(_listing(old), _listing(kept | self._shipped))

    def found_in(self, slot: Slot) -> tuple[Files, str]:
        """The files in a slot's filesystem, and why there is none to mount, "" where there is."""
        try:
            with mounted(_still(slot)) as filesystem:
                return _listing(_files(filesystem)), ""
        except (FilesystemError, UnsteadyRead) as wrong:
            return (), str(wrong)

    def has_shipped(self, found: Files) -> bool:
        """Whether every file that the update ships is among these, as it was shipped."""
        return self._shipped.items() <= dict(found).items()


def _use(filesystem: Filesystem, shipped: list[bytes]) -> None:
    """Write what a user writes. ``shipped``: the files of the update; the first that can have been there is changed."""
    changed = [path for path in shipped if _takes_file(filesystem, path)][:1]
    files = {**USER_FILES, **dict.fromkeys(changed, CHANGED_IN_USE)}
    for path, content in files.items():
        parts = path.split(b"/")
        for end in range(1, len(parts)):
            folder = b"/".join(parts[:end])
            if filesystem.find(folder) is None:
                filesystem.make_folder(folder)
        with filesystem.create(path) as file:
            file.write(content)


def _takes_file(filesystem: Filesystem, path: bytes) -> bool:
    """Whether a file of that name is there, or can be: no folder is called like it, and no file like its folder."""
    try:
        there = filesystem.find(path)
    except FilesystemError:
        return False
    return there is None or not there.is_folder


def _files(filesystem: Filesystem) -> dict[str, str]:
    """Every file, with the SHA-256 of its content; `UNREADABLE` where it cannot be read."""
    found: dict[str, str] = {}
    for entry in filesystem.entries():
        if entry.is_folder:
            continue
        content = hashlib.sha256()
        try:
            with filesystem.open(entry.path) as file:
                while piece := file.read():
                    content.update(piece)
        except FilesystemError:
            found[shown(entry.path)] = UNREADABLE
        else:
            found[shown(entry.path)] = content.hexdigest()
    return found


def _listing(files: Mapping[str, str]) -> Files:
    return tuple(sorted(files.items()))


class _Still:
    """The cells of a chip as a `NorFlash` that is only looked at: no time, no journal, no trace.

    Reading what error correction cannot repair raises EccFault, and a bit that is weak UnsteadyRead: the bench relies
    on neither.
    """

    def __init__(self, chip: FlashDevice) -> None:
        self._cells = chip.cells

    @property
    def geometry(self) -> Geometry:
        return self._cells.geometry

    def read(self, address: int, length: int) -> bytes:
        broken = self._cells.first_broken(address, length)
        if broken is not None:
            raise EccFault(broken, self.geometry.unit)
        if self._cells.is_weak(address, length):
            raise UnsteadyRead(address, length)
        return self._cells.read(address, length)

    def program(self, address: int, data: bytes) -> None:
        raise AssertionError("ground truth is being written: please report")

    def erase(self, address: int, length: int) -> None:
        raise AssertionError("ground truth is being erased: please report")


def _still(slot: Slot) -> Slot:
    chip, base = behind(slot)
    size = slot.flash.geometry.size
    return Slot(slot.index, slot.name, Partition(slot.name, _Still(chip), base, size), slot.fs_size)
