"""OTA.* on the wire: arguments in, the words of a result out.

Templates of results keep the spaces of the device that prints them, where one was seen to (SPEC.md, "OTA methods").

Neighbours: `ota` and `boot_state` do it, `application` registers these and reboots. Knows no flash.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.ota.mongoose.arguments import binary, flag, number, text
from emu.ota.mongoose.boot_state import BootControl
from emu.ota.mongoose.call import Call, Deferred, Handler, RpcError
from emu.ota.mongoose.jsontext import device_object, quoted
from emu.ota.mongoose.methods import Methods
from emu.ota.mongoose.ota import BeginOptions, OtaFailure, OtaService, Status
from emu.ota.mongoose.pull import PullEnd

MALFORMED = RpcError(-1, "Malformed request")


class OtaMethods:
    """``reboot``: asks for a restart, once the answer has left."""

    def __init__(
        self,
        ota: OtaService,
        control: BootControl,
        reboot: Callable[[], None],
        defaults: Callable[[], BeginOptions],
        pull: Callable[[str, BeginOptions, Callable[[PullEnd], None]], None],
    ) -> None:
        self._ota = ota
        self._control = control
        self._reboot = reboot
        self._defaults = defaults
        self._pull = pull

    def register(self, methods: Methods) -> None:
        """In the order that makes RPC.List show them as a device of version 2.17 does."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("OTA.Status", "", self._status),
            ("OTA.SetBootState", SET_BOOT_STATE, self._set_boot_state),
            ("OTA.GetBootState", "", self._get_boot_state),
            ("OTA.CreateSnapshot", "{set_as_revert: %B, commit_timeout: %d}", self._create_snapshot),
            ("OTA.Revert", "", self._revert),
            ("OTA.Commit", "", self._commit),
            ("OTA.Update", UPDATE, self._update),
            ("OTA.End", "", self._end),
            ("OTA.Write", "{offset: %d, data: %V}", self._write),
            ("OTA.Begin", "{timeout: %d, commit_timeout: %d, size: %d}", self._begin),
        )
        for name, arguments_format, handler in table:
            methods.register(name, arguments_format, _answering(handler))

    def _options(self, call: Call) -> BeginOptions:
        defaults = self._defaults()
        timeout, commit_timeout = number(call, "timeout"), number(call, "commit_timeout")
        return BeginOptions(
            defaults.timeout_s if timeout is None or timeout <= 0 else timeout,
            defaults.commit_timeout_s if commit_timeout is None else commit_timeout,
            max(0, number(call, "size") or 0),
            bool(flag(call, "ignore_same_version")),
        )

    def _begin(self, call: Call) -> str:
        self._ota.begin(self._options(call))
        return "null"

    def _update(self, call: Call) -> RpcError | Deferred:
        """Answered when the update has ended; success, too, is an error answer: its code is 0, as in GEN-1."""
        url = text(call, "url")
        if not url:
            return MALFORMED
        deferred = Deferred()

        def done(end: PullEnd) -> None:
            code, message = (0, end.message) if end.code == 1 else (end.code, f"{end.code} {end.message}")
            deferred.answer(RpcError(code, message))

        self._pull(url, self._options(call), done)
        return deferred

    def _write(self, call: Call) -> str | RpcError:
        data = binary(call, "data")
        if data is None:
            return MALFORMED
        offset = number(call, "offset")
        self._ota.write(self._ota.expected_offset if offset is None else offset, data)
        return "null"

    def _end(self, call: Call) -> str:
        if self._ota.end():
            self._reboot()
        return "null"

    def _status(self, call: Call) -> str:
        return status_json(self._ota.status())

    def _commit(self, call: Call) -> str:
        self._control.commit()
        return "null"

    def _revert(self, call: Call) -> str:
        self._control.revert()
        self._reboot()
        return "null"

    def _get_boot_state(self, call: Call) -> str:
        state = self._control.state()
        return device_object(
            {
                "active_slot": str(state.active_slot),
                "is_committed": _bool(state.is_committed),
                "revert_slot": str(state.revert_slot),
                "commit_timeout": str(state.commit_timeout_s),
            }
        )

    def _set_boot_state(self, call: Call) -> str:
        self._control.set_state(
            active_slot=number(call, "active_slot"),
            is_committed=flag(call, "is_committed"),
            revert_slot=number(call, "revert_slot"),
            commit_timeout_s=number(call, "commit_timeout"),
        )
        return "null"

    def _create_snapshot(self, call: Call) -> str:
        slot = self._control.create_snapshot(
            set_as_revert=bool(flag(call, "set_as_revert")), commit_timeout_s=number(call, "commit_timeout")
        )
        return device_object({"slot": str(slot)})


UPDATE = "{file: %Q, url: %Q, timeout: %d, commit_timeout: %d, ignore_same_version: %B}"
SET_BOOT_STATE = "{active_slot: %d, is_committed: %B, revert_slot: %d, commit_timeout: %d}"


def status_json(status: Status) -> str:
    """Without spaces: as a device of version 2.17 was seen to send it."""
    return (
        f'{{"state":{int(status.state)},"message":{quoted(status.message)},"is_committed":{_bool(status.is_committed)},'
        f'"progress_percent":{status.progress_percent},"commit_timeout":{status.commit_timeout_s},'
        f'"partition":{status.partition}}}'
    )


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _answering(handler: Handler) -> Handler:
    """``handler``, with what it cannot do as an error answer."""

    def answered(call: Call) -> str | RpcError | Deferred:
        try:
            return handler(call)
        except OtaFailure as failure:
            return RpcError(failure.code, failure.message)

    return answered
