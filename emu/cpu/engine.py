"""The processor: instructions, registers and memory, one slice at a time.

An `Engine` runs code until something happens that is not its business (`Stop`): an exception, a sleep, an access nobody
answers, the end of a slice. It knows no exception entry, no interrupt, no time and no peripheral.

Facts it stands on, all of unicorn 2.1.4, each with a test:
- A mode of M-class cores would force a Cortex-M33; a Thumb machine with a core model set afterwards is what is asked
  for.
- RAM of ours mapped with all rights and then protected as read and execute does not take a store, and the hook that is
  told of the store needs no fix-up after it. (Mapped as read and execute at once, the raw value lands.)
- A store that is not aligned comes once as it was made and then byte by byte; the first is not for the flash.
- Translated code is dropped by a range that begins in executable memory and does not leave that piece of it; any other
  range is taken, and nothing is dropped.
- ``emu_stop`` inside a register access leaves the instruction half done. So a request to stop is a limit of 0: the
  slice ends before the next block, and ``emu_stop`` is for what will never be resumed or starts again at that
  instruction.
- A Cortex-M33 is in the secure world, where bit 3 of CONTROL says that floating-point registers were used. Nothing else
  of that world is seen without the instructions that leave it.
- An exception must not cross its C code: it is kept, and raised when the engine has returned.

Neighbours: `core` runs slices and reacts, `bus` gives the callbacks, `block_counter` ends the slices, `following`
tells of first accesses, `translations` knows what is translated.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.cpu.block_counter import (
    ADDRESS,
    COUNT,
    DIRTY,
    DIRTY_SIZE,
    FOLD,
    LIMIT,
    SIZE,
    STOP,
    STOPPED,
    WORDS,
)
from emu.cpu.block_counter import CODE as COUNTER_CODE
from emu.cpu.first_touch import FirstTouch
from emu.cpu.following import Following, Sensed
from emu.cpu.lane_code import BASE as LANE_BASE
from emu.cpu.lane_code import BLOCK, ON_STORE_AT, ON_WRITE_AT, READ, STORE, WRITE
from emu.cpu.lane_code import CODE as LANE_CODE
from emu.cpu.lane_code import FOLD as LANE_FOLD
from emu.cpu.lane_code import ON_READ_AT as LANE_READ_AT
from emu.cpu.lane_code import REGISTERS as LANE_REGISTERS
from emu.cpu.library import Uc, UcError, uclib, unicorn
from emu.cpu.library import arm_const as arm
from emu.cpu.native_hooks import NativeHooks, address_in_library, of_this_machine
from emu.cpu.ram_touch import RamTouch
from emu.cpu.registers import Register, Registers
from emu.cpu.stops import NOTHING, SLEEP, Halted, Refused, Stop, StopKind
from emu.cpu.translations import WIDE, Translations

ReadRegister = Callable[[int, int], int]
WriteRegister = Callable[[int, int, int], None]
StoreToFlash = Callable[[int, int, int], bool]
_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p)
_STORE = ctypes.CFUNCTYPE(
    ctypes.c_bool, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
)

_MODELS = {
    "cortex-m0": arm.UC_CPU_ARM_CORTEX_M0,
    "cortex-m0+": arm.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm.UC_CPU_ARM_CORTEX_M33,
}
_INTERRUPTS: dict[int, StopKind] = {
    2: "call", 3: "fetch", 4: "unaligned", 7: "breakpoint", 8: "fetch", 17: "no-coprocessor", 18: "not-thumb",
    19: "stack-limit",
}  # fmt: skip
_BAD_FETCH = (unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_FETCH_PROT, unicorn.UC_ERR_EXCEPTION)
_NO_EXIT = 0xF000_0001
"""An address no program counter ever holds: the engine must not end anywhere by itself."""
_WFE, _YIELD = (b"\x20\xbf", b"\xaf\xf3\x02\x80"), (b"\x10\xbf", b"\xaf\xf3\x01\x80")
_KINDS: dict[type[Exception], StopKind] = {Refused: "refused-access", Halted: "halted"}
_THUMB = 1 << 24


class Lane(Protocol):
    """Machine code of ours that does something before Python is asked: `flash_lane`."""

    @property
    def state(self) -> Any: ...
    @property
    def registers(self) -> int: ...
    @property
    def base(self) -> int: ...
    @property
    def behind(self) -> ctypes.Array[ctypes.c_uint64]: ...
    def catch_up(self) -> None: ...


class Engine(Registers):
    """One core and its memory. ``native`` False: blocks are counted in Python, with the same counts."""

    def __init__(self, model: str, *, native: bool = True) -> None:
        uc = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        uc.ctl_set_cpu_model(_MODELS[model])
        super().__init__(uc)
        self._hooks = NativeHooks(uc, native=native)
        self._following = Following(uc, self._hooks, self, self._call_sensed)
        self._stop: Stop | None = None
        self._kept: BaseException | None = None
        self._state = (ctypes.c_uint64 * WORDS)()
        self._state[FOLD] = 0xFFFF_FFFF
        self._translations = Translations(self._state, self._uc.ctl_remove_cache, self._uc.ctl_flush_tb)
        self._lane: Lane | None = None
        self._behind = (ctypes.c_uint64 * 1)()
        self._lane_code = 0
        self._count_blocks()
        for kind, hook in (
            (unicorn.UC_HOOK_INTR, self._interrupted),
            (unicorn.UC_HOOK_INSN_INVALID, self._not_an_instruction),
            (unicorn.UC_HOOK_MEM_READ_UNMAPPED, self._nobody_answers),
            (unicorn.UC_HOOK_MEM_WRITE_UNMAPPED, self._nobody_answers),
        ):
            self._uc.hook_add(kind, hook)

    # -- memory -------------------------------------------------------------------------------------------

    def take_lane(self, lane: Lane) -> None:
        """``lane`` is asked first, by what is mapped from now on, where there is machine code for it. Behind `fold`."""
        self._lane_code = self._hooks.code(LANE_CODE)
        if not self._lane_code:
            return
        self._lane = lane
        state = lane.state
        state[BLOCK], state[LANE_FOLD] = ctypes.addressof(self._state), self._state[FOLD]
        state[LANE_BASE] = lane.base & self._state[FOLD]
        self._behind = lane.behind

    def map_ram(self, address: int, content: NDArray[np.uint8]) -> None:
        """``content`` is the memory: whole pages, read, written and executed."""
        self._map(address, content, is_flash=False)

    def map_flash(self, address: int, content: NDArray[np.uint8], store: StoreToFlash) -> None:
        """``content`` is what is read and executed; ``store(address, size, value)`` is told of aligned stores,
        with addresses as the core has them, and returns whether the bus takes them."""

        def hook(_uc: Any, _access: int, at: int, size: int, value: int, _data: Any) -> bool:
            if at % size:
                return True
            try:
                self._catch_up()
                if store(at, size, value & (1 << 8 * size) - 1):
                    return True
                self._stop = Stop("refused-store", at)
            except Halted:
                self._stop = Stop("halted", at)
            except BaseException as stop:
                self._kept = stop
            return False

        self._map(address, content, is_flash=True)
        self._uc.mem_protect(address, content.size, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        last, kind = address + content.size - 1, unicorn.UC_HOOK_MEM_WRITE_PROT
        if self._lane is None:
            self._uc.hook_add(kind, hook, begin=address, end=last)
            return
        self._lane.state[STORE] = self._hooks.kept(_STORE(hook))
        self._hooks.add(kind, self._lane_code + of_this_machine(ON_STORE_AT), self._lane.state, address, last)

    def map_registers(self, address: int, size: int, read: ReadRegister, write: WriteRegister) -> None:
        """``read(address, size)`` and ``write(address, size, value)`` answer, with addresses as the core has them.

        Either may raise `Refused` for a bus error; anything else it raises is raised by `run`.
        """

        def read_hook(_uc: Any, offset: int, width: int, _data: Any) -> int:
            try:
                self._catch_up()
                return read(address + offset, width)
            except (Refused, Halted) as stop:
                self._halt(Stop(_KINDS[type(stop)], address + offset))
            except BaseException as stop:
                self._keep(stop)
            return 0

        def write_hook(_uc: Any, offset: int, width: int, value: int, _data: Any) -> None:
            try:
                self._catch_up()
                write(address + offset, width, value)
            except (Refused, Halted) as stop:
                self._halt(Stop(_KINDS[type(stop)], address + offset))
            except BaseException as stop:
                self._keep(stop)

        lane = self._lane
        if lane is None or not address <= lane.registers < address + size:
            self._uc.mmio_map(address, size, read_hook, None, write_hook, None)
            return
        state, at = lane.state, self._lane_code
        state[LANE_REGISTERS] = lane.registers - address
        state[READ], state[WRITE] = self._hooks.kept(_READ(read_hook)), self._hooks.kept(_WRITE(write_hook))
        on_read, on_write = at + of_this_machine(LANE_READ_AT), at + of_this_machine(ON_WRITE_AT)
        self._hooks.map_registers(address, size, on_read, on_write, state)

    # Hooks for who looks at single accesses. What they are told of has not been done yet, and they may raise `Halted`.

    def on_read(self, address: int, length: int, sensed: Sensed) -> int:
        """``sensed(address, size)`` is called before the core reads there. Returns what `unhook` takes."""

        def hook(_uc: Any, _access: int, at: int, size: int, _value: int, _data: Any) -> None:
            self.leave_it_block()
            self._call_sensed(sensed, at, size)

        return self._hook(unicorn.UC_HOOK_MEM_READ, hook, address, length)

    def on_write(self, address: int, length: int, sensed: Sensed) -> int:
        """The same before it writes there."""

        def hook(_uc: Any, _access: int, at: int, size: int, _value: int, _data: Any) -> None:
            self._call_sensed(sensed, at, size)

        return self._hook(unicorn.UC_HOOK_MEM_WRITE, hook, address, length)

    def on_code(self, address: int, length: int, sensed: Sensed) -> int:
        """The same before an instruction that begins there."""

        def hook(_uc: Any, at: int, size: int, _data: Any) -> None:
            self._call_sensed(sensed, at, size)

        return self._hook(unicorn.UC_HOOK_CODE, hook, address, length)

    def unhook(self, number: int) -> None:
        self._uc.hook_del(number)

    def translate_anew(self) -> None:
        """Hooks do not fire in code that was translated before they were there. Not inside callbacks."""
        self._uc.ctl_flush_tb()

    def _hook(self, kind: int, hook: Callable[..., None], address: int, length: int) -> int:
        number: int = self._uc.hook_add(kind, hook, begin=address, end=address + length - 1)
        return number

    @property
    def folded(self) -> int:
        """What is left of an address when the bits of `fold` are taken away."""
        return self._state[FOLD]

    def follow(self, ranges: Sequence[tuple[int, int]], touch: FirstTouch, read: Sensed, executed: Sensed) -> None:
        """For good: ``read(address, size)`` is called before the core reads in one of ``ranges``, of (address, length),
        and ``executed`` before a block of code there runs, where ``touch`` has it as new. Before anything has run."""
        self._following.follow(ranges, touch, read, executed)

    def follow_ram(self, touch: RamTouch) -> None:
        """From now on ``touch`` knows of every access to its RAM, and of code that runs there. Not inside callbacks:
        all code is translated anew."""
        self.translate_anew()
        self._following.follow_ram(touch)

    def _catch_up(self) -> None:
        """Python of ours is about to run: it finds what it would find had it run all the time."""
        if self._behind[0] and self._lane is not None:
            self._lane.catch_up()

    def _call_sensed(self, sensed: Sensed, address: int, size: int) -> None:
        try:
            self._catch_up()
            sensed(address, size)
        except (Refused, Halted) as stop:
            self._halt(Stop(_KINDS[type(stop)], address))
        except BaseException as stop:
            self._keep(stop)

    def changed(self, address: int, length: int) -> None:
        """Bytes of mapped memory changed behind the engine. Code translated from them does not run again as it was.
        Callable inside callbacks."""
        self._translations.suspect(address, length)

    def fold(self, alias_bits: int) -> None:
        """Addresses that differ in ``alias_bits`` alone are the same bytes: for `changed`."""
        self._state[FOLD] &= ~alias_bits

    def forget(self, address: int, length: int) -> None:
        """As `changed`, at once, at all addresses this memory has: for RAM, far from what is suspect. Not inside
        callbacks."""
        self._translations.forget(address, length)

    # -- running ------------------------------------------------------------------------------------------

    @property
    def executed(self) -> int:
        """Bytes of code since the present slice began; inside a callback, the whole block that is running."""
        return self._state[COUNT]

    @property
    def block(self) -> int:
        """Where the last block of code that has run begins, or that is running."""
        return self._state[ADDRESS]

    def end_slice(self) -> None:
        """Callable inside callbacks: the slice ends before the next block."""
        self._state[LIMIT] = 0

    def run(self, limit: int) -> Stop:
        """Run from the program counter until something happens, at the latest before the block that begins when
        ``limit`` bytes of code or more have run. Raises what a callback raised."""
        state = self._state
        counter = self.get(Register.PC)
        self._translations.settle(counter)
        state[COUNT], state[LIMIT], state[STOPPED] = 0, limit, 0
        self._stop = None
        begin = counter | (1 if self.get(Register.XPSR) & _THUMB else 0)
        code = unicorn.UC_ERR_OK
        try:
            self._uc.emu_start(begin, _NO_EXIT)
        except UcError as error:
            code = error.errno
        self._catch_up()
        if self._kept is not None:
            kept, self._kept = self._kept, None
            raise kept
        stop = self._stop
        if stop is None:
            if state[STOPPED]:
                return NOTHING
            if code in _BAD_FETCH:
                stop = Stop("fetch", self.get(Register.PC))
            else:
                assert code == 0, f"the engine ended with error {code} at {self.get(Register.PC):#x}: please report"
                stop = SLEEP
        self._correct_count()
        return stop

    def _correct_count(self) -> None:
        """Stopped inside a block: what lies behind the program counter has not run."""
        state = self._state
        end, counter = state[ADDRESS] + state[SIZE], self.get(Register.PC)
        if state[ADDRESS] <= counter < end:
            state[COUNT] = max(0, state[COUNT] - (end - counter))

    # -- hooks ----------------------------------------------------------------------------------------------

    def _count_blocks(self) -> None:
        code = self._hooks.code(COUNTER_CODE)
        if not code:
            self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._count_block)
            return
        self._state[STOP] = address_in_library(uclib.uc_emu_stop)
        self._hooks.add(unicorn.UC_HOOK_BLOCK, code, self._state, 1, 0)

    def _count_block(self, uc: Any, address: int, size: int, _data: Any) -> None:
        state = self._state
        dirty = ((address & state[FOLD]) - state[DIRTY]) & 0xFFFF_FFFF_FFFF_FFFF
        if state[COUNT] >= state[LIMIT] or dirty < state[DIRTY_SIZE]:
            state[STOPPED] += 1
            uc.emu_stop()
            return
        state[COUNT] += size
        state[ADDRESS], state[SIZE] = address, size

    def _interrupted(self, _uc: Any, number: int, _data: Any) -> None:
        kind = _INTERRUPTS.get(number)
        assert kind is not None, f"the engine reports interrupt {number}, which no core has: please report"
        self._halt(Stop(kind, self.get(Register.PC)))

    def _not_an_instruction(self, _uc: Any, _data: Any) -> bool:
        """Called behind a hint the engine does not know (WFE, YIELD), and at an instruction the core does not have."""
        counter = self.get(Register.PC)
        if not self.get(Register.XPSR) & _THUMB:
            self._stop = Stop("not-thumb", counter)
            return False
        before = self._instruction_before(counter)
        if before in _YIELD:
            return True
        self._stop = Stop("event-wait" if before in _WFE else "undefined", counter)
        return False

    def _instruction_before(self, counter: int) -> bytes:
        """The last instruction of the present block that ends at ``counter``; nothing when none of it has run."""
        at, length = self._state[ADDRESS], 0
        while at < counter:
            first = bytes(self._uc.mem_read(at, 2))
            length = 4 if first[1] >> 3 in WIDE else 2
            at += length
        return bytes(self._uc.mem_read(counter - length, length)) if length and at == counter else b""

    def _nobody_answers(self, _uc: Any, access: int, address: int, _size: int, _value: int, _data: Any) -> bool:
        self._stop = Stop("write" if access == unicorn.UC_MEM_WRITE_UNMAPPED else "read", address)
        return False

    def _halt(self, stop: Stop) -> None:
        """End the slice here and now. The first reason counts."""
        if self._stop is None and self._kept is None:
            self._stop = stop
        self._uc.emu_stop()

    def _keep(self, stop: BaseException) -> None:
        if self._kept is None:
            self._kept = stop
        self._uc.emu_stop()

    def _map(self, address: int, content: NDArray[np.uint8], *, is_flash: bool) -> None:
        self._translations.cover(address, content, is_flash=is_flash)
        self._uc.mem_map_ptr(address, content.size, unicorn.UC_PROT_ALL, content.ctypes.data)
