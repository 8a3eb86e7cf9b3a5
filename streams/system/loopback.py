"""Which hosts only this machine can reach. Looks up no name."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether this address or name belongs to this machine alone: 127/8, `::1` or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
