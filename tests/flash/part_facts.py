"""What is known of 37 parts, copied from the notes on each chip: never read from a part file.

None: not found in any document. W25Q16JV, W25Q64JV, W25Q128JV and MX25L12833F have figures that were found later than
the notes, in SFDP tables of these chips; `sfdp_dumps` has the tables and their sources. Times in milliseconds or
microseconds as the field says, (typical, maximum).
Neighbours: `test_part_facts` holds the bundled parts against these rows.
"""

from __future__ import annotations

from typing import NamedTuple

Pair = tuple[float | None, float | None]
UNKNOWN: Pair = (None, None)


class EraseFact(NamedTuple):
    size: int
    opcode: int | None
    opcode_4b: int | None
    typ_ms: float | None
    max_ms: float | None


class SuspendFact(NamedTuple):
    """Opcodes; latencies and least times from a resume to the next suspend, in microseconds."""

    suspend: int
    resume: int
    erase_latency: float
    program_latency: float | None
    erase_gap: float | None = None
    program_gap: float | None = None


class Fact(NamedTuple):
    """One row. ``byte_us``: a byte or unit; ``first_us``, ``next_us``: typical, as SFDP states them."""

    row: str
    part: str
    trust: str
    size: int | None
    page: int | None
    unit: int
    programs: int | None
    erases: tuple[EraseFact, ...]
    jedec: str = ""
    jedec_ext: str = ""
    page_us: Pair = UNKNOWN
    byte_us: Pair = UNKNOWN
    first_us: float | None = None
    next_us: float | None = None
    chip_opcodes: tuple[int, ...] = ()
    chip_ms: Pair = UNKNOWN
    write_ms: Pair = UNKNOWN
    suspend: SuspendFact | None = None
    leave_down_us: float | None = None
    enter_down_us: float | None = None
    reset_us: float | None = None
    select_us: float | None = None
    write_after_us: float | None = None
    cycles: int | None = None


# fmt: off
FACTS = (
    Fact(
        "W25Q16JV-IQ", "W25Q16JV", "sfdp", 2097152, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 64, 896), EraseFact(32768, 0x52, None, 128, 1792),
            EraseFact(65536, 0xD8, None, 160, 2240),
        ),
        jedec="EF4015", page_us=(704, 4224), first_us=32, next_us=3, chip_opcodes=(0x60, 0xC7), chip_ms=(5120, 30720),
        suspend=SuspendFact(0x75, 0x7A, 20, 20, 512, 128), leave_down_us=3, write_after_us=5000,
    ),
    Fact(
        "W25Q64JV-IQ", "W25Q64JV", "sfdp", 8388608, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 64, 896), EraseFact(32768, 0x52, None, 128, 1792),
            EraseFact(65536, 0xD8, None, 160, 2240),
        ),
        jedec="EF4017", page_us=(704, 4224), first_us=32, next_us=3, chip_opcodes=(0x60, 0xC7), chip_ms=(20000, 120000),
        suspend=SuspendFact(0x75, 0x7A, 20, 20, 512, 128), leave_down_us=3, write_after_us=5000,
    ),
    Fact(
        "W25Q64JW-IM", "W25Q64JW", "sfdp", 8388608, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 64, 896), EraseFact(32768, 0x52, None, 128, 1792),
            EraseFact(65536, 0xD8, None, 160, 2240),
        ),
        jedec="EF8017", page_us=(704, 4224), first_us=32, next_us=3, chip_opcodes=(0x60, 0xC7),
        chip_ms=(20000, 120000), suspend=SuspendFact(0x75, 0x7A, 20, 20, 512, 128), leave_down_us=30,
    ),
    Fact(
        "W25Q128JV-IM/IQ", "W25Q128JV", "quoted", 16777216, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 45, 400), EraseFact(32768, 0x52, None, 128, 1792),
            EraseFact(65536, 0xD8, None, 160, 2000),
        ),
        jedec="EF4018", page_us=(700, 3000), chip_opcodes=(0x60, 0xC7), chip_ms=(40000, 200000), write_ms=(None, 15),
        suspend=SuspendFact(0x75, 0x7A, 20, 20, 512, 128), leave_down_us=3, enter_down_us=3, write_after_us=5000,
    ),
    Fact(
        "W25Q256JV-IQ", "W25Q256JV", "geometry-only", 33554432, 256, 1, None,
        (
            EraseFact(4096, 0x20, 0x21, None, None), EraseFact(32768, 0x52, None, None, None),
            EraseFact(65536, 0xD8, 0xDC, None, None),
        ),
        jedec="EF4019", chip_opcodes=(0x60, 0xC7), write_after_us=5000,
    ),
    Fact(
        "W25Q512JV", "W25Q512JV", "sfdp", 67108864, 256, 1, None,
        (
            EraseFact(4096, 0x20, 0x21, 64, 896), EraseFact(32768, 0x52, None, 128, 1792),
            EraseFact(65536, 0xD8, 0xDC, 160, 2240),
        ),
        jedec="EF4020", page_us=(704, 4224), first_us=32, next_us=3, chip_opcodes=(0x60, 0xC7),
        chip_ms=(192000, 1152000), suspend=SuspendFact(0x75, 0x7A, 20, 20, 512, 128), leave_down_us=3,
    ),
    Fact(
        "W25Q80DL", "W25Q80DL", "vendor-model", 1048576, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 45, None), EraseFact(32768, 0x52, None, 120, None),
            EraseFact(65536, 0xD8, None, 150, None),
        ),
        jedec="EF4014", page_us=(800, None), chip_opcodes=(0x60, 0xC7), chip_ms=(2000, None), write_ms=(10, None),
        suspend=SuspendFact(0x75, 0x7A, 20, 20, 20, 20), leave_down_us=3, enter_down_us=3, write_after_us=5000,
    ),
    Fact(
        "MX25R8035F (low-power default)", "MX25R8035F", "sfdp", 1048576, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 48, 384), EraseFact(32768, 0x52, None, 240, 1920),
            EraseFact(65536, 0xD8, None, 480, 3840),
        ),
        jedec="C22814", page_us=(896, 5376), first_us=32, next_us=1, chip_opcodes=(0x60, 0xC7),
        chip_ms=(6144, 36864), suspend=SuspendFact(0xB0, 0x30, 40, 40, 256, 128), leave_down_us=40,
    ),
    Fact(
        "MX25R6435F", "MX25R6435F", "sfdp", 8388608, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 48, 384), EraseFact(32768, 0x52, None, 240, 1920),
            EraseFact(65536, 0xD8, None, 480, 3840),
        ),
        jedec="C22817", page_us=(896, 5376), first_us=32, next_us=1, chip_opcodes=(0x60, 0xC7),
        chip_ms=(52000, 312000), suspend=SuspendFact(0xB0, 0x30, 40, 40, 448, 128), leave_down_us=40,
        write_after_us=5000,
    ),
    Fact(
        "MX25L12833F", "MX25L12833F", "vendor-model", 16777216, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 25, 150), EraseFact(32768, 0x52, None, 140, 864),
            EraseFact(65536, 0xD8, None, 250, 1536),
        ),
        jedec="C22018", page_us=(330, 1536), byte_us=(16, 64), chip_opcodes=(0x60, 0xC7), chip_ms=(26000, 112000),
        write_ms=(None, 40), suspend=SuspendFact(0xB0, 0x30, 25, 25, 400, 100), leave_down_us=30, enter_down_us=10,
        select_us=800,
    ),
    Fact(
        "MX66L1G45G", "MX66L1G45G", "sfdp", 134217728, 256, 1, None,
        (
            EraseFact(4096, 0x20, 0x21, 30, 420), EraseFact(32768, 0x52, 0x5C, 160, 2240),
            EraseFact(65536, 0xD8, 0xDC, 288, 4032),
        ),
        jedec="C2201B", page_us=(256, 3072), first_us=32, next_us=1, chip_opcodes=(0x60, 0xC7),
        chip_ms=(256000, 3072000), suspend=SuspendFact(0xB0, 0x30, 25, 25, 448, 128), leave_down_us=30,
    ),
    Fact(
        "MT25QL128ABA", "MT25QL128ABA", "vendor-model", 16777216, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, None, None), EraseFact(32768, 0x52, None, None, None),
            EraseFact(65536, 0xD8, None, None, None),
        ),
        jedec="20BA18", chip_opcodes=(0x60, 0xC7), suspend=SuspendFact(0x75, 0x7A, 25, 25), leave_down_us=30,
        enter_down_us=3,
    ),
    Fact(
        "N25Q032A13", "N25Q032A13", "quoted", 4194304, 256, 1, None,
        (EraseFact(4096, 0x20, None, None, 800), EraseFact(65536, 0xD8, None, None, 3000),),
        jedec="20BA16", page_us=(None, 5000), chip_opcodes=(0xC7,), chip_ms=(None, 60000),
        suspend=SuspendFact(0x75, 0x7A, 25, 25), cycles=100000,
    ),
    Fact(
        "S25FL256S (256B page / 64K sectors, hybrid 4K)", "S25FL256S", "vendor-model", 33554432, 256, 1, None,
        (EraseFact(4096, 0x20, 0x21, None, None), EraseFact(65536, 0xD8, 0xDC, None, 650),),  # four-byte: recalled
        jedec="010219", jedec_ext="4D0180", page_us=(None, 750), byte_us=(None, 400), chip_opcodes=(0x60, 0xC7),
        chip_ms=(None, 330000), write_ms=(200, None), suspend=SuspendFact(0x75, 0x7A, 45, 40), select_us=300,
    ),
    Fact(
        "S25FL128S (64K sectors)", "S25FL128S", "family", 16777216, 256, 1, None,
        (EraseFact(65536, 0xD8, None, None, 650),),
        jedec="012018", jedec_ext="4D0180", page_us=(None, 750), chip_opcodes=(0x60, 0xC7),
        suspend=SuspendFact(0x75, 0x7A, 45, 40), select_us=300,
    ),
    Fact(
        "S25FS256S", "S25FS256S", "vendor-model", 33554432, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, None, 725), EraseFact(65536, 0xD8, None, None, 725),
            EraseFact(262144, 0xD8, None, None, 2900),
        ),
        jedec="010219", jedec_ext="4D0181", page_us=(None, 900), chip_opcodes=(0x60, 0xC7), chip_ms=(None, 360000),
        write_ms=(None, 750), suspend=SuspendFact(0x75, 0x7A, 40, 40, 100, 100), reset_us=35, select_us=300,
    ),
    Fact(
        "IS25WP256", "IS25WP256", "sfdp", 33554432, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 48, 384), EraseFact(32768, 0x52, None, 160, 1280),
            EraseFact(65536, 0xD8, None, 304, 2432),
        ),
        jedec="9D7019", page_us=(200, 1200), first_us=8, next_us=3, chip_opcodes=(0x60, 0xC7),
        chip_ms=(60000, 360000), suspend=SuspendFact(0x75, 0x7A, 56, 56, 448, 448), leave_down_us=15,
    ),
    Fact(
        "IS25LP128", "IS25LP128", "geometry-only", 16777216, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, None, None), EraseFact(32768, 0x52, None, None, None),
            EraseFact(65536, 0xD8, None, None, None),
        ),
        jedec="9D6018", chip_opcodes=(0x60, 0xC7), cycles=100000,
    ),
    Fact(
        "GD25Q16C", "GD25Q16C", "geometry-only", 2097152, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, None, None), EraseFact(32768, 0x52, None, None, None),
            EraseFact(65536, 0xD8, None, None, None),
        ),
        jedec="C84015", chip_opcodes=(0x60, 0xC7), write_after_us=5000,
    ),
    Fact(
        "GD25Q128C", "GD25Q128C", "geometry-only", 16777216, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, None, None), EraseFact(32768, 0x52, None, None, None),
            EraseFact(65536, 0xD8, None, None, None),
        ),
        jedec="C84018", chip_opcodes=(0x60, 0xC7),
    ),
    Fact(
        "GD25LB512ME", "GD25LB512ME", "sfdp", 67108864, 256, 1, None,
        (
            EraseFact(4096, 0x20, 0x21, 30, 360), EraseFact(32768, 0x52, 0x5C, 112, 1344),
            EraseFact(65536, 0xD8, 0xDC, 208, 2496),
        ),
        jedec="C8671A", page_us=(184, 1472), first_us=32, next_us=3, chip_opcodes=(0x60, 0xC7),
        chip_ms=(100000, 800000), suspend=SuspendFact(0x75, 0x7A, 20, 20, 64, 64), leave_down_us=30,
    ),
    Fact(
        "SST26VF064B", "SST26VF064B", "sfdp", 8388608, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 19, 38), EraseFact(8192, 0xD8, None, 19, 38),
            EraseFact(32768, 0xD8, None, 19, 38), EraseFact(65536, 0xD8, None, 19, 38),
        ),
        jedec="BF2643", page_us=(1024, 2048), first_us=48, next_us=4, chip_opcodes=(0xC7,), chip_ms=(32, 64),
        suspend=SuspendFact(0xB0, 0x30, 25, 25, 512, 512),
    ),
    Fact(
        "AT25FF321A", "AT25FF321A", "sfdp", 4194304, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 96, 192), EraseFact(32768, 0x52, None, 768, 1536),
            EraseFact(65536, 0xD8, None, 1408, 2816),
        ),
        jedec="1F4708", page_us=(2048, 12288), first_us=32, next_us=32, chip_opcodes=(0x60, 0xC7),
        chip_ms=(76000, 456000), suspend=SuspendFact(0x75, 0x7A, 56, 56, 64, 64), leave_down_us=40,
    ),
    Fact(
        "AT25DF041A", "AT25DF041A", "driver", 524288, 256, 1, None,
        (
            EraseFact(4096, 0x20, None, 50, 200), EraseFact(32768, 0x52, None, 250, 600),
            EraseFact(65536, 0xD8, None, 400, 950),
        ),
        jedec="1F4401", page_us=(2000, 5000), chip_opcodes=(0x60, 0xC7), chip_ms=(3000, 7000),
    ),
    Fact(
        "STM32F405/407", "STM32F405", "quoted", 1048576, None, 1, None,
        (
            EraseFact(16384, None, None, None, None), EraseFact(65536, None, None, None, None),
            EraseFact(131072, None, None, None, 2000),
        ),
        byte_us=(None, 100),
    ),
    Fact(
        "STM32L476", "STM32L476", "mixed", 1048576, None, 8, 1,
        (EraseFact(2048, None, None, None, 25),),
    ),
    Fact(
        "STM32G474", "STM32G474", "mixed", 524288, None, 8, 1,
        (EraseFact(2048, None, None, None, None),),
    ),
    Fact(
        "STM32H743", "STM32H743", "quoted", 2097152, None, 32, 1,
        (EraseFact(131072, None, None, 1000, 2000),),
        page_us=(100, 200),
    ),
    Fact(
        "nRF52840", "nRF52840", "mixed", 1048576, 4096, 4, 2,
        (EraseFact(4096, None, None, None, 89.7),),
        byte_us=(None, 41), cycles=10000,
    ),
    Fact(
        "nRF5340 (app core)", "nRF5340", "datasheet", 1048576, 4096, 4, 2,
        (EraseFact(4096, None, None, None, 87.51),),
        byte_us=(None, 43), chip_ms=(None, 173), cycles=10000,
    ),
    Fact(
        "SAM D21", "SAMD21", "datasheet", 262144, 64, 64, 8,
        (EraseFact(256, None, None, None, 6),),
        page_us=(None, 2500), chip_ms=(None, 240), cycles=25000,
    ),
    Fact(
        "SAM D51/E5x", "SAMD51", "datasheet", 1048576, 512, 16, None,
        (EraseFact(8192, None, None, 50, 200),),
        page_us=(1500, 3000), chip_ms=(6400, 25000),
    ),
    Fact(
        "MK64F12 (FTFE)", "MK64F12", "mixed", 1048576, None, 8, 1,
        (EraseFact(4096, None, None, None, None),),
    ),
    Fact(
        "TMS320F28377D (wear reference)", "TMS320F28377D", "datasheet", None, None, 8, 1,
        (EraseFact(16384, None, None, 30, 4000),),
        page_us=(40, 300), cycles=20000,
    ),
    Fact(
        "Intel 28F128J3A", "28F128J3A", "datasheet", 16777216, 32, 1, None,
        (EraseFact(131072, None, None, None, None),),
        byte_us=(6.8, None), cycles=100000,
    ),
    Fact(
        "S29GL01GS", "S29GL01GS", "geometry-only", 134217728, 512, 2, None,
        (EraseFact(131072, None, None, None, None),),
    ),
    Fact(
        "M29W400D", "M29W400D", "datasheet", 524288, None, 1, None,
        (EraseFact(65536, None, None, 800, 6000),),
        byte_us=(10, 200), chip_ms=(6000, 35000), suspend=SuspendFact(0xB0, 0x30, 25, None), cycles=100000,
    ),
)
# fmt: on
