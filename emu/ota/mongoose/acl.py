"""Who may call what: the rules of the config key ``rpc.acl``.

The first rule that fits the method and the kind of channel decides; if none does, nobody may. Neighbours: `globs`;
`guard` asks. Knows no passwords.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from emu.ota.errors import AclError
from emu.ota.mongoose.globs import matches


class _Rule(msgspec.Struct, frozen=True):
    acl: str = ""
    method: str = ""
    ch_type: str | None = None


@dataclass(frozen=True)
class Acl:
    rules: tuple[_Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Acl:
        """A JSON array of ``{"method": glob, "ch_type": kind, "acl": users}``, method or kind may be missing.

        Errors: AclError naming the rule, counted from 1.
        """
        try:
            rules = msgspec.json.decode(text, type=tuple[_Rule, ...])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise AclError(f"rpc.acl: {error}: give a JSON array of objects with method, ch_type, acl") from None
        for number, rule in enumerate(rules, 1):
            if not rule.acl:
                raise AclError(f'rpc.acl rule {number}: acl is missing: say who may call, "*" for everybody')
            if not rule.method and rule.ch_type is None:
                raise AclError(f"rpc.acl rule {number}: neither method nor ch_type: say what it is about")
        return cls(rules)

    def users(self, method: str, channel_type: str) -> str:
        """The users of the rule that decides: globs separated by commas. "-*" where no rule does."""
        for rule in self.rules:
            if rule.ch_type is not None and rule.ch_type != channel_type:
                continue
            if not rule.method or matches(rule.method, method):
                return rule.acl
        return "-*"


def may(users: str, username: str) -> bool:
    """Whether ``username`` is among ``users``: the first glob that fits decides, and says no with a minus before it."""
    for entry in users.split(","):
        if entry and matches(entry.removeprefix("-") if entry[0] == "-" else entry.removeprefix("+"), username):
            return entry[0] != "-"
    return False
