"""How much two processes help: brute force (nothing cached), in this process and in two.

Both are measured in every round, one after the other, and the figure is the median of the rounds' ratios: on a machine
that others use as well, neighbours in time are fair to each other and distant ones are not. Starting the processes,
which takes each of them a good part of a second, is in the figure.
"""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import replace
from statistics import median

from benches.bench_boot import big_rig
from emu.campaign.engines import make_engine
from emu.campaign.engines.inline import InlineEngine
from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.sharded import ShardedExplorer
from emu.campaign.shards import shard_spec
from emu.rig_spec import rig_spec
from emu.update_rig import ImagePair, UpdateRig
from flash.tears import TEAR_SETS

ROUNDS = 3
OPTIONS = Options(tears=TEAR_SETS["T1-coarse"], cache=False)
IMAGE_SIZE = 384 * 1024


def _rig():
    images = big_rig().images
    return UpdateRig(big_rig().board, ImagePair(images.old[:IMAGE_SIZE], images.new[:IMAGE_SIZE]))


def _bounds(rig):
    """All checks but `retries`, which takes a whole update to judge: as in `bench_campaign`."""
    entry = rig.board.document.checks
    return type(entry)(tuple(name for name in entry.apply if name != "retries"), entry.max_resets, entry.max_erases)


def _campaign(rig, name, jobs):
    bounds = _bounds(rig)
    if name is None:
        return Explorer(rig, bounds, OPTIONS).explore()
    with closing(make_engine(name, shard_spec(rig_spec(rig), rig, bounds, OPTIONS), jobs)) as engine:
        return ShardedExplorer(rig, bounds, OPTIONS, engine).explore()


def test_two_processes_against_one(benchmark):
    """Goal: 1.8 times as fast."""
    one, two = [], []

    def both():
        for name, seconds in ((None, one), ("workers", two)):
            verdict = _campaign(_rig(), name, 2)
            assert verdict.word == "held"
            seconds.append(verdict.seconds)
            digests.add(verdict.digest)

    digests = set()
    benchmark.pedantic(both, rounds=ROUNDS)
    assert len(digests) == 1
    ratios = [alone / shared for alone, shared in zip(one, two, strict=True)]
    benchmark.extra_info["ratios"] = ratios
    benchmark.extra_info["ratio"] = median(ratios)
    benchmark.extra_info["seconds"] = [one, two]
    print(f"\ntwo processes: {median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}); {one} {two}")


def test_what_travels(benchmark):
    """Bytes to and fro per edge, and how long the pickling takes of the work's time."""
    rig = _rig()
    bounds = _bounds(rig)
    options = replace(OPTIONS, cache=True)
    spec = shard_spec(rig_spec(rig), rig, bounds, options)
    kept = []

    class Keeps(InlineEngine):
        jobs = 2

        def map(self, items, listener=None):
            results = super().map(items, listener)
            kept.extend(zip(items, results, strict=True))
            return results

    verdict = ShardedExplorer(rig, bounds, options, Keeps(spec)).explore()

    def there_and_back():
        return [(len(pickle.dumps(shard)), len(pickle.dumps(partial))) for shard, partial in kept]

    sizes = benchmark(there_and_back)
    benchmark.extra_info["spec_bytes"] = len(pickle.dumps(spec))
    benchmark.extra_info["shards"] = len(kept)
    benchmark.extra_info["edges"] = verdict.coverage.edges
    benchmark.extra_info["bytes_per_shard"] = [sum(each) / len(sizes) for each in zip(*sizes, strict=True)]
    print(
        f"\n{len(kept)} shards of {verdict.coverage.edges} edges: {benchmark.extra_info['bytes_per_shard']} bytes each"
    )
