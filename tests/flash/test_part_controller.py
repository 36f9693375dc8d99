"""The [controller] table of a part: what is refused, and the durations it gives."""

from __future__ import annotations

import msgspec
import pytest

from flash.errors import PartError
from flash.part import Part, bundled_part, checked_part
from flash.part_controller import Controller, Width, WidthErase, controller_figures
from flash.timing import Timing
from tests.flash.small_parts import GRANULES, SERIAL, WORDS, figure

WIDTH = Width(8, tuple(WidthErase(size, figure(size * 200)) for size in (64, 128, 256)))


def with_controller(part: Part, **given: object) -> Part:
    return msgspec.structs.replace(part, controller=Controller(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "given", "complaint"),
    [
        (SERIAL, {}, "not for a chip of its own"),
        (GRANULES, {"row_size": 16}, "row_size and controller.row_us need each other"),
        (GRANULES, {"row_us": figure(5)}, "row_size and controller.row_us need each other"),
        (GRANULES, {"row_size": 12, "row_us": figure(5)}, "no whole number of units"),
        (GRANULES, {"row_size": 64, "row_us": figure(5)}, "no whole number of units in one burst"),
        (GRANULES, {"banks": 3}, "3 banks do not end at sector boundaries"),
        (WORDS, {"banks": 4}, "4 banks do not end at sector boundaries"),
        (WORDS, {"widths": (Width(8, WIDTH.erase[:2]),)}, r"x8 needs one .* for each of \[64, 128, 256\]"),
        (WORDS, {"mass_erase_us": msgspec.structs.replace(figure(5), max=1)}, "mass_erase_us: max 1 is below typ"),
    ],
)  # fmt: skip
def test_what_is_refused(part: Part, given: dict[str, object], complaint: str) -> None:
    with pytest.raises(PartError, match=f"^here: .*{complaint}"):
        checked_part(with_controller(part, **given), "here")


def test_what_is_taken_and_which_figures_it_has() -> None:
    part = checked_part(with_controller(WORDS, banks=1, mass_erase_us=figure(5), widths=(WIDTH,)), "here")
    assert part.controller is not None
    assert [label for label, _ in controller_figures(part.controller)] == [
        "controller.mass_erase_us",
        "controller.widths x8: erase 64",
        "controller.widths x8: erase 128",
        "controller.widths x8: erase 256",
    ]
    assert checked_part(with_controller(GRANULES, banks=2, row_size=32, row_us=figure(5)), "here").controller


def test_durations_follow_mode_width_and_wear() -> None:
    part = with_controller(WORDS, mass_erase_us=figure(1000, 4000), widths=(WIDTH,))
    typical, longest = Timing(part), Timing(part, "max")
    assert (typical.mass_erase_us(), longest.mass_erase_us()) == (1000, 4000)
    assert typical.erase_at_width_us(0, 64, 8, 0) == 64 * 200
    assert typical.erase_at_width_us(0, 64, 16, 0) == typical.erase_us(0, 64, 0) == 64 * 100
    assert typical.erase_at_width_us(0, 64, 8, 1000) == 2 * typical.erase_us(0, 64, 1000)
    assert Timing(part, worn=False).erase_at_width_us(0, 64, 8, 1000) == 64 * 200


def test_bundled_controllers() -> None:
    assert Timing(bundled_part("STM32L476")).row_us(0) == 1910
    assert Timing(bundled_part("STM32L476"), "max").mass_erase_us() == 24_600
    drawn = {Timing(bundled_part("STM32G071"), "sampled", seed=seed).row_us(0) for seed in range(20)}
    assert len(drawn) > 10
    assert 0 < min(drawn) < 1700 < max(drawn) <= 2800
