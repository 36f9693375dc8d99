"""Whether a slot holds an image that may run. Returns the reason, not a bool.

Neighbours: `image` knows the header, `config` what the boot config claims about the slot; `decision` acts on the
reason. Reads flash, writes nothing, decides nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from bootloader.config import SlotConfig
from bootloader.crc import Crc, CrcName
from bootloader.errors import BootError
from bootloader.image import HEADER_SIZE, ImageHeader, parse_header, signed_digest
from bootloader.layout import Slot
from flash.errors import EccFault

READ_SIZE = 65536


class Reason(Enum):
    """Why an image may run, or may not."""

    OK = "ok"
    NO_IMAGE = "no image"
    BAD_HEADER = "bad header"
    BAD_LENGTH = "bad length"
    NOT_AS_CONFIGURED = "not the image the boot config names"
    BAD_CRC = "CRC mismatch"
    BAD_HASH = "SHA-256 mismatch"
    UNSIGNED = "not signed"
    BAD_SIGNATURE = "bad signature"
    TOO_OLD = "older than allowed"
    BAD_FILESYSTEM = "filesystem CRC mismatch"
    ECC_FAULT = "uncorrectable ECC error"


@dataclass(frozen=True, slots=True)
class Verification:
    """The reason, in words what exactly was seen, and the header when there is a good one."""

    reason: Reason
    detail: str = ""
    header: ImageHeader | None = None

    @property
    def ok(self) -> bool:
        return self.reason is Reason.OK

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


@dataclass(frozen=True)
class VerifyPolicy:
    """What a bootloader insists on.

    ``crc`` is always checked. ``sha256`` also checks the hash. ``keys``: with any key, an image must carry a
    signature by one of them. ``minimum_version``: images with a smaller version number are refused (0: none).
    """

    crc: CrcName = "crc-32"
    sha256: bool = False
    keys: tuple[ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey, ...] = ()
    minimum_version: int = 0

    def __post_init__(self) -> None:
        for key in self.keys:
            if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, ec.SECP256R1):
                raise BootError(f"a key on curve {key.curve.name} cannot verify ecdsa-p256 signatures")


def verify_image(slot: Slot, expected: SlotConfig | None, policy: VerifyPolicy) -> Verification:
    """Check the application in ``slot``: header, length, config, CRC, hash, signature, version, in this order.

    ``expected`` None: no boot config names the image; the header alone is believed.
    """
    try:
        return _verify(slot, expected, policy)
    except EccFault as fault:
        return Verification(Reason.ECC_FAULT, str(fault))


def verify_filesystem(slot: Slot, expected: SlotConfig, policy: VerifyPolicy) -> Verification:
    """Check the filesystem a new image was delivered with. Only before its first mount: it is written to later."""
    if not expected.fs_length:
        return Verification(Reason.OK)
    if expected.fs_offset + expected.fs_length > slot.flash.geometry.size:
        return Verification(Reason.BAD_LENGTH, f"filesystem ends outside slot {slot.name}")
    crc = Crc(policy.crc)
    try:
        for offset in range(expected.fs_offset, expected.fs_offset + expected.fs_length, READ_SIZE):
            end = min(offset + READ_SIZE, expected.fs_offset + expected.fs_length)
            crc.update(slot.flash.read(offset, end - offset))
    except EccFault as fault:
        return Verification(Reason.ECC_FAULT, str(fault))
    if crc.value != expected.fs_crc:
        return Verification(Reason.BAD_FILESYSTEM, f"stored {expected.fs_crc:08x}, computed {crc.value:08x}")
    return Verification(Reason.OK)


def _verify(slot: Slot, expected: SlotConfig | None, policy: VerifyPolicy) -> Verification:
    header = parse_header(slot.flash.read(0, HEADER_SIZE))
    if isinstance(header, str):
        return Verification(Reason.NO_IMAGE if header == "erased" else Reason.BAD_HEADER, header)
    if not 0 < header.app_length <= slot.app_capacity:
        return Verification(Reason.BAD_LENGTH, f"{header.app_length} bytes in a slot of {slot.app_capacity}")
    if expected is not None:
        named = (expected.app_length, expected.load_address, expected.app_crc, expected.app_version)
        found = (header.app_length, header.load_address, header.app_crc, header.app_version)
        if named != found:
            return Verification(Reason.NOT_AS_CONFIGURED, f"config says {named}, header says {found}", header)
    failed = _check_content(slot, header, policy) or _check_signature(header, policy)
    if failed is not None:
        return failed
    if header.app_version < policy.minimum_version:
        return Verification(Reason.TOO_OLD, f"{header.app_version:#x} < {policy.minimum_version:#x}", header)
    return Verification(Reason.OK, header=header)


def _check_content(slot: Slot, header: ImageHeader, policy: VerifyPolicy) -> Verification | None:
    crc = Crc(policy.crc)
    sha256 = hashlib.sha256() if policy.sha256 or policy.keys else None
    end = slot.app_offset + header.app_length
    for offset in range(slot.app_offset, end, READ_SIZE):
        piece = slot.flash.read(offset, min(READ_SIZE, end - offset))
        crc.update(piece)
        if sha256 is not None:
            sha256.update(piece)
    if crc.value != header.app_crc:
        return Verification(Reason.BAD_CRC, f"stored {header.app_crc:08x}, computed {crc.value:08x}", header)
    if sha256 is not None and sha256.digest() != header.app_sha256:
        return Verification(Reason.BAD_HASH, f"computed {sha256.hexdigest()}", header)
    return None


def _check_signature(header: ImageHeader, policy: VerifyPolicy) -> Verification | None:
    if not policy.keys:
        return None
    if header.signature_scheme == "none":
        return Verification(Reason.UNSIGNED, header=header)
    digest = signed_digest(header)
    for key in policy.keys:
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                if header.signature_scheme == "ed25519":
                    key.verify(header.signature, digest)
                    return None
            elif header.signature_scheme == "ecdsa-p256":
                key.verify(header.signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
                return None
        except InvalidSignature:
            continue
    return Verification(Reason.BAD_SIGNATURE, f"{header.signature_scheme} matches no key", header)
