"""`/readyz` of the webhooks: 503 while a topic cannot be read that should be, and only then."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from streams.webhooks.deliverer import MAX_WAITING
from streams.webhooks.payload import Event
from streams.webhooks.store import Store, StoredEvent, get_path
from tests.support.broker import OwnBroker, make_settings
from tests.support.waiting import wait_until
from tests.webhooks.receiver import World, open_world

pytestmark = pytest.mark.broker

LONG_S = 120.0


async def fetch_status(webhooks: Any) -> int:
    """What `/readyz` answers."""
    async with ClientSession() as http, http.get(f"{webhooks.server.url}/readyz") as response:
        return response.status


async def test_an_endpoint_with_many_waiting_events_is_ready(world: World) -> None:
    """It delivers them, and reads no topic meanwhile, not even at its start."""
    world.receiver.answers["/a"] = 503
    store = Store(get_path(world.settings.data_dir))
    events = [
        StoredEvent("status", 0, n, Event(f"msg_{n}", "wa.message.sent", f"+{n}", b'{"data":{}}'))
        for n in range(MAX_WAITING)
    ]
    store.add("a", events, "id", {}, world.now_s())
    store.close()
    async with world.deliver() as webhooks:

        async def is_ready() -> bool:
            return await fetch_status(webhooks) == 200

        await wait_until(is_ready)
        await wait_until(world.receiver.tried)
        assert not world.is_reading()


async def test_an_outage_of_kafka_is_not_ready(own_broker: OwnBroker, tmp_path: Path) -> None:
    """Also after the topics were read; when the broker is back, events are delivered and it is ready."""
    async with (
        open_world(make_settings(own_broker, tmp_path)) as world,
        world.deliver() as webhooks,
    ):
        await wait_until(world.is_reading)

        async def has_status(status: int) -> bool:
            return await fetch_status(webhooks) == status

        await wait_until(lambda: has_status(200))
        own_broker.kill()
        await wait_until(lambda: has_status(503), timeout_s=LONG_S)
        await asyncio.to_thread(own_broker.start)
        await wait_until(lambda: has_status(200), timeout_s=LONG_S)
        await world.topics.put_event("one", "sent")
        await wait_until(lambda: world.receiver.ids() == ["one"])
