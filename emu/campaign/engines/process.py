"""One worker process: both ends of its pipe, and what is said over it.

Frames of a length and a pickle. The coordinator says once what to make (a pickled `WorkSpec`) and then sends shards,
lists of (number, pickled item). The worker answers ``("ready",)``, then for each item as it is made
``("done", number, result, seconds)`` or ``("raised", exception, traceback)``.

A worker lives no longer than its coordinator, however that one ends: a thread of its own waits for the pipe to close,
and then leaves at once. It is in a session of its own, so Ctrl-C strikes the coordinator alone. What it prints goes to
stderr: stdout has the results of the command.

Neighbours: `child` is the process itself; `workers` decides who gets what and who is to blame. Knows no campaign.
POSIX.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import socket
import struct
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from emu.campaign.engines import WorkSpec
from emu.campaign.engines.child import start
from emu.clock import Stopwatch
from emu.memory import collecting_rarely

EXIT_OUT_OF_MEMORY = 77
_LENGTH = struct.Struct("<Q")
_PIECE = 1 << 16
_PATIENCE_S = 5.0


class WorkFailed(Exception):
    """Work ended with something that cannot travel or must not: an exception that cannot be pickled, or an exit."""


class WorkerProcess:
    """The coordinator's end. Neither sending nor receiving ever waits for the worker."""

    def __init__(self, spec: bytes) -> None:
        self._pipe, theirs = socket.socketpair()
        self._pipe.setblocking(False)
        self._incoming, self._outgoing = bytearray(), bytearray()
        with theirs:
            self._process = start(serve, theirs.fileno())
        self._push(spec)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._pipe.fileno()

    @property
    def is_there(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def is_sending(self) -> bool:
        return bool(self._outgoing)

    def send(self, shard: Sequence[tuple[int, bytes]]) -> None:
        """Hand out items, each pickled. What the pipe does not take now goes out with `flush`."""
        self._push(pickle.dumps(shard))

    def _push(self, message: bytes) -> None:
        self._outgoing += _LENGTH.pack(len(message)) + message
        self.flush()

    def flush(self) -> None:
        """Send what the pipe takes."""
        with contextlib.suppress(
            BlockingIOError, BrokenPipeError, ConnectionResetError
        ):  # the dead are found by reading
            while self._outgoing:
                del self._outgoing[: self._pipe.send(self._outgoing)]

    def receive(self) -> tuple[list[tuple[Any, ...]], bool]:
        """The whole messages that have come, and whether the worker is still there. A last message that its death
        cut short is none."""
        ended = not self.is_there  # asked first: what it said before it ended is still read
        is_open = self._drain(to_the_end=ended)
        messages = [pickle.loads(frame) for frame in _frames_in(self._incoming)]
        return messages, is_open and not ended

    def _drain(self, *, to_the_end: bool) -> bool:
        """Read what is there; whether more can come."""
        try:
            while piece := self._pipe.recv(_PIECE):
                self._incoming += piece
                if len(piece) < _PIECE and not to_the_end:
                    return True
        except BlockingIOError:
            return True
        except ConnectionResetError:
            pass
        return False

    def bury(self) -> str:
        """Make sure that it is gone, and say how it went."""
        self._pipe.close()
        try:
            code = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code == EXIT_OUT_OF_MEMORY:
            return "out of memory"
        return f"exit code {code}" if code >= 0 else f"signal {_signal_name(-code)}"

    def kill(self) -> None:
        """End it now, whatever it is doing."""
        self._process.kill()
        self._pipe.close()
        self._process.wait()


def _frames_in(buffer: bytearray) -> Iterator[bytes]:
    """Takes every whole frame out of ``buffer``."""
    at = 0
    while len(buffer) - at >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(buffer, at)
        end = at + _LENGTH.size + length
        if len(buffer) < end:
            break
        yield bytes(buffer[at + _LENGTH.size : end])
        at = end
    del buffer[:at]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)


# -- in the worker ---------------------------------------------------------------------------------------


def serve(descriptor: int) -> None:
    """The life of a worker process. Ends with the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = socket.socket(fileno=descriptor)
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, messages), daemon=True).start()
    try:
        spec: WorkSpec = pickle.loads(messages.get())
        work = spec.resolve()
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    except BaseException as wrong:
        _say(pipe, raised(wrong))
        return
    _say(pipe, pickle.dumps(("ready",)))
    with collecting_rarely():
        _work(work, messages, pipe)


def _work(work: Callable[[Any], Any], messages: queue.SimpleQueue[bytes], pipe: socket.socket) -> NoReturn:
    """Do what is asked for, one item after another, and answer each."""
    while True:
        for number, item in pickle.loads(messages.get()):
            watch = Stopwatch()
            try:
                answer = pickle.dumps(("done", number, work(pickle.loads(item)), watch.seconds))
            except MemoryError:
                os._exit(EXIT_OUT_OF_MEMORY)
            except BaseException as wrong:
                answer = raised(wrong)
            _say(pipe, answer)


def _listen(pipe: socket.socket, messages: queue.SimpleQueue[bytes]) -> None:
    """Take in what the coordinator says. When it is gone there is nobody to work for."""
    incoming = bytearray()
    with contextlib.suppress(OSError):
        while piece := pipe.recv(_PIECE):
            incoming += piece
            for frame in _frames_in(incoming):
                messages.put(frame)
    os._exit(0)


def _say(pipe: socket.socket, message: bytes) -> None:
    try:
        pipe.sendall(_LENGTH.pack(len(message)) + message)
    except OSError:
        os._exit(0)


def raised(wrong: BaseException) -> bytes:
    """An exception as a message, the very one if it can travel. An exit must not end the coordinator."""
    text = "".join(traceback.format_exception(wrong))
    said = f"{type(wrong).__name__}: {wrong}"
    if isinstance(wrong, Exception):
        with contextlib.suppress(Exception):
            message = pickle.dumps(("raised", wrong, text))
            pickle.loads(message)
            return message
    return pickle.dumps(("raised", WorkFailed(said), text))
