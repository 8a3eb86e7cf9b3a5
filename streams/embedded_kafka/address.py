"""Where the embedded broker of a data folder listens, read from the properties that it was started with.

A file of its own, so that a client that only reads the address imports nothing of the broker.
"""

from collections.abc import Iterator
from pathlib import Path

from streams.system import network


def last_bootstrap_servers(data_dir: Path) -> str | None:
    """Where the broker of this data folder listens, or last listened; None if it never ran."""
    port = read_listener_ports(data_dir / "kafka" / "server.properties").get("PLAINTEXT")
    return f"{network.HOST}:{port}" if port else None


def read_listener_ports(properties: Path) -> dict[str, int]:
    """The ports in this server.properties, by listener; empty if the file does not exist."""
    if not properties.exists():
        return {}
    return dict(_parse_listeners(properties.read_text()))


def _parse_listeners(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "listeners":
            for address in value.split(","):
                listener, _, port = address.rpartition(":")
                yield listener.partition(":")[0], int(port)
