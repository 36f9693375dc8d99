"""The fast lane of flash: plain programs, and the registers around them, done by machine code inside the engine.

A copy of some kilobytes is hundreds of programs, each with some accesses to the same two registers, and each access
would cost a call of Python. Where a controller says what a plain program takes (`faces.LaneRules`), the machine code of
`lane_code` does it on the controller's own words and cells, and writes it down. Before any Python of ours runs the list
is caught up with: time, journal, footprint and counts are then what they would be without. Whatever is not plain goes
the long way: a program onto cells that are not blank, one that an alarm would interrupt, any other register.

Neighbours: `machine` makes one and closes it for reasons; `engine` registers the code. `flash.device` records what was
done. A run is the same with and without (`Machine(native=False)`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from emu.cpu import lane_code as code
from emu.cpu.chip import FlashEntry as ChipFlash
from emu.cpu.clock import BYTES_PER_CYCLE, MICROSECONDS
from emu.cpu.core import Core
from emu.cpu.faces import HasLane, LaneRules
from flash.device import FlashDevice

WATCHED, ATTENDED, GUARDED, INTERRUPTED, TROUBLED, ACCOMPANIED = (1 << bit for bit in range(6))
"""Why a lane is closed: every access is being listed; somebody wants to hear of every store; the controller protects
something; an interruption is planned, or every point is looked at; the array has weak cells, or bits that are stuck; a
memory beside the chip is at work as well, so that entries of the journal have an order to be found out."""
CAPACITY = 1 << 12
_NEVER = 1 << 62
_ROW_WORDS = 5


class FlashLane:
    """In front of ``controller`` and ``device``, for as long as both live. ``place``: where both stand. ``caught_up``
    is called when it has caught up."""

    def __init__(
        self, rules: LaneRules, controller: HasLane, device: FlashDevice, core: Core, place: ChipFlash,
        caught_up: Callable[[], None],
    ) -> None:  # fmt: skip
        self.registers = place.registers
        self.base = place.address
        self._caught_up = caught_up
        self.state = (ctypes.c_uint64 * code.WORDS)()
        self.behind = (ctypes.c_uint64 * 1).from_buffer(self.state, code.PENDING * 8)
        """How many programs were done that nobody has heard of."""
        self._ring: NDArray[np.uint64] = np.zeros((CAPACITY, _ROW_WORDS), np.uint64)
        self._plain, self._clear = _table(rules.plain, controller.size), _table(rules.clear, controller.size)
        self._controller, self._device, self._core = controller, device, core
        self._operand = rules.width * rules.stores or 1
        self._duration_us = 0
        state, cells = self.state, device.cells
        state[code.REGISTERS_SIZE] = controller.size
        state[code.GATE], state[code.CALM], state[code.ARMED] = rules.gate // 4, rules.calm, rules.armed
        state[code.KEPT] = rules.kept
        state[code.STATUS], state[code.ERRORS] = rules.status // 4, rules.errors
        state[code.DONE], state[code.HALF] = rules.done, rules.half
        state[code.WIDTH], state[code.WIDTH_SHIFT] = rules.width, rules.width_shift
        state[code.STORES], state[code.BLANK], state[code.EMPTY] = rules.stores, rules.blank, cells.erased
        state[code.UNIT_SHIFT] = device.geometry.unit.bit_length() - 1
        state[code.ROOM] = CAPACITY
        for word, array in (
            (code.WORD_AT, controller.words), (code.PLAIN, self._plain), (code.CLEAR, self._clear),
            (code.CELLS, cells.data), (code.USES, cells.uses), (code.BROKEN, cells.broken),
            (code.LATCH, controller.latch.words), (code.RING, self._ring),
        ):  # fmt: skip
            state[word] = 0 if array is None else array.ctypes.data

    def count_with(self, counts: ctypes.Array[ctypes.c_uint64]) -> None:
        """Accesses to registers are counted as the bus counts them."""
        self.state[code.COUNTS] = ctypes.addressof(counts)

    # -- open and closed ------------------------------------------------------------------------------------

    def close(self, reason: int, closed: bool) -> None:
        """For ``reason``, one of those above, nothing goes through any more; or that reason is gone."""
        before = self.state[code.CLOSED]
        self.state[code.CLOSED] = before | reason if closed else before & ~reason

    def begin(self) -> None:
        """A session begins: what the array and its controller are like now."""
        self.ask_controller()
        device = self._device
        journal, cells = device.journal, device.cells
        steady_us = device.timing.steady_program_us(self._operand)
        self.close(INTERRUPTED, journal.interruption is not None or journal.is_watched)
        self.close(TROUBLED, cells.weak is not None or cells.defects is not None or steady_us is None)
        self._duration_us = steady_us or 0

    def ask_controller(self) -> None:
        """After everything the controller was given the long way."""
        self.close(GUARDED, not self._controller.is_unprotected)

    def expect(self) -> None:
        """How long until an alarm rings, or anything else is to happen, has changed, or how fast the core runs: what it
        happens in goes the long way."""
        time = self._core.time
        state = self.state
        state[code.COST] = (self._duration_us * time.hz // MICROSECONDS + 1) * BYTES_PER_CYCLE
        times = [us for us in (time.clock.next_alarm_us, self._core.agenda.next_us) if us is not None]
        if not times:
            state[code.ALARM] = _NEVER
            return
        alarm_us = min(times)
        ahead = max(0, alarm_us - time.clock.now_us - 2) * time.hz // MICROSECONDS * BYTES_PER_CYCLE
        state[code.ALARM] = self._core.charged + ahead + state[code.SPENT]

    # -- what was done -----------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Time, journal and all counts are what they would be had every program gone the long way."""
        state, core = self.state, self._core
        count = state[code.PENDING]
        state[code.PENDING] = state[code.SPENT] = 0
        ring, duration_us = self._ring[:count].tolist(), self._duration_us
        began = core.charge_to_each([executed for *_, executed in ring], duration_us)
        programs = [
            (address, (low | high << 64).to_bytes(length, "little"), start_us)
            for (address, low, high, length, _), start_us in zip(ring, began, strict=True)
        ]
        self._device.programmed(programs, duration_us)
        self._caught_up()
        self.expect()


def _table(bits: Mapping[int, int], size: int) -> NDArray[np.uint32]:
    found = np.zeros(size // 4, np.uint32)
    for offset, mask in bits.items():
        found[offset // 4] = mask
    return found
