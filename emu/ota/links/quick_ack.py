"""Small messages through a broker that holds them back.

A broker that leaves Nagle's algorithm on (mosquitto, unless its configuration says ``set_tcp_nodelay true``) sends a
small message only when the one before it was acknowledged, and who has nothing to say acknowledges after 40 ms: each
call would take that long. Neighbours: both ends of a link over MQTT.
"""

from __future__ import annotations

import socket


def acknowledge_at_once(sock: socket.socket) -> None:
    """What has come so far. To be called after each message that is not answered: Linux forgets it soon."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
