"""Update signatures: who made a manifest, asked before a single word of it is believed.

The extra field 0x293a of manifest.json carries ``sig0`` to ``sig7``: base64 of DER ECDSA P-256 signatures over the
SHA-256 of the manifest's bytes. A device holds up to eight public keys, `update.key0` to `update.key7`, and a mask,
`update.sig_req_mask`, of the signatures it insists on (keys and fields as in Mongoose OS since 2021-09).

Not to be confused with the signature in the image header (`bootloader.verify`): this one protects the transport, from
whoever made the update to the updater, and is forgotten once the slot is written. That one protects the slot: it lies
on flash beside the image and is verified at every boot, also against whoever writes flash without an updater.

Neighbours: `archive` finds the field, `reception` asks, `bundle` signs. Bytes and keys in, values out: no flash.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from updater.errors import UpdateRefused

KEY_COUNT = 8
MASK_IGNORED, MASK_REJECTS_ALL = -1, 0
MAX_MASK = (1 << KEY_COUNT) - 1
UpdateKeys = tuple[ec.EllipticCurvePublicKey | None, ...]
Signer = tuple[int, ec.EllipticCurvePrivateKey]
NO_KEYS: UpdateKeys = (None,) * KEY_COUNT


def read_key(text: str) -> ec.EllipticCurvePublicKey:
    """A key as it stands in `update.keyN`: base64 of a DER SubjectPublicKeyInfo. ValueError: no P-256 key."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("is not base64; give a DER public key in base64, without line breaks") from None
    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no DER public key (SubjectPublicKeyInfo) this version knows") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("is no elliptic curve key; ECDSA P-256 is needed")
    if not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"is on curve {key.curve.name}; ECDSA P-256 is needed")
    return key


def key_text(key: ec.EllipticCurvePublicKey) -> str:
    """``key`` as it is to stand in `update.keyN`."""
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def check_contract(keys: UpdateKeys, mask: int) -> None:
    """Raise ValueError unless ``keys`` are eight P-256 keys or None, and ``mask`` is one of -1 to 255."""
    if len(keys) != KEY_COUNT:
        raise ValueError(f"{len(keys)} update keys: give {KEY_COUNT}, None where one is not set")
    for index, key in enumerate(keys):
        if key is not None and not isinstance(key.curve, ec.SECP256R1):
            raise ValueError(f"update key {index} is on curve {key.curve.name}; ECDSA P-256 is needed")
    if not MASK_IGNORED <= mask <= MAX_MASK:
        raise ValueError(f"sig_req_mask {mask}: give {MASK_IGNORED} to {MAX_MASK}")


def attributes_for(manifest: bytes, signers: Sequence[Signer]) -> dict[str, str]:
    """The JSON object of the extra field: ``sigN`` of every (N, key), by rising N.

    Signatures are deterministic (RFC 6979): the same manifest and keys give the same bytes. Raises ValueError for an
    index that is out of range or comes twice, and for a key that is not on P-256; UnsupportedAlgorithm where OpenSSL
    is older than 3.2 and cannot sign so.
    """
    indices = [index for index, _ in signers]
    if len(set(indices)) != len(indices) or not all(0 <= index < KEY_COUNT for index in indices):
        raise ValueError(f"signatures {indices}: each is one of 0 to {KEY_COUNT - 1}, and comes once")
    if any(not isinstance(key.curve, ec.SECP256R1) for _, key in signers):
        raise ValueError("an update is signed with ECDSA P-256 keys only")
    return {f"sig{index}": _sign(manifest, key) for index, key in sorted(signers, key=lambda signer: signer[0])}


def _sign(manifest: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.sign(manifest, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))).decode()


def sig_check_result(manifest: bytes, attributes: Mapping[str, Any], keys: UpdateKeys) -> int:
    """Bit i is set when ``sigI`` is there and key i verifies it."""
    return verified(signature_faults(manifest, attributes, keys))


def signature_faults(manifest: bytes, attributes: Mapping[str, Any], keys: UpdateKeys) -> tuple[str, ...]:
    """For each of the eight signatures why it does not count; '': it does."""
    return tuple(_fault(index, manifest, attributes, keys) for index in range(KEY_COUNT))


def verified(faults: Sequence[str]) -> int:
    """The sig_check_result of ``faults``."""
    return sum(1 << index for index, fault in enumerate(faults) if not fault)


def check_mask(faults: Sequence[str], mask: int) -> None:
    """Raise UpdateRefused unless ``mask`` is content: with -1 always, with 0 never."""
    if mask == MASK_REJECTS_ALL:
        raise UpdateRefused(-1, "Updates are disabled", "sig_req_mask is 0: this device takes no update any more")
    said = ", ".join(fault for index, fault in enumerate(faults) if fault and mask >> index & 1)
    if mask != MASK_IGNORED and said:
        raise UpdateRefused(
            -1, "Invalid signature", f"sig_req_mask {mask:#04x}, verified {verified(faults):#04x}: {said}"
        )


def _fault(index: int, manifest: bytes, attributes: Mapping[str, Any], keys: UpdateKeys) -> str:
    text, key = attributes.get(f"sig{index}"), keys[index]
    if text is None:
        return f"sig{index} is missing"
    if key is None:
        return f"key{index} is not set"
    try:
        key.verify(base64.b64decode(text, validate=True), manifest, ec.ECDSA(hashes.SHA256()))
    except (ValueError, TypeError):
        return f"sig{index} is not base64"
    except InvalidSignature:
        return f"sig{index} is not by key{index} over this manifest"
    return ""
