"""Flash controllers of microcontrollers: what stands between the stores of a core and the cells of `flash`.

A controller is registers plus one or more `FlashDevice`: the array, and rows beside it (option bytes, UICR), which are
flash as well. What a part allows and how long it takes is data of the part; keys, locks, flags and refusals are code
here, one file per family.

Neighbours: the bus of the core calls `read`, `write` and `store`, and `sensed` where the core has read a granule whose
error correction has something to say. Knows no core and no campaign.
"""

from emu.cpu.contract import World
from emu.cpu.flash.controller import ControllerBase, OptionEffects, make, rows_beside
from emu.cpu.flash.nrf52840 import Nrf52840Flash
from emu.cpu.flash.stm32f1 import Stm32F1Flash
from emu.cpu.flash.stm32f4 import Stm32F4Flash
from emu.cpu.flash.stm32g0 import Stm32G0B1Flash, Stm32G071Flash
from emu.cpu.flash.stm32h5 import Stm32H5Flash
from emu.cpu.flash.stm32l0 import Stm32L0Flash
from emu.cpu.flash.stm32l4 import Stm32L4Flash
from emu.errors import BoardError
from flash.device import FlashDevice
from flash.tomlfile import nearest

CONTROLLERS: dict[str, type[ControllerBase]] = {
    controller.CHIP: controller
    for controller in (
        Stm32F1Flash,
        Stm32F4Flash,
        Stm32L4Flash,
        Stm32G071Flash,
        Stm32G0B1Flash,
        Stm32L0Flash,
        Stm32H5Flash,
        Nrf52840Flash,
    )
}
"""By the name a chip description uses."""

__all__ = ["CONTROLLERS", "ControllerBase", "OptionEffects", "make", "make_controller", "rows_beside"]


def make_controller(name: str, world: World, main: FlashDevice) -> ControllerBase:
    """The controller a chip description names, in front of ``main``, with rows fresh from the factory.

    Raises BoardError with the nearest name.
    """
    controller = CONTROLLERS.get(name)
    if controller is None:
        raise BoardError(f"no flash controller named {name!r}{nearest(name, tuple(CONTROLLERS))}")
    return make(controller, world, main)
