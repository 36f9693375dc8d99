"""Seeded lives on real links: an update through a hostile network, with power that goes and comes. Whatever happens,
the device is alive and runs the old or the new image byte for byte, the client was never told success while the old
one stays, and the next undisturbed update succeeds.

A seed that fails is named; alone it is run with SMOKE_SEED=N and `-k` its link. What is drawn is the network's course
and the moments of the cuts; how the computer cuts reads is not, so a rare failure may need some tries.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest

from emu.ota.mongoose.client import RpcClient
from emu.ota.mongoose.updating import Step, Update
from tests.ota.conftest import Mosquitto
from tests.ota.served import make_device, served
from tests.ota.smoke import Life, life, nothing, pushed

AT_ONCE = 4
PATIENCE_S = 60.0
LINKS = ["tcp", "ws", "http", "serial"]
SEEDS = [int(os.environ["SMOKE_SEED"])] if "SMOKE_SEED" in os.environ else range(AT_ONCE)
MANY = [range(first, first + AT_ONCE) for first in range(AT_ONCE, 60, AT_ONCE)]


async def lived(link: str, seed: int, broker: tuple[str, int] | None) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S), life(link, seed, broker) as one:
            return await one.live()
    except (AssertionError, TimeoutError) as wrong:
        raise AssertionError(
            f"seed {seed} over {link}: {wrong or type(wrong).__name__}\nalone: SMOKE_SEED={seed} python -m pytest "
            f"tests/ota/test_smoke_on_real_links.py -k {link}"
        ) from wrong


def lives(link: str, seeds: range | list[int], broker: tuple[str, int] | None = None) -> Counter[str]:
    """What became of each, side by side."""

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(lived(link, seed, broker) for seed in seeds))

    return Counter(asyncio.run(all_of_them()))


@pytest.mark.parametrize("link", LINKS)
def test_whatever_the_network_and_the_power_do(link: str) -> None:
    assert lives(link, SEEDS).total() == len(SEEDS)


def test_whatever_the_network_between_a_device_and_its_broker_does_mqtt(broker: Mosquitto) -> None:
    assert lives("mqtt", SEEDS[2:] or SEEDS, ("127.0.0.1", broker.port)).total() > 0


@pytest.mark.slow
@pytest.mark.parametrize("link", LINKS)
def test_many_lives(link: str) -> None:
    became = sum((lives(link, seeds) for seeds in MANY), Counter[str]())
    assert {"done", "failed"} <= set(became), became


@pytest.mark.slow
def test_many_lives_mqtt(broker: Mosquitto) -> None:
    became = sum((lives("mqtt", seeds, ("127.0.0.1", broker.port)) for seeds in MANY[:5]), Counter[str]())
    assert {"done", "failed"} <= set(became), became


def test_a_client_that_is_told_what_is_not_so_is_caught() -> None:
    """The judge can fail: success is claimed, and nothing was sent."""

    async def test() -> None:
        async with served(make_device()) as bench:
            one = Life(bench, 1, "", "", nothing)
            with pytest.raises(AssertionError, match="told success and the old image stays"):
                await one.judge(Update(RpcClient(), step=Step.DONE))
            flash = bench.device.device.chips[0]
            flash.cells.load(bench.device.device.layout.slots[0].flash.address + 256 + 100, b"\x00")
            with pytest.raises(AssertionError, match="neither of the two images runs"):
                await one.judge(None)

    asyncio.run(test())


def test_a_seed_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(self: Life) -> str:
        raise AssertionError("it does not hold")

    monkeypatch.setattr(Life, "live", fails)
    with pytest.raises(AssertionError, match=r"seed 7 over serial: it does not hold\nalone: SMOKE_SEED=7 .* -k serial"):
        lives("serial", [7])
    assert pushed("tcp://127.0.0.1:1", 1) is None
