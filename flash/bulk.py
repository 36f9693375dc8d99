"""Erasing and programming more than one command takes: what every firmware has a loop for.

Neighbours: written against `contract.NorFlash`, so they work on a device, a partition or anything that conforms.
"""

from __future__ import annotations

from flash.contract import NorFlash


def wipe(flash: NorFlash) -> None:
    """Erase all of it, sector by sector, from the first to the last."""
    for sector in flash.geometry.sectors_in(0, flash.geometry.size):
        flash.erase(sector.address, sector.size)


def put(flash: NorFlash, address: int, data: bytes) -> None:
    """Program ``data``, page by page. ``address`` and length are in whole program units; raises what `program` does."""
    for at, length in flash.geometry.programs(address, len(data)):
        flash.program(at, data[at - address : at - address + length])
