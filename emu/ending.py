"""How a power session ends: whatever the firmware does (hang, fault, crash, be interrupted), it is an `Outcome`.

Neighbours: `life` and `plain_rig` run their firmware through it. What counts as a crash is theirs to say; an assertion
of ours is never one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from emu.crash_place import place_of
from emu.errors import EngineLost, UsageError
from emu.events import HANG
from emu.rig import Outcome
from emu.session import PowerSession
from emu.timers import Hung
from flash.errors import FlashError, HardwareFault, PowerLost, ResetAsserted

Crashes = tuple[type[BaseException], ...]

MODEL_CRASHES = (FlashError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
"""What a processor would trap on. Anything else that our own firmware raises is a mistake of the emulator's."""

EVERY_CRASH = (Exception, SystemExit)
"""For firmware of users: whatever it raises is its own, a call of exit too. What ends a process at once (os._exit, a
crash in native code) no handler sees: an engine with processes of its own makes a finding of it."""

NOT_ITS_OWN = (UsageError, EngineLost)
"""What runs a firmware has failed, not the firmware: no session can be judged by it."""


def ended(session: PowerSession, live: Callable[[], Outcome], crashes: Crashes) -> Outcome:
    """Run ``live`` to its end. A scheduled interruption that comes after the last entry strikes here."""
    try:
        outcome = _natural_end(session, live, crashes)
        if not session.supply.on:
            return Outcome("cut")  # somebody swallowed it
        if outcome.kind != "waypoint" and not session.log.journal.struck:
            session.log.strike_if_due()
        return outcome
    except PowerLost:
        return Outcome("cut")
    except ResetAsserted as reset:
        return _after_reset(session, reset.cause)


def _natural_end(session: PowerSession, live: Callable[[], Outcome], crashes: Crashes) -> Outcome:
    """How the session ends when nothing interrupts it after its last entry."""
    try:
        outcome = live()
        _meet_again(session)
        return outcome
    except ResetAsserted as reset:
        return _after_reset(session, reset.cause)
    except Hung as hung:
        return Outcome("hung", detail=str(hung))
    except HardwareFault as fault:
        return _after_crash(session, f"unhandled fault: {fault}")
    except crashes as wrong:
        if isinstance(wrong, NOT_ITS_OWN) or _is_ours(wrong):
            raise
        _meet_again(session)
        return _after_crash(session, f"the firmware crashed: {type(wrong).__name__}: {wrong}{place_of(wrong)}")


def _is_ours(wrong: BaseException) -> bool:
    return isinstance(wrong, AssertionError) and str(wrong).endswith("please report")


def _meet_again(session: PowerSession) -> None:
    """An interruption that has struck is a latch: firmware that swallowed it meets it where it comes to rest."""
    if session.log.journal.struck:
        session.log.strike_if_due()


def _after_reset(session: PowerSession, cause: str) -> Outcome:
    if cause != HANG:
        return Outcome("reset", cause=cause)  # type: ignore[arg-type]
    try:
        session.hang()
    except ResetAsserted as reset:
        return Outcome("reset", cause=reset.cause)  # type: ignore[arg-type]
    except Hung as hung:
        return Outcome("hung", detail=str(hung))


def _after_crash(session: PowerSession, detail: str) -> Outcome:
    """A default fault handler loops for ever; only a timer can end that."""
    return replace(_after_reset(session, HANG), detail=detail)
