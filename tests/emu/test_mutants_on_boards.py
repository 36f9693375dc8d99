"""The mutants that are shipped, on bundled boards: each passes the uncut update and is caught by its check with at most
one clean cut, and what it was made of holds in the same campaign."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import pytest

from emu.board import ALL_CHECKS
from emu.campaign.closure import Closure
from emu.campaign.judge import Chain, State
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Finding, Verdict
from emu.cli.inputs import Inputs, make_rig
from emu.cli.mutants import with_firmware
from emu.firmware import ModelFirmware
from emu.mutants.exchange import exchanged
from emu.mutants.table import MUTANTS, Conditions, Mutant
from flash.errors import PowerLost
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS

TRIED_ON = ("demo", "stm32f103", "stm32l476", "nrf52840")
CANARY = "overwrites-itself"
BOARDS = pytest.mark.parametrize("board", TRIED_ON)
EACH = pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
OF_FEWER_BOARDS = {"keeps-files", "legal-flash", "steady", "truthful", "wear"}
"""Checks that no bundled mutant tries: they need files, tears, weak cells, a peer or a part that refuses something."""


@cache
def closure(board: str, firmware: type[ModelFirmware], tears: str) -> tuple[Closure, Verdict]:
    rig = with_firmware(make_rig(Inputs(board, None, None, None, None, "healthy", "typ", 0)), firmware())
    options = Options(tears=TEAR_SETS[tears], depth=ANY, attempts=2, resolutions=tuple(RESOLUTIONS))
    explored = Closure(rig, rig.board.document.checks, options)
    return explored, explored.explore()


def tears_for(mutant: Mutant) -> str:
    """The tamest it applies to."""
    return next(name for name in ("none", "T1-coarse") if not mutant.applies(Conditions(TEAR_SETS[name], True)))


def uncut(board: str, mutant: Mutant) -> Chain:
    explored, _ = closure(board, mutant.firmware, tears_for(mutant))
    return explored.judge.chain(State(explored.rig.initial(2), Monitor()))


def caught(board: str, mutant: Mutant, tears: str) -> list[Finding]:
    return [f for f in closure(board, mutant.firmware, tears)[1].findings if f.key.check == mutant.check]


@BOARDS
@EACH
def test_it_is_caught_by_its_check_with_at_most_one_interruption(board: str, mutant: Mutant) -> None:
    assert [finding.cuts for finding in caught(board, mutant, tears_for(mutant))][:1] == [int(mutant.name != CANARY)]


@BOARDS
@EACH
def test_all_but_the_canary_pass_the_uncut_update(board: str, mutant: Mutant) -> None:
    chain = uncut(board, mutant)
    if mutant.name == CANARY:
        assert {breach.check for breach in chain.breaches} == {"in-place"}
        return
    assert chain.breaches == []
    assert (chain.outcome.kind, chain.outcome.image, chain.outcome.committed) == ("settled", "new", True)


@BOARDS
@pytest.mark.parametrize("tears", ["none", "T1-coarse"])
@pytest.mark.parametrize("twin", list(dict.fromkeys(row.twin for row in MUTANTS.values())), ids=lambda twin: twin.name)
def test_what_they_were_made_of_holds_in_the_same_campaign(board: str, tears: str, twin: type[ModelFirmware]) -> None:
    assert closure(board, twin, tears)[1].word == "held"


@BOARDS
def test_where_it_is_said_not_to_apply_it_breaks_nothing(board: str) -> None:
    mutant = MUTANTS["tries-again"]
    assert mutant.applies(Conditions(TEAR_SETS["none"], True)) == (
        "it takes a torn boot config, and tears none need not leave one"
    )
    assert closure(board, mutant.firmware, "none")[1].word == "held"


def test_a_mutant_of_commit_needs_an_application_that_commits() -> None:
    applies = {name for name, row in MUTANTS.items() if not row.applies(Conditions(TEAR_SETS["T1"], keeps_new=False))}
    assert set(MUTANTS) - applies == {"commit-deferred"}


def test_between_them_they_try_every_check_that_speaks_of_every_board() -> None:
    assert {row.check for row in MUTANTS.values()} == set(ALL_CHECKS) - OF_FEWER_BOARDS


def test_what_was_exchanged_is_put_back_however_the_code_ends() -> None:
    boot = import_module("bootloader.boot")
    right = boot.decide
    with pytest.raises(PowerLost), exchanged(boot, "decide", None):
        assert boot.decide is None
        raise PowerLost
    assert boot.decide is right


def test_nothing_is_exchanged_for_a_name_that_is_not_there() -> None:
    with (
        pytest.raises(AttributeError, match="no_such_name"),
        exchanged(import_module("bootloader.boot"), "no_such_name", 0),
    ):
        raise AssertionError("the code of a mutant that changes nothing was run")
    assert not hasattr(import_module("bootloader.boot"), "no_such_name")
