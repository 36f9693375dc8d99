"""What `brownout inspect` says, as JSON and as text, and an archive to ask about. Neighbours: its tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.emu.cli.command import Brownout
from tests.emu.helpers import NEW_APP
from updater.bundle import Firmware, make_bundle

DEMO = Firmware("node", "demo", "2.1.0", "b7", NEW_APP, load_address=0x0801_0000)


def document(brownout: Brownout, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The JSON on stdout, which is nothing but JSON."""
    ran = brownout("inspect", *arguments, "--json", "-")
    assert ran.code == code, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    assert found["schema"] == "brownout/inspect/1"
    assert found["verdict"] == ("finding" if code else "ok")
    return found


def page(brownout: Brownout, *arguments: str | Path, code: int = 0) -> str:
    """The text, with runs of blanks as one."""
    ran = brownout("inspect", *arguments)
    assert ran.code == code, ran.err
    assert max(len(line) for line in ran.out.splitlines()) <= 120
    assert "\x1b" not in ran.out
    return " ".join(ran.out.split())


def archive(folder: Path, firmware: Firmware = DEMO, **options: Any) -> Path:
    path = folder / "fw.zip"
    path.write_bytes(make_bundle(firmware, **options))
    return path
