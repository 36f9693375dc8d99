"""Exceptions of the core by number, and which of those pending is taken: enable, pend, active, priority.

The rules are the architecture's (ARMv7-M B1.5, ARMv6-M B1.5). A lower number is a higher priority; of equal ones the
lower exception number goes first; a pending exception preempts only what has a lower *group* priority.

Neighbours: `core` enters and leaves, `nvic` and `scb` are the registers in front of it. Knows no register of the core:
the masks come as arguments.
"""

from __future__ import annotations

RESET, NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT = 1, 2, 3, 4, 5, 6
SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK, EXTERNAL = 11, 12, 14, 15, 16
THREAD_PRIORITY = 256
_FIXED = {NMI: -2, HARD_FAULT: -1}
NAMES = {
    0: "thread", NMI: "NMI", HARD_FAULT: "HardFault", MEM_MANAGE: "MemManage", BUS_FAULT: "BusFault",
    USAGE_FAULT: "UsageFault", SVCALL: "SVCall", DEBUG_MONITOR: "DebugMonitor", PENDSV: "PendSV", SYSTICK: "SysTick",
}  # fmt: skip


def name_of(number: int) -> str:
    """``HardFault``, ``IRQ 37``."""
    return NAMES.get(number) or f"IRQ {number - EXTERNAL}"


class Exceptions:
    """State of every exception. ``priority_bits``: how many upper bits of a priority byte the chip implements."""

    def __init__(self, irq_count: int, priority_bits: int) -> None:
        self.irq_count = irq_count
        self._mask = 0xFF & ~(0xFF >> priority_bits)
        self.pending: set[int] = set()
        self.active: list[int] = []
        self.lines: set[int] = set()
        self.nmi_reason = ""
        """What the NMI that is pending or runs was raised for; "": by the software, or there is none."""
        self.reset()

    def reset(self) -> None:
        self.enabled: set[int] = set()
        self.pending.clear()
        self.active.clear()
        self.lines.clear()
        self.nmi_reason = ""
        self.group_shift = 1
        self._priorities = [0] * (EXTERNAL + self.irq_count)

    # -- what is asked for ----------------------------------------------------------------------------------

    def raise_line(self, irq: int) -> None:
        """An interrupt line goes up, or is up still."""
        number = EXTERNAL + irq
        assert irq < self.irq_count, f"the chip has {self.irq_count} interrupts, not {irq}: please report"
        if number not in self.lines:
            self.lines.add(number)
            self.pending.add(number)

    def clear_line(self, irq: int) -> None:
        """It goes down. What is pending stays pending, as on silicon."""
        self.lines.discard(EXTERNAL + irq)

    def set_priority(self, number: int, value: int) -> None:
        """Bits the chip does not implement read as zero."""
        if number < len(self._priorities):
            self._priorities[number] = value & self._mask

    def byte(self, number: int) -> int:
        """The priority byte as its register shows it."""
        return self._priorities[number] if number < len(self._priorities) else 0

    # -- who goes first -------------------------------------------------------------------------------------

    def priority(self, number: int) -> int:
        return _FIXED.get(number, self._priorities[number])

    def group(self, priority: int) -> int:
        """The part of a priority that decides about preemption."""
        return priority if priority < 0 else priority & ~((1 << self.group_shift) - 1)

    def execution_priority(self, primask: int, basepri: int, faultmask: int) -> int:
        """Of what is running now, boosted by the masks. ``basepri`` 0: no mask."""
        current = min((self.group(self.priority(each)) for each in self.active), default=THREAD_PRIORITY)
        if basepri:
            current = min(current, self.group(basepri & self._mask))
        if primask:
            current = min(current, 0)
        if faultmask:
            current = min(current, -1)
        return current

    def next_pending(self) -> int | None:
        """The pending, enabled exception of highest priority."""
        ready = [each for each in self.pending if each < EXTERNAL or each in self.enabled]
        return min(ready, key=lambda each: (self.priority(each), each), default=None)

    def preempts(self, number: int, execution_priority: int) -> bool:
        return self.group(self.priority(number)) < execution_priority

    # -- what happens to it -----------------------------------------------------------------------------------

    def enter(self, number: int) -> None:
        self.pending.discard(number)
        self.active.append(number)

    def leave(self, number: int) -> None:
        """Its handler has returned. A line that is still up pends again."""
        self.active.remove(number)
        if number == NMI and NMI not in self.pending:
            self.nmi_reason = ""
        if number in self.lines:
            self.pending.add(number)
