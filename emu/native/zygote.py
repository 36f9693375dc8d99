"""The process that loads a library of the user's and forks a child for every session. Run as a script, by its path.

It imports little, so that a fork costs little, and does nothing between forks but wait: a child begins with the library
as it was loaded, statics and heap included. The child calls the firmware and turns every call of the library into a
message; the other end decides when it dies.

One socket, one packet a message, for both: while a child lives, the zygote only waits for its end, and says so with
`ENDED` as the last word of a session. It reaps the child when the next begins, so that until then nobody else can have
its process id. When the other end is gone, it kills the child and leaves; when it is killed itself, so is the child.
What a session has forked becomes the zygote's when its parent dies, and is killed before that last word.

Neighbours: `process` is the other end and shares the format of the messages. Imports nothing of brownout, and of Python
only what is written in C, and ctypes.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import resource
import select
import struct
import sys
from typing import Any, NoReturn

ABI = 1
ENTRY = "brownout_firmware"
ROOM = 1 << 28
"""Bytes of the memory both ends share: the most that one call can carry."""
LONGEST_TEXT = 4096
MOST_PRINTED = 1 << 24

CALL = struct.Struct("<IqqQ")
"""What, a, b and length; the text follows."""
ANSWER = struct.Struct("<qQ")
"""Value, and how many bytes of the shared memory belong to it."""
BEGIN = b"begin"
RETURNED, LOADED, REFUSED, STARTED, ENDED = range(0x1000, 0x1005)
"""Messages that are no calls. RETURNED: a is 1 where the firmware says why nothing can run. REFUSED: the library cannot
be used, and why. STARTED: a is the child's process id. ENDED: a is 1 for a signal, b its number or the exit code."""
SENDS, RECEIVES, ATTEMPT = 0x100, 0x200, 17
TOO_LONG = 1 << 62
"""Instead of the length of a text that no message takes."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _SIGKILL = 1, 4, 36, 9
_BROKEN = 70
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_uint64
)


class Unusable(Exception):
    """A library that cannot be used; the message completes "FILE: "."""


def message(what: int, a: int = 0, b: int = 0, text: bytes = b"") -> bytes:
    return CALL.pack(what, a, b, 0) + text


def main(library: str, socket: int, shared: int) -> NoReturn:
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_DUMPABLE, 0)  # thousands of crashes are no thousands of core files
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_PRINTED, MOST_PRINTED))
    memory = mmap.mmap(shared, ROOM)
    try:
        firmware, slot = _loaded(library)
    except Unusable as why:
        os.write(socket, message(REFUSED, text=str(why).encode()[:LONGEST_TEXT]))
        os._exit(1)
    caller = _caller(socket, memory)
    slot.value = ctypes.cast(caller[0], ctypes.c_void_p).value
    os.write(socket, message(LOADED))
    gc.freeze()
    gc.disable()
    last = 0
    while True:
        command = os.read(socket, 64)
        if not command:
            _kill_children()
            os._exit(0)
        if command != BEGIN:
            continue  # an answer to a child that is gone
        if last:
            os.waitpid(last, 0)
        mine = os.getpid()
        last = os.fork()
        if not last:
            prctl(_PR_SET_PDEATHSIG, _SIGKILL)
            if os.getppid() == mine:
                said = firmware()
                os.write(socket, message(RETURNED, said is not None, text=(said or b"")[:LONGEST_TEXT]))
            os._exit(0)
        os.write(socket, message(STARTED, last))
        end = _end_of(last, socket)
        _kill_children(but=last)
        os.write(socket, message(ENDED, *end))


def _loaded(library: str) -> tuple[Any, Any]:
    """The firmware's function, and where the library keeps the address of ours."""
    try:
        loaded = ctypes.CDLL(library)
    except OSError as wrong:
        why = str(wrong).removeprefix(f"{library}: ")
        raise Unusable(f"does not load: {why}") from None
    try:
        slot, abi = ctypes.c_void_p.in_dll(loaded, "brownout_call"), ctypes.c_uint32.in_dll(loaded, "brownout_abi")
    except ValueError:
        raise Unusable("no source of it includes brownout.h (brownout header prints its folder)") from None
    if abi.value != ABI:
        raise Unusable(f"was built with brownout.h of version {abi.value}, and this is {ABI}: build it again")
    try:
        firmware = getattr(loaded, ENTRY)
    except AttributeError:
        raise Unusable(f"exports no function {ENTRY}; write const char *{ENTRY}(void)") from None
    firmware.restype = ctypes.c_char_p
    return firmware, slot


def _end_of(child: int, socket: int) -> tuple[int, int]:
    """Wait for it; 1 and the signal, or 0 and the exit code. It stays a zombie."""
    descriptor = os.pidfd_open(child)
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    poller.register(socket, select.POLLRDHUP)
    if any(ready == socket for ready, _ in poller.poll()):
        os.kill(child, _SIGKILL)
        _kill_children()
        os._exit(0)
    os.close(descriptor)
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return int(ended.si_code != os.CLD_EXITED), ended.si_status


def _kill_children(but: int = 0) -> None:
    """End all of them, and what they leave behind, until none is left but ``but``, a zombie."""
    while others := [child for child in _children() if child != but]:
        for child in others:
            os.kill(child, _SIGKILL)
        for child in others:
            os.waitpid(child, 0)


def _children() -> list[int]:
    """Of every thread of this process. A thread that has ended meanwhile has left its children to another."""
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - pathlib would be the slowest import here
        try:
            listed = os.open(f"/proc/self/task/{thread}/children", os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            found += map(int, os.read(listed, 1 << 16).split())
        finally:
            os.close(listed)
    return found


def _caller(socket: int, memory: mmap.mmap) -> tuple[Any, ...]:
    """What the library calls, and all that has to live as long. What it asks is answered, or the child is killed."""
    shared = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    kept: list[Any] = []

    def call(what: int, text: bytes | None, a: int, b: int, pointer: int | None, length: int) -> int:
        data = pointer or 0
        try:
            name = text or b""
            if what & SENDS and 0 < length <= ROOM:
                ctypes.memmove(shared, data, length)
            if len(name) > LONGEST_TEXT:
                name, length = name[:64], TOO_LONG
            os.write(socket, CALL.pack(what, a, b, length) + name)
            answer = os.read(socket, ANSWER.size)
            if not answer:
                os._exit(0)  # nobody is there any more
            value, size = ANSWER.unpack(answer)
            if what & RECEIVES and size:
                ctypes.memmove(data, shared, size)
            if what == ATTEMPT and value:
                kept.append(ctypes.create_string_buffer(memory[:size], size + 1))
                ctypes.memmove(data, ctypes.addressof(ctypes.c_uint64(size)), 8)
                return ctypes.addressof(kept[-1])
            return int(value)
        except BaseException as wrong:  # it must not pass through C
            os.write(2, f"brownout: {type(wrong).__name__}: {wrong}: please report\n".encode())
            os._exit(_BROKEN)

    return _Callback(call), kept


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
