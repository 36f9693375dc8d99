"""Edges per second of a brute-force campaign: a 512 KiB update on a W25Q128JV, depth 1.

``nothing cached`` executes a boot for every edge: it says how fast one boot with all its checks is (all but
``retries``, which takes a whole update to judge). ``content cache`` is what users run. A budget bounds both, so the
figure is edges of the first seconds of the campaign; they are alike, being cuts inside one image.
"""

from __future__ import annotations

import msgspec

from benches.bench_boot import big_rig
from emu.campaign.explore import Explorer
from emu.campaign.options import Options

BUDGET_S = 5.0


def _campaign(rig, options, *, retries):
    bounds = rig.board.document.checks
    if not retries:
        bounds = msgspec.structs.replace(bounds, apply=tuple(n for n in bounds.apply if n != "retries"))
    explorer = Explorer(rig, bounds, options)
    verdict = explorer.explore()
    assert not verdict.findings
    return explorer, verdict


def _record(benchmark, explorer, verdict):
    cover = verdict.coverage
    benchmark.extra_info["edges_per_second"] = cover.edges / verdict.seconds
    benchmark.extra_info["edges_executed"] = cover.edges_executed
    benchmark.extra_info["edges_inherited"] = cover.edges_inherited
    benchmark.extra_info["hit_rate"] = explorer.hit_rate


def test_brute_force_nothing_cached(benchmark):
    """Goal: 300 edges a second."""
    options = Options(cache=False, budget_s=BUDGET_S)

    def campaign():
        return _campaign(big_rig(), options, retries=False)

    explorer, verdict = benchmark.pedantic(campaign, rounds=3)
    _record(benchmark, explorer, verdict)
    assert explorer.hit_rate == 0


def test_brute_force_with_content_cache(benchmark):
    """Goal: 1,000 edges a second, with all checks."""

    def campaign():
        return _campaign(big_rig(traced=True), Options(budget_s=BUDGET_S), retries=True)

    explorer, verdict = benchmark.pedantic(campaign, rounds=3)
    _record(benchmark, explorer, verdict)
    print(f"\ncontent cache: {explorer.hit_rate:.2%} of the sessions recognised")


def test_bundled_campaign(benchmark):
    """`brownout run` without arguments, as a campaign: the demo pair, every byte of every program torn."""
    from emu.cli.inputs import Inputs, make_rig

    def campaign():
        rig = make_rig(Inputs("demo", None, None, None, None, "healthy", "typ", 0))
        return _campaign(rig, Options(), retries=True)

    explorer, verdict = benchmark.pedantic(campaign, rounds=5)
    _record(benchmark, explorer, verdict)
    assert verdict.word == "held"
