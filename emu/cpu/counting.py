"""Loops that only count: what a thousand rounds of one do is worked out from one, and need not be run.

A busy delay adds to a register or a word of RAM until that has some value. Every round takes the same way, and what one
round finds differs from what the last one found by a constant. So how many rounds go the same way is a matter of
arithmetic, and so is what they leave; time goes on by the code they would have run. Rounds that are left out are
followed by one that is run: what a round leaves besides (flags, what it reads again) is right, and everything it looks
at was looked at. Nothing happens meanwhile that is not the core's doing: who asks says how much time there is.

Neighbours: `core` asks after long slices; `thumb` decodes. What is not understood is run, as always. `steady` is for
loops that do not even count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emu.cpu.engine import Engine
from emu.cpu.memory import AddressSpace, Window
from emu.cpu.registers import Register
from emu.cpu.thumb import ALWAYS, EQ, MASK, NE, PC, Step, decode

LONGEST = 40
"""Instructions of one round."""
WORTH_IT = 64
"""Rounds; fewer are run."""
_SIGN = 1 << 31
Cell = tuple[int, int]
"""A register, as (-1, number), or a word of RAM: the memory and the offset in it."""
Value = tuple[Cell | None, int]
"""A number, or what a cell held when the round began, and so much more."""
_UNSIGNED, _SIGNED, _OF_RESULT = (2, 3, 8, 9), (10, 11, 12, 13), (4, 5)


class _Unknown(Exception):
    """No loop that only counts."""


@dataclass(slots=True)
class _Round:
    """One round as it goes now: instructions with the memory they touch and, of a branch, whether it is taken."""

    steps: list[tuple[Step, Cell | None, bool]] = field(default_factory=list)
    length: int = 0
    found: dict[Cell, int] = field(default_factory=dict)
    """What the cells hold that are read before they are written."""
    written: set[Cell] = field(default_factory=set)


Flags = tuple[str, Value, Value]
"""Of a difference of two values ("sub"), or of a value ("is")."""


class Counting:
    """``engine`` stands between two blocks of code. ``is_watched``: whether a word of flash does something when it is
    read."""

    def __init__(self, engine: Engine, memory: AddressSpace, is_watched: Callable[[], bool]) -> None:
        self._engine = engine
        self._memory = memory
        self._is_watched = is_watched
        self._views: dict[int, Window] = {}
        self._foreign: dict[int, tuple[int, bytes]] = {}
        """By where a round was begun to be followed: an instruction on its way that is not understood."""

    def skip(self, room: int) -> int:
        """Leaves out rounds of the loop the core is in, for which at most ``room`` bytes of code would run, one round
        less. Returns how many bytes of code have now run besides; 0: none."""
        if self._is_watched():
            return 0
        try:
            one = self._follow()
            gains, rounds = self._solve(one)
        except _Unknown:
            return 0
        rounds = min(rounds, room // one.length) - 1
        if rounds < WORTH_IT:
            return 0
        for cell, gain in gains.items():
            if gain:
                self._put(cell, one.found[cell] + gain * rounds & MASK)
        return rounds * one.length

    # -- one round as it goes ---------------------------------------------------------------------------------

    def _follow(self) -> _Round:
        one, values = _Round(), dict[Cell, int]()
        begin = address = self._engine.get(Register.PC)
        code = self._code(begin)
        if begin in self._foreign:
            at, foreign = self._foreign[begin]
            if code.content[at : at + 4] == foreign:
                raise _Unknown
        flags: tuple[str, int, int] | None = None

        def read(cell: Cell) -> int:
            if cell not in values:
                values[cell] = one.found[cell] = self._get(cell)
            return values[cell]

        for _ in range(LONGEST):
            at = address - code.address
            if not 0 <= at <= len(code.content) - 4:
                raise _Unknown
            words = code.content[at : at + 4]
            step = decode(address, words[0] | words[1] << 8, words[2] | words[3] << 8)
            if step is None:
                self._foreign[begin] = at, bytes(words)
                raise _Unknown
            one.length += step.size
            address += step.size
            cell, is_taken = None, False
            if step.what == "branch" and step.condition == ALWAYS:
                address = step.value
            elif step.what in ("branch", "zero", "other"):
                if step.what == "branch":
                    if flags is None:
                        raise _Unknown
                    is_taken = _holds(step.condition, *flags)
                else:
                    is_taken = (read((-1, step.rn)) == 0) == (step.what == "zero")
                address = step.value if is_taken else address
            elif step.what == "load" and step.rn == PC:
                step = _literal(step, code)
                values[(-1, step.rd)] = step.value
                one.written.add((-1, step.rd))
            elif step.what in ("load", "store"):
                cell = self._place(read((-1, step.rn)) + step.value)
                if step.what == "load":
                    values[(-1, step.rd)] = read(cell)
                    one.written.add((-1, step.rd))
                else:
                    values[cell] = read((-1, step.rd))
                    one.written.add(cell)
            elif step.what != "nothing":
                flags = _apply(step, read, values, one.written) or flags
            one.steps.append((step, cell, is_taken))
            if address == begin:
                return one
        raise _Unknown

    # -- all rounds that go like it ---------------------------------------------------------------------------

    def _solve(self, one: _Round) -> tuple[dict[Cell, int], int]:
        """What every cell gains in a round, and how many rounds go the same way, this one included."""
        now: dict[Cell, Value] = {}
        tests: list[tuple[int, bool, Flags]] = []
        flags: Flags | None = None

        def read(cell: Cell) -> Value:
            if cell in now:
                return now[cell]
            return (cell, 0) if cell in one.written else (None, one.found[cell])

        for step, cell, is_taken in one.steps:
            second: Value = (None, step.value) if step.rm < 0 else read((-1, step.rm))
            match step.what:
                case "branch" if step.condition != ALWAYS:
                    assert flags is not None, "a branch that was followed without flags: please report"
                    tests.append((step.condition, is_taken, flags))
                case "zero" | "other":
                    condition = EQ if step.what == "zero" else NE
                    tests.append((condition, is_taken, ("is", read((-1, step.rn)), (None, 0))))
                case "load" | "store":
                    assert cell is not None, "a word without a place: please report"
                    if read((-1, step.rn))[0] is not None:
                        raise _Unknown
                    if step.what == "load":
                        now[(-1, step.rd)] = read(cell)
                    else:
                        now[cell] = read((-1, step.rd))
                case "move":
                    now[(-1, step.rd)] = second
                    flags = ("is", second, (None, 0)) if step.flags else flags
                case "add" | "sub":
                    first = read((-1, step.rn))
                    if step.rd >= 0:
                        now[(-1, step.rd)] = _sum(first, second, step.what)
                    if step.flags:
                        is_sum = step.what == "add"
                        flags = ("is", _sum(first, second, "add"), (None, 0)) if is_sum else ("sub", first, second)
        gains = {cell: _gain(cell, now[cell], one) for cell in one.written if cell in one.found}
        rounds = min((_rounds(*test, one, gains) for test in tests), default=1 << 62)
        return gains, rounds

    # -- the machine ------------------------------------------------------------------------------------------

    def _code(self, address: int) -> Window:
        for window in self._memory.windows:
            if not window.is_ram and window.holds(address, 4):
                return window
        raise _Unknown

    def _place(self, address: int) -> Cell:
        """Of a word; one memory may be there under several addresses."""
        address &= MASK
        for window in self._memory.windows:
            if window.holds(address, 4) and not address & 3:
                if not window.is_ram:
                    raise _Unknown
                self._views[id(window.content.obj)] = window
                return id(window.content.obj), address - window.address
        raise _Unknown

    def _get(self, cell: Cell) -> int:
        memory, at = cell
        if memory == -1:
            return self._engine.get(Register.R0 + at if at <= 12 else (Register.SP, Register.LR)[at - 13])
        return int.from_bytes(self._views[memory].content[at : at + 4], "little")

    def _put(self, cell: Cell, value: int) -> None:
        memory, at = cell
        if memory == -1:
            self._engine.put(Register.R0 + at if at <= 12 else (Register.SP, Register.LR)[at - 13], value)
        else:
            self._views[memory].content[at : at + 4] = value.to_bytes(4, "little")


def _literal(step: Step, code: Window) -> Step:
    """A load of a constant that stands beside the code."""
    at = step.value - code.address
    if not 0 <= at <= len(code.content) - 4:
        raise _Unknown
    value = int.from_bytes(code.content[at : at + 4], "little")
    return Step("move", step.size, step.rd, value=value)


def _apply(
    step: Step, read: Callable[[Cell], int], values: dict[Cell, int], written: set[Cell]
) -> tuple[str, int, int] | None:
    """What "move", "add" and "sub" do; the flags that are set."""
    second = step.value if step.rm < 0 else read((-1, step.rm))
    if step.what == "move":
        result, flags = second, ("is", second, 0)
    else:
        first = read((-1, step.rn))
        result = (first + second if step.what == "add" else first - second) & MASK
        flags = ("is", result, 0) if step.what == "add" else ("sub", first, second)
    if step.rd >= 0:
        values[(-1, step.rd)] = result
        written.add((-1, step.rd))
    return flags if step.flags else None


def _sum(first: Value, second: Value, what: str) -> Value:
    (one, value), (other, more) = first, second
    if other is not None and (one is not None or what == "sub"):
        raise _Unknown
    return one or other, (value + more if what == "add" else value - more) & MASK


def _gain(cell: Cell, after: Value, one: _Round) -> int:
    """How much ``cell`` has more after a round, as a signed number."""
    origin, value = after
    if origin == cell:
        return _signed(value)
    if origin is None and value == one.found[cell]:
        return 0
    raise _Unknown


def _holds(condition: int, kind: str, first: int, second: int) -> bool:
    """Whether a branch under ``condition`` is taken (A7.3, of the flags of a comparison or of a result)."""
    difference = first - second & MASK
    if condition >> 1 == 0:
        return (difference == 0) == (condition == EQ)
    if condition in _OF_RESULT:
        return bool(difference & _SIGN) == (condition == _OF_RESULT[0])
    if kind != "sub":
        raise _Unknown
    if condition in _UNSIGNED:
        answer = first >= second if condition < 4 else first > second
    elif condition in _SIGNED:
        one, other = _signed(first), _signed(second)
        answer = one >= other if condition < 12 else one > other
    else:
        raise _Unknown
    return answer == (condition % 2 == 0)


def _rounds(condition: int, is_taken: bool, flags: Flags, one: _Round, gains: dict[Cell, int]) -> int:
    """How many rounds a branch goes the way it does: until the value that counts is where it turns, or leaves the
    numbers among which it only ever grows or only ever falls."""
    kind, *operands = flags
    starts = [value if cell is None else one.found[cell] + value & MASK for cell, value in operands]
    steps = [0 if cell is None else gains.get(cell, 0) for cell, _ in operands]
    if not any(steps):
        return 1 << 62
    if all(steps):
        raise _Unknown
    step = steps[0] or steps[1]
    if kind == "sub" and condition in _OF_RESULT:  # of the difference, which then counts itself
        starts, steps = [starts[0] - starts[1] & MASK, 0], [step if steps[0] else -step, 0]
        kind, step = "is", steps[0]
    is_signed = condition in _SIGNED or condition in _OF_RESULT
    moving = _signed(starts[steps.index(step)]) if is_signed else starts[steps.index(step)]
    least, most = (-_SIGN, _SIGN - 1) if is_signed else (0, MASK)
    last = (most - moving) // step if step > 0 else (moving - least) // -step

    def goes_on(rounds: int) -> bool:
        now = [start + gain * rounds & MASK for start, gain in zip(starts, steps, strict=True)]
        return _holds(condition, kind, now[0], now[1]) == is_taken

    if condition >> 1 == 0:
        are_equal = is_taken == (condition == EQ)
        return 1 if are_equal else _until_equal(moving, starts[1 - steps.index(step)], step, last)
    first, end = 0, last + 1  # it goes on at the first, and does not for certain at the end
    while end - first > 1:
        middle = (first + end) // 2
        first, end = (middle, end) if goes_on(middle) else (first, middle)
    return end


def _until_equal(moving: int, target: int, step: int, last: int) -> int:
    """Rounds until a value that moves by ``step`` is ``target``, or behind ``last`` more."""
    rounds, rest = divmod(target - moving, step)
    return rounds if rest == 0 and 0 <= rounds <= last else last + 1


def _signed(value: int) -> int:
    return value - (1 << 32) if value & _SIGN else value
