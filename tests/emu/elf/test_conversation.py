"""A conversation over a line: when bytes arrive, who gives up, and that what outlives a reset is all there is to it."""

from __future__ import annotations

import pytest

from emu.elf.conversation import Conversation, Manner, Talk
from emu.elf.host import Host
from emu.errors import ScenarioError

BAUD = 100_000
BYTE_US = 100


class Echo(Host):
    """Sends its update when asked with "?", a dot every 10 ms after that, and counts."""

    def receives(self, data: bytes, now_us: int) -> bytes:
        self.is_told = data == b"!"
        if data != b"?":
            return b""
        self.due_us = now_us + 10_000
        return self.update

    def wakes(self, now_us: int) -> bytes:
        self.due_us = now_us + 10_000
        return b"."


def manner(host: type[Host] = Echo, after: bytes = b"", greeting: bytes = b"", patience_us: int = 1_000_000) -> Manner:
    return Manner(lambda: host(b"abc", "app.bin"), BAUD, after, greeting, patience_us)


def lived(one: Conversation, until_us: int) -> list[tuple[int, bytes]]:
    """The bytes that come to the device, with when."""
    found = []
    while (due := one.next_us) is not None and due <= until_us:
        what, byte = one.step()
        if what != "nothing":
            found.append((due, bytes([byte]) if what == "byte" else b"idle"))
    return found


def test_a_byte_takes_ten_bits_each_way_and_then_the_line_is_idle() -> None:
    one = Conversation(manner())
    one.hears(b"?", 1000)
    assert lived(one, 5_000) == [(1200, b"a"), (1300, b"b"), (1400, b"c"), (1500, b"idle")]


def test_what_the_device_says_at_once_arrives_one_after_the_other() -> None:
    one = Conversation(manner())
    one.hears(b"xx?", 1000)
    assert lived(one, 2_000)[0] == (1400, b"a")


def test_a_baud_rate_that_is_no_whole_microseconds_does_not_drift() -> None:
    one = Conversation(Manner(lambda: Echo(bytes(115_200), "x"), 115_200, b"", b"", 10**9))
    one.hears(b"?", 0)
    last = [at for at, what in lived(one, 10_500_000) if what == b"\0"][-1]
    assert last == 87 + 10_000_000


def test_what_is_sent_later_goes_behind_what_is_on_the_line() -> None:
    one = Conversation(manner())
    one.hears(b"??", 0)
    assert [at for at, _ in lived(one, 3_000)] == [200, 300, 400, 500, 600, 700, 800]


def test_a_timer_wakes_the_host_when_it_said() -> None:
    one = Conversation(manner())
    one.hears(b"?", 0)
    assert (10_200, b".") in lived(one, 15_000)


def test_a_host_that_hears_nothing_gives_up() -> None:
    one = Conversation(manner(Host))
    assert one.next_us == 1_000_000
    one.hears(b"x", 900_000)
    lived(one, 1_900_099)
    assert not one.is_over
    lived(one, 1_900_100)
    assert one.host.failure == "nothing was heard of the device for 1 s"
    assert one.next_us is None


def test_patience_begins_behind_what_is_still_being_sent() -> None:
    class Long(Host):
        def begins(self, now_us: int) -> bytes:
            return bytes(20_000)

    one = Conversation(manner(Long))
    lived(one, 2_999_999)
    assert not one.is_over
    lived(one, 3_000_000)
    assert one.is_over


def test_the_host_begins_when_the_device_has_said_so_and_greets() -> None:
    one = Conversation(manner(after=b"boot>", greeting=b"U"))
    one.hears(b"?bobo", 0)
    assert lived(one, 10_000) == []
    one.hears(b"ot>", 10_000)
    assert lived(one, 11_000) == [(10_400, b"U"), (10_500, b"idle")]
    silent = Conversation(manner(after=b"boot>"))
    lived(silent, 1_000_000)
    assert silent.host.failure == "the device has not said 'boot>' within 1 s"


def test_who_is_told_wants_nothing_more_and_the_line_still_empties() -> None:
    one = Conversation(manner())
    one.hears(b"?!", 0)
    assert [what for _, what in lived(one, 10**9)] == [b"a", b"b", b"c", b"idle"]
    assert one.host.is_told
    assert one.is_quiet


@pytest.mark.parametrize("at_us", range(0, 22_000, 130))
def test_a_talk_is_all_that_outlives_a_reset(at_us: int) -> None:
    """Cut at any moment and gone on with from the value: the same bytes come at the same times."""
    whole = Conversation(manner(after=b"g", greeting=b"hi"))
    for data, us in ((b"g", 50), (b"?", 4_000), (b"??", 4_050)):
        whole.hears(data, us)
    expected = [each for each in lived(whole, 40_000) if each[0] > at_us]
    first = Conversation(manner(after=b"g", greeting=b"hi"))
    for data, us in ((b"g", 50), (b"?", 4_000), (b"??", 4_050)):
        if us <= at_us:
            lived(first, us - 1)
            first.hears(data, us)
    lived(first, at_us)
    then = Conversation(manner(after=b"g", greeting=b"hi"), first.talk(at_us))
    for data, us in ((b"g", 50), (b"?", 4_000), (b"??", 4_050)):
        if us > at_us:
            then.hears(data, us)
    assert lived(then, 40_000) == expected
    assert repr(first.talk(at_us)) == repr(Talk(first.talk(at_us).heard, at_us))


class _Raises(Host):
    def begins(self, now_us: int) -> bytes:
        raise ValueError("no such file")


class _Speaks(Host):
    def begins(self, now_us: int) -> bytes:
        return "hello"  # type: ignore[return-value]


class _Floats(Host):
    def begins(self, now_us: int) -> bytes:
        self.due_us = 0.5  # type: ignore[assignment]
        return b""


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (_Raises, "host _Raises failed: ValueError: no such file"),
        (_Speaks, "host _Speaks returned 'hello': bytes to send, b'' for nothing"),
        (_Floats, "host _Floats has due_us 0.5: whole microseconds, or None"),
    ],
)
def test_a_host_that_fails_is_named(host: type[Host], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        Conversation(manner(host))
