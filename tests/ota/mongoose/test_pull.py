"""Updates that a device fetches: what it asks with, what it makes of each answer, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from emu.ota.fetching import Head, Sink
from emu.ota.mongoose.ota import BeginOptions
from emu.ota.mongoose.pull import MAX_REDIRECTS, PullEnd
from tests.ota.bench import NO_ANSWER, UART, Powered, bundle

SECOND = 1_000_000
URL = "http://updates.example/fw.zip"


class Asked:
    """One request a device made. ``cancelled``: it wants nothing more."""

    def __init__(self, url: str, headers: Mapping[str, str], sink: Sink) -> None:
        self.url, self.headers, self.sink, self.cancelled = url, headers, sink, False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """A device, and a web that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.powered = Powered(fetcher=self)
        self.archive = bundle(self.powered.board)
        self.answers: list[Any] = []

    def fetch(self, url: str, headers: Mapping[str, str], sink: Sink) -> Asked:
        self.asked.append(Asked(url, headers, sink))
        return self.asked[-1]

    def update(self, **params: Any) -> None:
        """Call OTA.Update; its answers go to ``answers``, whenever they come."""
        frame = json.dumps({"id": 7, "src": "test", "method": "OTA.Update", "params": params}).encode()

        def reply(data: bytes) -> None:
            error = json.loads(data)["error"]
            self.answers.append((error["code"], error.get("message", "")))

        self.powered.node.do(lambda app: app.dispatcher.receive(frame, UART, app.now_us, reply) and None)

    def serves(self, status: int = 200, *, body: bytes | None = None, chunk: int = 700, **headers: str) -> None:
        """Answer the last request."""
        asked = self.asked[-1]
        sink = asked.sink
        body = self.archive if body is None else body
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if status == 200 and "content-length" not in fields and fields.pop("chunked", "") == "":
            fields["content-length"] = str(len(self.archive))
        node = self.powered.node
        node.do(lambda app: sink.head(Head(status, fields)))
        for at in range(0, len(body) if status == 200 else 0, chunk):
            node.do(lambda app, at=at: sink.data(body[at : at + chunk]))  # type: ignore[misc]
        if not asked.cancelled:
            node.do(lambda app: sink.ended())


def test_a_pulled_update_is_applied_and_answered_with_code_0() -> None:
    world = World()
    world.update(url=URL, commit_timeout=30)
    assert (world.answers, len(world.asked)) == ([], 1)
    asked = world.asked[0]
    assert asked.url == URL
    assert asked.headers == {
        "X-MGOS-Device-ID": "brownout_000001 020000000001",
        "X-MGOS-FW-Version": "demo 1.0.0 factory",
        "User-Agent": "demo/1.0.0 (MongooseOS/2.17.0; demo)",
    }
    world.serves()
    assert world.answers == [(0, "Update applied, finalizing")]
    assert asked.cancelled
    world.powered.node.elapse(100_000)
    assert world.powered.slot == 1
    assert world.powered.call("OTA.GetBootState")["commit_timeout"] == 30


@pytest.mark.parametrize(
    ("status", "headers", "answer"),
    [
        (404, {}, (-404, "-404 Invalid HTTP response code")),
        (500, {}, (-500, "-500 Invalid HTTP response code")),
        (302, {}, (-302, "-302 Invalid HTTP response code")),
        (304, {}, (0, "Not Modified")),
        (200, {"chunked": "yes"}, (-1, "-1 Invalid content-length, perhaps chunked-encoding")),
        (200, {"content-length": "-5"}, (-1, "-1 Invalid content-length, perhaps chunked-encoding")),
    ],
)
def test_an_answer_that_is_no_archive_ends_it(status: int, headers: dict[str, str], answer: object) -> None:
    world = World()
    before = world.powered.device.chips[0].snapshot()
    world.update(url=URL)
    world.serves(status, body=b"", **headers)
    assert world.answers == [answer]
    assert world.powered.device.chips[0].snapshot().same(before)
    assert world.powered.call("OTA.Begin") is None, "the device is free"


def test_a_server_that_is_not_there_and_one_that_goes_away() -> None:
    world = World()
    world.update(url=URL)
    world.powered.node.do(lambda app: world.asked[-1].sink.failed("refused"))
    assert world.answers == [(-10, "-10 Failed to connect")]
    world.update(url=URL)
    world.serves(body=world.archive[:3000])
    assert world.answers[1:] == [(-1, "-1 Update failed")]
    world.powered.node.press_reset()
    assert world.powered.slot == 0


def test_redirects_are_followed_relative_ones_too_but_not_for_ever() -> None:
    world = World()
    world.update(url=URL)
    world.serves(302, location="/other/fw.zip")
    assert (world.asked[1].url, world.asked[0].cancelled) == ("http://updates.example/other/fw.zip", True)
    world.serves(301, location="https://elsewhere.example/fw.zip")
    assert world.asked[2].url == "https://elsewhere.example/fw.zip"
    world.serves()
    assert world.answers == [(0, "Update applied, finalizing")]
    world = World()
    world.update(url=URL)
    for _ in range(MAX_REDIRECTS + 1):
        world.serves(302, location=URL)
    assert world.answers == [(-302, "-302 Too many redirects")]
    assert len(world.asked) == MAX_REDIRECTS + 1


def test_what_is_no_url_of_http_is_not_asked_for() -> None:
    world = World()
    world.update(url="ftp://updates.example/fw.zip")
    assert (world.answers, world.asked) == ([(-10, "-10 Failed to connect")], [])
    world.update()
    assert world.answers[1:] == [(-1, "Malformed request")]
    assert Powered().call("OTA.Update", url=URL) == (-10, "Failed to connect"), "without a way out"


def test_a_broken_archive_is_answered_with_the_updaters_code() -> None:
    world = World()
    broken = bytearray(world.archive)
    broken[-2000] ^= 1
    world.update(url=URL)
    world.serves(body=bytes(broken))
    ((code, message),) = world.answers
    assert message == f"{code} {message.split(' ', 1)[1]}" and code in (-1, -10)
    assert world.asked[0].cancelled
    assert world.powered.call("OTA.GetBootState")["active_slot"] == 0


def test_a_server_that_falls_silent_is_given_up_after_the_timeout() -> None:
    world = World()
    world.update(url=URL, timeout=20)
    sink = world.asked[0].sink
    world.powered.node.do(lambda app: sink.head(Head(200, {"content-length": str(len(world.archive))})))
    world.powered.node.do(lambda app: sink.data(world.archive[:900]))
    world.powered.node.elapse(21 * SECOND)
    assert world.answers == [(-1, "-1 Update timed out")]
    assert world.asked[0].cancelled
    world.powered.node.do(lambda app: sink.data(world.archive[900:]))
    assert world.powered.call("OTA.Status")["message"] == "Update timed out"


def test_a_running_pull_is_lost_with_power_and_nothing_of_it_is_answered() -> None:
    world = World()
    world.update(url=URL)
    world.powered.node.switch_off()
    world.powered.node.switch_on()
    assert world.answers == []
    assert world.powered.call("OTA.Status")["state"] == 0


def test_it_polls_and_takes_only_another_version() -> None:
    world = World()
    changed = {"update": {"url": URL, "interval": 60, "commit_timeout": 30, "extra_http_headers": "X-Key: 7\r\nnone"}}
    world.powered.call("Config.Set", config=changed)
    assert world.powered.call("Sys.Reboot") is None
    world.powered.node.elapse(59 * SECOND)
    assert world.asked == []
    world.powered.node.elapse(2 * SECOND)
    assert [asked.url for asked in world.asked] == [URL]
    assert world.asked[0].headers["X-Key"] == "7"
    world.serves(304)
    world.powered.node.elapse(60 * SECOND)
    world.serves()
    world.powered.node.elapse(1 * SECOND)
    assert world.powered.slot == 1
    assert world.powered.call("OTA.Commit") is None
    world.powered.node.elapse(60 * SECOND)
    assert len(world.asked) == 3
    assert world.asked[2].headers["X-MGOS-FW-Version"] == "demo 2.0.0 b2"
    before = world.powered.device.chips[0].snapshot()
    world.serves()
    world.powered.node.elapse(1 * SECOND)
    assert world.powered.device.chips[0].snapshot().same(before), "the version is the same"
    assert (world.powered.slot, len(world.powered.ends)) == (1, 2)


def test_a_poll_waits_while_an_update_is_in_progress() -> None:
    world = World()
    world.powered.call("Config.Set", config={"update": {"url": URL, "interval": 60}})
    world.powered.node.press_reset()
    world.powered.call("OTA.Begin")
    world.powered.node.elapse(61 * SECOND)
    assert world.asked == []


def test_how_a_pull_ends_is_told_once() -> None:
    world = World()
    ends: list[PullEnd] = []
    world.powered.node.do(lambda app: app.start_pull(URL, BeginOptions(), ends.append))
    world.serves(404)
    world.serves(404)
    assert ends == [PullEnd(-404, "Invalid HTTP response code")]
    assert world.powered.call("OTA.Nope") != NO_ANSWER
