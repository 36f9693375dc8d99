"""The flash controller the STM32L4 and G0 have in common: two word stores make one program of a double word.

Sources: RM0351 and RM0444 as quoted, stm32-data flash_u0.yaml (the same controller), cmsis and HAL of both families,
labwired-core (measured). Stores never fault; an error flag is all there is, and while one is set every further
operation ends in PGSERR. Keys do fault: a wrong one, and any key while it is unlocked already.

The core stalls in every operation (`operations`). On parts with two banks code in one could go on while the other is
busy; it would wait for the flag, and does so in no time here.

- The first store, of the low word, only waits in the controller; a reset before the second writes nothing.
- A double word that is not erased takes only zeros (PROGERR). One programmed with all ones reads erased and is not.
- Fast programming: 64 word stores from a row boundary make one program. On the L4 the bank must have been mass-erased
  before, on the G0 the row's page must be the one erased last; both are forgotten at a reset. That data comes too late
  (MISERR) is not modelled.
- Reading a granule that cannot be corrected sets ECCD with its address and raises NMI, at every such read.
- Read protection, from level 1 to 0: the array is erased before the option row is, so no cut leaves it readable.

Neighbours: `double_word_control` has everything but stores; `stm32l4`, `stm32g0` say where bits stand.
"""

from __future__ import annotations

from emu.cpu.contract import StoreOutcome
from emu.cpu.faces import LaneRules
from emu.cpu.flash.double_word_control import DoubleWordControl
from emu.cpu.flash.double_word_layout import (
    CFGBSY,
    CR,
    EOP,
    EOPIE,
    ERRIE,
    ERRORS,
    FASTERR,
    FSTPG,
    LOCK,
    MER1,
    MER2,
    OPERR,
    OPTLOCK,
    OPTVERR,
    PER,
    PG,
    PGAERR,
    PGSERR,
    PROGERR,
    RDERRIE,
    ROW_WORDS,
    SIZERR,
    SR,
    WRPERR,
)
from emu.cpu.flash.operations import accepts, timed
from emu.cpu.flash.regions import Region

LANE = LaneRules(
    gate=CR, calm=LOCK | FSTPG | EOPIE | ERRIE | RDERRIE | PER | MER1 | MER2, armed=PG, kept=OPTLOCK,
    status=SR, errors=ERRORS, width=4, stores=2, plain={CR: PG}, clear={SR: EOP | OPERR | ERRORS | OPTVERR},
)  # fmt: skip


class DoubleWordFlash(DoubleWordControl):
    """What stores to the array do."""

    LANE = LANE

    @property
    def is_unprotected(self) -> bool:
        return not self._protected and self._row is None

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        what = f"store of {size} bytes to {region.base + offset:#x}"
        control = self._get(CR)
        if control & LOCK or not control & (PG | FSTPG):
            self._error(PGSERR | PGAERR, what, "PG is not set (PGSERR, PGAERR)")
        elif region.name != "flash":
            self._error(WRPERR, what, "option bytes are written through their registers (WRPERR)")
        elif self._is_blocked(what):
            pass
        elif size != 4:
            self._drop()
            self._error(SIZERR | PGSERR, what, "only words can be stored (SIZERR)")
        elif control & FSTPG:
            self._fast(offset, value, what)
        else:
            self._half(offset, value, what)
        self._drive()
        return "done"

    def _half(self, offset: int, value: int, what: str) -> None:
        held = self.latch.take()
        self._drop()
        if held is None and offset % 8 == 0:
            self.latch.hold(offset, value)
            if self.LAYOUT.waits:
                self._set(SR, CFGBSY)
            return
        if held is None or offset != held[0] + 4:
            self._error(PGAERR | PGSERR, what, "it is not the other half of the double word begun (PGAERR)")
            return
        data = held[1] + value.to_bytes(4, "little")
        if self._may_program(held[0], data, what):
            self.main.program(held[0], data)
            self._done()

    def _may_program(self, offset: int, data: bytes, what: str) -> bool:
        if self.main.geometry.sector_index(offset) in self._protected:
            self._error(WRPERR, what, "the page is write-protected (WRPERR)")
        elif not accepts(self.main, offset, data):
            self._error(
                PROGERR | PGSERR,
                what,
                "the double word is not blank: programmed since its erase, or its erase was cut (PROGERR)",
            )
        else:
            return True
        return False

    def _fast(self, offset: int, value: int, what: str) -> None:
        start = offset - offset % (ROW_WORDS * 4)
        page = self.main.geometry.sector_index(offset)
        if self.LAYOUT.fast_after_mass_erase and page // self._pages_per_bank not in self._mass_erased:
            self._error(PGSERR, what, "fast programming needs a mass erase of the bank before (PGSERR)")
            return
        if not self.LAYOUT.fast_after_mass_erase and page != self._page_erased_last:
            flags = PGAERR | PGSERR | FASTERR
            self._error(flags, what, "fast programming works in the page erased last only (FASTERR)")
            return
        row = self._row or (start, bytearray())
        if offset != row[0] + len(row[1]):
            self._drop()
            self._error(PGAERR | PGSERR | FASTERR, what, "not the next word of its row (PGAERR, FASTERR)")
            return
        row[1].extend(value.to_bytes(4, "little"))
        self._row = row
        if len(row[1]) == ROW_WORDS * 4:
            self._row = None
            data = bytes(row[1])
            if self._may_program(start, data, f"fast program of the row at {start:#x}"):
                timed(self.main, "program", start, len(data), data, self.main.timing.row_us(start))
                self._done()
