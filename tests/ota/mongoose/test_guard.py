"""Who may call what: rules, users, and the errors of those who may not."""

from __future__ import annotations

import pytest

from emu.ota.errors import AclError
from emu.ota.mongoose.acl import Acl, may
from emu.ota.mongoose.call import Channel, RpcError
from emu.ota.mongoose.digest import Algorithm, Challenge, Passwords, password_hash
from emu.ota.mongoose.guard import BAD_REQUEST, FORBIDDEN, NO_PASSWORDS, Guard
from emu.ota.mongoose.wire import Request

NOW_S = 1_700_000_000
UART, HTTP = Channel("UART", "UART0"), Channel("HTTP", "192.168.1.2:80", is_persistent=False)
RULES = """[
    {"method": "RPC.*", "acl": "*"},
    {"method": "Sys.*", "ch_type": "UART", "acl": "+*"},
    {"method": "Sys.*", "acl": "-*"},
    {"ch_type": "HTTP", "method": "FS.*", "acl": "-*"},
    {"method": "OTA.*", "acl": "-mallory,+ali*,bob"}
]"""


def guard(algorithm: Algorithm = Algorithm.MD5, **changes: object) -> Guard:
    users = ("alice", "bob", "mallory", "carol")
    text = "".join(f"{user}:RPC:{password_hash(algorithm, user, 'RPC', user + '!')}\n" for user in users)
    passwords = Passwords.parse(text, "rpc_auth.txt", algorithm)
    found = {"acl": Acl.parse(RULES), "passwords": lambda: passwords, "algorithm": algorithm} | changes
    return Guard(**found)  # type: ignore[arg-type]


def signed(user: str, password: str = "", algorithm: Algorithm = Algorithm.MD5, nonce: int = NOW_S) -> Request:
    auth = Challenge("RPC", str(nonce), algorithm).answer(user, password or user + "!", 7)
    return Request("OTA.Begin", "1", auth=auth)


def test_without_rules_everybody_may_call_everything() -> None:
    assert Guard().admit(Request("Sys.Reboot", "1"), UART, NOW_S) == ""


@pytest.mark.parametrize(
    ("method", "channel", "verdict"),
    [
        ("RPC.List", HTTP, ""),
        ("rpc.list", UART, ""),
        ("Sys.Reboot", UART, ""),
        ("Sys.Reboot", HTTP, FORBIDDEN),
        ("FS.Put", HTTP, FORBIDDEN),
        ("FS.Put", UART, FORBIDDEN),
        ("Else", UART, FORBIDDEN),
    ],
)
def test_the_first_rule_that_fits_decides(method: str, channel: Channel, verdict: str | RpcError) -> None:
    assert guard().admit(Request(method, "1"), channel, NOW_S) == verdict


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_who_says_nothing_is_asked(algorithm: Algorithm) -> None:
    asked = guard(algorithm).admit(Request("OTA.Begin", "1"), UART, NOW_S)
    assert asked == RpcError(401, Challenge("RPC", str(NOW_S), algorithm).message)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_who_answers_is_let_in(algorithm: Algorithm) -> None:
    assert guard(algorithm).admit(signed("alice", algorithm=algorithm), UART, NOW_S + 3599) == "alice"
    assert guard(algorithm).admit(signed("bob", algorithm=algorithm), HTTP, NOW_S) == "bob"


@pytest.mark.parametrize("user", ["mallory", "carol"])
def test_who_is_not_among_the_users_is_refused(user: str) -> None:
    assert guard().admit(signed(user), UART, NOW_S) == FORBIDDEN


@pytest.mark.parametrize(
    "request_",
    [signed("alice", "wrong"), signed("nobody"), signed("alice", nonce=NOW_S - 3600), signed("alice", nonce=NOW_S + 1)],
    ids=["wrong password", "unknown user", "old nonce", "nonce to come"],
)
def test_who_proves_nothing_is_asked_again(request_: Request) -> None:
    asked = guard().admit(request_, UART, NOW_S)
    assert isinstance(asked, RpcError) and asked.code == 401


@pytest.mark.parametrize(
    "auth",
    [
        "{}",
        "[]",
        '"alice"',
        Challenge("RPC", str(NOW_S), Algorithm.SHA256).answer("alice", "alice!", 7),
        Challenge("other", str(NOW_S)).answer("alice", "alice!", 7),
        Challenge("RPC", str(NOW_S)).answer("alice", "alice!", 7).replace("MD5", "MD4"),
    ],
    ids=["empty", "list", "string", "other algorithm", "other realm", "unknown algorithm"],
)
def test_what_is_no_answer_is_a_bad_request(auth: str) -> None:
    assert guard().admit(Request("OTA.Begin", "1", auth=auth), UART, NOW_S) == BAD_REQUEST


def test_a_password_file_that_cannot_be_read() -> None:
    assert guard(passwords=lambda: None).admit(signed("alice"), UART, NOW_S) == NO_PASSWORDS
    asked = guard(passwords=lambda: None).admit(Request("OTA.Begin", "1"), UART, NOW_S)
    assert isinstance(asked, RpcError) and asked.code == 401, "it is not read for who says nothing"


def test_a_channel_may_know_its_user() -> None:
    known = Channel("HTTP", is_persistent=False, username="alice")
    assert guard().admit(Request("OTA.Begin", "1"), known, NOW_S) == "alice"
    assert guard(passwords=None).admit(signed("mallory"), known, NOW_S) == "alice"
    assert guard().admit(signed("bob"), known, NOW_S) == "bob", "what the frame proves comes first"


@pytest.mark.parametrize(
    ("users", "username", "does"),
    [
        ("-a,*", "a", False),
        ("-a,*", "b", True),
        ("+a", "a", True),
        ("a,-*", "b", False),
        ("", "a", False),
        (",b", "b", True),
    ],
)
def test_users_of_a_rule(users: str, username: str, does: bool) -> None:
    assert may(users, username) is does


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"rpc\.acl: .*: give a JSON array"),
        ('{"method":"*","acl":"*"}', r"rpc\.acl: Expected `array`"),
        ('[{"method":1,"acl":"*"}]', r"\$\[0\]\.method"),
        ('[{"method":"*","acl":"*"},{"method":"*"}]', r"rpc\.acl rule 2: acl is missing"),
        ('[{"acl":"*"}]', r"rpc\.acl rule 1: neither method nor ch_type"),
    ],
)
def test_bad_rules_are_told_by_their_number(text: str, message: str) -> None:
    with pytest.raises(AclError, match=message):
        Acl.parse(text)
