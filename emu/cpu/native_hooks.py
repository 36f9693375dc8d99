"""Hooks of machine code: the library calls instructions of ours, which do their work before Python is asked.

`block_counter`, `first_touch`, `ram_touch` and `lane_code` have the instructions. Neighbours: `engine` and `following`
register them. Knows no hook by itself.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

from emu.cpu.library import Uc, uclib


def address_in_library(function: Any) -> int:
    """Of one of its functions."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class NativeHooks:
    """Those of ``uc``, for as long as it lives. ``native`` False: there are none."""

    def __init__(self, uc: Uc, *, native: bool) -> None:
        self._handle = uc._uch
        self._native = native
        self._codes: dict[bytes, mmap.mmap | None] = {}
        self._told: list[Any] = []

    def code(self, codes: Mapping[str, bytes]) -> int:
        """Where the instructions of ``codes`` for this machine are; 0: there are none."""
        if not self._native:
            return 0
        own = codes.get(platform.machine(), b"")
        if own not in self._codes:
            self._codes[own] = native_code(codes)
        made = self._codes[own]
        return 0 if made is None else address_of(made)

    def add(self, kind: int, code: int, state: Any, begin: int, end: int) -> None:
        """``code`` is called, with the address of ``state``, for addresses from ``begin`` to ``end``; with 1 and 0, for
        all."""
        number = ctypes.c_size_t()
        failed = uclib.uc_hook_add(
            self._handle, ctypes.byref(number), kind, ctypes.c_void_p(code), ctypes.c_void_p(ctypes.addressof(state)),
            ctypes.c_uint64(begin), ctypes.c_uint64(end),
        )  # fmt: skip
        assert not failed, f"the engine takes no hook ({failed}): please report"

    def map_registers(self, address: int, size: int, on_read: int, on_write: int, state: Any) -> None:
        """The same for registers from ``address`` on."""
        given = ctypes.c_void_p(ctypes.addressof(state))
        failed = uclib.uc_mmio_map(
            self._handle, address, size, ctypes.c_void_p(on_read), given, ctypes.c_void_p(on_write), given
        )
        assert not failed, f"the engine maps no registers ({failed}): please report"

    def kept(self, function: Any) -> int:
        """The address of a function of ours that machine code calls."""
        self._told.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value or 0


def of_this_machine(offsets: Mapping[str, int]) -> int:
    """Where in the instructions for this machine something begins."""
    return offsets[platform.machine()]


def native_code(codes: Mapping[str, bytes]) -> mmap.mmap | None:
    """The instructions of ``codes`` for this machine, in executable memory; None: there are none for it.

    The pages come from a file in memory and are mapped read and execute, never write. Keep the map as long as the hook.
    """
    code = codes.get(platform.machine()) if sys.platform == "linux" else None
    if code is None:
        return None
    handle = os.memfd_create("hooks")
    try:
        os.write(handle, code)
        return mmap.mmap(handle, len(code), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    except OSError:  # a hardened kernel maps no such page as executable
        return None
    finally:
        os.close(handle)


def address_of(code: mmap.mmap) -> int:
    """Where the instructions are, for a library that calls them."""
    pointer, length = ctypes.c_void_p(), ctypes.c_ssize_t()
    as_pointer = ctypes.pythonapi.PyObject_AsReadBuffer
    as_pointer.argtypes = [ctypes.py_object, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_ssize_t)]
    as_pointer(code, ctypes.byref(pointer), ctypes.byref(length))
    assert pointer.value is not None, "a mapped page has no address: please report"
    return pointer.value
