"""Messages of a publish and subscribe link, as values: what a device and a service exchange, by a broker or in memory.

Neighbours: update systems speak in these, links carry them. Knows no broker and no topic.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """``payload`` on ``topic``. ``qos`` 0 or 1."""

    topic: str
    payload: bytes
    qos: int = 1


def fits(topic: str, pattern: str) -> bool:
    """Whether a topic is one that ``pattern`` subscribes to: ``+`` is one level, ``#`` at the end all that follow.

    As in MQTT 3.1.1, section 4.7: a pattern that begins with a wildcard does not fit a topic that begins with ``$``.
    """
    if topic.startswith("$") and pattern[:1] in ("+", "#"):
        return False
    levels, wanted = topic.split("/"), pattern.split("/")
    for number, level in enumerate(wanted):
        if level == "#":
            return number == len(wanted) - 1
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(levels) == len(wanted)
