"""SFDP tables of real chips, as public sources print them: what the generated ones are compared with.

A run of FF bytes is written as its length in brackets. Where the source gives a checksum of the dump it is here too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flash.figure import Figure


class Dump(NamedTuple):
    raw: bytes
    source: str
    checksum: tuple[str, str] | None = None


def _bytes(text: str) -> bytes:
    return bytes.fromhex(re.sub(r"\[(\d+)\]", lambda run: "ff" * int(run[1]), text))


# fmt: off
DUMPS = {
    "W25Q64JW": Dump(_bytes(
        "53464450060101ff00060110800000ff84000102d00000[105]e520f9ffffffff0344eb086b083b42bbfeffffffffff"
        "0000ffff40eb0c200f5210d800003602a60082ea14c4e96376337a757a75f7bdd55c19f75dffe930f880[16]0000f0ff"
        "ffffffff"
    ), "linux-mtd list, January 2022",
       ("md5", "5294c4d4eb2b1c89c6fd8573d8ceaa2d")),
    "W25Q512JV": Dump(_bytes(
        "53464450060101ff00060110800000ff84000102d00000ff03000102f00000[97]e520fbffffffff1f44eb086b083b42"
        "bbfeffffffffff0000ffff40eb0c200f5210d800003602a60082ea14e2e96376337a757a75f7a2d55c19f74dffe970f9"
        "a5[17]0af0ff21ffdc[41]"
    ), "QEMU hw/block/m25p80_sfdp.c"),
    "W25Q256JV": Dump(_bytes(
        "53464450000100ff00000109800000[113]e520f3ffffffff0f44eb086b083b42bbfeffffffffff0000ffff21eb0c20"
        "0f5210d80000[92]"
    ), "QEMU hw/block/m25p80_sfdp.c (w25q256)"),
    "W25Q128JV": Dump(_bytes(
        "53464450050100ff00050110800000[113]e520f9ffffffff0744eb086b083b42bbfeffffffffff0000ffff40eb0c20"
        "0f5210d800003602a60082ea14c9e96376337a757a75f7a2d55c19f74dffe930f880"
    ), "Linux 83e824a4, commit message"),
    "MX25R8035F": Dump(_bytes(
        "53464450060101ff00060110300000ffc2000104100100[25]e520f1ffffff7f0044eb086b083b04bbeeffffffffff00"
        "ffffff00ff0c200f5210d800ff2372f50082ed04b74483384430b030b0f7c4d55c00be29fff0d0[162]003650169df9"
        "c064fecfffffffffffff"
    ), "Zephyr samples/drivers/jesd216/README: version, headers and tables as it prints them"),
    "MX25R6435F": Dump(_bytes(
        "e520f1ffffffff0344eb086b083b04bbeeffffffffff00ffffff00ff0c200f5210d800ff2372f50082ed04cc44836844"
        "30b030b0f7c4d55c00be29fff0d0ffff"
    ), "Zephyr's nRF52840-DK devicetree: the basic table alone"),
    "MX66L1G45G": Dump(_bytes(
        "53464450060102ff00060110300000ffc2000104100100ff84000102c00000[17]e520fbffffffff3f44eb086b083b04"
        "bbfeffffffffff00ffffff44eb0c200f5210d800ffd649c50085df04e34403673830b030b0f7bdd55c4a9e29fff050f9"
        "85[80]7fefffff215cdc[73]003600279df9c06485cb[214]c2f508000c0408080100190f010106[17]"
    ), "QEMU hw/block/m25p80_sfdp.c"),
    "IS25WP256": Dump(_bytes(
        "53464450060101ff00060110300000ff9d05010380000002[24]e520f9ffffffff0f44eb086b083b80bbfeffffffffff"
        "00ffffff44eb0c200f5210d800ff234ac90082d811cecccd68467a757a75f7aed55c4a422cfff030faa9[16]50195016"
        "9ff9c0648fef[118]"
    ), "QEMU hw/block/m25p80_sfdp.c"),
    "GD25LB512ME": Dump(_bytes(
        "53464450060102ff00060110300000ffc8000103900000ff84000102c00000[17]e520eaffffffff1f44eb086b003b00"
        "bbfeffffffffff00ffffff44eb0c200f5210d800ffd531b1fe83d61458ec6006337a757a7504bdd55c29067400085000"
        "01[32]002050169df98156d9c8[38]f38ff0ff215cdcff"
    ), "linux-mtd list, May 2025",
       ("sha256", "859eb314b0500aa3e3dc5a1ad514f1013387c7aaa40147ed2d616ffc4b6d851c")),
    "SST26VF064B": Dump(_bytes(
        "53464450060102ff00060110300000ff81000106000100ffbf00011800020001[16]fd20f1ffffffff0344eb086b083b"
        "80bbfeffffffffff00ffffff440b0c200dd80fd810d820914824806f1d81ed0f773830b030b0f7ffffff29c25cfff030"
        "c080[145]0004fff37f0000f57f0000f9ff7d00f57f0000f37f0000[232]bf2643ffb95ffdff30f260f332ff0a122346"
        "ff0f19320f1919ffffffffffffff00669938ff05013506040232b03072428de89888a585c09faf5affff06ec060c0003"
        "080bffffffffff07ffff0202ff060300fdfd040700fc0300fefe0202070e"
    ), "Linux Documentation/driver-api/mtd/spi-nor.rst",
       ("sha256", "428f34d0461876f189ac97f93e68a05fa6428c6650b3b7baf736a921e5898ed1")),
    "AT25FF321A": Dump(_bytes(
        "53464450060100ff00060110100000ffe520e1ffffffff0140eb086b083b00ffeeffffffffff00ffffff00ff0c200f52"
        "10d800ff502a2a0182ff9cd264c108467a757a75f7c4d55c000651ff88300000"
    ), "linux-mtd list, September 2023",
       ("md5", "d540f07cbfb7c9c19654c453b561b311")),
    "W25Q16JV": Dump(_bytes(
        "53464450050100ff00050110800000[113]e520f9ffffffff0044eb086b083b42bbfeffffffffff0000ffff40eb0c200"
        "f5210d800003602a60082ea14b3e96376337a757a75f7a2d55c19f74dffe930f880"
    ), "Project Cerberus, core/testing/flash/spi_flash_sfdp_test.c: header and basic table"),
    "W25Q64JV": Dump(_bytes(
        "53464450050100ff00050110800000[113]e520f9ffffffff0344eb086b083b42bbfeffffffffff0000ffff40eb0c200"
        "f5210d800003602a60082ea14c4e96376337a757a75f7a2d55c19f74dffe930f880[64]"
    ), "README of htminuslab/STM32-LittleFS-QSPI, a chip with id EF4017"),
    "MX25L12833F": Dump(_bytes(
        "53464450060102ff00060110300000ffc2000104100100ff84000102c00000[17]e520f1ffffffff0744eb086b083b04"
        "bbfeffffffffff00ffffff44eb0c200f5210d800ff8241bd0081e57bc64403673830b030b0f7bdd55c4abe29ffe1d0"
        "[82]0000[78]003600279df9c06485cbffffffffffff"
    ), "linux-mtd list, April 2025, posted by Macronix for id C22018",
       ("sha256", "c7c4287a584fa23f4f5037a90ab0ee6ddc6ff3f0cee89889e54465e86542c85e")),
}

SIBLINGS = {
    "MT25QL128ABA": Dump(_bytes(
        "53464450060101ff00060110300000ff84000102800000[25]e520fbffffffff0f29eb276b273b27bbffffffffffff27"
        "bbffff29eb0c2010d80f520000244a99008b8e03d4ac0127387a757a75fbbdd55c4a0f82ff81bd3d36[17]e7ffff21dc"
        "ffff"
    ), "linux-mtd list: MT25QU256ABA, twice the size",
       ("md5", "5ea738216f68c9f98987bb3725699a32")),
    "N25Q032A13": Dump(_bytes(
        "53464450000100ff00000109300000[33]e520f1ffffffff0329eb276b083b27bbffffffffffff27bbffff29eb0c2010"
        "d800000000"
    ), "linux-mtd list: an N25Q of 64 Mbit, twice the size"),
    "IS25LP128": Dump(_bytes(
        "53464450060101ff00060110300000ff9d05010380000002[24]e520f9ffffffff0744eb086b083b80bbfeffffffffff"
        "00ffffff44eb0c200f5210d800ff234ac90082d811c7cccd68467a757a75f7a2d55c4a422cfff030c080[16]50195016"
        "9cf9c0648fecffff"
    ), "linux-mtd list, August 2022: SK25LP128, which carries the vendor id of ISSI",
       ("md5", "de4d6be54e479d60859b0ca8a0ee9216")),
    "GD25Q16C": Dump(_bytes(
        "e520f1ffffffff0144eb086b083b42bbeeffffffffff00ffffff00ff0c200f5210d800ff"
    ), "ESP8266 Arduino core, GigaDevice: GD25Q32C, the basic table alone"),
    "GD25Q128C": Dump(_bytes(
        "e520f1ffffffff0144eb086b083b42bbeeffffffffff00ffffff00ff0c200f5210d800ff"
    ), "ESP8266 Arduino core, GigaDevice: GD25Q32C, the basic table alone"),
}
# fmt: on
"""Tables of a chip of the same family, by the bundled part they were taken as the pattern of."""


def basic_of(raw: bytes) -> bytes:
    """The basic table of a dump, which may be nothing else."""
    if not raw.startswith(b"SFDP"):
        return raw
    at = int.from_bytes(raw[12:15], "little")
    return raw[at : at + 4 * raw[11]]


def figure(typ: float, longest: float) -> Figure:
    return Figure(typ, longest, "made up for a test")
