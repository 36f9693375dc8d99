"""KnownImages: the images that count as whole, and which of them stands in a window. Ground truth, never asked of the
firmware: bytes are compared, at no cost in time.

Neighbours: `plain_rig` asks at every hand-over. Knows no header: what an image is, its first to last byte say.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emu.errors import ScenarioError
from emu.events import OLD, UNKNOWN
from flash.device import FlashDevice
from flash.partition import Partition
from flash.trace import Trace


class KnownImages:
    """``images`` by name, none or at least "old". ``largest_window``: in bytes, what every image has to fit.

    Raises ScenarioError for images that nobody could tell apart, or that fit nowhere.
    """

    def __init__(self, images: Mapping[str, bytes], largest_window: int) -> None:
        self._images = dict(images)
        names = sorted(images)
        if images and OLD not in images:
            raise ScenarioError(f"images name {', '.join(names)}; one has to be {OLD!r}: what the factory shipped")
        if UNKNOWN in images or "" in images:
            raise ScenarioError(f"no image can be called {UNKNOWN!r} or '': that is what anything else is called")
        for name in names:
            if not 0 < len(images[name]) <= largest_window:
                raise ScenarioError(
                    f"the {name} image has {len(images[name])} bytes; 1 to {largest_window} fit a window of this rig"
                )
            for other in names:
                if other != name and images[other].startswith(images[name]):
                    raise ScenarioError(f"the {other} image begins with the {name} image: nobody could tell them apart")

    def standing_in(self, window: Partition, trace: Trace | None) -> str:
        """The image that begins ``window``, byte for byte; "unknown" for anything else, and for bytes that may read
        otherwise next time."""
        chip = window.flash
        assert isinstance(chip, FlashDevice), "windows of a rig are on chips: please report"
        for name, image in self._images.items():
            if len(image) > window.size:
                continue
            if trace is not None:
                trace.consulted(chip.name, chip.cells, window.address, len(image))
            if chip.cells.view(window.address, len(image)) == image:
                is_weak = chip.cells.is_weak(window.address, len(image))
                is_broken = chip.cells.first_broken(window.address, len(image)) is not None
                return UNKNOWN if is_weak or is_broken else name
        return UNKNOWN

    def difference_in(self, window: Partition) -> str:
        """Of bytes that begin no image: from which it differs least, by how much, and where first. For people."""
        chip = window.flash
        assert isinstance(chip, FlashDevice), "windows of a rig are on chips: please report"
        found = []
        for name, image in self._images.items():
            length = min(len(image), window.size)
            there = np.frombuffer(bytes(chip.cells.view(window.address, length)), np.uint8)
            wrong = np.flatnonzero(there != np.frombuffer(image[:length], np.uint8))
            if wrong.size:
                found.append((wrong.size, name, int(wrong[0]), len(image)))
        if not found:
            return ""
        count, name, first, size = min(found)
        there_now = chip.cells.view(window.address + first, 1)[0]
        return (
            f"{count:,} of the {size:,} bytes of the {name} image differ, the first at +{first:#x}: {there_now:#04x} "
            f"stands there, {self._images[name][first]:#04x} is in the file"
        )

    def unreliable_in(self, window: Partition) -> str:
        """The image whose bytes stand in ``window`` over cells that error correction gives up on; "" for none. For what
        `standing_in` has called unknown, and has looked at."""
        chip = window.flash
        assert isinstance(chip, FlashDevice), "windows of a rig are on chips: please report"
        for name, image in self._images.items():
            if len(image) <= window.size and chip.cells.view(window.address, len(image)) == image:
                return name if chip.cells.first_broken(window.address, len(image)) is not None else ""
        return ""
