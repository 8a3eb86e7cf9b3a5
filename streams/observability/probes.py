"""Probes and metrics over HTTP: `/healthz`, `/readyz`, `/health/whatsapp`, `/metrics`, and a sender's
`/api/diagnosis`. Changes nothing.

By default the server listens on loopback. On any other address it does not start without a token, and
every request must carry the token. Without a token it answers only requests to a loopback host name, so
that no web page can reach it through a host name of its own (DNS rebinding).
"""

import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams.observability.http_server import CannotListen, Server, listen, serve_application
from streams.settings import Settings
from streams.system.network import is_loopback

ReadinessCheck = Callable[[], tuple[bool, str]]
HealthSource = Callable[[], Mapping[str, Any]]
# A JSON document; None: there is nothing to diagnose in this process now.
DiagnosisSource = Callable[[], Awaitable[bytes | None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def start_server(
    *,
    host: str,
    port: int,
    token: str | None,
    readiness: ReadinessCheck,
    health: HealthSource,
    registry: CollectorRegistry,
    diagnosis: DiagnosisSource | None = None,
) -> Server:
    """Start the server. Port 0 means any free one.

    `readiness` returns whether the worker is ready, and why not. `health` returns the document of
    `/health/whatsapp` without the uptime (`health.py`). Both are called in the event loop and must not
    block. `diagnosis` is the source of `/api/diagnosis`, which exists only with it.

    Raises:
        CannotListen: the port is taken, the address is not one of this machine, or a token is needed.
    """
    _require_token(host, token)
    probes = Probes(readiness, health, registry, diagnosis)
    return await listen(_build_application(probes, token), host, port)


def _require_token(host: str, token: str | None) -> None:
    if not token and not is_loopback(host):
        raise CannotListen(
            f"WA_WEB_HOST={host}: is not loopback; set WA_WEB_TOKEN too, or listen on 127.0.0.1"
        )


def _build_application(probes: "Probes", token: str | None) -> web.Application:
    application = web.Application(middlewares=[_auth_middleware(token)])
    application.add_routes(probes.routes())
    return application


@asynccontextmanager
async def serve_probes(
    settings: Settings,
    name: str,
    port: int,
    *,
    readiness: ReadinessCheck,
    health: HealthSource,
    registry: CollectorRegistry,
    diagnosis: DiagnosisSource | None = None,
) -> AsyncIterator[Server]:
    """Serve the probes of this worker, and write its run file. Port 0: the last one of this worker, if it is free.

    Raises:
        CannotListen: see `start_server`.
    """
    _require_token(settings.web_host, settings.web_token)
    probes = Probes(readiness, health, registry, diagnosis)
    application = _build_application(probes, settings.web_token)
    async with serve_application(settings, name, port, application) as server:
        yield server


class Probes:
    """The handlers, without the access to them."""

    def __init__(
        self,
        readiness: ReadinessCheck,
        health: HealthSource,
        registry: CollectorRegistry,
        diagnosis: DiagnosisSource | None = None,
    ) -> None:
        self._readiness = readiness
        self._health = health
        self._registry = registry
        self._diagnosis = diagnosis
        self._started_s = time.monotonic()

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/health/whatsapp", self.whatsapp),
            web.get("/metrics", self.metrics),
            *([web.get("/api/diagnosis", self.diagnosis)] if self._diagnosis else []),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        """Always 200: the event loop runs. A worker that makes no progress ends itself (see the watchdog)."""
        return web.json_response({"alive": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 if the worker is ready, else 503; with the reason, or what limits the worker while it is ready."""
        is_ready, reason = self._readiness()
        if is_ready:
            limits = {"reason": reason} if reason not in ("", "ready") else {}
            return web.json_response({"ready": True} | limits)
        return web.json_response({"ready": False, "reason": reason}, status=503)

    async def whatsapp(self, _: web.Request) -> web.Response:
        """The health document of the earlier service; 503 if it is not healthy."""
        document = {**self._health(), "uptime": round(time.monotonic() - self._started_s, 3)}
        return web.json_response(document, status=200 if document["healthy"] else 503)

    async def diagnosis(self, _: web.Request) -> web.Response:
        """What `wa-streams doctor` prints of this account; 503 if this process has no browser."""
        assert self._diagnosis is not None
        document = await self._diagnosis()
        if document is None:
            return _error_response(503, "this process stands by: another one sends for the account")
        return web.Response(body=document, content_type="application/json")

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format, or OpenMetrics if the client accepts it."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})


def _auth_middleware(token: str | None) -> Any:
    @web.middleware
    async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token:
            if not has_token(request, token):
                return _error_response(
                    401, "send WA_WEB_TOKEN as a bearer token", {"WWW-Authenticate": "Bearer"}
                )
        elif not is_loopback(request.url.host or ""):
            return _error_response(403, "use the host 127.0.0.1, or set WA_WEB_TOKEN and send it")
        return await handler(request)

    return authorize


def has_token(request: web.Request, token: str) -> bool:
    """Whether the request carries this bearer token."""
    authorization = request.headers.get("Authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    is_equal = hmac.compare_digest(
        credentials.strip().encode(errors="surrogateescape"), token.encode()
    )
    return is_equal and scheme.lower() == "bearer"


def _error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response({"error": message}, status=status, headers=headers)
