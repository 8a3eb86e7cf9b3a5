"""Probes and metrics over HTTP: `/healthz`, `/readyz`, `/health/whatsapp`, `/metrics`. Reads, changes nothing.

Listens on loopback unless told otherwise. Off loopback it does not start without a token; where there
is a token every request must bear it. Without one only a loopback name is answered, so that no page in
somebody's browser can reach it under a name of its own (DNS rebinding).
"""

import errno
import hmac
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams.observability import run_file
from streams.settings import Settings

ReadinessCheck = Callable[[], tuple[bool, str]]
HealthSource = Callable[[], Mapping[str, Any]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SHUTDOWN_TIMEOUT_S: Final = 1.0


class CannotListen(Exception):
    """The server cannot start; the text says in one line what to do."""


class Server:
    """A server that listens, until `close`."""

    def __init__(self, runner: web.AppRunner, host: str) -> None:
        self._runner = runner
        self._host = host
        self.port: int = runner.addresses[0][1]

    @property
    def url(self) -> str:
        """Where it is reached from this machine, without a slash at the end."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Stop listening and end what is open; safe to call twice."""
        await self._runner.cleanup()


async def start_server(
    *,
    host: str,
    port: int,
    token: str | None,
    readiness: ReadinessCheck,
    health: HealthSource,
    registry: CollectorRegistry,
) -> Server:
    """Listen; port 0 is any free one.

    `readiness` gives whether work is done now, and why not; `health` the answer of `/health/whatsapp`
    without its uptime (`health.py`). Both are called on the loop and must not block.

    Raises:
        CannotListen: the port is taken, the address is not this machine's, or a token is needed.
    """
    if not token and not is_loopback(host):
        raise CannotListen(
            f"WA_WEB_HOST={host}: is not loopback; set WA_WEB_TOKEN too, or listen on 127.0.0.1"
        )
    application = web.Application(middlewares=[_auth_middleware(token)])
    application.add_routes(_Probes(readiness, health, registry).routes())
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
) -> AsyncIterator[Server]:
    """Serve for the worker of this name, and have its run file say where. Raises CannotListen."""
    server = await start_server(
        host=settings.web_host,
        port=port,
        token=settings.web_token,
        readiness=readiness,
        health=health,
        registry=registry,
    )
    try:
        with run_file.managed_run_file(settings.data_dir, name) as write_run_file:
            write_run_file(server.url)
            yield server
    finally:
        await server.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _describe_listen_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"WA_WEB_PORT={port}: is taken on {host}; set another, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"WA_WEB_PORT={port}: may not be opened by this user; set one above 1023"
    return f"WA_WEB_HOST={host}: cannot be listened on ({error.strerror}); set 127.0.0.1"


class _Probes:
    """The answers."""

    def __init__(
        self, readiness: ReadinessCheck, health: HealthSource, registry: CollectorRegistry
    ) -> None:
        self._readiness = readiness
        self._health = health
        self._registry = registry
        self._started_s = time.monotonic()

    def routes(self) -> list[web.RouteDef]:
        """What is answered."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/health/whatsapp", self.whatsapp),
            web.get("/metrics", self.metrics),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        """The loop turns, or nobody would answer. A worker that stands still ends itself (watchdog)."""
        return web.json_response({"alive": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200, or 503 with the reason."""
        is_ready, reason = self._readiness()
        if is_ready:
            return web.json_response({"ready": True})
        return web.json_response({"ready": False, "reason": reason}, status=503)

    async def whatsapp(self, _: web.Request) -> web.Response:
        """The earlier service's health document."""
        document = {**self._health(), "uptime": round(time.monotonic() - self._started_s, 3)}
        return web.json_response(document, status=200 if document["healthy"] else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format, or OpenMetrics for those who accept it."""
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
            return _error_response(403, "ask for 127.0.0.1, or set WA_WEB_TOKEN and send it")
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
