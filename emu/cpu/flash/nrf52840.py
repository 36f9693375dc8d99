"""NVMC and ACL of the nRF52840: words, 4 KiB pages, and no error register at all.

Sources: nrf52840_bitfields.h and nrfx_nvmc.c, the NVMC and ACL chapters as quoted, QEMU nrf51_nvm.c, devzone 57770. The
silicon reports no misuse, so everything wrong is a note:

- A store without WEN is dropped (QEMU and labwired-core do so; a real chip may fault), one that is no aligned word
  ends in a bus fault.
- A word takes two programs between erases. The silicon counts none, so a third is done as well, and noted: what becomes
  of it is not specified. A campaign that left it out would go on with flags that no device has.
- In UICR a word that holds what is written already takes that any number of times, and nothing happens: the vendor's
  start-up code writes one of its two pins again whenever power went between them.
- An erase without EEN is ignored. Address bits inside the page are.
- A partial erase leaves content undefined until the pulses of a page add up to a whole erase: until then the page is
  what an erase torn at that point leaves. The sum is forgotten at a reset (the model has no cell for it), and by a
  program or a whole erase of the page.

The CPU is halted in every operation (`operations`), so READY always reads 1. UICR is a page of its own with the same
rules; ERASEALL takes it along. ACL regions are set once until reset; a blocked write or erase ends in a bus fault.
Blocked reads are not modelled.

Neighbours: `controller`, `operations`, `regions`.
"""

from __future__ import annotations

from emu.cpu.contract import BusFault, StoreOutcome
from emu.cpu.faces import LaneRules
from emu.cpu.flash.controller import ControllerBase
from emu.cpu.flash.operations import accepts, complete, erase, erase_bank, stall, timed
from emu.cpu.flash.regions import Region, Row
from flash.device import FlashDevice
from flash.in_flight import InFlight

READY, READYNEXT, CONFIG, ERASEPAGE, ERASEALL, ERASEPCR0 = 0x400, 0x408, 0x504, 0x508, 0x50C, 0x510
ERASEUICR, ERASEPAGEPARTIAL, ERASEPAGEPARTIALCFG = 0x514, 0x518, 0x51C
ICACHECNF, IHIT, IMISS = 0x540, 0x548, 0x54C
ACL, ACL_END = 0x800, 0x880
ACL_WRITE = 1 << 1
WEN, EEN = 1, 2
PLAIN = (ICACHECNF, IHIT, IMISS)

UICR = Row("uicr", 4096, 4, b"")


class Nrf52840Flash(ControllerBase):
    """NVMC at 0x4001E000, with ACL behind it."""

    CHIP = "nrf52840"
    BASE = 0x4001_E000
    SIZE = 0x1000
    ROWS = (UICR,)
    LANE = LaneRules(gate=CONFIG, calm=EEN, armed=WEN, status=READY, width=4, plain={CONFIG: WEN})

    def _row_regions(self) -> tuple[Region, ...]:
        self._pulsed: dict[int, int] = {}
        return (Region("uicr", 0x1000_1000, self.rows["uicr"], 0, UICR.size),)

    def _reset_registers(self) -> None:
        self._pulsed.clear()
        self.words[:] = 0
        self._put(READY, 1)
        self._put(READYNEXT, 1)
        self._put(ERASEPAGEPARTIALCFG, 0xA)

    # -- registers ------------------------------------------------------------------------------------------

    def _written(self, offset: int, value: int, lanes: int) -> None:
        if offset == CONFIG:
            self._put(CONFIG, value & 3)
        elif offset in (ERASEPAGE, ERASEPCR0):
            self._erase_page(value)
        elif offset == ERASEPAGEPARTIAL:
            self._erase_part(value)
        elif offset == ERASEPAGEPARTIALCFG:
            self._put(offset, value & 0x7F)
        elif offset == ERASEALL and value & 1:
            self._erase_all()
        elif offset == ERASEUICR and value & 1:
            if self._may_erase("erase of UICR"):
                erase(self.rows["uicr"], 0, UICR.size)
        elif ACL <= offset < ACL_END:
            self._protect(offset, value, lanes)
        elif offset in PLAIN:
            super()._written(offset, value, lanes)

    def _may_erase(self, what: str) -> bool:
        if self._get(CONFIG) == EEN:
            return True
        self.refuse(what, "CONFIG is not EEN: ignored")
        return False

    def _page_of(self, address: int, what: str) -> int | None:
        """The page an erase register names, on the device; None: it is ignored. Raises BusFault where ACL blocks."""
        if not self._may_erase(what):
            return None
        region = self.regions[0]
        if not region.holds(address, 1):
            self.refuse(what, "no such page: ignored")
            return None
        page = self.main.geometry.sector_at(region.offset(address)).address
        self._check_blocked(page, self.main.geometry.smallest_sector_size, what)
        return page

    def _erase_page(self, address: int) -> None:
        page = self._page_of(address, f"erase of the page at {address:#x}")
        if page is not None:
            self._pulsed.pop(page, None)
            erase(self.main, page, self.main.geometry.smallest_sector_size)

    def _erase_part(self, address: int) -> None:
        """One pulse of a partial erase: the page is torn, until the pulses add up."""
        page = self._page_of(address, f"partial erase of the page at {address:#x}")
        if page is None:
            return
        device, size = self.main, self.main.geometry.smallest_sector_size
        whole = device.timing.erase_us(page, size, device.cells.cycles_at(page))
        done = self._pulsed.pop(page, 0)
        pulse = min(self._get(ERASEPAGEPARTIALCFG) * 1000, whole - done)
        device.supply.require()
        flight = InFlight.restored(
            ("erase", page, size, b"", done, whole, done, 0, 0), device.name, device.clock.now_us
        )
        device.in_flight.append(flight)
        if done + pulse >= whole:
            complete(device, flight, pulse)
            return
        stall(device, flight, pulse)
        device.abort(flight)
        self._pulsed[page] = done + pulse

    def _erase_all(self) -> None:
        what = "ERASEALL"
        if not self._may_erase(what):
            return
        self._check_blocked(0, self.main.geometry.size, what)
        self._pulsed.clear()
        erase_bank(self.main, 0)
        erase(self.rows["uicr"], 0, UICR.size)

    # -- stores -----------------------------------------------------------------------------------------------

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        what = f"store of {size} bytes to {region.base + offset:#x}"
        if size != 4 or offset % 4:
            self.refuse(what, "only aligned words can be written: bus fault")
            return "bus-fault"
        if self._get(CONFIG) != WEN:
            self.refuse(what, "CONFIG is not WEN: dropped")
            return "done"
        if region.name == "flash" and self._is_blocked(offset, size):
            self.refuse(what, "ACL blocks writes there: bus fault")
            return "bus-fault"
        self._program(region.device, offset, value.to_bytes(4, "little"), what)
        return "done"

    def _program(self, device: FlashDevice, offset: int, data: bytes, what: str) -> None:
        is_legal = accepts(device, offset, data)
        if device is self.main:
            self._pulsed.pop(self.main.geometry.sector_at(offset).address, None)
        elif not is_legal and device.sense(offset, 4) == data:
            return
        if is_legal:
            device.program(offset, data)
            return
        self.refuse(what, "the word was written 2 times since its erase: what a third leaves is not specified")
        timed(device, "program", offset, 4, data, device.timing.program_us(offset, 4, device.cells.cycles_at(offset)))

    # -- access control -----------------------------------------------------------------------------------------

    def _protect(self, offset: int, value: int, lanes: int) -> None:
        if self._get(offset):
            self.refuse(f"ACL register {offset:#x} := {value:#x}", "it was set since the reset: ignored")
        else:
            super()._written(offset, value, lanes)

    @property
    def is_unprotected(self) -> bool:
        return not self._pulsed and not self.words[ACL // 4 : ACL_END // 4].any()

    def _is_blocked(self, address: int, length: int) -> bool:
        for at in range(ACL, ACL_END, 0x10):
            start, size, permissions = self._get(at), self._get(at + 4), self._get(at + 8)
            if permissions & ACL_WRITE and address < start + size and start < address + length:
                return True
        return False

    def _check_blocked(self, address: int, length: int, what: str) -> None:
        if self._is_blocked(address, length):
            self.refuse(what, "ACL blocks writes there: bus fault")
            raise BusFault(f"{self.CHIP}: {what} is blocked by ACL")
