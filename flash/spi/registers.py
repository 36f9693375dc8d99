"""Status and configuration registers of serial parts: which there are, what each bit is, which opcode reaches them.

One row of ``MAPS`` per value of `CommandSet.registers`. Non-volatile bits are flash cells of their own: byte i of the
first annex block is register i, as it reads. They form one row of cells, which a write erases and programs as a
whole: so every non-volatile write is one operation over all of them, and a torn one may lose any (R2, R3). The stored
form is the plain value, because a torn row must be able to read all ones and all zeros; what the factory wrote is put
there when a chip is made, and ``MARK`` behind it says that this has happened.

Neighbours: `register_file` keeps the values of one chip, `protection` gives the bits their meaning. Knows no command
but the opcodes in the table, no time and no cell.

Sources: Winbond, Spansion, Macronix, ISSI, AT25DF bits as in the facts of each family (flashrom reg_bits, vendor
models); what is marked [R] below is recalled and not verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flash.command_set import CommandSet

MARK = 0x3F
"""Offset in the annex block of a byte that is 00 once the factory has written the registers."""

CHIP_BITS = frozenset(
    {"BUSY", "WEL", "READY", "SUS", "SUS1", "SUS2", "PSB", "ESB", "ADS", "ESTAT"}
    | {"E_ERR", "P_ERR", "EPE", "E_FAIL", "P_FAIL", "PROT"}
)
"""Bits the chip drives by itself: never stored, never written."""


@dataclass(frozen=True, slots=True)
class Register:
    """``bits``: eight names from bit 7 down to bit 0, "-" where there is none. ``kept``: names of non-volatile bits.

    ``once``: non-volatile bits that can be set and never cleared. ``loose``: bits that can be written and are gone with
    the power. A bit in none of them is read-only.
    """

    name: str
    bits: tuple[str, ...]
    kept: int = 0
    once: int = 0
    loose: int = 0
    chip: tuple[tuple[int, str], ...] = ()

    @property
    def writable(self) -> int:
        return self.kept | self.loose

    def mask(self, name: str) -> int:
        """The bit of that name; 0 where this register has none."""
        return 0x80 >> self.bits.index(name) if name in self.bits else 0


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """``reads`` and ``writes``: opcode to the registers that follow it, in order.

    ``lengths``: how many data bytes 01h takes. ``volatile_enable``: 50h makes the next write a volatile one. A write of
    fewer bytes than registers leaves the others alone (but see ``quad_enable`` 001). ``clear_flags``: the opcode that
    clears sticky error flags. ``protect_keeps_wel``: what a program into a protected area does to WEL [R].
    """

    registers: tuple[Register, ...]
    reads: Mapping[int, tuple[int, ...]]
    writes: Mapping[int, tuple[int, ...]]
    lengths: tuple[int, ...] = (1, 2)
    volatile_enable: bool = False
    clear_flags: int = 0
    protect_keeps_wel: bool = True
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def value(self, values: bytes, name: str) -> int:
        """The bit of that name, 0 or 1; 0 where the part has none."""
        place = self.places.get(name)
        return 0 if place is None else (values[place[0]] & place[1]) // place[1]

    def named(self, values: bytes) -> dict[str, int]:
        """Every bit by its name."""
        return {name: self.value(values, name) for name in self.places}

    @property
    def count(self) -> int:
        return len(self.registers)


def _register(name: str, bits: str, once: str = "", loose: str = "", read_only: str = "") -> Register:
    names = tuple(bits.split())
    assert len(names) == 8, f"register {name} names {len(names)} bits: please report"
    masks = {bit: 0x80 >> index for index, bit in enumerate(names) if bit != "-"}
    chip = tuple((mask, bit) for bit, mask in masks.items() if bit in CHIP_BITS)
    fixed = CHIP_BITS | set(read_only.split()) | set(loose.split())
    return Register(
        name, names,
        kept=sum(mask for bit, mask in masks.items() if bit not in fixed),
        once=sum(masks[bit] for bit in once.split()),
        loose=sum(masks[bit] for bit in loose.split()),
        chip=chip,
    )  # fmt: skip


def _map(
    registers: tuple[Register, ...],
    reads: Mapping[int, tuple[int, ...]],
    writes: Mapping[int, tuple[int, ...]],
    *,
    lengths: tuple[int, ...] = (1, 2),
    volatile_enable: bool = False,
    clear_flags: int = 0,
    protect_keeps_wel: bool = True,
) -> RegisterMap:
    places = {
        bit: (number, register.mask(bit))
        for number, register in enumerate(registers)
        for bit in register.bits
        if bit != "-"
    }
    return RegisterMap(
        registers, reads, writes, lengths, volatile_enable, clear_flags, protect_keeps_wel, places
    )  # fmt: skip


_SR1_BP3 = "SRP0 SEC TB BP2 BP1 BP0 WEL BUSY"
_SR1_BP4 = "SRP0 TB BP3 BP2 BP1 BP0 WEL BUSY"
_SR2_WINBOND = _register("SR2", "SUS CMP LB3 LB2 LB1 - QE SRL", once="LB1 LB2 LB3", loose="SRL")
_SR3_WINBOND = "HOLDRST DRV1 DRV0 - - WPS"
_TRIPLE = {0x05: (0,), 0x35: (1,), 0x15: (2,)}
_TRIPLE_WRITES = {0x01: (0, 1), 0x31: (1,), 0x11: (2,)}

MAPS: dict[str, RegisterMap] = {
    "winbond": _map(
        (_register("SR1", _SR1_BP3), _SR2_WINBOND, _register("SR3", f"{_SR3_WINBOND} - -")),
        _TRIPLE, _TRIPLE_WRITES, volatile_enable=True,
    ),
    # ADP (power-up in 4-byte mode) and ADS (present mode): bits 1 and 0 of SR3 [R].
    "winbond-bp4": _map(
        (_register("SR1", _SR1_BP4), _SR2_WINBOND, _register("SR3", f"{_SR3_WINBOND} ADP ADS")),
        _TRIPLE, _TRIPLE_WRITES, volatile_enable=True,
    ),
    # BP4 and BP3 stand where Winbond has SEC and TB, and mean the same. SUS1: erase, SUS2: program suspended [R].
    "gigadevice": _map(
        (
            _register("SR1", "SRP0 BP4 BP3 BP2 BP1 BP0 WEL BUSY"),
            _register("SR2", "SUS1 CMP LB3 LB2 LB1 SUS2 QE SRL", once="LB1 LB2 LB3", loose="SRL"),
            _register("SR3", "HOLDRST DRV1 DRV0 - - - - -"),
        ),
        _TRIPLE, _TRIPLE_WRITES, volatile_enable=True,
    ),
    # A second byte of 01h is the configuration register. WRSCUR (2Fh) takes no data: it sets LDSO. WEL is reset even
    # where a program is refused [R].
    "macronix": _map(
        (
            _register("SR", "SRP0 QE BP3 BP2 BP1 BP0 WEL BUSY"),
            _register("CR", "DC1 DC0 4BYTE - TB ODS2 ODS1 ODS0", once="TB", read_only="4BYTE"),
            _register("SCUR", "WPSEL E_FAIL P_FAIL - ESB PSB LDSO SOTP", once="WPSEL LDSO", read_only="SOTP"),
        ),
        {0x05: (0,), 0x15: (1,), 0x2B: (2,)}, {0x01: (0, 1)}, protect_keeps_wel=False,
    ),
    # MX25R: two configuration registers; bit 1 of the second (LH) chooses high performance. The other bits, and that
    # 01h takes all three bytes, are recalled (Zephyr's spi_nor driver writes them like that).
    "macronix-r": _map(
        (
            _register("SR", "SRP0 QE BP3 BP2 BP1 BP0 WEL BUSY"),
            _register("CR1", "- DC - - TB - - -", once="TB"),
            _register("CR2", "- - - - - - LH -"),
            _register("SCUR", "- E_FAIL P_FAIL - ESB PSB LDSO SOTP", once="LDSO", read_only="SOTP"),
        ),
        {0x05: (0,), 0x15: (1, 2), 0x2B: (3,)}, {0x01: (0, 1, 2)}, lengths=(1, 2, 3), protect_keeps_wel=False,
    ),
    # Function register: TBS, suspend bits, information row locks; read 48h, written 42h [R].
    "issi": _map(
        (
            _register("SR", "SRP0 QE BP3 BP2 BP1 BP0 WEL BUSY"),
            _register("FR", "LB4 LB3 LB2 LB1 ESB PSB TB -", once="LB1 LB2 LB3 LB4 TB"),
        ),
        {0x05: (0,), 0x48: (1,)}, {0x01: (0,), 0x42: (1,)}, lengths=(1,), volatile_enable=True,
    ),
    # NVCR is two bytes, low byte first (B5h reads, B1h writes) [R].
    "micron": _map(
        (
            _register("SR", "SRP0 BP3 TB BP2 BP1 BP0 WEL BUSY"),
            _register("FSR", "READY ESB E_FAIL P_FAIL - PSB PROT ADS"),
            _register("NVCR0", "NV7 NV6 NV5 NV4 NV3 NV2 NV1 NV0"),
            _register("NVCR1", "NV15 NV14 NV13 NV12 NV11 NV10 NV9 NV8"),
        ),
        {0x05: (0,), 0x70: (1,), 0xB5: (2, 3)}, {0x01: (0,), 0xB1: (2, 3)}, lengths=(1,), clear_flags=0x50,
    ),
    "spansion": _map(
        (
            _register("SR1", "SRP0 P_ERR E_ERR BP2 BP1 BP0 WEL BUSY"),
            _register("CR1", "LC1 LC0 TB LOCK BPNV TBPARM QE FREEZE", once="TB LOCK BPNV TBPARM", loose="FREEZE"),
            _register("SR2", "- - - - - ESTAT ESB PSB"),
        ),
        {0x05: (0,), 0x35: (1,), 0x07: (2,)}, {0x01: (0, 1)}, clear_flags=0x30,
    ),
    # Block protection lives in a register of its own (72h, 42h). IOC is its quad enable. SEC: the security id is
    # locked. BUSY is shown twice. [R]
    "sst26": _map(
        (
            _register("SR", "- - SEC WPLD PSB ESB WEL BUSY", read_only="SEC WPLD"),
            _register("CR", "WPEN - - - BPNV - QE -", once="BPNV"),
        ),
        {0x05: (0,), 0x35: (1,)}, {0x01: (0, 1)}, lengths=(2,),
    ),
    # Nothing is non-volatile: SPRL and the sector protection registers start anew. SWP and WPP are computed. [R]
    "at25df": _map(
        (_register("SR", "SRP0 - EPE WPP SWP1 SWP0 WEL BUSY", loose="SRP0", read_only="WPP SWP1 SWP0"),),
        {0x05: (0,)}, {0x01: (0,)}, lengths=(1,), protect_keeps_wel=False,
    ),
    # Winbond's layout without a third register [R].
    "at25ff": _map(
        (_register("SR1", _SR1_BP3), _SR2_WINBOND),
        {0x05: (0,), 0x35: (1,)}, {0x01: (0, 1), 0x31: (1,)}, volatile_enable=True,
    ),
}  # fmt: skip


def factory(serial: CommandSet) -> bytes:
    """The non-volatile registers as the chip is shipped. NVCR of a Micron part is all ones."""
    layout = MAPS[serial.registers]
    shipped = bytearray(layout.count)
    for number, register in enumerate(layout.registers):
        if register.name.startswith("NVCR"):
            shipped[number] = 0xFF
    shipped[: len(serial.registers_as_shipped)] = bytes(serial.registers_as_shipped)
    return bytes(shipped)


def reads_of(serial: CommandSet) -> dict[int, tuple[int, ...]]:
    """Opcode to registers, for the reads the part really has: its security registers keep a disputed opcode."""
    return _undisputed(serial, MAPS[serial.registers].reads)


def writes_of(serial: CommandSet) -> dict[int, tuple[int, ...]]:
    """The same for writes."""
    return _undisputed(serial, MAPS[serial.registers].writes)


def _undisputed(serial: CommandSet, offered: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    s = serial.security
    taken = set() if s is None else {s.read, s.program, s.erase, s.enter, s.exit}
    return {opcode: numbers for opcode, numbers in offered.items() if opcode not in taken}
