"""A machine as a debugger sees it: registers, memory without side effects, places to stop at, single instructions.

The core runs as it always does; between two slices, and where it was made to halt, this asks ``serve`` how to go on.
So interrupts, time and resets are those of any session. A place to stop at costs time only where it is.

Neighbours: `core` calls `attend`, the hooks of `engine` halt it; `emu.gdb` speaks with whoever sits in front. Knows no
protocol, no slot and no cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property

from emu.cpu.contract import BusFault
from emu.cpu.faces import Shows
from emu.cpu.machine import PERIPHERALS, Machine
from emu.cpu.memory import Ram
from emu.cpu.registers import S0, Register
from emu.cpu.stops import Halted
from emu.gdb import target
from emu.gdb.target import SIGINT, Denied, Go, PlaceKind, Span, Stop

_THUMB = 1 << 24
_MAIN = "org.gnu.gdb.arm.m-profile"
_SYSTEM = "org.gnu.gdb.arm.m-system"
_FLOATS = "org.gnu.gdb.arm.vfp"
_POINTERS = {"sp": "data_ptr", "pc": "code_ptr", "msp": "data_ptr", "psp": "data_ptr"}
_DOUBLES = 16
_EVERYWHERE = (1, 0)


class Debugger:
    """``serve(stop)`` is called when the core stands still for that reason, and says how it goes on; what it raises
    ends the session. ``interrupts`` is asked now and then whether somebody wants it to stand still."""

    def __init__(self, machine: Machine, serve: Callable[[Stop], Go], interrupts: Callable[[], bool]) -> None:
        self.machine = machine
        self._serve = serve
        self._interrupts = interrupts
        self._places: dict[tuple[PlaceKind, int, int], list[int]] = {}
        self._found: Stop | None = None
        self._passing: int | None = None
        self._step: int | None = None
        self._is_first = False
        self._before: tuple[int, bytes] | None = None
        machine.core.attendant = self.attend

    # -- running --------------------------------------------------------------------------------------------

    def halt(self, stop: Stop) -> None:
        """From inside a callback: the core stands still before what it is doing. Raises Halted."""
        self._found = stop
        raise Halted

    def stop_next(self, stop: Stop) -> None:
        """The core stands still before it runs on. Not inside callbacks."""
        self._found = stop

    def attend(self) -> None:
        """The core stands still between two slices."""
        stop, self._found = self._found, None
        if stop is None and self._step is not None:
            stop = Stop()
        if stop is None and self._interrupts():
            stop = Stop(SIGINT)
        if stop is None:
            return
        if self._before is not None:
            self.machine.memory.write(*self._before)
            self._before = None
        if self._step is not None:
            self.machine.engine.unhook(self._step)
            self._step = None
        go = self._serve(stop)
        self._passing = self.machine.engine.get(Register.PC) & ~1
        if go.step:
            self._is_first = True
            self._step = self.machine.engine.on_code(*_EVERYWHERE, self._steps)
        self.machine.engine.translate_anew()  # hooks have come and gone, and code may have been written into RAM

    def _steps(self, _address: int, _size: int) -> None:
        if not self._is_first:
            raise Halted
        self._is_first = False

    # -- places ---------------------------------------------------------------------------------------------

    def stop_at(self, kind: PlaceKind, address: int, size: int) -> None:
        """Before code at ``address`` runs, or before ``size`` bytes there are accessed."""
        engine, place = self.machine.engine, (kind, address, size)
        if place in self._places:
            return

        def met(at: int, length: int) -> None:
            if kind == "execute" and self._passing == at:
                self._passing = None
                return
            if kind != "execute":
                self._keep(at, length)
            self.halt(Stop(kind=kind, address=max(at, address)))

        hooks = [] if kind != "execute" else [engine.on_code(address & ~1, 2, met)]
        if kind in ("read", "access"):
            hooks.append(engine.on_read(address, size, met))
        if kind in ("write", "access"):
            hooks.append(engine.on_write(address, size, met))
        self._places[place] = hooks

    def _keep(self, address: int, length: int) -> None:
        """The engine writes behind its hook, also where the instruction is to run again: what was there before."""
        with suppress(BusFault):
            self._before = address, Ram(self.machine.memory).read(address, length)

    def pass_by(self, kind: PlaceKind, address: int, size: int) -> None:
        for hook in self._places.pop((kind, address, size), ()):
            self.machine.engine.unhook(hook)

    # -- registers ------------------------------------------------------------------------------------------

    @cached_property
    def registers(self) -> Sequence[target.Register]:
        return [target.Register(name, feature, bits, kind) for name, feature, bits, kind, _ in self._numbered]

    @cached_property
    def _numbered(self) -> list[tuple[str, str, int, str, int]]:
        """Name, feature, bits, type and the engine's number; those of gdb are the places in this list."""
        model = self.machine.core.model
        main = [*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr"]
        system = ["msp", "psp", "primask", *([] if model.is_small else ["basepri", "faultmask"]), "control"]
        found = [
            (name, feature, 32, _POINTERS.get(name, "int"), int(Register[name.upper()]))
            for feature, names in ((_MAIN, main), (_SYSTEM, system))
            for name in names
        ]
        if model.has_fpu:
            found += [(f"d{number}", _FLOATS, 64, "ieee_double", S0 + 2 * number) for number in range(_DOUBLES)]
            found.append(("fpscr", _FLOATS, 32, "int", int(Register.FPSCR)))
        return found

    def read_register(self, number: int) -> int:
        _, _, bits, _, register = self._numbered[number]
        get = self.machine.engine.get
        return get(register) if bits == 32 else get(register) | get(register + 1) << 32

    def write_register(self, number: int, value: int) -> None:
        _, _, bits, _, register = self._numbered[number]
        put = self.machine.engine.put
        if register == Register.PC:
            value = value & ~1 | (1 if self.machine.engine.get(Register.XPSR) & _THUMB else 0)
        put(register, value)
        if bits == 64:
            put(register + 1, value >> 32)

    # -- memory ---------------------------------------------------------------------------------------------

    @cached_property
    def spans(self) -> Sequence[Span]:
        chip, geometry = self.machine.chip, self.machine.flash.geometry
        runs: list[tuple[int, int, int]] = []
        for sector in geometry.sectors_in(0, geometry.size):
            if runs and runs[-1][2] == sector.size:
                runs[-1] = (runs[-1][0], runs[-1][1] + sector.size, sector.size)
            else:
                runs.append((sector.address, sector.size, sector.size))
        bases = (chip.flash.address, *chip.flash.aliases)
        found = [Span("flash", base + at, size, block) for base in bases for at, size, block in runs]
        found += [Span("ram", at, ram.size) for ram in chip.ram for at in (ram.address, *ram.aliases)]
        return found + [Span("ram", first, end - first) for first, end in self.machine.register_spans]

    def read_memory(self, address: int, length: int) -> bytes:
        """Without a side effect: registers show what they hold."""
        for window in self.machine.memory.windows:
            at = address - window.address
            if 0 <= at < len(window.content):
                return bytes(window.content[at : at + length])
        end = next((end for first, end in self.machine.register_spans if first <= address < end), None)
        if end is None:
            raise Denied(f"{self.machine.chip.name} has nothing at {address:#010x}")
        read = bytearray()
        for word in range(address & ~3, min(address + length, end), 4):
            read += self._shown(word).to_bytes(4, "little")
        return bytes(read[address & 3 :][:length])

    def _shown(self, address: int) -> int:
        bus = self.machine.bus
        place = bus.place_at(address)
        if place is None:
            return bus.stored_at(address)
        peripheral = place.peripheral
        return peripheral.shown(address - place.address) if isinstance(peripheral, Shows) else 0

    def write_memory(self, address: int, data: bytes) -> None:
        """RAM alone: what stands in flash is the firmware's doing, and so is what it tells peripherals."""
        memory = self.machine.memory
        if any(not w.is_ram and w.address <= address < w.address + len(w.content) for w in memory.windows):
            raise Denied("flash is not written from gdb: what is cut is what the firmware does")
        try:
            memory.write(address, data)
        except BusFault:
            where = "a register" if PERIPHERALS[0] <= address else "nothing"
            raise Denied(f"there is {where} at {address:#010x}, and only RAM is written from gdb") from None
