"""How an update can be refused, as one tree.

    Exception
    └── UpdateRefused             the update, or the moment, is wrong; carries the wire's code and message

Raised and caught inside this floor: callers of `context` get return codes, ``status_msg`` and ``detail``.
"""

from __future__ import annotations


class UpdateRefused(Exception):
    """``code`` < 0 and ``message`` as the wire says it ('' where the original says nothing); ``detail`` exactly."""

    def __init__(self, code: int, message: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.message = message
        self.detail = detail
