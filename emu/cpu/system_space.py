"""The private peripherals of the core at 0xE0000000: SysTick, NVIC, SCB, cycle counter; everything else is storage.

Neighbours: `bus` calls it like a peripheral. A register is a word; narrower accesses carry lanes, so that a flag that
is cleared by a 1 is not cleared by bytes that were not written. Registers nobody has modelled are counted.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.cpu.clock import CoreClock
from emu.cpu.exceptions import EXTERNAL, Exceptions
from emu.cpu.scb import SystemControl
from emu.cpu.systick import SysTick

BASE = 0xE000_0000
SIZE = 0x10_0000
_SCS, _SYSTICK, _DWT = 0xE000, 0xE010, 0x1000
_ISER, _ICER, _ISPR, _ICPR, _IABR, _IPR, _NVIC_END, _STIR = 0x100, 0x180, 0x200, 0x280, 0x300, 0x400, 0x500, 0xF00
_CYCCNT, _CYCCNTENA = _DWT + 4, 1
_DEMCR, _TRCENA = _SCS + 0xDFC, 1 << 24
# What start-up code of vendors and CMSIS touches without an effect on what it does: auxiliary control, MPU, FPU,
# caches, debug; trace, breakpoints and ROM tables.
_PLAIN = ((0x0000, 0x4000), (_SCS + 0x004, _SCS + 0x010), (_SCS + 0xD3C, _SCS + 0xE00), (_SCS + 0xF34, _SCS + 0x1000))
_WHOLE_WORD = 0xFFFF_FFFF


class SystemSpace:
    """``unknown(name, offset, kind)`` counts what is not modelled."""

    TIMED = (_SYSTICK, _SYSTICK + 8, _CYCCNT)
    """Registers that change by themselves."""

    def __init__(
        self,
        control: SystemControl,
        exceptions: Exceptions,
        systick: SysTick,
        clock: Callable[[], CoreClock],
        unknown: Callable[[str, int, str], None],
    ) -> None:
        self._control = control
        self._exceptions = exceptions
        self._systick = systick
        self._clock = clock
        self._unknown = unknown
        self.reset()

    def reset(self) -> None:
        """A system reset. Trace and debug survive one on silicon; here nothing depends on them but the cycle
        counter."""
        self._stored: dict[int, int] = {}
        self._counter_base = 0

    def read(self, offset: int, size: int) -> int:
        word = self._read(offset & ~3)
        return word >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def shown(self, offset: int) -> int:
        """What a word holds, without the effects of a read."""
        if _SYSTICK <= offset < _SYSTICK + 0x10:
            return self._systick.shown(offset - _SYSTICK, self._clock())
        counted, self._unknown = self._unknown, lambda _name, _offset, _kind: None
        try:
            return self._read(offset)
        finally:
            self._unknown = counted

    def write(self, offset: int, size: int, value: int) -> None:
        shift = 8 * (offset & 3)
        self._write(offset & ~3, value << shift & _WHOLE_WORD, ((1 << 8 * size) - 1) << shift & _WHOLE_WORD)

    def _read(self, offset: int) -> int:
        at = offset - _SCS
        if _SYSTICK <= offset < _SYSTICK + 0x10:
            return self._systick.read(offset - _SYSTICK, self._clock())
        if _ISER <= at < _NVIC_END:
            return self._read_nvic(at)
        if 0xD00 <= at < 0xD3C or 0xF34 <= at < 0xF48:
            return self._control.read(at)
        if offset == _CYCCNT:
            return self._cycles() & _WHOLE_WORD
        if offset not in self._stored and not _is_plain(offset):
            self._unknown("system", BASE + offset, "read")
        return self._stored.get(offset, 0)

    def _write(self, offset: int, value: int, lanes: int) -> None:
        at = offset - _SCS
        if _SYSTICK <= offset < _SYSTICK + 0x10:
            self._systick.write(offset - _SYSTICK, value, self._clock())
        elif _ISER <= at < _NVIC_END:
            self._write_nvic(at, value, lanes)
        elif 0xD00 <= at < 0xD3C or 0xF34 <= at < 0xF48:
            self._control.write(at, value, lanes)
        elif at == _STIR:
            self._pend_external(value & 0x1FF)
        elif offset == _CYCCNT:
            self._stored[_CYCCNT] = value
            self._counter_base = self._clock().cycles - value
        else:
            self._store(offset, value, lanes)

    def _store(self, offset: int, value: int, lanes: int) -> None:
        if not _is_plain(offset):
            self._unknown("system", BASE + offset, "write")
        before = self._cycles()
        self._stored[offset] = self._stored.get(offset, 0) & ~lanes | value
        if offset in (_DWT, _DEMCR):
            self._stored[_CYCCNT] = before  # where a counter that stops stands, and one that starts begins
            self._counter_base = self._clock().cycles - before

    def _cycles(self) -> int:
        """CYCCNT counts while trace and the counter are enabled."""
        counts = self._stored.get(_DWT, 0) & _CYCCNTENA and self._stored.get(_DEMCR, 0) & _TRCENA
        return self._clock().cycles - self._counter_base if counts else self._stored.get(_CYCCNT, 0)

    # -- NVIC -----------------------------------------------------------------------------------------------

    def _read_nvic(self, at: int) -> int:
        exceptions = self._exceptions
        if at >= _IPR:
            first = EXTERNAL + at - _IPR
            return sum(exceptions.byte(first + lane) << 8 * lane for lane in range(4))
        members = exceptions.enabled if at < _ISPR else exceptions.pending if at < _IABR else set(exceptions.active)
        first = EXTERNAL + (at & 0x7F) // 4 * 32
        return sum(1 << bit for bit in range(32) if first + bit in members)

    def _write_nvic(self, at: int, value: int, lanes: int) -> None:
        exceptions = self._exceptions
        if at >= _IPR:
            for lane in range(4):
                if lanes >> 8 * lane & 0xFF:
                    exceptions.set_priority(EXTERNAL + at - _IPR + lane, value >> 8 * lane & 0xFF)
            return
        first = (at & 0x7F) // 4 * 32
        for bit in range(32):
            number = EXTERNAL + first + bit
            if not value >> bit & 1 or first + bit >= exceptions.irq_count:
                continue
            if at < _ICER:
                exceptions.enabled.add(number)
            elif at < _ISPR:
                exceptions.enabled.discard(number)
            elif at < _ICPR:
                exceptions.pending.add(number)
            elif at < _IABR and number not in exceptions.lines:
                exceptions.pending.discard(number)

    def _pend_external(self, irq: int) -> None:
        if irq < self._exceptions.irq_count:
            self._exceptions.pending.add(EXTERNAL + irq)


def _is_plain(offset: int) -> bool:
    return any(first <= offset < end for first, end in _PLAIN)
