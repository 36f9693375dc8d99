"""Verification: every reason, made to happen on a real device, and the checksum algorithms by their check values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import crcmod
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from hypothesis import given
from hypothesis import strategies as st

from bootloader.config import SlotConfig
from bootloader.crc import Crc, CrcName, crc_function
from bootloader.image import HEADER_SIZE, ImageHeader, header_for, pack_header, signed_digest, version_number
from bootloader.layout import Slot
from bootloader.verify import READ_SIZE, Reason, VerifyPolicy, verify_filesystem, verify_image
from tests.bootloader.workbench import (
    LOAD_ADDRESS,
    NEW_APP,
    PARTS,
    layout_on,
    make_device,
    put,
    put_app,
    put_image,
    spoil,
)

CRC_NAMES: tuple[CrcName, ...] = ("crc-32", "crc-32c", "crc-32-mpeg")
CRC_CHECKS = {"crc-32": 0xCBF4_3926, "crc-32c": 0xE306_9283, "crc-32-mpeg": 0x0376_E6E7}
CRC_PARAMETERS = {
    "crc-32": {"poly": 0x1_04C1_1DB7, "initCrc": 0, "rev": True, "xorOut": 0xFFFF_FFFF},
    "crc-32c": {"poly": 0x1_1EDC_6F41, "initCrc": 0, "rev": True, "xorOut": 0xFFFF_FFFF},
    "crc-32-mpeg": {"poly": 0x1_04C1_1DB7, "initCrc": 0xFFFF_FFFF, "rev": False, "xorOut": 0},
}
PLAIN = VerifyPolicy()
VERSION = version_number("2.0.0")
every_part = pytest.mark.parametrize("part", PARTS)


def slot_of(part: str = "W25Q128JV") -> Slot:
    return layout_on(make_device(part)).slots[1]


def unsigned(app: bytes = NEW_APP, **fields: object) -> ImageHeader:
    header = header_for(app, load_address=LOAD_ADDRESS, app_version=VERSION)
    return replace(header, **fields)  # type: ignore[arg-type]


# -- checksums -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CRC_NAMES)
def test_a_crc_has_its_published_check_value(name: CrcName) -> None:
    assert crc_function(name)(b"123456789") == CRC_CHECKS[name]
    running = Crc(name)
    running.update(b"123456789")
    assert running.value == CRC_CHECKS[name]


@pytest.mark.parametrize("name", CRC_NAMES)
@given(pieces=st.lists(st.binary(max_size=70), max_size=6))
def test_a_running_crc_equals_an_independent_one_over_the_whole(name: CrcName, pieces: list[bytes]) -> None:
    running = Crc(name)
    for piece in pieces:
        running.update(piece)
    whole = b"".join(pieces)
    assert running.value == crc_function(name)(whole) == crcmod.mkCrcFun(**CRC_PARAMETERS[name])(whole)


# -- an image without signature --------------------------------------------------------------------------


@every_part
def test_a_good_image_is_ok_with_and_without_a_config(part: str) -> None:
    slot = slot_of(part)
    described = put_app(slot, NEW_APP, VERSION)
    for expected in (None, described):
        for policy in (PLAIN, VerifyPolicy(sha256=True), VerifyPolicy(minimum_version=VERSION)):
            found = verify_image(slot, expected, policy)
            assert (found.reason, found.header) == (Reason.OK, unsigned())
            assert (found.ok, str(found)) == (True, "ok")


@every_part
def test_a_blank_slot_has_no_image(part: str) -> None:
    found = verify_image(slot_of(part), None, PLAIN)
    assert (found.reason, found.ok, found.header) == (Reason.NO_IMAGE, False, None)
    assert str(found) == "no image: erased"


@every_part
def test_a_header_that_is_none_is_a_bad_header(part: str) -> None:
    for raw, detail in ((b"junk" * 64, "no image magic"), (pack_header(unsigned())[:-1] + b"!", "header CRC mismatch")):
        slot = slot_of(part)
        put(slot.flash, 0, raw)
        found = verify_image(slot, None, PLAIN)
        assert found.reason is Reason.BAD_HEADER
        assert detail in found.detail


@every_part
def test_a_length_that_does_not_fit_the_slot_is_bad(part: str) -> None:
    room = slot_of(part).app_capacity
    for length in (0, room + 1, 0xFFFF_FFFF):
        slot = slot_of(part)
        put_image(slot, NEW_APP, unsigned(app_length=length))
        found = verify_image(slot, None, PLAIN)
        assert found.reason is Reason.BAD_LENGTH
        assert found.detail == f"{length} bytes in a slot of {room}"


def test_an_application_may_fill_its_room_to_the_last_byte() -> None:
    slot = slot_of("STM32L476")
    put_app(slot, bytes(slot.app_capacity), VERSION)
    spoil(slot.flash, slot.fs_offset)
    assert verify_image(slot, None, PLAIN).ok


@pytest.mark.parametrize("field", ["app_length", "load_address", "app_crc", "app_version"])
def test_another_image_than_the_config_names_is_refused(field: str) -> None:
    slot = slot_of()
    described = put_app(slot, NEW_APP, VERSION)
    other = replace(described, **{field: getattr(described, field) - 1})
    assert verify_image(slot, other, PLAIN).reason is Reason.NOT_AS_CONFIGURED
    assert verify_image(slot, replace(described, fs_offset=1, fs_length=2, fs_crc=3), PLAIN).ok


@every_part
@pytest.mark.parametrize("where", [0, 600, len(NEW_APP) - 1], ids=["first", "middle", "last"])
def test_a_changed_byte_of_the_application_is_a_crc_mismatch(part: str, where: int) -> None:
    slot = slot_of(part)
    changed = bytearray(NEW_APP)
    changed[where] ^= 0x10
    put_image(slot, bytes(changed), unsigned())
    assert verify_image(slot, None, PLAIN).reason is Reason.BAD_CRC


@pytest.mark.parametrize("name", CRC_NAMES)
def test_the_board_s_algorithm_is_the_one_that_is_checked(name: CrcName) -> None:
    slot = slot_of()
    app = bytes(range(256)) * (READ_SIZE // 256 + 3)
    big = Slot(0, "big", make_device("W25Q128JV"))
    for place, content in ((slot, NEW_APP), (big, app)):
        put_image(place, content, header_for(content, load_address=0, app_version=1, crc=name))
        for checked in CRC_NAMES:
            reason = Reason.OK if checked == name else Reason.BAD_CRC
            assert verify_image(place, None, VerifyPolicy(crc=checked)).reason is reason


def test_a_wrong_hash_is_found_only_where_the_hash_is_asked_for() -> None:
    slot = slot_of()
    put_image(slot, NEW_APP, unsigned(app_sha256=hashlib.sha256(b"another").digest()))
    assert verify_image(slot, None, PLAIN).ok
    assert verify_image(slot, None, VerifyPolicy(sha256=True)).reason is Reason.BAD_HASH


def test_an_older_version_than_the_policy_allows_is_refused() -> None:
    slot = slot_of()
    put_app(slot, NEW_APP, VERSION)
    found = verify_image(slot, None, VerifyPolicy(minimum_version=VERSION + 1))
    assert (found.reason, found.detail) == (Reason.TOO_OLD, "0x2000000 < 0x2000001")


@pytest.mark.parametrize("part", ["STM32L476", "STM32L072"])
@pytest.mark.parametrize("offset", [0, HEADER_SIZE, HEADER_SIZE + 800], ids=["header", "application", "inside"])
def test_an_uncorrectable_granule_is_a_reason_not_an_exception(part: str, offset: int) -> None:
    device = make_device(part)
    slot = layout_on(device).slots[1]
    described = put_app(slot, NEW_APP, VERSION)
    device.cells.mark_broken(slot.flash.address + offset, device.geometry.unit)
    found = verify_image(slot, described, PLAIN)
    assert (found.reason, found.header) == (Reason.ECC_FAULT, None)
    assert f"at {offset:#x}" in found.detail


# -- a filesystem ----------------------------------------------------------------------------------------

FS = b"files" * 300


def with_filesystem(slot: Slot, **fields: int) -> SlotConfig:
    put(slot.flash, slot.fs_offset, FS)
    described = SlotConfig(fs_offset=slot.fs_offset, fs_length=len(FS), fs_crc=crc_function("crc-32")(FS))
    return replace(described, **fields)


@every_part
def test_a_filesystem_is_checked_against_the_config(part: str) -> None:
    slot = slot_of(part)
    described = with_filesystem(slot)
    assert verify_filesystem(slot, described, PLAIN).ok
    assert verify_filesystem(slot, SlotConfig(fs_crc=5), PLAIN).ok, "no filesystem is fine"
    assert verify_filesystem(slot, replace(described, fs_crc=1), PLAIN).reason is Reason.BAD_FILESYSTEM
    assert verify_filesystem(slot, replace(described, fs_length=len(FS) - 1), PLAIN).reason is Reason.BAD_FILESYSTEM
    assert verify_filesystem(slot, described, VerifyPolicy(crc="crc-32c")).reason is Reason.BAD_FILESYSTEM


@pytest.mark.parametrize("change", [{"fs_offset": 0xFFFF_FFFF}, {"fs_length": 0xFFFF_FFFF}], ids=["offset", "length"])
def test_a_filesystem_outside_its_slot_is_a_bad_length(change: dict[str, int]) -> None:
    slot = slot_of()
    assert verify_filesystem(slot, with_filesystem(slot, **change), PLAIN).reason is Reason.BAD_LENGTH


@pytest.mark.parametrize("part", ["STM32L476", "STM32L072"])
def test_an_uncorrectable_granule_in_the_filesystem_is_a_reason(part: str) -> None:
    device = make_device(part)
    slot = layout_on(device).slots[0]
    described = with_filesystem(slot)
    device.cells.mark_broken(slot.flash.address + slot.fs_offset + 1024, device.geometry.unit)
    assert verify_filesystem(slot, described, PLAIN).reason is Reason.ECC_FAULT


# -- signatures ------------------------------------------------------------------------------------------

ED_KEY, OTHER_ED_KEY = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
EC_KEY, OTHER_EC_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
PUBLIC = (ED_KEY.public_key(), EC_KEY.public_key())


def signed_by_ed25519(header: ImageHeader, key: ed25519.Ed25519PrivateKey = ED_KEY) -> ImageHeader:
    return replace(header, signature_scheme="ed25519", signature=key.sign(signed_digest(header)))


def signed_by_ecdsa(header: ImageHeader, key: ec.EllipticCurvePrivateKey = EC_KEY) -> ImageHeader:
    signature = key.sign(signed_digest(header), ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    return replace(header, signature_scheme="ecdsa-p256", signature=signature)


def reason_of(header: ImageHeader, policy: VerifyPolicy, app: bytes = NEW_APP) -> Reason:
    slot = slot_of()
    put_image(slot, app, header)
    return verify_image(slot, None, policy).reason


Signer = Callable[[ImageHeader], ImageHeader]
both_schemes = pytest.mark.parametrize("sign", [signed_by_ed25519, signed_by_ecdsa], ids=["ed25519", "ecdsa-p256"])


@both_schemes
def test_a_signature_by_any_of_the_keys_is_good(sign: Signer) -> None:
    for keys in (PUBLIC, PUBLIC[::-1], (OTHER_ED_KEY.public_key(), OTHER_EC_KEY.public_key(), *PUBLIC)):
        assert reason_of(sign(unsigned()), VerifyPolicy(keys=keys)) is Reason.OK


@both_schemes
def test_a_signature_by_another_key_is_bad(sign: Signer) -> None:
    strangers = (OTHER_ED_KEY.public_key(), OTHER_EC_KEY.public_key())
    assert reason_of(sign(unsigned()), VerifyPolicy(keys=strangers)) is Reason.BAD_SIGNATURE
    for key in PUBLIC:
        wanted = Reason.OK if isinstance(key, ed25519.Ed25519PublicKey) == (sign is signed_by_ed25519) else None
        assert reason_of(sign(unsigned()), VerifyPolicy(keys=(key,))) is (wanted or Reason.BAD_SIGNATURE)


@both_schemes
@pytest.mark.parametrize("change", [{"load_address": 0}, {"app_version": 0xFFFF_FFFF}], ids=["load", "version"])
def test_a_signature_over_other_fields_is_bad(sign: Signer, change: dict[str, int]) -> None:
    assert reason_of(replace(sign(unsigned()), **change), VerifyPolicy(keys=PUBLIC)) is Reason.BAD_SIGNATURE


@both_schemes
@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\x30\x44" + bytes(68), b"\xff" * 80], ids=len)
def test_garbage_instead_of_a_signature_is_bad_and_raises_nothing(sign: Signer, garbage: bytes) -> None:
    header = replace(sign(unsigned()), signature=garbage)
    assert reason_of(header, VerifyPolicy(keys=PUBLIC)) is Reason.BAD_SIGNATURE


@both_schemes
def test_the_hash_is_checked_wherever_a_key_is_because_only_it_ties_the_application_to_the_signature(
    sign: Signer,
) -> None:
    header = sign(unsigned(app_sha256=bytes(32)))
    assert reason_of(header, VerifyPolicy(keys=PUBLIC)) is Reason.BAD_HASH


def test_no_signature_is_refused_only_where_there_are_keys() -> None:
    assert reason_of(unsigned(), VerifyPolicy(keys=PUBLIC)) is Reason.UNSIGNED
    assert reason_of(unsigned(), PLAIN) is Reason.OK
    assert reason_of(signed_by_ed25519(unsigned()), PLAIN) is Reason.OK


# -- the order of the checks, and that none was forgotten -----------------------------------------------


def test_checks_come_in_the_order_that_is_promised() -> None:
    """Every fault at once; each step repairs the one that was reported."""
    slot = slot_of()
    length, crc = len(NEW_APP), unsigned().app_crc
    policy = VerifyPolicy(keys=PUBLIC, minimum_version=VERSION + 1)
    other, named_badly = SlotConfig(), SlotConfig(length, LOAD_ADDRESS, 1, VERSION)
    named = replace(named_badly, app_crc=crc)
    bad_signature = {"signature_scheme": "ed25519", "signature": bytes(64)}
    steps = (
        (b"", other, Reason.NO_IMAGE),
        (b"junk" * 64, other, Reason.BAD_HEADER),
        (pack_header(unsigned(app_length=0, app_crc=1, app_sha256=bytes(32))), other, Reason.BAD_LENGTH),
        (pack_header(unsigned(app_crc=1, app_sha256=bytes(32))), other, Reason.NOT_AS_CONFIGURED),
        (pack_header(unsigned(app_crc=1, app_sha256=bytes(32))), named_badly, Reason.BAD_CRC),
        (pack_header(unsigned(app_sha256=bytes(32))), named, Reason.BAD_HASH),
        (pack_header(unsigned()), named, Reason.UNSIGNED),
        (pack_header(unsigned(**bad_signature)), named, Reason.BAD_SIGNATURE),
        (pack_header(signed_by_ed25519(unsigned())), named, Reason.TOO_OLD),
    )
    for raw, expected, reason in steps:
        put(slot.flash, 0, raw + NEW_APP if raw else b"\xff")
        assert verify_image(slot, expected, policy).reason is reason
    assert verify_image(slot, named, replace(policy, minimum_version=VERSION)).reason is Reason.OK
    # These two have no place in the order: each has tests of its own above.
    apart = {Reason.ECC_FAULT, Reason.BAD_FILESYSTEM}
    assert {reason for _, _, reason in steps} | {Reason.OK} | apart == set(Reason)
