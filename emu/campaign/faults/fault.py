"""One fault, by name. The name stands in tokens and reports, and says all of it:

    image.manifest.body+0x1f.xor01    byte 0x1f of manifest.json as it is sent has another bit
    image.app.body+0x400.cut          the update ends there
    image.swap.old-app                a part was exchanged
    rest.1.config-0+0x10.xor80        before boot 1 a bit of partition config-0 has flipped
    wear.slot-b+0x0.from-1-erase-one  a sector of which one bit stays programmed, from its first erase on
    downgrade.update.older            the update the device once had is sent again

No character needs quoting in a shell, and none is a separator of tokens. Neighbours: the kinds make and read faults,
`token` carries them. Knows no rig.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from emu.errors import TokenError

KINDS = ("image", "rest", "wear", "downgrade")
POWER = "power"
_NAME = re.compile(rf"({'|'.join(KINDS)})\.([A-Za-z0-9._-]{{1,80}}?)(?:\+0x([0-9a-f]{{1,12}}))?\.([a-z0-9-]{{1,40}})")
_XOR = re.compile(r"xor([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Fault:
    """``place``: where, as reports count it. ``offset`` in it, in bytes; None: the whole of it. ``how``: what
    happened there."""

    kind: str
    place: str
    how: str
    offset: int | None = None

    @property
    def name(self) -> str:
        at = "" if self.offset is None else f"+{self.offset:#x}"
        return f"{self.kind}.{self.place}{at}.{self.how}"

    @property
    def group(self) -> str:
        """What is left of the name when it is counted."""
        return f"{self.kind}.{self.place}"

    @property
    def mask(self) -> int:
        """The bits of a byte that are inverted; 0: nothing is."""
        found = _XOR.fullmatch(self.how)
        return int(found.group(1), 16) if found else 0


def parse_fault(name: str) -> Fault:
    """Read a name. Raises TokenError for what is none; whether there is such a place, its kind says."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise TokenError(f"the token is altered: {name!r} is no fault, they look like rest.0.config-0+0x10.xor80")
    kind, place, offset, how = found.groups()
    return Fault(kind, place, how, None if offset is None else int(offset, 16))


def no_such(fault: Fault, why: str) -> TokenError:
    """What to raise for a fault that cannot be done here."""
    return TokenError(f"there is no fault {fault.name} here: {why}")
