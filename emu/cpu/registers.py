"""The registers of a core, by the numbers of the library that executes it, and how they are read and written.

Neighbours: `engine` is a core with these registers. Knows no memory and no instruction.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from emu.cpu.library import Uc, uclib
from emu.cpu.library import arm_const as arm

IT = 0x0600_FC00
"""Of xPSR: the rest of an IT block."""


class Register(IntEnum):
    """Registers by the engine's numbers."""

    R0 = arm.UC_ARM_REG_R0
    R1 = arm.UC_ARM_REG_R1
    R2 = arm.UC_ARM_REG_R2
    R3 = arm.UC_ARM_REG_R3
    R4 = arm.UC_ARM_REG_R4
    R5 = arm.UC_ARM_REG_R5
    R6 = arm.UC_ARM_REG_R6
    R7 = arm.UC_ARM_REG_R7
    R8 = arm.UC_ARM_REG_R8
    R9 = arm.UC_ARM_REG_R9
    R10 = arm.UC_ARM_REG_R10
    R11 = arm.UC_ARM_REG_R11
    R12 = arm.UC_ARM_REG_R12
    SP = arm.UC_ARM_REG_SP
    LR = arm.UC_ARM_REG_LR
    PC = arm.UC_ARM_REG_PC
    XPSR = arm.UC_ARM_REG_XPSR
    MSP = arm.UC_ARM_REG_MSP
    PSP = arm.UC_ARM_REG_PSP
    IPSR = arm.UC_ARM_REG_IPSR
    CONTROL = arm.UC_ARM_REG_CONTROL
    PRIMASK = arm.UC_ARM_REG_PRIMASK
    BASEPRI = arm.UC_ARM_REG_BASEPRI
    FAULTMASK = arm.UC_ARM_REG_FAULTMASK
    FPSCR = arm.UC_ARM_REG_FPSCR


S0 = arm.UC_ARM_REG_S0
"""The first of 32 single-precision registers, which are numbered in a row."""


class _Batch:
    """Room for the values of some registers, and where it is, as the engine wants to be told."""

    def __init__(self, registers: tuple[int, ...]) -> None:
        count = len(registers)
        self.values = (ctypes.c_uint64 * count)()
        self.numbers = (ctypes.c_int * count)(*registers)
        self.places = (ctypes.c_void_p * count)(*(ctypes.addressof(self.values) + 8 * at for at in range(count)))


class Registers:
    """Those of the core ``uc`` executes."""

    def __init__(self, uc: Uc) -> None:
        self._uc = uc
        self._handle = uc._uch
        self._value = ctypes.c_uint64()
        self._value_at = ctypes.byref(self._value)
        self._batches: dict[tuple[int, ...], _Batch] = {}

    # -- registers ----------------------------------------------------------------------------------------

    def get(self, register: int) -> int:
        self._value.value = 0
        uclib.uc_reg_read(self._handle, register, self._value_at)
        return self._value.value & 0xFFFF_FFFF

    def put(self, register: int, value: int) -> None:
        self._value.value = value & 0xFFFF_FFFF
        uclib.uc_reg_write(self._handle, register, self._value_at)

    def get_all(self, registers: tuple[int, ...]) -> list[int]:
        """As `get` of each, in one go."""
        values = self._read_all(registers)
        return [value & 0xFFFF_FFFF for value in values]

    def put_all(self, registers: tuple[int, ...], values: Sequence[int]) -> None:
        """As `put` of each, in their order and in one go."""
        batch = self._batch(registers)
        batch.values[:] = [value & 0xFFFF_FFFF for value in values]
        uclib.uc_reg_write_batch(self._handle, batch.numbers, batch.places, len(registers))

    def reader(self, registers: Sequence[int]) -> Callable[[], bytes]:
        """What reads all of ``registers`` at once, as bytes that can be compared."""
        each = tuple(registers)
        return lambda: bytes(self._read_all(each))

    def _read_all(self, registers: tuple[int, ...]) -> ctypes.Array[ctypes.c_uint64]:
        batch = self._batch(registers)
        uclib.uc_reg_read_batch(self._handle, batch.numbers, batch.places, len(registers))
        return batch.values

    def _batch(self, registers: tuple[int, ...]) -> _Batch:
        found = self._batches.get(registers)
        if found is None:
            found = self._batches[registers] = _Batch(registers)
        return found

    def snapshot(self) -> Any:
        """All registers, to be given to `restore` of this engine."""
        return self._uc.context_save()

    def restore(self, registers: Any) -> None:
        self._uc.context_restore(registers)

    def leave_it_block(self) -> None:
        """Of a load, behind a hook that was told of it: bits of an IT block are left over, with which the instruction
        after a later load would not run."""
        status = self.get(Register.XPSR)
        if status & IT:
            self.put(Register.XPSR, status & ~IT)
