"""The checks: what must hold in every session, however it began.

Rows of a table. Each row looks at a `Scene` (one session with the monitor before and after every entry) and yields
breaches. `retries`, `steady` and `wear` are here with their promises but judged by campaigns: they look beyond one
session.

Neighbours: `monitor` remembers, `explore` asks. Knows journals and outcomes; runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from bootloader.config import RECORD_SIZE
from emu.board import CheckEntry
from emu.campaign.breach import Breach
from emu.campaign.config_watch import ConfigWatch
from emu.campaign.monitor import Monitor
from emu.campaign.wear import erases_of
from emu.events import APPLIED, CLAIMED, COMMIT_RETURNED, COMMIT_TIMER, FILES, HANDOVER, KEPT, NEW, OLD, TOLD, UNKNOWN
from emu.ledger import shown
from emu.oracle import AnyOracle, Ended
from emu.rig import DeviceState, Files, Place, Places, Rig, Run
from flash.journal import Event, Misuse, Operation

SHOWN_FILES = 3


@dataclass(frozen=True)
class Scene:
    """One session, ready to be judged. ``monitors[i]`` is the monitor at point i."""

    state: DeviceState
    run: Run
    monitors: list[Monitor]
    rig: Rig
    bounds: CheckEntry

    @cached_property
    def _events(self) -> list[tuple[int, Event]]:
        return [(index, entry) for index, entry in enumerate(self.run.entries) if isinstance(entry, Event)]

    def events(self, name: str) -> Iterator[tuple[int, Event, Monitor]]:
        for index, entry in self._events:
            if entry.name == name:
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
    """``judge`` yields the breaches of one stretch; ``counts`` how often the check had something to judge;
    ``consults``: whether it looks at the boot configs as they were when the stretch began (the flag: at a reset)."""

    name: str
    promise: str
    judge: Callable[[Scene], Iterator[Breach]]
    counts: Callable[[Scene], int]
    consults: Callable[[Run, bool, Rig], bool] = lambda run, reset, rig: False


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
        if event.facts[1] == UNKNOWN:
            yield Breach("whole", index, f"slot {event.facts[0]} runs, and is none of the known images")


def _durable(scene: Scene) -> Iterator[Breach]:
    for index, event, monitor in scene.events(HANDOVER):
        if monitor.commit_returned and event.facts[1] != NEW:
            yield Breach("durable", index, f"commit had returned, and the {event.facts[1]} image runs again")
    for index, event, monitor in scene.events(TOLD):
        key, value = event.facts
        ledger = monitor.ledger
        if ledger.knows(key) and value not in ledger.allowed(key):
            owed = " or ".join(map(shown, ledger.allowed(key)))
            yield Breach("durable", index, f"{key} is told to be {shown(value)}; it was told or asked to be {owed}")


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


def _truthful(scene: Scene) -> Iterator[Breach]:
    """A claim that the update is applied is true when flash names the new image: a power cut in the bootloader may
    spend its trial before it is entered, and no device can know. What a bootloader refuses that was never interrupted
    was not applied."""
    for index, event, monitor in scene.events(HANDOVER):
        if event.facts[1] != NEW and _is_false(monitor):
            yield Breach("truthful", index, f"{_CLAIMS[monitor.claimed]}, and the {event.facts[1]} image runs")
    monitor, outcome = scene.monitors[-1], scene.run.outcome
    if outcome.kind != "settled" or not monitor.claimed:
        return
    if outcome.image != NEW and _is_false(monitor):
        stays = f"the {outcome.image} image stays" if outcome.image else "no image runs"
        yield Breach("truthful", scene.end, f"{_CLAIMS[monitor.claimed]}, and {stays}")
    elif monitor.claimed == KEPT and not outcome.committed:
        yield Breach("truthful", scene.end, f"{_CLAIMS[KEPT]}, and it is not committed")


def _is_false(monitor: Monitor) -> bool:
    """Whether the other side is wrong when the new image does not run."""
    was_true = monitor.entered or (monitor.is_backed and monitor.is_spent)
    return monitor.claimed == KEPT or (monitor.claimed == APPLIED and not was_true)


_CLAIMS = {
    APPLIED: "the other side was told that the update is applied",
    KEPT: "the other side was told that the new image stays",
}


def _in_place(scene: Scene) -> Iterator[Breach]:
    places, names = scene.rig.places, scene.rig.chip_names
    running = None if scene.monitors[0].running < 0 else places.slots[scene.monitors[0].running]
    if not _looks_at_configs(scene.run, running is None, scene.rig):
        configs = None
    else:
        configs = ConfigWatch(scene.state, places, scene.rig)
        named = configs.configs.config
        if running is None and named is not None:
            running = places.slots[named.active_slot]
    for index, entry in enumerate(scene.run.entries):
        if isinstance(entry, Event):
            if entry.name == HANDOVER:
                running = _protected(places, *entry.facts)
            elif entry.name == COMMIT_RETURNED:
                running = places.slots[scene.monitors[index].running]
        elif isinstance(entry, Operation):
            if running is not None and _hits(entry, running, names):
                yield Breach("in-place", index, f"{entry.kind} at {entry.address:#x} changes the running slot")
            copy = next((n for n, place in enumerate(places.configs) if _hits(entry, place, names)), None)
            if copy is not None:
                assert configs is not None, "a config is written that the check did not look at: please report"
                if copy == configs.newest:
                    yield Breach("in-place", index, f"{entry.kind} changes config copy {copy}, the newest valid one")
                configs.apply(copy, entry)


def _protected(places: Places, slot: int, image: str, trial: bool) -> Place:
    """What nothing may write while ``slot`` runs: all of it. An image on trial carries files over: until it has
    committed, its own filesystem is left out."""
    place = places.slots[slot]
    return replace(place, size=place.size - places.fs_size) if trial else place


def _looks_at_configs(run: Run, at_reset: bool, rig: Rig) -> bool:
    """Whether the configs decide what an operation of the stretch may touch: one hits them, or comes before the
    hand-over, when nothing but the newest config says which slot is the running one."""
    before_handover = at_reset
    for entry in run.entries:
        if isinstance(entry, Event):
            before_handover = before_handover and entry.name != HANDOVER
        elif isinstance(entry, Operation) and (
            before_handover or any(_hits(entry, place, rig.chip_names) for place in rig.places.configs)
        ):
            return True
    return False


def places_consulted(rows: Sequence[Check], rig: Rig, run: Run, at_reset: bool) -> list[Place]:
    """What ``rows`` look at in the state a stretch began with: part of its footprint."""
    if not any(row.consults(run, at_reset, rig) for row in rows):
        return []
    return [replace(place, size=min(place.size, RECORD_SIZE)) for place in rig.places.configs]


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
    told = sum(monitor.ledger.knows(event.facts[0]) for _, event, monitor in scene.events(TOLD))
    return told + sum(monitor.commit_returned for _, _, monitor in scene.events(HANDOVER))


def _on_probation(scene: Scene) -> int:
    return sum(monitor.on_probation for _, _, monitor in scene.events(HANDOVER)) + scene.monitors[-1].entered


def _claims(scene: Scene) -> int:
    return sum(1 for _ in scene.events(CLAIMED))


def _operations(scene: Scene) -> int:
    return sum(1 for entry in scene.run.entries if isinstance(entry, Operation))


def _looked_at_files(scene: Scene) -> int:
    return sum(1 for _ in scene.events(FILES))


def _erase_count(scene: Scene) -> int:
    return erases_of(scene.run).total()


def _met_weak(scene: Scene) -> int:
    return int(scene.run.met_weak)


def _never(scene: Scene) -> int:
    return 0


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("boots", "some valid image runs; never bricked, never a boot loop", _boots, _once),
        Check("whole", "the image that runs is byte for byte one of the known ones", _whole, _handovers),
        Check(
            "durable",
            "what was told is never lost: the new image once commit has returned, a value once stored",
            _durable,
            _after_commit,
        ),
        Check(
            "reverts",
            "an uncommitted image is entered at most once, and never stays, running or hung",
            _reverts,
            _on_probation,
        ),
        Check("retries", "from every settled state with the old image, one uncut update succeeds", _nothing, _never),
        Check("truthful", "no peer is told that an update succeeded while the old image stays", _truthful, _claims),
        Check("keeps-files", "user files survive, and files shipped in the update win", _keeps_files, _looked_at_files),
        Check(
            "in-place",
            "the running slot and the newest valid config are never written",
            _in_place,
            _operations,
            _looks_at_configs,
        ),
        Check("legal-flash", "no operation that silicon ignores, wraps or refuses", _legal_flash, _operations),
        Check("steady", "however weak cells happen to read, all other checks hold", _nothing, _met_weak),
        Check(
            "wear", "erases per sector, from a reset until it settles, stay within the bound", _nothing, _erase_count
        ),
    )
}


def rows_of(rig: Rig) -> dict[str, Check]:
    """Every check a campaign on ``rig`` knows: the table, and the oracles that come with the rig."""
    oracles = [Check(o.name, o.promise, partial(_ask, o), _session_ends) for o in rig.oracles]
    return {row.name: row for row in (*CHECKS.values(), *oracles)}


def _ask(oracle: AnyOracle, scene: Scene) -> Iterator[Breach]:
    if not _session_ends(scene):
        return
    before, after = (scene.monitors[at].ledger for at in (0, -1))
    message = oracle.of_session(Ended(scene.state.memory, scene.run, scene.rig.parts, before, after))
    if message:
        yield Breach(oracle.name, scene.end, message)


def _session_ends(scene: Scene) -> int:
    return int(scene.run.outcome.kind not in ("waypoint", "cut"))


def _hits(operation: Operation, place: Place, names: Sequence[str]) -> bool:
    return (
        operation.device == names[place.chip]
        and operation.address < place.address + place.size
        and place.address < operation.address + operation.length
    )


def at_once(
    timer_fired: bool, stuck_with: str, state: DeviceState, monitor: Monitor, rig: Rig
) -> Iterator[tuple[str, str, str]]:
    """What an interruption breaks by itself, whatever follows it: check, message, outcome.

    ``timer_fired``: it was a timer; where that is the commit timer, ``state`` says so. ``stuck_with``: the image that
    stands still for good after it; "": the device goes on.
    """
    if timer_fired and state.cause == COMMIT_TIMER and monitor.commit_returned:
        yield "durable", "commit has returned and the commit timer still runs", "armed"
    if stuck_with == NEW and not _is_committed(state, monitor, rig):
        yield "reverts", "the uncommitted image hangs and no timer resets it", "hangs"


def _is_committed(state: DeviceState, monitor: Monitor, rig: Rig) -> bool:
    """Whether the newest record on flash, by the book, says committed. Where there are no records, an image counts as
    committed once its commit has begun: from there on, either is right."""
    if not rig.places.configs:
        return not monitor.on_probation
    config = ConfigWatch(state, rig.places, rig).configs.config
    return config is not None and config.committed
