"""Tokens: what goes in comes out, and whatever is not a token is one clear line."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emu.campaign.edges import EVENT_NAMES
from emu.campaign.token import ROLES, VERSION, Token, parse_token, token_for
from emu.campaign.verdict import Step
from emu.errors import TokenError
from flash.tears import TEARS
from tests.emu.helpers import rig_on

GOOD = "bo1:1:3f2a91c0:77aa0012:0badcafe:5d1e77aa:0.17.prefix-12+1.3.cut"

numbers = st.integers(0, 1 << 40)
hows = st.sampled_from(["cut", *EVENT_NAMES]) | st.builds(
    "{}-{}".format, st.sampled_from([row.name for row in TEARS]), numbers
)
steps = st.builds(Step, numbers, numbers, hows)
digests = st.text("0123456789abcdef", min_size=8, max_size=8)
tokens = st.builds(
    Token, numbers, st.tuples(digests, digests, digests, digests), st.lists(steps, max_size=4).map(tuple)
)


def refused(text: str) -> str:
    with pytest.raises(TokenError) as error:
        parse_token(text)
    assert "\n" not in str(error.value)
    return str(error.value)


# -- round trip ------------------------------------------------------------------------------------------


@given(tokens)
def test_a_token_that_is_written_and_read_is_the_same(token: Token) -> None:
    assert parse_token(str(token)) == token


@given(tokens)
def test_a_token_is_one_word_that_no_shell_touches(token: Token) -> None:
    assert set(str(token)) <= set("abcdefghijklmnopqrstuvwxyz0123456789.:+-")


def test_a_token_reads_as_documented() -> None:
    token = parse_token(GOOD)
    assert token == Token(
        1, ("3f2a91c0", "77aa0012", "0badcafe", "5d1e77aa"), (Step(0, 17, "prefix-12"), Step(1, 3, "cut"))
    )
    assert str(token) == GOOD
    assert parse_token(f"  {GOOD}\n") == token


def test_a_token_without_interruptions_says_uncut() -> None:
    token = Token(2, ("0" * 8,) * 4, ())
    assert str(token).endswith(":uncut")
    assert parse_token(str(token)) == token


# -- what is not a token ---------------------------------------------------------------------------------


def test_another_version_says_which_one_is_read() -> None:
    assert refused(GOOD.replace("bo1", "bo2")) == ("this is a bo2 token; this version of brownout reads bo1 tokens")


@pytest.mark.parametrize("text", ["", "bo", "hello", "BO1:1", "bo1x:1", "7:1:2"])
def test_what_never_was_a_token_is_told_where_tokens_come_from(text: str) -> None:
    assert refused(text) == f"not a token: it should start with {VERSION}: and came out of brownout run"


@pytest.mark.parametrize("fields", range(1, 7))
def test_a_truncated_token_is_refused(fields: int) -> None:
    assert "cut short or altered" in refused(":".join(GOOD.split(":")[:fields]))


@pytest.mark.parametrize("number", range(len(ROLES)))
def test_an_altered_digest_names_its_role(number: int) -> None:
    fields = GOOD.split(":")
    for bad in ("3f2a91c", "3f2a91c00", "3F2A91C0", "3f2a91cg", ""):
        fields[2 + number] = bad
        assert f"the {ROLES[number]} digest {bad!r} is not 8 hex digits" in refused(":".join(fields))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "'' is no session.entry.how"),
        ("0.17", "'0.17' is no session.entry.how"),
        ("0.17.cut+", "'' is no session.entry.how"),
        ("0.17.cut 1", "'0.17.cut 1' is no session.entry.how"),
        ("-1.17.cut", "'-1.17.cut' is no session.entry.how"),
        ("0.17.slowly", "no tear is named 'slowly'"),
        ("0.17.prefix", "no tear is named 'prefix'"),
        ("0.17.prefix-", "no tear is named 'prefix-'"),
        ("0.17.slowly-3", "no tear is named 'slowly-3'"),
    ],
)
def test_an_altered_path_names_the_piece(path: str, said: str) -> None:
    message = refused(GOOD.rpartition(":")[0] + ":" + path)
    assert "the token is altered" in message
    assert said in message


@given(st.integers(0, len(GOOD)), st.text(max_size=3), st.integers(0, 3))
@example(4, "²", 1)
@example(4, "9" * 5000, 1)
@example(len("bo1:1:3f2a91c0:77aa0012:0badcafe:5d1e77aa:"), "9" * 5000, 1)
@example(len(GOOD) - len("12+1.3.cut"), "9" * 5000, 2)
@example(4, "٣", 1)
def test_an_altered_token_is_refused_or_means_itself(at: int, inserted: str, dropped: int) -> None:
    text = GOOD[:at] + inserted + GOOD[at + dropped :]
    try:
        token = parse_token(text)
    except TokenError as wrong:
        assert "\n" not in str(wrong)
        return
    assert parse_token(str(token)) == token


# -- inputs ----------------------------------------------------------------------------------------------


def test_a_token_carries_the_first_32_bits_of_every_input() -> None:
    rig = rig_on()
    token = token_for(1, rig.inputs, ())
    assert token.digests == tuple(rig.inputs[role].digest[:8] for role in ("board", "from", "to", "workload"))
    token.check_inputs(rig.inputs)


@pytest.mark.parametrize("number", range(len(ROLES)))
def test_a_token_of_other_inputs_names_exactly_the_role_that_differs(number: int) -> None:
    rig = rig_on()
    ours = token_for(1, rig.inputs, ()).digests
    theirs = tuple("00000000" if n == number else digest for n, digest in enumerate(ours))
    with pytest.raises(TokenError) as error:
        Token(1, theirs, ()).check_inputs(rig.inputs)
    role = ROLES[number]
    label = rig.inputs[role].label
    assert str(error.value) == (
        f"the token was made with other inputs: {role} (token 00000000, given {ours[number]}: {label})"
    )


def test_a_digest_that_differs_in_its_last_bit_differs() -> None:
    rig = rig_on()
    board, *others = token_for(1, rig.inputs, ()).digests
    near = f"{int(board, 16) ^ 1:08x}"
    with pytest.raises(TokenError, match=f"board .token {near}, given {board}: demo.$"):
        Token(1, (near, *others), ()).check_inputs(rig.inputs)


def test_every_input_that_differs_is_named() -> None:
    with pytest.raises(TokenError, match=r"board .*; from .*; to .*; workload "):
        Token(1, ("00000000",) * 4, ()).check_inputs(rig_on().inputs)
