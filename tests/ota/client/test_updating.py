"""The update as a value, against a device in memory: the call sequence, the tries, what it claims in the end."""

from __future__ import annotations

import json
import pickle
from base64 import b64decode
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emu.ota.mongoose.call import RpcError
from emu.ota.mongoose.client import Caller
from emu.ota.mongoose.updating import Step, Update, begin_params, pull_params
from tests.ota.client.device import Device, archive, guarded
from tests.ota.client.network import CHUNKS, FATES, Fate, Network, S, Scripted, order, over, status

# -- the sequence ------------------------------------------------------------------------------------------


def test_an_update_is_the_sequence_of_the_vendors_client() -> None:
    device = Device()
    network = over(device, order())
    update = network.run()
    assert (update.step, update.failure, update.repeated) == (Step.DONE, None, 0)
    assert device.calls == ["OTA.Status", "OTA.Begin", *["OTA.Write"] * CHUNKS, "OTA.End"]
    sent = [json.loads(frame) for frame in network.sent]
    assert "params" not in sent[0]
    assert sent[1]["params"] == {"timeout": 600, "commit_timeout": 300, "size": len(archive())}
    assert [each["params"]["offset"] for each in sent[2:-1]] == [512 * index for index in range(CHUNKS)]
    assert b"".join(b64decode(each["params"]["data"]) for each in sent[2:-1]) == archive()
    device.node.elapse(1 * S)
    assert (device.slot, device.is_committed) == (1, False)
    device.node.elapse(300 * S)
    assert device.slot == 0  # it does not commit, as the vendor's client does not


@pytest.mark.parametrize("size", [1, 100, 2048])
def test_chunks_have_the_size_that_was_asked_for(size: int) -> None:
    content = archive()[:3000] if size == 1 else archive()
    device = Device()
    network = over(device, order(content, chunk_size=size))
    network.run()
    lengths = [len(b64decode(json.loads(frame)["params"]["data"])) for frame in network.sent if b"OTA.Write" in frame]
    assert set(lengths[:-1]) == {size}
    assert sum(lengths) == len(content)


def test_params_of_begin_and_update() -> None:
    assert begin_params(7) == '{"timeout":600,"commit_timeout":300,"size":7}'
    assert pull_params('http://x/"', timeout_s=1, commit_timeout_s=2) == (
        '{"url":"http://x/\\"","timeout":1,"commit_timeout":2}'
    )


def test_a_device_that_is_busy_is_left_alone() -> None:
    device = Device()
    device.ask(b'{"id":1,"method":"OTA.Begin"}')
    device.calls.clear()
    update = over(device, order()).run()
    assert update.failure is not None
    assert update.failure.refused
    assert "already in progress (state 1)" in update.failure.message
    assert device.calls == ["OTA.Status"]


@pytest.mark.parametrize("answer", [{}, {"state": "0"}, {"state": True}, {"state": None}, [], "0"])
def test_a_status_without_a_state_is_not_taken_for_idle(answer: Any) -> None:
    peer = Scripted(OTA_Status=[answer])
    update = Network(peer, order()).run()
    assert update.step is Step.FAILED
    assert peer.calls == ["OTA.Status"]


def test_an_update_may_follow_one_that_failed() -> None:
    device = Device()
    assert over(device, order(archive(platform="other"))).run().step is Step.FAILED
    assert over(device, order()).run().step is Step.DONE


# -- tries -------------------------------------------------------------------------------------------------


def test_a_lost_chunk_is_sent_again_after_20_s_and_once_is_enough() -> None:
    device = Device()
    network = over(device, order(), ("arrives", "arrives", "arrives", "is lost"))
    update = network.run()
    assert (update.step, update.repeated) == (Step.DONE, 1)
    assert 20 * S < network.now_us < 21 * S
    first, second = network.sent[3:5]
    assert json.loads(first)["params"] == json.loads(second)["params"]
    assert json.loads(first)["id"] != json.loads(second)["id"]


def test_a_chunk_whose_answer_is_lost_is_not_written_twice() -> None:
    device = Device()
    update = over(device, order(), ("arrives", "arrives", *["its answer is lost"] * 2)).run()
    assert (update.step, update.repeated) == (Step.DONE, 2)


def test_three_lost_chunks_end_it_and_the_offset_is_told() -> None:
    device = Device()
    network = over(device, order(), ("arrives", "arrives", "arrives", *["is lost"] * 3))
    update = network.run()
    assert update.failure is not None
    assert update.failure.message == "write failed at offset 512: no answer in 20 s"
    assert not update.failure.refused
    assert device.calls == ["OTA.Status", "OTA.Begin", "OTA.Write", "OTA.End"]
    assert over(device, order()).run().step is Step.DONE  # OTA.End freed it


def test_a_chunk_the_device_refuses_is_tried_three_times_and_the_first_word_counts() -> None:
    device = Device()
    update = over(device, order(archive(platform="other"))).run()
    assert update.failure is not None
    assert update.failure.refused
    assert update.failure.message.startswith("write failed at offset 0: error -1: Wrong platform")
    assert device.calls[2:] == ["OTA.Write", "OTA.Write", "OTA.Write", "OTA.End"]


def test_a_refusal_is_not_forgotten_over_silence() -> None:
    peer = Scripted(OTA_Status=[status()], OTA_Write=[RpcError(-11, "-11 Write failed"), RpcError(-1, "gone"), None])
    update = Network(peer, order()).run()
    assert update.failure is not None
    assert update.failure.message == "write failed at offset 0: error -11: Write failed"
    assert update.failure.refused
    assert peer.calls[-1] == "OTA.End"


def test_tries_are_counted_anew_for_each_chunk() -> None:
    fates: tuple[Fate, ...] = ("arrives", "arrives", *["is lost", "is lost", "arrives"] * CHUNKS)
    update = over(Device(), order(), fates).run()
    assert (update.step, update.repeated) == (Step.DONE, 2 * CHUNKS)


def test_a_link_that_breaks_costs_a_try() -> None:
    update = over(Device(), order(), ("arrives", "arrives", "the link breaks", "the link breaks")).run()
    assert (update.step, update.repeated) == (Step.DONE, 2)
    broken = over(Device(), order(), ("arrives", "arrives", *["the link breaks"] * 4)).run()
    assert broken.failure is not None
    assert broken.failure.message == "write failed at offset 0: the link was lost"


def test_a_device_that_lost_its_power_knows_of_no_update() -> None:
    device = Device()

    def cut(update: Update) -> Update:
        if update.offset == 2048 and not device.node.why.endswith("again"):
            device.node.switch_off()
            device.node.switch_on()
            device.node.why += " again"
        return update

    update = over(device, order()).run(cut)
    assert update.failure is not None
    assert update.failure.refused
    assert update.failure.message.startswith("write failed at offset 2560")  # the chunk before was answered already
    assert "No update in progress" in update.failure.message


@pytest.mark.parametrize("lost", [0, 1])
def test_what_is_not_a_chunk_has_one_try(lost: int) -> None:
    update = over(Device(), order(), (*["arrives"] * lost, "is lost")).run()  # type: ignore[arg-type]
    assert update.failure is not None
    assert update.failure.message == f"{['OTA.Status', 'OTA.Begin'][lost]}: no answer in 20 s"
    assert not update.failure.refused


def test_an_end_without_an_answer_is_not_called_done() -> None:
    device = Device()
    update = over(device, order(), (*["arrives"] * (2 + CHUNKS), "its answer is lost")).run()
    assert update.failure is not None
    assert not update.failure.refused
    assert "may have taken the update" in update.failure.message


def test_the_tries_go_on_under_a_password() -> None:
    device = Device(guard=guarded("joe", "s3cret"))
    network = over(device, order(), caller=Caller(username="joe", password="s3cret"))
    assert network.run().step is Step.DONE
    assert device.calls.count("OTA.Status") == 2
    assert device.calls.count("OTA.Write") == CHUNKS


# -- as a value --------------------------------------------------------------------------------------------


def test_an_update_goes_on_from_its_pickled_states() -> None:
    one, two = (over(Device(), order(reboot_timeout_us=60 * S, commits=True)) for _ in range(2))
    assert one.run() == two.run(lambda update: pickle.loads(pickle.dumps(update)))
    assert one.sent == two.sent
    assert len(set(one.seen)) == len(one.seen)
    assert all(earlier != later for earlier, later in pairwise(one.seen))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(FATES), max_size=40), st.booleans())
def test_whatever_happens_to_frames_it_ends_and_claims_nothing_untrue(fates: list[Fate], commits: bool) -> None:
    device = Device()
    update = over(device, order(chunk_size=1024, reboot_timeout_us=60 * S, commits=commits), tuple(fates)).run()
    if update.failure is None:
        assert device.slot == 1
        assert device.is_committed == update.is_committed
        assert update.is_committed or not commits
    elif update.failure.refused:
        assert not (device.slot == 1 and device.is_committed)
    assert device.node.state == "running"
