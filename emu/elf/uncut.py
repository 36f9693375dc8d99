"""Whether the uncut life of a board is one that a campaign can judge: the device runs as it is shipped, with the image
the board calls old, and the update does something. Where it does not, findings would be about the board file, and not
about the firmware. That an update which does something fails uncut is a finding, and the campaign's own business.

Neighbours: commands ask before a campaign begins; `rig` lives it. What else can be wrong a campaign says itself.
"""

from __future__ import annotations

from emu.elf.heard import check_heard
from emu.elf.rig import ElfRig
from emu.errors import ScenarioError
from emu.events import HANDOVER, NEW, OLD, UNKNOWN
from emu.rig import Run
from emu.words import counted, printable
from flash.journal import Event, Misuse, Operation

_SHOWN = 60


def check_uncut(rig: ElfRig) -> None:
    """Raises ScenarioError: what was seen, and what to change."""
    state, entered, where = rig.initial(1), list[str](), rig.board.paths[0]
    touched = False
    rig.notes_stores = True
    try:
        for number in range(1, rig.bounds.max_resets + 2):
            run = rig.run(state)
            if number == 1:
                _check_shipped(rig, run, where)
                if run.outcome.kind in ("halted", "hung"):
                    _check_runs(rig, where)
            entered += _entered(run)
            touched = touched or any(isinstance(entry, Operation | Misuse) for entry in run.entries)
            if run.outcome.kind != "reset":
                break
            state = run.end
        if run.outcome.kind == "reset" and not entered:
            _check_runs(rig, where)
    finally:
        rig.notes_stores = False
    check_heard(rig, where)
    is_kept = run.outcome.kind == "settled" and run.outcome.image == OLD
    if is_kept and not touched and NEW in rig.board.document.accept and NEW not in entered:
        raise ScenarioError(
            f"{where}: the uncut update does not install the new image: after {counted(number, 'session')} the old one "
            f"runs, and nothing was ever written. {_where_to_look(rig)}; where refusing it is right, "
            f'accept = ["{OLD}"]. '
            f"`brownout boot {where}` shows what the bootloader does"
        )


def _where_to_look(rig: ElfRig) -> str:
    if rig.attempt is not None and rig.attempt.words:
        return f"Look at [update]: of the host, {rig.attempt.words}"
    return (
        "Look at [[staged]]: the address, and whether a flag or a trailer belongs to the update (one more [[staged]])"
    )


def _check_runs(rig: ElfRig, where: str) -> None:
    """Without the update that waits, the device runs: so it is the update that ends it."""
    state = rig.shipped
    for _ in range(rig.bounds.max_resets + 1):
        run = rig.run(state)
        if run.outcome.kind != "reset" or _entered(run):
            break
        state = run.end
    else:
        again = f"no image is entered, and it resets again and again, by {run.outcome.cause}{_last_words(rig)}"
        raise ScenarioError(f"{where}: the device as shipped does not run: {again}")
    if run.outcome.kind in ("halted", "hung"):
        raise ScenarioError(f"{where}: the device as shipped does not run: {run.outcome}")


def _last_words(rig: ElfRig) -> str:
    """What was said in the session before, on the port that spoke last."""
    port = rig.machine.sent[-1][1] if rig.machine.sent else ""
    text = b"".join(data for _, name, data in rig.machine.sent if name == port).decode("latin-1")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"; it last said {printable(lines[-1])[:_SHOWN]!r}" if lines else "; it said nothing on any port"


def _check_shipped(rig: ElfRig, run: Run, where: str) -> None:
    """What is entered before anything is written is what the factory programmed."""
    for entry in run.entries:
        if isinstance(entry, Operation):
            return
        if isinstance(entry, Event) and entry.name == HANDOVER and entry.facts[1] == UNKNOWN:
            told = f": {rig.differences[0]}" if rig.differences and rig.differences[0] else ""
            raise ScenarioError(
                f"{where}: what the factory ships is no [[image]]: slot {entry.facts[3]!r} is entered, not with the "
                f"bytes of one{told}; give [[image]] {OLD!r} as it stands in flash, from where the slot begins"
            )


def _entered(run: Run) -> list[str]:
    """Images, in order."""
    return [str(entry.facts[1]) for entry in run.entries if isinstance(entry, Event) and entry.name == HANDOVER]
