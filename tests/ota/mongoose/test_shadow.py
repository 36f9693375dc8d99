"""Updates by shadow: what is desired is fetched, however often a device was offline, and its fate is reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emu.ota.fetching import Head
from emu.ota.mongoose.shadow_fate import Fate
from emu.ota.mongoose.shadow_service import MAX_DOCUMENT, ShadowService, difference
from emu.ota.publishing import Message, fits
from tests.ota.mongoose.test_pull import URL, World

THING = "brownout_000001"
SECOND = 1_000_000


class Cloud:
    """A world with a shadow service and a broker in memory. ``is_online``: whether the device's link is up."""

    def __init__(self) -> None:
        self.world = World()
        self.service = ShadowService()
        self.is_online = False
        self.seen: list[Message] = []
        self.world.powered.node.on_reset = lambda why: self.disconnect()

    @property
    def node(self) -> Any:
        return self.world.powered.node

    @property
    def reported(self) -> dict[str, Any]:
        return dict(self.service.shadows[THING].reported.get("ota", {}))

    def connect(self) -> None:
        self.is_online = True
        self.node.do(lambda app: app.shadow.connected())
        self.run()

    def disconnect(self) -> None:
        self.is_online = False
        self.node.do(lambda app: app.shadow.disconnected())

    def desire(self, **state: Any) -> None:
        self._deliver(self.service.desire(THING, state))
        self.run()

    def run(self) -> None:
        """Carry messages until there are none."""
        while self.is_online and self.node.app is not None:
            out = self.node.app.shadow.messages_to_send()
            if not out:
                return
            for message in out:
                self.seen.append(message)
                self._deliver(self.service.receive(message))

    def serves(self, *arguments: Any, **options: Any) -> None:
        self.world.serves(*arguments, **options)
        self.run()

    def _deliver(self, messages: list[Message]) -> None:
        for message in messages:
            app = self.node.app
            if self.is_online and app is not None and any(fits(message.topic, at) for at in app.shadow.subscriptions):
                self.node.do(lambda app, message=message: app.shadow.receive(message))


def test_what_is_desired_is_fetched_tried_and_reported() -> None:
    cloud = Cloud()
    cloud.connect()
    cloud.desire(ota={"url": URL})
    assert [asked.url for asked in cloud.world.asked] == [URL]
    assert cloud.reported == {"code": 0, "message": "Progress: 0%"}
    cloud.serves()
    assert cloud.reported == {"code": 1, "message": "Update applied, finalizing", "url": URL}
    assert any(b"Progress: " in message.payload for message in cloud.seen)
    cloud.node.elapse(200_000)
    assert (cloud.world.powered.slot, cloud.is_online) == (1, False)
    cloud.connect()
    assert cloud.reported["message"] == "Boot after OTA, waiting for commit"
    assert cloud.world.powered.call("OTA.GetBootState")["commit_timeout"] == 300
    assert len(cloud.world.asked) == 1, "the same URL is not tried again"


def test_an_offline_device_catches_up_when_it_connects() -> None:
    cloud = Cloud()
    cloud.desire(ota={"url": URL})
    cloud.node.elapse(10 * SECOND)
    assert cloud.world.asked == []
    cloud.connect()
    assert [asked.url for asked in cloud.world.asked] == [URL]


def test_an_update_that_power_stopped_is_tried_again_and_one_that_was_rolled_back_is_not() -> None:
    cloud = Cloud()
    cloud.desire(ota={"url": URL})
    cloud.connect()
    sink = cloud.world.asked[0].sink
    cloud.node.do(lambda app: sink.head(Head(200, {"content-length": str(len(cloud.world.archive))})))
    cloud.node.do(lambda app: sink.data(cloud.world.archive[:3000]))
    cloud.node.switch_off()
    cloud.node.switch_on()
    cloud.connect()
    assert len(cloud.world.asked) == 2
    cloud.serves()
    cloud.node.elapse(301 * SECOND)
    assert cloud.world.powered.slot == 0, "nobody committed"
    cloud.connect()
    assert len(cloud.world.asked) == 2


def test_what_failed_stays_in_the_delta_until_something_else_is_desired() -> None:
    cloud = Cloud()
    cloud.connect()
    cloud.desire(ota={"url": URL})
    cloud.serves(404)
    assert cloud.reported == {"code": -404, "message": "Invalid HTTP response code"}
    assert cloud.service.shadows[THING].delta == {"ota": {"url": URL}}
    cloud.disconnect()
    cloud.connect()
    assert len(cloud.world.asked) == 1
    cloud.desire(ota={"url": f"{URL}?2"})
    assert len(cloud.world.asked) == 2


def test_with_autocommit_the_handshake_commits() -> None:
    cloud = Cloud()
    cloud.world.powered.call("Config.Set", config={"shadow": {"autocommit": True}})
    cloud.node.press_reset()
    cloud.connect()
    cloud.desire(ota={"url": URL})
    cloud.serves()
    cloud.node.elapse(200_000)
    assert cloud.world.powered.call("OTA.GetBootState")["is_committed"] is False
    cloud.connect()
    assert cloud.world.powered.call("OTA.GetBootState")["is_committed"] is True
    assert cloud.reported["message"] == "Update committed"
    cloud.node.elapse(400 * SECOND)
    assert cloud.world.powered.slot == 1


def test_a_second_url_waits_until_the_first_update_is_committed() -> None:
    cloud = Cloud()
    cloud.connect()
    cloud.desire(ota={"url": URL})
    cloud.desire(ota={"url": f"{URL}?2"})
    assert len(cloud.world.asked) == 1
    cloud.serves()
    assert (cloud.reported["code"], len(cloud.world.asked)) == (1, 1)
    cloud.node.elapse(200_000)
    cloud.connect()
    assert len(cloud.world.asked) == 1
    assert cloud.world.powered.call("OTA.Commit") is None
    cloud.run()
    assert [asked.url for asked in cloud.world.asked] == [URL, f"{URL}?2"]


def test_switched_off_it_is_not_there() -> None:
    cloud = Cloud()
    cloud.world.powered.call("Config.Set", config={"shadow": {"ota_enable": False}})
    cloud.node.press_reset()
    assert cloud.node.app.shadow is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"state": 7}',
        b'{"state": {"ota": 7}}',
        b'{"state": {"ota": {"url": 7}}}',
        b"[" * 9000,
    ],
)
def test_no_document_breaks_the_device(payload: bytes) -> None:
    cloud = Cloud()
    cloud.connect()
    for topic in cloud.node.app.shadow.subscriptions:
        assert cloud.node.do(lambda app, topic=topic: app.shadow.receive(Message(topic, payload)))
    assert cloud.world.asked == []


@pytest.mark.parametrize(
    ("what", "payload", "code"),
    [
        ("update", b"{", 400),
        ("update", b"[]", 400),
        ("update", b"{}", 400),
        ("update", b'{"state": {"wished": {}}}', 400),
        ("update", b'{"state": {"reported": 7}}', 400),
        ("update", b'{"state": {"reported": {}}, "version": 9}', 409),
        ("update", b" " * (MAX_DOCUMENT + 1), 413),
        ("update", b'{"state": {"reported": {"a": NaN}}}', 400),
        ("update", b'{"state": {"reported": {"a": 1e999}}}', 400),
        ("update", b'{"state": {"reported": ' + b'{"a":' * 1200 + b"1" + b"}" * 1200 + b"}}", 400),
        ("update", b'{"state": {"reported": ' + b'{"a":' * 6 + b"[]" + b"}" * 6 + b"}}", 400),
        ("update", b'{"state": {"reported": {}}, "clientToken": 5}', 400),
        ("update", b'{"state": {"reported": {}}, "clientToken": "' + b"x" * 65 + b'"}', 400),
        ("get", b"", 404),
        ("delete", b"", 404),
    ],
)
def test_the_service_rejects(what: str, payload: bytes, code: int) -> None:
    (answer,) = ShadowService().receive(Message(f"$aws/things/x/shadow/{what}", payload))
    assert answer.topic == f"$aws/things/x/shadow/{what}/rejected"
    assert json.loads(answer.payload)["code"] == code


@pytest.mark.parametrize(
    "topic", ["x", "$aws/things/x/shadow/list", "$aws/things//shadow/get", "aws/things/x/shadow/get"]
)
def test_the_service_answers_on_its_own_topics_alone(topic: str) -> None:
    assert ShadowService().receive(Message(topic, b"{}")) == []


def test_documents_are_merged_and_null_takes_away() -> None:
    service = ShadowService()
    service.desire("x", {"ota": {"url": "a", "note": 1}, "led": True})
    service.desire("x", {"ota": {"note": None}, "led": False})
    assert service.shadows["x"].desired == {"ota": {"url": "a"}, "led": False}
    (answer,) = service.receive(Message("$aws/things/x/shadow/get", b'{"clientToken": "t"}'))
    document = json.loads(answer.payload)
    assert (document["clientToken"], document["version"]) == ("t", 2)
    assert document["state"]["delta"] == {"ota": {"url": "a"}, "led": False}
    assert difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}) == {"a": {"c": 2}}


def test_a_shadow_grows_no_larger_than_one_may_be_however_often_it_is_added_to() -> None:
    service = ShadowService()
    codes = []
    for number in range(20):
        payload = json.dumps({"state": {"reported": {str(number): "x" * 1000}}}).encode()
        (answer, *_) = service.receive(Message("$aws/things/x/shadow/update", payload))
        codes.append(json.loads(answer.payload).get("code"))
    assert codes == [None] * 8 + [413] * 12
    assert (service.shadows["x"].version, len(service.shadows["x"].reported)) == (8, 8)


def test_a_deleted_shadow_is_gone_and_its_version_goes_on() -> None:
    service = ShadowService()
    service.desire("x", {"led": True})
    service.desire("x", {"led": False})
    (answer,) = service.receive(Message("$aws/things/x/shadow/delete", b'{"clientToken": "t"}'))
    assert answer.topic == "$aws/things/x/shadow/delete/accepted"
    assert json.loads(answer.payload) == {"version": 2, "clientToken": "t"}
    (gone,) = service.receive(Message("$aws/things/x/shadow/get", b""))
    assert gone.topic.endswith("get/rejected")
    service.desire("x", {"new": 1, "nothing": {"here": None}})
    assert (service.shadows["x"].version, service.shadows["x"].desired) == (3, {"new": 1, "nothing": {}})


def test_a_delta_that_stands_can_be_told_again() -> None:
    service = ShadowService()
    assert service.pending("x") == []
    service.desire("x", {"led": True})
    (delta,) = service.pending("x")
    assert (delta.topic, json.loads(delta.payload)["state"]) == ("$aws/things/x/shadow/update/delta", {"led": True})
    service.receive(Message("$aws/things/x/shadow/update", b'{"state": {"reported": {"led": true}}}'))
    assert service.pending("x") == []


U = "http://host/fw.zip"


@pytest.mark.parametrize(
    ("reports", "code", "message"),
    [
        ([], None, ""),
        ([{"code": 0, "message": "Starting"}, {"code": 0, "message": "Progress: 10%"}], None, "Progress: 10%"),
        ([{"code": 0, "message": "Starting"}, {"code": 1, "message": "Applied", "url": U}], 1, "Applied"),
        ([{"url": U, "code": 0, "message": "Starting"}, {"code": 1, "message": "Applied"}], 1, "Applied"),
        ([{"code": 1, "message": "Update committed"}], None, "Update committed"),
        ([{"code": 1, "message": "Applied", "url": "http://other"}], None, "Applied"),
        ([{"code": -404, "message": "Invalid HTTP response code"}], -404, "Invalid HTTP response code"),
        ([{"code": -1, "message": "no"}, {"code": 1, "message": "yes", "url": U}], -1, "no"),
        ([{"code": True, "message": 7}, {"code": "1", "url": U}, {"message": "m" * 999}], None, "m" * 200),
    ],
)
def test_what_became_of_a_desired_update(reports: list[dict[str, Any]], code: int | None, message: str) -> None:
    fate, held = Fate(U), dict[str, Any]()
    for report in reports:
        held |= report
        fate.reported(report, held)
    assert (fate.code if fate.is_over else None, fate.message) == (code, message)
    assert fate.is_success is (code == 1)
    assert fate.has_asked is bool(reports)


@pytest.mark.parametrize(
    ("topic", "pattern", "fitting"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/+", True),
        ("a/b/c", "a/+", False),
        ("a/b/c", "a/#", True),
        ("a", "a/#", True),
        ("a/b", "#", True),
        ("$aws/b", "#", False),
        ("$aws/b", "+/b", False),
        ("$aws/b", "$aws/#", True),
        ("a", "a/b", False),
    ],
)
def test_topics_fit_patterns_as_in_mqtt(topic: str, pattern: str, fitting: bool) -> None:
    assert fits(topic, pattern) is fitting
    check: Callable[[str, str], bool] = fits
    assert check(topic, topic)
