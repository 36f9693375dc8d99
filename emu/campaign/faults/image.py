"""Damaged updates: every change of one byte in headers and manifest, drawn flips in bodies, cuts, parts exchanged.

What is covered by nothing (version needed, time and date of an entry, its first folder, the directory behind the last
entry) may change without harm. So the promise is: a damaged update is refused, by updater or bootloader, and the old
image runs on; or the device ends, byte for byte on every chip, as after the undamaged one. There is no third way. From
the device that refused, the undamaged update then succeeds.

Neighbours: `archive` says what is where. Most damages are met before a byte is written: the session up to the update is
run once, and only what follows is run for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from emu.campaign.breach import Breach
from emu.campaign.cache import Piece, Session
from emu.campaign.faults.archive import Archive, Entry, Extent
from emu.campaign.faults.fault import Fault, no_such
from emu.campaign.faults.kind import COARSE, FaultJudge, FaultKind, Ground, is_settled
from emu.campaign.faults.specimen import VariedRig
from emu.campaign.judge import Chain, Judged, JudgedPiece, State
from emu.campaign.monitor import Monitor
from emu.campaign.wear import worn_out
from emu.events import ATTEMPT, NEW, OLD, STAGED
from emu.rig import DeviceState
from flash.draws import mix
from flash.journal import Event
from updater.errors import UpdateRefused

FLIPS = 64
"""Bits of a body that are drawn, besides one of its first and one of its last byte."""
CUTS = 4096
"""Page boundaries of a body at which an update ends, at most; chunk boundaries come on top of them."""
PAGE = 256
READ_OF_DIRECTORY = 4
"""A device looks at so many bytes of the directory: they say that the entries are over."""
FLIP_SEED, FEW = 0x464C, (0x01, 0x80, 0xFF)


class ImageFaults(FaultKind):
    name = "image"
    help = "damaged updates: bytes changed, cut short, parts exchanged"
    check = "refuses"
    promise = "a damaged update is refused and the old image runs on, or it ends exactly as the undamaged one"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._afterwards: dict[bytes, list[Breach]] = {}

    @cached_property
    def _archive(self) -> Archive:
        return Archive.of(self.specimen.update, self.specimen.platform)

    @cached_property
    def _extents(self) -> dict[str, Extent]:
        return {extent.place: extent for extent in self._archive.extents}

    # -- the faults ----------------------------------------------------------------------------------------

    def faults(self) -> Iterator[Fault]:
        for extent in self._archive.extents:
            yield from self._flips(extent)
        for extent in self._archive.extents:
            for offset in self._cuts(extent):
                yield Fault(self.name, extent.place, "cut", offset)
        for how in self._swapped:
            yield Fault(self.name, "swap", how)

    def _flips(self, extent: Extent) -> Iterator[Fault]:
        place = extent.place
        if _is_long(extent):
            bits = {0, 8 * extent.size - 1}
            seed = self.ground.options.tears.seed
            bits |= {mix(FLIP_SEED, seed, extent.start, n) % (8 * extent.size) for n in range(FLIPS)}
            for bit in sorted(bits):
                yield Fault(self.name, place, f"xor{1 << bit % 8:02x}", bit // 8)
            return
        for offset in range(extent.size):
            is_read = place != "directory" or offset < READ_OF_DIRECTORY
            for mask in range(1, 256) if is_read else FEW:
                yield Fault(self.name, place, f"xor{mask:02x}", offset)

    def is_cut(self, fault: Fault) -> bool:
        return fault.place == "swap" or fault in self._cut

    @cached_property
    def _cut(self) -> frozenset[Fault]:
        """Of each place one change and one end of the update, from the middle of it."""
        chosen: set[Fault] = set()
        for extent in self._archive.extents:
            flips, ends = list(self._flips(extent)), self._cuts(extent)
            end = Fault(self.name, extent.place, "cut", ends[len(ends) // 2])
            chosen |= {flips[len(flips) // 2], end}
        return frozenset(chosen)

    @property
    def notes(self) -> tuple[str, ...]:
        bodies = [extent for extent in self._archive.extents if _is_long(extent)]
        chunk = self.specimen.chunk_size
        ends = ", ".join(f"{extent.place} at {len(self._cuts(extent)):,}" for extent in bodies)
        return (
            "image: headers and manifest: every other value of every byte, an end at each of them; "
            f"bodies: up to {FLIPS + 2} bits, an end of {ends} places (pages of {PAGE} bytes, chunks of {chunk})",
            "image: one change and one end of each place, and every exchange of parts, were cut as well, once, with "
            f"tears {COARSE.name}",
        )

    def _cuts(self, extent: Extent) -> list[int]:
        """Offsets in ``extent`` at which the update may end: its first bytes and the last, and every boundary. In what
        is no body, everywhere."""
        if not _is_long(extent):
            return list(range(extent.size))
        chunk = self.specimen.chunk_size
        pages = range(0, extent.size, PAGE)
        step = -(-len(pages) // CUTS)
        chunks = range(-extent.start % chunk, extent.size, chunk)
        found = {0, 1, extent.size - 1, *pages[:: max(step, 1)], *chunks}
        return sorted(offset for offset in found if 0 <= offset < extent.size)

    @cached_property
    def _swapped(self) -> dict[str, bytes]:
        """Updates whose parts stand in the wrong place, or come from another one. Headers are right about them."""
        archive = self._archive
        manifest, app, fs = (archive.entry(role) for role in ("manifest", "app", "fs"))
        assert manifest is not None and app is not None, "an update without manifest or app: please report"
        rest = [entry for entry in archive.entries if entry not in (manifest, app)]
        old = self.specimen.old_app
        padded = old[: len(app.content)].ljust(len(app.content), b"\xff")
        made = {
            "app-first": archive.with_entries(app, manifest, *rest),
            "no-app": archive.with_entries(manifest, *rest),
            "no-manifest": archive.with_entries(app, *rest),
            "app-twice": archive.with_entries(manifest, app, app, *rest),
            "old-app": archive.with_entries(manifest, app.holding(old), *rest),
            "old-app-padded": archive.with_entries(manifest, app.holding(padded), *rest),
            "manifest-as-app": archive.with_entries(manifest, app.holding(manifest.content), *rest),
        }
        if fs is not None:
            others = [entry for entry in rest if entry is not fs]
            made["fs-first"] = archive.with_entries(manifest, fs, app, *others)
            made["no-fs"] = archive.with_entries(manifest, app, *others)
            swapped = (app.holding(fs.content), fs.holding(app.content))
            made["contents"] = archive.with_entries(manifest, *swapped, *others)
        older = self._manifest_before
        if older is not None:
            made["old-manifest"] = archive.with_entries(older, app, *rest)
        return {how: raw for how, raw in made.items() if raw != self.specimen.update}

    @property
    def _manifest_before(self) -> Entry | None:
        try:
            return Archive.of(self.specimen.older_update, self.specimen.platform).entry("manifest")
        except UpdateRefused:
            return None  # there is none, or one for another platform

    def damaged(self, fault: Fault) -> bytes:
        """The update with ``fault`` in it. Raises TokenError where it has no such place."""
        whole = self.specimen.update
        if fault.place == "swap":
            if fault.how not in self._swapped:
                raise no_such(fault, f"parts are exchanged as {', '.join(self._swapped)}")
            return self._swapped[fault.how]
        extent = self._extents.get(fault.place)
        if extent is None or fault.offset is None or fault.offset >= extent.size:
            places = ", ".join(f"{e.place} ({e.size:,} bytes)" for e in self._extents.values())
            raise no_such(fault, f"the update has {places}")
        at = extent.start + fault.offset
        if fault.how == "cut":
            return whole[:at]
        if not fault.mask:
            raise no_such(fault, "a byte is changed by xor01 to xorff, an update ends with cut")
        return whole[:at] + bytes([whole[at] ^ fault.mask]) + whole[at + 1 :]

    def told(self, fault: Fault) -> str:
        if fault.place == "swap":
            return f"the update is sent with its parts exchanged ({fault.how})"
        extent, offset = self._extents[fault.place], fault.offset or 0
        at = extent.start + offset
        if fault.how == "cut":
            return f"the update ends after {at:,} of {len(self.specimen.update):,} bytes, {offset:,} into {fault.place}"
        byte = self.specimen.update[at]
        sent = f"is sent as {byte ^ fault.mask:#04x}, not {byte:#04x}"
        return f"byte {offset:#x} of {fault.place} (byte {at:#x} of the update) {sent}"

    # -- what follows --------------------------------------------------------------------------------------

    def rig(self, fault: Fault) -> VariedRig:
        return self.specimen.varied(update=self.damaged(fault))

    def checks(self, fault: Fault) -> tuple[str, ...]:
        """`retries` is asked for with the undamaged update: see `_next_update`."""
        return tuple(name for name in super().checks(fault) if name != "retries")

    def amended(self, fault: Fault, state: State, chain: Chain) -> Chain:
        if state.device.attempts_left < self.attempts:
            return self._amended_after_cut(chain)
        if not is_taken(chain):
            if is_settled(chain, OLD):
                return self.broken(replace(chain, breaches=chain.breaches + self._next_update(chain)))
            return self.broken(chain, f"a damaged update is not refused and not taken: {chain.outcome}")
        if is_settled(chain, OLD) and any(self._decided(judged) for judged in chain.sessions):
            return self.broken(replace(chain, breaches=chain.breaches + self._next_update(chain)))
        left = chain.sessions[-1].session.end.memory
        exact = all(mine.same(theirs) for mine, theirs in zip(left, self.ground.end.memory, strict=True))
        if exact and chain.outcome == self.ground.golden.outcome:
            return self.broken(chain)
        return self.broken(chain, "a damaged update is taken, and the device does not end as after the undamaged one")

    def _amended_after_cut(self, chain: Chain) -> Chain:
        """``chain`` follows a cut in the middle of it. What has arrived by then may be all that counts; that nothing
        else runs than a whole image is for `whole` to say."""
        if is_settled(chain, OLD):
            return self.broken(replace(chain, breaches=chain.breaches + self._next_update(chain)))
        return self.broken(chain, *([] if is_settled(chain, NEW) else [f"after a cut: {chain.outcome}"]))

    def word(self, chain: Chain) -> str:
        if not is_taken(chain):
            return "refused by the updater"
        if is_settled(chain, NEW) or not self.specimen.keeps_new:
            return "harmless: as undamaged"
        return "refused by the bootloader"

    @staticmethod
    def _decided(judged: Judged) -> bool:
        """Whether the bootloader has refused what was staged."""
        return any(
            isinstance(e, Event) and e.name == "decided" and e.facts[0] == "refuse-new" for e in judged.run.entries
        )

    def _next_update(self, chain: Chain) -> list[Breach]:
        """What the device breaks when it is powered up again and sent the undamaged update."""
        end = replace(chain.sessions[-1].session.end, cause="power", attempts_left=0, ram=(), volatile=b"")
        if end.key not in self._afterwards:
            self._afterwards[end.key] = self.ground.judge.chain(State(end, Monitor())).breaches
        return self._afterwards[end.key]

    # -- only what the damage changes ----------------------------------------------------------------------

    @cached_property
    def _before(self) -> tuple[DeviceState, tuple[Piece, ...], DeviceState] | None:
        """The factory state, the stretches before an update's first byte, and where they end; None: the rig has no
        waypoint there."""
        rig = self.specimen.rig
        start = state = rig.initial(self.attempts)
        pieces: list[Piece] = []
        offset = 0
        while True:
            run = rig.stretch(state)
            if run.outcome.kind != "waypoint":
                return None
            pieces.append(Piece(run, state, offset, True, None))
            state, offset = run.end, offset + len(run.entries)
            if any(isinstance(entry, Event) and entry.name == ATTEMPT for entry in run.entries):
                return start, tuple(pieces), state

    def chain(self, fault: Fault) -> Chain:
        if self._before is None:
            return super().chain(fault)
        start, pieces, waypoint = self._before
        run = self.rig(fault).remainder(waypoint)
        last = pieces[-1]
        own = Piece(run, waypoint, last.offset + len(last.run.entries), True, None)
        session = Session((*pieces, own), run.end)
        before = self._judged_before
        judged = Judged(State(start, Monitor()), session, [*before, self._plain.piece(own, before[-1].monitors[-1])])
        self.ground.cover.boots += 1
        self.ground.cover.runs += 1
        sessions, outcome, breaches = [judged], run.outcome, list(judged.breaches)
        if outcome.kind == "reset":
            rest = self._plain_cached.chain(State(run.end, judged.after))
            sessions, outcome = [judged, *rest.sessions], rest.outcome
            breaches += [breach for breach in rest.breaches if breach.check != "wear"]
        if "wear" in self._plain.checks:
            erased = self._plain.erased_in([each.session for each in sessions])
            breaches += worn_out(erased, self.ground.bounds, len(sessions[-1].run.entries))
        return self.amended(fault, State(start, Monitor()), Chain(sessions, outcome, breaches, executed=True))

    @cached_property
    def _judged_before(self) -> list[JudgedPiece]:
        """What the stretches before the update's first byte break."""
        assert self._before is not None, "asked for after it was found: please report"
        start, pieces, waypoint = self._before
        return self._plain.judged(State(start, Monitor()), Session(pieces, waypoint)).pieces

    @cached_property
    def _plain(self) -> FaultJudge:
        """Judges sessions that are run elsewhere, and remembers none of them."""
        return FaultJudge(self.specimen.rig, self.ground, self.checks(_ANY), lambda state, chain: chain, cache=False)

    @cached_property
    def _plain_cached(self) -> FaultJudge:
        return FaultJudge(self.specimen.rig, self.ground, self.checks(_ANY), lambda state, chain: chain)


_ANY = Fault("image", "", "")


def _is_long(extent: Extent) -> bool:
    """Whether it is too long to try every change of every byte: a body that is not the manifest."""
    return extent.place.endswith(".body") and extent.place != "manifest.body"


def is_taken(chain: Chain) -> bool:
    """Whether the updater said that the new image boots next."""
    entries = (entry for judged in chain.sessions for entry in judged.run.entries)
    return any(isinstance(entry, Event) and entry.name == STAGED for entry in entries)
