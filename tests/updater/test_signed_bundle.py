"""Signed bundles: ordinary zip files, the same bytes every time, and image headers the bootloader insists on."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from bootloader.boot import boot
from bootloader.crc import CrcName
from bootloader.image import parse_header
from bootloader.verify import Reason, VerifyPolicy, verify_image
from tests.bootloader.workbench import FakeTimer
from tests.updater.workbench import FIRMWARE, LOAD_ADDRESS, NEW_APP, make_bench, unhurried, update
from updater import make_bundle, open_bundle, sign_image
from updater.archive import MAX_NAME, parse_entry
from updater.bundle import manifest_of

P256 = ec.derive_private_key(4711, ec.SECP256R1())
OTHER = ec.derive_private_key(4712, ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x17" * 32)
CRCS: tuple[CrcName, ...] = ("crc-32", "crc-32c", "crc-32-mpeg")
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


# -- the zip ---------------------------------------------------------------------------------------------


def test_a_signed_bundle_is_an_ordinary_zip_that_differs_in_the_extra_field_alone() -> None:
    signed, plain = make_bundle(FIRMWARE, [(0, P256), (5, OTHER)]), make_bundle(FIRMWARE)
    with zipfile.ZipFile(io.BytesIO(signed)) as opened, zipfile.ZipFile(io.BytesIO(plain)) as unsigned:
        assert opened.testzip() is None
        assert opened.namelist() == unsigned.namelist()
        assert [opened.read(name) for name in opened.namelist()] == [unsigned.read(n) for n in unsigned.namelist()]
        first, *rest = opened.infolist()
        assert first.extra[:2] == b"\x3a\x29"
        assert list(json.loads(first.extra[4:])) == ["sig0", "sig5"]
        assert [info.extra for info in rest] == [b"", b""]
    assert open_bundle(signed, platform="bench") == open_bundle(plain, platform="bench")


def test_eight_signatures_and_the_longest_names_fit_the_header_a_device_reads() -> None:
    keys = [(index, ec.derive_private_key(2**200 + index, ec.SECP256R1())) for index in range(8)]
    longest = replace(FIRMWARE, name="n" * 64, version="1" * 32)
    raw = make_bundle(longest, keys)
    header = parse_entry(raw[:1024])
    assert header is not None
    assert len(header.attributes) == 8
    assert len(header.name) < MAX_NAME
    assert update(make_bench(), raw).result == 1


@unhurried
@given(seed=st.integers(1, 2**64), app=st.binary(min_size=1, max_size=60))
def test_packing_twice_gives_the_same_bytes(seed: int, app: bytes) -> None:
    made = []
    for _ in range(2):
        key = ec.derive_private_key(seed, ec.SECP256R1())
        made.append(make_bundle(sign_image(replace(FIRMWARE, app=app), key), [(1, key)]))
    assert made[0] == made[1]


# -- the image header ------------------------------------------------------------------------------------


@pytest.mark.parametrize("crc", CRCS)
@pytest.mark.parametrize(("key", "scheme"), [(P256, "ecdsa-p256"), (ED25519, "ed25519")])
def test_a_signed_image_arrives_in_the_slot_with_its_signature_and_boots_for_that_key_alone(
    key: Key, scheme: str, crc: CrcName
) -> None:
    firmware = sign_image(FIRMWARE, key, crc=crc)
    bench = make_bench()
    bench.target = replace(bench.target, crc=crc)
    assert update(bench, make_bundle(firmware)).result == 1
    header = parse_header(bench.slot_bytes(1)[:256])
    assert not isinstance(header, str)
    assert (header.signature_scheme, header.signature) == (scheme, firmware.signature)
    for public, reason in ((key.public_key(), Reason.OK), (OTHER.public_key(), Reason.BAD_SIGNATURE)):
        found = verify_image(bench.layout.slots[1], None, VerifyPolicy(crc, keys=(public,)))
        assert found.reason is reason
    report = boot(bench.store, bench.layout, FakeTimer(), VerifyPolicy(crc, keys=(key.public_key(),)), "power")
    assert (report.decision.rule, report.decision.slot) == ("trial", 1)


@pytest.mark.parametrize("key", [P256, ED25519], ids=["ecdsa-p256", "ed25519"])
@pytest.mark.parametrize(
    "change",
    [{"app": NEW_APP + b"x"}, {"load_address": LOAD_ADDRESS + 4}, {"version": "2.1.8"}],
    ids=["application", "load address", "version"],
)
def test_an_image_signature_covers_application_load_address_and_version(key: Key, change: dict[str, object]) -> None:
    bench = make_bench()
    altered = replace(sign_image(FIRMWARE, key), **change)  # type: ignore[arg-type]
    assert update(bench, make_bundle(altered)).result == 1, "the updater does not look at it"
    report = boot(bench.store, bench.layout, FakeTimer(), VerifyPolicy(keys=(key.public_key(),)), "power")
    assert report.decision.slot != 1
    assert verify_image(bench.layout.slots[1], None, VerifyPolicy(keys=(key.public_key(),))).reason is (
        Reason.BAD_SIGNATURE
    )


def test_a_crc_of_another_algorithm_breaks_the_signature() -> None:
    bench = make_bench()
    assert update(bench, make_bundle(sign_image(FIRMWARE, P256, crc="crc-32c"))).result == 1
    policy = VerifyPolicy(keys=(P256.public_key(),))
    assert verify_image(bench.layout.slots[1], None, policy).reason is Reason.BAD_SIGNATURE


def test_an_unsigned_manifest_does_not_mention_signatures() -> None:
    assert not {"signature", "signature_scheme"} & set(manifest_of(FIRMWARE)["parts"]["app"])


def test_an_image_is_not_signed_on_another_curve() -> None:
    with pytest.raises(ValueError, match="Ed25519 or ECDSA P-256"):
        sign_image(FIRMWARE, ec.derive_private_key(5, ec.SECP384R1()))
