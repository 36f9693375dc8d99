"""The document of one thing's shadow in a file, as JSON, so that a service goes on where it was.

Neighbours: `shadow_service` has the shadows. Believed whole or not at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec

from emu.ota.errors import OtaError
from emu.ota.mongoose.shadow_service import MAX_DOCUMENT, Shadow, ShadowService
from flash.files import read_bounded, write_file

MAX_FILE = 8 * MAX_DOCUMENT


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    desired: dict[str, Any]
    reported: dict[str, Any]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``state``: null for a shadow that was deleted; its version stays."""

    thing: str
    version: Annotated[int, msgspec.Meta(ge=0)]
    state: _State | None


def save_shadow(path: Path, service: ShadowService, thing: str) -> None:
    """Raises ImageError where the file cannot be written; the old one stays."""
    shadow = service.shadows.get(thing)
    state = None if shadow is None else {"desired": shadow.desired, "reported": shadow.reported}
    version = service.deleted.get(thing, 0) if shadow is None else shadow.version
    write_file(path, (json.dumps({"thing": thing, "version": version, "state": state}, indent=2) + "\n").encode())


def load_shadow(path: Path, service: ShadowService, thing: str) -> None:
    """Put into ``service`` what the file holds. Raises OtaError."""
    try:
        kept = msgspec.json.decode(read_bounded(path, MAX_FILE), type=_File)
    except OSError as wrong:
        raise OtaError(f"{path}: cannot be read ({wrong.strerror}): give another file") from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise OtaError(f"{path}: is no shadow's document ({wrong}): remove it, and the shadow is new") from None
    if kept.thing != thing:
        raise OtaError(f"{path}: is the shadow of {kept.thing}, not of {thing}: give the --device-id it is of")
    if kept.state is None:
        service.deleted[thing] = kept.version
    else:
        service.shadows[thing] = Shadow(dict(kept.state.desired), dict(kept.state.reported), kept.version)
