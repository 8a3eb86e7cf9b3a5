"""A worker's address: its own, and the same after each restart."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from streams.observability.http_server import Server
from streams.observability.probes import serve_probes
from streams.settings import load


async def test_a_worker_keeps_its_address(tmp_path: Path) -> None:
    """Over its restarts, unless another program has taken the port meanwhile; and no other worker gets it."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path)

    @asynccontextmanager
    async def serve(name: str) -> AsyncIterator[Server]:
        async with serve_probes(
            settings,
            name,
            0,
            readiness=lambda: (True, ""),
            health=dict,
            registry=CollectorRegistry(),
        ) as server:
            yield server

    async with serve("sender-main") as first, serve("sender-other") as other:
        assert first.port != other.port
    async with serve("sender-main") as second:
        assert second.port == first.port
    with socket.create_server(("127.0.0.1", first.port)):
        async with serve("sender-main") as third:
            assert third.port != first.port
    async with serve("sender-main") as fourth:
        assert fourth.port == third.port
