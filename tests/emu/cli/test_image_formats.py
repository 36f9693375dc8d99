"""`brownout run` on every format of image: the same application is the same update, whatever it came in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from emu.board import load_board
from flash.images import WRITABLE_SUFFIXES, Segment, image_from_segments, save_image
from tests.emu.cli.command import Brownout
from tests.emu.helpers import NEW_APP, OLD_APP

BASE = load_board("demo").document.load_address
OLD, NEW = OLD_APP[:512], NEW_APP[:1024]  # whole pages: a UF2 holds nothing else
RP2040, SAMD21 = 0xE48BFF56, 0x68ED2B88


def saved(path: Path, app: bytes, family_id: int | None = None) -> Path:
    save_image(image_from_segments(path.name, [Segment(BASE, app)]), path, family_id=family_id)
    return path


def updated(brownout: Brownout, old: Path, new: Path, *options: str) -> tuple[str, str]:
    """SHA-256 of the applications that the command updates from and to."""
    ran = brownout("run", "--from", old, "--to", new, "--json", "-", "--tears", "none", *options)
    assert (ran.code, ran.err) == (0, "")
    inputs = json.loads(ran.out)["inputs"]
    return inputs["from"]["sha256"], inputs["to"]["sha256"]


def digest(app: bytes) -> str:
    return hashlib.sha256(app).hexdigest()


@pytest.mark.parametrize("suffix", [one for one in WRITABLE_SUFFIXES if one not in (".s19", ".s28")])
def test_an_update_is_the_same_whatever_format_it_is_given_in(brownout: Brownout, tmp_path: Path, suffix: str) -> None:
    old, new = saved(tmp_path / f"old{suffix}", OLD), saved(tmp_path / "new.srec", NEW)
    assert updated(brownout, old, new) == (digest(OLD), digest(NEW))


def test_board_id_picks_the_family_of_a_uf2_and_leaves_the_other_file_alone(brownout: Brownout, tmp_path: Path) -> None:
    both, new = tmp_path / "both.uf2", saved(tmp_path / "new.srec", NEW)
    families = ((RP2040, OLD), (SAMD21, NEW))
    both.write_bytes(b"".join(saved(tmp_path / "one.uf2", app, family).read_bytes() for family, app in families))
    assert updated(brownout, both, new, "--board-id", hex(RP2040)) == (digest(OLD), digest(NEW))
    said = brownout.refused("run", "--from", both, "--to", new)
    assert said == (
        "both.uf2: a UF2 with firmware for several families; pass --board-id, one of 0xE48BFF56, 0x68ED2B88"
    )
