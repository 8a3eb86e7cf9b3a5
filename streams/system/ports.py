"""Ports of the loopback for a server that is told its port in advance. Opens none for good."""

import random
import socket

HOST = "127.0.0.1"

# Below the ports that the kernel gives to clients (net.ipv4.ip_local_port_range, from 32768): there a
# stranger could get the port while the broker is down, and a client that keeps trying to connect to
# it would sooner or later be connected to itself.
_CANDIDATES = range(20_000, 32_000)


class NoFreePort(RuntimeError):
    """All are taken."""


def is_free(port: int) -> bool:
    """Whether a server may listen on this port now."""
    with socket.socket() as probe_socket:
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does
        try:
            probe_socket.bind((HOST, port))
        except OSError:
            return False
    return True


def find_free(excluded_port: int = 0) -> int:
    """Any free port, for a server that others shall find there again after its restart."""
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if port != excluded_port and is_free(port):
            return port
    raise NoFreePort(f"no free port from {_CANDIDATES.start} to {_CANDIDATES.stop - 1} on {HOST}")
