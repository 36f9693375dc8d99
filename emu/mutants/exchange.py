"""How a mistake takes the place of what is right, for as long as the firmware runs that code.

Neighbours: `loaders` and `writers`. Knows no firmware.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def exchanged(module: ModuleType, name: str, stand_in: object) -> Iterator[None]:
    """``stand_in`` as ``name`` of ``module``. Ends however the code inside ends, a power cut included.

    Raises AttributeError for a name the module has not: nothing would be exchanged.
    """
    right = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, right)
