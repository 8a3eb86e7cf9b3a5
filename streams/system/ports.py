"""Ports of the loopback for a server that is told its port in advance. Opens none for good."""

import random
import socket

HOST = "127.0.0.1"

# Below the ports that the kernel gives to clients (net.ipv4.ip_local_port_range, from 32768): there a
# stranger could get the port while the broker is down, and a client that keeps trying to connect to
# it would sooner or later be connected to itself.
_FREE = range(20_000, 32_000)


class NoFreePort(RuntimeError):
    """All are taken."""


def is_free(port: int) -> bool:
    """Whether a server may listen on this port now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


def free(other_than: int = 0) -> int:
    """Any free port, for a server that others shall find there again after its restart."""
    for port in random.sample(_FREE, len(_FREE)):
        if port != other_than and is_free(port):
            return port
    raise NoFreePort(f"no free port from {_FREE.start} to {_FREE.stop - 1} on {HOST}")
