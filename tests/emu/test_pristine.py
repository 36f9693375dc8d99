"""Firmware that remembers over a power cut is refused, also where no other interpreter could make it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from emu.campaign.pristine import pristine
from emu.errors import ScenarioError
from emu.plain_rig import PlainRig
from emu.proof import Ask, prove
from emu.reset import Reset
from emu.scenario import Scenario, Window
from flash import put

WINDOWS = {"a": Window(0, 0x1000)}


def scenario(firmware: Any) -> Scenario:
    return Scenario(firmware, "w25q128jv", windows=WINDOWS)


def test_a_closure_that_remembers_is_refused() -> None:
    cache: dict[str, int] = {}

    def boot(reset: Reset) -> str | None:
        flash = reset.flash["a"]
        value = cache.setdefault("value", flash.read(0, 1)[0])
        if value not in (0xFF, 1):
            return "the counter is lost"
        if flash.read(0, 1)[0] == 0xFF:
            put(flash, 0, b"\x01")
        return None

    with pytest.raises(ScenarioError, match=r"keeps something between resets .* where nothing has run before: "):
        prove(scenario(boot), Ask(tears="T1"))


def test_one_that_opens_states_for_ever_is_refused_before_they_run_out() -> None:
    """It writes elsewhere at each reset: no layer is the last one, and no audit at the end would come."""
    resets: list[int] = []

    def boot(reset: Reset) -> None:
        put(reset.flash["a"], len(resets) % 4000, b"\x00")
        resets.append(1)

    with pytest.raises(ScenarioError, match="keeps something between resets"):
        prove(scenario(boot), Ask(tears="T1", budget_s=10))
    assert len(resets) < 1000


def test_what_remembers_nothing_holds_and_was_repeated() -> None:
    def boot(reset: Reset) -> None:
        if reset.flash["a"].read(0, 1)[0] == 0xFF:
            put(reset.flash["a"], 0, b"\x00")

    assert prove(scenario(boot)).held


def test_a_process_that_has_seen_nothing_runs_a_session_as_it_was_when_it_was_forked() -> None:
    seen: list[int] = []

    def boot(reset: Reset) -> None:
        seen.append(1)
        print("what a firmware prints there is nobody's business")
        put(reset.flash["a"], len(seen), b"\x00")

    rig = PlainRig(scenario(boot))
    with pristine(rig) as other:
        assert other is not None
        state = rig.initial(0)
        first, second = rig.run(state), rig.run(state)
        assert [entry.address for entry in (*first.entries, *second.entries)] == [1, 2]  # type: ignore[union-attr]
        records = other.records([state, state])
        assert records[0] == records[1]
        assert "program flash 0x1+1" in records[0].lines[0]
        assert other.records([]) == []


def test_a_firmware_that_ends_its_process_there_is_told_so() -> None:
    def boot(reset: Reset) -> None:
        os._exit(3)

    rig = PlainRig(scenario(boot))
    with pristine(rig) as other:
        assert other is not None
        with pytest.raises(ScenarioError, match="sessions cannot be repeated: the firmware ends its process"):
            other.records([rig.initial(0)])


def test_one_that_calls_exit_has_crashed() -> None:
    def boot(reset: Reset) -> None:
        if reset.flash["a"].read(0, 1) not in (b"\xff", b"\x00"):
            raise SystemExit(5)
        put(reset.flash["a"], 0, b"\x00")

    proof = prove(scenario(boot))
    assert "the firmware crashed: SystemExit: 5" in proof.text


def test_one_that_draws_is_named_not_this_emulator() -> None:
    def boot(reset: Reset) -> str | None:
        if reset.flash["a"].read(0, 1) == b"\x00":
            return "bricked"
        put(reset.flash["a"], 0, bytes([os.urandom(1)[0] & 0xFE, os.urandom(1)[0]]))
        return None

    with pytest.raises(ScenarioError, match="does not do the same twice"):
        for _ in range(20):
            prove(scenario(boot))
