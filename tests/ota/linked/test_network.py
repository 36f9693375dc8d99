"""The network in memory: what it does to a frame, what a reset does to what is on its way, what the journal says."""

from __future__ import annotations

from typing import Any

import pytest

from emu.events import CLAIMED, DETOURS, FRAME, NOTE, OUTSIDE
from emu.link_choice import LINK_KINDS, LinkKind
from emu.ota.network import LATE_US, OFF_US, STALL_US, TICK_US, TRAVEL_US, Flight, Network, Outside
from emu.rig import Plan
from tests.ota.linked.echo import LAST, SECOND, Count, Counting

NOTHING = Outside()


class Bench:
    """A device that sends every frame back at once. ``arrived``: (time, frame) of those that came to it."""

    def __init__(
        self,
        kind: LinkKind = "connection",
        outside: Outside = NOTHING,
        plan: Plan = (),
        *,
        up: bool = True,
        patience_us: int = SECOND,
    ) -> None:
        self.now_us = 0
        self.journal: list[tuple[Any, ...]] = []
        self.arrived: list[tuple[int, bytes]] = []
        self.network = Network(Counting(patience_us), kind, outside, plan, self._note, lambda: self.now_us)
        if up:
            self.network.up()

    def _note(self, *what: Any) -> None:
        self.journal.append(what)

    def _deliver(self, frame: bytes) -> None:
        self.arrived.append((self.now_us, frame))
        self.network.answer(frame, is_backed=False)

    def step(self) -> None:
        due = self.network.due_us
        assert due is not None
        self.now_us = max(self.now_us, due)
        self.network.step(self._deliver)

    def run(self) -> Bench:
        for _ in range(10_000):
            if self.network.due_us is None:
                return self
            self.step()
        raise AssertionError("it does not end")

    def noted(self, name: str) -> list[tuple[Any, ...]]:
        return [what[1:] for what in self.journal if what[0] == name]


def counted(plan: Plan = (), kind: LinkKind = "connection", patience_us: int = SECOND) -> Bench:
    bench = Bench(kind, Outside(left=len(plan)), plan, patience_us=patience_us)
    bench.network.begin()
    return bench.run()


def test_frames_arrive_in_order_and_every_one_is_in_the_journal() -> None:
    bench = counted()
    assert bench.arrived == [(TRAVEL_US * (1 + 2 * n), b"%d" % n) for n in range(LAST + 1)]
    sent = [(sender, name) for name in map(str, range(LAST + 1)) for sender in ("peer", "device")]
    assert bench.noted(FRAME) == [(*each, "") for each in sent]
    assert bench.network.is_quiet


def test_what_the_peer_takes_for_granted_is_told_once_each_and_says_whether_flash_stood_behind_it() -> None:
    bench = counted()
    assert bench.noted(CLAIMED) == [("applied", False), ("kept", False)]


def test_a_plan_is_for_one_frame() -> None:
    lost = counted(((2, "frame-lost"),))
    assert [frame for _, frame in lost.arrived] == [b"0", b"1", b"2", b"3"]
    assert lost.arrived[1][0] == 2 * TRAVEL_US + SECOND + TRAVEL_US, "it is sent again after a second"
    assert lost.noted(FRAME)[2] == ("peer", "1", "frame-lost")
    assert [how for _, _, how in lost.noted(FRAME)].count("") == len(lost.noted(FRAME)) - 1


def test_a_doubled_frame_arrives_twice() -> None:
    assert [frame for _, frame in counted(((2, "frame-doubled"),)).arrived] == [b"0", b"1", b"1", b"2", b"3"]


def test_a_late_frame_arrives_behind_those_that_were_sent_later() -> None:
    late = counted(((2, "frame-late"),))
    assert late.arrived[-1] == (2 * TRAVEL_US + LATE_US, b"1")
    assert [frame for _, frame in late.arrived] == [b"0", b"1", b"2", b"3", b"1"]


def test_a_link_that_stands_still_carries_what_was_sent_when_it_goes_on() -> None:
    stalled = counted(((2, "link-stalled"),), patience_us=100 * SECOND)
    assert stalled.arrived[1] == (2 * TRAVEL_US + STALL_US + TRAVEL_US, b"1")
    assert not any(TRAVEL_US < at < STALL_US for at, _ in stalled.arrived)
    assert [frame for _, frame in stalled.arrived].count(b"1") == 1 + STALL_US // (100 * SECOND), "and its repetitions"


def test_a_link_that_breaks_takes_along_what_is_on_its_way_and_the_peer_is_told() -> None:
    bench = Bench(outside=Outside(left=1), plan=((2, "link-broken"),))
    bench.network.begin()
    for _ in range(2):
        bench.step()
    talk = bench.network.outside.talk
    assert isinstance(talk, Count)
    assert (talk.lost, bench.network.outside.flights, bench.network.outside.left) == (1, (), 0)


@pytest.mark.parametrize("how", DETOURS)
def test_however_a_frame_is_disturbed_the_update_ends(how: str) -> None:
    for number in range(2 * LAST + 2):
        assert counted(((number, how),), patience_us=100 * SECOND).network.is_quiet


@pytest.mark.parametrize("kind", LINK_KINDS)
def test_what_is_on_its_way_to_a_device_that_is_reset_is_gone(kind: LinkKind) -> None:
    flying = Outside(Count(1, SECOND), (Flight(500, True, b"1"), Flight(LATE_US, True, b"0")))
    bench = Bench(kind, flying, up=False)
    bench.network.after_reset(had_no_power=False)
    assert bench.network.outside.flights == ()
    talk = bench.network.outside.talk
    assert isinstance(talk, Count)
    assert talk.lost == (kind == "connection")


@pytest.mark.parametrize("kind", LINK_KINDS)
def test_an_answer_that_has_left_arrives_although_the_device_is_reset(kind: LinkKind) -> None:
    bench = Bench(kind, Outside(Count(1, SECOND), (Flight(TRAVEL_US, False, b"1"),)), up=False)
    bench.network.after_reset(had_no_power=True)
    talk = bench.network.outside.talk
    assert isinstance(talk, Count)
    assert talk.at == 2


def test_what_a_peer_sends_into_a_connection_that_is_gone_is_gone() -> None:
    """The answer was still there, so the peer goes on; only then it learns that the device was reset."""
    bench = Bench("connection", Outside(Count(1, SECOND), (Flight(TRAVEL_US, False, b"1"),)), up=False)
    bench.network.after_reset(had_no_power=False)
    assert bench.noted(FRAME) == [("peer", "2", "")]
    assert bench.network.outside.flights == ()


def test_a_connection_takes_late_answers_along_and_a_wire_brings_them() -> None:
    late = Outside(Count(1, SECOND), (Flight(10 * SECOND, False, b"1"),))
    for kind, there in (("connection", 0), ("wire", 1)):
        bench = Bench(kind, late, up=False)  # type: ignore[arg-type]
        bench.network.after_reset(had_no_power=False)
        assert len([flight for flight in bench.network.outside.flights if not flight.to_device]) == there


def test_time_passes_for_the_peer_while_power_is_away_and_no_cut_falls_into_it() -> None:
    bench = Bench("wire", Outside(Count(1, SECOND)), up=False)
    bench.network.after_reset(had_no_power=True)
    talk = bench.network.outside.talk
    assert isinstance(talk, Count)
    assert (talk.late, talk.due_us) == (OFF_US // SECOND - 1, 0)
    assert len(bench.noted(OUTSIDE)) == 1, "one state, when power is back"


def test_what_a_wire_brings_to_a_device_that_does_not_listen_is_lost_and_a_connection_waits() -> None:
    for kind, heard in (("wire", []), ("connection", [b"1"])):
        bench = Bench(kind, Outside(Count(1, SECOND)), up=False)  # type: ignore[arg-type]
        bench.network.after_reset(had_no_power=True)
        assert bench.network.due_us is not None
        bench.now_us = 5_000
        bench.network.up()
        while bench.network.due_us is not None and bench.network.due_us <= bench.now_us:
            bench.network.step(bench._deliver)
        assert [frame for _, frame in bench.arrived][:1] == heard


def test_the_journal_has_every_state_and_a_session_that_begins_in_one_goes_on_like_the_one_it_is_from() -> None:
    whole = counted()
    states = [outside for (outside,) in whole.noted(OUTSIDE)]
    assert len(set(states)) == len(states) > 2 * LAST
    for number, state in enumerate(states[:-1]):
        again = Bench(outside=state)
        again.run()
        assert [outside for (outside,) in again.noted(OUTSIDE)] == states[number + 1 :]


def test_what_is_put_by_has_no_microseconds() -> None:
    bench = Bench()
    bench.network.begin()
    bench.now_us = 123
    (flight,) = bench.network.outside.flights
    assert flight.due_us == TRAVEL_US
    far = Bench(outside=Outside(None, (Flight(LATE_US - 7, True, b"0"),)))
    assert far.network.outside.flights[0].due_us == LATE_US
    assert LATE_US % TICK_US == 0


def test_a_peer_that_gives_up_says_why() -> None:
    bench = Bench("connection", Outside(Count(LAST, SECOND, late=99)))
    bench.run()
    assert bench.network.is_quiet
    assert bench.noted(NOTE) == [("the peer gives up: too late",)]
