"""When a device has settled, as far as its console tells.

It has settled when what it says about itself has not changed for ``settle_ms``: the old image runs, or the new one and
has committed, or nothing will run. An image that has not committed is waited for until ``commit_s``; silence ends with
``boot_s`` or ``update_s``. Neighbours: `console` has the meanings, `external_rig` the time. Pure.
"""

from __future__ import annotations

from emu.events import NEW, OLD, UNKNOWN
from emu.hil.console import shown
from emu.hil.rig_file import RigDocument
from emu.rig import Outcome
from emu.timed_rig import SaidKind


class Settling:
    """One stay. ``is_update``: it begins with an update, while the old image still runs and may still say so."""

    def __init__(self, document: RigDocument, *, is_update: bool) -> None:
        limits, console = document.limits, document.console
        self._settle_ms = float(limits.settle_ms)
        self._silence_ms = (limits.update_s if is_update else limits.boot_s) * 1000
        self._commit_ms = limits.commit_s * 1000
        self._silence = f"no image says that it runs within {limits.update_s if is_update else limits.boot_s:g} s"
        self._has_commit = bool(console.committed)
        self._is_asked = bool(console.ask)
        self._old_may_go_on = is_update and self._is_asked
        self._max_starts = document.checks.max_resets + 1
        self._limit_ms = self._silence_ms + self._commit_ms
        self._image = ""
        self._is_committed = False
        self._is_on_trial = False
        self._dead = ""
        self._starts = 0
        self._changed_ms = 0.0
        self._entered_ms = 0.0

    def hear(self, kind: SaidKind, line: str, now_ms: float) -> bool:
        """Returns whether it is news: what a device says because it was asked is news only when it is something else
        than before."""
        before = self._state
        match kind:
            case "dead":
                self._dead = shown(line)
            case "committed":
                self._is_committed, self._is_on_trial = True, False
            case "trial":
                self._is_committed, self._is_on_trial = False, True
            case "old" | "new" | "unknown":
                self._start({"old": OLD, "new": NEW, "unknown": UNKNOWN}[kind], now_ms)
        is_news = not self._is_asked or before != self._state
        if is_news:
            self._changed_ms = now_ms
        return is_news

    @property
    def _state(self) -> tuple[str, bool, bool, str]:
        return self._image, self._is_committed, self._is_on_trial, self._dead

    def _start(self, image: str, now_ms: float) -> None:
        """An image says that it runs: it has just been started, unless it says so because it was asked."""
        if self._is_asked and image == self._image and not self._dead:
            return
        self._starts += 1
        self._image, self._dead, self._entered_ms = image, "", now_ms
        self._is_committed, self._is_on_trial = image == OLD or not self._has_commit, False

    def outcome(self, now_ms: float) -> Outcome | None:
        """How the stay ends; None: not yet."""
        if self._starts > self._max_starts:
            return Outcome("hung", detail=f"it restarts again and again, {self._starts} times so far")
        if not (self._image or self._dead):
            return Outcome("hung", detail=self._silence) if now_ms >= self._silence_ms else None
        if now_ms >= self._limit_ms:
            return Outcome("hung", detail=f"it does not settle within {self._limit_ms / 1000:g} s")
        if now_ms - self._changed_ms < self._settle_ms:
            return None
        if self._dead:
            return Outcome("halted", detail=self._dead)
        if self._image == OLD and self._old_may_go_on and now_ms < self._silence_ms:
            return None
        if self._is_committed or self._image == UNKNOWN or now_ms - self._entered_ms >= self._commit_ms:
            return Outcome("settled", image=self._image, committed=self._is_committed)
        return None
