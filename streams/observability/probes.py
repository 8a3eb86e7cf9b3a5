"""Probes and metrics over HTTP: `/healthz`, `/readyz`, `/health/whatsapp`, `/metrics`, and a sender's
`/api/diagnosis`. Changes nothing.

By default the server listens on loopback. On any other address it does not start without a token, and
every request must carry the token. Without a token it answers only requests to a loopback host name, so
that no web page can reach it through a host name of its own (DNS rebinding).
"""

import errno
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams.observability import run_file
from streams.observability.process_info import read_version
from streams.settings import Settings
from streams.system import network
from streams.system.network import is_loopback

log = logging.getLogger(__name__)

ReadinessCheck = Callable[[], tuple[bool, str]]
HealthSource = Callable[[], Mapping[str, Any]]
# A JSON document; None: there is nothing to diagnose in this process now.
DiagnosisSource = Callable[[], Awaitable[bytes | None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SHUTDOWN_TIMEOUT_S: Final = 1.0


class CannotListen(Exception):
    """The server cannot start; the text is one line that says what to do."""


class Server:
    """A server that listens until it is closed."""

    def __init__(self, runner: web.AppRunner, host: str) -> None:
        self._runner = runner
        self._host = host
        self.port: int = runner.addresses[0][1]

    @property
    def url(self) -> str:
        """The URL for this machine, without a slash at the end."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Stop listening and close the open connections. A second call does nothing."""
        await self._runner.cleanup()


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
    if not token and not is_loopback(host):
        raise CannotListen(
            f"WA_WEB_HOST={host}: is not loopback; set WA_WEB_TOKEN too, or listen on 127.0.0.1"
        )
    application = web.Application(middlewares=[_auth_middleware(token)])
    application.add_routes(_Probes(readiness, health, registry, diagnosis).routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(_describe_listen_error(error, host, port)) from error
    return Server(runner, host)


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
    server = await start_server(
        host=settings.web_host,
        port=port or _choose_port(settings, name),
        token=settings.web_token,
        readiness=readiness,
        health=health,
        registry=registry,
        diagnosis=diagnosis,
    )
    log.info("%s (wa-streams %s) listens on %s", name, read_version(), server.url)
    try:
        if not port:
            run_file.save_port(settings.data_dir, name, server.port)
        with run_file.managed_run_file(settings.data_dir, name) as write_run_file:
            write_run_file(server.url)
            yield server
    finally:
        await server.close()


def _choose_port(settings: Settings, name: str) -> int:
    """A port that stays the worker's own: monitoring would lose one that changes at each restart."""
    last_port = run_file.read_last_port(settings.data_dir, name)
    if not is_loopback(settings.web_host):
        return last_port  # whether it is free there is seen when it is opened
    if last_port and network.is_free(last_port):
        return last_port
    if last_port:
        log.warning("another program has the port %d of %s: it gets a new one", last_port, name)
    return network.find_free()


def _describe_listen_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"WA_WEB_PORT={port}: is taken on {host}; set another port, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"WA_WEB_PORT={port}: this user may not open it; set a port above 1023"
    return f"WA_WEB_HOST={host}: cannot be listened on ({error.strerror}); set 127.0.0.1"


class _Probes:
    """The handlers."""

    def __init__(
        self,
        readiness: ReadinessCheck,
        health: HealthSource,
        registry: CollectorRegistry,
        diagnosis: DiagnosisSource | None,
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
            if not _has_token(request, token):
                return _error_response(
                    401, "send WA_WEB_TOKEN as a bearer token", {"WWW-Authenticate": "Bearer"}
                )
        elif not is_loopback(request.url.host or ""):
            return _error_response(403, "use the host 127.0.0.1, or set WA_WEB_TOKEN and send it")
        return await handler(request)

    return authorize


def _has_token(request: web.Request, token: str) -> bool:
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
