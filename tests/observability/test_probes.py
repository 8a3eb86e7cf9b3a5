"""Probes and metrics, over real HTTP."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.contract.account import AccountRecord
from streams.observability import health
from streams.observability.account_status import AccountStatus
from streams.observability.http_server import CannotListen, Server
from streams.observability.probes import serve_probes, start_server
from streams.settings import load

HEALTHY = health.health_document(
    is_ready=True,
    queue_length=3,
    cache_size=2,
    conversation_states=1,
    rate_limit_tracking=4,
    accounts=[AccountStatus("main", AccountRecord(account="main", state="ready", since=""))],
)


class Worker:
    """The answers of a worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready: tuple[bool, str] = (True, "")
        self.health: dict[str, Any] = HEALTHY
        self.diagnosis: bytes | None = b'{"phase": "ready"}'

    @asynccontextmanager
    async def server(
        self, token: str | None = None, host: str = "127.0.0.1"
    ) -> AsyncIterator[Server]:
        server = await start_server(
            host=host,
            port=0,
            token=token,
            readiness=lambda: self.ready,
            health=lambda: self.health,
            registry=self.registry,
            diagnosis=self._diagnose,
        )
        try:
            yield server
        finally:
            await server.close()

    async def _diagnose(self) -> bytes | None:
        return self.diagnosis


@pytest.fixture
def worker() -> Worker:
    return Worker()


async def ask(url: str, **headers: str) -> tuple[int, Any]:
    async with aiohttp.request("GET", url, headers=headers) as answer:
        body = await answer.read()
        is_json = answer.content_type == "application/json"
        return answer.status, json.loads(body) if is_json else body.decode()


async def test_a_live_worker_answers_that_it_is_alive(worker: Worker) -> None:
    """It does so even while it is not ready, because a restart would make things worse."""
    worker.ready = (False, "recovering")
    async with worker.server() as server:
        assert await ask(f"{server.url}/healthz") == (200, {"alive": True})


async def test_readiness_is_checked_at_each_request(worker: Worker) -> None:
    """The answer is 503 with the reason, and 200 as soon as the worker is ready, perhaps with limits."""
    async with worker.server() as server:
        worker.ready = (False, "rebalancing")
        assert await ask(f"{server.url}/readyz") == (503, {"ready": False, "reason": "rebalancing"})
        worker.ready = (True, "")
        assert await ask(f"{server.url}/readyz") == (200, {"ready": True})
        worker.ready = (True, "ready")
        assert await ask(f"{server.url}/readyz") == (200, {"ready": True})
        worker.ready = (True, "standing by")
        assert await ask(f"{server.url}/readyz") == (200, {"ready": True, "reason": "standing by"})


async def test_the_earlier_services_health(worker: Worker) -> None:
    """It has the same fields, with the uptime in seconds, and is 503 if the worker is not healthy."""
    async with worker.server() as server:
        status, body = await ask(f"{server.url}/health/whatsapp")
        assert (status, body.pop("uptime") >= 0) == (200, True)
        assert body.pop("accounts")["main"]["state"] == "ready"
        assert body == {
            "healthy": True,
            "metrics": {
                "queueLength": 3,
                "cacheSize": 2,
                "conversationStates": 1,
                "rateLimitTracking": 4,
                "dispatchesOverdue": 0,
                "underReplicatedTopics": 0,
            },
        }
        worker.health = {**HEALTHY, "healthy": False}
        assert (await ask(f"{server.url}/health/whatsapp"))[0] == 503


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        ("*/*", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_metrics_have_the_requested_format(worker: Worker, accept: str, type_: str) -> None:
    """It is Prometheus' text format, or OpenMetrics."""
    Counter("wa_test", "Test", registry=worker.registry).inc(2)
    async with (
        worker.server() as server,
        aiohttp.request("GET", f"{server.url}/metrics", headers={"Accept": accept}) as answer,
    ):
        assert answer.content_type == type_
        assert "wa_test_total 2.0" in await answer.text()


async def test_an_unknown_path_is_404(worker: Worker) -> None:
    """Methods other than GET are refused too."""
    async with worker.server() as server:
        assert (await ask(f"{server.url}/nothing"))[0] == 404
        async with aiohttp.request("POST", f"{server.url}/readyz") as answer:
            assert answer.status == 405


async def test_a_worker_that_fails_to_answer_is_not_ready(worker: Worker) -> None:
    """The probe gets an error, and never a wrong success."""

    def broken() -> tuple[bool, str]:
        raise RuntimeError("broken")

    server = await start_server(
        host="127.0.0.1",
        port=0,
        token=None,
        readiness=broken,
        health=lambda: HEALTHY,
        registry=worker.registry,
    )
    try:
        assert (await ask(f"{server.url}/readyz"))[0] == 500
    finally:
        await server.close()


# -- access


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/health/whatsapp", "/metrics", "/nothing"]
)
async def test_a_configured_token_is_required(worker: Worker, path: str) -> None:
    """Every path requires it as a bearer token, for any Host header."""
    async with worker.server(token="s3cret-é") as server:
        url = server.url + path
        for headers in (
            {},
            {"Authorization": "s3cret-é"},
            {"Authorization": "Basic s3cret-é"},
            {"Authorization": "Bearer s3cret"},
            {"Authorization": "Bearer "},
        ):
            status, body = await ask(url, **headers)
            assert (status, "WA_WEB_TOKEN" in body["error"]) == (401, True)
        right = {"Authorization": "bearer s3cret-é", "Host": "wa.example"}
        assert (await ask(url, **right))[0] == (404 if path == "/nothing" else 200)


async def test_a_refused_probe_learns_the_scheme(worker: Worker) -> None:
    """The 401 names it."""
    async with (
        worker.server(token="s") as server,
        aiohttp.request("GET", f"{server.url}/readyz") as answer,
    ):
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_page_cannot_reach_it_under_another_name(worker: Worker) -> None:
    """Against DNS rebinding, a server without a token answers only to a loopback name."""
    async with worker.server() as server:
        assert (await ask(f"{server.url}/metrics", Host="evil.example"))[0] == 403
        for host in ("localhost", f"127.0.0.1:{server.port}", "[::1]"):
            assert (await ask(f"{server.url}/metrics", Host=host))[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])
async def test_off_loopback_it_does_not_start_without_a_token(worker: Worker, host: str) -> None:
    """This holds for all addresses, and for a name that may resolve to any address."""
    with pytest.raises(CannotListen, match="WA_WEB_TOKEN"):
        async with worker.server(host=host):
            pass


async def test_with_a_token_it_listens_everywhere(worker: Worker) -> None:
    """Its URL is an address at which this machine reaches it."""
    async with worker.server(token="s", host="0.0.0.0") as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert (await ask(f"{server.url}/healthz", Authorization="Bearer s"))[0] == 200


# -- what can go wrong


async def test_a_taken_port_is_reported_in_one_line(worker: Worker) -> None:
    """The line names the setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"^WA_WEB_PORT={port}: is taken.*or 0"):
            await start_server(
                host="127.0.0.1",
                port=port,
                token=None,
                readiness=lambda: worker.ready,
                health=lambda: worker.health,
                registry=worker.registry,
            )


async def test_an_address_of_another_machine_is_reported(worker: Worker) -> None:
    """192.0.2.1 belongs to no machine (RFC 5737)."""
    with pytest.raises(CannotListen, match=r"^WA_WEB_HOST=192\.0\.2\.1: cannot be listened on"):
        async with worker.server(token="s", host="192.0.2.1"):
            pass


async def test_a_closed_server_does_not_answer(worker: Worker) -> None:
    """It may be closed twice, and its port is free again."""
    async with worker.server() as server:
        pass
    await server.close()
    socket.create_server(("127.0.0.1", server.port)).close()


async def test_a_worker_that_listens_can_be_found(worker: Worker, tmp_path: Path) -> None:
    """Its run file has the address, as long as it listens."""
    settings = load({}, data_dir=tmp_path)
    file = tmp_path / "run" / "dispatch-1.json"
    async with serve_probes(
        settings,
        "dispatch-1",
        0,
        readiness=lambda: worker.ready,
        health=lambda: worker.health,
        registry=worker.registry,
    ):
        url = json.loads(file.read_text())["web"]
        assert await ask(f"{url}/readyz") == (200, {"ready": True})
    assert not file.exists()


async def test_the_diagnosis_is_for_owners_of_the_token(worker: Worker) -> None:
    """`/api/diagnosis` follows the token's rules; a process that stands by has nothing to tell."""
    async with worker.server(token="secret") as server:
        url = f"{server.url}/api/diagnosis"
        assert (await ask(url))[0] == 401
        assert await ask(url, Authorization="Bearer secret") == (200, {"phase": "ready"})
        worker.diagnosis = None
        assert (await ask(url, Authorization="Bearer secret"))[0] == 503


async def test_a_worker_without_a_browser_has_no_diagnosis() -> None:
    """Only a sender has `/api/diagnosis`."""
    server = await start_server(
        host="127.0.0.1",
        port=0,
        token=None,
        readiness=lambda: (True, ""),
        health=lambda: HEALTHY,
        registry=CollectorRegistry(),
    )
    try:
        async with aiohttp.request("GET", f"{server.url}/api/diagnosis") as answer:
            assert answer.status == 404
    finally:
        await server.close()
