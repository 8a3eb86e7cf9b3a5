"""Loopback: which hosts only this machine can reach, and which ports are free there.

For servers that must know their port in advance. Keeps no port open and looks up no name.
"""

import ipaddress
import itertools
import random
import socket

HOST = "127.0.0.1"

# Below the ports that the kernel gives to clients (net.ipv4.ip_local_port_range, from 32768). In that
# range another program could get the port while the broker is down, and a client that retries its
# connection would sooner or later be connected to itself.
_CANDIDATES = range(20_000, 32_000)


class NoFreePort(RuntimeError):
    """Every candidate is taken."""


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on this port of a loopback host now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe_socket:
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does
        try:
            probe_socket.bind((host, port))
        except OSError:
            return False
    return True


def find_free(excluded_port: int = 0) -> int:
    """Any free port, for a server that keeps it over its restarts."""
    [port] = find_several_free(1, excluded_port)
    return port


def find_several_free(count: int, excluded_port: int = 0) -> list[int]:
    """So many free ports, each of them another one."""
    candidates = random.sample(_CANDIDATES, len(_CANDIDATES))
    free = (port for port in candidates if port != excluded_port and is_free(port))
    ports = list(itertools.islice(free, count))
    if len(ports) < count:
        first, last = _CANDIDATES.start, _CANDIDATES.stop - 1
        raise NoFreePort(f"no free port from {first} to {last} on {HOST}")
    return ports


def is_loopback(host: str) -> bool:
    """Whether this address or name belongs to this machine alone: 127/8, `::1` or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
