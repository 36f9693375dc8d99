"""How an update can be refused, as one tree.

    Exception
    ├── UpdateRefused             the update, or the moment, is wrong; carries the wire's code and message
    └── FilesystemError           a filesystem that cannot be mounted, read or written to the end; says where and why

Raised and caught inside this floor: callers of `context` get return codes, ``status_msg`` and ``detail``; callers of
`merge` get a report. Who mounts a `filesystem` itself meets FilesystemError.
"""

from __future__ import annotations


class UpdateRefused(Exception):
    """``code`` < 0 and ``message`` as the wire says it ('' where the original says nothing); ``detail`` exactly."""

    def __init__(self, code: int, message: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.message = message
        self.detail = detail


class FilesystemError(Exception):
    """What was tried, on what, and why it did not work: one line."""
