"""Work for engines: plain functions of an item, and some that do not come back. Imported by worker processes.

Neighbours: the tests of engines name these in a `WorkSpec`. Asserts nothing.
"""

from __future__ import annotations

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
