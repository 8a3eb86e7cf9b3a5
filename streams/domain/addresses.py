"""Which network addresses a file may be fetched from: public ones, and networks that the operator allows. Pure.

A caller chooses the URL. Without this rule it would choose what this machine connects to: its own services, its
neighbours, and the address at which a cloud gives a machine its credentials. `ipaddress` knows most of the ranges; its
`is_global` differs between releases of Python, so the others are listed here.

    the address                                   decision
    -------------------------------------------   ---------------------------------------------
    is in an allowed network                      allowed
    contains an IPv4 address (mapped, NAT64)      that of the IPv4 address
    tunnels (6to4, Teredo), multicast, reserved   refused
    is not global                                 refused
    any other                                     allowed
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NAT64: Final = IPv6Network("64:ff9b::/96")
_REFUSED: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a provider
        "168.63.129.16/32",  # Azure's own services, on a public address
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "::/96",  # IPv4 in its oldest form
        "64:ff9b:1::/48",  # NAT64 of a site
        "100::/64",
        "2001::/23",  # Teredo and others
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",  # site-local
    )
)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks that are written like this, for example 10.0.0.0/8. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def parse_address(host: str) -> Address | None:
    """The address, if this host is one; None: it is a name. Brackets and a scope are ignored."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_allowed(address: Address, allowed_networks: Iterable[Network]) -> bool:
    """Whether something may be fetched from this address."""
    embedded = find_embedded(address)
    candidates = [address] if embedded is None else [address, embedded]
    if any(candidate in network for network in allowed_networks for candidate in candidates):
        return True
    return _is_public(candidates[-1])


def find_embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that this one stands for, as a mapped one or through NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


def _is_public(address: Address) -> bool:
    if any(address in network for network in _REFUSED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)
