"""Firmware that takes its process along, in workers only: a test that runs it itself is told so.

Neighbours: the tests of sharded campaigns. Asserts nothing.
"""

from __future__ import annotations

import os
import sys
from threading import Event

from bootloader.boot import BootReport
from bootloader.image import HEADER_SIZE
from emu.device import Session
from emu.firmware import ModelFirmware

HERE = os.getpid()


def in_the_test_itself() -> bool:
    """Not in a worker: neither a new interpreter nor a child of the test."""
    return "pytest" in sys.modules and os.getpid() == HERE


def die() -> None:
    assert not in_the_test_itself(), "this firmware runs in the test itself, which it would have ended"
    os._exit(3)


def _is_at_first_page(session: Session) -> bool:
    """Whether slot 1 holds one page of an update and no header: true at one place of an update."""
    flash = session.device.layout.slots[1].flash
    blank = bytes([flash.geometry.erased]) * 256
    header, first, second = (flash.read(offset, 256) for offset in (0, HEADER_SIZE, HEADER_SIZE + 256))
    return header == blank == second and first != blank


class Deadly(ModelFirmware):
    """Dies when its reset line was pulled at that place."""

    name = "deadly"

    def boot(self, session: Session) -> BootReport:
        if session.cause == "pin" and _is_at_first_page(session):
            die()
        return super().boot(session)


class Stuck(ModelFirmware):
    """Stands still, and its emulator with it, when its reset line was pulled at that place."""

    name = "stuck"

    def boot(self, session: Session) -> BootReport:
        if session.cause == "pin" and _is_at_first_page(session):
            assert not in_the_test_itself(), "this firmware runs in the test itself, which it would have stopped"
            Event().wait()
        return super().boot(session)


class DeadlyTwice(ModelFirmware):
    """Dies when its reset line is pulled again, after it was pulled at that place."""

    name = "deadly-twice"

    def boot(self, session: Session) -> BootReport:
        if session.cause == "pin" and session.recall("pulls"):
            die()
        if session.cause == "pin" and _is_at_first_page(session):
            session.retain("pulls", 1)
        return super().boot(session)
