"""A web server with everything that a server can do wrong, on loopback, and sources that may reach it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from streams.domain.addresses import parse_networks
from streams.media.cache import MediaCache
from streams.media.source import MediaSource
from streams.media.web import WebClient

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
LOOPBACK = ("127.0.0.0/8",)


@dataclass
class FileServer:
    """`files` by path. `gate`: the path `/slow` answers when it is set."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {"/a.png": PNG})
    requests: Counter[str] = field(default_factory=Counter)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)  # of the answers with a file

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any path."""
        self.requests[request.path] += 1
        handler = _HANDLERS.get(request.path)
        if handler is not None:
            return await handler(self, request)
        if request.path not in self.files:
            raise web.HTTPNotFound
        etag = self.headers.get("ETag")
        is_unchanged = etag is not None and request.headers.get("If-None-Match") == etag
        self.statuses.append(304 if is_unchanged else 200)
        if is_unchanged:
            return web.Response(status=304)
        return web.Response(body=self.files[request.path], headers=self.headers)


async def _send_slowly(server: FileServer, _: web.Request) -> web.StreamResponse:
    await server.gate.wait()
    return web.Response(body=PNG)


async def _never_end(_: FileServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)
        await asyncio.sleep(0)


async def _fall_silent(server: FileServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(PNG)
    await server.gate.wait()
    return response


async def _end_too_early(_: FileServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(PNG)
    assert request.transport is not None
    request.transport.close()
    return response


async def _claim_3_gb(_: FileServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(3 << 30)})
    await response.prepare(request)
    return response


def _redirect(location: str) -> Callable[[FileServer, web.Request], object]:
    async def answer(_: FileServer, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(location)

    return answer


_HANDLERS: dict[str, Callable[..., object]] = {
    "/slow": _send_slowly,
    "/endless": _never_end,
    "/silent": _fall_silent,
    "/short": _end_too_early,
    "/3gb": _claim_3_gb,
    "/to-metadata": _redirect("http://169.254.169.254/latest/meta-data"),
    "/to-file": _redirect("file:///etc/passwd"),
    "/to-password": _redirect("http://user:secret@127.0.0.1/"),
    "/to-a": _redirect("/a.png"),
    "/loop": _redirect("/loop"),
}


@asynccontextmanager
async def serve_files() -> AsyncIterator[FileServer]:
    """A server on a free port."""
    server = FileServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    server.gate.set()
    await runner.cleanup()


@asynccontextmanager
async def open_source(
    folder: Path,
    *,
    networks: Collection[str] = LOOPBACK,
    owner: str = "sender-main-1",
    max_age_s: float = 300.0,
    timeout_s: float = 20.0,
    patience_s: float = 20.0,
    max_cache_bytes: int = 1 << 20,
) -> AsyncIterator[MediaSource]:
    """The files of URLs, as one sender has them."""
    source = MediaSource(
        MediaCache(folder, owner, max_bytes=max_cache_bytes, max_age_s=max_age_s),
        {"http": WebClient(parse_networks(networks))},
        max_file_bytes=1 << 20,
        timeout_s=timeout_s,
        patience_s=patience_s,
    )
    yield source
    await source.close()
