"""A replayed token in device time, and the two formats it is written in: a waveform and a trace."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from functools import cache
from typing import Any

import pytest
from vcd.reader import TokenKind, tokenize

from emu.campaign.replay import Session, Story, follow
from emu.campaign.token import token_for
from emu.campaign.verdict import CutPath, Step
from emu.events import HANDOVER
from emu.report.perfetto import to_perfetto
from emu.report.recording import OFF_US, Happened, Power, Recording, Running, Span, Work, record
from emu.report.vcd import to_vcd
from emu.rig import Subject
from flash.journal import Event, Operation
from tests.emu.helpers import explorer_on, rig_on

TORN = (Step(0, 4, "prefix-64"),)
CLEAN = (Step(0, 4, "cut"),)
TWICE = (Step(0, 4, "cut"), Step(0, 3, "front-2048"))
HUNG = (Step(0, 9, "hang"),)
PULLED = (Step(0, 9, "reset"),)
PATHS = (TORN, CLEAN, TWICE, HUNG, PULLED, ())


@cache
def rig() -> Subject:
    return rig_on("demo")


@cache
def story(path: CutPath) -> Story:
    explorer = explorer_on(rig(), attempts=2)  # type: ignore[arg-type]
    return follow(rig(), explorer.judge, token_for(2, rig().inputs, path))


@cache
def recorded(path: CutPath) -> Recording:
    return record(story(path), {name: part.geometry for name, part in zip(rig().chip_names, rig().parts, strict=True)})


def names(path: CutPath) -> str:
    return "+".join(step.how for step in path) or "uncut"


def session_end(session: Session) -> int:
    return session.run.end_us


every_path = pytest.mark.parametrize("path", PATHS, ids=names)


# -- the recording ---------------------------------------------------------------------------------------


@every_path
def test_sessions_follow_each_other_in_device_time(path: CutPath) -> None:
    found, told = recorded(path), story(path)
    assert [power.cause for power in found.powers] == [session.state.cause for session in told.sessions]
    now = 0
    for power, session in zip(found.powers, told.sessions, strict=True):
        assert power.start_us == now
        if session.torn is None:
            assert power.end_us == now + session_end(session)
        now = power.end_us + (OFF_US if power.lost else 0)
    assert found.end_us == found.powers[-1].end_us


@every_path
def test_every_operation_is_there_at_its_time(path: CutPath) -> None:
    found, told = recorded(path), story(path)
    whole = [work for work in found.works if not work.tear]
    entries = [
        (number, index, entry, found.powers[number].start_us)
        for number, session in enumerate(told.sessions)
        for index, entry in enumerate(session.run.entries)
        if isinstance(entry, Operation)
    ]
    assert [(w.session, w.entry, w.kind, w.address, w.length, w.start_us, w.end_us) for w in whole] == [
        (number + 1, index, op.kind, op.address, op.length, begin + op.start_us, begin + op.end_us)
        for number, index, op, begin in entries
    ]
    assert whole


def test_a_torn_operation_ends_at_its_progress_and_the_rail_with_it() -> None:
    found, torn = recorded(TORN), story(TORN).sessions[0].torn
    assert torn is not None
    (work,) = [work for work in found.works if work.tear]
    took = torn.operation.end_us - torn.operation.start_us
    assert (work.tear, work.entry, work.kind, work.length) == ("prefix-64", 4, "program", 256)
    assert work.end_us - work.start_us == took // 4
    assert found.powers[0].end_us == work.end_us
    assert found.powers[0].lost
    assert found.powers[1].start_us == work.end_us + OFF_US


def test_a_tear_without_a_progress_strikes_in_the_middle() -> None:
    (work,) = [work for work in recorded((Step(0, 4, "one-bit-1"),)).works if work.tear]
    assert work.end_us - work.start_us == 350


def test_a_clean_cut_strikes_between_operations() -> None:
    found = recorded(CLEAN)
    assert [work.entry for work in found.works if work.session == 1] == [3]

    struck = next(one for one in found.happened if one.what == "POWER CUT here")
    assert struck.time_us == found.powers[0].end_us >= found.works[0].end_us


def test_two_cuts_are_two_falls_of_the_rail() -> None:
    found = recorded(TWICE)
    assert [power.lost for power in found.powers[:3]] == [True, True, False]
    assert [power.cause for power in found.powers[:3]] == ["power"] * 3


def test_a_hang_is_told_when_it_began_and_the_rail_stays() -> None:
    found = recorded(HUNG)
    struck = next(one for one in found.happened if one.what == "FIRMWARE HANGS here")
    assert struck.time_us == story(HUNG).sessions[0].struck_us < found.powers[0].end_us
    assert (found.powers[0].lost, found.powers[1].cause) == (False, "watchdog")
    assert found.powers[1].start_us == found.powers[0].end_us


def test_a_pulled_reset_is_no_power_loss() -> None:
    found = recorded(PULLED)
    assert (found.powers[0].lost, found.powers[1].cause) == (False, "pin")


def test_images_run_from_their_hand_over_to_the_end_of_their_session() -> None:
    found, told = recorded(()), story(())
    entered = [
        (str(entry.facts[0]), entry.facts[1], power.start_us + entry.time_us, power.end_us)
        for power, session in zip(found.powers, told.sessions, strict=True)
        for entry in session.run.entries
        if isinstance(entry, Event) and entry.name == HANDOVER
    ]
    assert [(image.slot, image.image, image.start_us, image.end_us) for image in found.images] == entered
    assert [image.image for image in found.images] == ["old", "new"]


def test_the_commit_timer_is_armed_until_it_is_stopped() -> None:
    (armed,) = recorded(()).timers
    second = recorded(()).powers[1]
    assert second.start_us <= armed.start_us < armed.end_us <= second.end_us


# -- the waveform ----------------------------------------------------------------------------------------


def waves(text: str) -> dict[str, list[tuple[int, Any]]]:
    """Every signal by its full name: when it changed, and to what; read by the library's own reader."""
    signals: dict[str, str] = {}
    found: defaultdict[str, list[tuple[int, Any]]] = defaultdict(list)
    scopes: list[str] = []
    now = 0
    for token in tokenize(io.BytesIO(text.encode())):
        match token.kind:
            case TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            case TokenKind.UPSCOPE:
                scopes.pop()
            case TokenKind.VAR:
                signals[token.var.id_code] = ".".join([*scopes, token.var.reference])
            case TokenKind.CHANGE_TIME:
                now = token.time_change
            case TokenKind.CHANGE_SCALAR:
                found[signals[token.scalar_change.id_code]].append((now, token.scalar_change.value))
            case TokenKind.CHANGE_VECTOR:
                found[signals[token.vector_change.id_code]].append((now, token.vector_change.value))
            case TokenKind.CHANGE_STRING:
                found[signals[token.string_change.id_code]].append((now, token.string_change.value))
            case TokenKind.TIMESCALE:
                assert (token.timescale.magnitude, token.timescale.unit.value) == (1, "us")
    found["end"] = [(now, None)]
    return dict(found)


def at(signal: list[tuple[int, Any]], time_us: int) -> Any:
    """What a signal is at a moment, after all its changes there."""
    return [value for when, value in signal if when <= time_us][-1]


@every_path
def test_the_waveform_says_what_was_recorded(path: CutPath) -> None:
    found = recorded(path)
    signals = waves(to_vcd(found, "bo1"))
    for power in found.powers:
        assert at(signals["brownout.rail"], power.start_us) == "1"
        assert at(signals["brownout.session"], power.start_us) == power.number
        assert at(signals["brownout.reset_cause"], power.start_us) == power.cause
        if power.lost:
            assert at(signals["brownout.rail"], power.end_us) == "0"
            assert at(signals["brownout.image"], power.end_us) == "none"
    falls = [when for when, level in signals["brownout.rail"] if level == "0"]
    assert falls == [power.end_us for power in found.powers if power.lost]
    for image in found.images:
        assert at(signals["brownout.image"], image.start_us) == image.image
    for work in found.works:
        assert at(signals["nor.busy"], work.start_us) == "1"
        assert at(signals["nor.operation"], work.start_us) == work.kind + ("-torn" if work.tear else "")
        assert at(signals["nor.address"], work.start_us) == work.address
        assert at(signals["nor.length"], work.start_us) == work.length
        following = any(other.start_us <= work.end_us < other.end_us for other in found.works)
        assert at(signals["nor.busy"], work.end_us) == ("1" if following else "0")
    assert signals["end"][0][0] == found.end_us


def test_the_waveform_is_the_same_each_time() -> None:
    assert to_vcd(recorded(TORN), "bo1") == to_vcd(recorded(TORN), "bo1")
    assert "$date" not in to_vcd(recorded(TORN), "bo1")


def odd() -> Recording:
    """Names no viewer would take, and a program inside a suspended erase."""
    return Recording(
        ("spi flash", "spi/flash", "brownout", ""),
        [Power(1, "commit timer", 0, 100, "power lost", lost=True)],
        [
            Work(1, 1, "spi flash", "program", 8, 4, 20, 30, ""),
            Work(1, 2, "spi flash", "erase", 0, 64, 10, 60, ""),
            Work(1, 3, "brownout", "erase", 0, 64, 5, 5, ""),
        ],
        [Running("slot a", "unknown", 1, 100)],
        [Span(2, 50)],
        [Happened(1, 1, "a \x1b[31m note")],
    )


def test_operations_in_flight_together_are_one_busy_time() -> None:
    signals = waves(to_vcd(odd(), "bo1"))
    assert signals["spi_flash.busy"] == [(0, "0"), (10, "1"), (60, "0")]
    assert signals["spi_flash.operation"] == [
        (0, "idle"), (10, "erase"), (20, "program"), (30, "erase"), (60, "idle")
    ]  # fmt: skip


def test_chips_are_told_apart_whatever_they_are_called() -> None:
    signals = waves(to_vcd(odd(), "bo1"))
    assert {name.partition(".")[0] for name in signals} == {
        "brownout", "spi_flash", "spi_flash_", "brownout_", "chip", "end"
    }  # fmt: skip
    assert at(signals["brownout.slot"], 1) == "slot_a"
    assert at(signals["brownout.reset_cause"], 0) == "commit_timer"


# -- the trace -------------------------------------------------------------------------------------------


def trace(recording: Recording) -> list[dict[str, Any]]:
    """The events, each held to what the format asks of its phase."""
    document = json.loads(to_perfetto(recording, "demo", "bo1"))
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    events: list[dict[str, Any]] = document["traceEvents"]
    for event in events:
        assert {"ph", "pid", "tid", "name"} <= set(event)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        match event["ph"]:
            case "M":
                assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
            case "X":
                assert isinstance(event["ts"], int)
                assert event["dur"] >= 0
            case "i":
                assert event["s"] == "t"
            case "C":
                assert set(event["args"]) == {"on"}
            case other:
                raise AssertionError(f"phase {other}")
    timed = [event["ts"] for event in events if event["ph"] != "M"]
    assert timed == sorted(timed)
    return events


def tracks(events: list[dict[str, Any]]) -> dict[int, str]:
    return {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}


@pytest.mark.parametrize("recording", [*map(recorded, PATHS), odd()], ids=[*map(names, PATHS), "odd"])
def test_slices_of_one_track_lie_in_each_other_or_apart(recording: Recording) -> None:
    events = trace(recording)
    known = tracks(events)
    for track in known:
        open_until: list[int] = []
        for event in (event for event in events if event["ph"] == "X" and event["tid"] == track):
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)
    assert {event["tid"] for event in events if event["ph"] in "Xi"} <= set(known)


@every_path
def test_the_trace_says_what_was_recorded(path: CutPath) -> None:
    found = recorded(path)
    events = trace(found)
    by_track: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            by_track[tracks(events)[event["tid"]]].append(event)
    sessions = [e for e in by_track["power"] if e["name"] != "power off"]
    assert [(e["ts"], e["ts"] + e["dur"], e["args"]["outcome"]) for e in sessions] == [
        (power.start_us, power.end_us, power.outcome) for power in found.powers
    ]
    off = [e["ts"] for e in by_track["power"] if e["name"] == "power off"]
    assert off == [power.end_us for power in found.powers[:-1] if power.lost]
    rail = [(e["ts"], e["args"]["on"]) for e in events if e["ph"] == "C"]
    assert [when for when, on in rail if not on] == [power.end_us for power in found.powers if power.lost]
    assert [(e["ts"], e["dur"], e["args"]["entry"]) for e in by_track["flash nor"]] == [
        (work.start_us, work.end_us - work.start_us, work.entry)
        for work in sorted(found.works, key=lambda w: w.start_us)
    ]
    assert len([e for e in events if e["ph"] == "i"]) == len(found.happened)
    assert len(by_track["image"]) == len(found.images)


def test_a_torn_operation_is_marked() -> None:
    (torn,) = [event for event in trace(recorded(TORN)) if "TORN" in event["name"]]
    assert torn["name"].endswith("TORN: prefix-64")
    assert torn["args"]["tear"] == "prefix-64"
    assert "\x1b" not in to_perfetto(odd(), "demo", "bo1")
