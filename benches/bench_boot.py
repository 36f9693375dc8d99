"""One boot: both configs read, a 512 KiB image verified by CRC-32, decided, handed over. Uncached."""

from __future__ import annotations

from emu.board import load_board
from emu.update_rig import ImagePair, UpdateRig
from flash.draws import uniforms

SIZE = 512 * 1024


def big_rig(*, traced: bool = False) -> UpdateRig:
    """Two images of 512 KiB that are never blank, on a W25Q128JV."""
    old, new = ((uniforms(seed, 0, SIZE) * 254 + 1).astype("uint8").tobytes() for seed in (1, 2))
    return UpdateRig(load_board("w25q128jv-1m"), ImagePair(old, new), traced=traced)


def test_boot_that_verifies_512_kib(benchmark):
    """Goal: 1.5 ms."""
    rig = big_rig()
    state = rig.initial(0)
    run = benchmark(rig.run, state)
    assert run.outcome.image == "old"
    assert run.outcome.committed
