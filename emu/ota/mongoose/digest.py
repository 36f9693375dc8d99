"""Who is calling: digest authentication in a frame and in HTTP, and the file of passwords behind it.

A frame has no method and no address to sign, so two fixed words stand for them. Neighbours: `guard` decides who must
say who he is. Knows no clock: what time it is is passed in, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import Enum

from emu.ota.errors import CredentialsError
from emu.ota.mongoose.jsontext import device_object, members, number_or_quoted, quoted, scalar

NONCE_LIFE_S = 3600
NONCE_COUNT = "1"
FRAME_METHOD, FRAME_URI = "dummy_method", "dummy_uri"
_LINE = re.compile(r"([^:]+):([^:]+):([0-9a-fA-F]+)")
_HEADER_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


class Algorithm(Enum):
    """The value is the name on the wire; the order is that of the config key ``rpc.auth_algo``: 0 and 1."""

    MD5 = "MD5"
    SHA256 = "SHA-256"

    def hash(self, *parts: str) -> str:
        """Hexadecimal digest of the parts with colons between them."""
        return hashlib.new(self.name.lower(), ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    @property
    def digits(self) -> int:
        """How many a hash has."""
        return 32 if self is Algorithm.MD5 else 64


@dataclass(frozen=True)
class Credentials:
    """What a caller sent. Numbers are kept as the text they came as, because that text is what was hashed."""

    realm: str
    username: str
    nonce: str
    cnonce: str
    response: str
    algorithm: str = ""
    nonce_count: str = NONCE_COUNT

    @classmethod
    def from_frame(cls, auth: str) -> Credentials | None:
        """The ``auth`` of a frame; None if a part is missing."""
        found = {name: scalar(text) or "" for name, text in (members(auth) or {}).items()}
        return cls._from(found | {"nc": NONCE_COUNT})

    @classmethod
    def from_header(cls, authorization: str) -> Credentials | None:
        """The value of an HTTP Authorization header; None if it is no digest or a part is missing."""
        scheme, _, rest = authorization.strip().partition(" ")
        found = {field[1].lower(): field[2] or field[3] or "" for field in _HEADER_FIELD.finditer(rest)}
        return cls._from(found) if scheme.lower() == "digest" else None

    @classmethod
    def _from(cls, found: dict[str, str]) -> Credentials | None:
        if not all(found.get(name) for name in ("realm", "username", "nonce", "cnonce", "response", "nc")):
            return None
        return cls(
            found["realm"],
            found["username"],
            found["nonce"],
            found["cnonce"],
            found["response"],
            found.get("algorithm", ""),
            found["nc"],
        )

    def is_right(self, ha1: str, algorithm: Algorithm, method: str = FRAME_METHOD, uri: str = FRAME_URI) -> bool:
        due = response(algorithm, ha1, self.nonce, self.cnonce, self.nonce_count, method, uri)
        return hmac.compare_digest(due.encode(), self.response.lower().encode())

    def is_fresh(self, now_s: int, base: int = 10) -> bool:
        """Whether the nonce is a time of the last hour. In frames it is decimal, in HTTP hexadecimal."""
        digits = re.match(r"[0-9]{1,18}" if base == 10 else r"[0-9a-fA-F]{1,15}", self.nonce)
        return digits is not None and 0 <= now_s - int(digits[0], base) < NONCE_LIFE_S


def response(
    algorithm: Algorithm,
    ha1: str,
    nonce: str,
    cnonce: str,
    nonce_count: str = NONCE_COUNT,
    method: str = FRAME_METHOD,
    uri: str = FRAME_URI,
) -> str:
    """What proves that the caller knows the password behind ``ha1``, without saying it."""
    return algorithm.hash(ha1, nonce, nonce_count, cnonce, "auth", algorithm.hash(method, uri))


def password_hash(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """What a password file holds."""
    return algorithm.hash(username, realm, password)


@dataclass(frozen=True)
class Challenge:
    """What a device asks of a caller it does not know."""

    realm: str
    nonce: str
    algorithm: Algorithm = Algorithm.MD5

    @property
    def message(self) -> str:
        """The message of error 401: a JSON object, printed into a string."""
        return device_object(
            {
                "auth_type": quoted("digest"),
                "nonce": number_or_quoted(self.nonce),
                "nc": NONCE_COUNT,
                "realm": quoted(self.realm),
                "algorithm": quoted(self.algorithm.value),
            }
        )

    @classmethod
    def parse(cls, message: str) -> Challenge | None:
        """None: the message asks for nothing that can be answered."""
        found = {name: scalar(text) or "" for name, text in (members(message) or {}).items()}
        names = {algorithm.value: algorithm for algorithm in Algorithm}
        algorithm = names.get(found.get("algorithm", "MD5"))
        if found.get("auth_type") != "digest" or algorithm is None or not (found.get("realm") and found.get("nonce")):
            return None
        return cls(found["realm"], found["nonce"], algorithm)

    def answer(self, username: str, password: str, cnonce: int) -> str:
        """The ``auth`` of the frame to send again."""
        ha1 = password_hash(self.algorithm, username, self.realm, password)
        proof = response(self.algorithm, ha1, self.nonce, str(cnonce))
        return (
            f'{{"realm":{quoted(self.realm)},"username":{quoted(username)},"nonce":{number_or_quoted(self.nonce)},"cnonce":{cnonce},'
            f'"response":"{proof}","algorithm":"{self.algorithm.value}"}}'
        )


def http_challenge(realm: str, algorithm: Algorithm, now_s: int) -> str:
    """The value of the header WWW-Authenticate of a reply 401."""
    return f'Digest qop="auth", realm="{realm}", nonce="{now_s:x}", algorithm={algorithm.value}'


def http_answer(challenge: str, username: str, password: str, cnonce: int, method: str, uri: str) -> str | None:
    """The header Authorization that answers a header WWW-Authenticate; None: it asks for nothing we can answer."""
    scheme, _, rest = challenge.strip().partition(" ")
    found = {field[1].lower(): field[2] or field[3] or "" for field in _HEADER_FIELD.finditer(rest)}
    names = {algorithm.value: algorithm for algorithm in Algorithm}
    algorithm = names.get(found.get("algorithm", "MD5"))
    realm, nonce = found.get("realm", ""), found.get("nonce", "")
    if scheme.lower() != "digest" or algorithm is None or not nonce:
        return None
    count = "00000001"
    ha1 = password_hash(algorithm, username, realm, password)
    proof = response(algorithm, ha1, nonce, f"{cnonce:08x}", count, method, uri)
    return (
        f"Digest username={quoted(username)}, realm={quoted(realm)}, nonce={quoted(nonce)}, uri={quoted(uri)}, "
        f'algorithm={algorithm.value}, qop=auth, nc={count}, cnonce="{cnonce:08x}", response="{proof}"'
    )


class Passwords:
    """The hashes of a password file, by user and realm."""

    def __init__(self, hashes: dict[tuple[str, str], str]) -> None:
        self._hashes = hashes

    @classmethod
    def parse(cls, text: str, name: str, algorithm: Algorithm) -> Passwords:
        """A file as htdigest writes it: ``user:realm:hash`` in each line. ``name`` is for messages.

        Errors: CredentialsError naming the line.
        """
        hashes: dict[tuple[str, str], str] = {}
        lines: dict[tuple[str, str], int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            found = _LINE.fullmatch(line.strip())
            if found is None:
                raise CredentialsError(f"{name} line {number}: not user:realm:hash, as htdigest writes it")
            user, realm, ha1 = found.groups()
            if len(ha1) != algorithm.digits:
                raise CredentialsError(
                    f"{name} line {number}: the hash of {user} has {len(ha1)} digits, {algorithm.value} has "
                    f"{algorithm.digits}: write the line anew, or change rpc.auth_algo"
                )
            if (user, realm) in hashes:
                first = lines[user, realm]
                raise CredentialsError(
                    f"{name} line {number}: {user}:{realm} stands on line {first} already: remove one"
                )
            hashes[user, realm] = ha1.lower()
            lines[user, realm] = number
        return cls(hashes)

    def find(self, username: str, realm: str) -> str | None:
        return self._hashes.get((username, realm))
