"""`brownout new`: a starting point that holds as it is written: a board, a firmware of one's own, and tests for it;
or a board for firmware that is there already.

Neighbours: the files are in `emu/templates`, examples in `emu/examples`; they are copied as they are. `new_elf` says
what a board for an ELF is. Nothing is ever replaced: a file that is there already ends the command before anything is
written, and whatever fails half-way is taken back.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import click

from emu.cli.new_elf import new_elf
from emu.elf.survey.request import Request
from emu.errors import UsageError
from emu.words import printable

FILES = {
    "board.toml": "a board: its chip, partitions, timers and checks, for brownout's own bootloader",
    "firmware.py": "a bootloader of your own that holds, as a Scenario called device",
    "test_firmware.py": "it under pytest",
}

EXAMPLES = {
    "c-bootloader": "a bootloader in C, with its five-line build",
    "littlefs-files": "a file in littlefs on a partition: the old one or the new one, whenever power goes",
    "elf-bootloader": "a bare-metal ELF for an STM32F103, with its board file: a mistake, and it fixed",
    "elf-memories": "the same with a serial NOR flash and an I2C EEPROM beside the chip",
    "elf-storage": "an ELF that keeps settings in a log, with its board and oracle: a mistake, and it fixed",
    "uart-bootloader": "the same, updated over its serial port: XMODEM, or a host of your own",
    "external-process": "a process behind a console and a power switch, to be swept",
}
_FILE = click.Path(path_type=Path)


@click.command("new")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--example",
    type=click.Choice(list(EXAMPLES)),
    help="Write this example instead, into FOLDER (its name, unless given).",
)
@click.option(
    "--elf",
    "factory",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="Write a board for this bootloader instead: ELF, HEX, BIN ... once for each file that the factory programs.",
)
@click.option("--old", type=_FILE, metavar="FILE", help="With --elf: the application the device is shipped with.")
@click.option("--new", "update", type=_FILE, metavar="FILE", help="With --elf: the application it is updated to.")
@click.option(
    "--storage",
    "keeps_values",
    is_flag=True,
    help="With --elf: it updates nothing, and keeps values: no --old, no --new.",
)
@click.option("--chip", metavar="NAME", help="With --elf: the chip, instead of the one that fits best.")
def command(
    folder: Path | None,
    example: str | None,
    factory: tuple[Path, ...],
    old: Path | None,
    update: Path | None,
    keeps_values: bool,
    chip: str | None,
) -> int:
    """Write a starting point into FOLDER (here, unless given): board.toml, firmware.py and test_firmware.py.

    All three pass as they are written. With --elf, one board.toml for firmware that is there: its chip, slots and what
    shows that it works are inferred, tried, and explained line by line. FOLDER is made if it is not there; no file is
    ever overwritten.
    """
    if factory:
        if example is not None:
            raise UsageError("--example and --elf each write a board.toml; give one of them")
        if keeps_values and (old is not None or update is not None):
            raise UsageError("--storage is for firmware that updates nothing; leave --old and --new out")
        new_elf(Request(factory, old, update, chip or "", keeps_values), folder or Path(), write_anew)
        return 0
    for option, given in (("--old", old), ("--new", update), ("--storage", keeps_values or None), ("--chip", chip)):
        if given is not None:
            raise UsageError(f"{option} goes with --elf FILE, the firmware; give both")
    if example is not None:
        _copy_example(example, folder or Path(example))
        return 0
    folder = folder or Path()
    contents = [(folder / name, _template(name)) for name in FILES]
    write_anew(folder, contents)
    for (path, _), words in zip(contents, FILES.values(), strict=True):
        click.echo(f"{printable(str(path)):<{max(len(str(path)) for path, _ in contents)}}  {words}")
    click.echo("\nnext\n" + "\n".join(f"  {shlex.join(words)}" for words in _next(folder)))
    return 0


def _copy_example(name: str, folder: Path) -> None:
    source = resources.files("emu").joinpath("examples", name)
    files = sorted((file for file in source.iterdir() if file.is_file()), key=lambda file: file.name)
    write_anew(folder, [(folder / file.name, file.read_bytes()) for file in files])
    click.echo(f"{printable(str(folder))}: {EXAMPLES[name]}\n  {', '.join(file.name for file in files)}")


def _template(name: str) -> bytes:
    return resources.files("emu").joinpath("templates", name).read_bytes()


def _next(folder: Path) -> Iterator[Sequence[str]]:
    yield "brownout", "run", "--firmware", f"{folder / 'firmware.py'}:device"
    yield ("pytest",) if folder == Path() else ("pytest", str(folder))


def write_anew(folder: Path, contents: Sequence[tuple[Path, bytes]]) -> None:
    """Write files into ``folder``, which is made if need be: all of them, or none. Raises UsageError."""
    there = [path.name for path, _ in contents if path.is_symlink() or path.exists()]
    if there:
        raise UsageError(f"{folder}: has {', '.join(there)} already, and nothing was written; give another folder")
    made: list[Path] = []
    path = folder
    with _taken_back(made):
        try:
            for missing in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
                path = missing
                path.mkdir()
                made.append(path)
            for path, content in contents:
                with path.open("xb") as out:  # x: also where somebody else was quicker
                    made.append(path)
                    out.write(content)
        except OSError as wrong:
            raise UsageError(
                f"{path}: cannot be written ({wrong.strerror}), and nothing was; give another folder"
            ) from None


@contextmanager
def _taken_back(made: list[Path]) -> Iterator[None]:
    """Whatever ends the block early, Ctrl-C too, removes what was ``made`` so far."""
    try:
        yield
    except BaseException:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        raise
