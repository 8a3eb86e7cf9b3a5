"""Where the embedded broker of a data folder listens, read from the properties that it was started with.

Apart from the broker itself, so that a client that only looks the address up imports nothing of it.
"""

from collections.abc import Iterator
from pathlib import Path

from streams.system import ports


def last_bootstrap_servers(data_dir: Path) -> str | None:
    """Where the broker of this data folder listens, or did when it last ran; None if it never did."""
    port = read_listener_ports(data_dir / "kafka" / "server.properties").get("PLAINTEXT")
    return f"{ports.HOST}:{port}" if port else None


def read_listener_ports(properties: Path) -> dict[str, int]:
    """The ports that a broker was told before, by listener."""
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
