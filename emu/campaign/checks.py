"""The checks: what must hold in every session, however it began.

Rows of a table. Each row looks at a `Scene` (one session with the monitor before and after every entry) and yields
breaches. `retries` and `wear` are here with their promises but judged in `explore`: they look beyond one session.

Neighbours: `monitor` remembers, `explore` asks. Knows journals and outcomes; runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bootloader.config import RECORD_SIZE, Configs, CopyReading, newest_of, read_config
from emu.board import CheckEntry, CheckName
from emu.campaign.monitor import Monitor
from emu.events import FILES, HANDOVER, NEW, OLD
from emu.rig import DeviceState, Files, Place, Places, Rig, Run
from flash.cells import combined
from flash.errors import EccFault, UnsteadyRead
from flash.journal import Event, Misuse, Operation
from flash.peek import read_snapshot

SHOWN_FILES = 3


@dataclass(frozen=True, slots=True)
class Breach:
    """A check that did not hold, at an entry of the session's journal."""

    check: CheckName
    entry: int
    message: str


@dataclass(frozen=True)
class Scene:
    """One session, ready to be judged. ``monitors[i]`` is the monitor at point i."""

    state: DeviceState
    run: Run
    monitors: list[Monitor]
    rig: Rig
    bounds: CheckEntry

    def events(self, name: str) -> Iterator[tuple[int, Event, Monitor]]:
        for index, entry in enumerate(self.run.entries):
            if isinstance(entry, Event) and entry.name == name:
                yield index, entry, self.monitors[index]

    @property
    def hangs_on_probation(self) -> bool:
        """Whether the session ended with the uncommitted new image standing still."""
        entered = any(event.facts[1] == NEW for _, event, _ in self.events(HANDOVER))
        return self.run.outcome.kind == "hung" and entered and self.monitors[-1].on_probation

    @property
    def end(self) -> int:
        return len(self.run.entries)


@dataclass(frozen=True, slots=True)
class Check:
    """``judge`` yields the breaches of one session; ``counts`` how often the check had something to judge."""

    name: CheckName
    promise: str
    judge: Callable[[Scene], Iterator[Breach]]
    counts: Callable[[Scene], int]


def monitors_of(start: Monitor, run: Run) -> list[Monitor]:
    """The monitor at every point of a session, first to last."""
    monitors = [start]
    for entry in run.entries:
        start = start.after(entry) if isinstance(entry, Event) else start
        monitors.append(start)
    return monitors


# -- rows ------------------------------------------------------------------------------------------------


def _boots(scene: Scene) -> Iterator[Breach]:
    outcome = scene.run.outcome
    if outcome.kind == "halted" or (outcome.kind == "hung" and not scene.hangs_on_probation):
        yield Breach("boots", scene.end, str(outcome))


def _whole(scene: Scene) -> Iterator[Breach]:
    for index, event, _ in scene.events(HANDOVER):
        if event.facts[1] not in ("old", NEW):
            yield Breach("whole", index, f"slot {event.facts[0]} runs, and is none of the known images")


def _durable(scene: Scene) -> Iterator[Breach]:
    for index, event, monitor in scene.events(HANDOVER):
        if monitor.commit_returned and event.facts[1] != NEW:
            yield Breach("durable", index, f"commit had returned, and the {event.facts[1]} image runs again")


def _reverts(scene: Scene) -> Iterator[Breach]:
    for index, event, monitor in scene.events(HANDOVER):
        on_trial_again = event.facts[2] and monitor.entered
        if event.facts[1] == NEW and (monitor.on_probation or on_trial_again):
            yield Breach("reverts", index, "the new image was not committed, and is entered a second time")
    outcome = scene.run.outcome
    if outcome.kind == "settled" and not outcome.committed:
        yield Breach("reverts", scene.end, f"the {outcome.image} image stays without commit; no timer resets the board")
    if scene.hangs_on_probation:
        yield Breach("reverts", scene.end, "the uncommitted image hangs and no timer resets the board")


def _in_place(scene: Scene) -> Iterator[Breach]:
    places, names = scene.rig.places, scene.rig.chip_names
    if not any(isinstance(entry, Operation) for entry in scene.run.entries):
        return
    configs = ConfigWatch(scene.state, places, scene.rig)
    named = configs.configs.config
    running = None if named is None else places.slots[named.active_slot]
    for index, entry in enumerate(scene.run.entries):
        if isinstance(entry, Event):
            if entry.name == HANDOVER:
                running = _protected(places, *entry.facts)
        elif isinstance(entry, Operation):
            if running is not None and _hits(entry, running, names):
                yield Breach("in-place", index, f"{entry.kind} at {entry.address:#x} changes the running slot")
            copy = next((n for n, place in enumerate(places.configs) if _hits(entry, place, names)), None)
            if copy is not None:
                if copy == configs.newest:
                    yield Breach("in-place", index, f"{entry.kind} changes config copy {copy}, the newest valid one")
                configs.apply(copy, entry)


def _protected(places: Places, slot: int, image: str, trial: bool) -> Place:
    """What nothing may write while ``slot`` runs: all of it. In its trial an image carries files over: then its own
    filesystem is left out."""
    place = places.slots[slot]
    return replace(place, size=place.size - places.fs_size) if trial else place


def _keeps_files(scene: Scene) -> Iterator[Breach]:
    for index, event, _ in scene.events(FILES):
        _, image, found, problem = event.facts
        expected = {OLD: scene.rig.files.old, NEW: scene.rig.files.new}.get(image)
        if expected is None:  # `whole` has something to say about an unknown image
            continue
        wrong = [f"its filesystem cannot be read: {problem}"] if problem else _differences(scene, expected, found)
        if wrong:
            rest = f", and {len(wrong) - SHOWN_FILES} more" if len(wrong) > SHOWN_FILES else ""
            yield Breach("keeps-files", index, f"the {image} image runs: {'; '.join(wrong[:SHOWN_FILES])}{rest}")


def _differences(scene: Scene, expected: Files, found: Files) -> list[str]:
    """In words, what is wrong with the files that were found."""
    files, before, there = scene.rig.files, dict(scene.rig.files.old), dict(found)
    wrong = [f"{path} is lost" for path, _ in expected if path not in there]
    for path, digest in expected:
        if path in there and there[path] != digest:
            old_one = there[path] == before.get(path) and expected == files.new
            wrong.append(f"{path} is the old one, not what was shipped" if old_one else f"{path} has other content")
    return wrong + [f"{path} is one too many" for path in there if path not in dict(expected)]


def _legal_flash(scene: Scene) -> Iterator[Breach]:
    for index, entry in enumerate(scene.run.entries):
        if isinstance(entry, Misuse):
            yield Breach("legal-flash", index, entry.message)


def _nothing(scene: Scene) -> Iterator[Breach]:
    return iter(())


# -- how often a check had something to judge ----------------------------------------------------------


def _once(scene: Scene) -> int:
    return 1


def _handovers(scene: Scene) -> int:
    return sum(1 for _ in scene.events(HANDOVER))


def _after_commit(scene: Scene) -> int:
    return sum(monitor.commit_returned for _, _, monitor in scene.events(HANDOVER))


def _on_probation(scene: Scene) -> int:
    return sum(monitor.on_probation for _, _, monitor in scene.events(HANDOVER)) + scene.monitors[-1].entered


def _operations(scene: Scene) -> int:
    return sum(1 for entry in scene.run.entries if isinstance(entry, Operation))


def _looked_at_files(scene: Scene) -> int:
    return sum(1 for _ in scene.events(FILES))


def _erase_count(scene: Scene) -> int:
    return erases_of(scene.run).total()


def _never(scene: Scene) -> int:
    return 0


CHECKS: dict[CheckName, Check] = {
    check.name: check
    for check in (
        Check("boots", "some valid image runs; never bricked, never a boot loop", _boots, _once),
        Check("whole", "the image that runs is byte for byte one of the known ones", _whole, _handovers),
        Check("durable", "once commit has returned, the new image is never lost", _durable, _after_commit),
        Check(
            "reverts",
            "an uncommitted image is entered at most once, and never stays, running or hung",
            _reverts,
            _on_probation,
        ),
        Check("retries", "from every settled state with the old image, one uncut update succeeds", _nothing, _never),
        Check("keeps-files", "user files survive, and files shipped in the update win", _keeps_files, _looked_at_files),
        Check("in-place", "the running slot and the newest valid config are never written", _in_place, _operations),
        Check("legal-flash", "no operation that silicon ignores, wraps or refuses", _legal_flash, _operations),
        Check(
            "wear", "erases per sector, from a reset until it settles, stay within the bound", _nothing, _erase_count
        ),
    )
}


def inapplicable(bounds: CheckEntry, *, keeps_new: bool, snapshot: bool, no_files: str = "") -> dict[CheckName, str]:
    """The checks a campaign leaves out, each with its reason. ``keeps_new``: whether the uncut update is meant to stay;
    ``snapshot``: whether the rig takes snapshots; ``no_files``: why it knows no files, "" where it does."""
    reasons: dict[CheckName, str] = {
        name: "the board does not claim it: checks.apply leaves it out" for name in CHECKS if name not in bounds.apply
    }
    if not keeps_new:
        reasons.setdefault("retries", "the new image is not meant to stay with this application model")
    if no_files:
        reasons.setdefault("keeps-files", no_files)
    if not snapshot:
        reasons.setdefault("in-place", "the rig takes no snapshots")
    return reasons


class ConfigWatch:
    """Follows the two config copies through a session's operations: which is newest, by the book."""

    def __init__(self, state: DeviceState, places: Places, rig: Rig) -> None:
        self._erased = [rig.parts[place.chip].erased for place in places.configs]
        self._places = places.configs
        read = [content_of(state, rig, place, RECORD_SIZE) for place in places.configs]
        self._content = [bytearray(content) for content, _ in read]
        self._broken = [broken for _, broken in read]

    @property
    def newest(self) -> int | None:
        return self.configs.newest

    @property
    def configs(self) -> Configs:
        records = [
            bytes(raw) if erased == 0xFF else bytes(b ^ 0xFF for b in raw)
            for raw, erased in zip(self._content, self._erased, strict=True)
        ]
        first, second = (
            CopyReading(None, "uncorrectable") if broken else read_config(record)
            for record, broken in zip(records, self._broken, strict=True)
        )
        return newest_of(first, second)

    def apply(self, copy: int, operation: Operation) -> None:
        content, erased = self._content[copy], self._erased[copy]
        low = max(0, operation.address - self._places[copy].address)
        shift = self._places[copy].address + low - operation.address
        high = min(RECORD_SIZE, low + operation.length - shift)
        if low >= high:
            return
        if operation.kind == "erase":
            content[low:high] = bytes([erased]) * (high - low)
            self._broken[copy] = False
        else:
            piece = operation.data[shift : shift + high - low]
            content[low:high] = combined(bytes(content[low:high]), piece, erased == 0xFF)


def content_of(state: DeviceState, rig: Rig, place: Place, length: int) -> tuple[bytes, bool]:
    """The first ``length`` bytes of a place, from a state's snapshot blocks; and whether ECC refuses to read them."""
    try:
        return read_snapshot(rig.parts[place.chip], state.memory[place.chip], place.address, length), False
    except (EccFault, UnsteadyRead):
        return bytes(length), True


def _hits(operation: Operation, place: Place, names: Sequence[str]) -> bool:
    return (
        operation.device == names[place.chip]
        and operation.address < place.address + place.size
        and place.address < operation.address + operation.length
    )


def is_committed(state: DeviceState, rig: Rig) -> bool:
    """Whether the newest record on flash, by the book, says committed."""
    config = ConfigWatch(state, rig.places, rig).configs.config
    return config is not None and config.committed


def worn_out(erases: Counter[Erased], bounds: CheckEntry, entry: int) -> Iterator[Breach]:
    """Breaches of ``wear`` by the erases of one chain of sessions, at the sector that is erased most often."""
    for chip in sorted({chip for chip, _, _ in erases}):
        steps: Counter[int] = Counter()
        for (where, address, length), count in erases.items():
            if where == chip:
                steps[address] += count
                steps[address + length] -= count
        depth, worst, at = 0, 0, 0
        for address in sorted(steps):
            depth += steps[address]
            if depth > worst:
                worst, at = depth, address
        if worst > bounds.max_erases:
            yield Breach(
                "wear", entry, f"{chip} {at:#x} is erased {worst} times on this path, {bounds.max_erases} are allowed"
            )


Erased = tuple[str, int, int]
"""Chip, address and length of an erase."""


def erases_of(run: Run) -> Counter[Erased]:
    """How often each range was erased in a session."""
    return Counter(
        (e.device, e.address, e.length) for e in run.entries if isinstance(e, Operation) and e.kind == "erase"
    )
