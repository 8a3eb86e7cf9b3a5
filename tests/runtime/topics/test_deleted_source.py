"""A worker whose source was deleted stops all the same, within seconds."""

import asyncio

import pytest

from streams.kafka import connection
from streams.kafka.topics import ROWS
from streams.runtime.table import DurableTable
from tests.runtime.reading import add_reader
from tests.runtime.world import World, wait_until

pytestmark = pytest.mark.broker


async def test_a_worker_without_its_source_stops(world: World) -> None:
    """Nothing that the stop waits for needs the topic."""
    values: list[bytes] = []
    app = add_reader(world.make_app(), world, values)
    DurableTable(app, ROWS)
    app.obstacles.timeout_s, app.obstacles.check_interval_s = 0.5, 0.1
    await app.start()
    await wait_until(lambda: app.readiness().is_ready)
    await world.produce([b"x"])
    await wait_until(lambda: values == [b"x"])
    async with connection.admin_client(world.settings) as client:
        await client.delete_topics([world.topics.outbound])
    await wait_until(lambda: app.obstacle() is not None)
    await asyncio.wait_for(app.stop(), 20)
    assert app.crash_reason is None
