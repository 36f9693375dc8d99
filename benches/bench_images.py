"""A 16 MiB image from a file onto a chip, and the snapshot of it.

What `brownout inspect` and every user's first session wait for. The text formats go through line parsers (Intel HEX
through intelhex), so they are measured on 1 MiB.
"""

from __future__ import annotations

import pytest

from flash import FlashDevice, bundled_part
from flash.draws import uniforms
from flash.images import Image, Segment, image_from_segments, load_image, save_image

PART = "W25Q128JV"
MIB = 1 << 20


def _image(size: int) -> Image:
    content = (uniforms(1, 0, size) * 256).astype("uint8").tobytes()
    return image_from_segments("made", [Segment(0, content)])


@pytest.mark.parametrize(("suffix", "size"), [("bin", 16 * MIB), ("uf2", 16 * MIB), ("hex", MIB), ("srec", MIB)])
def test_load_a_file(benchmark, suffix, size, tmp_path_factory):
    image = _image(size)
    path = tmp_path_factory.mktemp("images") / f"whole.{suffix}"
    save_image(image, path)
    loaded = benchmark.pedantic(load_image, (path,), rounds=3)
    assert loaded.segments == image.segments
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["mib_per_second"] = size / MIB / benchmark.stats["median"]


def test_place_and_snapshot_16_mib(benchmark):
    """Factory programming of the whole chip, the snapshot of all 4,096 blocks, and its key."""
    image = _image(16 * MIB)

    def place(device):
        device.load(0, image.segments[0].data)
        return device.snapshot().key

    key = benchmark.pedantic(place, setup=lambda: ((FlashDevice(bundled_part(PART)),), {}), rounds=5)
    assert len(key) == 16
