"""An update that comes over a UART, in campaigns: the right bootloaders hold, each mistake is found by its check, and a
host at the other end leaves everything a function of the state."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.cache import RunCache
from emu.campaign.closure import Closure
from emu.campaign.edges import EdgeWalker
from emu.campaign.fresh import repeat_in_fresh_interpreter
from emu.campaign.judge import Judge, State
from emu.campaign.live_cuts import check_live_cuts
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Coverage, Verdict
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.elf.bench import ElfBench
from emu.elf.board import load_elf_board
from emu.elf.conversation import Talk
from emu.elf.rig import ElfRig
from emu.elf.uncut import check_uncut, uncut_words
from emu.errors import ScenarioError
from emu.events import ATTEMPT, CLAIMED, HANDOVER, NOTE, OUTSIDE
from emu.rig import DeviceState
from emu.rig_spec import rig_spec
from flash.journal import Event, Interruption, Operation
from flash.tears import TEAR_SETS
from tests.emu.elf.uart_boards import HOST, Mistake, mistakes, rig, uncut

CHIPS = ("stm32f1", "stm32f4", "stm32l4", "nrf52840")
CHECKS = ("boots", "whole", "retries", "truthful", "legal-flash", "accepts", "stays-up")


def explored(one: ElfRig, tears: str = "none", attempts: int = 2) -> Verdict:
    options = Options(tears=TEAR_SETS[tears], depth=ANY, keeps_new=one.keeps_new, attempts=attempts)
    return Closure(one, one.bounds, options).explore()


def names(entries: list[object]) -> list[str]:
    return [entry.name for entry in entries if isinstance(entry, Event)]


def found_after_cut(one: ElfRig, entry: int) -> set[str]:
    """What is broken by what follows a cut before ``entry`` of the session with the update, and by the next update."""
    state, run = uncut(one)[1]
    walker = EdgeWalker(one, TEAR_SETS["none"], ())
    child = walker.find(state, run, entry, "cut")
    assert child is not None
    past = Monitor()
    for each in run.entries[:entry]:
        past = past.after(each) if isinstance(each, Event) else past
    return found_from(one, State(child.state, past.at_reset))


def found_from(one: ElfRig, state: State) -> set[str]:
    judge = Judge(one, one.bounds, checks=CHECKS, cache=False, cover=Coverage())
    return {breach.check for breach in judge.chain(state).breaches}


@pytest.fixture(scope="module")
def f1(tmp_path_factory: pytest.TempPathFactory) -> ElfRig:
    """The right bootloader of the STM32F1."""
    return rig(tmp_path_factory.mktemp("f1"))


# -- sessions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chip", [pytest.param(chip, marks=pytest.mark.slow if chip in ("stm32f4", "stm32l4") else ()) for chip in CHIPS]
)
def test_the_device_boots_alone_and_then_somebody_brings_the_update(tmp_path: Path, chip: str) -> None:
    one = rig(tmp_path, chip)
    (first, alone), (second, update) = uncut(one)
    comes = "the host is started, power is switched off and on"
    assert str(alone.outcome) == f"old image runs, committed; {comes}"
    assert names(alone.entries) == [HANDOVER]
    assert (first.outside, second.outside, second.cause, second.ram) == (None, Talk(), "power", ())
    assert names(update.entries) == [OUTSIDE, ATTEMPT, HANDOVER, CLAIMED]
    assert str(update.outcome) == "new image runs, committed"
    assert update.end.outside is None
    assert (second.attempts_left, update.end.attempts_left) == (1, 0)
    assert one.attempt is not None
    assert one.attempt.words.endswith("bytes sent; it is told that the update is there")


def test_without_an_attempt_left_nobody_comes(f1: ElfRig) -> None:
    ((_, run),) = uncut(f1, attempts=0)
    assert str(run.outcome) == "old image runs, committed"


def test_a_device_that_was_cut_in_the_middle_waits_and_is_brought_the_update(f1: ElfRig) -> None:
    state, _ = uncut(f1)[1]
    cut = f1.run(state, Interruption(200)).end
    assert (cut.attempts_left, cut.outside) == (0, None)
    assert str(f1.run(cut).outcome) == "no image runs; the bootloader waits for an update"
    assert [str(run.outcome) for _, run in _from(f1, replace(cut, attempts_left=1))] == [
        "no image runs; the bootloader waits for an update; the host is started, power is switched off and on",
        "new image runs, committed",
    ]


def _from(one: ElfRig, state: DeviceState) -> list[tuple[DeviceState, object]]:
    found = []
    while True:
        run = one.run(state)
        found.append((state, run))
        if run.outcome.kind != "reset":
            return found  # type: ignore[return-value]
        state = run.end


@pytest.mark.parametrize("entry", [0, 1, 2, 3, 300, 586, 587])
def test_a_live_cut_leaves_what_replaying_the_prefix_leaves(f1: ElfRig, entry: int) -> None:
    state, run = uncut(f1)[1]
    made = EdgeWalker(f1, TEAR_SETS["none"], ()).find(state, run, entry, "cut")
    assert made is not None
    cut = f1.run(state, Interruption(entry))
    assert cut.outcome.kind == "cut"
    assert cut.end.key == made.state.key


@pytest.mark.slow
def test_live_cuts_and_tears_all_over_the_update(f1: ElfRig) -> None:
    assert check_live_cuts(f1, TEAR_SETS["T1"], 1, 8) > 12


def test_a_session_is_the_same_in_a_fresh_interpreter_and_in_any_order(f1: ElfRig) -> None:
    states = [state for state, _ in uncut(f1)]
    assert repeat_in_fresh_interpreter(rig_spec(f1), states) == []
    once = [f1.run(state) for state in states]
    for state, run in zip(reversed(states), reversed(once), strict=True):
        again = f1.run(state)
        assert [repr(entry) for entry in again.entries] == [repr(entry) for entry in run.entries]
        assert (again.end.key, again.end_us) == (run.end.key, run.end_us)


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["stm32f1", "stm32l4", "nrf52840"])
def test_without_machine_code_everything_is_the_same(
    tmp_path: Path, chip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes come in the middle of hundreds of programs: they find the same core."""
    fast = uncut(rig(tmp_path, chip))
    monkeypatch.setattr(
        "emu.elf.rig.Machine",
        lambda c, _, seed, memories: Machine(c, make_controller, seed=seed, memories=memories, native=False),
    )
    for (_, one), (_, other) in zip(fast, uncut(rig(tmp_path, chip)), strict=True):
        assert [repr(entry) for entry in one.entries] == [repr(entry) for entry in other.entries]
        assert (one.end_us, one.end.key) == (other.end_us, other.end.key)


def test_what_a_result_depends_on_names_the_update_and_its_host(tmp_path: Path) -> None:
    one, other = rig(tmp_path), rig(tmp_path, update='protocol = "ymodem"')
    assert one.inputs["to"].label == "1,040 bytes over USART1 by xmodem"
    assert one.inputs["board"].digest != other.inputs["board"].digest
    host = tmp_path / "host.py"
    digests = []
    for sent in ("self.update", "b''"):
        host.write_text(HOST.replace("self.update", sent))
        digests.append(rig(tmp_path, update='host = "host.py:Mine"').inputs["to"].digest)
    assert digests[0] != digests[1]


# -- firmware that is late ------------------------------------------------------------------------------------

TWO_BLOCKS = """
from emu.elf.host import Host
from emu.elf.xmodem import block

class TwoAtOnce(Host):
    \"\"\"Does not wait until the first block is written.\"\"\"

    def receives(self, data, now_us):
        if data != b"C":
            return b""
        self.is_over = True
        return block(1, self.update[:128], with_crc=True) + block(2, self.update[128:256], with_crc=True)
"""


@pytest.mark.parametrize(("chip", "held"), [("stm32f1", 1), ("nrf52840", 5)])
def test_bytes_that_come_during_an_erase_are_lost_but_for_what_the_port_holds(
    tmp_path: Path, chip: str, held: int
) -> None:
    (tmp_path / "host.py").write_text(TWO_BLOCKS)
    one = rig(tmp_path, chip, update='host = "host.py:TwoAtOnce"')
    one.run(uncut_state(one))
    assert one.attempt is not None
    assert one.attempt.line is not None
    lost = one.attempt.line.lost
    assert set(lost) == {"overrun"}
    assert 0 < lost["overrun"] <= 133 - held
    assert f"266 bytes sent, {lost['overrun']} lost (overrun)" in one.attempt.words


def uncut_state(one: ElfRig) -> DeviceState:
    """The one with the update."""
    return one.run(one.initial(1)).end


def test_an_update_takes_the_time_its_baud_rate_takes(f1: ElfRig, tmp_path: Path) -> None:
    """1,198 bytes and 12 answers, ten bits each; what the flash needs is the same."""
    slow = rig(tmp_path, update='protocol = "xmodem"\nbaud = 9600')
    one, other = (each.run(uncut_state(each)) for each in (f1, slow))
    assert str(other.outcome) == "new image runs, committed"
    assert other.end_us - one.end_us == pytest.approx(1_210 * 10 * (1e6 / 9_600 - 1e6 / 115_200), rel=0.01)


def test_a_bootloader_that_takes_no_long_blocks_leaves_the_old_image(tmp_path: Path) -> None:
    """It asks again and again; the host gives up, and nothing was erased."""
    one = rig(tmp_path, update='protocol = "xmodem-1k"')
    run = one.run(uncut_state(one))
    assert str(run.outcome) == "old image runs, committed"
    assert one.attempt is not None
    assert one.attempt.words == "4,116 bytes sent, 3,981 lost (not listening); it gives up: the device does not answer"
    assert not any(isinstance(entry, Operation) for entry in run.entries)


# -- a device that resets itself while somebody talks to it ---------------------------------------------------

RESETS = bytes.fromhex(
    "0050002009000008084842f20c01c1607221416001688906fcd54168472903d0034804490160fee703480047003801400ced00e00400fa0501200008"
)
"""Switches USART1 on, says "r", and waits for a byte: with "G" it calls slot A, with any other it resets itself."""
COUNTING = """
from emu.elf.host import Host

class Counts(Host):
    def __init__(self, update, name):
        super().__init__(update, name)
        self.heard = 0

    def receives(self, data, now_us):
        self.heard += 1
        return b"G" if self.heard == 4 else b"R"
"""


def test_a_host_goes_on_where_it_was_when_the_device_resets_itself(tmp_path: Path) -> None:
    (tmp_path / "resets.bin").write_bytes(RESETS)
    (tmp_path / "old.bin").write_bytes(b"\xfe\xe7old!")
    (tmp_path / "new.bin").write_bytes(b"\xfe\xe7new!")
    (tmp_path / "host.py").write_text(COUNTING)
    (tmp_path / "board.toml").write_text(
        'chip = "STM32F103xB"\naccept = ["old", "waiting"]\n[[file]]\npath = "resets.bin"\naddress = 0x8000000\n'
        '[[file]]\npath = "old.bin"\naddress = 0x8002000\n[[slot]]\nname = "a"\naddress = 0x8002000\nsize = 0x400\n'
        '[[image]]\nname = "old"\npath = "old.bin"\n[[image]]\nname = "new"\npath = "new.bin"\n'
        '[update]\nport = "USART1"\nsend = "new.bin"\nhost = "host.py:Counts"\npatience_s = 1\n'
    )
    one = ElfRig(load_elf_board(tmp_path / "board.toml"))
    lived = uncut(one)
    assert [state.cause for state, _ in lived] == ["power", "power", "software", "software", "software"]
    assert [type(state.outside).__name__ for state, _ in lived] == ["NoneType", "Talk", "Talk", "Talk", "Talk"]
    assert [len(state.outside.heard) for state, _ in lived[1:]] == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert str(lived[-1][1].outcome) == "old image runs, committed"
    assert [e.facts for e in lived[-1][1].entries if isinstance(e, Event) and e.name == NOTE] == [
        ("the host gives up: nothing was heard of the device for 1 s",)
    ]
    assert repeat_in_fresh_interpreter(rig_spec(one), [state for state, _ in lived]) == []
    for state, run in lived[2:]:  # a cut leaves nobody who talks
        for entry in range(1, len(run.entries) + 1):
            cut = one.run(state, Interruption(entry)).end
            assert (cut.cause, cut.outside) == ("power", None)
            made = EdgeWalker(one, TEAR_SETS["none"], ()).find(state, run, entry, "cut")
            assert made is not None
            assert made.state.key == cut.key


# -- an update that nobody ever takes --------------------------------------------------------------------------

IDLE = """
from emu.elf.host import Host

class Idle(Host):
    def begins(self, now_us):
        self.due_us = now_us + 100_000
        return b"?"

    wakes = begins

class Deaf(Host):
    pass
"""


def with_host(folder: Path, name: str, more: str = "") -> ElfRig:
    (folder / "idle.py").write_text(IDLE)
    return rig(folder, update=f'host = "idle.py:{name}"\npatience_s = 2', more=more)


def test_attempts_that_fail_come_to_an_end_however_sessions_are_recognised(tmp_path: Path) -> None:
    one = with_host(tmp_path, "Deaf")
    cache = RunCache(one)
    state, left = one.initial(3), []
    for _ in range(9):
        session = cache.session(state)
        assert session.run.outcome == one.run(state).outcome
        state = session.end
        left.append(state.attempts_left)
        if session.outcome.kind != "reset":
            break
    assert left == [3, 2, 1, 0], "alone, and then each attempt"


def test_a_session_that_a_limit_ends_makes_no_limit_longer(tmp_path: Path) -> None:
    """Three times one second, two of patience, and what the line takes; not twice that, and three times again."""
    one = with_host(tmp_path, "Idle", "[limits]\nsession_s = 1\ntimes_uncut = 2\n")
    ends = [run.end_us / 1e6 for _, run in uncut(one)]
    assert 9 < ends[1] < 15
    assert str(uncut(one)[1][1].outcome) == "old image runs, committed"


def test_who_brought_the_update_is_known_of_a_session_that_is_not_run_again(tmp_path: Path) -> None:
    one = with_host(tmp_path, "Idle", "[limits]\nsession_s = 1\ntimes_uncut = 2\n")
    for _ in range(2):
        assert re.search(r"Look at \[update\]: of the host, \d+ bytes sent, .*; it still talks", uncut_words(one)[1])


# -- campaigns ------------------------------------------------------------------------------------------------


def test_the_right_bootloader_holds_at_any_depth(f1: ElfRig) -> None:
    verdict = explored(f1)
    assert (verdict.word, verdict.complete) == ("held", True)
    assert verdict.coverage.exercised["retries"] > 3
    assert verdict.coverage.exercised["truthful"] > 3
    assert verdict.coverage.states > 25


@pytest.mark.slow
@pytest.mark.parametrize(("chip", "tears"), [*((chip, "none") for chip in CHIPS[1:]), ("stm32f1", "T1-coarse")])
def test_all_right_bootloaders_hold_at_any_depth(tmp_path: Path, chip: str, tears: str) -> None:
    verdict = explored(rig(tmp_path, chip), tears)
    assert (verdict.word, verdict.complete) == ("held", True)


def test_a_bootloader_may_wait_only_where_its_board_says_so(tmp_path: Path) -> None:
    one = rig(tmp_path, accept='["old", "new"]')
    assert found_after_cut(one, 200) == {"boots"}
    run = one.run(one.run(uncut_state(one), Interruption(200)).end)
    assert run.outcome.kind == "halted"
    assert run.outcome.detail.endswith("if it waits for the next update, and may: accept = [..., 'waiting']")


PLACES = {1: 523, 2: 40, 3: 40, 5: 4, 6: 300}
"""An entry of the session with the update whose cut a mistake does not survive. Of 4: behind the claim."""
TALKS = (1, 2, 3)
"""Half an image talks there until flash ends, and on the nRF52840 that is far."""


def is_long(chip: str, mistake: Mistake) -> bool:
    return mistake.number == 1 or (chip == "nrf52840" and mistake.number in (5, 7))


def declared() -> list[object]:
    cases = [(chip, each) for chip in ("stm32f1", "nrf52840") for each in mistakes()]
    return [
        pytest.param(
            chip, each, id=f"{chip}-bug{each.number}", marks=(pytest.mark.slow,) if is_long(chip, each) else ()
        )
        for chip, each in cases
        if chip == "stm32f1" or each.number not in TALKS
    ]


@pytest.mark.parametrize(("chip", "mistake"), declared())
def test_a_mistake_is_found_by_its_declared_check(tmp_path: Path, chip: str, mistake: Mistake) -> None:
    one = rig(tmp_path, chip, f"bug{mistake.number}", sent=mistake.sent)
    if not mistake.cuts:
        assert mistake.found_as in found_from(one, State(one.initial(1), Monitor()))
        return
    _, run = uncut(one)[1]
    assert str(run.outcome) == "new image runs, committed", "uncut, it works"
    told = [n for n, entry in enumerate(run.entries) if isinstance(entry, Event) and entry.name == CLAIMED]
    assert mistake.found_as in found_after_cut(one, PLACES.get(mistake.number, told[0] + 1))


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["stm32f1"])
@pytest.mark.parametrize("mistake", [each for each in mistakes() if each.cuts], ids=lambda m: f"bug{m.number}")
def test_a_campaign_finds_each_mistake_with_one_cut(tmp_path: Path, chip: str, mistake: Mistake) -> None:
    verdict = explored(rig(tmp_path, chip, f"bug{mistake.number}"), attempts=1)
    fewest = {len(f.path) for f in verdict.findings if f.key.check == mistake.found_as}
    assert min(fewest, default=0) == mistake.cuts, {f.key.check for f in verdict.findings}


def test_a_host_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text(HOST)
    one = rig(tmp_path, update='host = "host.py:Mine"')
    (tmp_path / "host.py").write_text(HOST + "\n")
    with pytest.raises(ScenarioError, match="has changed since the campaign began"):
        ElfRig(one.board)


def test_it_is_cut_by_power_alone_and_has_no_faults(f1: ElfRig) -> None:
    with pytest.raises(
        ScenarioError, match=r"is brought its update over a UART, .*: cut it by power alone, leave --events"
    ):
        f1.with_resets()
    with pytest.raises(ScenarioError, match=r"is brought its update over a UART, and faults .*: leave --faults out"):
        ElfBench(f1)


def test_an_update_that_nobody_takes_names_the_host(tmp_path: Path) -> None:
    """The device runs as shipped, so the board is right; the update is not installed, and that is a finding."""
    one = rig(tmp_path, update='protocol = "xmodem-1k"')
    check_uncut(one)
    begins, told = uncut_words(one)
    assert begins == "the update fails"
    assert re.match(r"it is not installed: after \d+ sessions? the old image runs", told)
    assert re.search(r"Look at .update.: of the host, .* it gives up: the device does not answer", told)
    verdict = explored(one, attempts=1)
    found = {finding.key.check: finding.message for finding in verdict.findings if not finding.path}
    assert found["accepts"].startswith("the update is not installed: old image runs")
