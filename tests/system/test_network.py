"""Free ports on loopback, and which hosts are loopback."""

import socket

import pytest

from streams.system import network


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_taken_port_is_not_free(host: str) -> None:
    """It is taken while another server listens on it; afterwards it is free again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        assert not network.is_free(port, host)
    assert network.is_free(port, host)


def test_a_found_port_is_free_and_not_a_clients() -> None:
    """It lies below the range from which the kernel gives ports to clients."""
    port = network.find_free()
    assert 20_000 <= port < 32_000
    assert network.is_free(port)


def test_the_excluded_port_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another candidate there is none."""
    port = network.find_free()
    monkeypatch.setattr(network, "_CANDIDATES", range(port, port + 1))
    assert network.find_free() == port
    with pytest.raises(network.NoFreePort):
        network.find_free(excluded_port=port)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_hosts(host: str) -> None:
    """They are all of 127/8, the IPv6 address, and the name."""
    assert network.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com", "localhost.evil"]
)
def test_other_hosts(host: str) -> None:
    """All addresses are not loopback, nor is a name that may resolve to any address."""
    assert not network.is_loopback(host)


def test_several_free_ports_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when there are no more than that; one more is an error."""
    start = network.find_free()
    monkeypatch.setattr(network, "_CANDIDATES", range(start, start + 1))
    assert network.find_several_free(1) == [start]
    with pytest.raises(network.NoFreePort):
        network.find_several_free(2)
