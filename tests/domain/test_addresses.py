"""Which addresses a file may be fetched from, against a model that knows the ranges as text."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.addresses import is_allowed, parse_address, parse_networks

# IANA's registries of special addresses, and Azure's service address.
SPECIAL_IPV4 = [
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32"),
        *("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
    )
]
NAT64, MAPPED = int(IPv6Address("64:ff9b::")), int(IPv6Address("::ffff:0:0"))
ANY_IPV4 = st.one_of(
    st.ip_addresses(v=4),
    *(st.ip_addresses(network=network) for network in SPECIAL_IPV4),
)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255", "192.0.0.192"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("fec0::1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::", "2001:db8::1"),
        *("::7f00:1", "100::1", "3fff::1"),
    ],
)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    """Loopback, private, link-local, metadata, multicast, and what only looks like another address."""
    address = parse_address(text)
    assert address is not None
    assert not is_allowed(address, ())


@pytest.mark.parametrize(
    "text",
    ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_a_public_address_is_allowed(text: str) -> None:
    """Also through NAT64, which a network without IPv4 uses for every host."""
    assert is_allowed(ip_address(text), ())


@given(address=ANY_IPV4, form=st.sampled_from(["plain", "mapped", "nat64"]))
def test_ipv4_is_allowed_unless_it_is_special(address: IPv4Address, form: str) -> None:
    """In each of its three forms."""
    bases = {"mapped": MAPPED, "nat64": NAT64}
    written = address if form == "plain" else IPv6Address(bases[form] + int(address))
    is_special = any(address in network for network in SPECIAL_IPV4)
    assert is_allowed(written, ()) is not is_special


@given(address=st.ip_addresses(v=6))
def test_ipv6_is_allowed_only_where_addresses_are_given_out(address: IPv6Address) -> None:
    """Global unicast is 2000::/3; NAT64 and mapped addresses have tests of their own."""
    if is_allowed(address, ()) and int(address) >> 32 not in (NAT64 >> 32, MAPPED >> 32):
        assert address in ip_network("2000::/3")


@given(address=ANY_IPV4, bits=st.integers(0, 32))
def test_an_allowed_network_is_allowed_in_each_form(address: IPv4Address, bits: int) -> None:
    """The operator's word counts more than the ranges."""
    network = ip_network((address, bits), strict=False)
    allowed = parse_networks([str(network)])
    assert is_allowed(address, allowed)
    assert is_allowed(IPv6Address(MAPPED + int(address)), allowed)


@pytest.mark.parametrize("host", ["example.com", "127.1", "2130706433", "0x7f.1", "", "1.2.3"])
def test_a_name_is_not_an_address(host: str) -> None:
    """What only the resolver understands as an address is a name."""
    assert parse_address(host) is None
