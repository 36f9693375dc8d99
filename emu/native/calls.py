"""What a firmware in C can ask: one row a call of brownout.h, answered by the `Reset` of its session.

Neighbours: `firmware` hears the calls; the header has the same numbers and says what each promises.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import get_args

from bootloader.decision import ResetCause
from emu.events import NEW, OLD, UNKNOWN
from emu.native.process import Message
from emu.native.zygote import ATTEMPT, RECEIVES, ROOM, SENDS, TOO_LONG
from emu.reset import Reset
from flash.errors import EccFault
from flash.partition import Partition

Answer = tuple[int, bytes]
CAUSES: tuple[str, ...] = get_args(ResetCause)
IMAGES = (UNKNOWN, OLD, NEW)
"""What a hand-over returns, by number; any other known image is the number after them."""
DONE: Answer = (0, b"")
UNCORRECTABLE: Answer = (-1, b"")


class Misused(Exception):
    """A call that means nothing, whatever the flash; for the firmware it is a crash."""


class Desk:
    """Answers the calls of one session. ``sent`` is what came with a call, by length."""

    def __init__(self, reset: Reset, sent: Callable[[int], bytes]) -> None:
        self.reset = reset
        self.sent = sent
        self.commit: AbstractContextManager[None] | None = None

    def answer(self, call: Message) -> Answer:
        """Value and bytes for the firmware. Raises what the world raises, and for misuse what a crash is made of."""
        if call.length == TOO_LONG:
            raise Misused(f"a text that begins with {call.text!r} is longer than brownout takes")
        if call.what & (SENDS | RECEIVES) and call.length > ROOM:
            raise Misused(f"{described(call)}: at most {ROOM:,} bytes at a time")
        if call.what not in CALLS:
            raise Misused(f"{described(call)} is none of brownout.h")
        return CALLS[call.what][1](self, call)

    def window(self, call: Message) -> Partition:
        name = text_of(call)
        if name not in self.reset.flash:
            raise Misused(f"there is no window {name!r}: {', '.join(self.reset.flash)}")
        return self.reset.flash[name]


def text_of(call: Message) -> str:
    return call.text.decode(errors="backslashreplace")


def described(call: Message) -> str:
    """The call in words, for whoever looks for a crash."""
    if call.what not in CALLS:
        return f"call {call.what:#x}"
    name, text = CALLS[call.what][0], text_of(call)
    if name in ("read", "try_read", "program"):
        return f"{name} of {call.length} bytes at {call.a:#x} of {text!r}"
    return f"{name} of {call.b} bytes at {call.a:#x} of {text!r}" if name == "erase" else f"{name} {text}".rstrip()


def _read(desk: Desk, call: Message) -> Answer:
    return 0, desk.window(call).read(call.a, call.length)


def _try_read(desk: Desk, call: Message) -> Answer:
    try:
        return _read(desk, call)
    except EccFault:
        return UNCORRECTABLE


def _program(desk: Desk, call: Message) -> Answer:
    desk.window(call).program(call.a, desk.sent(call.length))
    return DONE


def _erase(desk: Desk, call: Message) -> Answer:
    desk.window(call).erase(call.a, call.b)
    return DONE


def _page_size(desk: Desk, call: Message) -> Answer:
    geometry = desk.window(call).geometry
    return geometry.page_size or geometry.burst_size, b""


def _handover(desk: Desk, call: Message) -> Answer:
    image = desk.reset.handover(desk.window(call).name, trial=bool(call.a))
    return IMAGES.index(image) if image in IMAGES else len(IMAGES), b""


def _attempt(desk: Desk, call: Message) -> Answer:
    update = desk.reset.attempt()
    return DONE if update is None else (1, update)


def _refuse(desk: Desk, call: Message) -> Answer:
    desk.reset.refuse(text_of(call))
    return DONE


def _commit_begin(desk: Desk, call: Message) -> Answer:
    if desk.commit is not None:
        raise Misused("brownout_commit_begin, and the commit before has not returned")
    desk.commit = desk.reset.committing()
    desk.commit.__enter__()
    return DONE


def _commit_returned(desk: Desk, call: Message) -> Answer:
    if desk.commit is None:
        raise Misused("brownout_commit_returned, and no commit has begun")
    desk.commit.__exit__(None, None, None)
    desk.commit = None
    return DONE


def _offer(desk: Desk, call: Message) -> Answer:
    desk.reset.offer(text_of(call), desk.sent(call.length))
    return DONE


def _tell(desk: Desk, call: Message) -> Answer:
    desk.reset.tell(text_of(call), desk.sent(call.length))
    return DONE


def _wait(desk: Desk, call: Message) -> Answer:
    if call.a < 0:
        raise Misused(f"a wait of {call.a % (1 << 64):,} us, half a million years")
    desk.reset.wait(call.a)
    return DONE


def _simple(act: Callable[[Reset, Message], object]) -> Callable[[Desk, Message], Answer]:
    """A row that returns nothing to the firmware."""

    def answered(desk: Desk, call: Message) -> Answer:
        act(desk.reset, call)
        return DONE

    return answered


def _value(ask: Callable[[Desk, Message], int]) -> Callable[[Desk, Message], Answer]:
    return lambda desk, call: (ask(desk, call), b"")


CALLS: dict[int, tuple[str, Callable[[Desk, Message], Answer]]] = {
    1 | RECEIVES: ("read", _read),
    2 | RECEIVES: ("try_read", _try_read),
    3 | SENDS: ("program", _program),
    4: ("erase", _erase),
    5: ("size", _value(lambda desk, call: desk.window(call).size)),
    6: ("sector_size", _value(lambda desk, call: desk.window(call).geometry.sector_at(call.a).size)),
    7: ("page_size", _page_size),
    8: ("unit", _value(lambda desk, call: desk.window(call).geometry.unit)),
    9: ("erased", _value(lambda desk, call: desk.window(call).geometry.erased)),
    16: ("handover", _handover),
    ATTEMPT: ("attempt", _attempt),
    18: ("staged", _simple(lambda reset, call: reset.staged())),
    19: ("refuse", _refuse),
    20: ("commit_begin", _commit_begin),
    21: ("commit_returned", _commit_returned),
    22 | SENDS: ("offer", _offer),
    23 | SENDS: ("tell", _tell),
    24: ("offer_number", _simple(lambda reset, call: reset.offer(text_of(call), call.a))),
    25: ("tell_number", _simple(lambda reset, call: reset.tell(text_of(call), call.a))),
    32: ("cause", _value(lambda desk, call: CAUSES.index(desk.reset.cause))),
    33: ("restart", _simple(lambda reset, call: reset.restart())),
    34: ("hang", _simple(lambda reset, call: reset.hang())),
    35: ("wait", _wait),
    36: ("now", _value(lambda desk, call: desk.reset.clock.now_us)),
    37: ("recall", _value(lambda desk, call: desk.reset.recall(text_of(call)))),
    38: ("retain", _simple(lambda reset, call: reset.retain(text_of(call), call.a))),
    39: ("note", _simple(lambda reset, call: reset.note(text_of(call)))),
    48: ("timeout", _value(lambda desk, call: desk.reset.commit_timeout_s)),
    49: ("arm", _simple(lambda reset, call: reset.timer.arm(call.a))),
    50: ("stop", _simple(lambda reset, call: reset.timer.stop())),
    51: ("feed", _simple(lambda reset, call: reset.timer.keep_fed())),
}
"""By number: the name in the header, in small letters, and what answers."""
