"""The configuration of a device, as Config.Get shows it and Config.Set changes it: the keys an update needs.

On a real device it lies in files (conf0.json to conf9.json). Here it stands beside the flash: it survives a reset and
a power cut, no operation writes it, and no cut tears it. That is a limit of this device, and SPEC.md says so.

Neighbours: `application` reads it, `methods_sys` puts it on the wire. Knows no link.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

DEFAULTS: dict[str, Any] = {
    "device": {"id": "brownout_000001", "mac": "020000000001"},
    "update": {
        "timeout": 600,
        "commit_timeout": 0,
        "url": "",
        "interval": 0,
        "extra_http_headers": "",
        "enable_post": True,
    },
    "rpc": {"enable": True, "max_frame_size": 4096, "max_queue_length": 25, "max_non_persistent_channels": 20},
    "shadow": {"enable": True, "ota_enable": True, "autocommit": False},
}
MAX_TEXT = 1024
MAX_WHOLE = (1 << 31) - 1
"""A device keeps a number of its configuration in a C int."""


class SettingsError(Exception):
    """What was asked of the configuration cannot be: the message says why."""


@dataclass
class Settings:
    """A tree of objects, numbers, booleans and strings. Keys are fixed; a value keeps its type.

    ``files``: other small files a device keeps, by name.
    """

    values: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(DEFAULTS)))
    files: dict[str, str] = field(default_factory=dict)

    def get(self, key: str = "") -> Any:
        """The value, or the object, at a key like ``update.timeout``; all for "". Raises SettingsError."""
        found: Any = self.values
        for name in filter(None, key.split(".")):
            if not isinstance(found, dict) or name not in found:
                raise SettingsError(f"{key} is no key of the configuration")
            found = found[name]
        return found

    def merge(self, changes: Any) -> None:
        """Take over an object of changes; nothing of it where any of it cannot be. Raises SettingsError."""
        if not isinstance(changes, dict):
            raise SettingsError("the configuration is an object")
        changed = json.loads(json.dumps(self.values))
        _merge(changed, changes, "")
        self.values = changed


def _merge(into: dict[str, Any], changes: dict[str, Any], where: str) -> None:
    for name, value in changes.items():
        key = f"{where}{name}"
        if name not in into:
            raise SettingsError(f"{key} is no key of the configuration")
        held = into[name]
        if isinstance(held, dict):
            if not isinstance(value, dict):
                raise SettingsError(f"{key} is an object")
            _merge(held, value, f"{key}.")
            continue
        if type(value) is not type(held):
            words = {bool: "true or false", int: "a whole number", str: "a string"}
            raise SettingsError(f"{key} is {words[type(held)]}")
        if isinstance(value, int) and not -MAX_WHOLE - 1 <= value <= MAX_WHOLE:
            raise SettingsError(f"{key} is a whole number of 32 bits")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise SettingsError(f"{key} has {len(value)} characters, {MAX_TEXT} at most")
        into[name] = value
