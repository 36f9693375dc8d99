"""SpiNorFlash: the `NorFlash` contract by commands alone, as a careful firmware keeps it.

It looks at nothing but what comes back over the bus: it checks that WEL is really set, polls BUSY with a time-out,
reads the failure flags, and begins with whatever state a reset of the host has left the chip in. Neighbours: `spi` is
the chip; `contract` what is promised. It knows the part's description, as firmware is compiled for a part.
"""

from __future__ import annotations

from flash.contract import Clock
from flash.errors import FlashError, OutOfBounds
from flash.figure import Figure
from flash.geometry import Geometry
from flash.spi.registers import MAPS, reads_of
from flash.spi.serial_flash import SerialFlash

WEAR_MARGIN = 4
"""Time-outs are the part's maxima times this: at the end of its cycles `timing` stretches a duration 3.7 times."""
POLLS = 8
"""Polls per typical duration; between two the host sleeps."""
_BUSY, _WEL = 0x01, 0x02
_WAKES_UP = b"\xff\xff\xff"
"""On one line: enough clocks for any address and mode of a continuous read, in four-line mode for the opcode FFh."""


class SpiNorFlash:
    """A driver for ``chip``. ``unprotect``: clear block protection at the start.

    Raises FlashError, with the address and the status register, when the chip did not do as told.
    """

    def __init__(self, chip: SerialFlash, *, unprotect: bool = False) -> None:
        self.chip = chip
        self._part = chip.part
        self._serial = chip.serial
        self._layout = MAPS[chip.serial.registers]
        self._register_reads = reads_of(chip.serial)
        self._stuck = sum(
            mask for bit, (number, mask) in self._layout.places.items() if number == 0 and bit in ("E_ERR", "P_ERR")
        )
        self._unprotect = unprotect
        self._fast = next((r for r in self._serial.reads if r.lines == "1-1-1" and r.wait_clocks == 8), None)
        self._plain = next(r for r in self._serial.reads if r.lines == "1-1-1")
        self._single = next(p for p in self._serial.programs if p.lines == "1-1-1")
        large = self._part.size > 1 << 24
        read = self._fast or self._plain
        erases = all(e.opcode_4b for e in self._part.erase)
        self._by_opcode = large and bool(read.opcode_4b and self._single.opcode_4b and erases)
        self._by_mode = large and not self._by_opcode
        self._address_bytes = 4 if large or self._serial.address == "4" else 3
        self.start()

    @property
    def geometry(self) -> Geometry:
        return self.chip.device.geometry

    @property
    def _clock(self) -> Clock:
        return self.chip.clock

    # -- the contract -------------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        if address < 0 or length < 0 or address + length > self._part.size:
            raise OutOfBounds(
                f"read of {length} bytes at {address:#x} leaves the {self._part.name} [0x0, {self._part.size:#x})",
                address=address,
                length=length,
            )
        if not length:
            self.status()
            return b""
        command = self._fast or self._plain
        head = self._head(command.opcode, command.opcode_4b, address) + bytes(command.wait_clocks // 8)
        return self.chip.transfer(head, length)

    def program(self, address: int, data: bytes) -> None:
        if not self.geometry.is_program(address, len(data)):
            raise FlashError(
                f"{len(data)} bytes at {address:#x} are not one page program of the {self._part.name}",
                address=address,
                length=len(data),
            )
        head = self._head(self._single.opcode, self._single.opcode_4b, address)
        self._order("program", head + data, address, len(data), self._part.program.time_us)

    def erase(self, address: int, length: int) -> None:
        unit = next((e for e in self._part.erase if e.size == length), None)
        if unit is None or not self.geometry.is_erase(address, length):
            raise FlashError(
                f"{length:#x} bytes at {address:#x} are no erase unit of the {self._part.name}",
                address=address,
                length=length,
            )
        head = self._head(unit.opcode, unit.opcode_4b, address)
        self._order("erase", head, address, length, unit.time_us)

    # -- the start ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the chip from any state a power-up or a reset of the host can leave to one this driver knows."""
        self._clock.advance(round(self._serial.power_up.write_us) + 1)
        if any(read.mode_clocks for read in self._serial.reads):
            self.chip.transfer(_WAKES_UP)
        if self._serial.qpi is not None:
            self.chip.transfer(bytes([self._serial.qpi.exit]), lines=4)
        if self._serial.power_down is not None:
            self.chip.transfer(bytes([self._serial.power_down.exit]))
            self._clock.advance(round(self._serial.power_down.exit_us) + 1)
        self._clear_flags()
        self.wait(self._serial.chip_erase.time_us, "at the start", 0, 0)
        self._resume()
        expected = bytes.fromhex(self._part.jedec_id + self._serial.jedec_ext)
        found = self.chip.transfer(b"\x9f", len(expected))
        if found != expected:
            raise FlashError(f"the chip says it is {found.hex()}, a {self._part.name} is {expected.hex()}")
        self._choose_address_mode()
        if self._unprotect:
            self._remove_protection()

    def _resume(self) -> None:
        """What was suspended when the host was reset runs to its end."""
        names = ("SUS", "SUS1", "ESB", "SUS2", "PSB")
        for name, (number, mask) in self._layout.places.items():
            read = next((op for op, numbers in self._register_reads.items() if numbers[0] == number), None)
            if self._serial.suspend is None or name not in names or read is None:
                continue
            if self.chip.transfer(bytes([read]), 1)[0] & mask:
                is_program = name in ("SUS2", "PSB")
                rules = self._serial.suspend
                self.chip.transfer(bytes([rules.program_resume if is_program else rules.erase_resume]))
                self.wait(self._part.erase[-1].time_us, "after a resume", 0, 0)

    def _choose_address_mode(self) -> None:
        four = self._serial.four_byte
        if four is None or self._serial.address != "3-or-4" or not four.enter:
            return  # a part without the mode is reached by opcodes that carry four address bytes
        if four.needs_wren:
            self._write_enable("address mode", 0, 0)
        self.chip.transfer(bytes([four.enter if self._by_mode else four.exit]))

    def _remove_protection(self) -> None:
        """Global unlock where the part has locks of its own, no BP bits elsewhere."""
        if self._serial.unlock_at_power_up and self._serial.registers == "sst26":
            self._write_enable("unprotect", 0, 0)
            self.chip.transfer(b"\x98")
            return
        present, wanted = self._write_bytes()
        if self._serial.unlock_at_power_up or wanted != present:
            self._order("unprotect", b"\x01" + wanted, 0, 0, self._serial.register_write_us)
        complement = self._layout.places.get("CMP")
        if complement is None or len(wanted) > 1:
            return
        second = self.chip.transfer(b"\x35", 1)[0]
        if second & complement[1]:
            self._order("unprotect", bytes([0x31, second & ~complement[1]]), 0, 0, self._serial.register_write_us)

    def _write_bytes(self) -> tuple[bytes, bytes]:
        """What 01h would write as things are, and so that no BP bit is left.

        A second byte only where a single one would clear the second register, and quad enable with it.
        """
        places = self._layout.places
        bits = sum(mask for name, (number, mask) in places.items() if number == 0 and name.startswith("BP"))
        if self._serial.registers == "at25df":
            bits = 0x7C
        status = self.status() & 0xFC
        if self._serial.quad_enable != "001":
            return bytes([status]), bytes([status & ~bits])
        second = self.chip.transfer(b"\x35", 1)[0]
        return bytes([status, second]), bytes([status & ~bits, second & ~places.get("CMP", (1, 0))[1]])

    # -- commands -----------------------------------------------------------------------------------------

    def status(self) -> int:
        return self.chip.transfer(b"\x05", 1)[0]

    def wait(self, figure: Figure, what: str, address: int, length: int) -> int:
        """Poll until BUSY falls, or stays up with a failure flag; returns the status register.

        Raises FlashError when it takes too long.
        """
        pause = max(1, int(figure.typ / POLLS))
        limit = self._clock.now_us + int(figure.max * WEAR_MARGIN) + pause
        while True:
            status = self.status()
            if not status & _BUSY:
                return status
            if self._clock.now_us > limit:
                raise FlashError(
                    f"{what} at {address:#x}: still busy after {figure.max * WEAR_MARGIN:g} us, status {status:#04x}",
                    address=address,
                    length=length,
                )
            if status & self._stuck:
                return status
            self._clock.advance(pause)

    def _order(self, what: str, frame: bytes, address: int, length: int, figure: Figure) -> None:
        """Write enable, the command, wait, and see whether it was carried out."""
        self._write_enable(what, address, length)
        self.chip.transfer(frame)
        status = self.wait(figure, what, address, length)
        if not status & _WEL and not self._failed():
            return
        flags = " ".join(f"{op:02X}h={self.chip.transfer(bytes([op]), 1)[0]:#04x}" for op in self._register_reads)
        self._clear_flags()
        if status & _WEL:
            self.chip.transfer(b"\x04")
        raise FlashError(
            f"{what} of {length:#x} bytes at {address:#x} was not carried out (write-protected?): registers {flags}",
            address=address,
            length=length,
        )

    def _write_enable(self, what: str, address: int, length: int) -> None:
        self.chip.transfer(b"\x06")
        status = self.status()
        if not status & _WEL:
            raise FlashError(
                f"{what} at {address:#x}: write enable was not taken, status {status:#04x}",
                address=address,
                length=length,
            )

    def _failed(self) -> bool:
        """Whether any failure flag of the part is up."""
        for name in ("E_ERR", "P_ERR", "E_FAIL", "P_FAIL", "EPE"):
            place = self._layout.places.get(name)
            if place is not None:
                read = next((op for op, numbers in self._register_reads.items() if numbers[0] == place[0]), None)
                if read is not None and self.chip.transfer(bytes([read]), 1)[0] & place[1]:
                    return True
        return False

    def _clear_flags(self) -> None:
        if self._layout.clear_flags:
            self.chip.transfer(bytes([self._layout.clear_flags]))

    def _head(self, opcode: int, opcode_4b: int, address: int) -> bytes:
        chosen = opcode_4b if self._by_opcode else opcode
        return bytes([chosen]) + address.to_bytes(self._address_bytes, "big")
