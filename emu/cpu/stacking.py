"""What exception entry puts on the stack, and what a return takes from it.

Eight words, and on a core that has used its floating-point registers eighteen more, written at once: the lazy way of
the silicon writes the same words at the same addresses later. Neighbours: `core` calls both; `memory` holds the stack.
"""

from __future__ import annotations

import struct

from emu.cpu.contract import BusFault
from emu.cpu.engine import Engine
from emu.cpu.memory import AddressSpace
from emu.cpu.registers import S0, Register

FRAME, FLOAT_FRAME = 0x20, 0x68
_PUSHED = (Register.R0, Register.R1, Register.R2, Register.R3, Register.R12, Register.LR)
_FLOATS = tuple(range(S0, S0 + 16))
SPSEL, FPCA = 2, 4
THUMB = 1 << 24
ALIGNED = 1 << 9
"""Of a stacked xPSR: a word was left out to align the stack to eight bytes."""
TO_HANDLER, TO_MAIN, TO_PROCESS = 0xFFFF_FFF1, 0xFFFF_FFF9, 0xFFFF_FFFD
NO_FLOAT = 0x10
RETURNS = frozenset((TO_HANDLER, TO_MAIN, TO_PROCESS))
FLOAT_RETURNS = frozenset(each & ~NO_FLOAT for each in RETURNS)
SECURE = 0x41
"""Bits of such a value on ARMv8-M that say which world is returned to. Without a second one both are 0; everywhere here
a value has them set, as before ARMv8-M."""


def push(
    engine: Engine, memory: AddressSpace, return_address: int, *, aligned: bool, with_floats: bool
) -> tuple[int, bool]:
    """Returns what goes into LR, and whether memory took the frame: it does not when the stack has left its RAM, and
    the stack pointer moves all the same."""
    status, control = engine.get(Register.XPSR), engine.get(Register.CONTROL)
    in_thread = not status & 0x1FF
    bank = Register.PSP if in_thread and control & SPSEL else Register.MSP
    floats = with_floats and bool(control & FPCA)
    top = engine.get(bank)
    bottom = top - (FLOAT_FRAME if floats else FRAME)
    gap = bottom & 4 if aligned or floats else 0
    bottom = (bottom - gap) & 0xFFFF_FFFF
    words = engine.get_all(_PUSHED)
    words += [return_address & ~1, status & ~ALIGNED | (ALIGNED if gap else 0)]
    if floats:
        words += [*engine.get_all(_FLOATS), engine.get(Register.FPSCR), 0]
        engine.put(Register.CONTROL, control & ~FPCA)
        engine.put(Register.FPSCR, 0)
    engine.put(bank, bottom)
    back = TO_HANDLER if not in_thread else TO_PROCESS if bank is Register.PSP else TO_MAIN
    try:
        memory.write(bottom, struct.pack(f"<{len(words)}I", *words))
    except BusFault:
        return back & ~(NO_FLOAT if floats else 0), False
    return back & ~(NO_FLOAT if floats else 0), True


def pop(engine: Engine, memory: AddressSpace, value: int) -> None:
    """Undo `push` as ``value`` says, which was loaded into the program counter. Raises BusFault where no memory is.

    The core is in the mode it returns to, and on the stack it returns to, when this has returned.
    """
    floats = not value & NO_FLOAT
    process = value | NO_FLOAT == TO_PROCESS
    bank = Register.PSP if process else Register.MSP
    bottom = engine.get(bank)
    size = FLOAT_FRAME if floats else FRAME
    words = struct.unpack(f"<{size // 4}I", memory.read(bottom, size))
    status = words[7]
    engine.put(Register.XPSR, status & ~ALIGNED)
    if value | NO_FLOAT != TO_HANDLER:
        control = engine.get(Register.CONTROL) & ~(SPSEL | FPCA)
        engine.put(Register.CONTROL, control | (SPSEL if process else 0) | (FPCA if floats else 0))
    elif floats:
        engine.put(Register.CONTROL, engine.get(Register.CONTROL) | FPCA)
    engine.put(bank, bottom + size + (4 if status & ALIGNED else 0))
    engine.put_all(_PUSHED, words[: len(_PUSHED)])
    if floats:
        engine.put_all(_FLOATS, words[8:24])
        engine.put(Register.FPSCR, words[24])
    engine.put(Register.PC, words[6] & ~1 | (1 if status & THUMB else 0))
