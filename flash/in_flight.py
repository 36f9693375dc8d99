"""An operation that has begun and not ended: how far it has come, and whether it stands still.

Neighbours: `device` holds them and tears them when power goes, `spi` starts, suspends and resumes them. Knows no
command and no cell.

A suspended erase begins its present pulse again when it is resumed (Infineon KBA223960): progress counts in whole
pulses. So an operation that is suspended again before one pulse has passed never ends, which is what a minimum gap
between resume and suspend is for.
"""

from __future__ import annotations

from flash.journal import Operation, OperationKind

FlightState = tuple[OperationKind, int, int, bytes, int, int, int, int, int]
"""Kind, address, length, data, age, duration, done, running (-1: suspended), pulse; times relative to now."""


class InFlight:
    """One operation on its way. Times in microseconds; ``pulse_us`` 0: progress is never lost."""

    def __init__(self, operation: Operation, pulse_us: int = 0) -> None:
        self.operation = operation
        self.duration_us = operation.end_us - operation.start_us
        self._pulse_us = pulse_us
        self._done_us = 0
        self._since_us: int | None = operation.start_us

    @property
    def is_suspended(self) -> bool:
        return self._since_us is None

    @property
    def end_us(self) -> int:
        """When it ends if nothing stops it; only of one that is running."""
        assert self._since_us is not None, "a suspended operation has no end: please report"
        return self._since_us + self.duration_us - self._done_us

    def progress_us(self, now_us: int) -> int:
        """How much of its duration it has behind it."""
        running = 0 if self._since_us is None else now_us - self._since_us
        return min(self.duration_us, self._done_us + running)

    def suspend(self, now_us: int) -> None:
        """Stand still. The pulse it is in is lost."""
        done = self.progress_us(now_us)
        self._done_us = max(self._done_us, done - done % self._pulse_us if self._pulse_us else done)
        self._since_us = None

    def resume(self, now_us: int) -> None:
        self._since_us = now_us

    def state(self, now_us: int) -> FlightState:
        """Everything about it as one hashable value that does not depend on when now is."""
        operation = self.operation
        running = -1 if self._since_us is None else now_us - self._since_us
        age = now_us - operation.start_us
        what = (operation.kind, operation.address, operation.length, operation.data)
        return (*what, age, self.duration_us, self._done_us, running, self._pulse_us)

    @classmethod
    def restored(cls, state: FlightState, device: str, now_us: int) -> InFlight:
        """The operation a `state` was taken of, at another moment; it may have begun before time 0."""
        kind, address, length, data, age, duration, done, running, pulse = state
        start = now_us - age
        flight = cls(Operation(kind, device, address, length, data, start, start + duration), pulse)
        flight._done_us = done
        flight._since_us = None if running < 0 else now_us - running
        return flight
