"""What the cores differ in, as far as it can be seen by firmware.

Neighbours: `engine` knows the instructions of each by the same names; `chip` names one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoreModel:
    """``is_small``: ARMv6-M, where every fault is a HardFault and two priority bits are all. ``vtor_mask``: the bits
    of VTOR there are; 0: the vectors stay at 0.

    ``is_v8``: ARMv8-M with one world, the non-secure one: other values return from an exception, VTOR begins where the
    chip boots from, and stacks have limits. The Security Extension is not there: no second world, no SecureFault.
    """

    name: str
    cpuid: int
    is_small: bool = False
    has_fpu: bool = False
    vtor_mask: int = 0xFFFF_FF80
    is_v8: bool = False


MODELS = {
    model.name: model
    for model in (
        CoreModel("cortex-m0", 0x410C_C200, is_small=True, vtor_mask=0),
        CoreModel("cortex-m0+", 0x410C_C601, is_small=True, vtor_mask=0xFFFF_FF00),
        CoreModel("cortex-m3", 0x412F_C231, vtor_mask=0x3FFF_FF80),
        CoreModel("cortex-m4", 0x410F_C241, has_fpu=True),
        CoreModel("cortex-m7", 0x411F_C271, has_fpu=True),
        CoreModel("cortex-m33", 0x410F_D214, has_fpu=True, is_v8=True),
    )
}
