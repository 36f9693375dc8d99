"""Whether a board is one that a campaign can judge, and what its update comes to when nothing comes in its way.

One rule: a board is wrong, exit code 2, when the device does not run as it is shipped, without what waits in it or is
brought to it, or runs another image than the one the board calls old. A device that runs is judged: whatever its update
comes to is a finding, exit code 1. Not installed, neither image, standing still, locked up, resetting for ever: each is
told as what it is. A board without images updates nothing: there the first session has to settle.

Neighbours: commands ask `check_uncut` before a campaign begins, and `uncut_words` behind one that broke a check; `rig`
lives it; `campaign.golden` makes the findings.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.elf.heard import check_heard
from emu.elf.rig import ElfRig
from emu.errors import ScenarioError
from emu.events import HANDOVER, NEW, OLD, UNKNOWN
from emu.rig import DeviceState, Outcome, Run
from emu.words import counted, printable
from flash.journal import Event, Misuse, Operation
from flash.trace import ATTEMPTS

_SHOWN = 60


@dataclass(frozen=True)
class _Life:
    """Sessions, from a power-on until the device settles or stands still, or has reset too often."""

    sessions: list[tuple[DeviceState, Run]]

    @property
    def outcome(self) -> Outcome:
        return self.sessions[-1][1].outcome

    @property
    def entered(self) -> list[str]:
        """Images, in order."""
        return [image for _, run in self.sessions for image in _entered(run)]

    @property
    def touches(self) -> int:
        """How often anything was written, or tried to be."""
        return sum(isinstance(entry, Operation | Misuse) for _, run in self.sessions for entry in run.entries)


def check_uncut(rig: ElfRig) -> None:
    """Raises ScenarioError for a board that is wrong: what was seen, and what to change."""
    where = rig.board.paths[0]
    if not rig.board.images:
        outcome = rig.run(rig.initial(1)).outcome
        if outcome.kind in ("halted", "hung"):
            raise ScenarioError(f"{where}: the device as shipped does not run: {outcome}")
    elif rig.hung_uncut is not None or not _installs(rig, _lived(rig, rig.initial(1))):
        if rig.hung_uncut is not None and _never_saw_update(rig, *rig.hung_uncut):
            raise ScenarioError(f"{where}: the device as shipped does not run: {rig.hung_uncut[1].outcome}")
        shipped = _lived(rig, rig.shipped)
        _check_shipped(rig, shipped, where)
        _check_runs(rig, shipped, where)
    check_heard(rig, where)


def uncut_words(rig: ElfRig) -> tuple[str, str]:
    """How a line begins that names the checks broken when nothing comes in the update's way: whether it does what it
    should all the same. And what it comes to where it does not, with where to look; "" where it does."""
    if not rig.board.images:
        return "what the firmware breaks", ""
    life = _lived(rig, rig.initial(1))
    if not _installs(rig, life):
        return "the update fails", _comes_to(rig, life)
    return f"the update {'is installed' if rig.keeps_new else 'leaves the old image, as it should'}; what it breaks", ""


def _comes_to(rig: ElfRig, life: _Life) -> str:
    """Where the update does not do what it should."""
    outcome = life.outcome
    if outcome.kind == "reset":
        return f"it never ends: {_loop(rig, life)}"
    if outcome.kind != "settled":
        return f"it ends the device: {outcome}"
    if UNKNOWN in life.entered:
        return f"neither image runs in the end: what is entered is none of them{_difference(rig, life)}"
    what = f"the {outcome.image} image runs" if outcome.image else "no image runs"
    after = f"after {counted(len(life.sessions), 'session')} {what}"
    if not rig.keeps_new or outcome.image not in ("", OLD):
        return f"it ends with an image that is not meant to run: {after}"
    right = f'Where that is right, accept = ["{OLD}"]'
    if NEW in life.entered:
        return f"it does not stay: the new image is entered, and {after}: should it have confirmed itself? {right}"
    return f"it is not installed: {after}{_why_not(rig, life)}. {right}"


def _why_not(rig: ElfRig, life: _Life) -> str:
    if rig.attempt is not None and rig.attempt.words:
        return f". Look at [update]: of the host, {rig.attempt.words}"
    if life.touches:
        after = counted(life.touches, "operation")
        return f"; it was refused after {after} on flash: is it signed for this bootloader, and no older than what runs"
    return (
        ", and nothing was ever written. Look at [[staged]]: the address, and whether a flag or a trailer belongs to "
        "the update (one more [[staged]])"
    )


def _never_saw_update(rig: ElfRig, state: DeviceState, run: Run) -> bool:
    """Whether a session from ``state`` is that of the device as shipped: all it has looked at is the same there."""
    assert run.trace is not None, "a session left no trace: please report"
    if state != rig.initial(1) or ATTEMPTS in run.trace.consulted_units:
        return False
    trees = {
        name: (a.tree, b.tree) for name, a, b in zip(rig.chip_names, state.memory, rig.shipped.memory, strict=True)
    }
    return all(
        trees[name][0].block(block).key == trees[name][1].block(block).key for name, block in run.trace.consulted_units
    )


def _lived(rig: ElfRig, state: DeviceState) -> _Life:
    sessions: list[tuple[DeviceState, Run]] = []
    while len(sessions) <= rig.bounds.max_resets:
        run = rig.run(state)
        sessions.append((state, run))
        if run.outcome.kind != "reset":
            break
        state = run.end
    return _Life(sessions)


def _installs(rig: ElfRig, life: _Life) -> bool:
    """Whether the update does what the board expects of it, with known images all the way."""
    expected = NEW if rig.keeps_new else OLD
    return (life.outcome.kind, life.outcome.image) == ("settled", expected) and UNKNOWN not in life.entered


def _loop(rig: ElfRig, life: _Life) -> str:
    return f"boot loop: {counted(rig.bounds.max_resets, 'reset')} in a row without settling, the last {life.outcome}"


def _check_runs(rig: ElfRig, life: _Life, where: str) -> None:
    """An image that is entered and resets again and again runs, for all we know: it may ask for the update."""
    if life.outcome.kind == "settled" or (life.outcome.kind == "reset" and _entered(life.sessions[-1][1])):
        return
    told = str(life.outcome)
    if life.outcome.kind == "reset":
        told = f"no image is entered, and it resets again and again, by {life.outcome.cause}{_last_words(rig)}"
    raise ScenarioError(f"{where}: the device as shipped does not run: {told}")


def _last_words(rig: ElfRig) -> str:
    """What was said in the session before, on the port that spoke last."""
    port = rig.machine.sent[-1][1] if rig.machine.sent else ""
    text = b"".join(data for _, name, data in rig.machine.sent if name == port).decode("latin-1")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"; it last said {printable(lines[-1])[:_SHOWN]!r}" if lines else "; it said nothing on any port"


def _check_shipped(rig: ElfRig, life: _Life, where: str) -> None:
    """What is entered before anything is written is what the factory programmed."""
    for entry in (entry for _, run in life.sessions for entry in run.entries):
        if isinstance(entry, Operation):
            return
        if isinstance(entry, Event) and entry.name == HANDOVER and entry.facts[1] == UNKNOWN:
            raise ScenarioError(
                f"{where}: what the factory ships is no [[image]]: slot {entry.facts[3]!r} is entered, not with the "
                f"bytes of one{_difference(rig, life)}; give [[image]] {OLD!r} as it stands in flash, from where the "
                "slot begins"
            )


def _difference(rig: ElfRig, life: _Life) -> str:
    """What is unknown of the first image that no [[image]] is, behind a colon."""
    for state, run in life.sessions:
        if any(isinstance(e, Event) and e.name == HANDOVER and e.facts[1] == UNKNOWN for e in run.entries):
            rig.watched(state)
            told = rig.differences[0] if rig.differences else ""
            return f": {told}" if told else ""
    return ""


def _entered(run: Run) -> list[str]:
    """Images, in order."""
    return [str(entry.facts[1]) for entry in run.entries if isinstance(entry, Event) and entry.name == HANDOVER]
