"""The methods of a device, and the three that tell about them: RPC.List, RPC.Describe, RPC.Ping.

Neighbours: `dispatcher` looks methods up here. Knows no frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.ota.mongoose.call import Call, Handler, RpcError
from emu.ota.mongoose.globs import matches
from emu.ota.mongoose.jsontext import device_object, quoted, scalar


@dataclass(frozen=True)
class Method:
    """``name``: a glob. ``arguments_format``: as RPC.Describe shows it, in the notation of the original."""

    name: str
    arguments_format: str
    handler: Handler


class Methods:
    """What was registered last is tried first, and listed first."""

    def __init__(self) -> None:
        self._methods: list[Method] = []
        self.register("RPC.List", "", self._list)
        self.register("RPC.Describe", "{name: %T}", self._describe)
        self.register("RPC.Ping", "", _ping)

    def register(self, name: str, arguments_format: str, handler: Handler) -> None:
        self._methods.insert(0, Method(name, arguments_format, handler))

    def find(self, name: str) -> Method | None:
        return next((method for method in self._methods if matches(method.name, name)), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(method.name for method in self._methods)

    def _list(self, _call: Call) -> str:
        return "[" + ",".join(quoted(name) for name in self.names) + "]"

    def _describe(self, call: Call) -> str | RpcError:
        """By the exact name: a glob is not matched here."""
        text = call.arguments.get("name")
        name = scalar(text) if text is not None else None
        if name is None:
            return RpcError(400, "name is required")
        for method in self._methods:
            if method.name == name:
                return device_object({"name": quoted(name), "args_fmt": quoted(method.arguments_format)})
        return RpcError(404, "name not found")


def _ping(call: Call) -> str:
    return device_object({"channel_info": quoted(call.channel.info)})
