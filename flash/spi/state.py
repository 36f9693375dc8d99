"""What a serial chip forgets when power goes: latches, modes, and when it will listen again.

Neighbours: `spi` owns one, `register_file` keeps the volatile registers beside it. Knows no command. A reset of the
host changes nothing in here: that is the difference between a chip of its own and an array inside an MCU.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

PROGRAM_FAILED, ERASE_FAILED, PROTECTION_HIT = 1, 2, 4

StateValue = tuple[object, ...]


@dataclass(slots=True)
class ChipState:
    """Latches and modes after power-up, as the field defaults say; ``*_us`` are moments of the chip's clock.

    ``powered_us``: power became good. ``ready_us``: deaf before it (reset recovery, leaving deep power-down).
    ``busy_until_us``: BUSY without an array operation (suspend latency, evaluating an erase). ``resumed_us``: the last
    resume; -1: none. ``continuous``: opcode of the read that the next frame continues, 0: none. ``writing``: the
    registers a write in flight is for. ``errors``: sticky failure flags. ``otp_mode``: array commands reach the
    one-time-programmable area. ``erase_complete``: what the last evaluation of an erase said.
    """

    powered_us: int = 0
    ready_us: int = 0
    busy_until_us: int = 0
    resumed_us: int = -1
    write_enabled: bool = False
    volatile_write: bool = False
    reset_enabled: bool = False
    powered_down: bool = False
    wide: bool = False
    upper_address: int = 0
    quad: bool = False
    continuous: int = 0
    otp_mode: bool = False
    erase_complete: bool = False
    errors: int = 0
    writing: tuple[int, ...] = ()

    def value(self, now_us: int, settles_us: int) -> StateValue:
        """Hashable, and the same whenever now is. Moments that have passed no longer differ; nor does for how long
        power has been good, after ``settles_us``."""
        times = (
            min(now_us - self.powered_us, settles_us),
            max(0, self.ready_us - now_us),
            max(0, self.busy_until_us - now_us),
            -1 if self.resumed_us < 0 else now_us - self.resumed_us,
        )
        return (*times, *astuple(self)[len(times) :])

    @classmethod
    def of(cls, value: StateValue, now_us: int) -> ChipState:
        state = cls(*value)  # type: ignore[arg-type]
        state.powered_us = now_us - state.powered_us
        state.ready_us += now_us
        state.busy_until_us += now_us
        if state.resumed_us >= 0:
            state.resumed_us = now_us - state.resumed_us
        return state
