"""Private keys for `pack`: read from PEM files, and held against the board they are to sign for.

--sign signs the manifest, for the updater (`updater.signature`); --image-key signs the image header, for the bootloader
(`bootloader.verify`). A key that the board would not count is refused before anything is written.

Neighbours: `pack` gives its options. Keeps no key and prints none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emu.board import MAX_KEY_SIZE, Board
from emu.errors import UsageError
from flash.files import read_bounded
from updater.archive import parse_entry
from updater.bundle import Firmware, sign_image
from updater.errors import UpdateRefused
from updater.signature import Signer, check_mask, signature_faults

_SIGN = re.compile(r"([0-7])=(.+)")


def sign_files(options: Sequence[str]) -> dict[int, Path]:
    """The key file of each signature, by rising number, from options like ``0=KEY.pem``. Raises UsageError."""
    files: dict[int, Path] = {}
    for text in options:
        found = _SIGN.fullmatch(text)
        if found is None:
            raise UsageError(f"--sign {text!r}: write N=KEY.pem, N from 0 to 7")
        index = int(found[1])
        if index in files:
            raise UsageError(f"--sign {text!r}: signature {index} has a key already, {files[index]}; give each N once")
        files[index] = Path(found[2])
    return dict(sorted(files.items()))


def read_signers(files: dict[int, Path], board: Board | None) -> list[Signer]:
    """The update keys. Raises UsageError for a file without one, and for a key that is not ``board``'s."""
    signers: list[Signer] = []
    for index, path in files.items():
        key = _private_key(path)
        if not _is_p256(key):
            raise UsageError(f"{path}: is {_kind(key)}; --sign takes an ECDSA P-256 key")
        known = None if board is None else board.update_keys[index]
        if board is not None and known is not None and known != key.public_key():
            raise UsageError(f"{path}: does not belong to update.key{index} of board {board.name}; sign with its key")
        signers.append((index, key))
    return signers


def with_image_signature(firmware: Firmware, board: Board | None, path: Path | None) -> Firmware:
    """``firmware``, its image header signed by the key in ``path``. Raises UsageError where ``board`` would not run
    it, and UnsupportedAlgorithm as `sign_image` does."""
    if path is None:
        if board is not None and board.policy.keys:
            raise UsageError(f"board {board.name} runs signed images only (verify.keys); give --image-key KEY.pem")
        return firmware
    if board is None:
        raise UsageError("--image-key needs --board: it signs a CRC too, and the board says by which algorithm")
    key = _private_key(path)
    if not (isinstance(key, ed25519.Ed25519PrivateKey) or _is_p256(key)):
        raise UsageError(f"{path}: is {_kind(key)}; --image-key takes an Ed25519 or ECDSA P-256 key")
    if board.policy.keys and key.public_key() not in board.policy.keys:
        raise UsageError(f"{path}: belongs to none of verify.keys of board {board.name}; sign with one that does")
    return sign_image(firmware, key, crc=board.document.verify.crc)


def check_taken(bundle: bytes, board: Board) -> None:
    """Raise UsageError unless the updater of ``board`` accepts the signatures of ``bundle``."""
    header = parse_entry(bundle[:1024])
    assert header is not None, "the manifest's header is longer than a device reads: please report"
    manifest = bundle[header.header_size : header.header_size + header.size]
    try:
        faults = signature_faults(manifest, header.attributes, board.update_keys)
        check_mask(faults, board.document.update.sig_req_mask)
    except UpdateRefused as refused:
        raise UsageError(
            f"board {board.name} would refuse the update: {refused.message}: {refused.detail}; "
            "give --sign N=KEY.pem for what it requires"
        ) from None


def _private_key(path: Path) -> Any:
    try:
        return load_pem_private_key(read_bounded(path, MAX_KEY_SIZE), password=None)
    except OSError as wrong:
        raise UsageError(f"{path}: cannot be read: {wrong.strerror}") from None
    except TypeError:
        raise UsageError(
            f"{path}: the key is encrypted; decrypt it first: openssl pkey -in {path} -out PLAIN.pem"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{path}: holds no PEM private key this version knows; a public key cannot sign") from None


def _is_p256(key: Any) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)


def _kind(key: Any) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return f"a key on curve {key.curve.name}"
    return f"a key of kind {type(key).__name__.removesuffix('PrivateKey').strip('_')}"
