"""How a user of the links can be wrong, as one tree; it hangs on `emu.errors.UsageError` (exit code 2).

    UsageError
    └── OtaError                  what was asked of a link cannot be done: the message says what to change
        ├── CredentialsError      a password file that is malformed; the message has the line
        ├── AclError              access rules that are malformed; the message has the rule
        └── FrameError            a frame that a link cannot carry

A link that cannot be opened or is gone is `emu.errors.LinkLost`. What arrives on a link is never one of these, however
broken: it is a value.
"""

from __future__ import annotations

from emu.errors import UsageError


class OtaError(UsageError):
    """What was asked of a link cannot be done."""


class CredentialsError(OtaError):
    """A password file that cannot be used."""


class AclError(OtaError):
    """Access rules that cannot be used."""


class FrameError(OtaError):
    """A frame that cannot be sent over this link as it stands."""
