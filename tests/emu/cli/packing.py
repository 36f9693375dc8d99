"""Keys as PEM files, boards that ask for signatures, and the command that packs for them.

Neighbours: the tests of `brownout pack` and of signed updates.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.emu.cli.command import ROOT, Brownout
from updater.signature import key_text

P256 = [ec.derive_private_key(31 + index, ec.SECP256R1()) for index in range(8)]
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x29" * 32)
DEMO_ELF = ROOT / "emu" / "demo" / "demo-2.elf"
DEMO_BOARD = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
SLOTS = 'slots = ["slot-a", "slot-b"]\n'
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def key_file(folder: Path, key: Key, name: str = "key.pem", password: bytes = b"") -> Path:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return folder / name


def public_file(folder: Path, key: Key, name: str = "public.pem") -> Path:
    (folder / name).write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return folder / name


def update_table(mask: int, keys: int = 0xFF) -> str:
    """An [update] table with the keys whose bits are set."""
    lines = [f'key{index} = "{key_text(P256[index].public_key())}"' for index in range(8) if keys >> index & 1]
    return "\n".join(["\n[update]", f"sig_req_mask = {mask}", *lines, ""])


def board_file(folder: Path, *tables: str, fs_size: int = 0, name: str = "board.toml") -> Path:
    """The demo board with ``tables`` at its end."""
    assert SLOTS in DEMO_BOARD
    text = DEMO_BOARD.replace(SLOTS, f"{SLOTS}fs_size = {fs_size}\n") + "".join(tables)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def options(image: Path, *more: str | Path, board: str | Path = "demo") -> tuple[str | Path, ...]:
    """`brownout pack` for ``board``, to out.zip beside ``image``."""
    return ("pack", image, "--board", board, "--version", "2.1.7", "--out", image.parent / "out.zip", *more)


def packed(brownout: Brownout, image: Path, *more: str | Path, board: str | Path = "demo") -> dict[str, Any]:
    """What a good package says about itself."""
    ran = brownout(*options(image, *more, "--json", "-", board=board))
    assert (ran.code, ran.err) == (0, "")
    document: dict[str, Any] = json.loads(ran.out)
    return document


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
