"""The producer: nothing leaves while it is not sure that we are a member, and nothing is lost in an outage."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streams.kafka.app import App
from streams.kafka.durable import DurableTable, publish
from streams.kafka.topics import ROWS
from tests.kafka.world import World, running, until, world_of
from tests.support.broker import OwnBroker, settings_for

pytestmark = pytest.mark.broker


def _app(world: World) -> tuple[App, DurableTable]:
    app = world.app()
    rows = DurableTable(app, ROWS)

    @app.agent(app.raw_topic(world.topics.outbound), name="idle", isolated_partitions=True)
    async def idle(stream: Any) -> None:
        async for _ in stream.events():
            pass

    return app, rows


class Heartbeats:
    """Counts those that are answered, and can make them look old."""

    def __init__(self, app: App) -> None:
        self.fence = app.fence
        self.answered = 0
        self.late_s = 0.0
        self._answered = app.fence.answered
        app.fence.answered = self._count  # type: ignore[method-assign]

    def _count(self, asked_s: float) -> None:
        self._answered(asked_s - self.late_s)
        self.answered += 1

    def make_old(self) -> None:
        self.late_s = 60.0
        self._answered(time.monotonic() - self.late_s)

    async def more(self) -> None:
        enough = self.answered + 2
        await until(lambda: self.answered >= enough)


async def test_nothing_is_written_while_heartbeats_are_old(world: World):
    app, rows = _app(world)
    async with running(app):
        heartbeats = Heartbeats(app)
        heartbeats.make_old()
        writing = [
            asyncio.ensure_future(publish(app, world.topics.status, b"x", partition=0)),
            asyncio.ensure_future(rows.write(0, [(b"k", b"v")])),
        ]
        await heartbeats.more()
        assert not any(each.done() for each in writing)
        assert await world.read(world.topics.status) == []
        heartbeats.late_s = 0.0
        await asyncio.gather(*writing)
        assert len(await world.read(world.topics.status)) == 1


async def test_it_is_idempotent_and_waits_for_all_replicas(world: World):
    app, _ = _app(world)
    async with running(app):
        client: Any = app.safe_producer.client
        assert client._txn_manager is not None
        assert client._sender._acks == -1


@pytest.fixture
async def broken(own_broker: OwnBroker, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(settings_for(own_broker, tmp_path)) as world:
        yield world


async def test_an_outage_delays_and_loses_nothing(broken: World, own_broker: OwnBroker):
    """Writes wait, rows are not seen before the broker has them, and each is written once."""
    app, rows = _app(broken)
    async with running(app):
        await rows.write(0, [(b"k", b"before")])
        own_broker.kill()
        writing = [
            asyncio.ensure_future(rows.write(0, [(b"k", b"after")])),
            asyncio.ensure_future(publish(app, broken.topics.status, b"x", partition=0)),
        ]
        done, _ = await asyncio.wait(writing, timeout=2.0)
        assert not done
        assert rows.get(0, b"k") == b"before"
        await asyncio.to_thread(own_broker.start)
        await asyncio.gather(*writing)
        assert rows.get(0, b"k") == b"after"
        values = [
            record.value
            for record in await broken.read(f"{broken.group}-rows-changelog")
            if record.key == b"k"
        ]
        assert values == [b"before", b"after"]
        assert len(await broken.read(broken.topics.status)) == 1
