"""The Rig of the emulated device: its factory state, its sessions as runs, and ground truth.

Which image runs is not asked of the firmware: at every hand-over the slot's bytes are compared with the known images.

Neighbours: implements `rig.Rig` over `device`, `firmware` and `life`; `campaign` never sees this file.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bootloader.image import HEADER_SIZE, ImageHeader, header_for, parse_header, version_number
from bootloader.layout import Slot
from emu.app import APP_MODELS, AppModel
from emu.board import Board, CheckEntry
from emu.device import EmulatedDevice, Session
from emu.errors import ScenarioError
from emu.events import NEW, OLD, UNKNOWN
from emu.factory import SlotImage, behind, install
from emu.firmware import ModelFirmware
from emu.life import Life, Plot, SessionLife
from emu.link_choice import LinkChoice
from emu.oracle import Oracle
from emu.rig import (
    NOBODY_IS_TOLD,
    Capabilities,
    Detour,
    DeviceState,
    Files,
    Input,
    KnownFiles,
    Place,
    Places,
    Region,
    Run,
)  # fmt: skip
from flash.cells import Cells
from flash.defects import Defects
from flash.draws import uniforms
from flash.grid import Grid, Grids
from flash.journal import Interruption, Journal
from flash.part import Part
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.timing import TimingMode
from flash.trace import Trace
from flash.weak import DEFAULT_RESOLUTION, RESOLUTIONS
from updater.bundle import Firmware, make_bundle

if TYPE_CHECKING:
    from emu.files import FileTruth

RESIDUE_SEED = 0x0DD


@dataclass(frozen=True)
class ImagePair:
    """The firmware the device leaves the factory with, and the one it is updated to. Versions like ``1.2.3``.

    ``bundle``: the update as it is sent; b"": it is made from ``new`` and ``new_fs``. ``new_fs``: the filesystem image
    in it; ``old_fs``: the one the device left the factory with (b"": none), to which the rig adds files of a user.
    ``old_header``: the header the factory image carries (a signed one, say); None: an unsigned one is made.
    ``old_bundle``: the update that once brought ``old``, as it was sent; b"": one is made where it is asked for.
    """

    old: bytes
    new: bytes
    old_version: str = "1.0.0"
    new_version: str = "2.0.0"
    bundle: bytes = b""
    new_fs: bytes = b""
    old_header: ImageHeader | None = None
    old_fs: bytes = b""
    old_bundle: bytes = b""

    @property
    def digests(self) -> tuple[str, str]:
        old, new = self.old + self.old_fs, self.bundle or self.new + self.new_fs
        return hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest()


class UpdateRig:
    """A board, a firmware, a pair of images and an application model. Raises ScenarioError when they do not fit."""

    capabilities = Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True)
    oracles: Sequence[Oracle] = ()
    link: LinkChoice | None = None
    """How the update comes; None: it is handed to the device."""

    def __init__(
        self,
        board: Board,
        images: ImagePair,
        *,
        firmware: ModelFirmware | None = None,
        app: AppModel = APP_MODELS["healthy"],
        timing: TimingMode = "typ",
        seed: int = 0,
        resolution: str = DEFAULT_RESOLUTION,
        traced: bool = True,
    ) -> None:
        self.board = board
        self.images = images
        self.firmware = firmware or ModelFirmware()
        self.app = app
        self.device = EmulatedDevice(board, timing=timing, seed=seed, resolution=resolution, worn=False)
        self.bundle = images.bundle or make_bundle(
            Firmware(
                name=board.name, platform=board.document.platform, version=images.new_version, build_id="update",
                app=images.new, load_address=board.document.load_address, fs=images.new_fs,
            )
        )  # fmt: skip
        self._traced = traced
        self._timing = timing
        self._seed = seed
        self._resolution = resolution
        self._defects: Mapping[str, Defects] = {}
        if images.old == images.new:
            raise ScenarioError("the two images are the same, byte for byte: an update would change nothing")
        self._truth = self._file_truth()
        self._factory = self._make_factory_state()

    # -- the contract --------------------------------------------------------------------------------------

    @cached_property
    def inputs(self) -> Mapping[str, Input]:
        old, new = self.images.digests
        versions = f"{self.images.old_version}->{self.images.new_version}"
        workload = f"{self.firmware.name}|{self.app.name}|{self._timing}|{self._seed}|{self._resolution}|{versions}"
        if self._truth is not None:
            workload += f"|{self._truth.library}"
        source = self.firmware.source
        code = {} if source is None else {"firmware": Input(str(source), source.digest)}
        return code | {
            "board": Input(self.board.name, self.board.digest),
            "from": Input(f"{len(self.images.old)} bytes", old),
            "to": Input(f"{len(self.images.new)} bytes", new),
            "workload": Input(workload, hashlib.sha256(workload.encode()).hexdigest()),
        }

    @cached_property
    def parts(self) -> Sequence[Part]:
        return [chip.part for chip in self.device.chips]

    @cached_property
    def chip_names(self) -> Sequence[str]:
        return [chip.name for chip in self.device.chips]

    @property
    def drawn(self) -> tuple[TimingMode, int, str]:
        """What durations and weak bits are drawn by: timing, seed, resolution."""
        return self._timing, self._seed, self._resolution

    @property
    def keeps_new(self) -> bool:
        """Whether the uncut update is expected to end with the new image."""
        timed = self.board.document.timers.commit_timeout_s > 0
        return self.app.keeps or (self.app.keeps_untimed and not timed)

    @property
    def bounds(self) -> CheckEntry:
        return self.board.document.checks

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        document, chips = self.board.document, list(self.chip_names)
        entries = sorted(document.partition, key=lambda entry: (chips.index(entry.flash), entry.offset))
        return tuple(Region(entry.flash, entry.name, entry.offset, entry.size) for entry in entries)

    @property
    def watchdog_us(self) -> int:
        return self.board.document.timers.watchdog_s * 1_000_000

    @cached_property
    def places(self) -> Places:
        layout = self.board.document.layout
        configs = tuple(self._place(self.device.partitions[name]) for name in layout.configs)
        slots = tuple(self._place(self.device.partitions[name]) for name in layout.slots)
        return Places(configs, slots, layout.fs_size)

    @property
    def files(self) -> KnownFiles:
        return KnownFiles() if self._truth is None else self._truth.known

    @property
    def lacks(self) -> Mapping[str, str]:
        """The checks that mean nothing here, each with the reason."""
        lacks = {"truthful": NOBODY_IS_TOLD}
        if self._truth is not None:
            return lacks
        if not self.board.document.layout.fs_size:
            return lacks | {"keeps-files": "the board has no filesystem: layout.fs_size is 0"}
        without = "the update brings no filesystem" if self.images.old_fs else "the old image has no filesystem"
        return lacks | {"keeps-files": f"{without}: there is nothing to carry over"}

    def bench_cells(self) -> list[Cells]:
        benches = [Cells(part) for part in self.parts]
        for name, cells in zip(self.chip_names, benches, strict=True):
            cells.defects = self._defects.get(name)
        return benches

    def initial(self, attempts: int) -> DeviceState:
        return replace(self._factory, attempts_left=attempts)

    @cached_property
    def grids(self) -> Grids:
        """Fine where the boot configs are."""
        configs = self.places.configs
        return {
            name: Grid(part, [(place.address, place.size) for place in configs if place.chip == number])
            for number, (name, part) in enumerate(zip(self.chip_names, self.parts, strict=True))
        }

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        assert not state.volatile, "a session begins at a reset, not at a waypoint: please report"
        return self._run(state, interruption, resolution, pausing=False)

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        return self._run(state, None, resolution, pausing=True)

    def _run(
        self, state: DeviceState, interruption: Interruption | None, resolution: str | None, *, pausing: bool
    ) -> Run:
        for chip, snapshot in zip(self.device.chips, state.memory, strict=True):
            chip.cells.defects = self._defects.get(chip.name)
            chip.restore(snapshot)
            chip.sensing.resolution = RESOLUTIONS[resolution or self._resolution]
        journal, trace = Journal(interruption), Trace(self.grids) if self._traced else None
        ram = dict(state.ram)
        session = self.device.reset(state.cause, journal, trace, ram)
        life = self._life(state, session, trace, pausing=pausing)
        outcome = life.outcome(state.volatile)
        keeps_ram = outcome.kind in ("reset", "waypoint")
        cause = {"reset": outcome.cause, "waypoint": state.cause}.get(outcome.kind, "power")
        end = DeviceState(
            tuple(chip.snapshot() for chip in self.device.chips),
            cause,
            life.attempts_left,
            tuple(sorted(ram.items())) if keeps_ram else (),
            life.frozen,
            life.outside,
        )
        met_weak = any(chip.cells.weak is not None and chip.cells.weak.was_undecided for chip in self.device.chips)
        return Run(journal.entries, outcome, end, session.clock.now_us, trace, met_weak)

    def _life(self, state: DeviceState, session: Session, trace: Trace | None, *, pausing: bool) -> SessionLife:
        return Life(self._plot(trace), session, state.attempts_left, pausing=pausing)

    def _plot(self, trace: Trace | None) -> Plot:
        slots = self.device.layout.slots
        return Plot(
            self.firmware, self.app, self.bundle, lambda slot: self.image_in(slots[slot], trace),
            (lambda: None) if trace is None else trace.asked_for_attempts, lambda slot: self.files_in(slot, trace),
        )  # fmt: skip

    def detours(self, state: DeviceState, run: Run) -> Sequence[Detour]:
        """None: nothing but the device decides what happens."""
        return ()

    def renamed(self, memory: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        """``memory`` itself: nobody knows of sequence counters here."""
        return memory

    def remainder(self, state: DeviceState) -> Run:
        """What is left of a session from a waypoint, in one piece and without a footprint."""
        return self._run(state, None, None, pausing=False)

    def varied(
        self,
        *,
        update: bytes | None = None,
        start: DeviceState | None = None,
        defects: Mapping[str, Defects] | None = None,
    ) -> UpdateRig:
        """The like of this rig on the same hardware, with another ``update`` to be sent, another state to begin with,
        or sectors that fail, by chip. One hardware: no two of them run at the same time."""
        other = copy.copy(self)
        other.bundle, other._factory = self.bundle if update is None else update, start or self._factory
        other._defects = self._defects if defects is None else defects
        return other

    def images_in(self, state: DeviceState) -> tuple[str, ...]:
        """Which known image stands in each slot of a state."""
        for chip, snapshot in zip(self.device.chips, state.memory, strict=True):
            chip.restore(snapshot)
        return tuple(self.image_in(slot, None) for slot in self.device.layout.slots)

    # -- ground truth --------------------------------------------------------------------------------------

    def image_in(self, slot: Slot, trace: Trace | None) -> str:
        """Which known image stands in ``slot``, byte for byte. Looks at the cells; costs no time."""
        chip, base = behind(slot)
        if trace is not None:
            trace.consulted(chip.name, chip.cells, base, HEADER_SIZE)
        if chip.cells.first_broken(base, HEADER_SIZE) is not None:
            return UNKNOWN
        header = parse_header(chip.cells.read(base, HEADER_SIZE))
        if isinstance(header, str) or header.app_length > slot.app_capacity:
            return UNKNOWN
        ranges = [(HEADER_SIZE, header.app_length), (slot.fs_offset, len(self.images.new_fs))]
        if trace is not None:
            for offset, length in ranges:
                trace.consulted(chip.name, chip.cells, base + offset, length)
        if any(chip.cells.first_broken(base + offset, length) is not None for offset, length in ranges):
            return UNKNOWN
        if any(chip.cells.is_weak(base + offset, length) for offset, length in (*ranges, (0, HEADER_SIZE))):
            return UNKNOWN
        content, filesystem = (chip.cells.read(base + offset, length) for offset, length in ranges)
        if content == self.images.new:
            return NEW if filesystem == self.images.new_fs or self._is_merged(slot, trace) else UNKNOWN
        return OLD if content == self.images.old else UNKNOWN

    def files_in(self, slot: Slot, trace: Trace | None) -> tuple[Files, str] | None:
        """Which files stand in ``slot``, and why none can be told, "" where they can. None: nobody knows which should.
        Mounts the cells; costs no time."""
        if self._truth is None:
            return None
        if trace is not None:
            chip, base = behind(slot)
            trace.consulted(chip.name, chip.cells, base + slot.fs_offset, slot.fs_size)
        return self._truth.found_in(slot)

    def _is_merged(self, slot: Slot, trace: Trace | None) -> bool:
        """Whether a filesystem that is not byte for byte the delivered one still has every file of it."""
        found = self.files_in(slot, trace)
        return found is not None and self._truth is not None and self._truth.has_shipped(found[0])

    def _file_truth(self) -> FileTruth | None:
        """What is known of files: something, where both images have a filesystem."""
        if not (self.images.old_fs and self.images.new_fs):
            return None
        from emu.files import FileTruth  # loads the C library of littlefs

        return FileTruth(EmulatedDevice(self.board), self.images.old_fs, self.images.new_fs)

    def _place(self, partition: Partition) -> Place:
        chip = next(i for i, c in enumerate(self.device.chips) if c is partition.flash)
        return Place(chip, partition.address, partition.size)

    def _make_factory_state(self) -> DeviceState:
        device, document = self.device, self.board.document
        slot = device.layout.slots[0]
        for which, app in ((OLD, self.images.old), (NEW, self.images.new)):
            if not 0 < len(app) <= slot.app_capacity:
                raise ScenarioError(
                    f"the {which} image has {len(app)} bytes; {slot.name} of board {self.board.name} "
                    f"takes 1 to {slot.app_capacity}"
                )
        if document.update.sig_req_mask > 0 and not self.images.bundle:
            raise ScenarioError(
                f"board {self.board.name} takes signed updates only: give --to as a .zip made by `brownout pack --sign`"
            )
        if self.board.policy.keys and (self.images.old_header is None or not self.images.bundle):
            raise ScenarioError(
                f"board {self.board.name} runs signed images only: give both as firmware .zip made by "
                "`brownout pack --image-key`"
            )
        header = self.images.old_header or header_for(
            self.images.old,
            load_address=document.load_address,
            app_version=version_number(self.images.old_version),
            crc=document.verify.crc,
        )
        old_fs = self.images.old_fs if self._truth is None else self._truth.in_use
        install(device, (SlotImage(header, self.images.old, old_fs), None))
        other, base = behind(device.layout.slots[1])
        other.load(base, _residue(device.layout.slots[1].flash.geometry.size))
        return DeviceState(tuple(chip.snapshot() for chip in device.chips), "power", 0)


def _residue(size: int) -> bytes:
    """What an earlier life left in the slot that is not running: no image, and nowhere blank.

    A device in the field has been updated before. A blank slot would let an updater pass that does not erase.
    """
    return (uniforms(RESIDUE_SEED, 0, size) * 254 + 1).astype(np.uint8).tobytes()
