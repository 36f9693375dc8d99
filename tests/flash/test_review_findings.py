"""What a review of the image files found wrong. A test says what should hold, its docstring what happens instead."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from time import perf_counter

from flash.images import Image, Segment, image_from_segments, load_image, save_image

MIB = 1 << 20


def scattered(count: int) -> Image:
    """One byte in every 64 KiB."""
    return image_from_segments("scattered", [Segment(number << 16, b"\1") for number in range(count)])


def test_the_time_a_uf2_of_many_segments_takes_to_write_grows_with_their_number(tmp_path: Path) -> None:
    """`_pages` selects each run out of all segments: 20,000 segments (a 10 MB file) take minutes."""
    started = perf_counter()
    save_image(scattered(2500), tmp_path / "o.uf2")
    assert perf_counter() - started < 1


def test_an_intel_hex_file_takes_a_few_times_its_content_to_write_and_to_read(tmp_path: Path) -> None:
    """intelhex keeps a dict entry per byte: 90 to 120 times the image (.srec: 15), 2 GB for 16 MiB."""
    image, path = image_from_segments("whole", [Segment(0, bytes(range(256)) * (MIB // 256))]), tmp_path / "o.hex"
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
