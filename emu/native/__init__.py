"""Firmware in C, on the host: a shared library that is called at every reset, in a process that dies at every cut.

`CFirmware` is a firmware for a `Scenario`. A library includes brownout.h, which is in this folder.

Neighbours: `plain_rig` runs what is made here. Knows no campaign.
"""

from __future__ import annotations

from pathlib import Path

from emu.native.firmware import CFirmware, LibraryFault

HEADER = Path(__file__).with_name("brownout.h")

__all__ = ["HEADER", "CFirmware", "LibraryFault"]
