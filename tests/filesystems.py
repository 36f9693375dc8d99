"""littlefs images made and read by littlefs alone, in RAM: what the code under test is held against.

Neighbours: the tests of the updater, of the emulator and of the zoo. Knows no flash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from littlefs import LittleFSError, lfs
from littlefs.context import UserContext

BYTES = "latin-1"
FOLDER = None
"""As the content of a name: an empty folder."""
Tree = Mapping[bytes, bytes | None]


def image_of(tree: Tree, block_size: int, count: int, *, program: int = 16, name_max: int = 255) -> bytes:
    """An image with these files; folders on the way are made."""
    config = _config(UserContext(block_size * count), block_size, count, program, name_max)
    fs = lfs.LFSFilesystem()
    lfs.format(fs, config)
    lfs.mount(fs, config)
    for path, content in tree.items():
        parts = path.decode(BYTES).split("/")
        for end in range(1, len(parts) + (content is None)):
            _make_folder(fs, "/".join(parts[:end]))
        if content is not None:
            file = lfs.file_open(fs, path.decode(BYTES), "wb", BYTES)
            lfs.file_write(fs, file, content)
            lfs.file_close(fs, file)
    lfs.unmount(fs)
    return bytes(config.user_context.buffer)


def tree_of(image: bytes, block_size: int) -> dict[bytes, bytes | None]:
    """Every file of an image, and every folder."""
    context = UserContext(len(image))
    context.buffer = bytearray(image)
    config = _config(context, block_size, len(image) // block_size, 16, 1022)  # the library points at it while mounted
    fs = lfs.LFSFilesystem()
    lfs.mount(fs, config)
    found = dict(_walk(fs, ""))
    lfs.unmount(fs)
    return found


def _walk(fs: lfs.LFSFilesystem, folder: str) -> Iterator[tuple[bytes, bytes | None]]:
    with _opened(fs, folder) as handle:
        entries = []
        while entry := lfs.dir_read(fs, handle, BYTES):
            entries.append(entry)
    for entry in entries:
        path = f"{folder}/{entry.name}".lstrip("/")
        if entry.type == lfs.LFSStat.TYPE_REG:
            file = lfs.file_open(fs, path, "rb", BYTES)
            yield path.encode(BYTES), bytes(lfs.file_read(fs, file, entry.size))
            lfs.file_close(fs, file)
        elif entry.name not in (".", ".."):
            yield path.encode(BYTES), FOLDER
            yield from _walk(fs, path)


@contextmanager
def _opened(fs: lfs.LFSFilesystem, folder: str) -> Iterator[lfs.LFSDirectory]:
    handle = lfs.dir_open(fs, folder or "/", BYTES)
    yield handle
    lfs.dir_close(fs, handle)


def _make_folder(fs: lfs.LFSFilesystem, path: str) -> None:
    try:
        lfs.mkdir(fs, path, BYTES)
    except LittleFSError as there:
        assert there.code == LittleFSError.Error.LFS_ERR_EXIST


def _config(context: UserContext, block_size: int, count: int, program: int, name_max: int) -> lfs.LFSConfig:
    return lfs.LFSConfig(
        context, block_size=block_size, block_count=count, read_size=program, prog_size=program, cache_size=256,
        name_max=name_max,
    )  # fmt: skip
