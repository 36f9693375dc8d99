"""The system control block: vectors, reset request, fault status, priorities of the core's own exceptions.

Neighbours: `system_space` puts it on the bus; `core` writes fault status here and reads vectors and enables. Registers
of the MPU and of debug are storage: nothing is protected by them, and no debugger is there.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.cpu.exceptions import (
    BUS_FAULT,
    EXTERNAL,
    MEM_MANAGE,
    NMI,
    PENDSV,
    SVCALL,
    SYSTICK,
    USAGE_FAULT,
    Exceptions,
)
from emu.cpu.models import CoreModel

CPUID, ICSR, VTOR, AIRCR, SCR, CCR, SHPR1, SHCSR = 0xD00, 0xD04, 0xD08, 0xD0C, 0xD10, 0xD14, 0xD18, 0xD24
CFSR, HFSR, DFSR, MMFAR, BFAR, CPACR, MPU_TYPE = 0xD28, 0xD2C, 0xD30, 0xD34, 0xD38, 0xD88, 0xD90
FPCCR, MVFR0, MVFR1 = 0xF34, 0xF40, 0xF44
IACCVIOL, IBUSERR, PRECISERR, UNSTKERR, STKERR, BFARVALID = 1 << 0, 1 << 8, 1 << 9, 1 << 11, 1 << 12, 1 << 15
UNDEFINSTR, INVSTATE, INVPC, NOCP, STKOF, UNALIGNED = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 24
VECTTBL, FORCED, DEBUGEVT = 1 << 1, 1 << 30, 1 << 31
SLEEP_ON_EXIT, SLEEPDEEP, SEVONPEND, STKALIGN, ASPEN = 1 << 1, 1 << 2, 1 << 4, 1 << 9, 1 << 31
_KEY, _KEY_READ = 0x05FA, 0xFA05
_SYSRESETREQ, _VECTCLRACTIVE, _VECTRESET = 1 << 2, 1 << 1, 1 << 0
_PENDABLE = {31: (NMI, True), 28: (PENDSV, True), 27: (PENDSV, False), 26: (SYSTICK, True), 25: (SYSTICK, False)}
_SHCSR_ENABLES = {16: MEM_MANAGE, 17: BUS_FAULT, 18: USAGE_FAULT}
_SHCSR_ACTIVE = {0: MEM_MANAGE, 1: BUS_FAULT, 3: USAGE_FAULT, 7: SVCALL, 10: PENDSV, 11: SYSTICK}
_SHCSR_PENDING = {12: USAGE_FAULT, 13: MEM_MANAGE, 14: BUS_FAULT, 15: SVCALL}
_SMALL_CCR = STKALIGN | 1 << 3
_READ_ONLY = frozenset((CPUID, MPU_TYPE, MVFR0, MVFR1))


class SystemControl:
    """``request_reset`` is called with why, and does not return."""

    def __init__(self, model: CoreModel, exceptions: Exceptions, request_reset: Callable[[str], None]) -> None:
        self._model = model
        self._exceptions = exceptions
        self._request_reset = request_reset
        self.reset(0)

    def reset(self, vectors: int) -> None:
        """``vectors``: where the chip boots from; VTOR reads 0, which is an alias of it, before ARMv8-M."""
        self.boot_vectors = vectors
        self._words: dict[int, int] = {
            CPUID: self._model.cpuid, SCR: 0, SHCSR: 0, CFSR: 0, HFSR: 0, DFSR: 0,
            VTOR: vectors if self._model.is_v8 else 0,
            CCR: _SMALL_CCR if self._model.is_small else STKALIGN,
            MPU_TYPE: 0 if self._model.is_small else 0x800,
        }  # fmt: skip
        if self._model.has_fpu:
            self._words |= {FPCCR: ASPEN | 1 << 30, MVFR0: 0x1011_0021, MVFR1: 0x1100_0011}

    # -- for the core ---------------------------------------------------------------------------------------

    @property
    def vectors(self) -> int:
        return self._words[VTOR] or self.boot_vectors

    def has(self, register: int, bit: int) -> bool:
        return bool(self._words.get(register, 0) & bit)

    def enables(self, fault: int) -> bool:
        """Whether a configurable fault has its own handler; else it is a HardFault."""
        return any(self._words[SHCSR] >> bit & 1 for bit, number in _SHCSR_ENABLES.items() if number == fault)

    def blame(self, bits: int, *, address: int | None = None, hard: int = 0) -> None:
        """Fault status: ``bits`` of CFSR, ``hard`` of HFSR; ``address`` for BFAR. ARMv6-M has none of them."""
        if self._model.is_small:
            return
        self._words[CFSR] |= bits
        self._words[HFSR] |= hard
        if address is not None:
            self._words[CFSR] |= BFARVALID
            self._words[BFAR] = address

    @property
    def fault_status(self) -> tuple[int, int, int]:
        """CFSR, HFSR, BFAR: for whoever tells why the core locked up."""
        return self._words[CFSR], self._words[HFSR], self._words.get(BFAR, 0)

    # -- registers ------------------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        if offset == ICSR:
            return self._icsr()
        if offset == AIRCR:
            return _KEY_READ << 16 | (self._exceptions.group_shift - 1) << 8
        if offset == SHCSR:
            return self._words[SHCSR] | self._handler_states()
        if SHPR1 <= offset < SHCSR:
            first = 4 + offset - SHPR1
            return sum(self._exceptions.byte(first + lane) << 8 * lane for lane in range(4))
        return self._words.get(offset, 0)

    def write(self, offset: int, value: int, lanes: int) -> None:
        if offset == ICSR:
            for bit, (number, sets) in _PENDABLE.items():
                if value >> bit & 1:
                    (self._exceptions.pending.add if sets else self._exceptions.pending.discard)(number)
        elif offset == AIRCR:
            self._aircr(value)
        elif offset == VTOR:
            self._words[VTOR] = value & self._model.vtor_mask
        elif SHPR1 <= offset < SHCSR:
            for lane in range(4):
                if lanes >> 8 * lane & 0xFF:
                    self._exceptions.set_priority(4 + offset - SHPR1 + lane, value >> 8 * lane & 0xFF)
        elif offset in (CFSR, HFSR, DFSR):
            self._words[offset] &= ~value
        elif offset not in _READ_ONLY and not (offset == CCR and self._model.is_small):
            self._words[offset] = self._words.get(offset, 0) & ~lanes | value

    def _icsr(self) -> int:
        exceptions = self._exceptions
        first = exceptions.next_pending() or 0
        external = any(each >= EXTERNAL for each in exceptions.pending)
        running = exceptions.active[-1] if exceptions.active else 0
        value = running | first << 12 | external << 22 | (len(exceptions.active) <= 1) << 11
        for bit, (number, sets) in _PENDABLE.items():
            value |= (sets and number in exceptions.pending) << bit
        return value

    def _aircr(self, value: int) -> None:
        if value >> 16 != _KEY:
            return
        if not self._model.is_small:
            self._exceptions.group_shift = (value >> 8 & 7) + 1
        if value & _VECTCLRACTIVE:
            self._exceptions.active.clear()
        if value & (_SYSRESETREQ | _VECTRESET):
            self._request_reset("software")

    def _handler_states(self) -> int:
        active, pending = self._exceptions.active, self._exceptions.pending
        value = sum(1 << bit for bit, number in _SHCSR_ACTIVE.items() if number in active)
        return value | sum(1 << bit for bit, number in _SHCSR_PENDING.items() if number in pending)
