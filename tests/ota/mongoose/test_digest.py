"""Digest authentication against published examples and against clients nobody here wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.errors import CredentialsError
from emu.ota.mongoose.digest import (
    Algorithm,
    Challenge,
    Credentials,
    Passwords,
    http_challenge,
    password_hash,
    response,
)

MD5, SHA256 = Algorithm.MD5, Algorithm.SHA256

# aioshelly 13.35.0 (PyPI), AuthData.get_auth with 16 bytes 00 to 0f for its random ones; it speaks to Shelly devices
AIOSHELLY = json.dumps(
    {
        "realm": "RPC",
        "username": "alice",
        "nonce": 1700000000,
        "nc": 1,
        "cnonce": "AAECAwQFBgcICQoLDA0ODw==",
        "response": "ba02ccbcacbcf7c59ae2fd8902aca25607fc1398a0a1dd69652ae2a4aac0ca0b",
        "algorithm": "SHA-256",
    }
)
# requests 2.34.2 (PyPI), HTTPDigestAuth.build_digest_header("POST", "http://dev/rpc/OTA.Status")
REQUESTS_HEADER = (
    'Digest username="alice", realm="RPC", nonce="6553f100", uri="/rpc/OTA.Status", response="{}", '
    'algorithm="{}", qop="auth", nc=00000001, cnonce="e47d1c992c4ba381"'
)


def test_an_answer_of_a_client_for_shelly_devices_is_right() -> None:
    said = Credentials.from_frame(AIOSHELLY)
    assert said is not None and said.algorithm == "SHA-256"
    assert said.is_right(password_hash(SHA256, "alice", "RPC", "s3cret"), SHA256)
    assert not said.is_right(password_hash(SHA256, "alice", "RPC", "secret"), SHA256)
    assert not said.is_right(password_hash(MD5, "alice", "RPC", "s3cret"), MD5)


@pytest.mark.parametrize(
    ("algorithm", "proof"),
    [
        (MD5, "b6799a1f8b633cf9a64e897a4b8f462e"),
        (SHA256, "09d847f73cabf49db9128b43c0d55c088037ca28c9e614659a5fac1cb40e0fbf"),
    ],
)
def test_a_header_of_a_http_client_is_right(algorithm: Algorithm, proof: str) -> None:
    said = Credentials.from_header(REQUESTS_HEADER.format(proof, algorithm.value))
    assert said is not None and said.nonce_count == "00000001"
    ha1 = password_hash(algorithm, "alice", "RPC", "s3cret")
    assert said.is_right(ha1, algorithm, "POST", "/rpc/OTA.Status")
    assert not said.is_right(ha1, algorithm, "GET", "/rpc/OTA.Status")
    assert not said.is_right(ha1, algorithm)
    assert said.is_fresh(0x6553F100, 16) and not said.is_fresh(0x6553F100, 10)


def test_the_example_of_rfc_2617() -> None:
    ha1 = password_hash(MD5, "Mufasa", "testrealm@host.com", "Circle Of Life")
    assert ha1 == "939e7578ed9e3c518a452acee763bce9"
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    proof = response(MD5, ha1, nonce, "0a4f113b", "00000001", "GET", "/dir/index.html")
    assert proof == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "proof"),
    [
        (MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (SHA256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: Algorithm, proof: str) -> None:
    ha1 = password_hash(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    assert response(algorithm, ha1, nonce, cnonce, "00000001", "GET", "/dir/index.html") == proof


def test_the_challenge_and_its_answer_byte_for_byte() -> None:
    challenge = Challenge("RPC", "1700000000")
    assert challenge.message == (
        '{"auth_type": "digest", "nonce": 1700000000, "nc": 1, "realm": "RPC", "algorithm": "MD5"}'
    )
    assert Challenge.parse(challenge.message) == challenge
    # the response by md5sum of coreutils
    assert challenge.answer("alice", "s3cret", 12345) == (
        '{"realm":"RPC","username":"alice","nonce":1700000000,"cnonce":12345,'
        '"response":"95a727c17e2bae46bd9a87fc4d6f20a2","algorithm":"MD5"}'
    )


@pytest.mark.parametrize(
    "message", ["", "unauthorized", "{}", '{"auth_type":"basic","nonce":1,"realm":"R"}', '{"auth_type":"digest"}']
)
def test_a_message_that_asks_for_nothing_known(message: str) -> None:
    assert Challenge.parse(message) is None


def test_a_challenge_without_an_algorithm_means_md5() -> None:
    assert Challenge.parse('{"auth_type":"digest","nonce":5,"nc":1,"realm":"R"}') == Challenge("R", "5", MD5)


@given(st.sampled_from(Algorithm), st.text(min_size=1, max_size=8), st.text(max_size=8), st.integers(0, 1 << 32))
def test_every_answer_is_right_and_only_for_its_password(
    algorithm: Algorithm, username: str, password: str, cnonce: int
) -> None:
    said = Credentials.from_frame(Challenge("RPC", "9", algorithm).answer(username, password, cnonce))
    assert said is not None and said.username == username
    assert said.is_right(password_hash(algorithm, username, "RPC", password), algorithm)
    assert not said.is_right(password_hash(algorithm, username, "RPC", password + "x"), algorithm)


@pytest.mark.parametrize("name", ["realm", "username", "nonce", "cnonce", "response"])
def test_incomplete_credentials(name: str) -> None:
    parts = json.loads(AIOSHELLY)
    del parts[name]
    assert Credentials.from_frame(json.dumps(parts)) is None


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Digest", 'Digest username="a"'])
def test_a_header_that_is_no_digest(header: str) -> None:
    assert Credentials.from_header(header) is None


@pytest.mark.parametrize(
    ("nonce", "fresh"),
    [("10000", True), ("6401", True), ("6400", False), ("10001", False), ("0", False), ("x", False), ("", False)],
)
def test_a_nonce_is_a_time_of_the_last_hour(nonce: str, fresh: bool) -> None:
    assert Credentials("RPC", "a", nonce, "1", "r").is_fresh(10_000) is fresh


def test_the_header_of_a_401() -> None:
    assert http_challenge("RPC", SHA256, 0x6553F100) == (
        'Digest qop="auth", realm="RPC", nonce="6553f100", algorithm=SHA-256'
    )


def test_a_password_file() -> None:
    ha1 = password_hash(MD5, "alice", "RPC", "s3cret")
    passwords = Passwords.parse(f"alice:RPC:{ha1.upper()}\r\n\nbob:other:{ha1}\n", "rpc_auth.txt", MD5)
    assert passwords.find("alice", "RPC") == ha1
    assert passwords.find("bob", "RPC") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice:RPC", r"pw line 1: not user:realm:hash, as htdigest writes it"),
        ("\nalice:RPC:xyz", r"pw line 2: not user:realm:hash"),
        (f"alice:RPC:{'0' * 64}", r"pw line 1: the hash of alice has 64 digits, MD5 has 32.*rpc\.auth_algo"),
        (f"a:R:{'0' * 32}\na:R:{'1' * 32}", r"pw line 2: a:R stands on line 1 already: remove one"),
    ],
)
def test_a_bad_password_file_is_told_by_its_line(text: str, message: str) -> None:
    with pytest.raises(CredentialsError, match=message) as caught:
        Passwords.parse(text, "pw", MD5)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
