"""Firmware archives that every device refuses: no command makes anything of one, and says why in one line."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.emu.cli.command import Brownout
from tests.emu.helpers import NEW_APP, OLD_APP

PLATFORM, LOAD_ADDRESS = "demo", 0x0801_0000
ZIP_END = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0, 0, 0, 0, 0)


def entry(name: str, content: bytes, *, crc32: int | None = None) -> bytes:
    """A stored entry of a .zip, with a true CRC unless another is given."""
    raw = name.encode()
    crc32 = zlib.crc32(content) if crc32 is None else crc32
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, crc32, len(content), len(content), len(raw), 0)
    return head + raw + content


def manifest(app: bytes, **changes: Any) -> bytes:
    part = {
        "type": "app", "src": "app.bin", "size": len(app), "addr": LOAD_ADDRESS,
        "cs_sha256": hashlib.sha256(app).hexdigest(),
    } | changes.pop("part", {})  # fmt: skip
    document = {"name": "node", "platform": PLATFORM, "version": "1.0.0", "build_id": "b1", "parts": {"app": part}}
    return json.dumps(document | changes).encode()


def archive(folder: Path, *entries: bytes, name: str = "fw.zip") -> Path:
    path = folder / name
    path.write_bytes(b"".join(entries) + ZIP_END)
    return path


@pytest.mark.parametrize(
    "entries",
    [
        (entry("manifest.json", manifest(OLD_APP)), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP, part={"size": 1})), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", OLD_APP), entry("x/app.bin", NEW_APP)),
        (
            entry("manifest.json", manifest(OLD_APP)),
            entry("app.bin", NEW_APP),
            entry("manifest.json", manifest(NEW_APP, version="250.0.0")),
        ),
    ],
    ids=["digest", "size", "app twice", "manifest twice"],
)
def test_no_factory_content_is_made_of_an_archive_every_device_refuses(
    tmp_path: Path, brownout: Brownout, entries: tuple[bytes, ...]
) -> None:
    """The tools compare digests and sizes, and take an entry that comes twice, as the updater does."""
    path, target = archive(tmp_path, *entries), tmp_path / "f.bin"
    assert brownout("inspect", path, "--board", "demo").code == 1, "a device refuses it"
    assert brownout("flash", "factory", target, "--board", "demo", "--from", path).code == 2
    assert not target.exists()


def test_the_manifest_that_counts_is_the_first_as_on_a_device(tmp_path: Path, brownout: Brownout) -> None:
    """Version, load address and header signature are those of the manifest that update signatures cover."""
    path = archive(
        tmp_path,
        entry("manifest.json", manifest(NEW_APP)),
        entry("app.bin", NEW_APP),
        entry("manifest.json", manifest(NEW_APP, version="250.0.0")),
    )
    target = tmp_path / "f.hex"
    ran = brownout("flash", "factory", target, "--board", "demo", "--from", path)
    assert ran.code == 0, ran.err
    found = json.loads(brownout("inspect", f"nor={target}", "--board", "demo", "--json", "-").out)
    fields = {field["name"]: field["value"] for field in found["flash"]["slots"][0]["header"]["fields"]}
    assert fields["app_version"] == 0x0100_0000


@pytest.mark.parametrize(
    "entries",
    [
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", NEW_APP), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", OLD_APP), entry("x/app.bin", NEW_APP)),
        (
            entry("manifest.json", manifest(NEW_APP)), entry("app.bin", NEW_APP),
            *(entry(f"f{number}", b"x") for number in range(64)),
        ),
        (entry("manifest.json", manifest(NEW_APP, pad="x" * 20000)), entry("app.bin", NEW_APP)),
    ],
    ids=["same part twice", "another part first", "65 entries", "large manifest"],
)  # fmt: skip
def test_without_a_board_too_an_archive_that_every_device_refuses_is_a_finding(
    tmp_path: Path, brownout: Brownout, entries: tuple[bytes, ...]
) -> None:
    """What no slot size and no key can mend is found without a board."""
    path = archive(tmp_path, *entries)
    assert brownout("inspect", path, "--board", "demo").code == 1
    assert brownout("inspect", path).code == 1


def test_a_name_in_an_archive_adds_no_line_and_no_escape_to_an_error(tmp_path: Path, brownout: Brownout) -> None:
    """Names out of an archive are shown with whatever is not printable escaped."""
    path = archive(
        tmp_path, entry("manifest.json", manifest(NEW_APP, part={"src": "\x1b[2Jx\nbrownout: all held"})),
        entry("app.bin", NEW_APP),
    )  # fmt: skip
    for command in (
        ("flash", "factory", tmp_path / "f.bin", "--board", "demo", "--from", path),
        ("run", "--from", path, "--to", path, "--tears", "none"),
    ):
        assert "not in the archive: \\x1b[2Jx\\nbrownout: all held" in brownout.refused(*command)
