"""Which hosts only this machine can reach."""

import pytest

from streams.system.loopback import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_hosts(host: str) -> None:
    """All of 127/8, the address of IPv6, and the name."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com", "localhost.evil"]
)
def test_other_hosts(host: str) -> None:
    """Neither all addresses nor a name that may resolve to any address."""
    assert not is_loopback(host)
