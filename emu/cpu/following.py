"""What a core reads and executes for the first time, in flash and in RAM: who asks is told, or it is written down.

The library calls for every load and every block; `first_touch` and `ram_touch` say what is new. Machine code asks them
where there is some, functions of Python with the same answers where there is none.

Neighbours: `engine` has one of these. Knows no footprint and no session.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from emu.cpu import first_touch, ram_touch
from emu.cpu.first_touch import FirstTouch
from emu.cpu.library import Uc, uclib, unicorn
from emu.cpu.native_hooks import NativeHooks, address_in_library, of_this_machine
from emu.cpu.ram_touch import RamTouch
from emu.cpu.registers import IT, Register, Registers

Sensed = Callable[[int, int], None]
_NEW_READ = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
)
_NEW_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)


class Following:
    """``call(sensed, address, size)`` is how somebody is told."""

    def __init__(
        self, uc: Uc, hooks: NativeHooks, registers: Registers, call: Callable[[Sensed, int, int], None]
    ) -> None:
        self._uc = uc
        self._hooks = hooks
        self._registers = registers
        self._call = call

    def follow(self, ranges: Sequence[tuple[int, int]], touch: FirstTouch, read: Sensed, executed: Sensed) -> None:
        """See `Engine.follow`."""

        def read_hook(_uc: Any, _access: int, address: int, size: int, _value: int, _data: Any) -> None:
            self._registers.leave_it_block()
            if touch.is_new(address, size):
                self._call(read, address, size)

        def block_hook(_uc: Any, address: int, size: int, _data: Any) -> None:
            if touch.is_new_block(address, size):
                self._call(executed, address, size)

        def last_hook(_uc: Any, address: int, _size: int, _data: Any) -> None:
            self._call(executed, address, 4)

        code = self._hooks.code(first_touch.CODE)
        if code:
            self._tell_of(touch, read, executed)
        for address, length in ranges:
            last = address + length - 1
            before = max(0, address - 4)  # an access or an instruction that begins before the range and reaches into it
            if not code:
                self._uc.hook_add(unicorn.UC_HOOK_MEM_READ, read_hook, begin=before, end=last)
                self._uc.hook_add(unicorn.UC_HOOK_BLOCK, block_hook, begin=address, end=last)
            else:
                on_read = code + of_this_machine(first_touch.ON_READ_AT)
                self._hooks.add(unicorn.UC_HOOK_MEM_READ, on_read, touch.state, before, last)
                self._hooks.add(unicorn.UC_HOOK_BLOCK, code, touch.state, address, last)
            if address:
                self._uc.hook_add(unicorn.UC_HOOK_CODE, last_hook, begin=address - 2, end=address - 1)

    def follow_ram(self, touch: RamTouch) -> None:
        """See `Engine.follow_ram`."""

        def access_hook(_uc: Any, access: int, address: int, size: int, _value: int, _data: Any) -> None:
            self._registers.leave_it_block()
            touch.note(address, size, ram_touch.WRITTEN if access == ram_touch.STORE else ram_touch.READ)

        def block_hook(_uc: Any, address: int, size: int, _data: Any) -> None:
            touch.note(address, size, ram_touch.READ)

        code = self._hooks.code(ram_touch.CODE)
        for state, base in zip(touch.states, touch.bases, strict=True):
            last = base + touch.marks.size - 1
            if not code:
                kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
                self._uc.hook_add(kinds, access_hook, begin=base, end=last)
                self._uc.hook_add(unicorn.UC_HOOK_BLOCK, block_hook, begin=base, end=last)
                continue
            _lend_registers(state, ram_touch)
            on_access = code + of_this_machine(ram_touch.ON_ACCESS_AT)
            self._hooks.add(unicorn.UC_HOOK_MEM_READ, on_access, state, base, last)
            self._hooks.add(unicorn.UC_HOOK_MEM_WRITE, on_access, state, base, last)
            self._hooks.add(unicorn.UC_HOOK_BLOCK, code, state, base, last)

    def _tell_of(self, touch: FirstTouch, read: Sensed, executed: Sensed) -> None:
        """Whom the machine code tells of what is new."""
        touch.state[first_touch.NEW_READ] = self._hooks.kept(
            _NEW_READ(lambda _uc, _access, address, size, _value, _data: self._call(read, address, size))
        )
        touch.state[first_touch.NEW_BLOCK] = self._hooks.kept(
            _NEW_BLOCK(lambda _uc, address, size, _data: self._call(executed, address, size))
        )
        _lend_registers(touch.state, first_touch)


def _lend_registers(state: Any, words: Any) -> None:
    """What machine code needs for `Registers.leave_it_block`, in the ``words`` of its state."""
    state[words.REG_READ] = address_in_library(uclib.uc_reg_read)
    state[words.REG_WRITE] = address_in_library(uclib.uc_reg_write)
    state[words.STATUS_REGISTER], state[words.IT] = int(Register.XPSR), IT
