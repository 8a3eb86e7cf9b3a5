"""Free ports on loopback."""

import socket

import pytest

from streams.system import ports


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_taken_port_is_not_free(host: str) -> None:
    """While another server listens on it; afterwards it is free again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port, host)
    assert ports.is_free(port, host)


def test_a_found_port_is_free_and_not_a_clients() -> None:
    """It lies below the range from which the kernel gives ports to clients."""
    port = ports.find_free()
    assert 20_000 <= port < 32_000
    assert ports.is_free(port)


def test_the_excluded_port_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another candidate there is none."""
    port = ports.find_free()
    monkeypatch.setattr(ports, "_CANDIDATES", range(port, port + 1))
    assert ports.find_free() == port
    with pytest.raises(ports.NoFreePort):
        ports.find_free(excluded_port=port)
