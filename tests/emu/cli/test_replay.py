"""`brownout replay`: 1 the finding reproduces, 3 it does not, 2 an input or the token differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emu.cli.command import Brownout, pair, process, stuck_board
from tests.emu.helpers import NEW_APP, OLD_APP


@pytest.fixture
def flags(tmp_path: Path) -> tuple[str, ...]:
    """Inputs with a finding: a board that no timer resets."""
    return (*pair(tmp_path), "--board", str(stuck_board(tmp_path)))


@pytest.fixture
def token(brownout: Brownout, flags: tuple[str, ...]) -> str:
    ran = brownout("run", *flags, "--events", "hang", "--tears", "none", "--json", "-")
    assert ran.code == 1
    found: str = json.loads(ran.out)["findings"][0]["token"]
    return found


def test_a_finding_reproduces_with_the_flags_it_was_found_with(
    brownout: Brownout, flags: tuple[str, ...], token: str
) -> None:
    ran = brownout("replay", token, *flags)
    assert (ran.code, ran.err) == (1, "")
    assert "BROKEN reverts: the uncommitted image hangs and no timer resets it" in ran.out
    assert "*** FIRMWARE HANGS here" in ran.out
    assert "session 1: reset by power" in ran.out


def test_every_finding_of_a_run_reproduces_in_another_process(brownout: Brownout, flags: tuple[str, ...]) -> None:
    ran = brownout("run", *flags, "--events", "hang", "--tears", "none", "--json", "-")
    tokens = [item["token"] for item in json.loads(ran.out)["findings"]]
    assert tokens
    for found in tokens[:3]:
        assert process("replay", found, *flags).code == 1


def test_a_place_where_every_check_holds_does_not_reproduce(
    brownout: Brownout, flags: tuple[str, ...], token: str
) -> None:
    ran = brownout("replay", token.rpartition(":")[0] + ":0.3.cut", *flags)
    assert (ran.code, ran.err) == (3, "")
    assert ran.out.endswith("every check held on this path\n")
    assert brownout("replay", token.rpartition(":")[0] + ":uncut", *flags).code == 3


def test_another_input_is_named_by_its_role(
    brownout: Brownout, flags: tuple[str, ...], token: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"another application")
    assert "other inputs: from (token " in brownout.refused("replay", token, *flags, "--from", other)
    assert "other inputs: to (token " in brownout.refused("replay", token, *flags, "--to", other)
    assert "other inputs: workload (token " in brownout.refused("replay", token, *flags, "--app", "hangs")
    assert "other inputs: workload (token " in brownout.refused("replay", token, *flags, "--seed", "1")
    assert "other inputs: workload (token " in brownout.refused("replay", token, *flags, "--timing", "max")
    message = brownout.refused("replay", token, *flags, "--board", "stm32f103")
    assert "other inputs: board (token " in message
    assert "stm32f103)" in message


def test_another_input_is_told_in_words(brownout: Brownout, flags: tuple[str, ...], token: str) -> None:
    message = brownout.refused("replay", token, *flags, "--app", "hangs", "--timing", "max", "--seed", "2")
    assert message.endswith(
        ": model firmware, app hangs, timing max, seed 2, weak bits seeded, versions 1.0.0 -> 2.0.0)"
    )
    message = brownout.refused("replay", token, *flags, "--to", flags[1], "--from", flags[3])
    assert f"{flags[1]}, {len(OLD_APP)} bytes)" in message
    assert f"{flags[3]}, {len(NEW_APP):,} bytes)" in message


def test_every_input_that_differs_is_named(brownout: Brownout, token: str) -> None:
    message = brownout.refused("replay", token)
    for role in ("board", "from", "to"):
        assert f"{role} (token " in message
    assert "workload" not in message


def test_a_changed_byte_of_a_file_is_noticed(brownout: Brownout, flags: tuple[str, ...], token: str) -> None:
    Path(flags[3]).write_bytes(NEW_APP[:-1] + b"\x00")
    assert "other inputs: to (token " in brownout.refused("replay", token, *flags)
    Path(flags[3]).write_bytes(NEW_APP)
    Path(flags[1]).write_bytes(OLD_APP + b"\x00")
    assert "other inputs: from (token " in brownout.refused("replay", token, *flags)


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        ("bo2:1:3f2a91c0:77aa0012:0badcafe:5d1e77aa:0.1.cut", "this is a bo2 token"),
        ("bo1:1:3f2a91c0:77aa0012", "cut short or altered"),
        ("bo1:1:3f2a91c0:77aa0012:0badcafe:5d1e77aX:0.1.cut", "workload digest '5d1e77aX'"),
        ("bo1:1:3f2a91c0:77aa0012:0badcafe:5d1e77aa:0.1.burnt", "no tear is named 'burnt'"),
        ("bo1:²:3f2a91c0:77aa0012:0badcafe:5d1e77aa:0.1.cut", "altered"),
        ("hello", "not a token"),
    ],
)
def test_a_token_of_another_version_truncated_or_altered_is_one_line(
    brownout: Brownout, altered: str, said: str
) -> None:
    assert said in brownout.refused("replay", altered)


@pytest.mark.parametrize("path", ["0.999.cut", "7.0.cut", "0.0.prefix-3", "0.3.ecc-fault-0", "0.3.prefix-2"])
def test_a_place_that_does_not_exist_is_one_line(
    brownout: Brownout, flags: tuple[str, ...], token: str, path: str
) -> None:
    """Entry 3 is an erase of an STM32F1: it has no prefix and no ECC fault."""
    assert "the token" in brownout.refused("replay", token.rpartition(":")[0] + ":" + path, *flags)


def test_without_a_token_there_is_usage(brownout: Brownout) -> None:
    ran = brownout("replay")
    assert (ran.code, ran.out) == (2, "")
    assert "TOKEN" in ran.err
