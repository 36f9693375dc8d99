"""The image header: bytes that come back whole or not at all, what its signature covers, how versions are ordered."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootloader.image import (
    HEADER_SIZE,
    MAX_SIGNATURE_SIZE,
    SIGNED_SIZE,
    ImageHeader,
    header_for,
    pack_header,
    parse_header,
    signed_digest,
    version_number,
)

u32 = st.integers(0, 0xFFFF_FFFF)
headers = st.builds(
    ImageHeader,
    u32,
    u32,
    u32,
    u32,
    st.binary(min_size=32, max_size=32),
    st.sampled_from(("none", "ed25519", "ecdsa-p256")),
    st.binary(max_size=MAX_SIGNATURE_SIZE),
)
SAMPLE = ImageHeader(1000, 0x0800_8100, 0x0102_0003, 0xDEAD_BEEF, bytes(range(32)), "ed25519", b"\x5a" * 64)


def resealed(raw: bytes, offset: int, value: bytes) -> bytes:
    body = raw[:offset] + value + raw[offset + len(value) : -4]
    return body + zlib.crc32(body).to_bytes(4, "little")


# -- the bytes -------------------------------------------------------------------------------------------


@given(headers)
def test_a_header_reads_back_as_what_it_was_made_from(header: ImageHeader) -> None:
    raw = pack_header(header)
    assert len(raw) == HEADER_SIZE
    assert parse_header(raw) == header


@pytest.mark.parametrize("header", [SAMPLE, header_for(b"", load_address=0, app_version=0)], ids=["signed", "empty"])
def test_every_single_bit_flip_is_refused(header: ImageHeader) -> None:
    raw = pack_header(header)
    for bit in range(HEADER_SIZE * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        found = parse_header(bytes(flipped))
        assert isinstance(found, str), f"bit {bit} flipped and the header was taken"
        assert found.startswith("no image magic" if bit < 32 else "header CRC mismatch")


@given(headers)
def test_every_prefix_of_a_write_over_erased_is_refused_or_the_whole_header(header: ImageHeader) -> None:
    raw = pack_header(header)
    for erased in (b"\xff", b"\x00"):
        for length in range(HEADER_SIZE):
            torn = raw[:length].ljust(HEADER_SIZE, erased)
            assert (parse_header(torn) == header) == (torn == raw), f"after {length} bytes over {erased.hex()}"
            assert isinstance(parse_header(torn), str) or torn == raw


@given(st.binary(min_size=HEADER_SIZE, max_size=HEADER_SIZE))
def test_parsing_never_raises(raw: bytes) -> None:
    assert parse_header(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff" * HEADER_SIZE, "erased"),
        (b"\x00" * HEADER_SIZE, "erased"),
        (b"\x00" + b"\xff" * (HEADER_SIZE - 1), "no image magic (reads 00ffffff)"),
        (pack_header(SAMPLE)[:-1] + b"\x00", "header CRC mismatch"),
        (resealed(pack_header(SAMPLE), 4, b"\x02\x00"), "header version 2, this bootloader reads 1"),
        (resealed(pack_header(SAMPLE), 56, b"\x03"), "signature scheme 3 is not known"),
    ],
)
def test_the_reason_names_what_is_wrong(raw: bytes, reason: str) -> None:
    assert parse_header(raw) == reason


@pytest.mark.parametrize(
    ("offset", "value", "named"),
    [(6, b"\x00\x02", "length"), (57, b"\x51", "81")],
    ids=["header-length-512", "signature-length-81"],
)
def test_the_reason_for_a_wrong_length_does_not_blame_a_field_that_is_right(
    offset: int, value: bytes, named: str
) -> None:
    found = parse_header(resealed(pack_header(SAMPLE), offset, value))
    assert isinstance(found, str)
    assert named in found


def test_a_signature_that_does_not_fit_is_refused_when_packing() -> None:
    pack_header(replace(SAMPLE, signature=bytes(MAX_SIGNATURE_SIZE)))
    with pytest.raises(ValueError, match="81 bytes does not fit 80"):
        pack_header(replace(SAMPLE, signature=bytes(MAX_SIGNATURE_SIZE + 1)))


@given(st.binary(min_size=1, max_size=300))
def test_header_for_describes_the_application(app: bytes) -> None:
    header = header_for(app, load_address=0x1000, app_version=7)
    assert header == ImageHeader(len(app), 0x1000, 7, zlib.crc32(app), hashlib.sha256(app).digest())


# -- what is signed --------------------------------------------------------------------------------------


def test_the_signed_digest_is_the_hash_of_the_first_56_bytes() -> None:
    assert signed_digest(SAMPLE) == hashlib.sha256(pack_header(SAMPLE)[:SIGNED_SIZE]).digest()


@pytest.mark.parametrize(
    "change",
    [{"app_length": 1}, {"load_address": 1}, {"app_version": 1}, {"app_crc": 1}, {"app_sha256": bytes(32)}],
    ids=lambda change: next(iter(change)),
)
def test_the_signature_covers_everything_about_the_application(change: dict[str, int]) -> None:
    assert signed_digest(replace(SAMPLE, **change)) != signed_digest(SAMPLE)


def test_the_signature_does_not_cover_itself() -> None:
    assert signed_digest(replace(SAMPLE, signature_scheme="none", signature=b"")) == signed_digest(SAMPLE)


# -- versions --------------------------------------------------------------------------------------------

triples = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535))


@given(triples, triples)
def test_versions_are_ordered_as_their_numbers(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    left, right = (version_number(".".join(map(str, version))) for version in (one, other))
    assert (left < right, left == right) == (one < other, one == other)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.2.3", 0x0102_0003),
        ("v1.2.3", 0x0102_0003),
        ("1.2.3-rc1", 0x0102_0003),
        ("1.2.3+20240101", 0x0102_0003),
        ("1.2", 0x0102_0000),
        ("10", 0x0A00_0000),
        ("255.255.65535", 0xFFFF_FFFF),
        ("1.10.0", 0x010A_0000),
        ("256.0.0", 0),
        ("0.256.0", 0),
        ("0.0.65536", 0),
        ("1.2.3.4", 0),
        ("1.2.", 0),
        ("20240101-120000/g1234567@main", 0),
        ("main", 0),
        ("", 0),
        ("-1.0", 0),
    ],
)
def test_version_number(text: str, number: int) -> None:
    assert version_number(text) == number


@given(st.text(max_size=40))
def test_version_number_takes_any_text_and_fits_32_bits(text: str) -> None:
    assert 0 <= version_number(text) <= 0xFFFF_FFFF
