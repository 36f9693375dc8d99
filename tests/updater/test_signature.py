"""Update signatures: which bit is set by what, which mask is content with it, and that a refusal costs nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from emu.strategies import chunkings
from tests.spec import dump
from tests.updater.workbench import (
    FIRMWARE,
    Bench,
    app_entry,
    archive,
    document,
    feed,
    feed_pieces,
    fs_entry,
    make_bench,
    manifest_entry,
    unhurried,
    update,
)
from updater import OtaState, UpdateState, make_bundle, sig_check_result, updater_finish, updater_process
from updater.archive import extra_field, parse_entry
from updater.signature import NO_KEYS, Signer, UpdateKeys, attributes_for, key_text, read_key

P256 = ec.SECP256R1()
PRIVATE = [ec.derive_private_key(1001 + index, P256) for index in range(8)]
STRANGER = ec.derive_private_key(77, P256)
KEYS: UpdateKeys = tuple(key.public_key() for key in PRIVATE)
MANIFEST = json.dumps(document()).encode()


def signers(mask: int) -> list[Signer]:
    """The right key for every signature whose bit is set."""
    return [(index, PRIVATE[index]) for index in range(8) if mask >> index & 1]


def keys(mask: int) -> UpdateKeys:
    return tuple(key if mask >> index & 1 else None for index, key in enumerate(KEYS))


def guarded(mask: int, device_keys: UpdateKeys = KEYS) -> Bench:
    bench = make_bench()
    bench.target = replace(bench.target, keys=device_keys, sig_req_mask=mask)
    return bench


def signed(attributes: object, manifest: bytes = MANIFEST) -> bytes:
    """An archive whose manifest carries ``attributes``, whatever they are."""
    raw = json.dumps(attributes).encode()
    extra = b"\x3a\x29" + len(raw).to_bytes(2, "little") + raw
    return archive(manifest_entry(manifest, extra=extra), app_entry(), fs_entry())


def flipped(raw: bytes, bit: int) -> bytes:
    at = bit // 8 % len(raw)
    return raw[:at] + bytes([raw[at] ^ 1 << bit % 8]) + raw[at + 1 :]


# -- signatures ------------------------------------------------------------------------------------------

RFC_KEY = ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, P256)
RFC_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
RFC_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def test_a_signature_is_the_one_of_rfc_6979_in_der_and_base64() -> None:
    """RFC 6979, A.2.5: curve P-256, SHA-256, message "sample"."""
    expected = base64.b64encode(encode_dss_signature(RFC_R, RFC_S)).decode()
    assert attributes_for(b"sample", [(3, RFC_KEY)]) == {"sig3": expected}


def test_the_same_manifest_and_keys_give_the_same_bytes_in_any_order() -> None:
    first = make_bundle(FIRMWARE, signers(0b1010_0110))
    assert make_bundle(replace(FIRMWARE), list(reversed(signers(0b1010_0110)))) == first
    assert make_bundle(FIRMWARE, signers(0b1010_0111)) != first


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([(8, STRANGER)], "each is one of 0 to 7"),
        ([(-1, STRANGER)], "each is one of 0 to 7"),
        ([(0, STRANGER), (0, PRIVATE[0])], "comes once"),
        ([(0, ec.derive_private_key(5, ec.SECP384R1()))], "P-256 keys only"),
    ],
)
def test_signing_refuses_a_wrong_index_and_a_wrong_curve(wrong: Sequence[Signer], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_bundle(FIRMWARE, wrong)


@unhurried
@given(present=st.integers(0, 255), known=st.integers(0, 255))
def test_bit_i_is_set_where_key_i_verifies_signature_i(present: int, known: int) -> None:
    assert sig_check_result(MANIFEST, attributes_for(MANIFEST, signers(present)), keys(known)) == present & known


def test_a_signature_counts_for_the_key_of_its_own_number_only() -> None:
    swapped = attributes_for(MANIFEST, [(0, PRIVATE[1]), (1, PRIVATE[0]), (2, PRIVATE[2])])
    assert sig_check_result(MANIFEST, swapped, KEYS) == 0b100


@unhurried
@given(bit=st.integers(0, 100_000))
@example(bit=26 * 8 + 1)
def test_a_flipped_bit_in_manifest_signature_or_key_clears_its_bit_and_no_other(bit: int) -> None:
    good = attributes_for(MANIFEST, signers(3))
    assert sig_check_result(flipped(MANIFEST, bit), good, KEYS) == 0
    other = base64.b64encode(flipped(base64.b64decode(good["sig0"]), bit)).decode()
    assert sig_check_result(MANIFEST, good | {"sig0": other}, KEYS) == 2
    try:
        key = read_key(base64.b64encode(flipped(base64.b64decode(key_text(PRIVATE[0].public_key())), bit)).decode())
    except ValueError:
        return
    same = key == KEYS[0]  # one bit makes the hybrid encoding (06) of the same point
    assert sig_check_result(MANIFEST, good, (key, *KEYS[1:])) == (3 if same else 2)


@pytest.mark.parametrize("text", ["", "?", "AAAA", "MEUC", "ä", None, 7, True, 1.5, [], {}, ["AAAA"]])
def test_what_is_no_signature_clears_its_bit_and_does_no_harm(text: object) -> None:
    good = attributes_for(MANIFEST, signers(3))
    assert sig_check_result(MANIFEST, good | {"sig0": text}, KEYS) == 2
    assert sig_check_result(MANIFEST, {"sig8": good["sig0"], "sig": good["sig0"], "SIG0": good["sig0"]}, KEYS) == 0


# -- masks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [-1, 0, 1, 2, 3, 0x81, 0xFF])
@pytest.mark.parametrize("present", [0, 1, 2, 3, 0x83, 0xFF])
def test_a_mask_is_content_with_all_its_bits_and_zero_never_is(mask: int, present: int) -> None:
    bench = guarded(mask)
    context = update(bench, make_bundle(FIRMWARE, signers(present)))
    accepted = mask == -1 or (mask > 0 and mask & present == mask)
    assert context.result == (1 if accepted else -1)
    assert bench.boot().decision.rule == ("trial" if accepted else "normal")
    assert context.sig_check_result == present


def refusal(bench: Bench, raw: bytes) -> tuple[str, str]:
    """Message and detail; nothing on flash has changed, and nothing was even tried."""
    before = bench.untouchable
    context = bench.begin()
    assert feed(context, raw) == -1
    assert updater_finish(context) == -1
    assert (context.update_state, context.ota_state) == (UpdateState.FINISHED, OtaState.ERROR)
    assert bench.device.journal.entries == []
    assert bench.untouchable == before
    assert bench.boot().decision.rule == "normal"
    return context.status_msg, context.detail


GOOD = attributes_for(MANIFEST, signers(1))
BAD = base64.b64encode(flipped(base64.b64decode(GOOD["sig0"]), 99)).decode()


@pytest.mark.parametrize(
    ("attributes", "device_keys", "said"),
    [
        ({}, KEYS, "sig0 is missing"),
        ({"sig1": GOOD["sig0"]}, KEYS, "sig0 is missing"),
        ({"sig0": "not base64"}, KEYS, "sig0 is not base64"),
        ({"sig0": 7}, KEYS, "sig0 is not base64"),
        ({"sig0": BAD}, KEYS, "sig0 is not by key0 over this manifest"),
        (attributes_for(MANIFEST + b" ", signers(1)), KEYS, "sig0 is not by key0 over this manifest"),
        (attributes_for(MANIFEST, [(0, STRANGER)]), KEYS, "sig0 is not by key0 over this manifest"),
        (GOOD, (None, *KEYS[1:]), "key0 is not set"),
        (GOOD, NO_KEYS, "key0 is not set"),
    ],
)
def test_a_required_signature_that_does_not_count_refuses_with_its_reason_and_no_flash_operation(
    attributes: object, device_keys: UpdateKeys, said: str
) -> None:
    bench = guarded(1, device_keys)
    assert refusal(bench, signed(attributes)) == (
        "Invalid signature", f"sig_req_mask 0x01, verified 0x00: {said}",
    )  # fmt: skip
    bench.target = replace(bench.target, keys=KEYS)
    assert update(bench, signed(GOOD)).result == 1, "the device takes a good update afterwards"


def test_every_required_signature_that_is_missing_is_named() -> None:
    said = refusal(guarded(0b1011), signed(attributes_for(MANIFEST, signers(0b0010))))
    assert said == ("Invalid signature", "sig_req_mask 0x0b, verified 0x02: sig0 is missing, sig3 is missing")


def test_a_tombstone_takes_nothing_not_even_the_running_version() -> None:
    bench = guarded(0)
    bench.target = replace(bench.target, version=FIRMWARE.version, build_id=FIRMWARE.build_id)
    context = bench.begin(ignore_same_version=True)
    assert feed(context, make_bundle(FIRMWARE, signers(0xFF))) == -1
    assert (context.status_msg, bench.device.journal.entries) == ("Updates are disabled", [])


def test_an_unsigned_manifest_is_not_believed_in_anything() -> None:
    """Not its platform, not its version, not even that it is JSON; damage on the way is told as damage."""
    bench = guarded(1)
    bench.target = replace(bench.target, version=FIRMWARE.version, build_id=FIRMWARE.build_id)
    for manifest in (MANIFEST, b"no JSON", json.dumps(document() | {"platform": "other"}).encode()):
        context = bench.begin(ignore_same_version=True)
        feed(context, signed({}, manifest))
        assert (context.result, context.status_msg) == (-1, "Invalid signature")
    context = bench.begin()
    feed(context, archive(manifest_entry(crc32=1)))
    assert context.status_msg == "Invalid CRC"


# -- as a stream -----------------------------------------------------------------------------------------

BOTH = {True: make_bundle(FIRMWARE, signers(0b101)), False: make_bundle(FIRMWARE, signers(0b100))}


def manifest_end(raw: bytes) -> int:
    header = parse_entry(raw[:1024])
    assert header is not None
    return header.header_size + header.size


@unhurried
@given(data=st.data(), accepted=st.booleans())
def test_any_chunking_gives_the_same_answer_and_the_same_journal(data: st.DataObject, accepted: bool) -> None:
    one, other = guarded(0b001), guarded(0b001)
    feed(whole := one.begin(), BOTH[accepted], len(BOTH[accepted]))
    feed_pieces(cut := other.begin(), data.draw(chunkings(BOTH[accepted])))
    assert (whole.result, whole.status_msg, whole.detail) == (cut.result, cut.status_msg, cut.detail)
    assert whole.sig_check_result == cut.sig_check_result == (0b101 if accepted else 0b100)
    assert one.device.journal.entries == other.device.journal.entries
    assert bool(one.device.journal.entries) is accepted


def test_the_answer_comes_with_the_last_byte_of_the_manifest_and_not_before() -> None:
    end = manifest_end(BOTH[False])
    context = guarded(0b001).begin()
    assert [updater_process(context, BOTH[False][at : at + 1]) for at in range(end - 1)] == [0] * (end - 1)
    assert updater_process(context, BOTH[False][end - 1 : end]) == -1
    assert context.status_msg == "Invalid signature"


# -- keys and contracts ----------------------------------------------------------------------------------


def test_a_key_is_read_from_what_it_is_written_as() -> None:
    text = key_text(STRANGER.public_key())
    assert text.startswith("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"), "the DER head of every P-256 public key"
    assert read_key(text) == STRANGER.public_key()


def der(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN PUBLIC KEY-----", "is not base64"),
        ("MFkw\nEwYH", "is not base64"),
        ("ä" * 8, "is not base64"),
        ("AAAA", "holds no DER public key"),
        (key_text(STRANGER.public_key())[:-8], "holds no DER public key"),
        (der(ec.derive_private_key(5, ec.SECP384R1()).public_key()), "is on curve secp384r1; ECDSA P-256 is needed"),
        (der(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()), "is no elliptic curve key"),
    ],
)
def test_what_is_no_key_says_what_it_is(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_key(text)


@pytest.mark.parametrize(
    ("device_keys", "mask", "said"),
    [
        (KEYS[:7], -1, "7 update keys: give 8"),
        ((*KEYS, None), -1, "9 update keys: give 8"),
        ((ec.derive_private_key(5, ec.SECP384R1()).public_key(), *KEYS[1:]), -1, "update key 0 is on curve secp384r1"),
        (KEYS, -2, "sig_req_mask -2: give -1 to 255"),
        (KEYS, 256, "sig_req_mask 256: give -1 to 255"),
    ],
)
def test_a_device_is_not_made_with_other_keys_or_masks(device_keys: UpdateKeys, mask: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        guarded(mask, device_keys)


# -- byte for byte ---------------------------------------------------------------------------------------

SPEC_MANIFEST = b'{"name": "demo"}'


def test_the_worked_extra_field_of_the_spec() -> None:
    raw = dump("update-signature")
    assert extra_field(attributes_for(SPEC_MANIFEST, [(0, RFC_KEY)])) == raw
