"""The processor: instructions, registers and memory, one slice at a time. The only room that imports unicorn.

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

Neighbours: `core` runs slices and reacts, `bus` gives the callbacks, `block_counter` ends the slices.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.cpu import ram_touch
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
    address_of,
    native_code,
)
from emu.cpu.first_touch import (
    CODE,
    IT,
    NEW_BLOCK,
    NEW_READ,
    ON_READ_AT,
    REG_READ,
    REG_WRITE,
    STATUS_REGISTER,
    FirstTouch,
)
from emu.cpu.lane_code import BASE as LANE_BASE
from emu.cpu.lane_code import BLOCK, ON_STORE_AT, ON_WRITE_AT, READ, STORE, WRITE
from emu.cpu.lane_code import CODE as LANE_CODE
from emu.cpu.lane_code import FOLD as LANE_FOLD
from emu.cpu.lane_code import ON_READ_AT as LANE_READ_AT
from emu.cpu.lane_code import REGISTERS as LANE_REGISTERS
from emu.cpu.ram_touch import RamTouch
from emu.cpu.stops import NOTHING, SLEEP, Halted, Refused, Stop, StopKind
from emu.cpu.translations import WIDE, Translations
from emu.errors import MissingExtra

try:
    import unicorn
    from unicorn import arm_const as arm
    from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib
except ImportError:
    raise MissingExtra("an emulated core needs unicorn: pip install 'brownout[cpu]'") from None

ReadRegister = Callable[[int, int], int]
WriteRegister = Callable[[int, int, int], None]
StoreToFlash = Callable[[int, int, int], bool]
Sensed = Callable[[int, int], None]
_NEW_READ = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
)
_NEW_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
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
_IT = 0x0600_FC00


class Register(IntEnum):
    """Registers by the engine's numbers."""

    R0 = arm.UC_ARM_REG_R0
    R1 = arm.UC_ARM_REG_R1
    R2 = arm.UC_ARM_REG_R2
    R3 = arm.UC_ARM_REG_R3
    R4 = arm.UC_ARM_REG_R4
    R5 = arm.UC_ARM_REG_R5
    R6 = arm.UC_ARM_REG_R6
    R7 = arm.UC_ARM_REG_R7
    R8 = arm.UC_ARM_REG_R8
    R9 = arm.UC_ARM_REG_R9
    R10 = arm.UC_ARM_REG_R10
    R11 = arm.UC_ARM_REG_R11
    R12 = arm.UC_ARM_REG_R12
    SP = arm.UC_ARM_REG_SP
    LR = arm.UC_ARM_REG_LR
    PC = arm.UC_ARM_REG_PC
    XPSR = arm.UC_ARM_REG_XPSR
    MSP = arm.UC_ARM_REG_MSP
    PSP = arm.UC_ARM_REG_PSP
    IPSR = arm.UC_ARM_REG_IPSR
    CONTROL = arm.UC_ARM_REG_CONTROL
    PRIMASK = arm.UC_ARM_REG_PRIMASK
    BASEPRI = arm.UC_ARM_REG_BASEPRI
    FAULTMASK = arm.UC_ARM_REG_FAULTMASK
    FPSCR = arm.UC_ARM_REG_FPSCR


S0 = arm.UC_ARM_REG_S0
"""The first of 32 single-precision registers, which are numbered in a row."""


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


class _Batch:
    """Room for the values of some registers, and where it is, as the engine wants to be told."""

    def __init__(self, registers: tuple[int, ...]) -> None:
        count = len(registers)
        self.values = (ctypes.c_uint64 * count)()
        self.numbers = (ctypes.c_int * count)(*registers)
        self.places = (ctypes.c_void_p * count)(*(ctypes.addressof(self.values) + 8 * at for at in range(count)))


class Engine:
    """One core and its memory. ``native`` False: blocks are counted in Python, with the same counts."""

    def __init__(self, model: str, *, native: bool = True) -> None:
        self._uc = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(_MODELS[model])
        self._handle = self._uc._uch
        self._value = ctypes.c_uint64()
        self._value_at = ctypes.byref(self._value)
        self._batches: dict[tuple[int, ...], _Batch] = {}
        self._told: list[Any] = []
        self._stop: Stop | None = None
        self._kept: BaseException | None = None
        self._follower: mmap.mmap | None = None
        self._ram_follower: mmap.mmap | None = None
        self._state = (ctypes.c_uint64 * WORDS)()
        self._state[FOLD] = 0xFFFF_FFFF
        self._translations = Translations(self._state, self._uc.ctl_remove_cache, self._uc.ctl_flush_tb)
        self._lane: Lane | None = None
        self._behind = (ctypes.c_uint64 * 1)()
        self._lane_code: mmap.mmap | None = None
        self._count_blocks(native)
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
        self._lane_code = native_code(LANE_CODE) if self._native is not None else None
        if self._lane_code is None:
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
        if self._lane is None or self._lane_code is None:
            self._uc.hook_add(kind, hook, begin=address, end=last)
            return
        self._lane.state[STORE] = self._kept_address(_STORE(hook))
        on_store = address_of(self._lane_code) + ON_STORE_AT[platform.machine()]
        self._hook_natively(kind, on_store, self._lane.state, address, last)

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
        if lane is None or self._lane_code is None or not address <= lane.registers < address + size:
            self._uc.mmio_map(address, size, read_hook, None, write_hook, None)
            return
        state, at = lane.state, address_of(self._lane_code)
        state[LANE_REGISTERS] = lane.registers - address
        state[READ], state[WRITE] = self._kept_address(_READ(read_hook)), self._kept_address(_WRITE(write_hook))
        given, machine = ctypes.c_void_p(ctypes.addressof(state)), platform.machine()
        failed = uclib.uc_mmio_map(
            self._handle, address, size, ctypes.c_void_p(at + LANE_READ_AT[machine]), given,
            ctypes.c_void_p(at + ON_WRITE_AT[machine]), given,
        )  # fmt: skip
        assert not failed, f"the engine maps no registers ({failed}): please report"

    # Hooks for who looks at single accesses. What they are told of has not been done yet, and they may raise `Halted`.

    def on_read(self, address: int, length: int, sensed: Sensed) -> int:
        """``sensed(address, size)`` is called before the core reads there. Returns what `unhook` takes."""

        def hook(_uc: Any, _access: int, at: int, size: int, _value: int, _data: Any) -> None:
            status = self.get(Register.XPSR)
            if status & _IT:  # left over, and the instruction after a later load would not run
                self.put(Register.XPSR, status & ~_IT)
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

        def read_hook(_uc: Any, _access: int, address: int, size: int, _value: int, _data: Any) -> None:
            status = self.get(Register.XPSR)
            if status & _IT:  # as in `on_read`
                self.put(Register.XPSR, status & ~_IT)
            if touch.is_new(address, size):
                self._call_sensed(read, address, size)

        def block_hook(_uc: Any, address: int, size: int, _data: Any) -> None:
            if touch.is_new_block(address, size):
                self._call_sensed(executed, address, size)

        def last_hook(_uc: Any, address: int, _size: int, _data: Any) -> None:
            self._call_sensed(executed, address, 4)

        if self._native is not None and self._follower is None:
            self._follower = native_code(CODE)
        for address, length in ranges:
            last = address + length - 1
            before = max(0, address - 4)  # an access or an instruction that begins before the range and reaches into it
            if self._follower is None:
                self._uc.hook_add(unicorn.UC_HOOK_MEM_READ, read_hook, begin=before, end=last)
                self._uc.hook_add(unicorn.UC_HOOK_BLOCK, block_hook, begin=address, end=last)
            else:
                at = address_of(self._follower)
                self._tell_of(touch, read, executed)
                on_read = at + ON_READ_AT[platform.machine()]
                self._hook_natively(unicorn.UC_HOOK_MEM_READ, on_read, touch.state, before, last)
                self._hook_natively(unicorn.UC_HOOK_BLOCK, at, touch.state, address, last)
            if address:
                self._uc.hook_add(unicorn.UC_HOOK_CODE, last_hook, begin=address - 2, end=address - 1)

    def follow_ram(self, touch: RamTouch) -> None:
        """From now on ``touch`` knows of every access to its RAM, and of code that runs there. Not inside callbacks:
        all code is translated anew."""
        self._uc.ctl_flush_tb()
        if self._native is not None and self._ram_follower is None:
            self._ram_follower = native_code(ram_touch.CODE)

        def access_hook(_uc: Any, access: int, address: int, size: int, _value: int, _data: Any) -> None:
            status = self.get(Register.XPSR)
            if status & _IT:  # as in `on_read`
                self.put(Register.XPSR, status & ~_IT)
            touch.note(address, size, ram_touch.WRITTEN if access == ram_touch.STORE else ram_touch.READ)

        def block_hook(_uc: Any, address: int, size: int, _data: Any) -> None:
            touch.note(address, size, ram_touch.READ)

        for state, base in zip(touch.states, touch.bases, strict=True):
            last = base + touch.marks.size - 1
            if self._ram_follower is None:
                kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
                self._uc.hook_add(kinds, access_hook, begin=base, end=last)
                self._uc.hook_add(unicorn.UC_HOOK_BLOCK, block_hook, begin=base, end=last)
                continue
            state[ram_touch.REG_READ] = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p).value or 0
            state[ram_touch.REG_WRITE] = ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p).value or 0
            state[ram_touch.STATUS_REGISTER], state[ram_touch.IT] = int(Register.XPSR), _IT
            at = address_of(self._ram_follower)
            on_access = at + ram_touch.ON_ACCESS_AT[platform.machine()]
            self._hook_natively(unicorn.UC_HOOK_MEM_READ, on_access, state, base, last)
            self._hook_natively(unicorn.UC_HOOK_MEM_WRITE, on_access, state, base, last)
            self._hook_natively(unicorn.UC_HOOK_BLOCK, at, state, base, last)

    def _tell_of(self, touch: FirstTouch, read: Sensed, executed: Sensed) -> None:
        """What the machine code needs: two functions of the engine, and whom to tell of what is new."""
        state = touch.state
        state[NEW_READ] = self._kept_address(
            _NEW_READ(lambda _uc, _access, address, size, _value, _data: self._call_sensed(read, address, size))
        )
        state[NEW_BLOCK] = self._kept_address(
            _NEW_BLOCK(lambda _uc, address, size, _data: self._call_sensed(executed, address, size))
        )
        state[REG_READ] = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p).value or 0
        state[REG_WRITE] = ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p).value or 0
        state[STATUS_REGISTER], state[IT] = int(Register.XPSR), _IT

    def _hook_natively(self, kind: int, code: int, state: Any, begin: int, end: int) -> None:
        number = ctypes.c_size_t()
        failed = uclib.uc_hook_add(
            self._handle, ctypes.byref(number), kind, ctypes.c_void_p(code), ctypes.c_void_p(ctypes.addressof(state)),
            ctypes.c_uint64(begin), ctypes.c_uint64(end),
        )  # fmt: skip
        assert not failed, f"the engine takes no hook ({failed}): please report"

    def _kept_address(self, function: Any) -> int:
        """Of a function of ours that machine code calls, as long as the engine lives."""
        self._told.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value or 0

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

    # -- registers ----------------------------------------------------------------------------------------

    def get(self, register: int) -> int:
        self._value.value = 0
        uclib.uc_reg_read(self._handle, register, self._value_at)
        return self._value.value & 0xFFFF_FFFF

    def put(self, register: int, value: int) -> None:
        self._value.value = value & 0xFFFF_FFFF
        uclib.uc_reg_write(self._handle, register, self._value_at)

    def get_all(self, registers: tuple[int, ...]) -> list[int]:
        """As `get` of each, in one go."""
        values = self._read_all(registers)
        return [value & 0xFFFF_FFFF for value in values]

    def put_all(self, registers: tuple[int, ...], values: Sequence[int]) -> None:
        """As `put` of each, in their order and in one go."""
        batch = self._batch(registers)
        batch.values[:] = [value & 0xFFFF_FFFF for value in values]
        uclib.uc_reg_write_batch(self._handle, batch.numbers, batch.places, len(registers))

    def reader(self, registers: Sequence[int]) -> Callable[[], bytes]:
        """What reads all of ``registers`` at once, as bytes that can be compared."""
        each = tuple(registers)
        return lambda: bytes(self._read_all(each))

    def _read_all(self, registers: tuple[int, ...]) -> ctypes.Array[ctypes.c_uint64]:
        batch = self._batch(registers)
        uclib.uc_reg_read_batch(self._handle, batch.numbers, batch.places, len(registers))
        return batch.values

    def _batch(self, registers: tuple[int, ...]) -> _Batch:
        found = self._batches.get(registers)
        if found is None:
            found = self._batches[registers] = _Batch(registers)
        return found

    def snapshot(self) -> Any:
        """All registers, to be given to `restore` of this engine."""
        return self._uc.context_save()

    def restore(self, registers: Any) -> None:
        self._uc.context_restore(registers)

    # -- running ------------------------------------------------------------------------------------------

    @property
    def executed(self) -> int:
        """Bytes of code since the present slice began; inside a callback, the whole block that is running."""
        return self._state[COUNT]

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

    def _count_blocks(self, native: bool) -> None:
        self._native = native_code() if native else None
        if self._native is None:
            self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._count_block)
            return
        self._state[STOP] = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value or 0
        self._hook_natively(unicorn.UC_HOOK_BLOCK, address_of(self._native), self._state, 1, 0)

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
