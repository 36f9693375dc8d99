"""The emulated device and the rig on it: sessions forget, states do not, and what is found is judged by bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bootloader.boot import BootReport
from bootloader.image import HEADER_SIZE, parse_header
from emu.app import AppModel, Running
from emu.board import make_board
from emu.device import EmulatedDevice, Session
from emu.errors import ScenarioError
from emu.events import (
    ARMED,
    ATTEMPT,
    COMMIT_BEGUN,
    COMMIT_RETURNED,
    DECIDED,
    FED,
    HANDOVER,
    RETAINED,
    STAGED,
    STOPPED,
)
from emu.firmware import ModelFirmware
from emu.rig import Outcome
from emu.timers import Hung
from emu.update_rig import ImagePair, UpdateRig
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Interruption, Journal
from flash.trace import Trace
from tests.emu.broken import Crasher, Refuser
from tests.emu.helpers import BOARDS, IMAGES, NEW_APP, OLD_APP, board_with, events, life, operations, rig_on

every_board = pytest.mark.parametrize("board", BOARDS)


def session_on(device: EmulatedDevice, journal: Journal | None = None, **ram: int) -> Session:
    return device.reset("power", journal or Journal(), None, ram)


# -- the device ------------------------------------------------------------------------------------------


def test_the_device_has_the_chips_partitions_and_layout_of_its_board() -> None:
    device = EmulatedDevice(board_with())
    assert [(chip.name, chip.part.name) for chip in device.chips] == [("nor", "W25Q128JV")]
    assert {name: (p.address, p.size) for name, p in device.partitions.items()} == {
        "config-0": (0, 0x1000),
        "config-1": (0x1000, 0x1000),
        "slot-a": (0x10000, 0x10000),
        "slot-b": (0x20000, 0x10000),
    }
    assert [slot.name for slot in device.layout.slots] == ["slot-a", "slot-b"]
    assert [slot.app_capacity for slot in device.layout.slots] == [0x10000 - HEADER_SIZE] * 2


def test_a_reset_brings_power_back_and_a_new_clock_and_keeps_the_cells() -> None:
    device = EmulatedDevice(board_with())
    first = session_on(device)
    device.chips[0].program(0x10000, b"\x12")
    first.clock.advance(5)
    with pytest.raises(PowerLost):
        device.supply.cut()
    with pytest.raises(PowerLost):
        device.chips[0].read(0x10000, 1)
    journal = Journal()
    second = device.reset("watchdog", journal, None, {})
    assert (second.cause, second.clock.now_us) == ("watchdog", 0)
    assert device.chips[0].read(0x10000, 1) == b"\x12"
    device.chips[0].program(0x10001, b"\x34")
    assert len(journal.operations()) == 1, "the new session has a journal of its own"


def test_retained_ram_is_journaled_and_readable_and_zero_where_nobody_wrote() -> None:
    journal = Journal()
    ram: dict[str, int] = {"seen": 3}
    session = EmulatedDevice(board_with()).reset("software", journal, None, ram)
    assert (session.recall("seen"), session.recall("unseen")) == (3, 0)
    session.retain("unseen", 7)
    assert (session.recall("unseen"), ram) == (7, {"seen": 3, "unseen": 7})
    assert [(e.name, e.facts) for e in journal.entries] == [(RETAINED, ("unseen", 7))]  # type: ignore[union-attr]


def test_figures_of_the_board_reach_the_application_in_microseconds() -> None:
    session = session_on(EmulatedDevice(board_with(app={"self_test_ms": 250}, timers={"commit_timeout_s": 9})))
    assert (session.self_test_us, session.commit_timeout_us) == (250_000, 9_000_000)


@pytest.mark.parametrize(
    ("watchdog_s", "commit_s", "cause", "at_s"), [(8, 60, "watchdog", 8), (90, 60, "commit-timer", 60)]
)
def test_a_hang_is_ended_by_whichever_timer_runs_out_first(
    watchdog_s: int, commit_s: int, cause: str, at_s: int
) -> None:
    session = session_on(EmulatedDevice(board_with(timers={"watchdog_s": watchdog_s})))
    session.timer.arm(commit_s)
    with pytest.raises(ResetAsserted) as asserted:
        session.hang()
    assert (asserted.value.cause, session.clock.now_us) == (cause, at_s * 1_000_000)


def test_a_hang_that_no_timer_ends_is_for_ever() -> None:
    session = session_on(EmulatedDevice(board_with(timers={"watchdog_s": 0})))
    with pytest.raises(Hung, match="no timer is running"):
        session.hang()


# -- the rig's contract ----------------------------------------------------------------------------------


@every_board
def test_the_factory_device_holds_the_old_image_byte_for_byte_and_no_image_in_the_other_slot(board: str) -> None:
    rig = rig_on(board)
    state = rig.initial(3)
    assert (state.cause, state.attempts_left, state.ram) == ("power", 3, ())
    cells = rig.bench_cells()
    for chip, snapshot in zip(cells, state.memory, strict=True):
        chip.restore(snapshot)
    old, new = rig.places.slots
    header = parse_header(cells[old.chip].read(old.address, HEADER_SIZE))
    assert not isinstance(header, str)
    assert header.app_length == len(OLD_APP)
    assert cells[old.chip].read(old.address + HEADER_SIZE, len(OLD_APP)) == OLD_APP
    other = cells[new.chip].read(new.address, new.size)
    assert isinstance(parse_header(other[:HEADER_SIZE]), str)
    assert not {0x00, 0xFF} & set(other), "an updater that does not erase meets no blank byte"


@every_board
def test_the_same_state_runs_the_same_way_whatever_ran_before(board: str) -> None:
    rig = rig_on(board)
    first = life(rig)
    rig.run(first[-1][0], Interruption(1))
    second = life(rig)
    other = life(rig_on(board))
    for (_, mine), (_, again), (_, theirs) in zip(first, second, other, strict=True):
        assert mine.entries == again.entries == theirs.entries
        assert mine.outcome == again.outcome == theirs.outcome
        assert mine.end.key == again.end.key == theirs.end.key


@every_board
def test_a_healthy_life_is_update_trial_and_commit_in_this_order(board: str) -> None:
    first, second = [run for _, run in life(rig_on(board))]
    assert [e.name for e in first.entries if e not in operations(first)] == [DECIDED, HANDOVER, ATTEMPT, STAGED]  # type: ignore[union-attr]
    quiet = STOPPED if board_with(board).document.timers.commit_can_stop else FED
    names = [e.name for e in second.entries if e not in operations(second)]  # type: ignore[union-attr]
    assert names == [ARMED, DECIDED, HANDOVER, COMMIT_BEGUN, quiet, COMMIT_RETURNED]
    assert (first.outcome, second.outcome) == (
        Outcome("reset", cause="software"),
        Outcome("settled", "new", True),
    )
    assert second.end.attempts_left == 0


def test_attempts_are_used_up_one_by_one_and_the_device_then_stays_as_it_is() -> None:
    rig = rig_on("demo", app="crashes")
    sessions = life(rig, attempts=2)
    assert sum(len(events(run, ATTEMPT)) for _, run in sessions) == 2
    assert sum(event.facts[1] == "new" for _, run in sessions for event in events(run, HANDOVER)) == 2
    last = sessions[-1][1]
    assert (last.outcome.image, last.end.attempts_left) == ("old", 0)
    idle = rig.run(last.end)
    assert (operations(idle), idle.end.key) == ([], last.end.key)


@pytest.mark.parametrize("attempts", [0, 1])
def test_the_state_key_covers_content_cause_attempts_and_ram(attempts: int) -> None:
    rig = rig_on()
    state = rig.initial(attempts)
    ended = life(rig)[0][1].end
    others = [
        replace(state, cause="pin"),
        replace(state, attempts_left=5),
        replace(state, ram=(("a", 1),)),
        replace(state, ram=(("a", 2),)),
        replace(state, memory=ended.memory),
    ]
    assert len({state.key, *(other.key for other in others)}) == 1 + len(others)
    assert len(state.key) == 16


def test_the_inputs_name_what_a_result_depends_on() -> None:
    inputs = rig_on().inputs
    assert list(inputs) == ["board", "from", "to", "workload"]
    assert inputs["board"].label == "demo"
    assert (inputs["from"].label, inputs["to"].label) == (f"{len(OLD_APP)} bytes", f"{len(NEW_APP)} bytes")
    changed = [
        rig_on("microbit"),
        rig_on(images=ImagePair(OLD_APP + b"x", NEW_APP)),
        rig_on(images=ImagePair(OLD_APP, NEW_APP + b"x")),
        rig_on(app="hangs"),
    ]
    for role, rig in zip(inputs, changed, strict=True):
        assert [r for r in inputs if rig.inputs[r].digest != inputs[r].digest] == [role]
    for workload in (rig_on(timing="max"), rig_on(seed=1), rig_on(firmware=Refuser())):
        assert workload.inputs["workload"].digest != inputs["workload"].digest


def test_places_are_chip_addresses_also_on_two_chips() -> None:
    document = board_with().document
    flash = (*document.flash, msgspec.structs.replace(document.flash[0], name="second", part="MX25R8035F"))
    moved = tuple(
        msgspec.structs.replace(p, flash="second", offset=0x10000) if p.name == "slot-b" else p
        for p in document.partition
    )
    board = make_board(msgspec.structs.replace(document, flash=flash, partition=moved), Path(), "two chips")
    rig = UpdateRig(board, IMAGES)
    assert rig.chip_names == ["nor", "second"]
    assert [(p.chip, p.address) for p in (*rig.places.configs, *rig.places.slots)] == [
        (0, 0x0), (0, 0x1000), (0, 0x10000), (1, 0x10000),
    ]  # fmt: skip
    sessions = life(rig)
    assert sessions[-1][1].outcome == Outcome("settled", "new", True)
    assert {operation.device for operation in operations(sessions[0][1])} == {"nor", "second"}


# -- interruptions ---------------------------------------------------------------------------------------


def test_a_power_cut_ends_the_session_and_leaves_what_was_done() -> None:
    rig = rig_on()
    whole = rig.run(rig.initial(1))
    run = rig.run(rig.initial(1), Interruption(5))
    assert run.outcome == Outcome("cut")
    assert run.entries == whole.entries[:5]
    assert (run.end.cause, run.end.ram) == ("power", ())


@pytest.mark.parametrize(("cause", "after"), [("pin", "pin"), ("commit-timer", "commit-timer"), ("hang", "watchdog")])
def test_other_interruptions_are_warm_resets(cause: str, after: str) -> None:
    rig = rig_on()
    run = rig.run(replace(rig.initial(1), cause="software", ram=(("kept", 1),)), Interruption(5, cause))
    assert (run.outcome.kind, run.end.cause, run.end.ram) == ("reset", after, (("kept", 1),))


def test_every_point_of_a_session_can_be_cut_live_also_the_last() -> None:
    rig = rig_on()
    for state, whole in life(rig):
        for entry in range(len(whole.entries) + 1):
            run = rig.run(state, Interruption(entry))
            assert (run.outcome.kind, run.end.cause, len(run.entries)) == ("cut", "power", entry)


@pytest.mark.parametrize("app", ["hangs", "crashes", "resets", "healthy"])
def test_a_cut_after_the_last_entry_takes_ram_with_it_however_the_session_would_end(app: str) -> None:
    rig = rig_on(board_with(timers={"watchdog_s": 0, "commit_timeout_s": 0}), app=app)
    for state, whole in life(rig):
        warm = replace(state, ram=(("kept", 1),))
        run = rig.run(warm, Interruption(len(whole.entries)))
        assert (run.outcome.kind, run.end.cause, run.end.ram) == ("cut", "power", ())


# -- firmware and images that go wrong -------------------------------------------------------------------


def test_a_crash_of_the_firmware_is_an_outcome_and_never_an_exception() -> None:
    rig = rig_on(firmware=Crasher())
    trial = life(rig)[1][1]
    assert (trial.outcome.kind, trial.outcome.cause) == ("reset", "watchdog")
    said = r"the firmware crashed: ZeroDivisionError: a bug of the firmware \(broken\.py:\d+\)"
    assert re.fullmatch(said, trial.outcome.detail)


def test_a_crash_where_no_timer_runs_hangs_the_device() -> None:
    class BootCrasher(ModelFirmware):
        def boot(self, session: Session) -> BootReport:
            raise KeyError("a bug of the bootloader")

    rig = rig_on(board_with(timers={"watchdog_s": 0}), firmware=BootCrasher())
    outcome = rig.run(rig.initial(1)).outcome
    assert outcome.kind == "hung"
    assert "KeyError" in outcome.detail


def test_an_image_that_is_none_of_the_known_ones_is_unknown() -> None:
    rig = rig_on()
    place = rig.places.slots[0]
    cells = rig.bench_cells()[place.chip]
    cells.restore(rig.initial(0).memory[place.chip])
    cells.program(place.address + HEADER_SIZE + 10, b"\x00")
    state = replace(rig.initial(0), memory=(cells.snapshot(),))
    for chip, snapshot in zip(rig.device.chips, state.memory, strict=True):
        chip.restore(snapshot)
    assert rig.image_in(rig.device.layout.slots[0], None) == "unknown"
    assert rig.image_in(rig.device.layout.slots[1], Trace()) == "unknown"
    assert rig.run(state).outcome.kind == "halted"


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (ImagePair(b"", NEW_APP), "the old image has 0 bytes; slot-a of board demo takes 1 to 65280"),
        (ImagePair(OLD_APP, bytes(65281)), "the new image has 65281 bytes; slot-a of board demo takes 1 to 65280"),
        (ImagePair(OLD_APP, OLD_APP), "the two images are the same, byte for byte: an update would change nothing"),
    ],
)
def test_images_that_do_not_fit_the_board_are_refused_with_the_figures(images: ImagePair, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        rig_on(images=images)
    assert str(error.value) == said


def test_images_that_fill_a_slot_to_the_last_byte_fit() -> None:
    full = bytes(range(1, 256)) * 256
    rig = rig_on(images=ImagePair(OLD_APP, full[:65280]))
    assert life(rig)[-1][1].outcome == Outcome("settled", "new", True)


def test_a_slow_link_takes_its_time() -> None:
    def ends_us(**link: int) -> int:
        run = life(rig_on(board_with(link=link)))[0][1]
        return run.entries[-1].time_us  # type: ignore[union-attr]

    bundle = len(rig_on().bundle)
    fast, slow = ends_us(), ends_us(bytes_per_s=1000)
    assert bundle * 1000 * 0.99 <= slow - fast <= bundle * 1000


def test_what_is_written_does_not_depend_on_the_chunk_size() -> None:
    ends = {life(rig_on(board_with(link={"chunk_size": size})))[-1][1].end.key for size in (1, 7, 256, 4096, 1 << 20)}
    assert len(ends) == 1


def test_an_application_model_of_ones_own_runs_too() -> None:
    def late(app: Running) -> None:
        app.wait(app.commit_timeout_us - 1_000_000)
        app.commit()

    rig = rig_on(app=AppModel("in-time", "commits one second before the timeout", True, late))
    assert life(rig)[-1][1].outcome == Outcome("settled", "new", True)


@pytest.mark.parametrize("timing", ["typ", "max", "sampled"])
def test_every_timing_mode_ends_with_the_new_image(timing: str) -> None:
    assert life(rig_on(timing=timing, seed=7))[-1][1].outcome == Outcome("settled", "new", True)
