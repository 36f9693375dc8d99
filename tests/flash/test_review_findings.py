"""What a review of the image files found wrong. A test says what should hold, its docstring what happens instead."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from time import perf_counter

import pytest

from flash.images import Image, Segment, image_from_segments, load_image, save_image

MIB = 1 << 20


def scattered(count: int) -> Image:
    """One byte in every 64 KiB."""
    return image_from_segments("scattered", [Segment(number << 16, b"\1") for number in range(count)])


def test_the_time_a_uf2_of_many_segments_takes_to_write_grows_with_their_number(tmp_path: Path) -> None:
    """`_pages` selects each run out of all segments: 20,000 segments (a 10 MB file) take minutes."""
    started = perf_counter()
    save_image(scattered(6000), tmp_path / "o.uf2")
    assert perf_counter() - started < 2


@pytest.mark.parametrize("suffix", [".hex", ".srec"])
def test_a_text_image_takes_a_few_times_its_size_to_write_and_to_read(tmp_path: Path, suffix: str) -> None:
    """intelhex keeps a dict entry per byte: 85 to 120 times the image, 2 GB for 16 MiB and 60 GB for 512 MiB."""
    image, path = image_from_segments("whole", [Segment(0, bytes(range(256)) * (MIB // 256))]), tmp_path / f"o{suffix}"
    tracemalloc.start()
    try:
        save_image(image, path)
        _, written = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert load_image(path).segments == image.segments
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(written, read) < 40 * MIB
