"""Whether a firmware says what the patterns of its board's [storage] wait for: one that never fits judges nothing, and
a campaign would hold for it.

Neighbours: `uncut` asks before a campaign begins; `rig` lives a few boots without a cut. Knows no check.
"""

from __future__ import annotations

from emu.elf.document import texts
from emu.elf.rig import ElfRig
from emu.errors import ScenarioError
from emu.events import SAID
from emu.words import counted, printable
from flash.journal import Event

_SHOWN = 5


def check_heard(rig: ElfRig, where: str) -> None:
    """Boot after boot, with a loss of power between those that settle. Raises ScenarioError for the first key no
    pattern of which has fitted a line by then."""
    phrases, storage = rig.storage.phrases, rig.board.document.storage
    if phrases is None or storage is None:
        return
    state, left, said = rig.initial(1), list(phrases.kinds), dict[str, None]()
    boots = rig.bounds.max_resets + 1
    for _ in range(boots):
        run = rig.run(state)
        for entry in run.entries:
            if isinstance(entry, Event) and entry.name == SAID:
                said.setdefault(str(entry.facts[1]))
                meant = phrases.meaning(entry.facts[1])
                left = [kind for kind in left if meant is None or kind != meant.kind]
        if not left or run.outcome.kind not in ("settled", "reset"):
            return  # what ends otherwise is a campaign's to judge
        state = run.end
    shown = ", ".join(repr(printable(line)) for line in list(said)[:_SHOWN])
    spoke = f"it said {shown}{' ...' if len(said) > _SHOWN else ''}" if said else "it said nothing on any serial port"
    wanted = " or ".join(map(repr, texts(getattr(storage, left[0]))))
    raise ScenarioError(
        f"{where}: storage.{left[0]}: no line of {counted(boots, 'boot')} fits {wanted}; {spoke}; a whole line has to "
        "fit, * stands for anything; `brownout boot` shows all of them"
    )
