"""What the flash controller of a microcontroller offers beside its plain program and erase, as data with sources.

Neighbours: `part` carries one where such a controller is known, `timing` answers with its figures. The registers in
front of it are the business of whoever emulates the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from flash.figure import Figure

if TYPE_CHECKING:
    from flash.part import Part


class WidthErase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long one erase unit takes at another width."""

    size: Annotated[int, msgspec.Meta(gt=0)]
    time_us: Figure


class Width(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another width of stores the controller can be set to (STM32F4 PSIZE); one program of it takes ``time_us`` of the
    part. An erase takes longer with fewer cells driven at once."""

    bits: Literal[8, 16, 64]
    erase: tuple[WidthErase, ...]


class Controller(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``banks``: pieces of equal size that can be erased at once; ``mass_erase_us``: one of them; None: not offered.

    ``row_size``, ``row_us``: a run of stores programmed together, in bytes; 0: not offered.
    """

    banks: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    mass_erase_us: Figure | None = None
    row_size: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    row_us: Figure | None = None
    widths: tuple[Width, ...] = ()


def check_controller(part: Part, controller: Controller, refuse: Callable[[str], None]) -> None:
    """Call ``refuse`` with the first thing that is wrong with ``part.controller``; it does not return."""
    if part.is_external:
        refuse("a [controller] table is for the array of a microcontroller, not for a chip of its own")
    if bool(controller.row_size) != (controller.row_us is not None):
        refuse("controller.row_size and controller.row_us need each other")
    if controller.row_size % part.program.unit or controller.row_size > part.geometry.burst_size:
        refuse(f"controller.row_size {controller.row_size} is no whole number of units in one burst")
    if part.size % controller.banks or part.geometry.sector_end(part.size // controller.banks) * controller.banks != (
        part.size
    ):
        refuse(f"controller.banks: {controller.banks} banks do not end at sector boundaries")
    sizes = sorted(e.size for e in part.erase)
    for width in controller.widths:
        if sorted(e.size for e in width.erase) != sizes:
            refuse(f"controller.widths: x{width.bits} needs one [[controller.widths.erase]] for each of {sizes}")


def controller_figures(controller: Controller) -> list[tuple[str, Figure]]:
    """Every figure of the table, with its label."""
    figures = []
    if controller.mass_erase_us is not None:
        figures.append(("controller.mass_erase_us", controller.mass_erase_us))
    if controller.row_us is not None:
        figures.append(("controller.row_us", controller.row_us))
    for width in controller.widths:
        figures += [(f"controller.widths x{width.bits}: erase {e.size}", e.time_us) for e in width.erase]
    return figures
