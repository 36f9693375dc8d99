"""One update at a time, as OTA.Begin, Write, End and Status see it, over `updater`.

The methods are those of Mongoose OS after the 2018 refactoring (GEN-2 in SPEC.md: Begin, Write, End, Status); where no
source of it is public, SPEC.md says what was decided. Codes and messages stand here and nowhere else.

`OtaService` lives as long as one boot: it is RAM. It never resets the device itself: an answer has to leave first.

Neighbours: `boot_state` has commit and revert; RPC, HTTP and the shadow feed it alike. Knows no frame, no link and no
wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.events import NOTE, REFUSED, STAGED
from emu.ota.node import Booted
from updater.context import updater_expire
from updater.manifest import Claims
from updater.reception import OtaState, UpdaterContext, UpdateState

NOT_IN_PROGRESS = "No update in progress"


class OtaFailure(Exception):
    """A method does not do what was asked: ``code`` and ``message`` as they go over the wire ("" is not sent)."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(f"{code} {message}".rstrip())
        self.code = code
        self.message = message


@dataclass(frozen=True)
class BeginOptions:
    """``timeout_s``: without progress, then the update is freed; 0: the default, 600. ``size``: of the whole archive,
    for the percentage; 0: nobody knows. ``commit_timeout_s``: 0: the new image commits at once."""

    timeout_s: int = 0
    commit_timeout_s: int = 0
    size: int = 0
    ignore_same_version: bool = False


@dataclass(frozen=True)
class Status:
    """What OTA.Status tells, and the event OTA_STATUS carries."""

    state: OtaState
    message: str
    is_committed: bool
    progress_percent: int
    commit_timeout_s: int
    partition: int


class OtaService:
    """``version`` and ``build_id``: of the image that runs. ``may_begin``: the event OTA_BEGIN, which may veto; it is
    raised when the manifest is known and before anything is written. ``tells``: the event OTA_STATUS."""

    def __init__(
        self,
        booted: Booted,
        *,
        version: str,
        build_id: str,
        may_begin: Callable[[Claims], bool] | None = None,
        tells: Callable[[Status], None] = lambda status: None,
    ) -> None:
        self.target = booted.firmware.update_target(
            booted.session, booted.slot, version=version, build_id=build_id, may_begin=may_begin
        )
        self.expected_offset = 0
        """The next byte of the archive that `write` takes."""
        self._booted = booted
        self._tells = tells
        self.size = 0
        """Of the whole archive; 0: nobody knows."""
        self._last: UpdaterContext | None = None
        self._told_percent = -1

    # -- one update ----------------------------------------------------------------------------------------

    @property
    def context(self) -> UpdaterContext | None:
        """Of the update in progress; None: there is none."""
        context = self.target.context
        return None if context is None or context.update_state is UpdateState.FINISHED else context

    @property
    def deadline_us(self) -> int | None:
        """When an update that hears nothing more is freed."""
        return None if self.context is None else self.context.deadline_us

    def expire(self) -> None:
        """Free an update whose time is over."""
        if updater_expire(self.target):
            self.tell()

    def begin(self, options: BeginOptions) -> UpdaterContext:
        """Raises OtaFailure, -1 with the updater's own words, when this is not the moment."""
        if not 0 <= options.commit_timeout_s <= 0xFFFF_FFFF:
            raise OtaFailure(-1, "Invalid commit_timeout")
        context = self._booted.firmware.open_update(
            self._booted.session,
            self.target,
            timeout_s=options.timeout_s,
            commit_timeout_s=options.commit_timeout_s,
            ignore_same_version=options.ignore_same_version,
        )
        if context is None:
            raise OtaFailure(-1, self.target.log[-1])
        self._last, self.size, self.expected_offset, self._told_percent = context, options.size, 0, -1
        self._booted.session.log.note(NOTE, "an update begins")
        self.tell()
        return context

    def write(self, offset: int, data: bytes) -> None:
        """Take the bytes at ``offset`` of the archive. A chunk that was taken before has been sent again: it is
        passed over.

        Raises OtaFailure: no update is in progress; the offset leaves a gap; the updater refuses, and the update is
        over.
        """
        context = self._in_progress()
        if offset + len(data) <= self.expected_offset:
            return
        if offset != self.expected_offset:
            raise OtaFailure(-1, f"Expected offset {self.expected_offset}, got {offset}")
        self.feed(context, data)

    def feed(self, context: UpdaterContext, data: bytes) -> int:
        """The next bytes. 0: more is wanted, or all is there; 1: finished without an update. Raises OtaFailure."""
        result = self._booted.firmware.process(context, data)
        self.expected_offset += len(data)
        if result < 0:
            raise self._failed(context)
        percent = self._percent(context)
        if result or percent != self._told_percent:
            self._told_percent = percent
            self.tell()
        return result

    def end(self, commit_timeout_s: int | None = None) -> bool:
        """All was sent: apply it. True: reboot now, also when it was applied before; False: nothing new is to be booted
        (the version is the same).

        ``commit_timeout_s``, 0 to 2**32 - 1: in place of the one it was begun with, where a sender says it last.

        Raises OtaFailure where there is nothing to apply; an update of which something is missing is given up.
        """
        context = self._last
        if context is None:
            raise OtaFailure(-1, NOT_IN_PROGRESS)
        if context.update_state is UpdateState.FINISHED:
            self._last = None
            if context.result == 1:
                return context.need_reboot
            raise OtaFailure(context.result, worded(context))
        if context.update_state is not UpdateState.WRITE_FINISHED:
            self.abort(f"Aborted after {self.expected_offset} bytes")
            self._last = None
            raise OtaFailure(-1, f"Aborted after {self.expected_offset} bytes")
        if commit_timeout_s is not None:
            context.commit_timeout_s = commit_timeout_s
        if self._booted.firmware.finish(context) != 1:
            raise self._failed(context)
        self._booted.session.log.note(STAGED)
        self.tell()
        return True

    def abort(self, message: str) -> None:
        """Give up the update in progress, if there is one."""
        context = self.context
        if context is not None:
            context.end(-1, message, "the sender gave it up")
            self._booted.session.log.note(REFUSED, message)
            self.tell()

    def dismiss(self) -> None:
        """The update in progress turns out to be none: it is gone as if it had never begun."""
        context = self.context
        if context is not None:
            context.end(1, "", "there was nothing to update")
        self._last = self.target.context = None
        self.tell()

    def status(self) -> Status:
        """What there is to tell now. Reads the boot config."""
        config = self.target.store.read().config
        context = self._last if self._last is not None else self.target.context
        state = OtaState.IDLE if context is None else context.ota_state
        return Status(
            state,
            "idle" if context is None else context.status_msg or state.name.lower(),
            config is not None and config.committed,
            0 if context is None else self._percent(context),
            0 if config is None or config.committed else config.commit_timeout_s,
            self._booted.slot if config is None else config.active_slot,
        )

    def _percent(self, context: UpdaterContext) -> int:
        if context.ota_state is OtaState.SUCCESS:
            return 100
        return min(99, self.expected_offset * 100 // self.size) if self.size else 0

    def tell(self) -> None:
        """Raise OTA_STATUS."""
        self._tells(self.status())

    def _in_progress(self) -> UpdaterContext:
        self.expire()
        if self.context is None:
            ended = self._last
            raise OtaFailure(-1, NOT_IN_PROGRESS) if ended is None else OtaFailure(ended.result, worded(ended))
        return self.context

    def _failed(self, context: UpdaterContext) -> OtaFailure:
        self._booted.session.log.note(REFUSED, worded(context))
        self.tell()
        return OtaFailure(context.result, worded(context))


def worded(context: UpdaterContext) -> str:
    """How an update ended, as GEN-2 puts it: the code, then the message."""
    return f"{context.result} {context.status_msg or context.detail}"
