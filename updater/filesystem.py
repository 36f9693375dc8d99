"""littlefs on a window of NOR flash: mount, list, read, write.

The C library is driven through its plain functions: the file object of littlefs-python asserts after an I/O error, and
takes the process with it. Names are bytes, as they are to littlefs.

Neighbours: `blocks` is what the library calls back, `merge` copies from one mount to another. Knows no slot and no boot
config. Importing this module loads the C library; whoever starts fast imports it when a merge is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from littlefs import LittleFSError, lfs

from flash.contract import NorFlash
from updater.blocks import BlockDevice, shape_of
from updater.errors import FilesystemError

P = ParamSpec("P")
T = TypeVar("T")

CHUNK = 512
"""Most bytes of a file in RAM at a time."""
MAX_NAME = 1022
"""The longest name littlefs can store; an image may allow fewer."""
MAX_DEPTH = 32
MAX_ENTRIES = 10_000
READ_ONLY = lfs.LFSFileFlag(0x1)
CREATE = lfs.LFSFileFlag(0x2 | 0x100 | 0x400)
"""Write, create, truncate."""
TRANSPARENT = "latin-1"
"""One character per byte: whatever encoding a name was written in, it is carried over byte for byte."""

_WORDS: dict[int, str] = {
    LittleFSError.Error.LFS_ERR_IO: "the flash failed",
    LittleFSError.Error.LFS_ERR_CORRUPT: "the filesystem is corrupt there",
    LittleFSError.Error.LFS_ERR_NOENT: "it is not there",
    LittleFSError.Error.LFS_ERR_NOTDIR: "a file stands where a folder should",
    LittleFSError.Error.LFS_ERR_ISDIR: "a folder stands where a file should",
    LittleFSError.Error.LFS_ERR_NOSPC: "no space is left",
    LittleFSError.Error.LFS_ERR_NAMETOOLONG: "the name is longer than this filesystem allows",
    LittleFSError.Error.LFS_ERR_FBIG: "the file is larger than this filesystem allows",
    LittleFSError.Error.LFS_ERR_INVAL: "it was made for other figures",
}


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file or folder; ``path`` from the root, without a leading slash."""

    path: bytes
    is_folder: bool


def shown(path: bytes) -> str:
    """A path as it can be printed on one line."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class OpenFile:
    """A file while it is open."""

    def __init__(self, owner: Filesystem, handle: lfs.LFSFile, path: bytes) -> None:
        self._owner = owner
        self._handle = handle
        self._path = path

    def read(self) -> bytes:
        """The next bytes, at most `CHUNK`; b"": the file is over. Raises FilesystemError."""
        return self._owner._read(self._handle, self._path)

    def write(self, data: bytes) -> None:
        """Raises FilesystemError."""
        self._owner._call(f"writing {shown(self._path)}", lfs.file_write, self._handle, data)


class Filesystem:
    """A mounted littlefs, from ``with`` to its end. Made anew after every reset.

    ``label`` leads every error. ``writable`` False: nothing on flash is ever changed. Raises FilesystemError where
    there is none to mount, or one made for other figures. What the flash raises (power, reset) comes out of every
    method as it is, and ends the mount: nothing reaches the flash any more.
    """

    def __init__(self, flash: NorFlash, label: str, *, writable: bool = False) -> None:
        self._label = label
        try:
            self._shape = shape_of(flash.geometry)
        except FilesystemError as wrong:
            raise FilesystemError(f"{label}: {wrong}") from None
        self._flash = flash
        self._device = BlockDevice(flash, self._shape, writable=writable)
        blocks = self._shape.block_count
        self._config = lfs.LFSConfig(
            context=self._device,
            block_size=self._shape.block_size,
            block_count=blocks,
            read_size=self._shape.program_size,
            prog_size=self._shape.program_size,
            cache_size=self._shape.cache_size,
            lookahead_size=-(-blocks // 64) * 8,
            name_max=MAX_NAME,
        )
        self._fs = lfs.LFSFilesystem()

    def __enter__(self) -> Self:
        mounted: list[int] = []
        figures = f"{self._shape.block_count} blocks of {self._shape.block_size} bytes"
        try:
            self._call(f"mounting {figures}", lambda fs: mounted.append(lfs.mount(fs, self._config)))
        except BaseException as wrong:
            if mounted:  # the library has not noticed; where it has, it gave its buffers back
                lfs.unmount(self._fs)
            if not isinstance(wrong, FilesystemError):
                raise
            seen = f"; {self._device.faults[0]}" if self._device.faults else self._stated()
            raise FilesystemError(f"{wrong}{seen}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        lfs.unmount(self._fs)  # gives its buffers back; writes nothing

    # -- what is there -------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Everything but the root, a folder before what is in it. Raises FilesystemError."""
        found: list[Entry] = []
        folders = [b""]
        while folders:
            folder = folders.pop(0)
            inside = sorted(self._in(folder))
            found += inside
            if len(found) > MAX_ENTRIES:
                raise self._error("listing it", f"more than {MAX_ENTRIES} files and folders")
            folders += [entry.path for entry in inside if entry.is_folder]
            if folder.count(b"/") >= MAX_DEPTH:
                raise self._error(f"listing {shown(folder)}", f"folders in folders, more than {MAX_DEPTH} deep")
        return found

    def find(self, path: bytes) -> Entry | None:
        """The file or folder of that name; None: there is none. Raises FilesystemError, also where a folder on the way
        to it is a file."""
        found: list[lfs.LFSStat] = []

        def stat(fs: lfs.LFSFilesystem) -> None:
            try:
                found.append(lfs.stat(fs, _name(path), TRANSPARENT))
            except LittleFSError as wrong:
                if wrong.code != LittleFSError.Error.LFS_ERR_NOENT:
                    raise

        self._call(f"looking for {shown(path)}", stat)
        return Entry(path, found[0].type == lfs.LFSStat.TYPE_DIR) if found else None

    # -- files and folders ---------------------------------------------------------------------------------

    @contextmanager
    def open(self, path: bytes) -> Iterator[OpenFile]:
        """A file, to be read. Raises FilesystemError."""
        doing = f"opening {shown(path)}"
        handle = self._call(doing, lfs.file_open, _name(path), READ_ONLY, TRANSPARENT)
        try:
            size, room = self._call(doing, lfs.file_size, handle), self._flash.geometry.size
            if size > room:
                raise self._error(doing, f"it claims {size} bytes in a filesystem of {room}")
            yield OpenFile(self, handle, path)
        finally:
            with suppress(LittleFSError):
                lfs.file_close(self._fs, handle)

    @contextmanager
    def create(self, path: bytes) -> Iterator[OpenFile]:
        """A file, to be written from its beginning; it is there once the block has ended. Raises FilesystemError.

        An exception inside the block ends the whole mount: nothing is written after it.
        """
        handle = self._call(f"creating {shown(path)}", lfs.file_open, _name(path), CREATE, TRANSPARENT)
        try:
            yield OpenFile(self, handle, path)
        except BaseException as wrong:
            self._device.failed = wrong
            with suppress(LittleFSError):
                lfs.file_close(self._fs, handle)
            raise
        self._call(f"closing {shown(path)}", lfs.file_close, handle)

    def make_folder(self, path: bytes) -> None:
        """Raises FilesystemError."""
        self._call(f"making the folder {shown(path)}", lfs.mkdir, _name(path), TRANSPARENT)

    # -- around the library --------------------------------------------------------------------------------

    def _call(
        self, doing: str, call: Callable[Concatenate[lfs.LFSFilesystem, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """One call of the library. What the flash raised meanwhile comes before what littlefs made of it."""
        why = ""
        try:
            result = call(self._fs, *args, **options)
        except LittleFSError as wrong:
            why = _WORDS.get(wrong.code, str(wrong))
        if self._device.failed is not None:
            raise self._device.failed
        if why:
            raise self._error(doing, why)
        return result

    def _error(self, doing: str, why: object) -> FilesystemError:
        return FilesystemError(f"{self._label}: {doing}: {why}")

    def _read(self, handle: lfs.LFSFile, path: bytes) -> bytes:
        doing, faults = f"reading {shown(path)}", self._device.faults
        before = len(faults)
        content = self._call(doing, lfs.file_read, handle, CHUNK)
        if len(faults) > before:
            raise self._error(doing, faults[before])
        return content

    def _in(self, folder: bytes) -> Iterator[Entry]:
        """What is in one folder. It is closed before anything else is done: the library keeps a list of open ones."""
        doing = f"listing {shown(folder) or 'the root'}"
        found: list[lfs.LFSStat] = []
        handle = self._call(doing, lfs.dir_open, _name(folder) or "/", TRANSPARENT)
        try:
            while (entry := self._call(doing, lfs.dir_read, handle, TRANSPARENT)) is not None:
                found.append(entry)
                if len(found) > MAX_ENTRIES:
                    raise self._error(doing, f"more than {MAX_ENTRIES} files and folders")
        finally:
            lfs.dir_close(self._fs, handle)
        for entry in found:
            name = entry.name.encode(TRANSPARENT)
            if name not in (b".", b".."):
                if not name or b"/" in name:
                    raise self._error(doing, f"{shown(name)!r} is no name")
                path = folder + b"/" + name if folder else name
                yield Entry(path, entry.type == lfs.LFSStat.TYPE_DIR)

    def _stated(self) -> str:
        """What the first superblock says, for the message."""
        start = self._flash.read(0, 32)
        if start[8:16] != b"littlefs":
            return "; its first block has no superblock"
        size, count = (int.from_bytes(start[at : at + 4], "little") for at in (24, 28))
        return f"; its superblock says {count} of {size}"


def _name(path: bytes) -> str:
    return path.decode(TRANSPARENT)
