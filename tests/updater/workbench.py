"""What the updater tests work on: a device in the field, archives made by hand, and the life after an update.

The device has an old image in its running slot, two valid boot configs, and a destination slot that is full of
leftovers: an older image with a good header, then garbage up to the end. Neighbours: every test of this folder.
Decides nothing and asserts nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import settings

from bootloader.boot import BootReport, boot
from bootloader.config import BootConfig, SlotConfig, pack_config
from bootloader.config_store import ConfigStore
from bootloader.image import header_for, pack_header
from bootloader.layout import Layout, Slot
from bootloader.verify import VerifyPolicy
from flash.contract import ElapsedTime, NorFlash
from flash.device import FlashDevice
from flash.journal import Journal, Misuse, Operation
from flash.part import Part, bundled_part, part_names
from flash.partition import Partition
from tests.bootloader.workbench import FakeTimer
from updater.bundle import Firmware, make_bundle, manifest_of
from updater.context import updater_context_create, updater_finish, updater_process
from updater.reception import UpdaterContext
from updater.target import UpdateTarget

K = 1024
unhurried = settings(deadline=None)
"""For properties: how long an example takes says nothing on a busy machine."""
PARTS = part_names()
QUICK = "MX25R8035F"
NEWEST_SEQUENCER = 0xFFFF_FFF0

OLD_APP = bytes(range(241)) * 9
OLDER_APP = b"the image before the old one" * 77
NEW_APP = b"\x00\xffnew application" * 90 + b"\xff" * 700 + b"behind a hole" * 5 + b"\xff\xff\x00"
NEW_FS = b"files " * 100 + b"\xff" * 300 + b"more files!"
LOAD_ADDRESS = 0x0800_8100
FIRMWARE = Firmware("demo", "bench", "2.1.7", "20240101-000000/gabc1234-main", NEW_APP, LOAD_ADDRESS, NEW_FS)
BUNDLE = make_bundle(FIRMWARE)


class Plan(NamedTuple):
    """Where things are on a part: (address, size) of both config copies and both slots, and each slot's fs size."""

    configs: tuple[tuple[int, int], tuple[int, int]]
    slots: tuple[tuple[int, int], tuple[int, int]]
    fs_sizes: tuple[int, int]


MIXED = Plan(((0, 16 * K), (16 * K, 16 * K)), ((128 * K, 128 * K), (32 * K, 96 * K)), (0, 64 * K))
"""STM32F405: slot 1 has sectors of 16, 16 and 64 KiB; the last one is the filesystem's."""

MIXED_APP = MIXED._replace(fs_sizes=(0, 0))
"""The same slot, all of it for the application."""


def plan_of(part: Part, *, slot_size: int = 32 * K, fs_size: int = 8 * K) -> Plan:
    """Config copies in the first two sectors; two slots from 64 KiB on. Large sectors make everything larger."""
    if len(part.sectors) > 1:
        return MIXED
    sector = part.sectors[0].size
    slot_size, fs_size = max(slot_size, 2 * sector), max(fs_size, sector) if fs_size else 0
    first = max(64 * K, slot_size)
    return Plan(((0, sector), (sector, sector)), ((first, slot_size), (first + slot_size, slot_size)), (fs_size,) * 2)


@dataclass
class Bench:
    """A device between two updates. ``target`` is as fresh as after a reset."""

    device: FlashDevice
    clock: ElapsedTime
    plan: Plan
    layout: Layout
    store: ConfigStore
    target: UpdateTarget

    @property
    def running(self) -> int:
        return self.target.running_slot

    @property
    def destination(self) -> Slot:
        return self.layout.slots[1 - self.running]

    @property
    def operations(self) -> list[Operation]:
        return self.device.journal.operations()

    @property
    def misuses(self) -> list[Misuse]:
        return [entry for entry in self.device.journal.entries if isinstance(entry, Misuse)]

    def config_bytes(self, copy: int) -> bytes:
        return self.device.cells.read(*self.plan.configs[copy])

    def slot_bytes(self, index: int) -> bytes:
        return self.device.cells.read(*self.plan.slots[index])

    @property
    def untouchable(self) -> tuple[bytes, bytes, bytes]:
        """What an update must leave alone until it finishes: the running slot and both config copies."""
        return self.slot_bytes(self.running), self.config_bytes(0), self.config_bytes(1)

    def begin(self, timeout_s: int = 0, **options: Any) -> UpdaterContext:
        context = updater_context_create(self.target, timeout_s, **options)
        assert context is not None, self.target.log
        return context

    def boot(self) -> BootReport:
        return boot(self.store, self.layout, FakeTimer(), VerifyPolicy(sha256=True), "power")


def make_bench(
    part: str = QUICK,
    *,
    plan: Plan | None = None,
    running: int = 0,
    newest: int = 1,
    sequencer: int = NEWEST_SEQUENCER,
    committed: bool = True,
    leftovers: bool = True,
    wrap: Callable[[Partition], NorFlash] = lambda window: window,
) -> Bench:
    """A device whose ``newest`` config copy is the newer one; ``wrap`` goes around the destination slot's flash."""
    clock = ElapsedTime()
    device = FlashDevice(bundled_part(part), clock=clock, journal=Journal())
    plan = plan or plan_of(device.part)
    configs = [Partition(f"config{n}", device, *plan.configs[n]) for n in (0, 1)]
    windows = [Partition(f"app{n}", device, *plan.slots[n]) for n in (0, 1)]
    slots = [Slot(n, f"app{n}", windows[n] if n == running else wrap(windows[n]), plan.fs_sizes[n]) for n in (0, 1)]
    layout = Layout((configs[0], configs[1]), (slots[0], slots[1]))
    old = header_for(OLD_APP, load_address=LOAD_ADDRESS, app_version=0x0100_0000)
    device.load(plan.slots[running][0], pack_header(old) + OLD_APP)
    if leftovers:
        older = header_for(OLDER_APP, load_address=LOAD_ADDRESS, app_version=0x0001_0000)
        address, size = plan.slots[1 - running]
        device.load(address, (pack_header(older) + OLDER_APP).ljust(size, b"\x5a"))
    named = SlotConfig(old.app_length, old.load_address, old.app_crc, old.app_version)
    blank = BootConfig(sequencer, running, None, committed, False, False, 0, (SlotConfig(), SlotConfig()))
    for copy in (0, 1):
        number = sequencer if copy == newest else sequencer + 1
        record = pack_config(BootConfig(number, *_tail(blank.with_slot(running, named))))
        stored = record if device.part.erased else bytes(byte ^ 0xFF for byte in record)
        device.load(plan.configs[copy][0], stored)
    store = ConfigStore(layout.configs)
    target = UpdateTarget(layout, store, clock, "bench", "1.0.0", "20230101-000000/g0000000-main", running)
    return Bench(device, clock, plan, layout, store, target)


def _tail(config: BootConfig) -> tuple[Any, ...]:
    return tuple(getattr(config, name) for name in BootConfig.__slots__[1:])


# -- feeding ---------------------------------------------------------------------------------------------


def chunks(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """``data`` cut into pieces of ``sizes``, over and over until it is used up."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


def feed(context: UpdaterContext, data: bytes, *sizes: int) -> int:
    """The last return value of `updater_process`; by default in chunks of 512 bytes."""
    return feed_pieces(context, chunks(data, sizes or (512,)))


def feed_pieces(context: UpdaterContext, pieces: Iterable[bytes]) -> int:
    """The last return value of `updater_process`."""
    result = 0
    for piece in pieces:
        result = updater_process(context, piece)
    return result


def update(bench: Bench, data: bytes = BUNDLE, **options: Any) -> UpdaterContext:
    """A whole update, finished where it can be."""
    context = bench.begin(**options)
    if feed(context, data) == 0:
        updater_finish(context)
    return context


# -- archives made by hand -------------------------------------------------------------------------------

TAIL = b"PK\x01\x02" + bytes(42) + b"PK\x05\x06" + bytes(18)


def entry(
    name: str | bytes,
    content: bytes = b"",
    *,
    flags: int = 0,
    method: int = 0,
    crc32: int | None = None,
    stored: int | None = None,
    original: int | None = None,
    extra: bytes = b"",
    magic: bytes = b"PK\x03\x04",
) -> bytes:
    """A local header and its data; what is not given is as it should be."""
    raw = name.encode() if isinstance(name, str) else name
    sizes = [len(content) if size is None else size for size in (stored, original)]
    fields = (20, flags, method, 0, 0x21, zlib.crc32(content) if crc32 is None else crc32, *sizes, len(raw), len(extra))
    widths = (2, 2, 2, 2, 2, 4, 4, 4, 2, 2)
    packed = b"".join(field.to_bytes(width, "little") for field, width in zip(fields, widths, strict=True))
    return magic + packed + raw + extra + content


def document(**parts: dict[str, Any] | None) -> dict[str, Any]:
    """The manifest of ``FIRMWARE``; ``app`` and ``fs`` change keys of that part (None: the part is not there)."""
    made = manifest_of(FIRMWARE)
    for label, changes in parts.items():
        if changes is None:
            del made["parts"][label]
        else:
            made["parts"][label].update(changes)
            made["parts"][label] = {key: value for key, value in made["parts"][label].items() if value is not None}
    return made


def manifest_entry(content: dict[str, Any] | bytes | None = None, **header: Any) -> bytes:
    raw = content if isinstance(content, bytes) else json.dumps(content or manifest_of(FIRMWARE)).encode()
    return entry("demo/manifest.json", raw, **header)


def app_entry(content: bytes = NEW_APP, **header: Any) -> bytes:
    return entry("demo/app.bin", content, **header)


def fs_entry(content: bytes = NEW_FS, **header: Any) -> bytes:
    return entry("demo/fs.img", content, **header)


def archive(*entries: bytes) -> bytes:
    return b"".join(entries) + TAIL


def padded(size: int) -> bytes:
    """The good manifest and as many blanks as make it ``size`` bytes."""
    return json.dumps(document()).encode().ljust(size)


def junk(count: int) -> list[bytes]:
    """Entries that belong to no part."""
    return [entry(f"demo/notes{n}.txt", b"note") for n in range(count)]


def deflated(*names: str) -> bytes:
    """An ordinary .zip; the last of ``names`` is ten million zeros: a thousandth of that in the archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in names:
            bomb.writestr(f"demo/{name}", bytes(10_000_000) if name == names[-1] else b"{}")
    assert len(out.getvalue()) < 20_000
    return out.getvalue()
