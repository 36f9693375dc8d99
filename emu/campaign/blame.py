"""Who is to blame when the same state does something in two ways: the user's firmware, or this emulator.

Our own firmware keeps nothing between resets and draws nothing; of a user's nobody knows, so it is named first.
Neighbours: `audit` and `replay` compare, `fresh` and `pristine` repeat. Knows no rig.
"""

from __future__ import annotations

from emu.errors import ScenarioError
from emu.rig import Rig


def two_ways(rig: Rig, what: str) -> Exception:
    """To be raised: ``what`` was not the same twice."""
    if "firmware" not in rig.inputs and rig.capabilities.is_ours:
        return AssertionError(f"{what}: please report")
    return ScenarioError(
        f"the firmware keeps something between resets (in a module, say) or does not do the same twice: "
        f"{what}; if it does neither, please report this"
    )
