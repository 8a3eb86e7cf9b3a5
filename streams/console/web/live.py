"""Tells open pages that something has changed, by server-sent events. An event carries no data: the page loads itself.

The number of open streams is bounded, and so is the rate at which a stream gets events.
"""

import asyncio
from typing import Final

from aiohttp import web

MAX_STREAMS: Final = 64
_INTERVAL_S: Final = 1.0  # between two deliveries of a stream
_KEEP_ALIVE_S: Final = 15.0
_WRITE_TIMEOUT_S: Final = 10.0


class Changes:
    """Who waits for changes."""

    def __init__(self) -> None:
        self._streams: set[_Stream] = set()
        self._is_closed = False

    def notify(self, name: str) -> None:
        """Something of this name has changed."""
        for stream in self._streams:
            stream.add(name)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for stream in self._streams:
            stream.has_change.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A stream, until the page goes away."""
        if len(self._streams) >= MAX_STREAMS:
            return web.Response(
                status=503, text="too many open pages\n", headers={"Retry-After": "30"}
            )
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        stream = _Stream()
        self._streams.add(stream)
        try:
            await response.prepare(request)
            while not self._is_closed:
                await _write(response, await stream.take())
                await asyncio.sleep(_INTERVAL_S)
        except (ConnectionError, TimeoutError):
            pass  # the page is gone, or does not read: it opens another stream when it can
        finally:
            self._streams.discard(stream)
        return response


class _Stream:
    """What has changed since the last delivery."""

    def __init__(self) -> None:
        self.has_change = asyncio.Event()
        self._names: set[str] = set()

    def add(self, name: str) -> None:
        self._names.add(name)
        self.has_change.set()

    async def take(self) -> list[str]:
        """The names of what has changed; empty if nothing has for a while."""
        try:
            async with asyncio.timeout(_KEEP_ALIVE_S):
                await self.has_change.wait()
        except TimeoutError:
            return []
        self.has_change.clear()
        names, self._names = sorted(self._names), set()
        return names


async def _write(response: web.StreamResponse, names: list[str]) -> None:
    # A browser drops an event without data.
    events = "".join(f"event: {name}\ndata: 1\n\n" for name in names) or ": nothing new\n\n"
    async with asyncio.timeout(_WRITE_TIMEOUT_S):
        await response.write(events.encode())
