"""unicorn, which executes instructions; or word of how to get it. No other file imports it.

It is an extra of its own, since it is under the GPLv2. Neighbours: `registers`, `hooks` and `engine` use it.
"""

from __future__ import annotations

from emu.errors import MissingExtra

try:
    import unicorn
    from unicorn import arm_const
    from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib
except ImportError:
    raise MissingExtra("an emulated core needs unicorn: pip install 'brownout[cpu]'") from None

__all__ = ["Uc", "UcError", "arm_const", "uclib", "unicorn"]
