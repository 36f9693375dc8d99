"""Work for engines: plain functions of an item, and some that do not come back. Imported by worker processes.

Neighbours: the tests of engines name these in a `WorkSpec`. Asserts nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[Any], Any]


def doubles() -> Work:
    return lambda item: item * 2


def adds(what: int) -> Work:
    return lambda item: item + what


def sleeps(seconds: float) -> Work:
    def work(item: int) -> int:
        time.sleep(seconds)
        return -item

    return work


def is_made(marks: str) -> Work:
    """Leaves a file for every process that makes it."""
    (Path(marks) / str(os.getpid())).touch()
    return lambda item: item


def who() -> Work:
    return lambda item: os.getpid()


def fails(at: int) -> Work:
    def work(item: int) -> int:
        if item == at:
            raise ValueError(f"item {item} is not to my liking")
        return item

    return work


class Clings(Exception):
    """Cannot be pickled and read back."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def clings() -> Work:
    def work(item: int) -> int:
        raise Clings(item, 2)

    return work


def leaves(code: int) -> Work:
    def work(item: int) -> int:
        raise SystemExit(code)

    return work


def kills(how: str, *items: int) -> Work:
    """Ends its process at ``items``."""

    def work(item: int) -> int:
        if item not in items:
            return item
        if how == "exit":
            os._exit(9)
        if how == "memory":
            raise MemoryError
        if how == "hangs":
            time.sleep(60)
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError("alive")

    return work


def fails_to_make(why: str) -> Work:
    raise ValueError(why)


def dies_being_made() -> Work:
    os._exit(5)


def prints() -> Work:
    def work(item: int) -> int:
        print(f"item {item} says hello", flush=True)
        return item

    return work


def waits_for(path: str) -> Work:
    """Does not end before there is such a file; leaves one of its own when it has begun."""

    def work(item: int) -> int:
        (Path(path).parent / f"begun-{item}").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return item

    return work


SAID = "nothing"
"""What a test has said in its own process: a child of it knows, a new interpreter does not."""


def knows() -> Work:
    return lambda item: SAID


def descriptors() -> Work:
    """What is open besides the three everybody has, by its kind."""

    def work(item: int) -> list[str]:
        open_ones = {}
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                open_ones[int(entry.name)] = str(entry.readlink()).partition(":")[0]
        return [kind for number, kind in sorted(open_ones.items()) if number > 2 and kind != "/proc/self/fd"]

    return work


def says(word: str) -> Work:
    """Prints without a flush, and ends the line only at the second item."""

    def work(item: int) -> int:
        print(word, end="\n" if item else " ")
        return item

    return work
