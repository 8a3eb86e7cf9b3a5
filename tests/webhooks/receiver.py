"""A real HTTP receiver that verifies each webhook, and the world of a test: topics, endpoints, a stepped clock."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from streams.settings import Settings
from streams.webhooks import commands
from streams.webhooks.app import open_webhooks
from streams.webhooks.endpoints import load_endpoints, make_secret
from tests.console.world import Topics

LOOPBACK = ("127.0.0.0/8",)
Behave = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """What arrived. `answers` by path: a status, or a function."""

    secret: str = field(default_factory=make_secret)
    url: str = ""
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # that were answered 2xx
    tries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # all
    answers: dict[str, int | Behave] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Verify as the specification says, with its own library; a wrong signature fails the test."""
        body = await request.read()
        headers = dict(request.headers)
        signed_s = int(headers["webhook-timestamp"])
        if abs(signed_s - time.time()) < 200:  # not with a clock that a test has set
            Webhook(self.secret).verify(body, headers)
        event = orjson.loads(body) | {"webhook_id": headers["webhook-id"]}
        self.tries.setdefault(request.path, []).append(event)
        answer = self.answers.get(request.path, 204)
        if not isinstance(answer, int):
            return await answer(request, event)
        if 200 <= answer < 300:
            self.events.setdefault(request.path, []).append(event)
        return web.Response(status=answer)

    def ids(self, path: str = "/a") -> list[str]:
        """The message ids of the events that this path has taken."""
        return [event["data"].get("id") for event in self.events.get(path, [])]

    def tried(self, path: str = "/a") -> list[str]:
        """The message ids of all tries."""
        return [event["data"].get("id") for event in self.tries.get(path, [])]


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()


def write_endpoints(folder: Path, receiver: Receiver, **paths: dict[str, Any]) -> Path:
    """The file with these endpoints: a path of the receiver is named as its endpoint."""
    lines: list[str] = []
    for name, changes in paths.items():
        entry = {"url": f"{receiver.url}/{name}", "secret": receiver.secret, "allow_http": True}
        lines.append(f"[{name}]")
        lines += [
            f"{key} = {orjson.dumps(value).decode()}" for key, value in (entry | changes).items()
        ]
    path = folder / "webhooks.toml"
    path.write_text("\n".join(lines))
    return path


@dataclass
class World:
    """Topics, a receiver, and settings with endpoints. `offset_s` is how far the clock was set ahead."""

    topics: Topics
    receiver: Receiver
    settings: Settings
    offset_s: float = 0.0

    def now_s(self) -> float:
        """The stepped clock."""
        return time.time() + self.offset_s

    def with_endpoints(self, **paths: dict[str, Any]) -> None:
        """Write the file of the endpoints."""
        path = write_endpoints(self.settings.data_dir, self.receiver, **paths)
        self.settings = replace(self.settings, webhooks_file=str(path))

    def is_reading(self) -> bool:
        """Whether every endpoint has positions on all its topics: a new one gets what comes after that."""
        endpoints = load_endpoints(self.settings).values()
        topics = {(endpoint.name, topic) for endpoint in endpoints for topic in endpoint.topics}
        query = "SELECT endpoint, topic FROM positions"

        def read(connection: sqlite3.Connection) -> set[tuple[str, str]]:
            return set(connection.execute(query).fetchall())

        return commands.run(self.settings, read) >= topics

    def report(self, name: str = "a") -> commands.EndpointReport:
        """How the endpoint stands, as the command line sees it."""
        return commands.run(
            self.settings, lambda connection: commands.report(connection, name, self.now_s())
        )

    def given_up(self) -> list[commands.GivenUpEvent]:
        """What was given up, as the command line sees it."""
        list_ = partial(commands.list_given_up, now_s=self.now_s())
        return commands.run(self.settings, list_)

    @asynccontextmanager
    async def deliver(self) -> AsyncIterator[Any]:
        """Run the webhooks."""
        async with open_webhooks(
            self.settings, "webhooks", now_s=self.now_s, poll_interval_s=0.05
        ) as webhooks:
            yield webhooks


@asynccontextmanager
async def open_world(settings: Settings) -> AsyncIterator[World]:
    """Empty topics, and one endpoint `a`."""
    settings = replace(settings, webhooks_allowed_networks=LOOPBACK, webhooks_timeout_s=30)
    async with Topics.open(settings) as topics, open_receiver() as receiver:
        world = World(topics, receiver, settings)
        world.with_endpoints(a={})
        yield world
