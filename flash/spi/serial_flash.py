"""SerialFlash: a `FlashDevice` behind its pins. Opcodes in, BUSY and bytes out.

One frame lasts from falling to rising chip select. Bytes take the clocks of the bus they need; what *does* something
does it at the rising edge, on a byte boundary, and returns at once: the operation runs on while the host goes on, and
status reads show it. It is complete when something looks after its time has come (`catch_up`, which every frame does
first). Misuse is ignored, as silicon ignores it, and recorded, which silicon does not.

A reset of the host is nothing that happens here: a chip of its own stays busy, keeps its modes and its deep
power-down. Loss of power is the supply's; `power_cycle` is its return. Neighbours: `commands` is the table of
what a part answers to, `state` what it forgets without power, `register_file` its registers, `device` the array
and its operations. This room does not know who sits on the other side of the bus.

Where no document says what a part does, it does the plain thing: data bytes behind a command that takes none reject
it; a frame that a reset of the host cuts off has no effect; program and erase of a protected range leave WEL set, but
for Macronix and AT25DF (`registers`). Double transfer rate reads are not modelled.
"""

from __future__ import annotations

from flash.device import FlashDevice
from flash.errors import FlashError, Interrupted
from flash.rules import Remark
from flash.spi.bus import as_seen
from flash.spi.chip import SerialChip
from flash.spi.command import BY_MODE, Command, Refusal
from flash.spi.commands import command_table
from flash.spi.frame import Frame
from flash.spi.state import StateValue

_MEGA = 1_000_000


class SerialFlash(SerialChip):
    """The chip on its bus. ``device``'s part must have a serial command set; raises FlashError otherwise.

    ``bus_hz``: clock of the bus; by default what the part's read figure says. ``write_protect_pin``: WP# is driven low.
    ``unique_id``: what 4Bh sends, as a number. Power is taken to be good from the moment of construction.
    """

    def __init__(
        self, device: FlashDevice, *, bus_hz: int | None = None, unique_id: int = 1, write_protect_pin: bool = False
    ) -> None:
        super().__init__(device, unique_id=unique_id, write_protect_pin=write_protect_pin)
        self.bus_hz = round(self.part.read.bytes_per_us * 8 * _MEGA) if bus_hz is None else bus_hz
        if self.bus_hz < 1:
            raise FlashError(f"{device.name}: a bus of {self.bus_hz} Hz never clocks a bit: bus_hz must be positive")
        self._commands = command_table(self.part)
        self._frame: Frame | None = None
        self._owed = 0

    # -- the pins -----------------------------------------------------------------------------------------

    def transfer(self, out: bytes, read: int = 0, *, stray_bits: int = 0, lines: int = 1) -> bytes:
        """One frame: ``out`` goes to the chip, then ``read`` bytes come back.

        ``stray_bits``: chip select rises so many bits (1 to 7) after the last whole byte. ``lines``: on how many the
        host drives the first phase: more than one in QPI, or in a continuous read, whose frames begin with the address.
        Raises PowerLost without power, and in strict mode FlashMisuse.
        """
        data = bytes(out) + b"\xff" * read
        self.select(lines)
        reply = self._exchange(data)
        self.deselect(stray_bits)
        return reply[len(out) :]

    def select(self, lines: int = 1) -> None:
        """Chip select falls."""
        self.device.supply.require()
        if self._is_dark:  # power is back, and nobody has said so
            self.power_cycle()
        if self._frame is not None:
            raise FlashError(f"{self.device.name}: chip select is low already: deselect before the next frame")
        if lines not in (1, 2, 4):
            raise FlashError(f"{self.device.name}: a frame has 1, 2 or 4 lines, not {lines}")
        self.catch_up()
        frame = self._frame = Frame(lines, lines != self._first_lines)
        if self.latches.continuous and not frame.is_foreign:
            self._open_continued(frame)

    def shift(self, byte: int) -> int:
        """One byte each way. Raises FlashError while chip select is high."""
        return self._exchange(bytes([byte]))[0]

    def exchange(self, data: bytes) -> bytes:
        """Bytes each way, as a host with DMA sends them. Raises FlashError while chip select is high."""
        return self._exchange(data)

    @property
    def is_reading(self) -> bool:
        """Whether the frame, if there is one, reads the array."""
        frame = self._frame
        return frame is not None and frame.command is not None and frame.command.is_array_read

    def deselect(self, stray_bits: int = 0) -> None:
        """Chip select rises, ``stray_bits`` (0 to 7) after a byte: the command takes effect, or is rejected."""
        self.device.supply.require()
        frame = self._frame
        if frame is None:
            raise FlashError(f"{self.device.name}: chip select is high already: select first")
        self._frame = None
        if frame.is_foreign:
            frame, stray_bits = self._seen_otherwise(frame)
        command, refusal = frame.command, frame.refusal
        if refusal is None and command is not None and (command.act is not None or command.has_mode):
            refusal = self._take_effect(command, frame, stray_bits)
        refusal = refusal or frame.remark
        if refusal is not None:
            address = frame.address if command is not None and command.address else 0
            data = max(0, len(frame.received) - frame.header)
            self.device.misuse(Remark(address, data, refusal.rule, refusal.why))

    def release(self) -> None:
        """The host let go of the pins in the middle of a frame (its own reset): the frame has no effect."""
        self._frame = None

    # -- power and state ----------------------------------------------------------------------------------

    def power_cycle(self) -> None:
        super().power_cycle()
        self._frame = None
        self._owed = 0

    def state(self) -> StateValue:
        return (*super().state(), self._owed)

    def restore(self, state: StateValue) -> None:
        super().restore(state[:-1])
        self._owed = state[-1]  # type: ignore[assignment]
        self._frame = None

    def _power_gone(self) -> None:
        super()._power_gone()
        self._frame = None

    # -- frames -------------------------------------------------------------------------------------------

    @property
    def _first_lines(self) -> int:
        """On how many lines the chip listens for the first byte of a frame."""
        latches = self.latches
        if latches.quad:
            return 4
        return self._commands[latches.continuous].lines[1] if latches.continuous else 1

    def _open_continued(self, frame: Frame) -> None:
        """The opcode is the last frame's; the first byte on the bus is the address."""
        frame.received.append(self.latches.continuous)
        self._decode(frame)

    def _exchange(self, data: bytes) -> bytes:
        self.device.supply.require()
        frame = self._frame
        if frame is None:
            raise FlashError(f"{self.device.name}: chip select is high: select before bytes are shifted")
        before = len(frame.received)
        frame.received += data
        if frame.is_foreign:
            self._spend(len(data) * 8 // frame.lines)
            return b"\xff" * len(data)
        if not frame.is_decoded and data:
            self._decode(frame)
        command, total = frame.command, len(frame.received)
        start = max(before, frame.header)
        if command is None or command.reply is None or frame.refusal is not None or total <= start:
            self._spend(self._clocks(frame, before, total))
            return self._nothing(frame, len(data))
        quiet = b"\xff" * (start - before)
        self._spend(self._clocks(frame, before, start))
        if command.streams:
            return quiet + self._streamed(frame, command, start, total)
        reply = command.reply(self, frame, start - frame.header, total - start)
        self._spend(self._clocks(frame, start, total))
        return quiet + reply

    def _streamed(self, frame: Frame, command: Command, start: int, total: int) -> bytes:
        """Each byte shows what is true when its first bit is shifted out."""
        assert command.reply is not None, "a stream of nothing: please report"
        clocks = 8 // (4 if self.latches.quad else command.lines[2])
        reply = bytearray()
        for index in range(start, total):
            try:
                self.catch_up()
            except (Interrupted, FlashError):
                self._frame = None
                raise
            reply += command.reply(self, frame, index - frame.header, 1)
            self._spend(clocks)
        return bytes(reply)

    def _nothing(self, frame: Frame, count: int) -> bytes:
        """What the host samples while the chip drives nothing, or nothing sensible."""
        command, refusal = frame.command, frame.refusal
        is_busy = refusal is not None and refusal.rule == "while-busy"
        if is_busy and command is not None and command.is_array_read and self.serial.while_busy == "garbage":
            return bytes((0x5A ^ 37 * (len(frame.received) + index)) & 0xFF for index in range(count))
        return b"\xff" * count

    def _decode(self, frame: Frame) -> None:
        """The first byte is there: which command, how long its header, and whether it is legal now."""
        frame.is_decoded = True
        state, opcode = self.latches, frame.received[0]
        command = self._commands.get(opcode)
        frame.was_armed, state.reset_enabled = state.reset_enabled, False
        frame.was_volatile = state.volatile_write
        if command is None or not command.streams:
            state.volatile_write = False
        frame.refusal = self._why_not(opcode, command)
        if command is None:
            return
        frame.command = command
        if command.address:
            frame.wide = command.address
            if command.address == BY_MODE:
                frame.wide = 4 if state.wide or self.serial.address == "4" else 3
                frame.upper = 0 if frame.wide == 4 else state.upper_address << 24
            frame.header = 1 + frame.wide + command.dummy
        else:
            frame.header = 1 + command.dummy

    def _why_not(self, opcode: int, command: Command | None) -> Refusal | None:
        """Why the chip does not take this opcode now; None: it does."""
        latches, since_power, up = self.latches, self.clock.now_us - self.latches.powered_us, self.serial.power_up
        what = f"{opcode:02X}h" if command is None else f"{opcode:02X}h ({command.name})"
        if since_power < up.select_us:
            return Refusal("before-power-up", f"{what} before power has been good for {up.select_us:g} us: ignored")
        if self.clock.now_us < latches.ready_us:
            return Refusal("not-ready", f"{what} while the chip wakes up or resets: ignored")
        if latches.powered_down and not (command is not None and command.asleep):
            return Refusal("powered-down", f"{what} in deep power-down: ignored")
        if command is None:
            return Refusal("unknown-opcode", f"{what} is no command of this part: ignored")
        if not command.while_busy and self.is_busy:
            return Refusal("while-busy", f"{what} while the part is busy: ignored")
        if command.writes and since_power < up.write_us:
            return Refusal("before-power-up", f"{what} before power has been good for {up.write_us:g} us: ignored")
        if command.needs_wel and not latches.write_enabled:
            return Refusal("no-wel", f"{what} without write enable (06h): ignored")
        if command.needs_quad and self.registers.needs_quad_enable and not self.registers.bit("QE"):
            return Refusal("quad-disabled", f"{what} needs quad enable: ignored")
        return None

    def _take_effect(self, command: Command, frame: Frame, stray_bits: int) -> Refusal | None:
        if command.act is None:
            if command.has_mode:
                self._set_continuous(command, frame)
            return None
        if stray_bits:
            return Refusal("not-on-byte-boundary", f"chip select rose {stray_bits} bits into a byte: rejected")
        length = len(frame.received)
        if not command.brief and length < frame.header:
            return Refusal("cut-short", f"chip select rose before the address of {command.name} was complete: rejected")
        if not command.brief and not command.takes_data and length > frame.header:
            return Refusal("wrong-length", f"bytes behind a complete {command.name}: rejected")
        return command.act(self, frame)

    def _set_continuous(self, command: Command, frame: Frame) -> None:
        """The mode bits behind the address say whether the next frame begins with an address."""
        if len(frame.received) <= 1 + frame.wide:
            return
        mode = frame.received[1 + frame.wide]
        family = self.serial.family
        if family in ("winbond", "gigadevice"):
            goes_on = mode & 0x30 == 0x20
        elif family == "macronix":
            goes_on = (mode >> 4) ^ (mode & 0xF) == 0xF
        elif family == "micron":
            goes_on = False  # its own kind of it is entered by a configuration register
        else:
            goes_on = mode >> 4 == 0xA
        self.latches.continuous = command.opcode if goes_on else 0

    def _seen_otherwise(self, frame: Frame) -> tuple[Frame, int]:
        """The frame as the chip took it that listens on another number of lines than the host drove."""
        seen, stray = as_seen(bytes(frame.received), frame.lines, self._first_lines)
        other = Frame(self._first_lines)
        if self.latches.continuous:
            self._open_continued(other)
        other.received += seen
        if not other.is_decoded and seen:
            self._decode(other)
        return other, stray

    # -- clocks -------------------------------------------------------------------------------------------

    def _clocks(self, frame: Frame, first: int, last: int) -> int:
        """Clocks for bytes ``first`` to ``last`` of a frame."""
        if self.latches.quad:
            return (last - first) * 2
        command = frame.command
        if command is None or command.lines == (1, 1, 1):
            return (last - first) * 8
        bounds = ((0, 1), (1, frame.header), (frame.header, last))
        return sum(
            max(0, min(last, high) - max(first, low)) * 8 // lines
            for (low, high), lines in zip(bounds, command.lines, strict=True)
        )

    def _spend(self, clocks: int) -> None:
        """Let the bus run. A reset of the host in the middle ends the frame without effect."""
        owed = self._owed + clocks * _MEGA
        if owed < self.bus_hz:
            self._owed = owed
            return
        duration, self._owed = divmod(owed, self.bus_hz)
        try:
            self.clock.advance(duration)
        except Interrupted:
            self._frame = None
            raise
