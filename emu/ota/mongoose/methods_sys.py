"""Sys.* and Config.*, as far as an update needs them.

Neighbours: `application` registers these and reboots; `settings` is the configuration. Knows no flash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from emu.ota.mongoose.arguments import flag, number, text
from emu.ota.mongoose.call import Call, RpcError
from emu.ota.mongoose.jsontext import device_object
from emu.ota.mongoose.methods import Methods
from emu.ota.mongoose.settings import Settings, SettingsError

DEFAULT_REBOOT_MS = 100


class SysMethods:
    """``info``: the members of Sys.GetInfo, as JSON text. ``reboot`` takes a delay in ms, None calls it off."""

    def __init__(
        self, settings: Settings, info: Callable[[], Mapping[str, str]], reboot: Callable[[int | None], None]
    ) -> None:
        self._settings = settings
        self._info = info
        self._reboot = reboot

    def register(self, methods: Methods) -> None:
        for name, arguments_format, handler in (
            ("Config.Save", "{try_once: %B, reboot: %B}", self._save),
            ("Config.Set", "{config: %M, save: %B, try_once: %B, reboot: %B}", self._set),
            ("Config.Get", "{key: %Q}", self._get),
            ("Sys.GetInfo", "", self._get_info),
            ("Sys.Reboot", "{abort: %B, delay_ms: %d}", self._sys_reboot),
        ):
            methods.register(name, arguments_format, handler)

    def _get_info(self, call: Call) -> str:
        return device_object(self._info())

    def _sys_reboot(self, call: Call) -> str | RpcError:
        if flag(call, "abort"):
            self._reboot(None)
            return "null"
        delay_ms = number(call, "delay_ms")
        if delay_ms is not None and delay_ms < 0:
            return RpcError(400, "invalid delay value")
        self._reboot(DEFAULT_REBOOT_MS if delay_ms is None else delay_ms)
        return "null"

    def _get(self, call: Call) -> str | RpcError:
        try:
            return json.dumps(self._settings.get(text(call, "key") or ""))
        except SettingsError:
            return RpcError(404, "invalid config key")

    def _set(self, call: Call) -> str | RpcError:
        changes = call.arguments.get("config")
        if changes is None:
            return RpcError(400, "config is required")
        try:
            self._settings.merge(json.loads(changes))
        except (SettingsError, ValueError, RecursionError) as wrong:
            return RpcError(400, str(wrong))
        if flag(call, "reboot"):
            self._reboot(DEFAULT_REBOOT_MS)
        return device_object({"saved": "true" if flag(call, "save") else "false"})

    def _save(self, call: Call) -> str:
        if flag(call, "reboot"):
            self._reboot(DEFAULT_REBOOT_MS)
        return device_object({"saved": "true"})
