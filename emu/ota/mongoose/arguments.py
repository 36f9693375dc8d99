"""Arguments of a call, read as a device reads them: a member of another type than expected is not there.

Neighbours: `methods_ota` and `methods_sys`. Knows no method.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64

from emu.ota.mongoose.call import Call
from emu.ota.mongoose.jsontext import scalar

_WHOLE = re.compile(r"-?[0-9]{1,18}")


def number(call: Call, name: str) -> int | None:
    text = call.arguments.get(name, "")
    return int(text) if _WHOLE.fullmatch(text) else None


def flag(call: Call, name: str) -> bool | None:
    return {"true": True, "false": False}.get(call.arguments.get(name, ""))


def text(call: Call, name: str) -> str | None:
    raw = call.arguments.get(name, "")
    return scalar(raw) if raw[:1] == '"' else None


def binary(call: Call, name: str) -> bytes | None:
    """Standard base64, padded."""
    encoded = text(call, name)
    if encoded is None:
        return None
    try:
        return b64decode(encoded, validate=True)
    except (NoBase64, ValueError):
        return None
